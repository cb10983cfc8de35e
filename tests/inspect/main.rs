//! `cotenant::inspect` over binaries of every format: made by hand, of this machine, and broken.

mod agreement;
mod blocks;
mod hostile;
mod judgements;
mod make;
#[path = "../support/skip.rs"]
mod not_tried;
mod seeds;
