//! Deaths in the operations of a `Mutex`: free, held, waited for, left by the dead.
//!
//! The value is a pair that is equal whenever the lock is free and clean. A child makes it (1, 1) under the lock, the
//! left half first, so a death in between shows as (1, 0), and only with `OwnerDied`.

use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use cotenant::ProcessSync;
use cotenant::sync::{LockError, Mutex, MutexGuard, TryLockError};

use crate::arena;
use crate::board::{Board, Word};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};

#[derive(ProcessSync, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Pair {
    left: u64,
    right: u64,
}

const ZERO: Pair = Pair { left: 0, right: 0 };
const HALF: Pair = Pair { left: 1, right: 0 };
const ONE: Pair = Pair { left: 1, right: 1 };
/// What a second process leaves.
const SEVEN: Pair = Pair { left: 7, right: 7 };

cotenant::shared! {
    static PAIR: Mutex<Pair> = Mutex::new(Pair { left: 0, right: 0 });
    /// Locked by a child so that it has its slot before the operation.
    static WARM: Mutex<u64> = Mutex::new(0);
}

thread_local! {
    static HELD: RefCell<Option<MutexGuard<'static, Pair>>> = const { RefCell::new(None) };
}

const SIMPLE: Operation = Operation { set_up: learn, ..NOTHING };

/// The survivor holds the lock; the child waits for it.
const WAITS: Operation = Operation {
    every: 199,
    before: hold,
    child: lock_contended,
    act: |_| let_go(),
    sleeps: 2,
    check: nothing_or_died,
    ..SIMPLE
};

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "Mutex: lock", child: lock, check: nothing_or_died, ..SIMPLE },
    Operation { name: "Mutex: first lock of a fork", every: 17, child: lock_first, check: nothing_or_died, ..SIMPLE },
    Operation { name: "Mutex: try_lock", child: try_lock, check: nothing_or_died, ..SIMPLE },
    Operation {
        name: "Mutex: try_lock, held",
        every: 199,
        before: hold,
        child: try_lock_held,
        act: |_| let_go(),
        moment: Moment::AfterDeath,
        check: nothing,
        ..SIMPLE
    },
    Operation { name: "Mutex: change and unlock", child: change_and_unlock, check: changed_or_died, ..SIMPLE },
    Operation {
        name: "Mutex: change and unlock, a waiter asleep",
        child: unlock_waited_for,
        second: Some(wait_for_lock),
        is_settled: || word(&PAIR).load(Relaxed) & WAITERS != 0,
        check: second_came_through,
        ..SIMPLE
    },
    Operation { name: "Mutex: lock contended, unlocked after the death", moment: Moment::AfterDeath, ..WAITS },
    Operation { name: "Mutex: lock contended, unlocked just before", moment: Moment::BeforeDeath, ..WAITS },
    Operation { name: "Mutex: lock contended, unlocked halfway", every: 2_999, moment: Moment::Halfway, ..WAITS },
    Operation {
        name: "Mutex: lock contended, another waiter beside",
        second: Some(wait_for_lock),
        moment: Moment::BeforeDeath,
        check: second_came_through,
        ..WAITS
    },
    Operation { name: "Mutex: take over from the dead", every: 97, child: take_over, check: half_or_died, ..SIMPLE },
    Operation { name: "Mutex: repair and unlock", child: repair, check: repaired_or_died, ..SIMPLE },
    Operation { name: "Mutex: drop OwnerDied", child: drop_died, check: half_or_died, ..SIMPLE },
    Operation { name: "Mutex: give up", child: give_up, check: given_up_or_died, ..SIMPLE },
    Operation { name: "Mutex: way out of given up", every: 7, child: way_out, check: out_or_not, ..SIMPLE },
    Operation { name: "Mutex: reset of given up", every: 7, child: reset, check: out_or_not, ..SIMPLE },
    Operation { name: "Mutex: panic under the guard", every: 997, child: panic, check: panicked, ..SIMPLE },
];

const WAITERS: u64 = 1 << 31;

/// The lock word, which is a `Mutex`'s first part (docs/format.md).
fn word(lock: &'static Mutex<Pair>) -> &'static AtomicU64 {
    // SAFETY: eight aligned bytes that everybody uses as an atomic.
    unsafe { &*std::ptr::from_ref(lock).cast::<AtomicU64>() }
}

fn take_slot() {
    *WARM.lock_or_repair(|_| {}) += 1;
}

/// The survivor meets a dead owner once before its children do: the first to wait asks how many processors there are.
fn learn() {
    take_slot();
    drop(died().repair(|pair| *pair = ZERO));
}

fn lock_pair() -> MutexGuard<'static, Pair> {
    match PAIR.lock() {
        Ok(guard) => guard,
        Err(error) => panic!("locking what nobody holds: {error}"),
    }
}

fn hold() {
    HELD.set(Some(lock_pair()));
}

fn let_go() {
    drop(HELD.take());
}

/// The lock of a child that died with the value half changed.
fn half_changed() -> cotenant::sync::MutexGuard<'static, u64> {
    let guard = WARM.lock_or_repair(|_| {});
    let pid = arena::fork(|| {
        let mut pair = lock_pair();
        pair.left = 1;
        std::mem::forget(pair);
    });
    crate::tracer::reap(pid, "a child that ends under the lock").expect("its end");
    guard
}

fn died() -> cotenant::sync::OwnerDied<'static, Pair> {
    drop(half_changed());
    match PAIR.lock() {
        Err(LockError::OwnerDied(died)) => died,
        _ => panic!("the lock of a dead process was given clean, or not at all"),
    }
}

// The children. Each has its slot, but for the one whose operation is to take it.

fn lock(marks: &Marks) {
    take_slot();
    marks.begin();
    let guard = PAIR.lock();
    marks.end();
    std::mem::forget(guard);
}

fn lock_first(marks: &Marks) {
    marks.begin();
    let guard = PAIR.lock();
    marks.end();
    std::mem::forget(guard);
}

fn lock_contended(marks: &Marks) {
    take_slot();
    marks.begin();
    let guard = PAIR.lock();
    marks.end();
    std::mem::forget(guard);
}

fn try_lock(marks: &Marks) {
    take_slot();
    marks.begin();
    let guard = PAIR.try_lock();
    marks.end();
    std::mem::forget(guard);
}

fn try_lock_held(marks: &Marks) {
    take_slot();
    marks.begin();
    let refused = PAIR.try_lock();
    marks.end();
    assert!(matches!(refused, Err(TryLockError::WouldBlock)), "a held lock was given");
}

fn change_and_unlock(marks: &Marks) {
    let mut pair = lock_pair();
    marks.begin();
    pair.left += 1;
    pair.right += 1;
    drop(pair);
    marks.end();
}

fn unlock_waited_for(marks: &Marks) {
    let mut pair = lock_pair();
    marks.begin();
    pair.left += 1;
    pair.right += 1;
    drop(pair);
    marks.end();
}

fn take_over(marks: &Marks) {
    drop(half_changed());
    marks.begin();
    let taken = PAIR.lock();
    marks.end();
    std::mem::forget(taken);
}

fn repair(marks: &Marks) {
    let died = died();
    marks.begin();
    drop(died.repair(|pair| *pair = ONE));
    marks.end();
}

fn drop_died(marks: &Marks) {
    let died = died();
    marks.begin();
    drop(died);
    marks.end();
}

fn give_up(marks: &Marks) {
    let died = died();
    marks.begin();
    died.give_up();
    marks.end();
}

fn way_out(marks: &Marks) {
    died().give_up();
    marks.begin();
    drop(PAIR.lock_or_repair(|pair| *pair = ONE));
    marks.end();
}

fn reset(marks: &Marks) {
    died().give_up();
    marks.begin();
    let done = PAIR.reset(ONE);
    marks.end();
    assert!(done.is_ok(), "what was given up is reset");
}

fn panic(marks: &Marks) {
    let mut pair = lock_pair();
    marks.begin();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        pair.left += 1;
        std::panic::resume_unwind(Box::new("under the guard"));
    }));
    marks.end();
    drop(outcome);
}

/// The second process: waits for the lock, sees nothing half changed without being told, and leaves it changed.
fn wait_for_lock(board: &Board) {
    take_slot();
    if board.hear(Word::Prepared).is_err() {
        return;
    }
    board.say(Word::Ready);
    let mut pair = match PAIR.lock() {
        Ok(pair) if pair.left == pair.right => pair,
        Ok(pair) => return board.fail(&format!("the waiter was given {:?} as clean", *pair)),
        Err(LockError::OwnerDied(died)) => died.repair(|_| {}),
        Err(error) => return board.fail(&format!("the waiter was refused: {error}")),
    };
    *pair = SEVEN;
}

/// How the survivor finds the lock.
#[derive(PartialEq, Eq, Debug)]
enum Found {
    Clean(Pair),
    /// And whether the owner that it names, if any, is the child.
    Died(Pair),
    GivenUp,
}

/// Takes the lock, puts everything back to zero, and sees that the next one finds it clean.
fn find(death: &Death) -> Result<Found, String> {
    let found = match PAIR.lock() {
        Ok(mut pair) => Found::Clean(std::mem::replace(&mut *pair, ZERO)),
        Err(LockError::OwnerDied(died)) => {
            let value = *died.value();
            drop(died.repair(|pair| *pair = ZERO));
            Found::Died(value)
        }
        Err(LockError::NotRecoverable) => {
            drop(PAIR.lock_or_repair(|pair| *pair = ZERO));
            Found::GivenUp
        }
        Err(error) => return Err(format!("the survivor is refused: {error}")),
    };
    match PAIR.lock() {
        Ok(pair) if *pair == ZERO => {}
        Ok(pair) => return Err(format!("after the repair it is {:?}", *pair)),
        Err(error) => return Err(format!("after the repair: {error}")),
    }
    drop(WARM.lock_or_repair(|_| {}));
    crate::attach::dead_are_not_listed(death.pid)?;
    Ok(found)
}

fn one_of(death: &Death, before: &[Found], after: &[Found]) -> Result<(), String> {
    let found = find(death)?;
    let allowed = if death.is_finished { after } else { before };
    if allowed.contains(&found) {
        return Ok(());
    }
    let finished = if death.is_finished { "finished" } else { "unfinished" };
    Err(format!("{finished}, found {found:?}; allowed: {allowed:?}"))
}

fn nothing(death: &Death) -> Result<(), String> {
    one_of(death, &[Found::Clean(ZERO)], &[Found::Clean(ZERO)])
}

fn nothing_or_died(death: &Death) -> Result<(), String> {
    one_of(death, &[Found::Clean(ZERO), Found::Died(ZERO)], &[Found::Died(ZERO)])
}

fn changed_or_died(death: &Death) -> Result<(), String> {
    let before = [Found::Died(ZERO), Found::Died(HALF), Found::Died(ONE), Found::Clean(ONE)];
    one_of(death, &before, &[Found::Clean(ONE)])
}

fn half_or_died(death: &Death) -> Result<(), String> {
    one_of(death, &[Found::Died(HALF)], &[Found::Died(HALF)])
}

fn repaired_or_died(death: &Death) -> Result<(), String> {
    let half_repaired = Pair { left: 0, right: 1 };
    let died = [HALF, ONE, half_repaired].map(Found::Died);
    let [a, b, c] = died;
    one_of(death, &[a, b, c, Found::Clean(ONE)], &[Found::Clean(ONE)])
}

fn given_up_or_died(death: &Death) -> Result<(), String> {
    one_of(death, &[Found::Died(HALF), Found::GivenUp], &[Found::GivenUp])
}

fn out_or_not(death: &Death) -> Result<(), String> {
    let before = [Found::GivenUp, Found::Died(HALF), Found::Died(ONE), Found::Clean(ONE)];
    one_of(death, &before, &[Found::Clean(ONE)])
}

fn panicked(death: &Death) -> Result<(), String> {
    one_of(death, &[Found::Died(ZERO), Found::Died(HALF)], &[Found::Died(HALF)])
}

fn second_came_through(death: &Death) -> Result<(), String> {
    // Whoever was last: a child that waited may have been killed as the owner after the second process.
    let found = [Found::Clean(SEVEN), Found::Died(SEVEN)];
    one_of(death, &found, &[Found::Clean(SEVEN), Found::Died(SEVEN)])
}
