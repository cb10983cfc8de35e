//! A segment that this process is attached to.

#![allow(unsafe_code)]

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64};
use std::sync::{Mutex, PoisonError};

use super::mapping::{Mapping, page_bytes};
use super::reopen::Reopen;
use super::space::{self, Range};
use super::{file, owner, process, slot};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::events::Happened;
use crate::segment::header::{BackingKind, Header};
use crate::segment::live::Live;
use crate::segment::participant::Participant;

/// What an [`Attached`] is made of.
pub(crate) struct Parts {
    /// For people.
    pub(crate) path: String,
    pub(crate) segment: Reopen,
    pub(crate) locks: Reopen,
    pub(crate) header: Header,
    /// From the first byte of the segment on: header and participants, or all `max_bytes`.
    pub(crate) memory: Mapping,
    pub(crate) created: bool,
}

/// What the process keeps of an attached segment. It lives as long as the process, or until its image is unloaded, or
/// (a segment of objects) until it is closed.
pub(crate) struct Attached {
    pub(crate) path: String,
    /// The file that is reserved from and mapped; where memory is no file (anonymous, System V), the one of the locks.
    pub(crate) segment: Reopen,
    /// Where slots and growth are locked: the segment itself, or the companion that readers cannot open.
    pub(crate) locks: Reopen,
    pub(crate) header: Header,
    pub(crate) live: Live,
    pub(crate) created: bool,
    /// What is reserved is also made to be there (`prefault`).
    pub(crate) prefault: bool,
    /// What is reserved is in huge pages where there are any.
    has_huge_pages: bool,
    /// Keeps header and participants mapped for `live`, of a segment of objects everything; holds the life byte.
    pub(super) memory: Mapping,
    owner: &'static AtomicU64,
    /// The page whose mapping holds the slot's lock. Of another process's slot if `owner` is zero: a child's copy.
    slot_page: AtomicPtr<u8>,
    /// Data that is not mapped in place.
    views: Vec<Mapping>,
    /// The image that held the blocks is gone; what comes late must not take a slot.
    is_detached: AtomicBool,
}

impl Attached {
    pub(crate) fn new(parts: Parts) -> Result<Attached> {
        // Blocks are attached under a lock of their own, segments of objects by any thread.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = process::remember_pid_namespace()
            .and_then(|()| owner::new_owner_word())
            .map_err(|cause| Error::system("set a page apart that forks wipe (MADV_WIPEONFORK)", &cause))?;
        drop(one_at_a_time);
        let Parts { path, segment, locks, header, memory, created } = parts;
        let live = if memory.bytes() >= Live::mapped_bytes_of(&header) {
            // SAFETY: `memory` maps that many shared bytes and lives in the same value; the header was checked.
            unsafe { Live::with_events(memory.base(), &header) }
        } else {
            // SAFETY: `memory` maps header and participants, and lives in the same value.
            unsafe { Live::new(memory.base(), header.participants_max) }
        };
        Ok(Attached {
            path,
            segment,
            locks,
            header,
            live,
            created,
            prefault: false,
            has_huge_pages: false,
            memory,
            owner,
            slot_page: AtomicPtr::new(null_mut()),
            views: Vec::new(),
            is_detached: AtomicBool::new(false),
        })
    }

    /// The segment's first byte. Of a segment of objects all `max_bytes` are mapped from here on; what is not reserved
    /// must not be touched.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.memory.base()
    }

    /// How many bytes are mapped from [`Attached::base`] on.
    pub(crate) fn mapped_bytes(&self) -> usize {
        self.memory.bytes()
    }

    /// From here on memory is reserved in huge pages, as far as there are any.
    pub(super) fn want_huge_pages(&mut self) {
        self.memory.want_huge_pages();
        self.has_huge_pages = true;
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn live(&self) -> Live {
        self.live
    }

    /// Makes sure that there is memory behind the `bytes` bytes at `at`, counted from the first byte of the segment.
    /// What was reserved before keeps its values. Nothing behind the page of `at` is in use yet.
    pub(crate) fn reserve(&self, at: u64, bytes: u64) -> Result<()> {
        self.reserve_range(Range::New, at, bytes)
    }

    fn reserve_range(&self, range: Range, at: u64, bytes: u64) -> Result<()> {
        let end = at.saturating_add(bytes);
        if end > self.header.max_bytes {
            let (max, data_at) = (self.header.max_bytes, self.header.data_at);
            let error = format!(
                "the segment {} is full: it was made for at most {} bytes of objects, and would need {}",
                self.path,
                max - data_at,
                end - data_at
            );
            return Err(Error::new(ErrorKind::NoSpace, error).hint("make it anew with a larger `max_bytes`"));
        }
        const ANONYMOUS: u8 = BackingKind::Anonymous as u8;
        const SYSV: u8 = BackingKind::SysV as u8;
        if matches!(self.header.backing, ANONYMOUS | SYSV) || bytes == 0 {
            return Ok(()); // All of it is there since it was made.
        }
        let doing = format!("make the segment {} grow to {end} bytes", self.path);
        let file = self.segment.open().map_err(|cause| self.cannot_reopen(&doing, &cause))?;
        let huge_in = self.has_huge_pages.then_some(&self.memory);
        space::reserve(&file, huge_in, range, at, bytes, &doing)?;
        if self.prefault {
            let page = page_bytes() as u64;
            let start = at / page * page;
            self.memory
                .populate(start as usize, (end - start) as usize)
                .map_err(|cause| Error::system(doing, &cause))?;
        }
        Ok(())
    }

    /// Writes what is in memory to the disk ([`msync(2)`](https://man7.org/linux/man-pages/man2/msync.2.html)): of a
    /// segment in a file, all changes that were made before survive a fall of the machine.
    #[doc(alias = "msync")]
    pub(crate) fn sync(&self) -> Result<()> {
        if self.header.backing != BackingKind::File as u8 {
            return Ok(());
        }
        let doing = || format!("write the segment {} to its disk", self.path);
        let end = self.header.data_at.saturating_add(self.live.data_bytes().load(Acquire));
        let bytes = (end.min(self.header.max_bytes) as usize).next_multiple_of(page_bytes());
        self.memory.write_out(bytes.min(self.memory.bytes())).map_err(|cause| Error::system(doing(), &cause))
    }

    fn cannot_reopen(&self, doing: &str, cause: &std::io::Error) -> Error {
        let error = Error::system(doing, cause);
        match cause.kind() {
            std::io::ErrorKind::NotFound if !self.segment.is_kept() => {
                error.hint("its name was removed while it is in use, so it cannot grow: start its programs anew")
            }
            std::io::ErrorKind::NotFound => {
                error.hint("its descriptor was closed (closefrom), or /proc is not there: another process can do it")
            }
            std::io::ErrorKind::PermissionDenied => error
                .hint("a process that drops privileges must make it grow before it does, or have another one do it"),
            _ => error,
        }
    }

    /// As [`Attached::reserve`], of data in use; counted from the start of the data.
    pub(crate) fn reserve_data(&self, at: u64, bytes: u64) -> Result<()> {
        self.reserve_range(Range::InUse, self.header.data_at.saturating_add(at), bytes)
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
            self.live.record(slot.number, Happened::Attached, 0, None);
            for half in slot.found_dead.into_iter().filter(|half| *half != 0) {
                self.live.record_death(slot.number, half);
            }
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
        // A child of a fork that never needed a slot was never there.
        if self.slot() != 0 {
            self.live.record_end(self.slot());
        }
        slot::announce_end(self.live, self.slot());
    }

    #[cold]
    fn no_slot(&self, cause: &std::io::Error) -> Error {
        let error = Error::system(format!("take a slot of the segment {}", self.path), cause);
        match (error.kind(), cause.kind()) {
            (ErrorKind::PermissionDenied, _) => error
                .hint("a process that drops privileges must lock something before it does, and its children cannot"),
            (ErrorKind::NoSpace, _) => error.hint("make room there: participants need 64 bytes each"),
            (_, std::io::ErrorKind::NotFound) if self.locks.is_kept() => super::anonymous::no_descriptor(&self.path),
            (_, std::io::ErrorKind::NotFound) => {
                error.hint("it was removed while it is in use: start its programs anew")
            }
            _ => error,
        }
    }

    /// Whether the owner that a lock word names in its high half is dead.
    pub(crate) fn owner_is_dead(&self, owner_half: u32) -> bool {
        let (number, generation) = (owner_half >> 20, owner_half >> 1 & slot::MAX_GENERATION);
        // Nobody who lives has a slot that is none: damage, or a lock that was moved here while it was held elsewhere.
        let is_slot = (1..=self.live.participants_max()).contains(&number);
        !is_slot || slot::is_dead(self.live, &self.locks, number, generation)
    }

    /// Whether OWNER_DIED in a word that names this owner is true. Thread ids, which the kernel compares, are unique
    /// in one PID namespace only; and a child that never was a participant may be of another, and have a copy of what
    /// its parent announced. So the mark is believed of a process that is ending; of another the slot's lock decides.
    pub(crate) fn kernel_is_right(&self, owner_half: u32) -> bool {
        slot::is_in_the_only_pid_namespace(self.live, owner_half >> 20) && slot::is_ending(self.live, owner_half >> 20)
    }

    /// Whether the owner that a lock word names is a slot of this very process.
    pub(crate) fn is_this_process(&self, owner_half: u32) -> bool {
        let Some(entry) = self.live.participant(owner_half >> 20) else { return false };
        let namespace = entry.pid_namespace.load(Relaxed);
        entry.generation.load(Acquire) == owner_half >> 1 & slot::MAX_GENERATION
            && entry.pid.load(Relaxed) == process::pid()
            && namespace != 0 // In two unknown ones, two processes may have one id.
            && namespace == process::pid_namespace()
            // A container that is started again has its first process's id, and even its namespace's inode, again.
            && slot::is_held_or_cannot_be_asked(&self.locks, entry, owner_half >> 20)
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
        self.segment.lost_its_name()
    }

    /// Tells of the participants that are dead, if nobody has.
    pub(crate) fn tell_deaths(&self) {
        slot::tell_deaths(self.live, &self.locks, self.slot());
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
        self.give_slot_back();
        // Else this mapping would keep the life byte, and with it the values, until the process ends. If it fails,
        // just that.
        let _ = self.memory.let_go_of_file();
        for view in &self.views {
            let _ = view.let_go_of_file();
        }
    }

    /// Gives the slot back, if this process has one.
    pub(super) fn give_slot_back(&self) {
        let number = self.slot();
        // A child of a fork may have none of its own; the page's address is its parent's then.
        if number == 0 {
            return;
        }
        self.live.record(number, Happened::Detached, 0, None);
        slot::give_back(self.live, number);
        self.owner.store(0, Release);
        let page = self.slot_page.swap(null_mut(), AcqRel);
        if !page.is_null() {
            // SAFETY: mapped by `ensure_slot` in this process (the owner word says so), one page, nothing points to it.
            unsafe { libc::munmap(page.cast(), page_bytes()) };
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.give_slot_back();
        owner::give_back_owner_word(self.owner);
    }
}
