//! `cotenant ls`, `show`, `get`, `set`, `watch`, `trace`, `snapshot`, `diff`, `metrics`, `prune`, `rm`, `reset` and
//! `doctor` beside real processes: living, killed, unlinked, in other namespaces; and beside files that are none of ours.

#![cfg(target_os = "linux")]

mod actor;
mod cache;
mod changes;
mod clean;
mod doctor;
mod door;
mod hostile;
mod list;
mod locks;
mod metrics;
mod namespaces;
#[path = "../../../tests/support/skip.rs"]
mod not_tried;
mod others;
mod people;
mod place;
mod process;
mod published;
mod top;
mod trace;
mod values;
