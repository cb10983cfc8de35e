//! `cotenant::inspect` over binaries of every format: made by hand, of this machine, and broken.

mod blocks;
mod make;
mod seeds;
