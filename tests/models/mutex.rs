//! `Mutex`: exclusion, no lost wake-up, and one `OwnerDied` for each death inside.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use cotenant::sync::{LockError, Mutex, MutexGuard, TryLockError};

use crate::room::{Pair, Room};
use crate::world::{Tasks, catch_panic, deaths, explore, one_of, panic_perhaps, share};

#[derive(Default)]
struct Bank {
    room: Room,
    noticed: AtomicU32,
}

impl Bank {
    fn lock<'a>(&self, total: &'a Mutex<Pair>) -> MutexGuard<'a, Pair> {
        match total.lock() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(died)) => {
                self.noticed.fetch_add(1, SeqCst);
                let _inside = self.room.write();
                died.repair(|pair| pair.repair())
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn change(&self, guard: &Pair) {
        let _inside = self.room.write();
        guard.look();
        guard.change();
    }
}

/// Three tasks lock twice each.
#[test]
fn one_at_a_time() {
    explore(2, || {
        let (total, bank) = (share(Mutex::new(Pair::default())), share(Bank::default()));
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(|| (0..2).for_each(|_| bank.change(&bank.lock(total))));
        }
        let lived = tasks.join() as u64;
        let changes = bank.lock(total).look();
        let dead = u64::from(deaths());
        assert!((2 * lived..=2 * (lived + dead)).contains(&changes), "{changes} changes by {lived}, {dead} dead");
        let (noticed, inside) = (bank.noticed.load(SeqCst), bank.room.died.load(SeqCst));
        assert!((inside..=deaths()).contains(&noticed), "{noticed} noticed, {inside} died inside");
    });
}

/// Some wait, some do not, some have no time.
#[test]
fn tries_and_timeouts() {
    explore(2, || {
        let (total, bank) = (share(Mutex::new(Pair::default())), share(Bank::default()));
        let mut tasks = Tasks::default();
        tasks.spawn(|| (0..2).for_each(|_| bank.change(&bank.lock(total))));
        for has_time in [false, true, true] {
            tasks.spawn(move || {
                let locked = if has_time { total.lock_timeout(Duration::ZERO) } else { total.try_lock() };
                match locked {
                    Ok(guard) => bank.change(&guard),
                    Err(TryLockError::Lock(LockError::OwnerDied(died))) => bank.change(&died.repair(|it| it.repair())),
                    Err(TryLockError::WouldBlock) => assert!(!has_time),
                    Err(TryLockError::TimedOut) => assert!(has_time),
                    Err(error) => panic!("{error}"),
                }
            });
        }
        tasks.spawn(|| bank.change(&bank.lock(total)));
        tasks.join();
        bank.change(&bank.lock(total));
    });
}

/// Who finds a dead owner leaves it so, gives up, repairs, or resets the value.
#[test]
fn dead_owner_left_given_up_and_reset() {
    explore(3, || {
        let (total, bank) = (share(Mutex::new(Pair::default())), share(Bank::default()));
        let mut tasks = Tasks::default();
        for _ in 0..4 {
            tasks.spawn(|| match total.lock() {
                Ok(guard) => bank.change(&guard),
                Err(LockError::OwnerDied(died)) => match one_of(4) {
                    0 => drop(died),
                    1 => died.give_up(),
                    2 => bank.change(&died.repair(|it| it.repair())),
                    _ => {
                        drop(died);
                        total.reset(Pair::default()).expect("nobody lives in there");
                        // Another may have died since.
                        total.lock_or_repair(|it| it.repair()).look();
                    }
                },
                Err(LockError::NotRecoverable) => bank.change(&total.lock_or_repair(|it| it.repair())),
                Err(error) => panic!("{error}"),
            });
        }
        tasks.join();
        bank.change(&total.lock_or_repair(|it| it.repair()));
        assert!(total.lock().is_ok(), "repaired");
    });
}

/// A panic inside is announced as a death is, and wakes those who sleep: no time-out does.
#[test]
fn panics() {
    explore(0, || {
        let (total, bank) = (share(Mutex::new(Pair::default())), share(Bank::default()));
        let change = move |guard: MutexGuard<'_, Pair>| {
            catch_panic(move || {
                let guard = guard;
                let _inside = bank.room.write();
                guard.look();
                guard.change_and(panic_perhaps);
            });
        };
        let mut tasks = Tasks::default();
        for _ in 0..4 {
            tasks.spawn(move || match total.lock() {
                Ok(guard) => change(guard),
                Err(LockError::OwnerDied(died)) => match one_of(3) {
                    0 => drop(died),
                    1 => died.give_up(),
                    _ => change(died.repair(|it| it.repair())),
                },
                Err(LockError::NotRecoverable) => change(total.lock_or_repair(|it| it.repair())),
                Err(error) => panic!("{error}"),
            });
        }
        tasks.join();
        total.lock_or_repair(|it| it.repair()).look();
        assert!(total.lock().is_ok(), "repaired");
    });
}
