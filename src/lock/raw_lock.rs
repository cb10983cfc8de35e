//! The robust lock: one 64-bit word that is the lock, the futex, and the owner's name. `word.rs` draws it.
//!
//! The low half is laid out as the kernel's robust futexes want it
//! ([Documentation/locking/robust-futex-ABI](https://docs.kernel.org/locking/robust-futex-ABI.html)).
//! One compare-and-swap takes the lock and names the owner, so a killed owner can always be found. Free is a low half
//! of zero, whatever the high half says: unlocking with waiters clears only the futex.
//!
//! No sleep is without a timeout and every sleeper looks at the word again: whoever was woken may be killed before it
//! takes the lock. An owner is asked about before the first sleep, then after 0.5 ms, doubling to 20 ms: whenever a
//! sleep was ended by its timeout rather than by somebody who lives; by one of them, if many wait (`naps.rs`).
//!
//! A word is used in one of two ways. As a **lock** it is taken by `lock` and its kin, and a dead owner's state goes to
//! the next one. As a **cell** (a reader's, a permit's) it is taken by `claim`, guards no value, and a dead owner's is
//! given back silently.

use std::time::Instant;

use super::atomic::AtomicU64;
use super::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use super::owner::{self, Mine};
use super::ranges::LockEvent;
use super::sleeps::{Sleeps, Waits};
use super::word::{INCONSISTENT, LOW, Locked, NOT_RECOVERABLE, NotLocked, OWNER, OWNER_DIED, THREAD_ID, WAITERS};
use super::{futex, ranges};

const SPINS: u32 = 100;

/// The lock word, in shared or private memory.
#[repr(transparent)]
pub(crate) struct RawLock {
    word: AtomicU64,
}

/// What a guard keeps: who took the lock. In a child of a fork it names somebody else.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(Mine);

/// How long to wait, and what to take.
#[derive(Clone, Copy)]
struct Patience {
    waits: Waits,
    takes_given_up: bool,
}

/// When to ask whether an owner lives, which costs some ten system calls.
#[derive(Clone, Copy)]
pub(crate) enum Asks {
    /// Before the first sleep: not if this thread asked about the same owner a moment ago.
    UnlessJustAsked,
    /// Somebody woke us, so there is life, or another waiter asked. A word that the kernel marked says itself that
    /// there was a death.
    UnlessMarked,
    Always,
}

impl Patience {
    const FOREVER: Patience = Patience { waits: Waits::Forever, takes_given_up: false };
    const NONE: Patience = Patience { waits: Waits::Never, takes_given_up: false };
}

impl Ticket {
    /// Whether this is the process that took the lock, and not a child of its forks. In private memory always.
    #[inline]
    pub(crate) fn still_this_process(self) -> bool {
        self.0.still_this_process()
    }

    /// Slot, generation and thread, as a lock word has them: for spreading threads over cells.
    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.0.word()
    }

    /// What all words of this process have in their high halves.
    pub(crate) fn owner_half(self) -> u32 {
        (self.0.word() >> 32) as u32
    }
}

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        RawLock { word: AtomicU64::new(0) }
    }

    /// Waits for the lock.
    #[inline]
    pub(crate) fn lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_with(Patience::FOREVER)
    }

    /// Takes the lock if nobody has it, or if its owner is dead.
    #[inline]
    pub(crate) fn try_lock(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_with(Patience::NONE)
    }

    /// Waits for the lock up to a point in time, then gives `TimedOut`.
    pub(crate) fn lock_until(&self, deadline: Instant) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_with(Patience { waits: Waits::Until(deadline), takes_given_up: false })
    }

    /// Waits for the lock, and takes it also when it was given up as not recoverable.
    pub(crate) fn lock_given_up(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_with(Patience { waits: Waits::Forever, takes_given_up: true })
    }

    /// As [`lock_until`](RawLock::lock_until), also when it was given up.
    pub(crate) fn lock_given_up_until(&self, deadline: Instant) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_with(Patience { waits: Waits::Until(deadline), takes_given_up: true })
    }

    /// As [`try_lock`](RawLock::try_lock), also when it was given up.
    pub(crate) fn try_lock_given_up(&self) -> Result<(Ticket, Locked), NotLocked> {
        self.lock_with(Patience { waits: Waits::Never, takes_given_up: true })
    }

    #[inline]
    fn lock_with(&self, patience: Patience) -> Result<(Ticket, Locked), NotLocked> {
        match self.lock_at_once() {
            Some(ticket) => Ok((ticket, Locked::Clean)),
            None => self.lock_slowly(patience),
        }
    }

    /// Takes the lock if it is free and whole, and if this thread remembers who it is: the fast way of `lock`. Small,
    /// and always inlined: a ticket that is returned through memory costs half as much again.
    #[inline(always)]
    pub(crate) fn lock_at_once(&self) -> Option<Ticket> {
        let mine = owner::remembered(&self.word)?;
        let announced = mine.announce(&self.word);
        // Acquire pairs with the Release in `unlock`.
        if self.word.compare_exchange(0, mine.word(), Acquire, Relaxed).is_ok() {
            return Some(Ticket(mine));
        }
        if announced {
            // While waiting nothing is announced: a thread of another PID namespace may own the lock under this
            // thread's number, and would be taken for dead with it.
            mine.withdraw(&self.word);
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn lock_slowly(&self, patience: Patience) -> Result<(Ticket, Locked), NotLocked> {
        let mine = owner::mine(&self.word).map_err(NotLocked::NoSlot)?;
        let mut sleeps = Sleeps::new(patience.waits);
        let result = self.wait_and_take(mine, self.word.load(Relaxed), patience, &mut sleeps);
        let long_wait = sleeps.long_wait();
        sleeps.end(&self.word);
        // Killed before it: the lock is ours, and nobody is told that it went from hand to hand.
        if let (Ok(Locked::Clean), Some((before, waited_ms))) = (&result, long_wait) {
            ranges::note(&self.word, LockEvent::HandedOver { before, waited_ms });
        }
        result.map(|locked| (Ticket(mine), locked))
    }

    fn wait_and_take(
        &self,
        mine: Mine,
        mut seen: u64,
        patience: Patience,
        sleeps: &mut Sleeps,
    ) -> Result<Locked, NotLocked> {
        let may_spin = !matches!(patience.waits, Waits::Never) && futex::has_many_processors();
        let mut spins = if may_spin { SPINS } else { 0 };
        let mut have_slept = 0;
        let mut asks = Asks::UnlessJustAsked;
        loop {
            if seen & LOW == 0 {
                // Free; the high half may be stale, and its INCONSISTENT counts. Who has slept leaves WAITERS set:
                // others may sleep still.
                match self.take(mine, seen, seen & INCONSISTENT | have_slept) {
                    Ok(locked) => return Ok(locked),
                    Err(now) => seen = now,
                }
                continue;
            }
            let given_up = seen & THREAD_ID == NOT_RECOVERABLE;
            if given_up && !patience.takes_given_up {
                if have_slept != 0 {
                    // We were woken to take the lock and do not; who gave it up need not have seen WAITERS.
                    futex::wake_all(&self.word);
                }
                return Err(NotLocked::NotRecoverable);
            }
            if self.names_this_thread(seen, mine) {
                return Err(NotLocked::WouldDeadlock);
            }
            if spins > 0 && seen & OWNER_DIED == 0 && !given_up {
                spins -= 1;
                std::hint::spin_loop();
                seen = self.word.load(Relaxed);
                continue;
            }
            if given_up || self.owner_is_found_dead(seen, mine, asks) {
                // Killed after this step: the word names us, and the next one finds us dead.
                match self.take(mine, seen, INCONSISTENT | seen & WAITERS | have_slept) {
                    Ok(locked) => {
                        if !given_up {
                            ranges::note(&self.word, LockEvent::OwnerDied((seen >> 32) as u32));
                        }
                        return Ok(locked);
                    }
                    Err(now) => seen = now,
                }
                continue;
            }
            if let Err(now) = self.sleep(seen, sleeps)? {
                seen = now;
                continue;
            }
            have_slept = WAITERS;
            seen = self.word.load(Relaxed);
            asks = sleeps.asks(&self.word, seen);
            spins = if may_spin && !sleeps.nobody_woke { SPINS } else { 0 };
        }
    }

    /// Marks the word as waited for, and sleeps. The inner error: the word has changed meanwhile.
    fn sleep(&self, seen: u64, sleeps: &mut Sleeps) -> Result<Result<(), u64>, NotLocked> {
        if matches!(sleeps.waits, Waits::Never) {
            return Err(NotLocked::WouldBlock);
        }
        if seen & WAITERS == 0 {
            if let Err(now) = self.word.compare_exchange(seen, seen | WAITERS, Relaxed, Relaxed) {
                return Ok(Err(now));
            }
        }
        // Killed asleep: WAITERS stays set, which costs the unlocker one needless wake.
        sleeps.sleep(&self.word, seen | WAITERS)?;
        Ok(Ok(()))
    }

    /// Puts this thread's name and `flags` where `seen` is.
    fn take(&self, mine: Mine, seen: u64, flags: u64) -> Result<Locked, u64> {
        let announced = mine.announce(&self.word);
        // Acquire pairs with the Release in `unlock`.
        if let Err(now) = self.word.compare_exchange(seen, mine.word() | flags, Acquire, Relaxed) {
            if announced {
                mine.withdraw(&self.word);
            }
            return Err(now);
        }
        let is_whole = flags & INCONSISTENT == 0;
        Ok(if is_whole { Locked::Clean } else { Locked::Inconsistent((seen >> 32) as u32) })
    }

    fn owner_is_found_dead(&self, seen: u64, mine: Mine, asks: Asks) -> bool {
        let owner_half = (seen >> 32) as u32;
        let is_marked = seen & OWNER_DIED != 0;
        match asks {
            _ if is_marked => self.owner_is_dead(seen),
            // Another thread of this process, which lives, even if that thread does not.
            _ if owner_half == (mine.word() >> 32) as u32 => false,
            Asks::UnlessMarked => false,
            Asks::UnlessJustAsked => ranges::is_dead_unless_just_asked(&self.word, owner_half),
            Asks::Always => self.owner_is_dead(seen),
        }
    }

    fn owner_is_dead(&self, seen: u64) -> bool {
        ranges::is_dead(&self.word, (seen >> 32) as u32, seen & OWNER_DIED != 0)
    }

    /// Whether the word names this thread, also through another slot of its process: one named block may be declared
    /// twice in a process, by a program and its plug-in.
    fn names_this_thread(&self, seen: u64, mine: Mine) -> bool {
        let mine = mine.word();
        seen & OWNER == mine
            || seen & THREAD_ID == mine & THREAD_ID && ranges::is_this_process(&self.word, (seen >> 32) as u32)
    }

    /// Keeps the lock for longer than a call: any thread of the process may release it. The kernel does not look after
    /// it any more; the slot's lock tells of the owner's death.
    pub(crate) fn keep(&self, ticket: Ticket) -> Ticket {
        ticket.0.withdraw(&self.word);
        Ticket(ticket.0.unannounced())
    }

    /// Says that the value is whole again. Only the owner calls it.
    pub(crate) fn mark_consistent(&self, ticket: Ticket) {
        if ticket.0.still_this_process() {
            // Release: who sees the flag gone sees the repaired value.
            if self.word.fetch_and(!INCONSISTENT, Release) & INCONSISTENT != 0 {
                ranges::note(&self.word, LockEvent::Repaired);
            }
        }
    }

    /// Says that the value may be half changed, as if the owner had died here. Only the owner calls it.
    #[inline]
    pub(crate) fn mark_inconsistent(&self, ticket: Ticket) {
        if ticket.0.still_this_process() {
            self.word.fetch_or(INCONSISTENT, Relaxed);
        }
    }

    /// Releases the lock and wakes one who waits; nothing in a child of a fork, where the guard is a copy of the
    /// parent's.
    #[inline(always)]
    pub(crate) fn unlock(&self, ticket: Ticket) {
        if !ticket.0.still_this_process() {
            return;
        }
        // Release pairs with the Acquire in `lock`.
        if self.word.compare_exchange(ticket.0.word(), 0, Release, Relaxed).is_err() {
            self.unlock_contended(ticket.0.word(), 1);
        }
        ticket.0.withdraw(&self.word);
    }

    /// Releases the lock if this very thread holds it; whether it did. For those who keep no ticket.
    #[inline(always)]
    pub(crate) fn unlock_own(&self) -> bool {
        let Some(mine) = owner::remembered(&self.word) else { return self.unlock_own_slowly() };
        // Release pairs with the Acquire in `lock`.
        if self.word.compare_exchange(mine.word(), 0, Release, Relaxed).is_err() {
            return self.unlock_own_slowly();
        }
        mine.withdraw(&self.word);
        true
    }

    #[cold]
    #[inline(never)]
    fn unlock_own_slowly(&self) -> bool {
        self.own_ticket().inspect(|ticket| self.unlock(*ticket)).is_some()
    }

    /// What a guard of this thread would keep, if this thread holds the lock.
    pub(crate) fn own_ticket(&self) -> Option<Ticket> {
        let mine = owner::mine(&self.word).ok()?;
        let seen = self.word.load(Relaxed);
        (seen & LOW != 0 && names(seen, mine.word())).then_some(Ticket(mine))
    }

    /// Waiters, or a flag in the high half.
    #[cold]
    #[inline(never)]
    fn unlock_contended(&self, owner: u64, wakes: u32) {
        let mut seen = self.word.load(Relaxed);
        if names(seen, owner) && seen & INCONSISTENT != 0 {
            ranges::note(&self.word, LockEvent::LeftHalfChanged);
        }
        while names(seen, owner) {
            if seen & WAITERS != 0 {
                // Killed before it, the word still names us; after it, somebody is awake.
                return futex::clear_and_wake(&self.word, wakes);
            }
            // Who left the value half changed stays named in the high half.
            let left = if seen & INCONSISTENT == 0 { 0 } else { seen & !LOW };
            match self.word.compare_exchange(seen, left, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Releases the lock for ever: until `lock_given_up`, everybody gets `NotRecoverable`.
    pub(crate) fn give_up(&self, ticket: Ticket) {
        if ticket.still_this_process() {
            ranges::note(&self.word, LockEvent::GivenUp);
        }
        self.leave_word(ticket, |seen| seen & !(LOW | INCONSISTENT) | NOT_RECOVERABLE);
    }

    /// Releases a lock that was taken over as it was found: inconsistent, and naming who left it so.
    pub(crate) fn leave(&self, ticket: Ticket, owner_half: u32) {
        self.leave_word(ticket, |_| u64::from(owner_half) << 32 | INCONSISTENT);
    }

    fn leave_word(&self, ticket: Ticket, left: impl Fn(u64) -> u64) {
        if !ticket.0.still_this_process() {
            return;
        }
        let mut seen = self.word.load(Relaxed);
        while names(seen, ticket.0.word()) {
            match self.word.compare_exchange(seen, left(seen), Release, Relaxed) {
                Ok(_) => {
                    if seen & WAITERS != 0 {
                        // Killed before they are woken: they look again by their timeouts.
                        futex::wake_all(&self.word);
                    }
                    break;
                }
                Err(now) => seen = now,
            }
        }
        ticket.0.withdraw(&self.word);
    }

    /// What a lock would find that nobody else can reach: whoever held it is gone.
    pub(crate) fn left(&self) -> Result<Locked, NotLocked> {
        let seen = self.word.load(Acquire);
        if seen & THREAD_ID == NOT_RECOVERABLE {
            return Err(NotLocked::NotRecoverable);
        }
        let is_whole = seen & INCONSISTENT == 0;
        Ok(if is_whole { Locked::Clean } else { Locked::Inconsistent((seen >> 32) as u32) })
    }

    /// Process id and program of the owner that a take-over met, unless its slot has another tenant by now.
    pub(crate) fn describe_owner(&self, owner_half: u32) -> Option<(u32, String)> {
        ranges::describe(&self.word, owner_half)
    }

    /// The high half of the word while somebody holds it, for [`describe_owner`](RawLock::describe_owner). The owner
    /// may be dead.
    pub(crate) fn owner(&self) -> Option<u32> {
        let seen = self.word.load(Relaxed);
        (seen & LOW != 0 && seen & THREAD_ID != NOT_RECOVERABLE).then_some((seen >> 32) as u32)
    }

    /// Whether anybody holds it, alive or dead.
    pub(crate) fn is_held(&self) -> bool {
        self.word.load(Relaxed) & LOW != 0
    }

    /// Whether nobody holds it and its value is whole. SeqCst pairs with who takes it and then looks, after a fence, at
    /// what the caller wrote before: see `claim`.
    #[inline]
    pub(crate) fn is_free_and_clean(&self) -> bool {
        self.word.load(SeqCst) & (LOW | INCONSISTENT) == 0
    }

    /// As [`owner`](RawLock::owner), unless that is dead.
    pub(crate) fn living_owner(&self) -> Option<u32> {
        let seen = self.word.load(Relaxed);
        self.owner().filter(|half| u64::from(*half) == seen >> 32 && !self.owner_is_dead(seen))
    }

    /// Whether this very thread holds it.
    pub(crate) fn is_held_by_this_thread(&self) -> bool {
        let seen = self.word.load(Relaxed);
        seen & LOW != 0 && owner::mine(&self.word).is_ok_and(|mine| self.names_this_thread(seen, mine))
    }
}

/// Cells. Their tickets may be released by any thread of the process.
impl RawLock {
    /// Who this thread is to this cell and all others of the same object.
    #[inline]
    pub(crate) fn this_thread(&self) -> Result<Ticket, NotLocked> {
        owner::mine(&self.word).map(|mine| Ticket(mine.unannounced())).map_err(NotLocked::NoSlot)
    }

    /// The ticket of who claimed the cell under this word, if it holds it and is of this process: for those who keep
    /// no tickets.
    pub(crate) fn ticket_of(&self, word: u64) -> Option<Ticket> {
        let mine = owner::mine(&self.word).ok()?.unannounced();
        let is_ours = mine.word() >> 32 == word >> 32 && self.word.load(Relaxed) & OWNER == word;
        is_ours.then(|| Ticket(mine.with_word(word)))
    }

    /// Takes the cell if it is free: one compare-and-swap. `None`: somebody has it, alive or dead.
    #[inline]
    pub(crate) fn claim(&self) -> Result<Option<Ticket>, NotLocked> {
        let ticket = self.this_thread()?;
        Ok(self.claim_as(ticket).then_some(ticket))
    }

    /// [`claim`](RawLock::claim) for [`this_thread`](RawLock::this_thread). Whether it was free.
    #[inline]
    pub(crate) fn claim_as(&self, ticket: Ticket) -> bool {
        let mut seen = 0;
        while seen & LOW == 0 {
            // Acquire pairs with the Release in `release`. SeqCst: a reader then looks at the writer's word, as the
            // writer takes its word and looks at the cells; one of them sees the other.
            match self.word.compare_exchange(seen, ticket.0.word(), SeqCst, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    /// Writes down that who holds the cell leads.
    pub(crate) fn note_leader(&self) {
        ranges::note(&self.word, LockEvent::Leads);
    }

    /// Gives a cell back, and wakes all who wait until it is free: they do not pass it on.
    #[inline]
    pub(crate) fn release(&self, ticket: Ticket) {
        // SeqCst: who releases a cell then looks whether somebody waits for any cell (`sync::bell`).
        if ticket.0.still_this_process() && self.word.compare_exchange(ticket.0.word(), 0, SeqCst, Relaxed).is_err() {
            self.unlock_contended(ticket.0.word(), i32::MAX as u32);
        }
    }

    /// Sleeps until nobody holds the word; does not take it. A dead owner's is given back on the way; it must be a
    /// cell's for that, not a lock's. `WouldDeadlock` if it names this thread.
    pub(crate) fn wait_until_free(&self, deadline: Option<Instant>) -> Result<(), NotLocked> {
        let seen = self.word.load(Acquire);
        if seen & LOW == 0 {
            return Ok(());
        }
        let mine = owner::mine(&self.word).map_err(NotLocked::NoSlot)?;
        let mut sleeps = Sleeps::new(deadline.map_or(Waits::Forever, Waits::Until));
        let result = self.sleep_until_free(mine, seen, &mut sleeps);
        sleeps.end(&self.word);
        result
    }

    fn sleep_until_free(&self, mine: Mine, mut seen: u64, sleeps: &mut Sleeps) -> Result<(), NotLocked> {
        let mut asks = Asks::UnlessJustAsked;
        // Acquire, here and below, pairs with the Release in `release`.
        while seen & LOW != 0 {
            if self.names_this_thread(seen, mine) {
                return Err(NotLocked::WouldDeadlock);
            }
            if self.owner_is_found_dead(seen, mine, asks) && self.give_back(seen) {
                return Ok(());
            }
            let has_slept = self.sleep(seen, sleeps)?.is_ok();
            seen = self.word.load(Acquire);
            if has_slept {
                asks = sleeps.asks(&self.word, seen);
            }
        }
        Ok(())
    }

    /// Frees a cell whose owner is dead; `true` if this call did.
    pub(crate) fn reclaim(&self) -> bool {
        let seen = self.word.load(Relaxed);
        seen & LOW != 0 && self.give_back_if_dead(seen)
    }

    /// Frees a cell whoever holds it; wakes nobody. For cells that nobody waits for.
    pub(crate) fn clear(&self) {
        self.word.store(0, Release);
    }

    /// As [`reclaim`](RawLock::reclaim); a holder of which this thread asked a moment ago counts as alive.
    pub(crate) fn reclaim_unless_just_asked(&self) -> bool {
        self.holder().is_some_and(|half| self.holder_is_dead(half, Asks::UnlessJustAsked) && self.give_back_of(half))
    }

    /// The high half of the word if it is not free: who holds the cell, alive or dead.
    pub(crate) fn holder(&self) -> Option<u32> {
        let seen = self.word.load(Relaxed);
        (seen & LOW != 0).then_some((seen >> 32) as u32)
    }

    pub(crate) fn holder_is_dead(&self, holder: u32, asks: Asks) -> bool {
        match asks {
            Asks::Always => ranges::is_dead(&self.word, holder, false),
            Asks::UnlessJustAsked | Asks::UnlessMarked => ranges::is_dead_unless_just_asked(&self.word, holder),
        }
    }

    /// Frees the cell if `holder`, which is dead, holds it. Whether it did.
    pub(crate) fn give_back_of(&self, holder: u32) -> bool {
        let seen = self.word.load(Relaxed);
        seen & LOW != 0 && (seen >> 32) as u32 == holder && self.give_back(seen)
    }

    fn give_back_if_dead(&self, seen: u64) -> bool {
        self.owner_is_dead(seen) && self.give_back(seen)
    }

    fn give_back(&self, seen: u64) -> bool {
        // Acquire pairs with what the owner released before it died.
        if self.word.compare_exchange(seen, 0, Acquire, Relaxed).is_err() {
            return false;
        }
        ranges::note(&self.word, LockEvent::GivenBack((seen >> 32) as u32));
        if seen & WAITERS != 0 {
            // Killed before they are woken: they look again by their timeouts.
            futex::wake_all(&self.word);
        }
        true
    }
}

/// Whether `owner` still is the word's owner. Not so if the value under the guard was exchanged (`attach`
/// by call). The kernel takes the thread id away when it sets OWNER_DIED, which does not yet end a living owner's hold:
/// see `ranges::is_dead`.
fn names(seen: u64, owner: u64) -> bool {
    seen & OWNER == owner || seen & OWNER_DIED != 0 && seen & OWNER == owner & !THREAD_ID
}
