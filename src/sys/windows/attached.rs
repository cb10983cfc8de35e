//! A segment that this process is attached to.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::file_mapping::FileMapping;
use super::kernel_semaphore::KernelSemaphore;
use super::participants::{self, OwnerHalf};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::Header;
use crate::segment::live::Live;
use crate::segment::participant::Participant;
use crate::sys::ranges;

/// What the process keeps of an attached segment. It lives as long as the process, or until its image is unloaded.
pub(crate) struct Attached {
    pub(crate) path: String,
    pub(crate) created: bool,
    pub(crate) live: Live,
    /// What the names of the segment's kernel objects begin with.
    objects: String,
    /// As in [`OwnerHalf`]; 0 after `detach`.
    owner: AtomicU32,
    /// Keeps the view and the name; `None` for the section of the image.
    mapping: Mutex<Option<FileMapping>>,
    /// By the place of the word that one sleeps on.
    semaphores: Mutex<BTreeMap<u64, Arc<KernelSemaphore>>>,
    header: OnceLock<Header>,
}

impl Attached {
    pub(crate) fn new(
        names: (String, String),
        live: Live,
        (owner, created): (OwnerHalf, bool),
        mapping: Option<FileMapping>,
    ) -> Attached {
        let (path, objects) = names;
        let semaphores = Mutex::new(BTreeMap::new());
        let (owner, mapping) = (AtomicU32::new(owner.0), Mutex::new(mapping));
        Attached { path, created, live, objects, owner, mapping, semaphores, header: OnceLock::new() }
    }

    /// The segment's first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.live.base()
    }

    pub(crate) fn live(&self) -> Live {
        self.live
    }

    /// A copy of the fixed fields; of segments of objects only.
    pub(crate) fn header(&self) -> &Header {
        self.header.get_or_init(|| unreachable!("{} is no segment of objects", self.path))
    }

    /// Makes sure that there is memory behind the `bytes` bytes at `at`, counted from the first byte of the segment.
    pub(crate) fn reserve(&self, at: u64, bytes: u64) -> Result<()> {
        let (end, max) = (at.saturating_add(bytes), self.header().max_bytes);
        if end > max {
            let what = format!("the segment {} is full: it was made for {max} bytes, and would need {end}", self.path);
            return Err(Error::new(ErrorKind::NoSpace, what).hint("make it anew with a larger `max_bytes`"));
        }
        let mapping = self.mapping.lock().unwrap_or_else(PoisonError::into_inner);
        match &*mapping {
            Some(mapping) => mapping.commit_range(at, bytes, &self.path),
            None => Err(Error::new(ErrorKind::Unsupported, format!("this image has detached from {}", self.path))),
        }
    }

    /// As [`Attached::reserve`], counted from the start of the data.
    pub(crate) fn reserve_data(&self, at: u64, bytes: u64) -> Result<()> {
        self.reserve(self.header().data_at.saturating_add(at), bytes)
    }

    /// Before anybody else sees the value.
    pub(crate) fn set_header(&self, header: Header) {
        let _ = self.header.set(header);
    }

    /// Nothing to do: there is no disk behind a segment.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(())
    }

    pub(crate) fn owner(&self) -> OwnerHalf {
        OwnerHalf(self.owner.load(Relaxed))
    }

    /// This process's slot number.
    pub(crate) fn slot(&self) -> u32 {
        self.owner().slot()
    }

    /// Whether the owner that a lock word names in its high half is dead.
    pub(crate) fn owner_is_dead(&self, owner_half: u32) -> bool {
        participants::is_dead(self.live, OwnerHalf(owner_half))
    }

    /// The kernel marks no words here: who finds OWNER_DIED asks on.
    pub(crate) fn kernel_is_right(&self, _owner_half: u32) -> bool {
        false
    }

    /// Whether the owner that a lock word names is a slot of this very process.
    pub(crate) fn is_this_process(&self, owner_half: u32) -> bool {
        participants::is_this_process(self.live, OwnerHalf(owner_half))
    }

    /// Process id and program of an owner, if its slot has no later tenant.
    pub(crate) fn describe_owner(&self, owner_half: u32) -> Option<(u32, String)> {
        participants::describe(self.live, OwnerHalf(owner_half))
    }

    /// The kernel's semaphore of the word at `at`, opened once. Named after the segment's instance and the word's
    /// place, so that every process finds the same one.
    pub(crate) fn semaphore(&self, at: u64) -> Result<Arc<KernelSemaphore>> {
        let mut semaphores = self.semaphores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = semaphores.get(&at) {
            return Ok(semaphore.clone());
        }
        let semaphore = Arc::new(KernelSemaphore::open(&format!("{}-word-{at:x}", self.objects))?);
        semaphores.insert(at, semaphore.clone());
        Ok(semaphore)
    }

    /// Never: a name lives as long as the object, and the object as long as this process has it open.
    pub(crate) fn is_unlinked(&self) -> bool {
        false
    }

    /// The participants that live now.
    pub(crate) fn participants(&self) -> Vec<Participant> {
        participants::list(self.live)
    }

    /// An entry does not say whether its process ended in good order: only who is found dead as an owner is told of.
    pub(crate) fn tell_deaths(&self) {}

    /// The process is ending: liveness is the process's own here, there is no hint to clear.
    pub(crate) fn announce_end(&self) {}

    /// Gives the slot back: the image that holds the blocks is being unloaded, and nobody uses its values any more.
    pub(crate) fn detach(&self) {
        let owner = OwnerHalf(self.owner.swap(0, Relaxed));
        if owner.slot() == 0 {
            return;
        }
        participants::give_back(self.live, owner);
        self.semaphores.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(self.mapping.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Detaches every segment of this image.
pub(crate) fn detach_all() {
    // SAFETY: the image is being unloaded: no thread of this process is inside it any more.
    unsafe { ranges::for_each_segment(Attached::detach) };
}
