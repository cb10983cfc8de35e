//! Many threads of many processes over one lock, also while processes are killed at random moments.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use cotenant::sync::{LockError, RwLockReadGuard, RwLockWriteGuard, WriterDied};

use crate::actor::{BARRIER, CHANGED, COUNTS, JOBS, PERMITS, RW, STRESS, actors, tests};
use crate::support::wait_until;

tests! {
    readers_and_writers_exclude_each_other,
    readers_and_writers_exclude_each_other_while_some_are_killed,
    no_more_hold_permits_than_there_are,
    permits_are_all_there_after_many_kills,
    every_job_is_taken_once,
    barrier_goes_on_after_many_kills,
}

type Value = [u64; 2];

/// Indices of what is said in `STRESS`: that it is enough, and how many rounds those that live have begun.
const STOP: usize = 0;
const ROUNDS: usize = 1;

/// What an actor does: a kind of stress, and how often in how many threads.
pub(crate) fn answer(verb: &str, times: &str, threads: &str) -> String {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let rounds = number(times);
    match verb {
        "rw" => in_threads(number(threads), |seed| read_and_write(rounds, seed)),
        "rw-until-stop" => in_threads(number(threads), |seed| {
            while STRESS[STOP].load(SeqCst) == 0 {
                read_and_write(rounds, seed ^ STRESS[ROUNDS].fetch_add(rounds, SeqCst) << 32);
            }
        }),
        "rounds" => STRESS[ROUNDS].load(SeqCst).to_string(),
        "stop" => STRESS[STOP].swap(1, SeqCst).to_string(),
        "permits" => in_threads(number(threads), |_| hold_permits(rounds)),
        "take" => in_threads(number(threads), |_| take_jobs(rounds)),
        "add" => in_threads(number(threads), |_| add_jobs(rounds)),
        // For ever: who is told this is killed.
        "hold-permits" => loop {
            drop((PERMITS.acquire(), PERMITS.acquire_timeout(Duration::from_millis(1))));
        },
        "pass-barrier" => loop {
            let _ = BARRIER.wait_timeout(Duration::from_millis(3));
        },
        "barrier-threads" => barrier_threads(rounds),
        _ => panic!("no such command: stress {verb}"),
    }
}

fn in_threads(threads: u64, work: impl Fn(u64) + Sync) -> String {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(u64::from(std::process::id()) << 8 | thread));
        }
    });
    "done".into()
}

fn barrier_threads(threads: u64) -> String {
    let led = std::thread::scope(|scope| {
        let arrive = || BARRIER.wait().expect("a participant").is_leader();
        let arriving: Vec<_> = (0..threads).map(|_| scope.spawn(arrive)).collect();
        arriving.into_iter().map(|it| u64::from(it.join().expect("the thread"))).sum::<u64>()
    });
    format!("{led} of {threads} led")
}

/// A writer changes both numbers, one after the other; nobody may see them differ.
fn read_and_write(rounds: u64, seed: u64) {
    let mut random = seed | 1;
    for _ in 0..rounds {
        // xorshift64 (Marsaglia, 2003)
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match random % 8 {
            0 | 1 => write(&mut written(RW.write()), random),
            2 => look(&written(RW.write()).downgrade()),
            // Nested, and the older one is dropped first.
            3 => {
                let mut older = read();
                for _ in 0..3 {
                    let younger = read();
                    look(&younger);
                    drop(std::mem::replace(&mut older, younger));
                    look(&older);
                }
            }
            4 => {
                if let Ok(guard) = RW.try_read() {
                    look(&guard);
                }
            }
            5 => {
                if let Ok(mut guard) = RW.write_timeout(Duration::from_micros(random % 300)) {
                    write(&mut guard, random);
                }
            }
            _ => look(&read()),
        }
    }
}

fn read() -> RwLockReadGuard<'static, Value> {
    match RW.read() {
        Ok(guard) => guard,
        Err(LockError::OwnerDied(died)) => repaired(died).downgrade(),
        Err(error) => panic!("{error}"),
    }
}

fn written(
    had: Result<RwLockWriteGuard<'static, Value>, LockError<WriterDied<'static, Value>>>,
) -> RwLockWriteGuard<'static, Value> {
    match had {
        Ok(guard) => guard,
        Err(LockError::OwnerDied(died)) => repaired(died),
        Err(error) => panic!("{error}"),
    }
}

fn repaired(died: WriterDied<'static, Value>) -> RwLockWriteGuard<'static, Value> {
    COUNTS[1].fetch_add(1, SeqCst);
    died.repair(|value| write(value, 5))
}

fn write(value: &mut Value, number: u64) {
    for half in value.iter_mut() {
        // Volatile: each store happens, with a look for another writer between.
        // SAFETY: the place is borrowed mutably.
        unsafe { std::ptr::from_mut(half).write_volatile(number) };
        std::hint::spin_loop();
    }
    look(value);
    assert_eq!(value[0], number, "another wrote in between");
}

fn look(value: &Value) {
    for _ in 0..3 {
        // SAFETY: the place is borrowed.
        let first = unsafe { (&raw const value[0]).read_volatile() };
        std::hint::spin_loop();
        // SAFETY: as above.
        let second = unsafe { (&raw const value[1]).read_volatile() };
        assert_eq!(first, second, "a half-changed value, under the lock");
    }
}

fn hold_permits(rounds: u64) {
    for _ in 0..rounds {
        let permit = PERMITS.acquire().expect("a participant");
        let holders = COUNTS[2].fetch_add(1, SeqCst) + 1;
        assert!(holders <= 2, "{holders} hold two permits");
        std::hint::spin_loop();
        COUNTS[2].fetch_sub(1, SeqCst);
        drop(permit);
    }
}

fn add_jobs(jobs: u64) {
    for _ in 0..jobs {
        *JOBS.lock().expect("clean") += 1;
        CHANGED.notify_one();
    }
}

fn take_jobs(jobs: u64) {
    for _ in 0..jobs {
        let taken = CHANGED.wait_while(JOBS.lock().expect("clean"), |jobs| *jobs == 0);
        *taken.expect("clean") -= 1;
        COUNTS[3].fetch_add(1, SeqCst);
    }
}

fn readers_and_writers_exclude_each_other() {
    let (_sandbox, mut peers) = actors::<4>();
    peers.iter_mut().for_each(|peer| peer.tell("stress rw 4000 3"));
    peers.iter().for_each(|peer| assert_eq!(peer.answer("stress rw"), "done"));
    assert!(peers[0].ask("rw write").starts_with("write "), "a clean lock");
}

/// Bounded by kills, not by time: after each, those that live must have gone on for some rounds.
fn readers_and_writers_exclude_each_other_while_some_are_killed() {
    let (sandbox, mut peers) = actors::<4>();
    let (looks_on, works) = peers.split_first_mut().expect("four");
    works.iter_mut().for_each(|peer| peer.tell("stress rw-until-stop 20 2"));
    let mut rounds = || looks_on.ask("stress rounds 0").parse::<u64>().expect("a number");
    for round in 0..40_u64 {
        let mut dies = sandbox.start("actor");
        dies.tell("stress rw 100000000 2");
        std::thread::sleep(Duration::from_millis(5 + round % 7));
        dies.kill();
        let enough = rounds() + 200;
        wait_until("those that live go on after a death", || rounds() >= enough);
    }
    assert_eq!(looks_on.ask("stress stop 0"), "0");
    works.iter().for_each(|peer| assert_eq!(peer.answer("stress rw-until-stop"), "done"));
    for command in ["rw write-or-repair 1", "drop", "rw try-read"] {
        let answer = looks_on.ask(command);
        assert!(!answer.starts_with("would"), "{command}: {answer}");
    }
}

fn no_more_hold_permits_than_there_are() {
    let (_sandbox, mut peers) = actors::<4>();
    peers.iter_mut().for_each(|peer| peer.tell("stress permits 3000 2"));
    peers.iter().for_each(|peer| assert_eq!(peer.answer("stress permits"), "done"));
    assert_eq!(peers[0].ask("permit available"), "2 of 2");
}

fn permits_are_all_there_after_many_kills() {
    let (sandbox, [mut lives]) = actors();
    for round in 0..20_u64 {
        let mut dies = sandbox.start("actor");
        dies.tell("stress hold-permits 0");
        std::thread::sleep(Duration::from_millis(2 + round % 5));
        dies.kill();
    }
    assert_eq!(lives.ask("permit acquire"), "had");
    assert_eq!(lives.ask("permit acquire"), "had");
    assert_eq!(lives.ask("permit try"), "would block");
}

fn every_job_is_taken_once() {
    let (_sandbox, mut peers) = actors::<4>();
    for (i, peer) in peers.iter_mut().enumerate() {
        peer.tell(if i % 2 == 0 { "stress take 2000 2" } else { "stress add 2000 2" });
    }
    peers.iter().for_each(|peer| assert_eq!(peer.answer("stress"), "done"));
    assert_eq!(peers[0].ask("jobs get"), "0");
}

fn barrier_goes_on_after_many_kills() {
    let (sandbox, [mut one, mut two, mut three]) = actors();
    for round in 0..15_u64 {
        let mut dying = [sandbox.start("actor"), sandbox.start("actor"), sandbox.start("actor")];
        dying.iter_mut().for_each(|peer| peer.tell("stress pass-barrier 0"));
        std::thread::sleep(Duration::from_millis(5 + round % 7));
        dying.iter_mut().for_each(crate::support::peer::Peer::kill);
    }
    for _ in 0..3 {
        one.tell("barrier wait");
        two.tell("barrier wait");
        let mut answers = [three.ask("barrier timeout 20000"), one.answer("barrier wait"), two.answer("barrier wait")];
        answers.sort();
        assert_eq!(answers, ["led", "passed", "passed"]);
    }
}
