//! Wake-ups between threads, with sleeps so long that a lost one is a test that never ends.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use super::{Barrier, Condvar, Event, Mutex, Once, RwLock, Semaphore};

const THREADS: u32 = 4;
const ROUNDS: u32 = 400;

fn in_threads(work: impl Fn(u32) + Sync) {
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
}

#[test]
fn permits_given_back_wake_those_who_wait() {
    let (semaphore, inside) = (Semaphore::<2>::new(2), AtomicU32::new(0));
    in_threads(|_| {
        for _ in 0..ROUNDS {
            let _permit = semaphore.acquire().expect("a permit");
            assert!(inside.fetch_add(1, SeqCst) < 2);
            thread::yield_now();
            inside.fetch_sub(1, SeqCst);
        }
    });
}

#[test]
fn readers_that_leave_wake_those_who_found_no_cell() {
    let lock = RwLock::<u32, 2>::new(0);
    in_threads(|thread| {
        for round in 0..ROUNDS {
            if (round + thread) % 8 == 0 {
                *lock.write().expect("clean") += 1;
            } else {
                let value = lock.read().expect("clean");
                thread::yield_now();
                drop(value);
            }
        }
    });
    assert_eq!(lock.into_inner().expect("clean"), THREADS * ROUNDS / 8);
}

#[test]
fn notifications_wake_those_who_wait() {
    for for_all in [false, true] {
        let (jobs, changed) = (Mutex::new(0_u32), Condvar::new());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let waited = changed.wait_while(jobs.lock().expect("clean"), |jobs| *jobs == 0);
                        *waited.expect("clean") -= 1;
                    }
                });
            }
            for _ in 0..THREADS * ROUNDS {
                *jobs.lock().expect("clean") += 1;
                if for_all { changed.notify_all() } else { changed.notify_one() }
            }
        });
    }
}

#[test]
fn last_arrival_wakes_those_who_wait() {
    let (barrier, led) = (Barrier::<4>::new(), AtomicU32::new(0));
    in_threads(|_| {
        for _ in 0..ROUNDS {
            led.fetch_add(u32::from(barrier.wait().expect("all come").is_leader()), SeqCst);
        }
    });
    assert_eq!(led.into_inner(), ROUNDS);
}

#[test]
fn event_and_once_wake_those_who_wait() {
    for _ in 0..ROUNDS {
        let (event, once) = (Event::new(false), Once::new());
        in_threads(|thread| match thread {
            0 => event.set(),
            1 => once.call_once(|| ()).expect("free"),
            2 => event.wait(),
            _ => once.wait(),
        });
    }
}
