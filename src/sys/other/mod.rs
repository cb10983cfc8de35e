//! Systems on which nothing is shared yet (macOS, the BSDs, ...): every process has values of its own.
//!
//! Said three times: by a warning wherever `shared!` is used (`place`), by `attach()`'s error, and by `attachment()`.

pub(crate) mod barrier;
pub(crate) mod catalog;
pub(crate) mod futex;
pub(crate) mod owner;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod segment;

use std::convert::Infallible;
use std::ptr::NonNull;

use crate::error::{Error, ErrorKind, Result};
use crate::image::block::Descriptor;
use crate::segment::header::Header;
use crate::segment::live::Live;
use crate::segment::participant::Participant;
use crate::segment::plan::Plan;

/// The program; nothing is known of it.
pub(crate) struct Image {
    pub(crate) build_id: Vec<u8>,
}

impl Image {
    pub(crate) fn is_program(&self) -> bool {
        true
    }

    pub(crate) fn program_name(&self) -> String {
        String::new()
    }

    /// All blocks may go together: none is attached.
    pub(crate) fn holds(&self, _address: usize, _bytes: usize) -> bool {
        true
    }
}

/// A block and where it would lie.
#[allow(dead_code)]
pub(crate) struct Place<'a> {
    pub(crate) block: &'a Descriptor,
    pub(crate) bytes: usize,
    pub(crate) data_at: u64,
}

/// There is none.
pub(crate) struct Attached {
    pub(crate) path: String,
    pub(crate) created: bool,
    never: Infallible,
}

impl Attached {
    pub(crate) fn slot(&self) -> u32 {
        match self.never {}
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        match self.never {}
    }

    pub(crate) fn header(&self) -> &Header {
        match self.never {}
    }

    pub(crate) fn live(&self) -> Live {
        match self.never {}
    }

    pub(crate) fn reserve(&self, _at: u64, _bytes: u64) -> Result<()> {
        match self.never {}
    }

    pub(crate) fn reserve_data(&self, _at: u64, _bytes: u64) -> Result<()> {
        match self.never {}
    }

    pub(crate) fn sync(&self) -> Result<()> {
        match self.never {}
    }

    pub(crate) fn participants(&self) -> Vec<Participant> {
        match self.never {}
    }

    pub(crate) fn owner_is_dead(&self, _owner_half: u32) -> bool {
        match self.never {}
    }

    pub(crate) fn kernel_is_right(&self, _owner_half: u32) -> bool {
        match self.never {}
    }

    pub(crate) fn is_this_process(&self, _owner_half: u32) -> bool {
        match self.never {}
    }

    pub(crate) fn describe_owner(&self, _owner_half: u32) -> Option<(u32, String)> {
        match self.never {}
    }

    pub(crate) fn is_unlinked(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn announce_end(&self) {}

    pub(crate) fn tell_deaths(&self) {}

    pub(crate) fn detach(&self) {}
}

pub(crate) fn image_of(_block: &'static Descriptor) -> Result<Image> {
    Ok(Image { build_id: Vec::new() })
}

/// Keeps every block private. Of this kind, because the program is to go on: the compiler has warned.
pub(crate) fn check_block(_block: &'static Descriptor, _image: &Image) -> Result<()> {
    Err(Error::new(
        ErrorKind::Private,
        "cotenant shares nothing on this system yet: each process has values of its own",
    ))
}

pub(crate) fn attach(plan: &Plan, _file_name: &str, _places: &[Place<'_>]) -> Result<&'static Attached> {
    Err(Error::new(ErrorKind::Private, format!("cotenant shares nothing on this system yet, nor {}", plan.name)))
}

pub(crate) const fn page_bytes() -> usize {
    4096
}
