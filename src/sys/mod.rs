//! The operating system: the only folder with OS `cfg`, `libc` and `windows-sys`.
//!
//! One table decides the platform; each folder has the same names with the system's own insides.

mod crowd;
#[allow(unreachable_pub)] // `__private` exports its items.
pub mod place;
pub(crate) mod ranges;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(not(any(target_os = "linux", windows)))]
mod other;
#[cfg(not(any(target_os = "linux", windows)))]
pub(crate) use other::*;

#[cfg(windows)]
#[path = "other/barrier.rs"]
pub(crate) mod barrier;

#[cfg(all(feature = "inspect", not(target_os = "linux")))]
#[path = "other/survey.rs"]
pub(crate) mod survey;

#[cfg(all(feature = "inspect", not(target_os = "linux")))]
#[path = "other/probe.rs"]
pub(crate) mod probe;

#[cfg(all(feature = "inspect", not(target_os = "linux")))]
#[path = "other/visit.rs"]
pub(crate) mod visit;
