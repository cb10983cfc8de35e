//! The lock family in memory that is not shared: between the threads of one process, as std's.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use cotenant::sync::{
    Barrier, Condvar, Event, Leader, LockError, Mutex, Once, OnceCell, RwLock, Semaphore, TimedOut, TryLockError,
};

use crate::actor::tests;

tests! {
    rwlock_excludes_threads,
    rwlock_tells_of_a_panic,
    rwlock_in_a_static_and_by_default,
    condvar_hands_over_between_threads,
    once_is_done_by_one_thread,
    once_cell_is_made_by_one_thread,
    semaphore_lets_so_many_threads_in,
    barrier_holds_threads_up,
    event_wakes_threads,
    leader_is_one_of_the_threads,
    zero_bytes_are_values,
    errors_say_what_was_waited_for,
    errors_outlive_their_locks,
    values_become_locks,
}

const A_MOMENT: Duration = Duration::from_millis(20);

fn rwlock_excludes_threads() {
    let lock = RwLock::<[u64; 2], 5>::new([0, 0]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3000 {
                    let value = lock.read().expect("clean");
                    assert_eq!(value[0], value[1]);
                    drop(value);
                    let mut value = lock.write().expect("clean");
                    value[0] += 1;
                    std::hint::spin_loop();
                    value[1] += 1;
                }
            });
        }
    });
    assert_eq!(lock.into_inner().expect("clean"), [12_000, 12_000]);
}

fn rwlock_tells_of_a_panic() {
    let mut lock = RwLock::<_>::new(1);
    let panicked = thread::scope(|scope| {
        scope
            .spawn(|| {
                let mut value = lock.write().expect("clean");
                *value = 2;
                std::panic::resume_unwind(Box::new("as the test asked"));
            })
            .join()
    });
    assert!(panicked.is_err());
    let Err(LockError::OwnerDied(died)) = lock.read() else { panic!("nobody was told") };
    assert_eq!((*died.value(), died.owner()), (2, None));
    drop(died);
    assert!(matches!(lock.get_mut(), Err(LockError::OwnerDied(2))));
    lock.reset(3).expect("reset");
    assert_eq!(lock.get_mut().ok(), Some(&mut 3));
    assert_eq!(format!("{lock:?}"), "RwLock { value: 3 }");
    let _writing = lock.write();
    assert!(format!("{lock:?}").contains("holds the lock already"));
}

fn rwlock_in_a_static_and_by_default() {
    static LOCK: RwLock<u8, 1> = RwLock::new(7);
    let reading = LOCK.read().expect("clean");
    assert!(matches!(LOCK.read(), Err(LockError::WouldDeadlock)), "one reader is all there may be");
    let other = thread::spawn(|| matches!(LOCK.read_timeout(A_MOMENT), Err(TryLockError::TimedOut)));
    assert!(other.join().expect("the thread"));
    drop(reading);
    assert_eq!(*LOCK.read().expect("clean") + *RwLock::<u8>::default().read().expect("clean"), 7);
}

fn condvar_hands_over_between_threads() {
    let (jobs, changed) = (Mutex::new(0_u32), Condvar::new());
    let taken = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let mut jobs = changed.wait_while(jobs.lock().expect("clean"), |jobs| *jobs == 0).expect("clean");
                    *jobs -= 1;
                    taken.fetch_add(1, SeqCst);
                }
            });
        }
        for _ in 0..3000 {
            *jobs.lock().expect("clean") += 1;
            changed.notify_one();
        }
    });
    assert_eq!((taken.into_inner(), *jobs.lock().expect("clean")), (3000, 0));
    let (_, result) = changed.wait_timeout(jobs.lock().expect("clean"), Duration::from_millis(1)).expect("clean");
    assert!(result.timed_out());
}

fn once_is_done_by_one_thread() {
    let (once, times) = (Once::new(), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let call = || {
                    thread::sleep(A_MOMENT);
                    times.fetch_add(1, SeqCst);
                };
                once.call_once(call).expect("not inside of itself");
                assert_eq!(times.load(SeqCst), 1, "it is done when the call returns");
            });
        }
    });
}

fn once_cell_is_made_by_one_thread() {
    let cell = OnceCell::new();
    thread::scope(|scope| {
        let waits = scope.spawn(|| *cell.wait());
        let makers: Vec<_> = (0..4_u32)
            .map(|i| {
                scope.spawn({
                    let cell = &cell;
                    move || *cell.get_or_init(|| i).expect("made")
                })
            })
            .collect();
        let made: Vec<_> = makers.into_iter().map(|it| it.join().expect("the thread")).collect();
        assert!(made.iter().all(|it| *it == made[0]));
        assert_eq!(waits.join().expect("the thread"), made[0]);
    });
    assert!(cell.set(9).is_err());
    assert_eq!(
        format!("{cell:?} {:?}", OnceCell::<u8>::new()),
        format!("OnceCell({}) OnceCell(<not set>)", cell.get().expect("set"))
    );
}

fn semaphore_lets_so_many_threads_in() {
    let (semaphore, inside) = (Semaphore::<3>::new(3), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _permit = semaphore.acquire().expect("a permit");
                    assert!(inside.fetch_add(1, SeqCst) < 3);
                    thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                }
            });
        }
    });
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 3, permits: 3 }");
    let all: Vec<_> = std::iter::from_fn(|| semaphore.try_acquire().ok()).collect();
    assert_eq!(all.len(), 3);
    assert!(matches!(semaphore.acquire_timeout(A_MOMENT), Err(TryLockError::TimedOut)));
}

fn barrier_holds_threads_up() {
    let (barrier, arrived) = (Barrier::<4>::new(), AtomicU32::new(0));
    let arrive_twenty_times = || {
        (0..20_u32)
            .filter(|round| {
                arrived.fetch_add(1, SeqCst);
                let led = barrier.wait().expect("all come").is_leader();
                assert!(arrived.load(SeqCst) >= 4 * (round + 1), "somebody had not come");
                barrier.wait().expect("all come");
                led
            })
            .count()
    };
    let led: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(arrive_twenty_times)).collect();
        threads.into_iter().map(|it| it.join().expect("the thread")).sum()
    });
    assert_eq!(led, 20, "one of four leads");
    assert!(Barrier::<1>::new().wait().expect("alone").is_leader());
    assert!(matches!(barrier.wait_timeout(A_MOMENT), Err(TryLockError::TimedOut)));
}

fn event_wakes_threads() {
    let event = Event::new(false);
    thread::scope(|scope| {
        let waits: Vec<_> = (0..3).map(|_| scope.spawn(|| event.wait())).collect();
        assert_eq!(event.wait_timeout(A_MOMENT), Err(TimedOut));
        event.set();
        waits.into_iter().for_each(|it| it.join().expect("the thread"));
    });
    assert!(event.is_set() && Event::new(true).is_set() && !Event::default().is_set());
}

fn leader_is_one_of_the_threads() {
    let (leader, leads) = (Leader::new(), AtomicU32::new(0));
    assert_eq!(leader.current(), None);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let leadership = leader.lead().expect("a leadership");
                    assert_eq!(leads.fetch_add(1, SeqCst), 0, "two lead");
                    assert_eq!(leadership.term(), leader.term());
                    leads.fetch_sub(1, SeqCst);
                }
            });
        }
    });
    assert_eq!(leader.term(), 800);
    let _leadership = leader.try_lead().expect("free");
    assert_eq!(leader.current().map(|it| it.pid), Some(std::process::id()));
    assert!(matches!(leader.try_lead(), Err(TryLockError::Lock(LockError::WouldDeadlock))));
    let other = || matches!(leader.try_lead(), Err(TryLockError::WouldBlock));
    assert!(thread::scope(|scope| scope.spawn(other).join().expect("the thread")));
}

fn errors_say_what_was_waited_for() {
    let barrier = Barrier::<2>::new();
    let late = barrier.wait_timeout(Duration::ZERO).expect_err("nobody else comes");
    assert_eq!(late.to_string(), "the others have not come in time");
    let semaphore = Semaphore::<1>::new(0);
    let late = semaphore.acquire_timeout(Duration::ZERO).expect_err("there is none");
    assert_eq!(late.to_string(), "no permit became free in time");
    assert_eq!(semaphore.try_acquire().expect_err("there is none").to_string(), "all permits are taken");
    let (leader, once, cell) = (Leader::new(), Once::new(), OnceCell::<u32>::new());
    let _leadership = leader.lead().expect("free");
    let led = || leader.lead_timeout(Duration::ZERO).expect_err("led").to_string();
    assert_eq!(in_a_thread(led), "somebody else led for the whole time");
    let outcome = once.call_once(|| {
        let late = || once.call_once_timeout(Duration::ZERO, || ()).expect_err("begun").to_string();
        assert_eq!(in_a_thread(late), "whoever is at it has not finished in time");
    });
    outcome.expect("done");
    let made = cell.get_or_init(|| {
        let late = || cell.get_or_init_timeout(Duration::ZERO, || 1).expect_err("begun").to_string();
        assert_eq!(in_a_thread(late), "whoever is at it has not finished in time");
        2
    });
    assert_eq!(made.expect("made"), &2);
    let mutex = Mutex::new(1);
    let _held = mutex.lock().expect("clean");
    let held = || mutex.lock_timeout(Duration::ZERO).expect_err("held").to_string();
    assert_eq!(in_a_thread(held), "somebody else held the lock for the whole time");
}

fn in_a_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join().expect("the thread"))
}

/// `?` on a lock that does not live as long as the error.
fn errors_outlive_their_locks() {
    use cotenant::ErrorKind;
    fn twice() -> cotenant::Result<()> {
        let total = Mutex::new(1);
        let _first = total.lock()?;
        drop(total.lock_timeout(Duration::ZERO)?);
        Ok(())
    }
    fn without_end() -> Result<(), Box<dyn std::error::Error>> {
        let total = RwLock::<u32, 2>::new(1);
        let _first = total.write().map_err(cotenant::Error::from)?;
        let _second = total.read().map_err(cotenant::Error::from)?;
        Ok(())
    }
    assert_eq!(twice().expect_err("held").kind(), ErrorKind::WouldDeadlock);
    assert_eq!(without_end().expect_err("held").to_string(), "this thread holds the lock already");
    let total = Mutex::new(1);
    let panics = || {
        let _held = total.lock().expect("clean");
        panic!("half-way");
    };
    let panicked = thread::scope(|scope| scope.spawn(panics).join());
    assert!(panicked.is_err());
    let error = cotenant::Error::from(total.lock().expect_err("a dead owner"));
    assert_eq!(error.kind(), ErrorKind::OwnerDied);
    assert_eq!(format!("{error:?}"), format!("OwnerDied: {error}"));
    assert!(matches!(total.lock(), Err(LockError::OwnerDied(_))), "it is left to the next one");
    let semaphore = Semaphore::<1>::new(0);
    let kind = |error| cotenant::Error::from(error).kind();
    assert_eq!(semaphore.try_acquire().map_err(kind).err(), Some(ErrorKind::WouldBlock));
    assert_eq!(semaphore.acquire_timeout(Duration::ZERO).map_err(kind).err(), Some(ErrorKind::TimedOut));
}

fn values_become_locks() {
    assert_eq!(*Mutex::from(5).lock().expect("clean"), 5);
    assert_eq!(*RwLock::<_, 3>::from(5).read().expect("clean"), 5);
    let cell = OnceCell::from(5);
    assert_eq!((cell.get(), cell.get_or_init(|| 6).ok(), cell.set(7).is_err()), (Some(&5), Some(&5), true));
}

/// A segment's fresh bytes are zeros.
fn zero_bytes_are_values() {
    use cotenant::ProcessSync;
    const {
        assert!(RwLock::<u8>::ZERO_IS_VALID && Condvar::ZERO_IS_VALID && Once::ZERO_IS_VALID && Event::ZERO_IS_VALID);
        assert!(OnceCell::<char>::ZERO_IS_VALID && Semaphore::<2>::ZERO_IS_VALID && Barrier::<2>::ZERO_IS_VALID);
        assert!(Leader::ZERO_IS_VALID && RwLock::<u8>::IS_STABLE_LAYOUT && !RwLock::<(u8, u16)>::IS_STABLE_LAYOUT);
    }
    // SAFETY: the type says that zeros are a value of it.
    let cell: OnceCell<u32> = unsafe { std::mem::zeroed() };
    assert_eq!(cell.get(), None);
    // SAFETY: as above.
    let semaphore: Semaphore<2> = unsafe { std::mem::zeroed() };
    assert_eq!((semaphore.available(), semaphore.permits()), (0, 0));
}
