//! The handshake of readers and writers, without the value.
//!
//! ```text
//! +----------+--------------------------+-------- ... --------+
//! |  writer  | changing, nested, freed  |  readers' cells     |     one cache line, then 8 cells in each
//! +----------+--------------------------+-------- ... --------+
//!
//! reader: claim a cell  ->  is the writer's word free and clean?  ->  in        writer: take the word  ->  every cell
//!                           no: give the cell back, queue at the word                    free?  ->  in
//! ```
//!
//! Each side stores and then loads what the other side stores, so both are SeqCst (reader) or have a SeqCst fence
//! between (writer): at least one sees the other. A writer that holds the word keeps new readers out, except a thread
//! that reads already: it would wait for a writer that waits for it. Such a *nested* entry is counted, because it may
//! lie in a cell that the writer has found free before.
//!
//! Deaths: a reader's cell is given back silently. A dead writer's word goes to the next one, with `OwnerDied` only if
//! `changing` says that it may have been in.

use std::convert::Infallible;

use super::bell::Bell;
use super::cells::{Cells, Claimed, first_cell};
use super::lock_error::LockError;
use super::patience::Patience;
use crate::lock::atomic::AtomicU32;
use crate::lock::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::lock::atomic::{compiler_fence, fence};
use crate::lock::{Locked, NotLocked, RawLock, Ticket};

#[repr(C, align(64))]
pub(super) struct RawRwLock<const READERS: usize> {
    pub(super) head: Head,
    pub(super) readers: Cells<READERS>,
}

const _: () = assert!(std::mem::offset_of!(RawRwLock<64>, readers) == 64 && size_of::<RawRwLock<64>>() == 576);

/// What stands before the cells, and does all that a writer does: whatever the number of cells.
#[repr(C, align(64))]
pub(crate) struct Head {
    /// Held by a writer, in or waiting for the readers to leave; for a moment by a reader that found it held.
    pub(crate) writer: RawLock,
    /// 1 while a writer may be changing the value, and after it died or panicked then; else 0.
    pub(super) changing: AtomicU32,
    /// Nested entries past a waiting writer.
    pub(super) nested: AtomicU32,
    /// Who found no free cell sleeps here.
    pub(super) freed: Bell,
    /// The cell from which on readers are asked about next, by who found no free one.
    asked: AtomicU32,
    unused: [u32; 10],
}

const _: () = assert!(size_of::<Head>() == 64);

/// How the lock was had for reading.
pub(super) enum Read {
    In(Claimed),
    /// The write lock instead, over a value that may be half changed; and the dead writer's half.
    WriterDied(Ticket, u32),
}

/// How the lock was had for writing.
pub(crate) enum Write {
    In(Ticket),
    WriterDied(Ticket, u32),
}

impl<const READERS: usize> RawRwLock<READERS> {
    pub(super) const fn new() -> Self {
        RawRwLock { head: Head::new(), readers: Cells::new() }
    }

    /// Enters for reading if no writer is there and the first cell tried is free.
    #[inline]
    pub(super) fn read_at_once(&self) -> Result<Option<Claimed>, NotLocked> {
        let Some(claimed) = self.readers.claim_first(self.head.writer.this_thread()?) else { return Ok(None) };
        // Killed from here on: the cell names a dead reader, and whom it keeps out gives it back.
        if self.head.writer.is_free_and_clean() {
            return Ok(Some(claimed));
        }
        self.leave_reading(claimed);
        Ok(None)
    }

    #[cold]
    pub(super) fn read(&self, patience: Patience) -> Result<Read, NotLocked> {
        let start = first_cell(self.head.writer.this_thread()?.word(), READERS);
        loop {
            let claimed = match self.readers.claim(start, READERS)? {
                Some(claimed) => claimed,
                // Nobody but this thread could make room.
                None if self.readers.all().iter().all(RawLock::is_held_by_this_thread) => {
                    return Err(NotLocked::WouldDeadlock);
                }
                None => self.readers.wait_and_claim(&self.head.freed, &self.head.asked, start, READERS, patience)?,
            };
            if self.head.writer.is_free_and_clean() {
                return Ok(Read::In(claimed));
            }
            if self.reads_in_another_cell(claimed) {
                // No writer is in: it waits for our other cell. Release pairs with the Acquire in `drain`.
                self.head.nested.fetch_add(1, Release);
                return Ok(Read::In(claimed));
            }
            self.leave_reading(claimed);
            // Behind the writer, and other readers, as if to write. Who holds the word keeps writers out.
            let (ticket, locked) = patience.lock(&self.head.writer)?;
            if let Some(owner_half) = self.head.half_changed_by(ticket, &locked) {
                return self
                    .head
                    .drain_or_leave(self.readers.all(), ticket, Some(owner_half), patience)
                    .map(|()| Read::WriterDied(ticket, owner_half));
            }
            let claimed = self.readers.claim(start, READERS);
            self.head.writer.unlock(ticket);
            if let Some(claimed) = claimed? {
                return Ok(Read::In(claimed));
            }
        }
    }

    #[inline]
    pub(super) fn leave_reading(&self, claimed: Claimed) {
        self.readers.release(&self.head.freed, claimed);
    }

    /// Whether this thread reads in a cell other than the one that it just claimed.
    /// A cell in which this very thread reads, for those who keep no guard.
    pub(super) fn own_reading(&self) -> Option<Claimed> {
        let start = first_cell(self.head.writer.this_thread().ok()?.word(), READERS);
        let cells = self.readers.all();
        let of_this_thread = |index: usize| Some((index, cells[index].own_ticket()?));
        let (index, ticket) = (start..READERS).chain(0..start).find_map(of_this_thread)?;
        Some(Claimed { index: index as u32, ticket })
    }

    fn reads_in_another_cell(&self, claimed: Claimed) -> bool {
        let cells = self.readers.all().iter().enumerate();
        cells.filter(|(index, _)| *index != claimed.index as usize).any(|(_, cell)| cell.is_held_by_this_thread())
    }

    pub(super) fn write(&self, patience: Patience) -> Result<Write, NotLocked> {
        self.head.write(self.readers.all(), patience)
    }

    /// As [`write`](RawRwLock::write), also after somebody gave the value up.
    pub(super) fn write_given_up(&self) -> Result<Write, NotLocked> {
        self.head.write_given_up(self.readers.all())
    }

    /// How it was left, without locking: nobody else has it.
    pub(super) fn left(&self) -> Result<Locked, NotLocked> {
        self.head.left()
    }

    /// Ends writing. Nothing in a child of a fork, where the guard is a copy.
    pub(super) fn leave_writing(&self, ticket: Ticket, is_whole: bool) {
        self.head.leave_writing(ticket, is_whole);
    }

    /// From writing to reading, with no other writer between.
    ///
    /// # Panics
    /// In a child of a fork; and, with the lock released, if the process is a participant no more.
    pub(super) fn downgrade(&self, ticket: Ticket) -> Claimed {
        assert!(ticket.still_this_process(), "a write guard that was copied by a fork belongs to the parent");
        let start = self.head.writer.this_thread().map_or(0, |this_thread| first_cell(this_thread.word(), READERS));
        // Readers that found the word held leave their cells at once, and the dead ones' are given back.
        let claimed =
            match self.readers.wait_and_claim(&self.head.freed, &self.head.asked, start, READERS, Patience::Endless) {
                Ok(claimed) => claimed,
                Err(why) => {
                    self.leave_writing(ticket, true);
                    panic!("cannot keep the lock for reading: {}", LockError::<Infallible>::from(why));
                }
            };
        // Killed after the claim: a dead writer, found with its own dead cell; after the unlock, a dead reader.
        self.leave_writing(ticket, true);
        claimed
    }
}

impl Head {
    const fn new() -> Head {
        Head {
            writer: RawLock::new(),
            changing: AtomicU32::new(0),
            nested: AtomicU32::new(0),
            freed: Bell::new(),
            asked: AtomicU32::new(0),
            unused: [0; 10],
        }
    }

    /// Waits until nobody else writes, and until whoever reads in one of `cells` has left.
    #[inline]
    pub(crate) fn write(&self, cells: &[RawLock], patience: Patience) -> Result<Write, NotLocked> {
        let (ticket, locked) = match self.writer.try_lock() {
            Err(NotLocked::WouldBlock) if patience != Patience::None => {
                // The writer that holds the word would wait for our cell, and we for the writer.
                if cells.iter().any(RawLock::is_held_by_this_thread) {
                    return Err(NotLocked::WouldDeadlock);
                }
                patience.lock(&self.writer)?
            }
            other => other?,
        };
        self.write_with(cells, ticket, &locked, patience)
    }

    /// As [`write`](Head::write), also after somebody gave the value up.
    fn write_given_up(&self, cells: &[RawLock]) -> Result<Write, NotLocked> {
        let (ticket, locked) = self.writer.lock_given_up()?;
        self.write_with(cells, ticket, &locked, Patience::Endless)
    }

    fn write_with(
        &self,
        cells: &[RawLock],
        ticket: Ticket,
        locked: &Locked,
        patience: Patience,
    ) -> Result<Write, NotLocked> {
        let half_changed_by = self.half_changed_by(ticket, locked);
        self.drain_or_leave(cells, ticket, half_changed_by, patience)?;
        Ok(match half_changed_by {
            Some(owner_half) => Write::WriterDied(ticket, owner_half),
            None => {
                self.changing.store(1, Relaxed);
                // Before the first change of the value: who is killed in it leaves the word behind.
                compiler_fence(SeqCst);
                Write::In(ticket)
            }
        })
    }

    /// How it was left, without locking: nobody else has it.
    fn left(&self) -> Result<Locked, NotLocked> {
        Ok(match self.writer.left()? {
            Locked::Inconsistent(owner_half) if self.changing.load(Relaxed) != 0 => Locked::Inconsistent(owner_half),
            _ => Locked::Clean,
        })
    }

    /// Who may have left the value half changed. A writer that died while it waited for readers, or when it was done,
    /// did not; what it leaves is a clean lock.
    fn half_changed_by(&self, ticket: Ticket, locked: &Locked) -> Option<u32> {
        let Locked::Inconsistent(owner_half) = locked else { return None };
        if self.changing.load(Relaxed) != 0 {
            return Some(*owner_half);
        }
        self.writer.mark_consistent(ticket);
        None
    }

    fn drain_or_leave(
        &self,
        cells: &[RawLock],
        ticket: Ticket,
        half_changed_by: Option<u32>,
        patience: Patience,
    ) -> Result<(), NotLocked> {
        let drained = self.drain(cells, patience);
        if drained.is_err() {
            match half_changed_by {
                Some(owner_half) => self.writer.leave(ticket, owner_half),
                None => self.writer.unlock(ticket),
            }
        }
        drained
    }

    /// Waits until nobody reads. The caller holds the word.
    fn drain(&self, cells: &[RawLock], patience: Patience) -> Result<(), NotLocked> {
        // Between taking the word and looking at the cells. Pairs with the SeqCst of a reader's claim and of its look
        // at the word: it sees the word taken, or we see its cell.
        fence(SeqCst);
        loop {
            // Pairs with the Release of a nested entry: if it was counted, its cell is seen below.
            let nested = self.nested.load(Acquire);
            for cell in cells {
                if cell.is_held() {
                    wait_for(cell, patience)?;
                }
            }
            // Pairs with the Release in a cell's release: what was read was read before. And who left a cell after it
            // had entered another, nested, has counted that before.
            fence(Acquire);
            if self.nested.load(Relaxed) == nested {
                return Ok(());
            }
        }
    }

    /// Ends writing. Nothing in a child of a fork, where the guard is a copy.
    #[inline]
    pub(crate) fn leave_writing(&self, ticket: Ticket, is_whole: bool) {
        if !ticket.still_this_process() {
            return;
        }
        if is_whole {
            // After the last change of the value. Killed after it, the lock is found clean.
            self.changing.store(0, Release);
        } else {
            self.writer.mark_inconsistent(ticket);
        }
        self.writer.unlock(ticket);
    }
}

fn wait_for(cell: &RawLock, patience: Patience) -> Result<(), NotLocked> {
    if patience != Patience::None {
        return cell.wait_until_free(patience.deadline());
    }
    if cell.is_held_by_this_thread() {
        return Err(NotLocked::WouldDeadlock);
    }
    if cell.reclaim_unless_just_asked() || !cell.is_held() { Ok(()) } else { Err(NotLocked::WouldBlock) }
}
