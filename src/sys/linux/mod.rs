//! Linux: segments are files in a tmpfs folder, liveness is open-file-description locks, waiting is futexes.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("cotenant shares on 64-bit Linux only: its locks are 64-bit words, and lie beyond 4 GiB of a file");

pub(crate) mod anonymous;
pub(crate) mod attach;
pub(crate) mod attached;
pub(crate) mod barrier;
pub(crate) mod catalog;
pub(crate) mod descriptor;
pub(crate) mod file;
pub(crate) mod file_system;
pub(crate) mod folder;
pub(crate) mod futex;
pub(crate) mod leftovers;
pub(crate) mod loader;
pub(crate) mod mapping;
pub(crate) mod memfd;
pub(crate) mod memory_limit;
pub(crate) mod new_boot;
pub(crate) mod owner;
pub(crate) mod pipe;
#[cfg(feature = "inspect")]
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod reader;
pub(crate) mod reopen;
pub(crate) mod robust;
pub(crate) mod segment;
pub(crate) mod segment_file;
pub(crate) mod siblings;
pub(crate) mod slot;
pub(crate) mod socket;
pub(crate) mod space;
#[cfg(feature = "inspect")]
pub(crate) mod survey;
pub(crate) mod sysv;
pub(crate) mod sysv_call;
mod thread_cell;
#[cfg(feature = "inspect")]
pub(crate) mod visit;

pub(crate) use attach::{Place, attach};
pub(crate) use attached::Attached;
pub(crate) use loader::{Image, check_block, image_of};
pub(crate) use mapping::page_bytes;
