//! `Cells`: lock words of which each names one who reads, holds a permit, or has arrived.
//!
//! ```text
//! +--------+--------+--------+ ... +--------+
//! | owner  |  free  | owner  |     |  free  |     claim:   free -> owner's word     one compare-and-swap
//! +--------+--------+--------+ ... +--------+     release: owner's word -> free
//! ```
//!
//! A count would not say whose a death makes it one too many. A cell names its holder, so it is given back when that
//! is dead: silently, because who only reads or waits has changed nothing. Whoever finds no free cell asks whether
//! the holders live: before its first sleep, then after 0.5 ms, doubling to 20 ms, [`ASKED_AT_ONCE`] processes at a
//! time, whatever number of cells each holds; of many who wait, one at a time (`lock::naps`). Where asking goes on is
//! kept in shared memory, so that calls that do not wait get round, too.

use super::bell::Bell;
use super::patience::{LONGEST_SLEEP, Patience};
use crate::lock::atomic::Ordering::{Relaxed, SeqCst};
use crate::lock::atomic::{AtomicU32, fence};
use crate::lock::naps::Naps;
use crate::lock::raw_lock::Asks;
use crate::lock::{NotLocked, RawLock, Ticket};

/// Processes asked about before each sleep: some ten system calls each.
const ASKED_AT_ONCE: usize = 32;

#[repr(transparent)]
pub(crate) struct Cells<const N: usize> {
    cells: [RawLock; N],
}

/// A cell that was claimed: what a guard keeps.
#[derive(Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) index: u32,
    pub(crate) ticket: Ticket,
}

impl<const N: usize> Cells<N> {
    pub(super) const fn new() -> Cells<N> {
        assert!(N > 0 && N <= u32::MAX as usize, "a lock without cells lets nobody in");
        Cells { cells: [const { RawLock::new() }; N] }
    }

    pub(super) fn all(&self) -> &[RawLock; N] {
        &self.cells
    }

    /// Claims the cell at `index`, if it is free.
    #[inline]
    pub(super) fn claim_at(&self, index: usize) -> Result<Option<Claimed>, NotLocked> {
        let ticket = self.cells[index].claim()?;
        Ok(ticket.map(|ticket| Claimed { index: index as u32, ticket }))
    }

    /// Claims the cell where `this_thread` looks first, if it is free.
    #[inline]
    pub(super) fn claim_first(&self, this_thread: Ticket) -> Option<Claimed> {
        let index = first_cell(this_thread.word(), N);
        self.cells[index].claim_as(this_thread).then_some(Claimed { index: index as u32, ticket: this_thread })
    }

    /// Claims one of the first `usable` cells, that at `start` or the next free one after it.
    pub(super) fn claim(&self, start: usize, usable: usize) -> Result<Option<Claimed>, NotLocked> {
        claim(&self.cells[..usable], start)
    }

    /// Claims one of the first `usable` cells; sleeps on `bell` while there is none. `asked`: where asking goes on.
    #[cold]
    pub(super) fn wait_and_claim(
        &self,
        bell: &Bell,
        asked: &AtomicU32,
        start: usize,
        usable: usize,
        patience: Patience,
    ) -> Result<Claimed, NotLocked> {
        if patience == Patience::None {
            // Nobody is going to sleep, so the bell is not told of a listener: the next release would ring for nobody.
            return self.try_claim(bell, asked, start, usable);
        }
        let mut naps = Naps::new();
        let result = self.sleep_and_claim(bell, asked, start, usable, patience, &mut naps);
        naps.end(bell);
        result
    }

    fn try_claim(&self, bell: &Bell, asked: &AtomicU32, start: usize, usable: usize) -> Result<Claimed, NotLocked> {
        if let Some(claimed) = self.claim(start, usable)? {
            return Ok(claimed);
        }
        if self.give_back_dead(asked, usable, Asks::UnlessJustAsked)? {
            let claimed = self.claim(start, usable)?;
            bell.ring_all();
            return claimed.ok_or(NotLocked::WouldBlock);
        }
        Err(NotLocked::WouldBlock)
    }

    fn sleep_and_claim(
        &self,
        bell: &Bell,
        asked: &AtomicU32,
        start: usize,
        usable: usize,
        patience: Patience,
        naps: &mut Naps,
    ) -> Result<Claimed, NotLocked> {
        let mut asks = Asks::UnlessJustAsked;
        loop {
            let heard = bell.listen();
            // Pairs with the SeqCst in `release`: it sees that we listen, or we see its cell free.
            fence(SeqCst);
            if let Some(claimed) = self.claim(start, usable)? {
                return Ok(claimed);
            }
            if naps.is_our_turn(bell, 0) && self.give_back_dead(asked, usable, asks)? {
                // There may be one for another, too.
                bell.ring_all();
                continue;
            }
            let longest = patience.sleep(if cfg!(test) { LONGEST_SLEEP } else { naps.next() })?;
            naps.note(bell);
            // Killed asleep: the bell rings once for nobody.
            bell.sleep(heard, longest);
            naps.slept(longest, false);
            asks = Asks::Always;
        }
    }

    /// [`give_back_dead`] of the first `usable` cells.
    fn give_back_dead(&self, asked: &AtomicU32, usable: usize, asks: Asks) -> Result<bool, NotLocked> {
        give_back_dead(&self.cells[..usable], asked, asks)
    }

    /// Gives a cell back, and wakes one who waits for a cell; nothing in a child of a fork.
    ///
    /// Killed before the cell is free, it is dead and given back by who needs it; before the bell is rung, whoever
    /// sleeps looks again by its timeout.
    #[inline]
    pub(super) fn release(&self, bell: &Bell, claimed: Claimed) {
        // `release` is SeqCst as is the bell's load: either we see who listens, or it sees the cell free.
        self.cells[claimed.index as usize].release(claimed.ticket);
        bell.ring_one();
    }

    /// Cells among the first `usable` that somebody holds, the dead included.
    pub(super) fn held(&self, usable: usize) -> usize {
        self.cells[..usable].iter().filter(|cell| cell.is_held()).count()
    }
}

/// Claims a cell, that at `start` or the next free one after it.
fn claim(cells: &[RawLock], start: usize) -> Result<Option<Claimed>, NotLocked> {
    for index in (start..cells.len()).chain(0..start.min(cells.len())) {
        if cells[index].is_held() {
            continue;
        }
        if let Some(ticket) = cells[index].claim()? {
            return Ok(Some(Claimed { index: index as u32, ticket }));
        }
    }
    Ok(None)
}

/// Claims a free cell, or one whose holder is dead; waits for nobody. `None`: the living hold them all, or this process
/// cannot hold one.
#[cold]
pub(crate) fn claim_or_take_over(cells: &[RawLock], asked: &AtomicU32) -> Option<Claimed> {
    let first = cells.first()?;
    let start = first_cell(first.this_thread().ok()?.word(), cells.len());
    if let Some(claimed) = claim(cells, start).ok()? {
        return Some(claimed);
    }
    // Some processes at a time, so that who comes to a place that is full of the living does not ask about all.
    let found = give_back_dead(cells, asked, Asks::UnlessJustAsked).ok()?;
    if found { claim(cells, start).ok()? } else { None }
}

/// Frees cells whose holders are dead, the cells of some processes at a time: goes on after the last asked. Whether
/// there was one.
#[cold]
fn give_back_dead(cells: &[RawLock], asked: &AtomicU32, asks: Asks) -> Result<bool, NotLocked> {
    let Some(first) = cells.first() else { return Ok(false) };
    let mine = first.this_thread()?.owner_half();
    // A false number does no harm: the cells are a ring.
    let start = asked.load(Relaxed) as usize % cells.len();
    let mut living = [mine; ASKED_AT_ONCE];
    let mut count = 0;
    let mut found = false;
    for index in (start..cells.len()).chain(0..start) {
        let Some(half) = cells[index].holder().filter(|half| !living.contains(half)) else { continue };
        if count == ASKED_AT_ONCE {
            // Two threads that do so at once may ask about the same processes; the next one goes on after them.
            asked.store(index as u32, Relaxed);
            break;
        }
        if cells[index].holder_is_dead(half, asks) {
            // Once dead, a holder is so in all its cells.
            for cell in cells {
                found |= cell.give_back_of(half);
            }
        } else {
            living[count] = half;
        }
        count += 1;
    }
    Ok(found)
}

/// Where a thread looks for a free cell first: neighbours in time (thread ids and slots count up) start on different
/// cache lines.
#[inline]
pub(super) const fn first_cell(owner_word: u64, cells: usize) -> usize {
    const CELLS_IN_A_LINE: usize = 8;
    // Slot and thread id.
    let nth = ((owner_word >> 52) + (owner_word & 0x3fff_ffff)) as usize;
    let lines = cells / CELLS_IN_A_LINE;
    if lines < 2 { nth % cells } else { (nth % lines) * CELLS_IN_A_LINE + (nth / lines) % CELLS_IN_A_LINE }
}

#[cfg(test)]
mod tests {
    use super::first_cell;

    #[test]
    fn threads_in_a_row_start_on_different_lines() {
        let lines: Vec<_> = (1000..1008).map(|thread| first_cell(7 << 52 | 5 << 33 | thread, 64) / 8).collect();
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6, 7], "{lines:?}");
    }

    #[test]
    fn every_cell_of_the_whole_lines_is_somebodys_first() {
        for cells in [1, 3, 8, 16, 64, 100] {
            let mut starts: Vec<_> = (0..1000).map(|thread| first_cell(thread, cells)).collect();
            starts.sort_unstable();
            starts.dedup();
            assert!(starts.iter().all(|start| *start < cells));
            assert_eq!(starts.len(), if cells < 16 { cells } else { cells / 8 * 8 });
        }
    }
}
