//! The table of participants: who is attached, and whether the owner that a lock word names is dead.
//!
//! Entries are taken and given back under the segment's attach mutex. There is no lock on an entry: a participant
//! lives as long as the process whose id and time of creation the entry has. A slot has another tenant, and so another
//! generation, only after the one before is dead.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::handle::Handle;
use super::process;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::events::Happened;
use crate::segment::live::{self, Live};
use crate::segment::participant::Participant;

/// As on Linux: 19 bits in the lock word; then the slot is retired.
const MAX_GENERATION: u32 = (1 << 19) - 1;

/// A slot that this process holds, as a lock word's high half names it: slot, generation, and a zero bit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerHalf(pub(crate) u32);

impl OwnerHalf {
    fn new(slot: u32, generation: u32) -> OwnerHalf {
        OwnerHalf(slot << 20 | generation << 1)
    }

    pub(crate) fn slot(self) -> u32 {
        self.0 >> 20
    }

    fn generation(self) -> u32 {
        self.0 >> 1 & MAX_GENERATION
    }
}

fn is_alive(entry: &live::Participant) -> bool {
    // Acquire pairs with the Release in `take`: who sees the id sees the time.
    let pid = entry.pid.load(Acquire);
    pid != 0 && process::is_alive(pid, entry.attached_boottime_ns.load(Relaxed))
}

/// Whether anybody at all is attached.
pub(crate) fn anybody(live: Live) -> bool {
    (1..=live.participants_max()).filter_map(|slot| live.participant(slot)).any(is_alive)
}

/// Takes a slot for this process. The caller holds the attach mutex.
pub(crate) fn take(live: Live, path: &str) -> Result<OwnerHalf> {
    let usable =
        |slot: &u32| live.participant(*slot).is_some_and(|entry| entry.generation.load(Relaxed) < MAX_GENERATION);
    let entry_of = |slot: &u32| live.participant(*slot);
    let slots = || (1..=live.participants_max()).filter(usable);
    let free = slots().find(|slot| entry_of(slot).is_some_and(|entry| entry.pid.load(Relaxed) == 0));
    // Those who ended left their entries: they are asked about only when no other is free.
    let found = free.or_else(|| slots().find(|slot| entry_of(slot).is_some_and(|entry| !is_alive(entry))));
    let Some((slot, entry)) = found.and_then(|slot| live.participant(slot).map(|entry| (slot, entry))) else {
        let max = live.participants_max();
        return Err(Error::new(ErrorKind::Full, format!("all {max} slots of the segment {path} are taken"))
            .hint("fewer processes can share it at once"));
    };
    let created = process::creation_time()
        .ok_or_else(|| Error::system("find out when this process was created", &std::io::Error::last_os_error()))?;
    // Killed on the way: the entry names nobody, and the next one takes it.
    entry.pid.store(0, Relaxed);
    let generation = entry.generation.load(Relaxed) + 1;
    entry.generation.store(generation, Release);
    entry.attached_boottime_ns.store(created, Relaxed);
    entry.pid_namespace.store(0, Relaxed);
    entry.uid.store(0, Relaxed);
    entry.waits_for_at.store(0, Relaxed); // The one before may have been killed asleep.
    entry.set_program(super::loader::program_name().as_bytes());
    entry.pid.store(process::pid(), Release);
    live.record(slot, Happened::Attached, 0, None);
    Ok(OwnerHalf::new(slot, generation))
}

/// Gives the slot back: the image is being unloaded.
pub(crate) fn give_back(live: Live, owner: OwnerHalf) {
    live.record(owner.slot(), Happened::Detached, 0, None);
    if let Some(entry) = live.participant(owner.slot()) {
        entry.pid.store(0, Release);
    }
}

/// The process of an owner, to wait for its end.
pub(crate) fn process_of(live: Live, owner: OwnerHalf) -> Option<Handle> {
    let entry = live.participant(owner.slot())?;
    let pid = entry.pid.load(Acquire);
    let created = entry.attached_boottime_ns.load(Relaxed);
    (entry.generation.load(Acquire) == owner.generation() && pid != 0).then(|| process::open_created(pid, created))?
}

/// Whether the owner that a lock word names is a slot of this very process.
pub(crate) fn is_this_process(live: Live, owner: OwnerHalf) -> bool {
    live.participant(owner.slot()).is_some_and(|entry| {
        entry.generation.load(Acquire) == owner.generation()
            && entry.pid.load(Relaxed) == process::pid()
            // Ids are used again.
            && process::creation_time() == Some(entry.attached_boottime_ns.load(Relaxed))
    })
}

/// Whether the owner that a lock word names in its high half is dead. One that never was counts as dead: a word that
/// nobody wrote under that name is damage, and nobody would ever unlock it.
pub(crate) fn is_dead(live: Live, owner: OwnerHalf) -> bool {
    let Some(entry) = live.participant(owner.slot()) else { return true };
    entry.generation.load(Acquire) != owner.generation() || !is_alive(entry)
}

/// Process id and program of an owner, if its slot has no later tenant.
pub(crate) fn describe(live: Live, owner: OwnerHalf) -> Option<(u32, String)> {
    let entry = live.participant(owner.slot())?;
    let described = (entry.pid.load(Acquire), entry.program());
    (entry.generation.load(Acquire) == owner.generation() && described.0 != 0).then_some(described)
}

/// Those who live, for people.
pub(crate) fn list(live: Live) -> Vec<Participant> {
    let described = |slot| {
        let entry = live.participant(slot).filter(|entry| is_alive(entry))?;
        let pid = entry.pid.load(Acquire);
        Some(Participant { slot, pid, program: entry.program(), same_pid_namespace: true })
    };
    (1..=live.participants_max()).filter_map(described).collect()
}
