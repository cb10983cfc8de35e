//! A segment that this process is attached to.

#![allow(unsafe_code)]

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64};

use super::mapping::{Mapping, page_bytes};
use super::slot::{self, Reopen};
use super::{file, process};
use crate::attachment::Participant;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::Header;
use crate::segment::live::Live;

/// What the process keeps of an attached segment. It lives as long as the process, or until its image is unloaded.
pub(crate) struct Attached {
    pub(crate) path: String,
    pub(crate) segment: Reopen,
    /// Where slots and growth are locked: the segment itself, or the companion that readers cannot open.
    pub(crate) locks: Reopen,
    pub(crate) header: Header,
    pub(crate) live: Live,
    pub(crate) created: bool,
    /// Keeps header and participants mapped for `live`, and holds the life byte.
    metadata: Mapping,
    owner: &'static AtomicU64,
    /// The page whose mapping holds the slot's lock. Of another process's slot if `owner` is zero: a child's copy.
    slot_page: AtomicPtr<u8>,
    /// Data that is not mapped in place.
    views: Vec<Mapping>,
    /// The image that held the blocks is gone; what comes late must not take a slot.
    is_detached: AtomicBool,
}

impl Attached {
    pub(crate) fn new(
        path: String,
        files: (Reopen, Reopen),
        header: Header,
        metadata: Mapping,
        created: bool,
    ) -> Result<Attached> {
        let owner = process::remember_pid_namespace()
            .and_then(|()| super::owner::new_owner_word())
            .map_err(|cause| Error::system("set a page apart that forks wipe (MADV_WIPEONFORK)", &cause))?;
        // SAFETY: `metadata` maps that many shared bytes and lives in the same value.
        let live = unsafe { Live::new(metadata.base(), header.participants_max) };
        let (segment, locks) = files;
        let slot_page = AtomicPtr::new(null_mut());
        Ok(Attached {
            path,
            segment,
            locks,
            header,
            live,
            created,
            metadata,
            owner,
            slot_page,
            views: Vec::new(),
            is_detached: AtomicBool::new(false),
        })
    }

    pub(crate) fn keep_views(&mut self, views: Vec<Mapping>) {
        self.views = views;
    }

    /// Where the blocks lie that are not mapped in place, in their order.
    pub(crate) fn views(&self) -> impl Iterator<Item = NonNull<u8>> {
        self.views.iter().map(Mapping::base)
    }

    pub(crate) fn owner(&self) -> &'static AtomicU64 {
        self.owner
    }

    /// This process's slot number; 0 in a child of a fork that has not needed one yet.
    pub(crate) fn slot(&self) -> u32 {
        (self.owner.load(Acquire) as u32) >> 20
    }

    /// Takes a slot unless this process has one, and marks it as seen in `epoch`.
    ///
    /// Allocates nothing on success: it runs in children of a fork, where another thread of the parent may have been
    /// inside the allocator.
    pub(crate) fn ensure_slot(&self, epoch: u32) -> Result<()> {
        let now = self.owner.load(Acquire);
        if now as u32 != 0 {
            self.owner.store(u64::from(epoch) << 32 | u64::from(now as u32), Release);
            return Ok(());
        }
        if self.is_detached.load(Acquire) {
            return Err(Error::new(ErrorKind::Unsupported, "the library that holds the variable was unloaded"));
        }
        let slot = slot::take(self.live, &self.segment, &self.locks)
            .map_err(|cause| self.no_slot(&cause))?
            .ok_or_else(|| {
                let max = self.live.participants_max();
                Error::new(ErrorKind::Full, format!("all {max} slots of the segment {} are taken", self.path))
                    .hint("fewer processes can share it at once")
            })?;
        let word = u64::from(epoch) << 32 | u64::from(slot.number << 20 | slot.generation << 1);
        if self.owner.compare_exchange(0, word, AcqRel, Acquire).is_ok() {
            self.slot_page.store(slot.page.base().as_ptr(), Release);
            std::mem::forget(slot.page);
        } else {
            // Another thread of this process was first.
            slot::give_back(self.live, slot.number);
        }
        Ok(())
    }

    /// See [`slot::tell_pid_namespace`].
    pub(crate) fn tell_pid_namespace(&self) {
        slot::tell_pid_namespace(self.live, self.slot());
    }

    /// The process is ending in the ordinary way.
    pub(crate) fn announce_end(&self) {
        slot::announce_end(self.live, self.slot());
    }

    #[cold]
    fn no_slot(&self, cause: &std::io::Error) -> Error {
        let error = Error::system(format!("take a slot of the segment {}", self.path), cause);
        match (error.kind(), cause.kind()) {
            (ErrorKind::PermissionDenied, _) => error
                .hint("a process that drops privileges must lock something before it does, and its children cannot"),
            (ErrorKind::NoSpace, _) => error.hint("make room there: participants need 64 bytes each"),
            (_, std::io::ErrorKind::NotFound) => {
                error.hint("it was removed while it is in use: start its programs anew")
            }
            _ => error,
        }
    }

    /// Whether the owner that a lock word names in its high half is dead.
    pub(crate) fn owner_is_dead(&self, owner_half: u32) -> bool {
        let (number, generation) = (owner_half >> 20, owner_half >> 1 & slot::MAX_GENERATION);
        number != 0 && slot::is_dead(self.live, &self.locks, number, generation)
    }

    /// Whether the owner that a lock word names is a slot of this very process.
    pub(crate) fn is_this_process(&self, owner_half: u32) -> bool {
        let Some(entry) = self.live.participant(owner_half >> 20) else { return false };
        let namespace = entry.pid_namespace.load(Relaxed);
        entry.generation.load(Acquire) == owner_half >> 1 & slot::MAX_GENERATION
            && entry.pid.load(Relaxed) == process::pid()
            && namespace == process::pid_namespace()
    }

    /// Process id and program of an owner, if its slot has no later tenant.
    pub(crate) fn describe_owner(&self, owner_half: u32) -> Option<(u32, String)> {
        let entry = self.live.participant(owner_half >> 20)?;
        let generation = owner_half >> 1 & slot::MAX_GENERATION;
        let described = (entry.pid.load(Relaxed), entry.program());
        (entry.generation.load(Acquire) == generation && described.0 != 0).then_some(described)
    }

    /// Whether the segment's name is gone: who starts now shares with others.
    pub(crate) fn is_unlinked(&self) -> bool {
        match file::open_at(None, &self.segment.path, libc::O_PATH | libc::O_NOFOLLOW, 0) {
            Ok(there) => file::stat(&there).is_ok_and(|stat| !stat.same_file(&self.segment.stat)),
            Err(cause) => cause.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// The participants whose slots are held now.
    pub(crate) fn participants(&self) -> Vec<Participant> {
        // Without a name the file cannot be asked any more; then process ids tell, as far as they mean something here.
        let asker = self.locks.open().ok();
        let reserved = self.live.participants_reserved().load(Acquire).min(self.live.participants_max());
        let namespace = process::pid_namespace();
        let mut found = Vec::new();
        for slot in 1..=reserved {
            let Some(entry) = self.live.participant(slot) else { continue };
            let pid = entry.pid.load(Acquire);
            let attached_ns = entry.attached_boottime_ns.load(Relaxed);
            let lives = match &asker {
                _ if pid == 0 => false,
                Some(asker) => file::is_write_locked(asker, file::lock_byte::SLOT + i64::from(slot)).unwrap_or(false),
                None => process::is_gone(pid, Some(attached_ns)) == Some(false),
            };
            if !lives {
                continue;
            }
            let same_pid_namespace = match entry.pid_namespace.load(Relaxed) {
                // It has not locked anything yet: is there a process of that id, and as old?
                0 => process::is_gone(pid, Some(attached_ns)) == Some(false),
                theirs => theirs == namespace,
            };
            found.push(Participant { slot, pid, program: entry.program(), same_pid_namespace });
        }
        found
    }

    /// Gives the slot back and lets go of the segment: the image that holds the blocks is being unloaded, and the
    /// loader will unmap the blocks with it. Called once for each block.
    pub(crate) fn detach(&self) {
        self.is_detached.store(true, Release);
        let number = self.slot();
        // A child of a fork may have none of its own; the page's address is its parent's then.
        if number != 0 {
            slot::give_back(self.live, number);
            self.owner.store(0, Release);
            let page = self.slot_page.swap(null_mut(), AcqRel);
            if !page.is_null() {
                // SAFETY: mapped by `ensure_slot` in this process (the owner word says so), one page, nothing points to
                // it.
                unsafe { libc::munmap(page.cast(), page_bytes()) };
            }
        }
        // Else this mapping would keep the life byte, and with it the values, until the process ends. If it fails,
        // just that.
        let _ = self.metadata.let_go_of_file();
        for view in &self.views {
            let _ = view.let_go_of_file();
        }
    }
}
