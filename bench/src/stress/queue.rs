//! `stress queue`: senders number their messages, receivers say which they had; senders and receivers are killed.
//!
//! What must hold: an accepted message comes until a receiver acknowledges it; a second time only if it is marked;
//! whole; and those of one sender in order, if there is one receiver. Now and then one of them is the sole end of its
//! side, and may die as that. What was accepted and what came is told in tables of the segment that no lock guards and
//! that are not the queue's.
//!
//! No number is sent twice, whoever was killed: who comes to a place goes on behind what was tried there last. So what
//! came stands for the message that was accepted, and for no other.

use std::cell::RefCell;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU32};
use std::time::Duration;

use anyhow::Context;
use cotenant::channel::{Delivery, Message, Queue, Receiver, Sender};
use cotenant::{ErrorKind, Segment};

use super::kind::Kind;
use super::options::Role;
use super::words::Words;
use super::worker::{Worker, violation};

const SEATS: usize = 64;
/// Of each place; one that has tried so many rests.
const NUMBERS: usize = 1 << 18;
const HEAD_BYTES: usize = 12;
const PATIENCE: Duration = Duration::from_millis(5);
const ONCE_IN: u64 = 300;

/// For each seat and number, 1: that was so.
type Table = [AtomicU8; SEATS * NUMBERS];
/// For each seat, the number that was tried last.
type Tried = [AtomicU32; SEATS];

/// What a place does when it is killed, as `killed_at` has it.
const SENDS: u64 = 1;
const RECEIVES: u64 = 2;
/// Counters of a place.
const SENT: usize = 0;
const CAME: usize = 1;
const CAME_AGAIN: usize = 2;

#[derive(Clone, Copy)]
struct Shared {
    queue: &'static Queue<'static>,
    tried: &'static Tried,
    accepted: &'static Table,
    came: &'static Table,
    /// Noted just before it is acknowledged.
    handled: &'static Table,
}

/// What a process keeps from one operation to the next.
struct Ends {
    shared: Shared,
    sender: Sender<'static>,
    receiver: Receiver<'static>,
    /// Of each seat, what came last.
    last: Vec<u32>,
    /// So many messages more as the sole end of its side.
    alone: u32,
}

thread_local! {
    static SHARED: RefCell<Option<Shared>> = const { RefCell::new(None) };
    static ENDS: RefCell<Option<Ends>> = const { RefCell::new(None) };
}

pub(super) struct Queues;

impl Kind for Queues {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn name_of(&self, _what: u64) -> &'static str {
        "Queue"
    }

    fn processes_max(&self) -> u32 {
        SEATS as u32
    }

    fn attach(&self, _role: &Role) -> anyhow::Result<()> {
        let options = Segment::options().max_bytes(1 << 30).max_objects(16);
        let segment: &'static Segment = options.open_or_create("cotenant.bench.stress-queue")?.leak();
        let queue = Queue::options().capacity_bytes(64 << 10).delivery(Delivery::AtLeastOnce);
        let queue = Box::leak(Box::new(queue.open_or_create_in(segment, "queue")?));
        let tried = segment.get_or_zeroed::<Tried>("tried")?;
        let accepted = segment.get_or_zeroed::<Table>("accepted")?;
        let came = segment.get_or_zeroed::<Table>("came")?;
        let handled = segment.get_or_zeroed::<Table>("handled")?;
        SHARED.set(Some(Shared { queue, tried, accepted, came, handled }));
        Ok(())
    }

    fn act(&self, worker: &mut Worker) {
        ENDS.with_borrow_mut(|ends| {
            if ends.is_none() {
                match open_ends() {
                    Ok(opened) => *ends = Some(opened),
                    Err(error) => return worker.violation(&format!("no end of the queue: {error:#}")),
                }
            }
            let Some(ends) = ends else { return };
            // Two thirds send; with two processes, one.
            let receives = worker.seat % 3 == 1;
            worker.place.does().store(if receives { RECEIVES } else { SENDS }, Relaxed);
            if let Err(error) = change_roles(worker, ends, receives) {
                return worker.violation(&format!("cannot change roles: {error}"));
            }
            if receives { receive(worker, ends) } else { send(worker, ends) }
        });
    }

    fn counts(&self, words: &Words) -> Vec<(&'static str, u64)> {
        let killed = |does| words.killed_at(does).load(Relaxed);
        vec![
            ("killed_senders", killed(SENDS)),
            ("killed_receivers", killed(RECEIVES)),
            ("sent", words.sum(SENT)),
            ("came", words.sum(CAME)),
            ("came_again", words.sum(CAME_AGAIN)),
        ]
    }

    fn look_at_the_end(&self, words: &Words) {
        if let Err(error) = look(words) {
            violation(words, &format!("{error:#}"));
        }
    }
}

fn open_ends() -> anyhow::Result<Ends> {
    let shared = SHARED.with_borrow(|shared| *shared).context("attached")?;
    let (sender, receiver) = (shared.queue.sender()?, shared.queue.receiver()?);
    Ok(Ends { shared, sender, receiver, last: vec![0; SEATS], alone: 0 })
}

/// Now and then a process has its side for itself for some messages, or until it is killed; the others wait.
fn change_roles(worker: &mut Worker, ends: &mut Ends, receives: bool) -> cotenant::Result<()> {
    let queue = ends.shared.queue;
    let is_over = ends.alone == 1;
    let begins = ends.alone == 0 && worker.random.once_in(ONCE_IN);
    ends.alone = ends.alone.saturating_sub(1);
    if !is_over && !begins {
        return Ok(());
    }
    let changed = match (receives, begins) {
        (true, true) => queue.sole_receiver_timeout(PATIENCE).map(|end| ends.receiver = end),
        (true, false) => queue.receiver().map(|end| ends.receiver = end),
        (false, true) => queue.sole_sender_timeout(PATIENCE).map(|end| ends.sender = end),
        (false, false) => queue.sender().map(|end| ends.sender = end),
    };
    match changed {
        Ok(()) if begins => ends.alone = 1 + worker.random.below(200) as u32,
        Ok(()) => {}
        // Another one has it.
        Err(error) if error.kind() == ErrorKind::Busy => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Seat, number, length, then bytes that follow from the number.
fn write(into: &mut [u8], seat: usize, number: u32) {
    into[..4].copy_from_slice(&(seat as u32).to_le_bytes());
    into[4..8].copy_from_slice(&number.to_le_bytes());
    let len = into.len() as u32;
    into[8..HEAD_BYTES].copy_from_slice(&len.to_le_bytes());
    into[HEAD_BYTES..].fill(number as u8);
}

fn send(worker: &mut Worker, ends: &mut Ends) {
    let seat = worker.seat;
    let tried = &ends.shared.tried[seat];
    let number = tried.load(Relaxed) + 1;
    if number as usize >= NUMBERS {
        return std::thread::sleep(PATIENCE);
    }
    tried.store(number, SeqCst);
    let len = HEAD_BYTES + worker.random.below(2000) as usize;
    let sent = if worker.random.once_in(2) {
        let mut message = vec![0; len];
        write(&mut message, seat, number);
        ends.sender.send_timeout(message, PATIENCE).is_ok()
    } else {
        match ends.sender.reserve_timeout(len, PATIENCE) {
            Ok(Some(mut place)) => worker.inside(0, |worker| {
                let half = place.len() / 2;
                place[..half].fill(0xee);
                worker.linger();
                write(&mut place, seat, number);
                worker.linger();
                let commits = !worker.random.once_in(8);
                if commits {
                    place.commit();
                }
                commits
            }),
            Ok(None) => false,
            Err(error) => return worker.violation(&format!("cannot reserve: {error}")),
        }
    };
    if sent {
        ends.shared.accepted[seat * NUMBERS + number as usize].store(1, SeqCst);
        worker.count(SENT);
    }
}

fn receive(worker: &mut Worker, ends: &mut Ends) {
    match ends.receiver.recv_timeout(PATIENCE) {
        Ok(Some(message)) => {
            let alone = worker.words.places <= 3;
            let told = check(&message, &ends.shared, alone.then_some(&mut ends.last));
            if let Err(what) = told {
                worker.violation(&what);
            }
            worker.count(if message.is_redelivered() { CAME_AGAIN } else { CAME });
            if worker.random.once_in(16) {
                return; // Dropped: it comes again.
            }
            worker.inside(1, Worker::linger);
            acknowledge(message, &ends.shared);
        }
        Ok(None) => {}
        Err(error) => worker.violation(&format!("cannot receive: {error}")),
    }
}

/// Notes that it came; what is wrong with it, if anything is.
fn check(message: &Message<'_, '_>, shared: &Shared, last: Option<&mut Vec<u32>>) -> Result<(), String> {
    let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap_or_default());
    if message.len() < HEAD_BYTES {
        return Err(format!("a message of {} bytes", message.len()));
    }
    let (seat, number) = (word(0) as usize, word(4));
    let is_whole = word(8) as usize == message.len() && message[HEAD_BYTES..].iter().all(|byte| *byte == number as u8);
    if seat >= SEATS || number as usize >= NUMBERS || !is_whole {
        return Err(format!("a torn message: seat {seat}, number {number}, {} bytes", message.len()));
    }
    let came_before = shared.came[seat * NUMBERS + number as usize].swap(1, SeqCst) != 0;
    if came_before && !message.is_redelivered() {
        return Err(format!("number {number} of seat {seat} came twice and is not marked"));
    }
    if let Some(last) = last {
        if last[seat] >= number && !message.is_redelivered() {
            return Err(format!("number {number} of seat {seat} came after {}", last[seat]));
        }
        last[seat] = last[seat].max(number);
    }
    Ok(())
}

fn acknowledge(message: Message<'_, '_>, shared: &Shared) {
    let word = |at: usize| message[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    // A torn one was told before.
    if let Some(handled) = shared.handled.get(word(0) * NUMBERS + word(4)) {
        handled.store(1, SeqCst);
    }
    message.ack();
}

/// What is still in the queue comes; then everything that was accepted has been handled.
fn look(words: &Words) -> anyhow::Result<()> {
    let ends = open_ends()?;
    while let Some(message) = ends.receiver.recv_timeout(Duration::from_millis(500))? {
        if let Err(what) = check(&message, &ends.shared, None) {
            violation(words, &what);
        }
        acknowledge(message, &ends.shared);
    }
    for (seat, tried) in ends.shared.tried.iter().enumerate() {
        for number in 1..=tried.load(SeqCst) {
            let at = seat * NUMBERS + number as usize;
            if ends.shared.accepted[at].load(SeqCst) != 0 && ends.shared.handled[at].load(SeqCst) == 0 {
                let came = if ends.shared.came[at].load(SeqCst) == 0 { "never came" } else { "did not come again" };
                violation(words, &format!("number {number} of seat {seat} was accepted and {came}"));
            }
        }
    }
    Ok(())
}
