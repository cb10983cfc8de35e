//! Windows: unnamed blocks lie in the image's section `.shared`, others in pagefile-backed file mappings; liveness is
//! process handles, waiting is kernel semaphores.
//!
//! Everything here may run in the initialisers of a DLL, under the loader's lock: no call that loads a library.

pub(crate) mod attach;
pub(crate) mod attached;
pub(crate) mod catalog;
pub(crate) mod file_mapping;
pub(crate) mod futex;
pub(crate) mod handle;
pub(crate) mod kernel_mutex;
pub(crate) mod kernel_semaphore;
pub(crate) mod loader;
pub(crate) mod owner;
pub(crate) mod participants;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod section;
pub(crate) mod security;
pub(crate) mod segment;
#[cfg(test)]
mod tests;
pub(crate) mod unload;
pub(crate) mod view;

pub(crate) use attach::{Place, attach};
pub(crate) use attached::Attached;
pub(crate) use loader::{Image, check_block, image_of};
pub(crate) use process::page_bytes;
