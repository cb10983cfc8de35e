//! Pins: who looks at an entry in place, so that its slab's memory is not used again meanwhile.
//!
//! ```text
//! front   | pins up to here were ever used | extents | ...        pin   | cell: names its holder | shard 32, slab + 1
//! |
//! ```
//!
//! The cell names the participant, so a dead one's pin is given back by the writer whom it is in the way of. An entry
//! that is pinned may be replaced or evicted; only its slab waits. The handshake is that of hazard pointers:
//!
//! ```text
//! reader: cell, slab; fence; the bucket is unchanged?        writer: bucket changed; fence; does a pin name the slab?
//! ```
//!
//! One of the two sees the other.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::layout::PIN_WORDS;
use super::memory::Memory;
use super::shard::as_lock;
use crate::error::{Error, ErrorKind, Result};
use crate::lock::atomic::{AtomicU64, fence};
use crate::lock::{NotLocked, RawLock, Ticket};

/// A cell that names a slab, held until it is dropped.
pub(super) struct Hold {
    cell: &'static RawLock,
    ticket: Ticket,
    slab: &'static AtomicU64,
}

/// What a cell says of a slab.
fn name_of(shard: usize, slab: usize) -> u64 {
    (shard as u64) << 32 | (slab as u64 + 1)
}

impl Hold {
    /// Takes a free cell, or that of a dead one.
    pub(super) fn take(memory: &Memory) -> Result<Hold> {
        let pins = || memory.pins().chunks_exact(PIN_WORDS).enumerate();
        for reclaims in [false, true] {
            for (nth, pin) in pins() {
                let cell = as_lock(&pin[0]);
                if cell.is_held() && !(reclaims && cell.reclaim()) {
                    continue;
                }
                if let Some(ticket) = cell.claim().map_err(not_a_participant)? {
                    memory.pins_used().fetch_max(nth as u64 + 1, SeqCst);
                    return Ok(Hold { cell, ticket, slab: &pin[1] });
                }
            }
        }
        let what = format!("cannot pin an entry: all {} pins of the cache are in use", memory.shape.pins);
        Err(Error::new(ErrorKind::Full, what).hint("let go of pins earlier, or make the cache with more (`max_pins`)"))
    }

    /// Names the slab. The caller looks after this whether the entry still is there.
    pub(super) fn name(&self, shard: usize, slab: usize) {
        self.slab.store(name_of(shard, slab), SeqCst);
        // Pairs with the fence in `is_pinned`.
        fence(SeqCst);
    }
}

fn not_a_participant(why: NotLocked) -> Error {
    match why {
        NotLocked::NoSlot(error) => *error,
        _ => Error::new(ErrorKind::Corrupt, "cannot pin an entry: a lock word of the cache contradicts itself"),
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.cell.release(self.ticket);
    }
}

/// Whether somebody who lives has pinned the slab. To be asked after the last slot that led to it was changed.
pub(super) fn is_pinned(memory: &Memory, shard: usize, slab: usize) -> bool {
    // Pairs with the fence in `Hold::name`.
    fence(SeqCst);
    let used = memory.pins_used().load(Relaxed) as usize;
    let name = name_of(shard, slab);
    memory.pins().chunks_exact(PIN_WORDS).take(used).any(|pin| {
        let cell = as_lock(&pin[0]);
        pin[1].load(Relaxed) == name && cell.is_held() && !cell.reclaim_unless_just_asked()
    })
}
