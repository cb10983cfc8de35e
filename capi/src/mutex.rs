//! Mutex: one word of shared memory, and functions that a thread calls about it.

use std::time::Duration;

use cotenant_rust::__c::{NotOwner, Taken, UnguardedMutex};

use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid, remember};

/// Mutual exclusion between the threads of all processes that share it; 8 bytes, all zero when nobody holds it.
///
/// It lies in a block of shared variables or in an object of a segment, beside what it guards or, as COTENANT_MUTEX
/// declares it, before it. In other memory it works between the threads of one process. A process that is killed while
/// it holds the lock holds nobody up: the next one gets COTENANT_OWNER_DIED. A live owner, stopped or slow, is never
/// robbed. Not recursive, not fair, without priority inheritance. After a fork the child does not hold what its parent
/// held.
#[repr(C, align(8))]
pub struct cotenant_mutex {
    /// For the functions below alone.
    pub word: u64,
}

const _: () = assert!(size_of::<cotenant_mutex>() == size_of::<UnguardedMutex>());

/// # Safety
/// Null, or a mutex in memory that stays mapped during the call.
#[inline(always)]
unsafe fn at<'a>(mutex: *mut cotenant_mutex) -> Option<&'a UnguardedMutex> {
    // SAFETY: the caller's promise; the word is only ever changed by atomic operations.
    unsafe { mutex.cast::<UnguardedMutex>().as_ref() }
}

/// Of a null pointer.
#[cold]
#[inline(never)]
pub(crate) fn null() -> cotenant_status {
    call(|| Err(invalid("the lock is a null pointer")))
}

/// What the lock was found like, as a status. The lock is held.
pub(crate) fn taken(taken: Taken) -> cotenant_status {
    let Taken::OwnerDied(owner) = taken else { return COTENANT_OK };
    remember(&match owner {
        Some(owner) => {
            format!("process {} ({}) died while it held the lock, or unlocked it unrepaired", owner.pid, owner.program)
        }
        None => "a process died while it held the lock, or unlocked it unrepaired".to_owned(),
    });
    COTENANT_OWNER_DIED
}

/// Runs a call that locks.
pub(crate) fn locked(lock: impl FnOnce() -> Result<Taken>) -> cotenant_status {
    let mut found = COTENANT_OK;
    let status = call(|| {
        found = taken(lock()?);
        Ok(())
    });
    if status == COTENANT_OK { found } else { status }
}

pub(crate) fn not_owner(_: NotOwner) -> Failure {
    Failure { status: COTENANT_NOT_OWNER, message: "this thread does not hold the lock".to_owned() }
}

/// Waits until the lock is free, and takes it.
///
/// Gives COTENANT_OK or COTENANT_OWNER_DIED with the lock held. Else it is not held: COTENANT_WOULD_DEADLOCK (this
/// thread holds it already), COTENANT_NOT_RECOVERABLE, or COTENANT_FULL and what else kept the process from taking a
/// slot of the segment. Blocks while somebody else who lives holds the lock. A dead owner is noticed at once where the
/// kernel tells (glibc, the outermost lock of a thread), else within some 20 ms of its memory being given back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_lock(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    if mutex.lock_at_once() {
        return COTENANT_OK;
    }
    lock_slowly(mutex)
}

#[cold]
#[inline(never)]
fn lock_slowly(mutex: &UnguardedMutex) -> cotenant_status {
    locked(|| Ok(mutex.lock()?))
}

/// As cotenant_mutex_lock, but does not wait: COTENANT_WOULD_BLOCK if somebody else who lives holds the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_try_lock(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    if mutex.lock_at_once() {
        return COTENANT_OK;
    }
    locked(|| Ok(mutex.try_lock()?))
}

/// As cotenant_mutex_lock, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_lock_timeout(mutex: *mut cotenant_mutex, timeout_ms: u64) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    if mutex.lock_at_once() {
        return COTENANT_OK;
    }
    locked(|| Ok(mutex.lock_timeout(Duration::from_millis(timeout_ms))?))
}

/// As cotenant_mutex_lock, and takes also a lock that was given up: with COTENANT_OWNER_DIED. The way out of
/// COTENANT_NOT_RECOVERABLE for whoever can make what it guards anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_lock_given_up(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    locked(|| Ok(mutex.lock_given_up()?))
}

/// Releases the lock and wakes one who waits. If it was taken with COTENANT_OWNER_DIED and is not said to be
/// consistent, the next one gets COTENANT_OWNER_DIED again.
///
/// COTENANT_NOT_OWNER: this thread does not hold it (a child of a fork never holds its parent's). Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_unlock(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    if mutex.unlock().is_ok() {
        return COTENANT_OK;
    }
    call(|| Err(not_owner(NotOwner)))
}

/// Releases the lock as if this process had died in it: the next one gets COTENANT_OWNER_DIED. For who finds that what the
/// lock guards is half changed and cannot put it right, but another one may. COTENANT_NOT_OWNER. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_abandon(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    call(|| mutex.abandon().map_err(not_owner))
}

/// Says that what the lock guards is whole again, after COTENANT_OWNER_DIED. The lock stays held.
///
/// COTENANT_NOT_OWNER: this thread does not hold it. Does not block. Killed before it, the next one gets
/// COTENANT_OWNER_DIED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_consistent(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    call(|| mutex.mark_consistent().map_err(not_owner))
}

/// Releases the lock, and says that what it guards cannot be repaired: everybody gets COTENANT_NOT_RECOVERABLE from now
/// on, until cotenant_mutex_lock_given_up is called.
///
/// COTENANT_NOT_OWNER: this thread does not hold it. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_mutex_give_up(mutex: *mut cotenant_mutex) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { at(mutex) }) else { return null() };
    call(|| mutex.give_up().map_err(not_owner))
}
