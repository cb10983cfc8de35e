//! Deaths in the operations of a `Queue`: sending, receiving, acknowledging, in every form of its ends.
//!
//! Each crash point has a queue of its own, with room for some messages. Before the child dies there is one message
//! from before it; afterwards the survivor sends one of its own. What must hold: both come; the child's own message
//! comes if it was accepted and does not come twice; what the child had received comes again, marked, unless it was
//! acknowledged (or, at most once, is lost with it); and nobody waits for the dead.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use cotenant::channel::{Delivery, Queue, Receiver, Sender, wait_any};
use cotenant::{Backing, Segment};

use crate::arena;
use crate::board::{Board, Word};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};

const BEFORE: u8 = 1;
const CHILDS: u8 = 2;
const AFTER: u8 = 3;
const CHILDS_NEXT: u8 = 4;
/// Eight units: several of them do not end where the ring does.
const BYTES: usize = 100;
const CAPACITY_BYTES: u64 = 1024;
const PATIENCE: Duration = Duration::from_secs(20);

/// How many messages went round before: where in the ring the operation finds itself.
static ROUND: AtomicU8 = AtomicU8::new(0);

thread_local! {
    static QUEUE: RefCell<Option<&'static Queue<'static>>> = const { RefCell::new(None) };
    static SEGMENT: RefCell<Option<Segment>> = const { RefCell::new(None) };
}

const SEND: Operation = Operation {
    every: 13,
    before: || prepare(Delivery::AtLeastOnce),
    child: |marks| send(marks, &queue().sender().expect("a sender")),
    check: accepted_comes,
    tear_down: forget,
    ..NOTHING
};
const RECEIVE: Operation = Operation { child: receive, check: received_comes_again, ..SEND };
/// It waits until the survivor has done its part.
const RECEIVE_ASLEEP: Operation = Operation {
    every: 199_999,
    before: || make(Delivery::AtLeastOnce),
    child: |marks| take_in_time(marks, queue().receiver().expect("a receiver")),
    act: |_| put(BEFORE),
    moment: Moment::BeforeDeath,
    sleeps: 2,
    check: comes_or_comes_again,
    ..RECEIVE
};
const SEND_ASLEEP: Operation = Operation {
    every: 199_999,
    before: fill,
    child: |marks| send_in_time(marks, &queue().sender().expect("a sender")),
    act: |_| empty(),
    moment: Moment::BeforeDeath,
    sleeps: 2,
    check: sent_in_time_comes,
    ..SEND
};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "Queue: send", ..SEND },
    Operation {
        name: "Queue: send, past the ring's end",
        before: || prepare_at_the_end(Delivery::AtLeastOnce),
        ..SEND
    },
    Operation { name: "Queue: send, the sole sender", child: send_alone, ..SEND },
    Operation {
        name: "Queue: send, the sole sender, past the ring's end",
        before: || prepare_at_the_end(Delivery::AtLeastOnce),
        child: send_alone,
        ..SEND
    },
    Operation { name: "Queue: commit", child: |marks| commit(marks, queue().sender().expect("a sender")), ..SEND },
    Operation {
        name: "Queue: commit, the sole sender",
        child: |marks| commit(marks, queue().sole_sender().expect("the role")),
        ..SEND
    },
    Operation { name: "Queue: send several", every: 41, child: send_several, check: several_come_in_order, ..SEND },
    Operation { name: "Queue: reserve and drop", child: reserve_and_drop, check: nothing_comes, ..SEND },
    Operation { name: "Queue: become the sole sender", every: 31, child: become_sender, check: nothing_comes, ..SEND },
    Operation {
        name: "Queue: become the sole receiver",
        every: 31,
        child: become_receiver,
        check: nothing_comes,
        ..SEND
    },
    Operation { name: "Queue: end the sole sender", child: end_sender, check: nothing_comes, ..SEND },
    Operation { name: "Queue: end the sole receiver", child: end_receiver, check: nothing_comes, ..SEND },
    Operation { name: "Queue: send, full", every: 61, before: fill, child: send_to_full, check: full_goes_on, ..SEND },
    Operation { name: "Queue: receive", ..RECEIVE },
    Operation { name: "Queue: receive, the sole receiver", child: receive_alone, ..RECEIVE },
    Operation { name: "Queue: receive several", every: 31, child: receive_several, ..RECEIVE },
    Operation { name: "Queue: wait for several", every: 31, child: wait_for_several, check: nothing_comes, ..RECEIVE },
    Operation { name: "Queue: acknowledge", child: acknowledge, check: acknowledged_or_comes_again, ..RECEIVE },
    Operation {
        name: "Queue: acknowledge, the sole receiver",
        child: acknowledge_alone,
        check: acknowledged_or_comes_again,
        ..RECEIVE
    },
    Operation { name: "Queue: drop unacknowledged", child: give_back, check: comes_again, ..RECEIVE },
    Operation {
        name: "Queue: drop unacknowledged, the sole receiver",
        child: give_back_alone,
        check: comes_again,
        ..RECEIVE
    },
    Operation { name: "Queue: receive what came back", before: || prepare_returned(), check: comes_again, ..RECEIVE },
    Operation {
        name: "Queue: receive at most once",
        before: || prepare(Delivery::AtMostOnce),
        check: received_is_gone,
        ..RECEIVE
    },
    Operation {
        name: "Queue: receive at most once, the sole receiver",
        before: || prepare(Delivery::AtMostOnce),
        child: receive_alone,
        check: received_is_gone,
        ..RECEIVE
    },
    Operation {
        name: "Queue: take over from a dead receiver",
        every: 31,
        before: leave_dead_receiver,
        check: comes_again,
        ..RECEIVE
    },
    Operation { name: "Queue: send past a dead sender", every: 31, before: leave_dead_sender, ..SEND },
    Operation {
        name: "Queue: send, a receiver asleep",
        before: || make(Delivery::AtLeastOnce),
        second: Some(receive_two),
        act: |_| put(AFTER),
        moment: Moment::AfterDeath,
        check: second_has_both,
        ..SEND
    },
    Operation { name: "Queue: receive, asleep", ..RECEIVE_ASLEEP },
    Operation {
        name: "Queue: receive, the sole receiver, asleep",
        child: |marks| take_in_time(marks, queue().sole_receiver().expect("the role")),
        ..RECEIVE_ASLEEP
    },
    Operation { name: "Queue: send, full, asleep", ..SEND_ASLEEP },
    Operation {
        name: "Queue: send, full, the sole sender, asleep",
        child: |marks| send_in_time(marks, &queue().sole_sender().expect("the role")),
        ..SEND_ASLEEP
    },
    Operation {
        name: "Queue: make in a segment",
        every: 97,
        before: make_segment,
        child: make_in_segment,
        check: is_made,
        tear_down: || drop(SEGMENT.take()),
        ..NOTHING
    },
];

fn queue() -> &'static Queue<'static> {
    QUEUE.with_borrow(|queue| queue.expect("prepared"))
}

fn make(delivery: Delivery) {
    forget();
    let segment = Segment::options().backing(Backing::Anonymous);
    let options = Queue::options().capacity_bytes(CAPACITY_BYTES).delivery(delivery).segment(segment);
    let queue = Box::leak(Box::new(options.create("crash.queue").expect("a queue")));
    // The survivor has its slot.
    drop(queue.sender().expect("a sender"));
    QUEUE.set(Some(queue));
}

fn forget() {
    if let Some(queue) = QUEUE.take() {
        // SAFETY: leaked by `make`; its ends are gone.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(queue).cast_mut()) });
    }
}

fn put(number: u8) {
    queue().sender().expect("a sender").try_send([number; BYTES]).expect("room");
}

fn prepare(delivery: Delivery) {
    make(delivery);
    // Each time elsewhere in the ring.
    let round = ROUND.fetch_add(1, Relaxed) % 9;
    let receiver = queue().receiver().expect("a receiver");
    for _ in 0..round {
        put(0);
        receiver.recv().expect("a message").ack();
    }
    put(BEFORE);
}

/// The next message does not fit before the ring's end.
fn prepare_at_the_end(delivery: Delivery) {
    make(delivery);
    let (sender, receiver) = (queue().sender().expect("a sender"), queue().receiver().expect("a receiver"));
    // Units of 16 bytes, 64 of them: 52 are behind us, then eight of `BEFORE`, four are left.
    for bytes in [400, 400] {
        sender.try_send(vec![0; bytes]).expect("room");
        receiver.recv().expect("a message").ack();
    }
    put(BEFORE);
}

fn prepare_returned() {
    prepare(Delivery::AtLeastOnce);
    drop(queue().receiver().expect("a receiver").recv().expect("a message"));
}

fn fill() {
    make(Delivery::AtLeastOnce);
    let sender = queue().sender().expect("a sender");
    while sender.try_send([BEFORE; BYTES]).is_ok() {}
}

/// Takes everything out.
fn empty() {
    let receiver = queue().receiver().expect("a receiver");
    while let Some(message) = receiver.try_recv().expect("no error") {
        message.ack();
    }
}

fn make_segment() {
    let options = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20);
    let segment = options.create("crash.home").expect("a segment");
    // The survivor has its slot.
    segment.get_or_init("before", || 0_u64).expect("room");
    SEGMENT.set(Some(segment));
}

fn with_segment<T>(use_it: impl FnOnce(&Segment) -> T) -> T {
    SEGMENT.with_borrow(|segment| use_it(segment.as_ref().expect("prepared")))
}

fn in_a_dead_child(what: impl FnOnce()) {
    let pid = arena::fork(what);
    crate::tracer::reap(pid, "a child that ends in the queue").expect("its end");
}

fn leave_dead_receiver() {
    prepare(Delivery::AtLeastOnce);
    in_a_dead_child(|| std::mem::forget(queue().receiver().expect("a receiver").recv().expect("a message")));
}

fn leave_dead_sender() {
    prepare(Delivery::AtLeastOnce);
    in_a_dead_child(|| {
        let sender = Box::leak(Box::new(queue().sender().expect("a sender")));
        std::mem::forget(sender.reserve(BYTES).expect("room"));
    });
}

// The children. Each has its slot.

fn send(marks: &Marks, sender: &Sender<'_>) {
    marks.begin();
    let sent = sender.try_send([CHILDS; BYTES]);
    marks.end();
    sent.expect("room");
}

fn send_alone(marks: &Marks) {
    send(marks, &queue().sole_sender().expect("the role"));
}

fn reserve_and_drop(marks: &Marks) {
    let mut sender = queue().sender().expect("a sender");
    marks.begin();
    drop(sender.try_reserve(BYTES));
    marks.end();
}

fn become_sender(marks: &Marks) {
    drop(queue().sender());
    marks.begin();
    let sender = queue().sole_sender();
    marks.end();
    std::mem::forget(sender.expect("the role"));
}

fn commit(marks: &Marks, mut sender: Sender<'_>) {
    let mut place = sender.try_reserve(BYTES).expect("no error").expect("room");
    place.fill(CHILDS);
    marks.begin();
    place.commit();
    marks.end();
    std::mem::forget(sender);
}

fn send_several(marks: &Marks) {
    let sender = queue().sender().expect("a sender");
    marks.begin();
    let sent = sender.send_all(&[[CHILDS; BYTES], [CHILDS_NEXT; BYTES]]);
    marks.end();
    sent.expect("room");
}

fn become_receiver(marks: &Marks) {
    drop(queue().receiver());
    marks.begin();
    let receiver = queue().sole_receiver();
    marks.end();
    std::mem::forget(receiver.expect("the role"));
}

fn end_sender(marks: &Marks) {
    let sender = queue().sole_sender().expect("the role");
    marks.begin();
    drop(sender);
    marks.end();
}

fn end_receiver(marks: &Marks) {
    let receiver = queue().sole_receiver().expect("the role");
    marks.begin();
    drop(receiver);
    marks.end();
}

fn receive_several(marks: &Marks) {
    let receiver = queue().receiver().expect("a receiver");
    marks.begin();
    let messages = receiver.recv_many(3);
    marks.end();
    assert_eq!(messages.expect("no error").into_iter().map(std::mem::forget).count(), 1);
}

fn wait_for_several(marks: &Marks) {
    let receiver = queue().receiver().expect("a receiver");
    marks.begin();
    let ready = wait_any(&[&receiver], PATIENCE);
    marks.end();
    assert_eq!(ready, Some(0));
}

fn send_to_full(marks: &Marks) {
    let sender = queue().sender().expect("a sender");
    marks.begin();
    let refused = sender.try_send([CHILDS; BYTES]);
    marks.end();
    assert!(refused.is_err(), "a full queue took a message");
}

fn take(marks: &Marks, receiver: Receiver<'static>) {
    marks.begin();
    let message = receiver.try_recv();
    marks.end();
    std::mem::forget(message.expect("no error").expect("a message"));
    std::mem::forget(receiver);
}

fn receive(marks: &Marks) {
    take(marks, queue().receiver().expect("a receiver"));
}

fn take_in_time(marks: &Marks, receiver: Receiver<'static>) {
    marks.begin();
    let message = receiver.recv_timeout(PATIENCE);
    marks.end();
    std::mem::forget(message.expect("no error").expect("a message"));
    std::mem::forget(receiver);
}

fn send_in_time(marks: &Marks, sender: &Sender<'_>) {
    marks.begin();
    let sent = sender.send_timeout([CHILDS; BYTES], PATIENCE);
    marks.end();
    sent.expect("room in time");
}

fn make_in_segment(marks: &Marks) {
    with_segment(|segment| {
        segment.get_or_init("child", || 0_u64).expect("room");
        marks.begin();
        let made = Queue::options().capacity_bytes(CAPACITY_BYTES).open_or_create_in(segment, "queue").map(drop);
        marks.end();
        made.expect("a queue");
    });
}

/// The second process: sleeps until the child's message comes, if it does, and then the survivor's.
fn receive_two(board: &'static Board) {
    let receiver = queue().receiver().expect("a receiver");
    board.say(Word::Ready);
    loop {
        let number = match receiver.recv_timeout(PATIENCE) {
            Ok(Some(message)) if message.iter().all(|byte| *byte == message[0]) && !message.is_redelivered() => {
                let number = message[0];
                message.ack();
                number
            }
            other => return board.fail(&format!("who was asleep got {other:?}")),
        };
        if number == AFTER {
            return board.say(Word::Done);
        }
        board.number.fetch_add(u64::from(number), Relaxed);
    }
}

fn receive_alone(marks: &Marks) {
    take(marks, queue().sole_receiver().expect("the role"));
}

fn leave(marks: &Marks, receiver: Receiver<'static>, acknowledges: bool) {
    let message = receiver.try_recv().expect("no error").expect("a message");
    marks.begin();
    if acknowledges {
        message.ack()
    } else {
        drop(message)
    }
    marks.end();
    std::mem::forget(receiver);
}

fn acknowledge(marks: &Marks) {
    leave(marks, queue().receiver().expect("a receiver"), true);
}

fn acknowledge_alone(marks: &Marks) {
    leave(marks, queue().sole_receiver().expect("the role"), true);
}

fn give_back(marks: &Marks) {
    leave(marks, queue().receiver().expect("a receiver"), false);
}

fn give_back_alone(marks: &Marks) {
    leave(marks, queue().sole_receiver().expect("the role"), false);
}

/// All that comes after one more message was sent: number and whether it is marked.
fn drain() -> Result<Vec<(u8, bool)>, String> {
    let sender = queue().sender().map_err(|error| error.to_string())?;
    sender.send_timeout([AFTER; BYTES], PATIENCE).map_err(|error| format!("the survivor cannot send: {error}"))?;
    let receiver = queue().receiver().map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    while !all.contains(&(AFTER, false)) {
        let message =
            receiver.recv_timeout(PATIENCE).map_err(|error| format!("the survivor cannot receive: {error}"))?;
        let message = message.ok_or_else(|| format!("nothing more came after {all:?}"))?;
        if message.len() != BYTES || message.iter().any(|byte| *byte != message[0]) {
            return Err(format!("a torn message after {all:?}"));
        }
        all.push((message[0], message.is_redelivered()));
        message.ack();
    }
    while let Some(message) = receiver.try_recv().map_err(|error| error.to_string())? {
        all.push((message[0], message.is_redelivered()));
        message.ack();
    }
    drop(receiver);
    // Everything is free again, for a sole sender as for anybody: as much fits as into a new one.
    let sole = queue().sole_sender_timeout(PATIENCE).map_err(|error| format!("no sole sender after it: {error}"))?;
    let receiver = queue().sole_receiver_timeout(PATIENCE).map_err(|error| format!("no sole receiver: {error}"))?;
    for number in 0..20 {
        sole.send_timeout([number; BYTES], PATIENCE).map_err(|error| format!("{number} of those after it: {error}"))?;
        let message = receiver.recv_timeout(PATIENCE).map_err(|error| error.to_string())?;
        let message = message.ok_or("what was sent later did not come")?;
        if message[0] != number || message.is_redelivered() {
            return Err(format!("{} came in the place of {number}", message[0]));
        }
        message.ack();
    }
    Ok(all)
}

fn one_of(death: &Death, before: &[&[(u8, bool)]], after: &[&[(u8, bool)]]) -> Result<(), String> {
    let all = drain()?;
    let allowed = if death.is_finished { after } else { before };
    if allowed.contains(&&all[..]) {
        return Ok(());
    }
    let finished = if death.is_finished { "finished" } else { "unfinished" };
    Err(format!("{finished}, came {all:?}; allowed: {allowed:?}"))
}

const WITHOUT: &[(u8, bool)] = &[(BEFORE, false), (AFTER, false)];
const WITH: &[(u8, bool)] = &[(BEFORE, false), (CHILDS, false), (AFTER, false)];
const AGAIN: &[(u8, bool)] = &[(BEFORE, true), (AFTER, false)];
/// It comes again when there is nothing else to take.
const AGAIN_LATER: &[(u8, bool)] = &[(AFTER, false), (BEFORE, true)];
const GONE: &[(u8, bool)] = &[(AFTER, false)];

fn accepted_comes(death: &Death) -> Result<(), String> {
    one_of(death, &[WITHOUT, WITH], &[WITH])
}

/// Who died asleep had it, or had not.
fn comes_or_comes_again(death: &Death) -> Result<(), String> {
    let either = [WITHOUT, AGAIN, AGAIN_LATER];
    one_of(death, &either, &either)
}

/// Who died asleep had sent it, or had not.
fn sent_in_time_comes(death: &Death) -> Result<(), String> {
    let either = [GONE, &[(CHILDS, false), (AFTER, false)]];
    one_of(death, &either, &either)
}

/// And the survivor's: else it would not have come to its end.
fn second_has_both(death: &Death) -> Result<(), String> {
    let came = death.board.number.load(Relaxed);
    if came == u64::from(CHILDS) || came == 0 && !death.is_finished {
        return Ok(());
    }
    Err(format!("finished: {}, {came} came of the child", death.is_finished))
}

fn is_made(_: &Death) -> Result<(), String> {
    with_segment(|segment| {
        let options = Queue::options().capacity_bytes(CAPACITY_BYTES);
        let queue = options.open_or_create_in(segment, "queue").map_err(|error| error.to_string())?;
        let (sender, receiver) = (queue.sender(), queue.receiver());
        let text = |error: cotenant::Error| error.to_string();
        sender.map_err(text)?.send_timeout([AFTER; BYTES], PATIENCE).map_err(|error| error.to_string())?;
        let receiver = receiver.map_err(text)?;
        let message = receiver.recv_timeout(PATIENCE).map_err(text)?;
        let is_it = message.is_some_and(|message| *message == [AFTER; BYTES]);
        if is_it { Ok(()) } else { Err("the survivor's message did not come".to_owned()) }
    })
}

fn several_come_in_order(death: &Death) -> Result<(), String> {
    let one: &[(u8, bool)] = &[(BEFORE, false), (CHILDS, false), (AFTER, false)];
    let both: &[(u8, bool)] = &[(BEFORE, false), (CHILDS, false), (CHILDS_NEXT, false), (AFTER, false)];
    one_of(death, &[WITHOUT, one, both], &[both])
}

fn nothing_comes(death: &Death) -> Result<(), String> {
    one_of(death, &[WITHOUT], &[WITHOUT])
}

fn full_goes_on(_: &Death) -> Result<(), String> {
    let receiver = queue().receiver().map_err(|error| error.to_string())?;
    let message = receiver.recv_timeout(PATIENCE).map_err(|error| error.to_string())?;
    let message = message.ok_or("nothing came out of a full queue")?;
    let number = message[0];
    message.ack();
    drop(receiver);
    if number != BEFORE {
        return Err(format!("{number} came out of a full queue"));
    }
    let sender = queue().sender().map_err(|error| error.to_string())?;
    sender.send_timeout([AFTER; BYTES], PATIENCE).map_err(|error| format!("no room was made: {error}"))
}

fn received_comes_again(death: &Death) -> Result<(), String> {
    one_of(death, &[WITHOUT, AGAIN, AGAIN_LATER], &[AGAIN, AGAIN_LATER])
}

fn comes_again(death: &Death) -> Result<(), String> {
    let again = [AGAIN, AGAIN_LATER];
    one_of(death, &again, &again)
}

fn acknowledged_or_comes_again(death: &Death) -> Result<(), String> {
    one_of(death, &[GONE, AGAIN, AGAIN_LATER], &[GONE])
}

fn received_is_gone(death: &Death) -> Result<(), String> {
    one_of(death, &[WITHOUT, GONE], &[GONE])
}
