//! A process of a run: what every kind of work needs.

use std::collections::HashMap;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::kind::Kind;
use super::options::Role;
use super::random::Random;
use super::words::{BITS, Note, Place, Words};
use crate::sys;

const PAGE_BYTES: usize = 4096;
/// How long a process that is to be killed stays inside, so that others come and wait.
pub(super) const LONGEST_STAY: Duration = Duration::from_millis(100);
/// Said aloud; more are only counted.
const SAID: u64 = 20;

pub(crate) struct Worker {
    pub(crate) words: Words,
    pub(crate) place: Place,
    /// Which place that is.
    pub(crate) seat: usize,
    /// The number of this process, which nobody else in the run has.
    pub(crate) me: u64,
    pub(crate) random: Random,
    /// Values that must not change, by their numbers.
    pub(crate) remembered: HashMap<usize, u64>,
}

/// Works until the run is over.
pub(super) fn work(kind: &dyn Kind, role: &Role, seat: usize) -> anyhow::Result<()> {
    sys::end_with_parent();
    let words = Words::open(&role.words)?;
    let place = words.place(seat);
    let random = Random::new(role.seed ^ role.incarnation << 20);
    let mut worker = Worker { words, place, seat, me: role.incarnation, random, remembered: HashMap::new() };
    kind.attach(role).context("attach")?;
    let resident = touch(role.resident);
    place.works().store(1, SeqCst);
    while words.stop().load(Relaxed) == 0 {
        // A burst, then a rest: the processors must not be what everybody waits for.
        for _ in 0..worker.random.below(64) {
            kind.act(&mut worker);
            let operations = place.operations();
            operations.store(operations.load(Relaxed) + 1, Relaxed);
        }
        std::thread::sleep(Duration::from_micros(worker.random.below(2000)));
    }
    std::hint::black_box(&resident);
    Ok(())
}

/// Memory that is there, not only promised.
fn touch(bytes: u64) -> Vec<u8> {
    let mut memory = vec![0_u8; bytes as usize];
    for page in memory.chunks_mut(PAGE_BYTES) {
        page[0] = 1;
    }
    memory
}

impl Worker {
    /// Something that must not be.
    pub(crate) fn violation(&self, what: &str) {
        violation(&self.words, &format!("process {} at place {}: {what}", self.me, self.seat));
    }

    /// Adds one to a counter of this place.
    pub(crate) fn count(&self, counter: usize) {
        let counter = self.place.counter(counter);
        counter.store(counter.load(Relaxed) + 1, Relaxed);
    }

    /// Notes that this process is the next owner of `what` after `victim`; it began to wait at `began_ns`.
    pub(crate) fn recovered(&self, what: u64, victim: u64, began_ns: u64) {
        self.words.note(&Note { what, victim, began_ns, noticed_ns: sys::now_ns() });
    }

    /// Holds `what` (for the killer to see), stays a while, and lets go of it.
    pub(crate) fn inside<R>(&mut self, what: u64, act: impl FnOnce(&mut Worker) -> R) -> R {
        self.place.holds().store(what + 1, Relaxed);
        let answer = act(self);
        self.place.holds().store(0, Relaxed);
        answer
    }

    /// Waits for `what` (for the killer to see), by `lock`, which is also told when that began.
    pub(crate) fn waiting<R>(&mut self, what: u64, lock: impl FnOnce(&mut Worker, u64) -> R) -> R {
        self.place.waits().store(what + 1, Relaxed);
        let began_ns = sys::now_ns();
        let answer = lock(self, began_ns);
        self.place.waits().store(0, Relaxed);
        answer
    }

    /// Where a kill hurts: mostly no time, sometimes some, so that others come and wait.
    pub(crate) fn linger(&mut self) {
        if self.place.stays().load(Relaxed) != 0 {
            std::thread::sleep(LONGEST_STAY);
        }
        match self.random.below(64) {
            0 => std::thread::sleep(Duration::from_micros(50 + self.random.below(300))),
            1..4 => {
                let (start, time) = (Instant::now(), Duration::from_micros(self.random.below(30)));
                while start.elapsed() < time {
                    std::hint::spin_loop();
                }
            }
            4..8 => std::thread::yield_now(),
            _ => {}
        }
    }

    /// Says that this process is inside of `what`; who else is, as `others`.
    pub(crate) fn come_inside(&self, what: usize) -> Option<u64> {
        assert!(self.seat < BITS, "only {BITS} places have bits");
        self.others(|| self.words.inside(what).fetch_or(1 << self.seat, SeqCst))
    }

    /// Who else is inside of `what`, as `others`.
    pub(crate) fn look_inside(&self, what: usize) -> Option<u64> {
        self.others(|| self.words.inside(what).load(SeqCst))
    }

    /// Whom `look` sees, without this process and whoever a kill may have ended. `None`: so much happened meanwhile
    /// that it cannot be said.
    fn others(&self, look: impl FnOnce() -> u64) -> Option<u64> {
        let bit = |doom: u64| if doom == 0 { 0 } else { 1_u64 << (doom & 0xff) };
        let settled = self.words.settled().load(SeqCst);
        let before = self.words.doom().load(SeqCst);
        let seen = look();
        let after = self.words.doom().load(SeqCst);
        // One kill at a time. The last one is of no account once everything was cleared up after it.
        let last = if settled == before >> 8 { 0 } else { bit(before) };
        let next = if before == after { 0 } else { bit(after) };
        (after >> 8 <= (before >> 8) + 1).then_some(seen & !last & !next & !(1 << self.seat))
    }

    pub(crate) fn go_outside(&self, what: usize) {
        self.words.inside(what).fetch_and(!(1 << self.seat), SeqCst);
    }
}

/// Counts a violation, and says it.
pub(super) fn violation(words: &Words, what: &str) {
    if words.violations().fetch_add(1, SeqCst) < SAID {
        eprintln!("violation: {what}");
    }
}
