//! The locks in an object: found by its type, read as the words that they are.
//!
//! ```text
//! Mutex   { lock, value }                 one word
//! RwLock  { lock, readers: [..], value }  the writer's word, and a cell for each reader
//! ```
//!
//! A part of a lock that is a 64-bit integer, or an array of them, and whose value names a slot and a thread is an
//! owner's word. Who has the slot is asked of the participants; whether he lives, of the slot's lock.

use std::mem::offset_of;

use super::objects::LiveObject;
use super::participants::LiveParticipant;
use super::segment::LiveSegment;
use crate::error::Result;
use crate::inspect::memory::Value;
use crate::lock::word::{INCONSISTENT, LOW, NOT_RECOVERABLE, OWNER_DIED, THREAD_ID, WAITERS};
use crate::schema::Kind;
use crate::schema::decode::Node;
use crate::segment::header::{OBJECT_BYTES, ObjectEntry};

/// Lock words of one object that are looked at.
const WORDS_MAX: usize = 65_536;
/// Generations of a slot in a lock word: 19 bits.
const GENERATION: u64 = (1 << 19) - 1;
/// Kinds of schema nodes that are locks.
const LOCK_KINDS: [u8; 11] = [12, 14, 15, 16, 17, 18, 19, 20, 21, 32, 33];
/// Of a queue's ring (docs/format.md): a unit, and marks of records that somebody has.
const QUEUE_UNIT_BYTES: u64 = 16;
const QUEUE_RESERVED: u32 = 1;
const QUEUE_TAKEN: u32 = 4;
/// Parts of locks that hold the words of owners.
const OWNER_PARTS: [&str; 4] = ["lock", "writer", "readers", "cells"];

/// A word that owners write themselves into.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lock {
    /// Where it is in the object: `""` for the object itself, `.queue[3]` for a field's element.
    pub path: String,
    /// The type that it belongs to, such as `Mutex`.
    pub type_name: String,
    /// The part of that type, such as `lock` or `readers[2]`.
    pub part: String,
    /// Offset of the word in the segment.
    pub at: u64,
    /// What it says.
    pub state: LockState,
    /// The value may be half changed: an owner died or panicked, and nobody has repaired it.
    pub is_inconsistent: bool,
    /// Somebody sleeps for it, or did.
    pub has_waiters_flag: bool,
    /// Who holds it, or left it inconsistent.
    pub owner: Option<LockOwner>,
    /// Who sleeps for it, as far as participants tell.
    pub waiters: Vec<Waiter>,
    /// Where the word lies that says that a writer changes the value, if the lock has one.
    pub(super) changing_at: Option<u64>,
}

/// What a lock word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockState {
    /// Nobody holds it.
    Free,
    /// Somebody holds it.
    Held,
    /// Whoever held it is dead; the next one who wants it takes it over.
    OwnerDied,
    /// Who was to repair its value gave up; nobody gets it until it is reset.
    NotRecoverable,
}

/// Whom a lock word names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockOwner {
    /// Its slot.
    pub slot: u32,
    /// The how-manieth tenant of the slot.
    pub generation: u32,
    /// Its thread, in its own PID namespace; 0 where the word no longer says it.
    pub thread_id: u32,
    /// The process, unless its slot has another tenant by now.
    pub participant: Option<LiveParticipant>,
    /// Whether it lives; `None`: cannot be told.
    pub lives: Option<bool>,
}

/// Who sleeps for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiter {
    /// The process.
    pub participant: LiveParticipant,
    /// For how long.
    pub waits_ms: u32,
}

impl Lock {
    /// Whether it is a word that names owners; else it is told for those who wait at it.
    pub(super) fn is_an_owners_word(&self) -> bool {
        OWNER_PARTS.contains(&self.part.split('[').next().unwrap_or_default())
    }
}

impl LiveSegment {
    /// The lock words in an object. Of cells, as those of readers, the free ones are left out. Where somebody waits and
    /// there is no such word (an event, a condition), the first part stands for it, as free. Of a queue: `sending` and
    /// `receiving` if they are held or awaited, `committed` if somebody waits for a message, `freed` if for room, and
    /// of its oldest record `reserved` or `taken` while somebody has it, so that nothing behind it is freed.
    ///
    /// # Errors
    ///
    /// The value cannot be read.
    pub fn locks(&self, object: &LiveObject, participants: &[LiveParticipant]) -> Result<Vec<Lock>> {
        if object.node.kind() == Some(Kind::Queue) {
            return self.locks_of_queue(object, participants);
        }
        if !has_lock(&object.node) {
            return Ok(Vec::new());
        }
        let bytes = self.value_bytes(object)?;
        let value = Value::new(&bytes, self.order());
        let mut finder = Finder { participants, found: Vec::new(), seen: 0 };
        finder.node(&object.node, value, object.at, &mut String::new());
        Ok(finder.found)
    }

    /// Its words one by one: what lies behind them, the messages, may be gigabytes.
    fn locks_of_queue(&self, object: &LiveObject, participants: &[LiveParticipant]) -> Result<Vec<Lock>> {
        let finder = Finder { participants, found: Vec::new(), seen: 0 };
        let mut found = Vec::new();
        for (name, is_owners) in [("sending", true), ("receiving", true), ("committed", false), ("freed", false)] {
            let Some(part) = object.node.children.iter().find(|part| part.name == name) else { continue };
            let word = if is_owners { self.word(object, name)?.unwrap_or(0) } else { 0 };
            let at = object.at.saturating_add(part.at);
            let mut lock = finder.lock(&object.node, name.to_owned(), word, at, "");
            let waits = |it: &&LiveParticipant| it.lives != Some(false) && it.waits_for_at == at;
            lock.waiters = participants.iter().filter(waits).map(waiter).collect();
            if lock.state != LockState::Free || !lock.waiters.is_empty() {
                found.push(lock);
            }
        }
        found.extend(self.oldest_of_queue(object, participants)?);
        Ok(found)
    }

    /// Whoever has the record behind which no memory is used again.
    fn oldest_of_queue(&self, object: &LiveObject, participants: &[LiveParticipant]) -> Result<Option<Lock>> {
        let head_bytes = object.node.size_bytes;
        let units = object.size_bytes.saturating_sub(head_bytes) / QUEUE_UNIT_BYTES;
        let Some(head) = self.word(object, "head")?.and_then(|head| head.checked_rem(units)) else { return Ok(None) };
        let at = head_bytes.saturating_add(head * QUEUE_UNIT_BYTES);
        let mut mark = [0; 8];
        self.read_at(object, at, &mut mark)?;
        let mark = u64::from_ne_bytes(mark);
        let part = match mark as u32 {
            QUEUE_RESERVED => "reserved",
            QUEUE_TAKEN => "taken",
            _ => return Ok(None),
        };
        let owner = owner(mark & !u64::from(u32::MAX), participants);
        let finder = Finder { participants, found: Vec::new(), seen: 0 };
        let mut lock = finder.lock(&object.node, part.to_owned(), 0, object.at.saturating_add(at), "");
        lock.state = if owner.lives == Some(false) { LockState::OwnerDied } else { LockState::Held };
        lock.owner = Some(owner);
        Ok(Some(lock))
    }

    /// Who sleeps until an object's value is made.
    pub fn awaiting(&self, object: &LiveObject, participants: &[LiveParticipant]) -> Vec<Waiter> {
        let entry_at = u64::from(object.index) * u64::from(OBJECT_BYTES) + self.header.objects_at;
        let word_at = entry_at + offset_of!(ObjectEntry, init_lock) as u64;
        let waits = |it: &&LiveParticipant| it.lives != Some(false) && it.waits_for_at == word_at;
        participants.iter().filter(waits).map(waiter).collect()
    }

    /// Who makes an object's value, if somebody is at it.
    pub fn maker(&self, object: &LiveObject, participants: &[LiveParticipant]) -> Option<LockOwner> {
        (object.init_lock & LOW != 0).then(|| owner(object.init_lock, participants))
    }
}

fn has_lock(node: &Node) -> bool {
    LOCK_KINDS.contains(&node.kind_byte) || node.children.iter().any(has_lock)
}

struct Finder<'a> {
    participants: &'a [LiveParticipant],
    found: Vec<Lock>,
    /// Words and elements looked at: a bound on the work, whatever a type claims.
    seen: usize,
}

impl Finder<'_> {
    fn is_full(&mut self) -> bool {
        self.seen += 1;
        self.seen > WORDS_MAX
    }

    fn node(&mut self, node: &Node, value: Value<'_>, at: u64, path: &mut String) {
        if !has_lock(node) || self.is_full() {
            return;
        }
        if matches!(node.kind(), Some(Kind::Array | Kind::List)) {
            let Some(element) = node.children.first() else { return };
            for index in 0..u64::from(node.count) {
                let inside = index.saturating_mul(element.size_bytes).saturating_add(element.at);
                let Some(part) = value.part(inside, element.size_bytes) else { return };
                if self.seen > WORDS_MAX {
                    return;
                }
                self.below(element, part, at.saturating_add(inside), path, &format!("[{index}]"));
            }
            return;
        }
        let is_lock = LOCK_KINDS.contains(&node.kind_byte);
        let waits = self.found.len();
        for child in &node.children {
            let Some(part) = value.part(child.at, child.size_bytes) else { continue };
            let child_at = at.saturating_add(child.at);
            if is_lock && OWNER_PARTS.contains(&child.name.as_str()) {
                self.words(node, child, part, child_at, path);
            } else {
                self.below(child, part, child_at, path, &format!(".{}", child.name));
            }
        }
        if is_lock {
            self.waiters(node, at, waits, path);
            self.note_changing(node, at, waits);
        }
    }

    fn below(&mut self, node: &Node, value: Value<'_>, at: u64, path: &mut String, step: &str) {
        let len = path.len();
        path.push_str(step);
        self.node(node, value, at, path);
        path.truncate(len);
    }

    /// The part of a lock that holds owners' words: one, a struct of one, or an array of them.
    fn words(&mut self, lock: &Node, part: &Node, value: Value<'_>, at: u64, path: &str) {
        let words = value.len / 8;
        let is_single = words == 1;
        for index in 0..words {
            let Some(word) = value.unsigned(index * 8, 8).map(|word| word as u64) else { return };
            if self.is_full() {
                return;
            }
            if !is_single && word & LOW == 0 && word & INCONSISTENT == 0 {
                continue;
            }
            let name = if is_single { part.name.clone() } else { format!("{}[{index}]", part.name) };
            self.found.push(self.lock(lock, name, word, at.saturating_add(index * 8), path));
        }
    }

    fn lock(&self, lock: &Node, part: String, word: u64, at: u64, path: &str) -> Lock {
        let is_inconsistent = word & INCONSISTENT != 0;
        let is_free = word & LOW & !WAITERS == 0;
        let given_up = word & THREAD_ID == NOT_RECOVERABLE;
        // Free and whole, the high half is stale; given up, it names nobody who matters.
        let owner = ((!is_free || is_inconsistent) && word >> 33 != 0).then(|| owner(word, self.participants));
        let is_dead = owner.as_ref().is_some_and(|owner| owner.lives == Some(false));
        let state = match () {
            () if given_up => LockState::NotRecoverable,
            () if is_free => LockState::Free,
            () if is_dead || word & OWNER_DIED != 0 => LockState::OwnerDied,
            () => LockState::Held,
        };
        Lock {
            path: path.to_owned(),
            type_name: lock.type_name.clone(),
            part,
            at,
            state,
            is_inconsistent,
            has_waiters_flag: word & WAITERS != 0,
            owner,
            waiters: Vec::new(),
            changing_at: None,
        }
    }

    fn note_changing(&mut self, node: &Node, at: u64, first: usize) {
        let changing = node.children.iter().find(|child| child.name == "changing" && child.size_bytes == 4);
        if let (Some(changing), Some(lock)) = (changing, self.found.get_mut(first)) {
            lock.changing_at = Some(at.saturating_add(changing.at));
        }
    }

    /// Who sleeps for any part of the lock that lies at `at` goes to its first word.
    fn waiters(&mut self, node: &Node, at: u64, first: usize, path: &str) {
        let range = at..at.saturating_add(node.size_bytes);
        // What a lock guards may hold locks of its own: who sleeps for those is theirs.
        let theirs: Vec<_> = self.found[first..].iter().flat_map(|lock| &lock.waiters).collect();
        let waits = |it: &&LiveParticipant| {
            it.lives != Some(false)
                && it.waits_for_at != 0
                && range.contains(&it.waits_for_at)
                && !theirs.iter().any(|waiter| waiter.participant.slot == it.slot)
        };
        let waiters = self.participants.iter().filter(waits);
        let waiters: Vec<_> = waiters.map(waiter).collect();
        if self.found.len() == first && !waiters.is_empty() {
            // An event or a condition has no owner's word, and of cells the free ones were left out.
            let part = node.children.first().map_or_else(String::new, |part| part.name.clone());
            let lock = self.lock(node, part, 0, at, path);
            self.found.push(lock);
        }
        if let Some(lock) = self.found.get_mut(first) {
            lock.waiters.extend(waiters);
        }
    }
}

fn waiter(participant: &LiveParticipant) -> Waiter {
    Waiter { participant: participant.clone(), waits_ms: participant.waits_ms }
}

fn owner(word: u64, participants: &[LiveParticipant]) -> LockOwner {
    let slot = (word >> 52) as u32;
    let generation = (word >> 33 & GENERATION) as u32;
    let thread_id = (word & THREAD_ID) as u32;
    let thread_id = if u64::from(thread_id) == NOT_RECOVERABLE { 0 } else { thread_id };
    let tenant = participants.iter().find(|participant| participant.slot == slot);
    let participant = tenant.filter(|tenant| tenant.generation == generation).cloned();
    let lives = match (&participant, tenant) {
        (Some(participant), _) => participant.lives,
        // A later tenant took the slot's lock, so this one had lost it.
        (None, Some(_)) => Some(false),
        // The entry is empty: given back, or never there.
        (None, None) => Some(false),
    };
    LockOwner { slot, generation, thread_id, participant, lives }
}
