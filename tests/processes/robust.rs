//! Who says that an owner died: the kernel at once, through the word, or the slot lock later. And words that name
//! nobody.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cotenant::shared;
use cotenant::sync::{LockError, Mutex};

use crate::mutex::A_WHILE;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;
use crate::support::{Named, ROLE, serve};

pub(crate) const TESTS: &[Named] = &[
    ("kernel_tells_of_the_death_of_a_large_owner", kernel_tells_of_the_death_of_a_large_owner),
    ("kernel_tells_of_the_outermost_lock_only", kernel_tells_of_the_outermost_lock_only),
    ("kernel_wakes_who_waits_for_the_dead", kernel_wakes_who_waits_for_the_dead),
    ("kernel_tells_of_an_owner_that_took_over", kernel_tells_of_an_owner_that_took_over),
    ("released_lock_is_not_marked_when_its_last_owner_dies", released_lock_is_not_marked_when_its_last_owner_dies),
    ("waiter_that_is_killed_marks_nothing", waiter_that_is_killed_marks_nothing),
    ("ended_thread_marks_nothing_that_it_leaked", ended_thread_marks_nothing_that_it_leaked),
    ("child_of_a_fork_marks_nothing", child_of_a_fork_marks_nothing),
    ("without_the_robust_list_the_slot_lock_tells", without_the_robust_list_the_slot_lock_tells),
    ("marked_word_of_a_living_owner_is_released_by_it", marked_word_of_a_living_owner_is_released_by_it),
    ("kernel_tells_of_an_owner_that_calls_exec", kernel_tells_of_an_owner_that_calls_exec),
    ("owner_that_calls_exec_after_the_name_is_gone_is_dead", owner_that_calls_exec_after_the_name_is_gone_is_dead),
    ("word_that_names_nobody_is_taken_over", word_that_names_nobody_is_taken_over),
    ("lock_with_a_timeout_gives_up_on_the_living_only", lock_with_a_timeout_gives_up_on_the_living_only),
    ("lock_that_was_given_up_is_reset", lock_that_was_given_up_is_reset),
    ("waiting_thread_says_what_it_waits_for", waiting_thread_says_what_it_waits_for),
];

pub(crate) const OWNER_DIED: u64 = 1 << 30;
const WAITERS: u64 = 1 << 31;
pub(crate) const THREAD_ID: u64 = OWNER_DIED - 1;

shared! {
    static OUTER: Mutex<u64> = Mutex::new(1);
    static INNER: Mutex<u64> = Mutex::new(2);
}

fn lock_of(name: &str) -> &'static Mutex<u64> {
    match name {
        "outer" => &OUTER,
        "inner" => &INNER,
        _ => panic!("no such lock: {name}"),
    }
}

/// A mutex begins with its lock word: docs/format.md.
fn word_of(name: &str) -> &'static AtomicU64 {
    // SAFETY: the word is aligned, lives as long as the static, and is only ever used atomically.
    unsafe { &*std::ptr::from_ref(lock_of(name)).cast::<AtomicU64>() }
}

pub(crate) fn play() {
    serve::stdin(answer);
}

/// One command; the answer is one line.
fn answer(line: &str) -> String {
    let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "lock" => said(lock_of(argument).lock().map(std::mem::forget)),
        "try" => said(lock_of(argument).try_lock().map(std::mem::forget)),
        "timed" => said(lock_of(argument).lock_timeout(Duration::from_millis(30)).map(std::mem::forget)),
        // Locks, unlocks, and says what was found.
        "pass" => said(lock_of(argument).lock().map(drop)),
        "hold-while" => {
            let guard = lock_of("outer").lock().expect("a clean lock");
            word_of("outer").fetch_and(!THREAD_ID, Relaxed);
            word_of("outer").fetch_or(OWNER_DIED, Relaxed);
            drop(guard);
            format!("{:x}", word_of("outer").load(Relaxed))
        }
        "give-up" => match lock_of(argument).lock() {
            Err(LockError::OwnerDied(died)) => {
                died.give_up();
                "gave up".into()
            }
            other => said(other.map(drop)),
        },
        "repair" => match lock_of(argument).lock() {
            Err(LockError::OwnerDied(died)) => {
                std::mem::forget(died.repair(|value| *value = 9));
                "repaired".into()
            }
            other => said(other.map(drop)),
        },
        "reset" => said(lock_of(argument).reset(77)),
        "value" => lock_of(argument).lock().map_or_else(|error| error.to_string(), |value| value.to_string()),
        "leak-in-thread" => {
            let leaks = || std::mem::forget(OUTER.lock().expect("a clean lock"));
            std::thread::spawn(leaks).join().expect("the thread");
            "leaked".into()
        }
        "without-list" => {
            cotenant::__private::use_robust_list(false);
            "off".into()
        }
        "grow" => {
            // Never freed: resident to the end.
            let bytes = argument.parse::<usize>().expect("a number") << 20;
            std::hint::black_box(Vec::leak(vec![1_u8; bytes]));
            "grown".into()
        }
        "word" => format!("{:x}", word_of(argument).load(Relaxed)),
        "set-word" => {
            let word = u64::from_str_radix(argument, 16).expect("a number");
            word_of("outer").store(word, Relaxed);
            "set".into()
        }
        "await-mark" => {
            while word_of(argument).load(Relaxed) & OWNER_DIED == 0 {
                std::thread::yield_now();
            }
            format!("{:x}", word_of(argument).load(Relaxed))
        }
        "await-waiter" => {
            while word_of(argument).load(Relaxed) & WAITERS == 0 {
                std::thread::yield_now();
            }
            "somebody waits".into()
        }
        // Another thread goes on; to the system the process looks as if it were about to end.
        "first-thread-ends" => {
            // The first one keeps the lock of `stdin()`.
            let commands = std::fs::File::open("/dev/stdin").expect("the pipe of commands");
            let serve =
                || BufReader::new(commands).lines().for_each(|line| println!("{}", answer(&line.expect("one"))));
            std::thread::spawn(serve);
            println!("ends");
            // SAFETY: no pointer; this thread ends, and runs nothing any more.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
            unreachable!("a thread that has ended")
        }
        "exec" => panic!("exec: {}", Command::new("/proc/self/exe").env(ROLE, "robust").exec()),
        "fork-and-end" => {
            // SAFETY: this process has one thread.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: no pointer; the child ends.
                unsafe { libc::raise(libc::SIGKILL) };
            }
            // SAFETY: waits for the child just made, without a place for its status.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            "child is dead".into()
        }
        _ => panic!("no such command: {line}"),
    }
}

fn said(locked: Result<(), impl std::fmt::Display>) -> String {
    locked.map_or_else(|error| error.to_string(), |()| "clean".into())
}

pub(crate) fn word(peer: &mut Peer, lock: &str) -> u64 {
    u64::from_str_radix(&peer.ask(&format!("word {lock}")), 16).expect("a number")
}

pub(crate) fn died(peer: &Peer) -> String {
    format!("process {} (processes", peer.pid)
}

pub(crate) fn two() -> (Sandbox, Peer, Peer) {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.start("robust"), sandbox.start("robust"));
    (sandbox, one, two)
}

/// Nobody who locks looks at the word meanwhile: the mark in it is the kernel's.
fn kernel_tells_of_the_death_of_a_large_owner() {
    let (_sandbox, mut owner, mut watcher) = two();
    owner.ask("grow 256");
    assert_eq!(owner.ask("lock outer"), "clean");
    let held = word(&mut watcher, "outer");
    watcher.tell("await-mark outer");
    owner.kill();
    let marked = watcher.answer("await-mark");
    assert_eq!(marked, format!("{:x}", held & !THREAD_ID | OWNER_DIED), "still names the owner's slot");
    let found = watcher.ask("try outer");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

fn kernel_tells_of_the_outermost_lock_only() {
    let (_sandbox, mut owner, mut next) = two();
    owner.ask("lock outer");
    owner.ask("lock inner");
    let inner = word(&mut next, "inner");
    next.tell("await-mark outer");
    owner.kill();
    next.answer("await-mark");
    assert_eq!(word(&mut next, "inner"), inner, "found by the slot lock when somebody asks");
    for lock in ["inner", "outer"] {
        let found = next.ask(&format!("lock {lock}"));
        assert!(found.starts_with(&died(&owner)), "{found}");
    }
}

fn kernel_wakes_who_waits_for_the_dead() {
    let (sandbox, mut owner, mut waits) = two();
    let mut watcher = sandbox.start("robust");
    owner.ask("lock outer");
    waits.tell("lock outer");
    watcher.ask("await-waiter outer");
    owner.kill();
    let found = waits.answer("lock");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

fn kernel_tells_of_an_owner_that_took_over() {
    let (sandbox, mut first, mut second) = two();
    let mut watcher = sandbox.start("robust");
    first.ask("lock outer");
    first.kill();
    assert_eq!(second.ask("repair outer"), "repaired");
    watcher.tell("await-mark outer");
    second.kill();
    watcher.answer("await-mark");
    let found = watcher.ask("lock outer");
    assert!(found.starts_with(&died(&second)), "{found}");
}

fn released_lock_is_not_marked_when_its_last_owner_dies() {
    let (_sandbox, mut owner, mut other) = two();
    assert_eq!(owner.ask("pass outer"), "clean");
    owner.ask("lock inner");
    other.tell("await-mark inner");
    owner.kill();
    other.answer("await-mark");
    assert_eq!(word(&mut other, "outer"), 0);
    assert_eq!(other.ask("lock outer"), "clean");
}

fn waiter_that_is_killed_marks_nothing() {
    let (sandbox, mut owner, mut waits) = two();
    let mut other = sandbox.start("robust");
    owner.ask("lock outer");
    waits.tell("lock outer");
    other.ask("await-waiter outer");
    waits.kill();
    assert_eq!(word(&mut other, "outer") & OWNER_DIED, 0);
    assert_eq!(other.ask("try outer"), "somebody else holds the lock");
}

fn ended_thread_marks_nothing_that_it_leaked() {
    let (_sandbox, mut owner, mut other) = two();
    assert_eq!(owner.ask("leak-in-thread"), "leaked");
    let held = word(&mut other, "outer");
    assert_eq!(held & OWNER_DIED, 0);
    assert_eq!(other.ask("try outer"), "somebody else holds the lock");
    owner.kill();
    let found = other.ask("lock outer");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

fn child_of_a_fork_marks_nothing() {
    let (_sandbox, mut owner, mut other) = two();
    owner.ask("lock outer");
    assert_eq!(owner.ask("fork-and-end"), "child is dead");
    assert_eq!(word(&mut other, "outer") & OWNER_DIED, 0);
    assert_eq!(other.ask("try outer"), "somebody else holds the lock");
    other.tell("await-mark outer");
    owner.kill();
    other.answer("await-mark");
}

fn without_the_robust_list_the_slot_lock_tells() {
    let (_sandbox, mut owner, mut next) = two();
    owner.ask("without-list");
    owner.ask("lock outer");
    let held = word(&mut next, "outer");
    owner.kill();
    owner.wait();
    assert_eq!(word(&mut next, "outer"), held);
    let found = next.ask("lock outer");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

/// The kernel may be wrong: in another PID namespace a thread has the owner's number.
fn marked_word_of_a_living_owner_is_released_by_it() {
    let (_sandbox, mut owner, mut other) = two();
    assert_eq!(u64::from_str_radix(&owner.ask("hold-while"), 16).expect("a number") & 0xffff_ffff, 0);
    assert_eq!(other.ask("lock outer"), "clean");
}

fn kernel_tells_of_an_owner_that_calls_exec() {
    let (_sandbox, mut owner, mut other) = two();
    owner.ask("lock outer");
    other.tell("await-mark outer");
    owner.tell("exec");
    other.answer("await-mark");
    let found = other.ask("lock outer");
    assert!(found.starts_with(&died(&owner)), "{found}");
    owner.ask("word outer");
}

/// Its process lives, and the file of its slot lock cannot be opened any more.
fn owner_that_calls_exec_after_the_name_is_gone_is_dead() {
    let (sandbox, mut owner, mut other) = two();
    owner.ask("without-list");
    owner.ask("lock outer");
    for name in sandbox.files() {
        std::fs::remove_file(sandbox.path().join(name)).expect("a file of the test's");
    }
    other.tell("lock outer");
    other.expect_silence(A_WHILE, "the owner lives");
    owner.tell("exec");
    let found = other.answer("lock");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

fn word_that_names_nobody_is_taken_over() {
    let (_sandbox, mut one, mut other) = two();
    let held = {
        one.ask("lock inner");
        word(&mut one, "inner")
    };
    let slot_beyond_the_table = 0xfff0_0002_0000_0007_u64;
    let slot_that_was_never_held = 0x3e80_0002_0000_0007_u64;
    let no_slot = 7;
    let later_generation = held + (1 << 33);
    for word in [slot_beyond_the_table, slot_that_was_never_held, no_slot, later_generation, OWNER_DIED | 1 << 52] {
        one.ask(&format!("set-word {word:x}"));
        let found = other.ask("try outer");
        assert!(found.ends_with("died or panicked while it held the lock"), "{word:x}: {found}");
    }
}

fn lock_with_a_timeout_gives_up_on_the_living_only() {
    let (_sandbox, mut owner, mut other) = two();
    owner.ask("lock outer");
    assert_eq!(other.ask("timed outer"), "somebody else held the lock for the whole time");
    owner.kill();
    let found = other.ask("lock outer");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

fn lock_that_was_given_up_is_reset() {
    let (sandbox, mut owner, mut other) = two();
    owner.ask("lock outer");
    owner.kill();
    assert_eq!(other.ask("give-up outer"), "gave up");
    assert_eq!(other.ask("try outer"), "whoever was to repair the locked value gave up");
    assert_eq!(other.ask("reset outer"), "clean");
    assert_eq!(sandbox.start("robust").ask("value outer"), "77");
    other.ask("lock outer");
    assert_eq!(other.ask("reset outer"), "this thread holds the lock already");
}

fn waiting_thread_says_what_it_waits_for() {
    let (sandbox, mut owner, mut waits) = two();
    owner.ask("lock inner");
    waits.tell("lock inner");
    waits.expect_silence(A_WHILE, "the lock is held");
    let segments = sandbox.files().into_iter().map(|name| sandbox.path().join(name));
    let segment = segments.into_iter().find(|path| waits_in(path) != 0).expect("somebody waits there");
    let at = waits_in(&segment);
    let bytes = std::fs::read(&segment).expect("the segment");
    let there = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    assert_eq!(there, word(&mut owner, "inner"), "the place leads to the lock word");
    owner.kill();
    waits.answer("lock");
    assert_eq!(waits_in(&segment), 0);
}

/// `waits_for_at` of any participant: docs/format.md.
fn waits_in(segment: &std::path::Path) -> usize {
    let bytes = std::fs::read(segment).expect("the segment");
    let places =
        bytes[4096..8192].chunks_exact(64).map(|entry| u64::from_le_bytes(entry[56..64].try_into().expect("8")));
    // All ones, of a dead one: its death is among the events.
    places.into_iter().find(|at| *at != 0 && *at != u64::MAX).unwrap_or(0) as usize
}
