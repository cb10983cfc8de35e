//! What is made of cells that name their holders: `Semaphore`, `Barrier`, `Leader`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cotenant::sync::{Barrier, Leader, Semaphore, TryLockError};

use crate::room::Room;
use crate::world::{Tasks, deaths, explore, one_of, share, step, wait_a_while};

/// Never more than the permits inside, and those of the dead come back.
#[test]
fn permits() {
    explore(2, || {
        let (semaphore, room) = (share(Semaphore::<3>::new(2)), share(Room::default()));
        let hold = || {
            let _permit = semaphore.acquire().expect("a participant");
            let _inside = room.read(2);
            step();
        };
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(move || (0..2).for_each(|_| hold()));
        }
        tasks.spawn(|| {
            let permit =
                if one_of(2) == 0 { semaphore.try_acquire() } else { semaphore.acquire_timeout(Duration::ZERO) };
            match permit {
                Ok(_permit) => drop(room.read(2)),
                Err(TryLockError::WouldBlock | TryLockError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        });
        tasks.join();
        let both = [semaphore.acquire(), semaphore.acquire()];
        assert!(both.iter().all(Result::is_ok) && semaphore.available() == 0);
        drop(both);
        assert_eq!(semaphore.available(), 2);
    });
}

/// One permit and three who want it: each sleeper is woken in its turn.
#[test]
fn one_permit() {
    explore(2, || {
        let (semaphore, room) = (share(Semaphore::<1>::new(1)), share(Room::default()));
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(|| {
                let _permit = semaphore.acquire().expect("a participant");
                drop(room.write());
            });
        }
        tasks.join();
        assert!(semaphore.acquire().is_ok());
    });
}

/// Three rounds of three: nobody is in a later round before all have come to it.
#[test]
fn rounds() {
    explore(0, || {
        let barrier = share(Barrier::<3>::new());
        let (come, leaders) = (share(AtomicU32::new(0)), share(AtomicU32::new(0)));
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(|| {
                for round in 1..=3 {
                    come.fetch_add(1, SeqCst);
                    let result = barrier.wait().expect("a participant");
                    leaders.fetch_add(u32::from(result.is_leader()), SeqCst);
                    assert!(come.load(SeqCst) >= 3 * round);
                }
            });
        }
        tasks.join();
        assert_eq!(leaders.load(SeqCst), 3);
    });
}

/// Some die at the barrier; others come in their place, and may have no time. Of two, two go on or one waits.
#[test]
fn dead_at_the_barrier() {
    explore(2, || {
        let barrier = share(Barrier::<2>::new());
        let (through, leaders) = (share(AtomicU32::new(0)), share(AtomicU32::new(0)));
        let ended = share(AtomicU32::new(0));
        let passed = |is_leader: bool| {
            through.fetch_add(1, SeqCst);
            leaders.fetch_add(u32::from(is_leader), SeqCst);
        };
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(move || passed(barrier.wait().expect("a participant").is_leader()));
        }
        let mut guest = Tasks::default();
        guest.spawn_immortal(move || {
            // Comes for a moment, again and again, until nobody is left to wait for.
            while ended.load(SeqCst) == 0 {
                match barrier.wait_timeout(Duration::ZERO) {
                    Ok(result) => passed(result.is_leader()),
                    Err(TryLockError::TimedOut) => wait_a_while(),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        tasks.join();
        ended.store(1, SeqCst);
        guest.join();
        let (through, leaders) = (through.load(SeqCst), leaders.load(SeqCst));
        assert!(through <= 2 * (leaders + deaths()) && leaders <= through, "{through} through, {leaders} leaders");
        assert!(deaths() > 0 || through == 2 * leaders, "{through} through, {leaders} leaders");
    });
}

/// Who is known to be dead has not come.
#[test]
fn dead_one_does_not_count() {
    explore(1, || {
        let barrier = share(Barrier::<2>::new());
        let mut tasks = Tasks::default();
        tasks.spawn(|| {
            let result = barrier.wait();
            assert!(result.is_ok());
        });
        let mut other = Tasks::default();
        other.spawn_immortal(|| {
            while deaths() == 0 {
                if barrier.wait_timeout(Duration::ZERO).is_ok() {
                    return;
                }
                wait_a_while();
            }
        });
        other.join();
        if tasks.join() == 0 {
            let late = barrier.wait_timeout(Duration::ZERO);
            assert!(late.is_err(), "went on with the dead");
        }
    });
}

/// One leads at a time, in a term higher than all before.
#[test]
fn terms() {
    explore(2, || {
        let (leader, room, term) = (share(Leader::new()), share(Room::default()), share(AtomicU64::new(0)));
        let lead = |mine: u64| {
            let _inside = room.write();
            step();
            assert!(term.swap(mine, SeqCst) < mine, "a term again");
        };
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(move || {
                for _ in 0..2 {
                    let leadership = leader.lead().expect("a participant");
                    lead(leadership.term());
                }
            });
        }
        tasks.spawn(move || {
            let led = if one_of(2) == 0 { leader.try_lead() } else { leader.lead_timeout(Duration::ZERO) };
            match led {
                Ok(leadership) => lead(leadership.term()),
                Err(TryLockError::WouldBlock | TryLockError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        });
        tasks.join();
        lead(leader.lead().expect("a participant").term());
        assert_eq!(leader.term(), term.load(SeqCst));
    });
}
