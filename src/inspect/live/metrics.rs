//! The metrics of a segment that somebody else uses: variables, named ones, and what the segment knows of itself.
//!
//! Bytes are copied first, then told as a program tells its own: by the same code, which distrusts them.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use super::objects::LiveObject;
use super::objects::ObjectState;
use super::participants::LiveParticipant;
use super::segment::LiveSegment;
use crate::error::Result;
use crate::inspect::report::ByteOrder;
use crate::metrics::Snapshot;
use crate::metrics::living::Living;
use crate::metrics::segment::{Facts, of};
use crate::metrics::statics::{Told, holds_metric, tell_variable, together};
use crate::metrics::table::{Head, Table};
use crate::schema::Kind;
use crate::segment::events::DEATH_IS_TOLD;
use crate::segment::header::{BITMAP_AT, BITMAP_WORDS, PARTICIPANT_BYTES, PARTICIPANT_DEATHS_AT};

/// Bytes of metrics that are read of one segment. Its own maximum may be anything.
const BUDGET_BYTES: u64 = 1 << 30;
/// How often deaths are counted anew that somebody tells of meanwhile.
const DEATHS_ATTEMPTS: u32 = 5;
/// Bits of the generation in a tenant's word.
const GENERATION: u32 = (1 << 19) - 1;

impl LiveSegment {
    /// All metrics in the segment: variables by their names, named ones by theirs, and what it knows of itself, as
    /// [`statics`](crate::metrics::statics) and [`Metrics::snapshot`](crate::metrics::Metrics::snapshot) tell them.
    /// What is damaged is left out. `called` is what the segment is called in the label `segment` of what it knows of
    /// itself.
    ///
    /// # Errors
    ///
    /// Its participants or objects cannot be read.
    pub fn metrics(&self, called: &str) -> Result<Snapshot> {
        let participants = self.participants()?;
        let living = living(&participants);
        let mut who = Living::new(|tenant: u32| living.get(&tenant_of(tenant)).copied());
        let objects: Vec<LiveObject> = self.objects()?.into_iter().flatten().collect();
        let objects: Vec<&LiveObject> = objects.iter().filter(|object| object.holds_metrics()).collect();
        let mut all = Vec::new();
        let mut budget = BUDGET_BYTES;
        for object in objects {
            let Some(words) = self.words_of(object, &mut budget) else { continue };
            told(object, &words, &mut who, &mut all);
        }
        let mut snapshot = together(all);
        snapshot.add(of(&Facts {
            segment: called,
            participants: living.len() as u64,
            // Also of slots that were given back: a total never goes backwards.
            tenancies: self.participants_bytes()?.chunks_exact(PARTICIPANT_BYTES as usize).map(generation).sum(),
            deaths: self.deaths()?,
            recoveries: self.header.deaths,
            used_bytes: self.header.data_bytes,
            is_unlinked: self.facts().is_some_and(|facts| !facts.is_linked),
        }));
        Ok(snapshot)
    }

    /// The metrics in one object; `None`: it holds none, or they cannot be read. `participants` are those of the
    /// segment: a gauge's parts count while whoever set them lives.
    pub fn metrics_of(&self, object: &LiveObject, participants: &[LiveParticipant]) -> Option<Snapshot> {
        if !object.holds_metrics() {
            return None;
        }
        let living = living(participants);
        let mut who = Living::new(|tenant: u32| living.get(&tenant_of(tenant)).copied());
        let words = self.words_of(object, &mut { BUDGET_BYTES })?;
        let mut all = Vec::new();
        told(object, &words, &mut who, &mut all);
        Some(together(all))
    }

    /// Deaths that were told of, and those that nobody has noticed yet.
    fn deaths(&self) -> Result<u64> {
        let told = || {
            let mut word = [0; 8];
            let read = self.source.read(&mut word, PARTICIPANT_DEATHS_AT as u64);
            read.map(|()| u64::from_le_bytes(word)).map_err(|cause| self.cannot_read("header", &cause))
        };
        let mut before = told()?;
        for _ in 0..DEATHS_ATTEMPTS {
            let untold = self.untold_deaths()?;
            // A death that was told of meanwhile would be counted twice, or not at all.
            let after = told()?;
            if after == before {
                // Where the bits are no hints, nobody can tell a death from an end in good order.
                return Ok(after.saturating_add(untold));
            }
            before = after;
        }
        Ok(before)
    }

    /// Participants that are dead and of whose death nobody has told.
    fn untold_deaths(&self) -> Result<u64> {
        let mut dead = self.participants()?;
        dead.retain(|it| it.lives == Some(false) && is_untold(it));
        if dead.is_empty() {
            return Ok(0);
        }
        let mut bits = [0; BITMAP_WORDS * 8];
        self.source.read(&mut bits, BITMAP_AT as u64).map_err(|cause| self.cannot_read("header", &cause))?;
        let behind = self.participants()?;
        Ok(dead.iter().filter(|dead| is_death(dead, &bits, &behind)).count() as u64)
    }

    /// A copy of all its words; `None`: it cannot be read, or is not of this processor's kind.
    fn words_of(&self, object: &LiveObject, budget: &mut u64) -> Option<Vec<AtomicU64>> {
        let is_ours = self.order() == if cfg!(target_endian = "little") { ByteOrder::Little } else { ByteOrder::Big };
        let end = self.source.bytes().ok()?;
        let is_there = object.at.checked_add(object.size_bytes)? <= end;
        *budget = budget.checked_sub(object.size_bytes).filter(|_| is_ours && is_there)?;
        let mut bytes = vec![0; usize::try_from(object.size_bytes).ok()?];
        self.source.read(&mut bytes, object.at).ok()?;
        let word = |bytes: &[u8]| AtomicU64::new(u64::from_ne_bytes(bytes.try_into().unwrap_or_default()));
        Some(bytes.chunks_exact(8).map(word).collect())
    }
}

impl LiveObject {
    /// Whether there are metrics in it: a counter, gauge or histogram, or the table of those with names.
    pub fn holds_metrics(&self) -> bool {
        self.state == ObjectState::Ready && (self.node.kind() == Some(Kind::Metrics) || holds_metric(&self.node))
    }
}

fn is_untold(participant: &LiveParticipant) -> bool {
    participant.pid != 0 && participant.waits_for_at != DEATH_IS_TOLD
}

/// Whether who does not live has ended without letting go. `bits` and `behind` were read after it was asked whether it
/// lives: an end in good order is written down before the slot's lock falls, so that what was read before the question
/// may be of when the process was still running.
fn is_death(dead: &LiveParticipant, bits: &[u8], behind: &[LiveParticipant]) -> bool {
    let is_set = bits[dead.slot as usize / 8 % bits.len()] & 1 << (dead.slot % 8) != 0;
    is_set && behind.iter().any(|it| (it.slot, it.generation) == (dead.slot, dead.generation) && is_untold(it))
}

/// Process ids of the living, by slot and generation.
fn living(participants: &[LiveParticipant]) -> HashMap<(u32, u32), u32> {
    let lives = participants.iter().filter(|it| it.lives == Some(true));
    lives.map(|it| ((it.slot, it.generation), it.pid)).collect()
}

fn tenant_of(word: u32) -> (u32, u32) {
    (word >> 20, word >> 1 & GENERATION)
}

fn told(object: &LiveObject, words: &[AtomicU64], who: &mut Living<'_>, all: &mut Vec<Told>) {
    if object.node.kind() == Some(Kind::Metrics) {
        let named = table(words).map(|table| Snapshot::of_table(&table, who));
        all.push(Told::named(&object.node.name, named.unwrap_or_default()));
    } else {
        tell_variable(&object.node, words, who, all);
    }
}

fn generation(entry: &[u8]) -> u64 {
    entry.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes).into())
}

/// The table in a copy of an area.
fn table(words: &[AtomicU64]) -> Option<Table<'_>> {
    let (head, bytes) = words.split_at_checked(size_of::<Head>() / 8)?;
    // SAFETY: as many bytes as a head has, aligned as its atomics are, and any bytes are one.
    let head = unsafe { &*head.as_ptr().cast::<Head>() };
    // SAFETY: so many atomics, which nobody else has.
    unsafe { Table::new(head, std::ptr::NonNull::from(bytes).cast(), bytes.len() * 8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_in_good_order_while_entries_are_read_is_no_death() {
        let dead = LiveParticipant {
            slot: 9,
            generation: 3,
            pid: 77,
            pid_namespace: 0,
            program: String::new(),
            uid: 0,
            attached_boottime_ns: 1,
            lives: Some(false),
            waits_for_at: 0,
            waits_ms: 0,
        };
        let (set, clear) = ([0, 2, 0, 0], [0; 4]);
        let is_death = |bits, behind: LiveParticipant| super::is_death(&dead, bits, &[behind]);
        assert!(is_death(&set, dead.clone()));
        assert!(!is_death(&set, LiveParticipant { waits_for_at: DEATH_IS_TOLD, ..dead.clone() }), "it has said so");
        assert!(!is_death(&clear, dead.clone()), "it has let go of its slot");
        assert!(!is_death(&set, LiveParticipant { pid: 0, ..dead.clone() }), "it has given its slot back");
        assert!(!is_death(&set, LiveParticipant { generation: 4, ..dead.clone() }), "somebody else has the slot");
        assert!(!super::is_death(&dead, &set, &[]));
    }
}
