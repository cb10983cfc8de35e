//! `Leader`: one process of many leads; the next takes over when it dies.
//!
//! ```text
//! +-----------+--------+     lead: word free -> ours, then count the term, then lead
//! | lock word |  term  |     killed between the two: the term only grows
//! +-----------+--------+
//! ```
//!
//! The word is taken as a cell: it guards no value, so a dead leader's is given back silently. And it belongs to the
//! process, so a `Leadership` may go from thread to thread.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;
use std::time::Duration;

use super::lock_error::{LeaderWait, LockError, TryLockError};
use super::patience::Patience;
use crate::lock::atomic::AtomicU64;
use crate::lock::atomic::Ordering::{Acquire, Release};
use crate::lock::{NotLocked, RawLock, Ticket};
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};

/// The election of one leader among the processes that share it.
///
/// Who is killed, or ends, leads no more: the next one takes over within about 20 ms of the system giving back its
/// memory. A leader that is merely stopped or slow keeps the leadership for as long as it lives: there is no time
/// limit. Each leadership has a [`term`](Leadership::term) that is higher than all before it; give it to what the
/// leader commands, so that a late command of an old leader can be told and refused (a *fencing token*). 16 bytes; any
/// number of candidates. Not fair.
///
/// ```
/// use cotenant::{shared, sync::Leader};
///
/// shared! {
///     static LEADER: Leader = Leader::new();
/// }
///
/// let leadership = LEADER.lead()?; // waits until nobody else leads
/// println!("we lead, in term {}", leadership.term());
/// leadership.step_down();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After a fork, dropping the child's copy of a `Leadership` does nothing: the parent leads. In memory that is not
/// shared it works between the threads of one process.
#[repr(C)]
pub struct Leader {
    pub(super) lock: RawLock,
    /// Leaderships so far; also those that ended before they began.
    term: AtomicU64,
}

const _: () = assert!(size_of::<Leader>() == 16);

// SAFETY: atomic words, each change of which is one operation.
unsafe impl ProcessSync for Leader {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Leader",
        Kind::Leader,
        &[
            Part { name: "lock", at: 0, doc: "", schema: Some(u64::SCHEMA) },
            Part { name: "term", at: offset_of!(Self, term) as u64, doc: "", schema: Some(u64::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

/// This process leads. Dropping it steps down; any thread of the process may hold it.
#[must_use = "the process steps down at once if the leadership is not kept"]
pub struct Leadership<'a> {
    leader: &'a Leader,
    pub(super) ticket: Ticket,
    term: u64,
}

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentLeader {
    /// Its process id, in its own PID namespace.
    pub pid: u32,
    /// Its program's name.
    pub program: String,
}

impl Leader {
    /// Nobody leads.
    pub const fn new() -> Leader {
        Leader { lock: RawLock::new(), term: AtomicU64::new(0) }
    }

    /// Waits until nobody else leads, and leads.
    ///
    /// # Errors
    /// `WouldDeadlock` if this thread took the leadership already, `NotParticipant` if the process cannot lead.
    pub fn lead(&self) -> Result<Leadership<'_>, LockError<LeaderWait>> {
        self.lead_within(Patience::Endless).map_err(LockError::from)
    }

    /// Leads if nobody does, or if the leader is dead. Does not wait.
    ///
    /// ```
    /// # use cotenant::sync::{Leader, TryLockError};
    /// # let leader = Leader::new();
    /// match leader.try_lead() {
    ///     Ok(leadership) => println!("leading in term {}", leadership.term()),
    ///     Err(TryLockError::WouldBlock) => println!("{:?} leads", leader.current()),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody else leads; else as [`lead`](Leader::lead).
    pub fn try_lead(&self) -> Result<Leadership<'_>, TryLockError<LeaderWait>> {
        self.lead_within(Patience::None).map_err(TryLockError::from)
    }

    /// As [`lead`](Leader::lead), waiting at most `timeout`.
    ///
    /// # Errors
    /// [`TryLockError::TimedOut`] after `timeout`; else as [`lead`](Leader::lead).
    pub fn lead_timeout(&self, timeout: Duration) -> Result<Leadership<'_>, TryLockError<LeaderWait>> {
        self.lead_within(Patience::of(timeout)).map_err(TryLockError::from)
    }

    /// Who leads; `None` if nobody does, or if the leader is dead and nobody has taken over yet. Known only at the
    /// moment: it may change at any time.
    ///
    /// ```
    /// # let leader = cotenant::sync::Leader::new();
    /// let _leadership = leader.lead()?;
    /// assert_eq!(leader.current().map(|it| it.pid), Some(std::process::id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn current(&self) -> Option<CurrentLeader> {
        let owner_half = self.lock.living_owner()?;
        // In private memory no slot names it: it is this process.
        let (pid, program) = match owner_half {
            0 => (std::process::id(), this_program()),
            _ => self.lock.describe_owner(owner_half)?,
        };
        Some(CurrentLeader { pid, program })
    }

    /// The term of the latest leadership; 0 before the first one.
    pub fn term(&self) -> u64 {
        // Acquire pairs with the Release in `lead_within`.
        self.term.load(Acquire)
    }

    fn lead_within(&self, patience: Patience) -> Result<Leadership<'_>, NotLocked> {
        loop {
            if let Some(ticket) = self.lock.claim()? {
                // Killed before it: a dead leader of no term, and the next one counts on.
                let term = self.term.fetch_add(1, Release).wrapping_add(1);
                self.lock.note_leader();
                return Ok(Leadership { leader: self, ticket, term });
            }
            if patience != Patience::None {
                self.lock.wait_until_free(patience.deadline())?;
            } else if self.lock.is_held_by_this_thread() {
                return Err(NotLocked::WouldDeadlock);
            } else if !self.lock.reclaim() && self.lock.is_held() {
                return Err(NotLocked::WouldBlock);
            }
        }
    }
}

fn this_program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

// SAFETY: the lock word was claimed as a cell, which any thread of the process may release.
unsafe impl Send for Leadership<'_> {}
// SAFETY: shared references to it only read.
unsafe impl Sync for Leadership<'_> {}

impl Leadership<'_> {
    /// The term: higher than that of every leadership before it.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Ends the leadership, as dropping it does; somebody else may lead.
    pub fn step_down(self) {}
}

impl Drop for Leadership<'_> {
    fn drop(&mut self) {
        self.leader.lock.release(self.ticket);
    }
}

impl fmt::Debug for Leadership<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership").field("term", &self.term).finish()
    }
}

impl Default for Leader {
    fn default() -> Leader {
        Leader::new()
    }
}

impl fmt::Debug for Leader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("current", &self.current()).field("term", &self.term()).finish()
    }
}
