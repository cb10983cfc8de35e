//! Who is in a segment: the entries whose slots are held.

use std::mem::offset_of;

use super::segment::LiveSegment;
use crate::error::Result;
use crate::segment::header::{HEADER_BYTES, Header, PARTICIPANT_BYTES};
use crate::sys::survey;

/// A process that has, or had, a slot of a segment. What it says of itself is its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveParticipant {
    /// Its slot, from 1.
    pub slot: u32,
    /// The how-manieth tenant of the slot it is.
    pub generation: u32,
    /// Its process id in its own PID namespace; 0 if it gave the slot back.
    pub pid: u32,
    /// Inode of that namespace; 0 as long as it has not locked anything.
    pub pid_namespace: u64,
    /// Its program's name.
    pub program: String,
    /// Its effective user when it attached.
    pub uid: u32,
    /// When it attached, on CLOCK_BOOTTIME.
    pub attached_boottime_ns: u64,
    /// Whether it lives, by its slot's lock; `None`: the lock cannot be asked.
    pub lives: Option<bool>,
    /// Where the lock lies that one of its threads sleeps for; 0: none.
    pub waits_for_at: u64,
    /// For how long it has slept for it.
    pub waits_ms: u32,
}

impl LiveSegment {
    /// The participants: the living, and the dead whose slots nobody has taken since.
    ///
    /// # Errors
    ///
    /// The entries cannot be read.
    pub fn participants(&self) -> Result<Vec<LiveParticipant>> {
        let now_ms = survey::boottime_ms() as u32;
        let bytes = self.participants_bytes()?;
        let entries = bytes.chunks_exact(PARTICIPANT_BYTES as usize).zip(1..);
        let used = entries.filter(|(entry, _)| entry.iter().any(|byte| *byte != 0));
        Ok(used.map(|(entry, slot)| self.participant(entry, slot, now_ms)).filter(is_or_was_somebody).collect())
    }

    pub(super) fn participants_bytes(&self) -> Result<Vec<u8>> {
        let count = self.count_at(offset_of!(Header, participants_reserved), self.header.participants_max)?;
        let mut bytes = vec![0; count as usize * PARTICIPANT_BYTES as usize];
        let failed = |cause| self.cannot_read("participants", &cause);
        self.source.read(&mut bytes, HEADER_BYTES as u64).map_err(failed)?;
        Ok(bytes)
    }

    fn participant(&self, entry: &[u8], slot: u32, now_ms: u32) -> LiveParticipant {
        let number = |at: usize, bytes: usize| {
            let mut all = [0; 8];
            all[..bytes].copy_from_slice(&entry[at..at + bytes]);
            u64::from_le_bytes(all)
        };
        let program = &entry[24..48];
        let end = program.iter().position(|byte| *byte == 0).unwrap_or(program.len());
        let waits_for_at = number(56, 8);
        LiveParticipant {
            slot,
            generation: number(0, 4) as u32,
            pid: number(4, 4) as u32,
            pid_namespace: number(16, 8),
            program: String::from_utf8_lossy(&program[..end]).into_owned(),
            uid: number(48, 4) as u32,
            attached_boottime_ns: number(8, 8),
            lives: self.is_slot_held(slot),
            waits_for_at,
            waits_ms: if waits_for_at == 0 { 0 } else { now_ms.wrapping_sub(number(52, 4) as u32) },
        }
    }
}

fn is_or_was_somebody(participant: &LiveParticipant) -> bool {
    participant.pid != 0 || participant.lives == Some(true)
}
