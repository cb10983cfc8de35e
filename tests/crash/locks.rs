//! Deaths in the rest of the lock family: what names a dead reader, permit, arrival or leader is given back, and who
//! waits goes on.
//!
//! Every crash point begins with fresh locks: the survivor writes them anew when nobody else is left.

use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cotenant::sync::{
    Barrier, Condvar, Event, Leader, Leadership, LockError, Mutex, Once, OnceCell, Permit, RwLock, RwLockReadGuard,
    RwLockWriteGuard, Semaphore,
};

use crate::attach::{dead_are_not_listed, let_the_other_go_on};
use crate::board::{Board, Word, wait_until};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};
use crate::support::PATIENCE;

const CHILDS: u64 = 11;
const OTHERS: u64 = 22;

cotenant::shared! {
    static RWLOCK: RwLock<[u64; 2], 8> = RwLock::new([0, 0]);
    static SEMAPHORE: Semaphore<4> = Semaphore::new(2);
    static BARRIER: Barrier<2> = Barrier::new();
    static EVENT: Event = Event::new(false);
    static LEADER: Leader = Leader::new();
    static ONCE: Once = Once::new();
    static CELL: OnceCell<u64> = OnceCell::new();
    static CONDVAR: Condvar = Condvar::new();
    static TURN: Mutex<u64> = Mutex::new(0);
    static WARM: Mutex<u64> = Mutex::new(0);
    /// How often a `Once` ran; whether it is the waiter's turn.
    static RUNS: AtomicU64 = AtomicU64::new(0);
}

/// What the survivor holds while a child waits.
enum Held {
    Read(#[allow(dead_code)] RwLockReadGuard<'static, [u64; 2], 8>),
    Write(#[allow(dead_code)] RwLockWriteGuard<'static, [u64; 2], 8>),
    Permits(#[allow(dead_code)] [Permit<'static, 4>; 2]),
    Leadership(#[allow(dead_code)] Leadership<'static>),
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

const SIMPLE: Operation = Operation { every: 7, before: renew, ..NOTHING };
/// The child waits for what the survivor holds.
const WAITS: Operation =
    Operation { every: 9_973, act: |_| drop(HELD.take()), moment: Moment::BeforeDeath, sleeps: 2, ..SIMPLE };
/// Somebody waits for what the child holds.
const AWAITED: Operation = Operation { check: second_came_through, ..SIMPLE };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "RwLock: read", child: read, check: can_write, ..SIMPLE },
    Operation { name: "RwLock: read contended", before: hold_write, child: read, check: can_write, ..WAITS },
    Operation { name: "RwLock: end of reading", child: end_reading, check: can_write, ..SIMPLE },
    Operation {
        name: "RwLock: end of reading, a writer asleep",
        child: end_reading,
        second: Some(write_too),
        ..AWAITED
    },
    Operation { name: "RwLock: write", child: write, check: can_write_or_died, ..SIMPLE },
    Operation { name: "RwLock: write contended", before: hold_read, child: write, check: can_write_or_died, ..WAITS },
    Operation { name: "RwLock: change and end writing", child: end_writing, check: changed_or_died, ..SIMPLE },
    Operation {
        name: "RwLock: change and end writing, a reader asleep",
        child: end_writing,
        second: Some(read_too),
        ..AWAITED
    },
    Operation { name: "Semaphore: acquire", child: acquire, check: all_permits, ..SIMPLE },
    Operation {
        name: "Semaphore: acquire contended",
        before: hold_permits,
        child: acquire,
        check: all_permits,
        ..WAITS
    },
    Operation { name: "Semaphore: release", child: release, check: all_permits, ..SIMPLE },
    Operation {
        name: "Semaphore: release, a waiter asleep",
        child: release_last,
        second: Some(acquire_too),
        ..AWAITED
    },
    Operation {
        name: "Barrier: arrive first",
        every: 499,
        child: arrive,
        second: Some(arrive_when_told),
        act: arrive_with_second,
        moment: Moment::AfterDeath,
        sleeps: 2,
        check: second_came_through,
        ..SIMPLE
    },
    Operation {
        name: "Barrier: arrive last",
        every: 997,
        child: arrive_after_second,
        second: Some(arrive_too),
        act: arrive_with_second,
        moment: Moment::AfterDeath,
        ..AWAITED
    },
    Operation { name: "Event: set", child: set, check: is_set, ..SIMPLE },
    Operation {
        name: "Event: set, a waiter asleep",
        child: set,
        second: Some(wait_for_event),
        act: |_| EVENT.set(),
        moment: Moment::AfterDeath,
        ..AWAITED
    },
    Operation {
        name: "Event: wait, another waiter beside",
        child: wait_for_event_marked,
        second: Some(wait_for_event),
        act: |_| EVENT.set(),
        check: second_came_through,
        ..WAITS
    },
    Operation { name: "Leader: lead", child: lead, check: can_lead, ..SIMPLE },
    Operation { name: "Leader: lead contended", before: hold_leadership, child: lead, check: can_lead, ..WAITS },
    Operation { name: "Leader: step down", child: step_down, check: can_lead, ..SIMPLE },
    Operation { name: "Leader: step down, another one behind", child: step_down, second: Some(lead_too), ..AWAITED },
    Operation { name: "Once: call", child: call_once, check: ran_once, ..SIMPLE },
    Operation {
        name: "Once: call, another one behind",
        child: call_once,
        second: Some(call_once_too),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        check: ran_once,
        ..SIMPLE
    },
    Operation { name: "OnceCell: get_or_init", child: init, check: is_initialised, ..SIMPLE },
    Operation {
        name: "OnceCell: get_or_init, another one behind",
        child: init,
        second: Some(init_too),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        check: is_initialised,
        ..SIMPLE
    },
    Operation {
        name: "Condvar: wait, another waiter beside",
        child: wait_for_turn_marked,
        second: Some(wait_for_turn),
        act: |_| give_turn(),
        check: second_came_through,
        ..WAITS
    },
    Operation { name: "Condvar: notify_one, a waiter asleep", child: notify, second: Some(wait_for_turn), ..AWAITED },
];

/// Every lock as in a fresh segment. Nobody but the survivor is left, and it holds none.
fn renew() {
    renew_one(&*RWLOCK, RwLock::new([0, 0]));
    renew_one(&*SEMAPHORE, Semaphore::new(2));
    renew_one(&*BARRIER, Barrier::new());
    renew_one(&*EVENT, Event::new(false));
    renew_one(&*LEADER, Leader::new());
    renew_one(&*ONCE, Once::new());
    renew_one(&*CELL, OnceCell::new());
    renew_one(&*CONDVAR, Condvar::new());
    renew_one(&*TURN, Mutex::new(0));
    RUNS.store(0, Relaxed);
    take_slot();
}

fn renew_one<T>(place: &'static T, fresh: T) {
    // SAFETY: shared memory that is written through atomics and cells only; nobody else uses it at this moment.
    unsafe { std::ptr::from_ref(place).cast_mut().write_volatile(fresh) };
}

fn take_slot() {
    *WARM.lock_or_repair(|_| {}) += 1;
}

fn hold(held: Held) {
    HELD.set(Some(held));
}

fn hold_read() {
    renew();
    hold(Held::Read(read_clean()));
}

fn hold_write() {
    renew();
    hold(Held::Write(write_clean()));
}

fn hold_permits() {
    renew();
    hold(Held::Permits([permit(), permit()]));
}

fn hold_leadership() {
    renew();
    hold(Held::Leadership(LEADER.lead().unwrap_or_else(|error| panic!("leading: {error}"))));
}

fn read_clean() -> RwLockReadGuard<'static, [u64; 2], 8> {
    RWLOCK.read().unwrap_or_else(|error| panic!("reading: {error}"))
}

fn write_clean() -> RwLockWriteGuard<'static, [u64; 2], 8> {
    RWLOCK.write().unwrap_or_else(|error| panic!("writing: {error}"))
}

fn permit() -> Permit<'static, 4> {
    SEMAPHORE.acquire().unwrap_or_else(|error| panic!("acquiring: {error}"))
}

fn count_run() {
    RUNS.fetch_add(1, Relaxed);
}

// The children.

fn between<R>(marks: &Marks, operation: impl FnOnce() -> R) {
    marks.begin();
    let result = operation();
    marks.end();
    std::mem::forget(result);
}

fn read(marks: &Marks) {
    take_slot();
    between(marks, || RWLOCK.read());
}

fn end_reading(marks: &Marks) {
    let guard = read_clean();
    between(marks, || drop(guard));
}

fn write(marks: &Marks) {
    take_slot();
    between(marks, || RWLOCK.write());
}

fn end_writing(marks: &Marks) {
    let mut guard = write_clean();
    between(marks, || {
        guard[0] += 1;
        guard[1] += 1;
        drop(guard);
    });
}

fn acquire(marks: &Marks) {
    take_slot();
    between(marks, || SEMAPHORE.acquire());
}

fn release(marks: &Marks) {
    let permit = permit();
    between(marks, || drop(permit));
}

fn release_last(marks: &Marks) {
    let (first, second) = (permit(), permit());
    between(marks, || drop(second));
    std::mem::forget(first);
}

fn arrive(marks: &Marks) {
    take_slot();
    between(marks, || BARRIER.wait());
}

fn arrive_after_second(marks: &Marks) {
    take_slot();
    marks.board.say(Word::Prepared);
    // It says so before it arrives; that it has is a matter of moments.
    marks.board.hear(Word::Ready).expect("the second process");
    std::thread::sleep(Duration::from_millis(2));
    between(marks, || BARRIER.wait());
}

fn set(marks: &Marks) {
    take_slot();
    between(marks, || EVENT.set());
}

fn wait_for_event_marked(marks: &Marks) {
    take_slot();
    between(marks, || EVENT.wait());
}

fn lead(marks: &Marks) {
    take_slot();
    between(marks, || LEADER.lead());
}

fn step_down(marks: &Marks) {
    let leadership = LEADER.lead().unwrap_or_else(|error| panic!("leading: {error}"));
    between(marks, || leadership.step_down());
}

fn call_once(marks: &Marks) {
    take_slot();
    between(marks, || ONCE.call_once(count_run));
}

fn init(marks: &Marks) {
    take_slot();
    between(marks, || CELL.get_or_init(|| CHILDS).map(drop));
}

fn wait_for_turn_marked(marks: &Marks) {
    let guard = TURN.lock().unwrap_or_else(|error| panic!("locking: {error}"));
    between(marks, || CONDVAR.wait(guard));
}

/// The turn is given before the operation; only the waking is tried.
fn notify(marks: &Marks) {
    marks.board.say(Word::Prepared);
    marks.board.hear(Word::Ready).expect("the second process");
    std::thread::sleep(Duration::from_millis(2));
    RUNS.store(1, Relaxed);
    between(marks, || CONDVAR.notify_one());
}

// The second processes: `Ready`, then what may wait.

fn ready(board: &Board) -> bool {
    take_slot();
    let heard = board.hear(Word::Prepared).is_ok();
    board.say(Word::Ready);
    heard
}

/// While the child is stepped, who sleeps looks again and again: what it gets it keeps, so that the child goes its way.
fn keep_until_told<T>(board: &Board, what: T) {
    let _ = board.hear(Word::Go);
    drop(what);
}

fn ready_and_told(board: &Board) -> bool {
    take_slot();
    board.say(Word::Ready);
    board.hear(Word::Go).is_ok()
}

fn write_too(board: &Board) {
    if ready(board) {
        match RWLOCK.write_timeout(PATIENCE) {
            Ok(guard) => keep_until_told(board, guard),
            Err(error) => board.fail(&format!("a writer behind a dead reader: {error}")),
        }
    }
}

fn read_too(board: &Board) {
    if !ready(board) {
        return;
    }
    match RWLOCK.read_timeout(PATIENCE) {
        Ok(guard) if guard[0] == guard[1] => keep_until_told(board, guard),
        Ok(guard) => board.fail(&format!("the reader was given {:?} as clean", *guard)),
        Err(cotenant::sync::TryLockError::Lock(LockError::OwnerDied(died))) => drop(died.repair(|pair| *pair = [0, 0])),
        Err(error) => board.fail(&format!("a reader behind a dead writer: {error}")),
    }
}

fn acquire_too(board: &Board) {
    if ready(board) {
        match SEMAPHORE.acquire_timeout(PATIENCE) {
            Ok(permit) => keep_until_told(board, permit),
            Err(error) => board.fail(&format!("a permit of the dead: {error}")),
        }
    }
}

fn arrive_when_told(board: &Board) {
    if ready_and_told(board) {
        arrive_or_fail(board);
    }
}

fn arrive_too(board: &Board) {
    if ready(board) {
        arrive_or_fail(board);
    }
}

fn arrive_or_fail(board: &Board) {
    if let Err(error) = BARRIER.wait_timeout(PATIENCE) {
        board.fail(&format!("an arrival beside a dead one: {error}"));
    }
    board.say(Word::Done);
}

/// The survivor takes the dead one's place, unless that has let the second through before it died.
fn arrive_with_second(board: &Board) {
    board.say(Word::Go);
    let through = wait_until("both are through the barrier", || {
        let _ = BARRIER.wait_timeout(Duration::from_millis(20));
        board.is_said(Word::Done)
    });
    if let Err(why) = through {
        eprintln!("{why}");
    }
}

fn wait_for_event(board: &Board) {
    if ready(board) && EVENT.wait_timeout(PATIENCE).is_err() {
        board.fail("a waiter was not told that the event is set");
    }
}

fn lead_too(board: &Board) {
    if ready(board) {
        match LEADER.lead_timeout(PATIENCE) {
            Ok(leadership) => keep_until_told(board, leadership),
            Err(error) => board.fail(&format!("leading after the dead: {error}")),
        }
    }
}

fn call_once_too(board: &Board) {
    if !ready_and_told(board) {
        return;
    }
    if let Err(error) = ONCE.call_once_timeout(PATIENCE, count_run) {
        board.fail(&format!("calling after the dead: {error}"));
    }
    board.say(Word::Done);
}

fn init_too(board: &Board) {
    if !ready_and_told(board) {
        return;
    }
    match CELL.get_or_init_timeout(PATIENCE, || OTHERS) {
        Ok(value) => board.number.store(*value, Relaxed),
        Err(error) => board.fail(&format!("initialising after the dead: {error}")),
    }
    board.say(Word::Done);
}

fn wait_for_turn(board: &Board) {
    if !ready(board) {
        return;
    }
    let mut turn = TURN.lock_or_repair(|_| {});
    while RUNS.load(Relaxed) == 0 {
        turn = match CONDVAR.wait_timeout(turn, PATIENCE) {
            Ok((guard, _)) => guard,
            Err(LockError::OwnerDied(died)) => died.repair(|_| {}),
            Err(error) => return board.fail(&format!("waiting for a turn: {error}")),
        };
    }
}

/// Without the mutex, which the child may hold where it stands.
fn give_turn() {
    RUNS.store(1, Relaxed);
    CONDVAR.notify_one();
}

// What must hold.

fn fail_if(wrong: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if wrong { Err(why()) } else { Ok(()) }
}

/// A dead reader has changed nothing: nobody is told.
fn can_write(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    match RWLOCK.write_timeout(PATIENCE) {
        Ok(pair) => fail_if(*pair != [0, 0], || format!("the value is {:?}", *pair))?,
        Err(error) => return Err(format!("writing after a dead reader: {error}")),
    }
    match RWLOCK.try_read() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("reading after a dead reader: {error}")),
    }
}

fn found() -> Result<(bool, [u64; 2]), String> {
    let found = match RWLOCK.write_timeout(PATIENCE) {
        Ok(pair) => (false, *pair),
        Err(cotenant::sync::TryLockError::Lock(LockError::OwnerDied(died))) => {
            let pair = *died.value();
            drop(died.repair(|pair| *pair = [0, 0]));
            (true, pair)
        }
        Err(error) => return Err(format!("writing after a dead writer: {error}")),
    };
    match RWLOCK.try_read() {
        Ok(_) => Ok(found),
        Err(error) => Err(format!("reading after the repair: {error}")),
    }
}

fn can_write_or_died(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let (died, pair) = found()?;
    fail_if(pair != [0, 0] || death.is_finished && !died, || format!("found {pair:?}, OwnerDied: {died}"))
}

fn changed_or_died(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let (died, pair) = found()?;
    let is_right = if death.is_finished { (died, pair) == (false, [1, 1]) } else { died || pair == [1, 1] };
    fail_if(!is_right, || format!("found {pair:?}, OwnerDied: {died}, finished: {}", death.is_finished))
}

fn all_permits(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let first = SEMAPHORE.acquire_timeout(PATIENCE).map_err(|error| format!("the first permit: {error}"))?;
    let second = SEMAPHORE.acquire_timeout(PATIENCE).map_err(|error| format!("the second permit: {error}"))?;
    fail_if(SEMAPHORE.try_acquire().is_ok(), || "a third permit of two".to_owned())?;
    drop((first, second));
    fail_if(SEMAPHORE.available() != 2, || format!("{} permits of two", SEMAPHORE.available()))
}

fn is_set(death: &Death) -> Result<(), String> {
    fail_if(death.is_finished && !EVENT.is_set(), || "set, and it is not".to_owned())?;
    EVENT.set();
    EVENT.wait_timeout(PATIENCE).map_err(|_| "set, and waited for in vain".to_owned())
}

fn can_lead(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let before = LEADER.term();
    let leadership = LEADER.lead_timeout(PATIENCE).map_err(|error| format!("leading after the dead: {error}"))?;
    fail_if(leadership.term() <= before, || format!("term {} after {before}", leadership.term()))?;
    drop(leadership);
    fail_if(LEADER.current().is_some(), || format!("nobody leads, and {:?} is said to", LEADER.current()))
}

fn ran_once(death: &Death) -> Result<(), String> {
    let before = RUNS.load(Relaxed);
    let called = ONCE.call_once_timeout(PATIENCE, count_run);
    called.map_err(|error| format!("calling after the dead: {error}"))?;
    let after = RUNS.load(Relaxed);
    // It ran again if the first died before it was told that it is done.
    let is_right = if death.is_finished { after == 1 } else { after == 1 || after == 2 };
    fail_if(!is_right, || format!("ran {before} times, then {after}; finished: {}", death.is_finished))?;
    fail_if(!ONCE.is_completed(), || "called, and it is not completed".to_owned())
}

fn is_initialised(death: &Death) -> Result<(), String> {
    let value = CELL.get_or_init_timeout(PATIENCE, || OTHERS);
    let value = *value.map_err(|error| format!("initialising after the dead: {error}"))?;
    let seconds = death.board.number.load(Relaxed);
    let is_right = if death.is_finished { value == CHILDS } else { [CHILDS, OTHERS].contains(&value) };
    fail_if(!is_right || seconds != 0 && seconds != value, || format!("{value}, and {seconds} for the one behind"))
}

/// Its own failure is told by its status; here: everybody else goes on, too.
fn second_came_through(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    found()?;
    drop(TURN.lock_or_repair(|_| {}));
    EVENT.reset();
    let leadership = LEADER.lead_timeout(PATIENCE).map_err(|error| format!("leading: {error}"))?;
    drop(leadership);
    all_permits(death)
}
