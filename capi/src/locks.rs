//! The other locks: readers and writers, conditions, events, permits, barriers, leaders, what is done once.

use std::ffi::c_void;
use std::time::Duration;

use cotenant_rust::__c::{self, Kept, NotOwner, UnguardedMutex, UnguardedRwLock};
use cotenant_rust::sync::{Barrier, Condvar, Event, Leader, Once, Semaphore};

use crate::mutex::{cotenant_mutex, locked, not_owner, null};
use crate::segment::cotenant_init;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// Many readers or one writer; 576 bytes, all zero when nobody is in. 64 threads read at a time, one more waits. A dead
/// reader is forgotten; after a dead writer the next one, reader or writer, gets COTENANT_OWNER_DIED and holds the lock
/// for writing. A writer that waits keeps new readers out.
#[repr(C, align(64))]
pub struct cotenant_rwlock {
    /// For the functions below alone.
    pub words: [u64; 72],
}

/// A condition that threads wait for under a mutex; 4 bytes, all zero.
#[repr(C)]
pub struct cotenant_condvar {
    /// For the functions below alone.
    pub word: u32,
}

/// Set until it is reset; who waits goes on when it is set. 4 bytes, all zero when it is not set. Nobody owns it, so no
/// death holds it up.
#[repr(C)]
pub struct cotenant_event {
    /// For the functions below alone.
    pub word: u32,
}

/// What is done once; 16 bytes, all zero at first. Who is killed in it leaves it to the next one.
#[repr(C)]
pub struct cotenant_once {
    /// For the functions below alone.
    pub completed: u32,
    /// Zero.
    pub unused: u32,
    /// For the functions below alone.
    pub lock: u64,
}

/// One process leads; 16 bytes, all zero when nobody does.
#[repr(C)]
pub struct cotenant_leader {
    /// For the functions below alone.
    pub lock: u64,
    /// Leaderships so far.
    pub term: u64,
}

/// The head of a semaphore, which COTENANT_SEMAPHORE(word, max) declares: its permits, 0 to max, are its initial value.
#[repr(C, align(8))]
pub struct cotenant_semaphore {
    /// How many there are.
    pub permits: u32,
    /// For the functions below alone.
    pub words: [u32; 3],
}

/// The head of a barrier, which COTENANT_BARRIER(word, count) declares; all zero when nobody has come.
#[repr(C)]
pub struct cotenant_barrier {
    /// For the functions below alone.
    pub lock: u64,
    /// For the functions below alone.
    pub generations: [u32; 2],
}

/// A permit or a leadership that this process has, in the caller's own memory. Any thread of the process may give it back.
#[repr(C)]
pub struct cotenant_kept {
    /// For the functions below alone.
    pub word: u64,
    /// Of a leadership, its term: higher than all before it. Give it to what the leader commands, so that a late command
    /// of an old leader can be refused.
    pub term: u64,
    /// For the functions below alone.
    pub index: u32,
    /// Zero.
    pub unused: u32,
}

const _: () = {
    assert!(size_of::<cotenant_rwlock>() == size_of::<UnguardedRwLock>());
    assert!(size_of::<cotenant_condvar>() == size_of::<Condvar>() && size_of::<cotenant_event>() == size_of::<Event>());
    assert!(size_of::<cotenant_once>() == size_of::<Once>() && size_of::<cotenant_leader>() == size_of::<Leader>());
    assert!(size_of::<cotenant_semaphore>() + 24 == size_of::<Semaphore<3>>());
    assert!(size_of::<cotenant_barrier>() + 24 == size_of::<Barrier<3>>());
};

/// What a struct of C is to Rust.
///
/// # Safety
/// Null, or one in memory that stays mapped during the call.
#[inline(always)]
unsafe fn as_rust<'a, C, R>(at: *mut C) -> Option<&'a R> {
    // SAFETY: the caller's promise; of the same layout, and changed by atomic operations only.
    unsafe { at.cast::<R>().as_ref() }
}

/// # Safety
/// A lock, as of [`as_rust`].
unsafe fn rwlock<'a>(lock: *mut cotenant_rwlock) -> Option<&'a UnguardedRwLock> {
    // SAFETY: the caller's promise.
    unsafe { as_rust(lock) }
}

fn ms(timeout_ms: u64) -> Duration {
    Duration::from_millis(timeout_ms)
}

/// Waits until no writer is in, and reads. COTENANT_OWNER_DIED: a writer died, and the lock is held for writing now: put
/// the value right, say so (cotenant_rwlock_consistent), unlock, and read again. COTENANT_WOULD_DEADLOCK: this thread
/// writes, or reads 64 times. Else as cotenant_mutex_lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_read(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.read(None)?))
}

/// As cotenant_rwlock_read, but does not wait: COTENANT_WOULD_BLOCK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_try_read(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.read(Some(Duration::ZERO))?))
}

/// As cotenant_rwlock_read, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_read_timeout(lock: *mut cotenant_rwlock, timeout_ms: u64) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.read(Some(ms(timeout_ms).max(SHORTEST)))?))
}

/// A timeout of nothing is a timeout, not a call that does not wait.
const SHORTEST: Duration = Duration::from_nanos(1);

/// Waits until nobody else is in, and writes. COTENANT_OWNER_DIED: a writer died; the lock is held. As
/// cotenant_mutex_lock; COTENANT_WOULD_DEADLOCK also if this thread reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_write(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.write(None, false)?))
}

/// As cotenant_rwlock_write, but does not wait: COTENANT_WOULD_BLOCK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_try_write(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.write(Some(Duration::ZERO), false)?))
}

/// As cotenant_rwlock_write, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_write_timeout(lock: *mut cotenant_rwlock, timeout_ms: u64) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.write(Some(ms(timeout_ms).max(SHORTEST)), false)?))
}

/// As cotenant_rwlock_write, and takes also a lock that was given up: with COTENANT_OWNER_DIED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_write_given_up(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    locked(|| Ok(lock.write(None, true)?))
}

/// Ends reading or writing, whichever this thread does. As cotenant_mutex_unlock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_unlock(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    call(|| lock.unlock().map_err(not_owner))
}

/// As cotenant_mutex_abandon, of a writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_abandon(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    call(|| lock.abandon().map_err(not_owner))
}

/// As cotenant_mutex_consistent, of a writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_consistent(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    call(|| lock.mark_consistent().map_err(not_owner))
}

/// As cotenant_mutex_give_up, of a writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_rwlock_give_up(lock: *mut cotenant_rwlock) -> cotenant_status {
    // SAFETY: the caller passes a lock.
    let Some(lock) = (unsafe { rwlock(lock) }) else { return null() };
    call(|| lock.give_up().map_err(not_owner))
}

/// Unlocks the mutex, waits for a notification for at most timeout_ms milliseconds, and locks again. Returns at the latest
/// after 100 ms, notified or not: look at what you wait for, and wait again.
///
/// COTENANT_OK, or COTENANT_OWNER_DIED: the lock is held. COTENANT_NOT_OWNER: this thread did not hold it. Else as
/// cotenant_mutex_lock, and it is not held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_condvar_wait(
    condvar: *mut cotenant_condvar,
    mutex: *mut cotenant_mutex,
    timeout_ms: u64,
) -> cotenant_status {
    // SAFETY: the caller passes a mutex.
    let Some(mutex) = (unsafe { as_rust::<_, UnguardedMutex>(mutex) }) else { return null() };
    // SAFETY: the caller passes a condition variable.
    let Some(condvar) = (unsafe { as_rust::<_, Condvar>(condvar) }) else { return null() };
    locked(|| match mutex.wait(condvar, ms(timeout_ms)) {
        Ok(taken) => Ok(taken),
        Err(Some(error)) => Err(error.into()),
        Err(None) => Err(not_owner(NotOwner)),
    })
}

/// Wakes one who waits; change what it waits for under the lock before. Of a null pointer it does nothing. Does not
/// block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_condvar_notify_one(condvar: *mut cotenant_condvar) {
    // SAFETY: the caller passes a condition variable.
    if let Some(condvar) = unsafe { as_rust::<_, Condvar>(condvar) } {
        condvar.notify_one();
    }
}

/// Wakes all who wait; change what they wait for under the lock before. Of a null pointer it does nothing. Does not
/// block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_condvar_notify_all(condvar: *mut cotenant_condvar) {
    // SAFETY: the caller passes a condition variable.
    if let Some(condvar) = unsafe { as_rust::<_, Condvar>(condvar) } {
        condvar.notify_all();
    }
}

/// Sets the event, and wakes all who wait. What was written before it is seen after a wait that it ended. Of a null
/// pointer it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_event_set(event: *mut cotenant_event) {
    // SAFETY: the caller passes an event.
    if let Some(event) = unsafe { as_rust::<_, Event>(event) } {
        event.set();
    }
}

/// Makes it an event that is not set. Of a null pointer it does nothing. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_event_reset(event: *mut cotenant_event) {
    // SAFETY: the caller passes an event.
    if let Some(event) = unsafe { as_rust::<_, Event>(event) } {
        event.reset();
    }
}

/// Whether it is set; false of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_event_is_set(event: *const cotenant_event) -> bool {
    // SAFETY: the caller passes an event.
    unsafe { as_rust::<_, Event>(event.cast_mut()) }.is_some_and(Event::is_set)
}

/// Waits until the event is set. Who was to set it may be dead: then nobody does. Of a null pointer it does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_event_wait(event: *mut cotenant_event) {
    // SAFETY: the caller passes an event.
    if let Some(event) = unsafe { as_rust::<_, Event>(event) } {
        event.wait();
    }
}

/// As cotenant_event_wait, but at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_event_wait_timeout(event: *mut cotenant_event, timeout_ms: u64) -> cotenant_status {
    // SAFETY: the caller passes an event.
    let Some(event) = (unsafe { as_rust::<_, Event>(event) }) else { return null() };
    call(|| event.wait_timeout(ms(timeout_ms)).map_err(timed_out))
}

fn timed_out(error: cotenant_rust::sync::TimedOut) -> Failure {
    Failure { status: COTENANT_TIMED_OUT, message: error.to_string() }
}

/// Calls `function` with `object`, unless that was done already; others wait meanwhile. If it gives another number than
/// 0, or is killed, the next one does it, and finds `object` as that one left it, not zero: COTENANT_CANCELLED.
/// COTENANT_WOULD_DEADLOCK: called from `function` itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_once_call(
    once: *mut cotenant_once,
    function: cotenant_init,
    object: *mut c_void,
    argument: *mut c_void,
) -> cotenant_status {
    // SAFETY: the caller passes a once.
    let Some(once) = (unsafe { as_rust::<_, Once>(once) }) else { return null() };
    if once.is_completed() {
        return COTENANT_OK;
    }
    call(|| {
        let function = function.ok_or_else(|| invalid("the function is a null pointer"))?;
        // SAFETY: the caller's function, with what it was to get.
        let run = || unsafe { function(object, argument) == 0 };
        let is_done = __c::try_once(once, run).map_err(cotenant_rust::Error::from)?;
        is_done.then_some(()).ok_or_else(|| Failure {
            status: COTENANT_CANCELLED,
            message: "what was to be done once said that it cannot".to_owned(),
        })
    })
}

/// Whether it was done; false of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_once_is_completed(once: *const cotenant_once) -> bool {
    // SAFETY: the caller passes a once.
    unsafe { as_rust::<_, Once>(once.cast_mut()) }.is_some_and(Once::is_completed)
}

/// Waits until nobody else leads, and leads. `kept` is for cotenant_leader_step_down; who ends or is killed leads no more.
/// COTENANT_WOULD_DEADLOCK: this thread leads already. COTENANT_FULL and what else kept the process from taking a slot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_leader_lead(
    leader: *mut cotenant_leader,
    kept: *mut cotenant_kept,
) -> cotenant_status {
    // SAFETY: the caller passes a leader and a place.
    unsafe { lead(leader, kept, |leader| Ok(leader.lead().map_err(cotenant_rust::Error::from)?)) }
}

/// As cotenant_leader_lead, but does not wait: COTENANT_WOULD_BLOCK if somebody else who lives leads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_leader_try_lead(
    leader: *mut cotenant_leader,
    kept: *mut cotenant_kept,
) -> cotenant_status {
    // SAFETY: the caller passes a leader and a place.
    unsafe { lead(leader, kept, |leader| Ok(leader.try_lead().map_err(cotenant_rust::Error::from)?)) }
}

/// As cotenant_leader_lead, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_leader_lead_timeout(
    leader: *mut cotenant_leader,
    timeout_ms: u64,
    kept: *mut cotenant_kept,
) -> cotenant_status {
    let timeout = ms(timeout_ms);
    // SAFETY: the caller passes a leader and a place.
    unsafe { lead(leader, kept, |leader| Ok(leader.lead_timeout(timeout).map_err(cotenant_rust::Error::from)?)) }
}

/// # Safety
/// A leader, and a place or null.
unsafe fn lead(
    leader: *mut cotenant_leader,
    kept: *mut cotenant_kept,
    lead: impl FnOnce(&'static Leader) -> Result<cotenant_rust::sync::Leadership<'static>>,
) -> cotenant_status {
    // SAFETY: the caller's promise; it is used during the call only.
    let Some(leader) = (unsafe { as_rust::<_, Leader>(leader) }) else { return null() };
    call(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { kept.as_mut() }.ok_or_else(|| invalid("the place for what is kept is a null pointer"))?;
        let leadership = lead(leader)?;
        let term = leadership.term();
        let kept = __c::keep_leadership(leadership);
        *place = cotenant_kept { word: kept.word, term, index: 0, unused: 0 };
        Ok(())
    })
}

/// Leads no more. COTENANT_NOT_OWNER: this process does not lead under what was kept. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_leader_step_down(
    leader: *mut cotenant_leader,
    kept: *const cotenant_kept,
) -> cotenant_status {
    // SAFETY: the caller passes a leader.
    let Some(leader) = (unsafe { as_rust::<_, Leader>(leader) }) else { return null() };
    call(|| {
        // SAFETY: the caller passes what it kept.
        let kept = unsafe { self::kept(kept) }?;
        __c::step_down(leader, kept).map_err(not_owner)
    })
}

/// # Safety
/// Null, or what was kept.
pub(crate) unsafe fn kept(kept: *const cotenant_kept) -> Result<Kept> {
    // SAFETY: the caller's promise.
    let kept = unsafe { kept.as_ref() }.ok_or_else(|| invalid("what was kept is a null pointer"))?;
    Ok(Kept { word: kept.word, index: kept.index })
}

/// Runs `$body` with `$rust` as the semaphore or barrier whose number of cells `$count` is: a constant of its type.
macro_rules! with_cells {
    ($count:expr, [$($number:literal)*], $kind:ident, $at:expr, |$rust:ident| $body:expr) => {
        match $count {
            $($number => {
                // SAFETY: the caller passes one of so many cells.
                let at: Option<&'static $kind<$number>> = unsafe { as_rust($at) };
                let $rust = at.ok_or_else(|| invalid("the lock is a null pointer"))?;
                $body
            })*
            other => Err(invalid(&format!("{other} is no number that the header's macro allows"))),
        }
    };
}

macro_rules! with_semaphore {
    ($max:expr, $at:expr, |$rust:ident| $body:expr) => {
        with_cells!($max, [1 2 4 8 16 32 64 128 256 512 1024], Semaphore, $at, |$rust| $body)
    };
}

/// Waits until a permit is free, and takes it: what COTENANT_SEMAPHORE_ACQUIRE calls. `max` is that of the declaration.
/// `kept` is for cotenant_semaphore_release, which any thread of the process may call; a dead process's come back.
/// COTENANT_FULL and what else kept the process from taking a slot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_semaphore_acquire(
    semaphore: *mut cotenant_semaphore,
    max: usize,
    kept: *mut cotenant_kept,
) -> cotenant_status {
    // SAFETY: the caller passes a semaphore and a place.
    unsafe { acquire(semaphore, max, kept, None) }
}

/// As cotenant_semaphore_acquire, but does not wait: COTENANT_WOULD_BLOCK if all permits are taken by the living.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_semaphore_try_acquire(
    semaphore: *mut cotenant_semaphore,
    max: usize,
    kept: *mut cotenant_kept,
) -> cotenant_status {
    // SAFETY: the caller passes a semaphore and a place.
    unsafe { acquire(semaphore, max, kept, Some(Duration::ZERO)) }
}

/// As cotenant_semaphore_acquire, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_semaphore_acquire_timeout(
    semaphore: *mut cotenant_semaphore,
    max: usize,
    timeout_ms: u64,
    kept: *mut cotenant_kept,
) -> cotenant_status {
    // SAFETY: the caller passes a semaphore and a place.
    unsafe { acquire(semaphore, max, kept, Some(ms(timeout_ms).max(SHORTEST))) }
}

/// # Safety
/// A semaphore of `max` cells, and a place or null.
unsafe fn acquire(
    semaphore: *mut cotenant_semaphore,
    max: usize,
    place: *mut cotenant_kept,
    timeout: Option<Duration>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { place.as_mut() }.ok_or_else(|| invalid("the place for what is kept is a null pointer"))?;
        let kept = with_semaphore!(max, semaphore, |semaphore| permit(semaphore, timeout))?;
        *place = cotenant_kept { word: kept.word, term: 0, index: kept.index, unused: 0 };
        Ok(())
    })
}

fn permit<const MAX: usize>(semaphore: &Semaphore<MAX>, timeout: Option<Duration>) -> Result<Kept> {
    let permit = match timeout {
        None => semaphore.acquire().map_err(cotenant_rust::Error::from)?,
        Some(Duration::ZERO) => semaphore.try_acquire().map_err(cotenant_rust::Error::from)?,
        Some(timeout) => semaphore.acquire_timeout(timeout).map_err(cotenant_rust::Error::from)?,
    };
    Ok(__c::keep_permit(permit))
}

/// Gives a permit back, and wakes one who waits. COTENANT_NOT_OWNER: it is none of this process's, or was given back
/// already. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_semaphore_release(
    semaphore: *mut cotenant_semaphore,
    max: usize,
    kept: *const cotenant_kept,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes what it kept.
        let kept = unsafe { self::kept(kept) }?;
        with_semaphore!(max, semaphore, |semaphore| __c::give_permit_back(semaphore, kept).map_err(not_owner))
    })
}

/// Waits until as many threads have come as the barrier is declared for: what COTENANT_BARRIER_WAIT calls. `is_leader`
/// (or null) is true for one of them. The dead do not count: then the others wait for one more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_barrier_wait(
    barrier: *mut cotenant_barrier,
    count: usize,
    is_leader: *mut bool,
) -> cotenant_status {
    // SAFETY: the caller passes a barrier and a place.
    unsafe { meet(barrier, count, is_leader, None) }
}

/// As cotenant_barrier_wait, but at most timeout_ms milliseconds: then COTENANT_TIMED_OUT, and this thread has not come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_barrier_wait_timeout(
    barrier: *mut cotenant_barrier,
    count: usize,
    timeout_ms: u64,
    is_leader: *mut bool,
) -> cotenant_status {
    // SAFETY: the caller passes a barrier and a place.
    unsafe { meet(barrier, count, is_leader, Some(ms(timeout_ms))) }
}

/// # Safety
/// A barrier of `count` cells, and a place or null.
unsafe fn meet(
    barrier: *mut cotenant_barrier,
    count: usize,
    is_leader: *mut bool,
    timeout: Option<Duration>,
) -> cotenant_status {
    call(|| {
        let leads = with_cells!(count, [1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 32 64], Barrier, barrier, |barrier| {
            wait_at(barrier, timeout)
        })?;
        // SAFETY: the caller's promise.
        if let Some(place) = unsafe { is_leader.as_mut() } {
            *place = leads;
        }
        Ok(())
    })
}

fn wait_at<const N: usize>(barrier: &Barrier<N>, timeout: Option<Duration>) -> Result<bool> {
    Ok(match timeout {
        None => barrier.wait().map_err(cotenant_rust::Error::from)?,
        Some(timeout) => barrier.wait_timeout(timeout).map_err(cotenant_rust::Error::from)?,
    }
    .is_leader())
}
