//! What takes a free lock makes no system call and asks no clock.
//!
//! A process gives both up: seccomp's strict mode leaves it `read`, `write` and `exit`, and the processor's counter,
//! which the clock without a system call reads, is forbidden. Anything else kills it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use cotenant::shared;
use cotenant::sync::{Condvar, Event, Mutex, Once, OnceCell, RwLock, Semaphore};

use crate::support::sandbox::Sandbox;
use crate::support::{Named, wait_until};

pub(crate) const TESTS: &[Named] = &[
    ("what_takes_a_free_lock_makes_no_system_call", what_takes_a_free_lock_makes_no_system_call),
    ("a_process_without_system_calls_is_killed_for_one", a_process_without_system_calls_is_killed_for_one),
];

const TIMES: u64 = 1_000_000;
/// Names what the process does when it is confined.
const WORK: &str = "COTENANT_TEST_WORK";
// prctl(2)
const PR_SET_TSC: i32 = 26;
const PR_TSC_SIGSEGV: usize = 2;

shared! {
    static COUNT: Mutex<u64> = Mutex::new(0);
    static LIMIT: RwLock<u64> = RwLock::new(1);
    static PLACES: Semaphore<4> = Semaphore::new(2);
    static STARTED: Once = Once::new();
    static CHOSEN: OnceCell<u64> = OnceCell::new();
    static OPEN: Event = Event::new(true);
    static CHANGED: Condvar = Condvar::new();
}

/// Everything that does not wait, once.
fn take_all() {
    *COUNT.lock().expect("the lock") += 1;
    *COUNT.try_lock().expect("the lock") += 1;
    let limit = *LIMIT.read().expect("the lock");
    *LIMIT.write().expect("the lock") = limit;
    drop(PLACES.try_acquire().expect("a permit"));
    drop(PLACES.acquire().expect("a permit"));
    STARTED.call_once(|| {}).expect("it was done");
    assert_eq!(CHOSEN.get_or_init(|| 7).ok(), Some(&7));
    OPEN.wait();
    CHANGED.notify_one();
}

/// A process of its own, which ends its only thread.
pub(crate) fn play() {
    let work: fn() = match std::env::var(WORK).as_deref() {
        Ok("locks") => || (0..TIMES).for_each(|_| take_all()),
        Ok("call") => std::thread::yield_now,
        Ok("clock") => || _ = std::hint::black_box(Instant::now()),
        other => panic!("{WORK} is {other:?}"),
    };
    // The first time takes a slot.
    take_all();
    // SAFETY: no pointer. Where the clock is no counter of the processor, it is a system call.
    unsafe { libc::prctl(PR_SET_TSC, PR_TSC_SIGSEGV) };
    // SAFETY: no pointer.
    let confined = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) };
    assert_eq!(confined, 0, "seccomp: {}", std::io::Error::last_os_error());
    work();
    // SAFETY: ends the only thread. (What ends a process otherwise is `exit_group`, which is forbidden.)
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

fn what_takes_a_free_lock_makes_no_system_call() {
    assert_eq!(end_of("locks").code(), Some(0), "killed for a system call or a look at the clock");
}

/// Otherwise the test above would say nothing.
fn a_process_without_system_calls_is_killed_for_one() {
    assert_eq!(end_of("call").signal(), Some(libc::SIGKILL), "yielding is a system call");
    let by_clock = end_of("clock").signal();
    assert!([Some(libc::SIGSEGV), Some(libc::SIGKILL)].contains(&by_clock), "looking at the clock: {by_clock:?}");
}

fn end_of(work: &str) -> ExitStatus {
    let sandbox = Sandbox::new();
    let mut process = sandbox.command("confined").env(WORK, work).spawn().expect("a process");
    let mut status = None;
    wait_until("the confined process ends", || {
        status = process.try_wait().expect("look at the process");
        status.is_some()
    });
    status.expect("it ended")
}
