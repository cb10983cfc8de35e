//! Models.
#![cfg(cotenant_model)]

mod mutex;
mod room;
mod world;
