//! The slot lock: "this participant lives".
//!
//! A fresh description locks the slot's byte, maps one page, keeps it from children, and is closed. The lock then
//! lives exactly as long as this address space: closing every descriptor does not drop it, no child inherits it, exec
//! and death end it. Questions about others go through yet another description: asked through the one that holds a
//! lock, the system says "free".
//!
//! A free slot is found by the bitmap in the header, which is a hint; the lock decides. A killed tenant leaves its bit
//! set; such bits are cleared when the slots at hand run out.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use super::file::{self, LockKind, lock_byte};
use super::mapping::{self, Mapping};
use super::process;
use super::reopen::Reopen;
use crate::segment::header::{BITMAP_WORDS, HEADER_BYTES, PARTICIPANT_BYTES};
use crate::segment::live::{Live, Participant};

/// Generations count to here (19 bits in the lock word); then the slot is retired: a generation that came again could
/// make an abandoned lock name a live tenant.
pub(crate) const MAX_GENERATION: u32 = (1 << 19) - 1;

/// Slots of others that who takes one looks at, so that deaths are told of that nobody noticed.
const LOOKS: usize = 2;

/// A slot that this process holds.
pub(crate) struct Slot {
    pub(crate) number: u32,
    pub(crate) generation: u32,
    /// Holds the lock; unmapping it gives the slot back.
    pub(crate) page: Mapping,
    /// Tenants of other slots that were found dead on the way, as the high halves of lock words name them; else 0.
    pub(crate) found_dead: [u32; LOOKS],
}

/// Takes a free slot of the segment; `None`: all are taken by living processes.
pub(crate) fn take(live: Live, segment: &Reopen, locks: &Reopen) -> io::Result<Option<Slot>> {
    let holder = locks.open()?;
    let mut looked_for_dead = false;
    loop {
        let Some(number) = claim_bit(live) else {
            if std::mem::replace(&mut looked_for_dead, true) {
                return Ok(None);
            }
            clear_dead(live, &locks.open()?)?;
            continue;
        };
        if live.participant(number).is_none() {
            if !std::mem::replace(&mut looked_for_dead, true) && clear_dead(live, &locks.open()?)? > 0 {
                clear_bit(live, number);
                continue;
            }
            reserve_entry(live, segment, number)?;
        }
        if let Some(slot) = lock_slot(live, &holder, number)? {
            return Ok(Some(slot));
        }
    }
}

fn lock_slot(live: Live, holder: &File, number: u32) -> io::Result<Option<Slot>> {
    let Some(entry) = live.participant(number) else { return Ok(None) };
    if entry.generation.load(Relaxed) >= MAX_GENERATION {
        return Ok(None); // Retired: its bit stays set.
    }
    // Before `holder` holds a lock: asked through one that does, the system may say "free" of what is held.
    let found_dead = look_at_others(live, holder, number);
    if !file::try_lock(holder, LockKind::Write, lock_byte::SLOT + i64::from(number))? {
        return Ok(None); // The hint was wrong: somebody lives there.
    }
    if entry.generation.load(Relaxed) >= MAX_GENERATION {
        return Ok(None); // Retired by one who was here a moment ago; closing `holder` in the end gives the lock back.
    }
    let page = Mapping::shared(holder, 0, mapping::page_bytes(), false)?;
    page.keep_from_children()?;
    // Ours from here on. Killed before the next line: the lock falls, the next tenant counts on.
    // Release pairs with the Acquire in `is_dead`: who sees this generation knows that the one before is dead.
    let generation = entry.generation.load(Relaxed).saturating_add(1).min(MAX_GENERATION);
    entry.generation.store(generation, Release);
    entry.attached_boottime_ns.store(process::boottime_ns(), Relaxed);
    entry.pid_namespace.store(0, Relaxed); // Told before the first lock: asking costs more than the rest of this.
    entry.waits_for_at.store(0, Relaxed); // The one before may have been killed asleep.
    entry.set_program(&process::program_name());
    entry.uid.store(process::effective_uid(), Relaxed);
    entry.pid.store(process::pid(), Release);
    Ok(Some(Slot { number, generation, page, found_dead }))
}

/// Looks at the slot below and at another one, each time at the next: is its tenant dead, and not in good order?
/// What is dead stays as it is: it may be named by a lock.
fn look_at_others(live: Live, asker: &File, number: u32) -> [u32; LOOKS] {
    let Some((_, next)) = live.events() else { return [0; LOOKS] };
    let reserved = live.participants_reserved().load(Acquire).min(live.participants_max());
    let turn = (next.load(Relaxed) % u64::from(reserved.max(1))) as u32 + 1;
    let mut found = [0; LOOKS];
    for (found, other) in found.iter_mut().zip([number.saturating_sub(1), turn]) {
        let is_set = live.bitmap(other as usize / 64 % BITMAP_WORDS).load(Relaxed) & (1 << (other % 64)) != 0;
        let Some(entry) = live.participant(other).filter(|_| is_set && other != number) else { continue };
        // Read before the question: a tenant that comes behind it has another generation.
        let generation = entry.generation.load(Acquire);
        if matches!(file::is_write_locked(asker, lock_byte::SLOT + i64::from(other)), Ok(false)) {
            *found = other << 20 | generation << 1;
        }
    }
    found
}

/// Sets the lowest clear bit and gives its number.
fn claim_bit(live: Live) -> Option<u32> {
    for word in 0..BITMAP_WORDS {
        let bits = live.bitmap(word);
        let mut seen = bits.load(Relaxed);
        // Bit 0 of the first word stands for "no slot".
        let never = u64::from(word == 0);
        while seen | never != u64::MAX {
            let free = (seen | never).trailing_ones();
            let number = word as u32 * 64 + free;
            if number > live.participants_max() {
                return None;
            }
            let before = bits.fetch_or(1 << free, AcqRel);
            if before & (1 << free) == 0 {
                return Some(number);
            }
            seen = before;
        }
    }
    None
}

fn clear_bit(live: Live, number: u32) {
    live.bitmap(number as usize / 64).fetch_and(!(1 << (number % 64)), AcqRel);
}

/// Clears the bits of slots that nobody holds, among those whose entries have memory; gives how many.
fn clear_dead(live: Live, asker: &File) -> io::Result<u32> {
    let mut cleared = 0;
    let reserved = live.participants_reserved().load(Acquire).min(live.participants_max());
    for number in 1..=reserved {
        let is_set = live.bitmap(number as usize / 64).load(Relaxed) & (1 << (number % 64)) != 0;
        let is_retired = live.participant(number).is_none_or(|it| it.generation.load(Relaxed) >= MAX_GENERATION);
        let generation = live.participant(number).map_or(0, |entry| entry.generation.load(Acquire));
        if is_set && !is_retired && !file::is_write_locked(asker, lock_byte::SLOT + i64::from(number))? {
            live.record_death(0, number << 20 | generation << 1);
            // Somebody may have set the bit and not yet have the lock; then two may try, and the lock decides.
            clear_bit(live, number);
            cleared += 1;
        }
    }
    Ok(cleared)
}

/// Tells of every participant that died and of whose death nobody has told. `slot` is this process's.
pub(crate) fn tell_deaths(live: Live, locks: &Reopen, slot: u32) {
    let Ok(asker) = locks.open() else { return };
    let reserved = live.participants_reserved().load(Acquire).min(live.participants_max());
    for number in 1..=reserved {
        let is_set = live.bitmap(number as usize / 64).load(Relaxed) & (1 << (number % 64)) != 0;
        let Some(entry) = live.participant(number).filter(|_| is_set && number != slot) else { continue };
        // Read before the question: a tenant that comes behind it has another generation.
        let generation = entry.generation.load(Acquire);
        if matches!(file::is_write_locked(&asker, lock_byte::SLOT + i64::from(number)), Ok(false)) {
            live.record_death(slot, number << 20 | generation << 1);
        }
    }
}

/// Reserves memory for the entry of `number` and those before it: pages of the table are holes until they are needed.
fn reserve_entry(live: Live, segment: &Reopen, number: u32) -> io::Result<()> {
    let page = mapping::page_bytes();
    let bytes = (HEADER_BYTES + number as usize * PARTICIPANT_BYTES as usize).next_multiple_of(page);
    file::reserve(&segment.open()?, 0, bytes as u64)?;
    let entries = (bytes - HEADER_BYTES) / PARTICIPANT_BYTES as usize;
    let entries = (entries as u32).min(live.participants_max());
    live.participants_reserved().fetch_max(entries, AcqRel);
    Ok(())
}

/// Whether the tenant `generation` of slot `number` is dead, or never was. `false` also when it cannot be asked: keep
/// waiting.
pub(crate) fn is_dead(live: Live, locks: &Reopen, number: u32, generation: u32) -> bool {
    // Pairs with the Release fence in `owner::ask`: who read an owner's word sees the entry of the slot in it, unless
    // nobody ever wrote that word as an owner. Damage is nobody's lock: nobody would ever unlock it.
    fence(Acquire);
    let Some(entry) = live.participant(number) else { return true };
    // A later tenant took the lock, so the one before had lost it.
    if entry.generation.load(Acquire) != generation {
        return true;
    }
    let asker = match locks.open() {
        Ok(asker) => Some(asker),
        Err(cause) if is_for_a_moment(&cause) => return false,
        Err(_) => None, // Removed, or closed to this process.
    };
    match asker.as_ref().map(|asker| file::is_write_locked(asker, lock_byte::SLOT + i64::from(number))) {
        Some(Ok(false)) => return true,
        Some(Err(_)) => return false,
        Some(Ok(true)) | None => {}
    }
    let has_no_name = asker.is_none();
    // A held lock is not the last word: a child that another thread forked while the slot was being taken may hold a
    // copy of it. Nor is a file without a name (somebody removed it). Process ids tell within one namespace.
    let namespace = entry.pid_namespace.load(Relaxed);
    let same_namespace = namespace != 0 && namespace == process::pid_namespace();
    let pid = entry.pid.load(Acquire);
    if !same_namespace || pid == 0 {
        return false;
    }
    // The lock says that it lives, or was inherited; then only the end of the process counts, whatever the times.
    let since = Some(entry.attached_boottime_ns.load(Relaxed));
    let since = since.filter(|_| has_no_name && process::has_our_clocks(pid));
    process::is_gone(pid, since).unwrap_or(false)
        // It lives, but may have called exec, which nobody sees by the lock of a file that cannot be opened.
        || (has_no_name && process::has_let_go(pid, locks.stat().inode).unwrap_or(false))
}

/// Whether a file could not be opened for want of descriptors or memory: a later try may open it.
fn is_for_a_moment(cause: &io::Error) -> bool {
    let errno = cause.raw_os_error();
    matches!(errno, Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EINTR | libc::EAGAIN))
}

/// Whether the slot of an entry that has this process's id is held. Where that cannot be asked: whether this process
/// existed when the slot was taken.
pub(crate) fn is_held_or_cannot_be_asked(locks: &Reopen, entry: &Participant, number: u32) -> bool {
    let asked = locks.open().and_then(|asker| file::is_write_locked(&asker, lock_byte::SLOT + i64::from(number)));
    asked.unwrap_or_else(|_| {
        let since = Some(entry.attached_boottime_ns.load(Relaxed));
        process::is_gone(process::pid(), since) != Some(true)
    })
}

/// Whether the process that took slot `number` is ending or has ended, as far as its PID namespace lets us know.
pub(crate) fn is_ending(live: Live, number: u32) -> bool {
    let Some(entry) = live.participant(number) else { return false };
    let (namespace, pid) = (entry.pid_namespace.load(Acquire), entry.pid.load(Acquire));
    pid != 0 && namespace == process::pid_namespace() && process::has_begun_to_end(pid).unwrap_or(false)
}

/// Whether slot `number` is of a PID namespace that is known, and all slots that ever owned something are of it.
pub(crate) fn is_in_the_only_pid_namespace(live: Live, number: u32) -> bool {
    let namespace = |number| live.participant(number).map_or(0, |entry| entry.pid_namespace.load(Acquire));
    let expected = namespace(number);
    let reserved = live.participants_reserved().load(Acquire).min(live.participants_max());
    expected != 0 && (1..=reserved).map(namespace).all(|theirs| theirs == 0 || theirs == expected)
}

/// Says in which PID namespace the tenant's process id counts. Before its first lock: only owners are asked about.
pub(crate) fn tell_pid_namespace(live: Live, number: u32) {
    if let Some(entry) = live.participant(number).filter(|entry| entry.pid_namespace.load(Relaxed) == 0) {
        entry.pid_namespace.store(process::pid_namespace(), Release);
    }
}

/// Clears the hint that the slot is taken: the process is ending, and its lock is about to fall. Whoever comes before
/// that finds the lock, and goes on to another slot.
pub(crate) fn announce_end(live: Live, number: u32) {
    if number != 0 {
        clear_bit(live, number);
    }
}

/// Gives a slot back before the process ends (its image is being unloaded).
pub(crate) fn give_back(live: Live, number: u32) {
    if let Some(entry) = live.participant(number) {
        entry.pid.store(0, Release);
    }
    clear_bit(live, number);
}
