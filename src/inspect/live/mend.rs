//! What changes a segment, for tools: a lock is freed, a name is removed. By the same steps as programs go.

#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Release};

use super::locks::{Lock, LockOwner, LockState};
use super::objects::LiveObject;
use super::segment::LiveSegment;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Locked, RawLock};
use crate::sys::catalog;
use crate::sys::visit::{self, Visit};

/// A lock word that a reset looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reset {
    /// Where in the object, as [`Lock::path`].
    pub path: String,
    /// The type of the lock.
    pub type_name: String,
    /// The part of the lock.
    pub part: String,
    /// What was found, and done about it.
    pub outcome: ResetOutcome,
    /// Who held it, or left it half changed.
    pub owner: Option<LockOwner>,
}

/// What a reset found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetOutcome {
    /// It was free and whole: nothing was done.
    WasFine,
    /// Its owner was dead, or had left its value half changed: it is free, and its value counts as whole.
    OwnerDied,
    /// A repairer had given up: it is free, and its value counts as whole.
    NotRecoverable,
    /// Its owner lives: it was left alone.
    Held,
}

impl LiveSegment {
    /// Frees the locks in an object of this segment, whose file is at `path`, unless their owners live: the values
    /// stay as they are, and count as whole. This process becomes a participant for that time. Waits for nobody.
    ///
    /// # Errors
    ///
    /// The segment cannot be joined: nobody is attached to it (then the next one starts with free locks), it is
    /// another one by now, or the system does not let this user write it.
    pub fn reset(&self, path: &Path, object: &LiveObject) -> Result<Vec<Reset>> {
        let participants = self.participants()?;
        let locks = self.locks(object, &participants)?.into_iter().filter(Lock::is_an_owners_word);
        let visit = visit::join(path)?;
        if visit.instance() != self.header.instance {
            return Err(Error::new(ErrorKind::Busy, format!("{} is another segment by now", path.display())));
        }
        Ok(locks.into_iter().map(|lock| reset(&visit, lock)).collect())
    }
}

/// Takes the name from the segment whose file is at `path`. Who is attached goes on, with each other; the next one to
/// attach makes a new one.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Foreign`] if the file is no segment, else what the system
/// says.
pub fn unlink(path: &Path) -> Result<()> {
    catalog::unlink(path)
}

fn reset(visit: &Visit, lock: Lock) -> Reset {
    let is_cell = lock.part.ends_with(']');
    let outcome = match word_at(visit, lock.at) {
        // It lies behind what was there when we joined: nobody can have held it for long.
        None => ResetOutcome::WasFine,
        Some(word) if is_cell => reset_cell(word),
        Some(word) => reset_lock(visit, word, &lock),
    };
    Reset { path: lock.path, type_name: lock.type_name, part: lock.part, outcome, owner: lock.owner }
}

fn reset_cell(word: &RawLock) -> ResetOutcome {
    match (word.reclaim(), word.is_held()) {
        (true, _) => ResetOutcome::OwnerDied,
        (false, true) => ResetOutcome::Held,
        (false, false) => ResetOutcome::WasFine,
    }
}

fn reset_lock(visit: &Visit, word: &RawLock, lock: &Lock) -> ResetOutcome {
    let was_given_up = lock.state == LockState::NotRecoverable;
    let Ok((ticket, locked)) = word.try_lock_given_up() else { return ResetOutcome::Held };
    let outcome = match locked {
        Locked::Clean => ResetOutcome::WasFine,
        Locked::Inconsistent(_) if was_given_up => ResetOutcome::NotRecoverable,
        Locked::Inconsistent(_) => ResetOutcome::OwnerDied,
    };
    if outcome != ResetOutcome::WasFine {
        if let Some(changing) = lock.changing_at.and_then(|at| flag_at(visit, at)) {
            // A writer died as it changed the value; what it left counts as whole. Release: as at the end of writing.
            changing.store(0, Release);
        }
        // Killed before it: the next one finds a dead owner, as we did.
        word.mark_consistent(ticket);
    }
    word.unlock(ticket);
    outcome
}

/// A lock word of the segment, if all of it is mapped.
fn word_at(visit: &Visit, at: u64) -> Option<&RawLock> {
    let address = address_of(visit, at, size_of::<RawLock>(), align_of::<RawLock>())?;
    // SAFETY: mapped shared, writable, and aligned (checked by `address_of`) while the visit lasts. A lock word
    // is an atomic, of which every value is one.
    Some(unsafe { &*address.cast::<RawLock>() })
}

fn flag_at(visit: &Visit, at: u64) -> Option<&AtomicU32> {
    let address = address_of(visit, at, size_of::<AtomicU32>(), align_of::<AtomicU32>())?;
    // SAFETY: as in `word_at`.
    Some(unsafe { &*address.cast::<AtomicU32>() })
}

/// Where `bytes` bytes of the segment lie in this process, if they are aligned and all mapped.
pub(super) fn address_of(visit: &Visit, at: u64, bytes: usize, align: usize) -> Option<*const u8> {
    let at = usize::try_from(at).ok()?;
    let is_inside = at.checked_add(bytes)? <= visit.bytes();
    // The mapping begins on a page.
    (is_inside && at % align == 0).then(|| visit.base().as_ptr().cast_const().wrapping_add(at))
}
