//! What only sleeps and wakes: `Condvar` (a `Bell`) and `Event`.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use cotenant::sync::{Condvar, Event, LockError, Mutex, MutexGuard, OwnerDied};

use crate::world::{Tasks, deaths, explore, share, sleepers, wait_a_while};

#[derive(Default)]
struct Queue {
    jobs: u32,
    is_closed: bool,
}

type Locked<'a> = Result<MutexGuard<'a, Queue>, LockError<OwnerDied<'a, Queue>>>;

fn locked(locked: Locked<'_>) -> MutexGuard<'_, Queue> {
    match locked {
        Ok(guard) => guard,
        // Each change of the queue is one store.
        Err(LockError::OwnerDied(died)) => died.repair(|_| ()),
        Err(error) => panic!("{error}"),
    }
}

/// Two put two jobs each into a queue, and two take them out: each job is announced to one.
#[test]
fn hand_over() {
    explore(2, || {
        let (queue, came) = (share(Mutex::new(Queue::default())), share(Condvar::new()));
        let done = share(AtomicU32::new(0));
        let (mut makers, mut takers) = (Tasks::default(), Tasks::default());
        for _ in 0..2 {
            takers.spawn(|| {
                for _ in 0..2 {
                    let mut guard = locked(queue.lock());
                    while guard.jobs == 0 && !guard.is_closed {
                        guard = locked(came.wait(guard));
                    }
                    if guard.jobs > 0 {
                        guard.jobs -= 1;
                        done.fetch_add(1, SeqCst);
                    }
                }
            });
            makers.spawn(|| {
                for _ in 0..2 {
                    locked(queue.lock()).jobs += 1;
                    came.notify_one();
                }
            });
        }
        makers.join();
        if deaths() == 0 {
            // Without the closing, which would wake whoever was forgotten.
            takers.join();
        }
        locked(queue.lock()).is_closed = true;
        came.notify_all();
        takers.join();
        assert!(deaths() > 0 || done.load(SeqCst) == 4);
    });
}

/// All who wait go on when they are all told.
#[test]
fn all_told_at_once() {
    explore(2, || {
        let (queue, came) = (share(Mutex::new(Queue::default())), share(Condvar::new()));
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(|| {
                let guard = locked(queue.lock());
                match came.wait_while(guard, |queue| !queue.is_closed) {
                    Ok(guard) => assert!(guard.is_closed),
                    Err(LockError::OwnerDied(died)) => drop(died.repair(|_| ())),
                    Err(error) => panic!("{error}"),
                }
            });
        }
        tasks.spawn_immortal(|| {
            locked(queue.lock()).is_closed = true;
            came.notify_all();
        });
        tasks.join();
    });
}

/// Another comes to wait, for something else, while all are told: the ring that it did not hear is nobody's loss.
#[test]
fn told_while_another_comes() {
    explore(1, || {
        let (queue, came) = (share(Mutex::new(Queue::default())), share(Condvar::new()));
        let wait_until = |is_over: fn(&Queue) -> bool| {
            let mut guard = locked(queue.lock());
            while !is_over(&guard) {
                guard = locked(came.wait(guard));
            }
        };
        let (mut tasks, mut others) = (Tasks::default(), Tasks::default());
        others.spawn(move || wait_until(|queue| queue.jobs > 0));
        tasks.spawn(move || wait_until(|queue| queue.is_closed));
        tasks.spawn_immortal(|| {
            locked(queue.lock()).is_closed = true;
            came.notify_all();
        });
        tasks.join();
        locked(queue.lock()).jobs = 1;
        came.notify_all();
        others.join();
    });
}

/// Who waits goes on when it is set, also if it is reset at once; and sees what was written before.
#[test]
fn event_set_and_reset() {
    explore(2, || {
        let (event, written) = (share(Event::new(false)), share(AtomicU32::new(0)));
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(|| {
                event.wait();
                assert_eq!(written.load(SeqCst), 1);
            });
        }
        let mut setter = Tasks::default();
        setter.spawn(|| {
            while sleepers() < 2 && deaths() == 0 {
                wait_a_while();
            }
            written.store(1, SeqCst);
            event.set();
            event.reset();
        });
        setter.join();
        if deaths() > 0 {
            // Who came late, or the setter died.
            written.store(1, SeqCst);
            event.set();
        }
        tasks.join();
    });
}

/// Setting and waiting alone: no second set heals a lost wake-up.
#[test]
fn event_set_once() {
    explore(1, || {
        let event = share(Event::new(false));
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(|| event.wait());
        }
        tasks.spawn_immortal(|| event.set());
        tasks.join();
        event.wait();
    });
}
