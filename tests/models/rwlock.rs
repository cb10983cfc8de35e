//! `RwLock`: writers alone, readers together, deaths of either.

use std::time::Duration;

use cotenant::sync::{LockError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use crate::room::{Pair, Room};
use crate::world::{Tasks, explore, one_of, share, step};

/// Fewer cells than readers, so that they wait for cells too.
type Lock = RwLock<Pair, 2>;
type Reading<'a> = RwLockReadGuard<'a, Pair, 2>;
type Writing<'a> = RwLockWriteGuard<'a, Pair, 2>;

fn look(room: &Room, pair: &Reading<'_>) {
    let _inside = room.read(2);
    pair.look();
}

fn change(room: &Room, pair: &Writing<'_>) {
    let _inside = room.write();
    pair.look();
    pair.change();
}

fn read(lock: &Lock) -> Reading<'_> {
    lock.read_or_repair(|pair| pair.repair())
}

fn write(lock: &Lock) -> Writing<'_> {
    lock.write_or_repair(|pair| pair.repair())
}

#[test]
fn readers_and_writers() {
    explore(2, || {
        let (lock, room) = (share(Lock::default()), share(Room::default()));
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(|| (0..2).for_each(|_| look(room, &read(lock))));
            tasks.spawn(|| change(room, &write(lock)));
        }
        tasks.join();
        change(room, &write(lock));
    });
}

#[test]
fn more_readers_than_cells() {
    explore(2, || {
        let (lock, room) = (share(Lock::default()), share(Room::default()));
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(|| (0..2).for_each(|_| look(room, &read(lock))));
        }
        tasks.spawn(|| change(room, &write(lock)));
        tasks.join();
        change(room, &write(lock));
    });
}

/// A thread reads once more while it reads, past a writer that waits; another one, too.
#[test]
fn reading_while_reading() {
    explore(1, || {
        let (lock, room) = (share(Lock::default()), share(Room::default()));
        let mut tasks = Tasks::default();
        tasks.spawn(|| {
            let outer = read(lock);
            step();
            let inner = lock.read();
            match inner {
                Ok(inner) => {
                    if one_of(2) == 0 {
                        drop(outer);
                    }
                    look(room, &inner);
                }
                Err(error) => panic!("{error}"),
            }
        });
        for _ in 0..2 {
            tasks.spawn(|| change(room, &write(lock)));
        }
        tasks.join();
        change(room, &write(lock));
    });
}

#[test]
fn tries_and_timeouts() {
    explore(2, || {
        let (lock, room) = (share(Lock::default()), share(Room::default()));
        let mut tasks = Tasks::default();
        tasks.spawn(|| look(room, &read(lock)));
        tasks.spawn(|| change(room, &write(lock)));
        tasks.spawn(|| {
            let locked = if one_of(2) == 0 { lock.try_read() } else { lock.read_timeout(Duration::ZERO) };
            match locked {
                Ok(guard) => look(room, &guard),
                Err(TryLockError::Lock(LockError::OwnerDied(died))) => change(room, &died.repair(|it| it.repair())),
                Err(TryLockError::WouldBlock | TryLockError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        });
        tasks.spawn(|| {
            let locked = if one_of(2) == 0 { lock.try_write() } else { lock.write_timeout(Duration::ZERO) };
            match locked {
                Ok(guard) => change(room, &guard),
                Err(TryLockError::Lock(LockError::OwnerDied(died))) => change(room, &died.repair(|it| it.repair())),
                Err(TryLockError::WouldBlock | TryLockError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        });
        tasks.join();
        change(room, &write(lock));
        look(room, &read(lock));
    });
}

/// Between writing and reading nobody else writes.
#[test]
fn downgrade() {
    explore(2, || {
        let (lock, room) = (share(Lock::default()), share(Room::default()));
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(|| {
                let guard = write(lock);
                change(room, &guard);
                let changes = guard.look();
                let guard = guard.downgrade();
                assert_eq!(guard.look(), changes);
                look(room, &guard);
            });
        }
        tasks.spawn(|| look(room, &read(lock)));
        tasks.join();
        change(room, &write(lock));
    });
}
