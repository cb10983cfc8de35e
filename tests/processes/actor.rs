//! The peer of these tests: one process that does to the shared variables what a test tells it to.

use std::cell::RefCell;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicI8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use cotenant::sync::{LockError, Mutex, MutexGuard, OwnerDied, TryLockError};
use cotenant::{BlockState, ProcessSync, shared};

use crate::support::{ROLE, serve};

#[derive(ProcessSync)]
#[repr(C)]
pub(crate) struct Account {
    pub(crate) balance: u64,
    pub(crate) movements: [u32; 3],
    pub(crate) is_open: bool,
}

shared! {
    /// What most tests count.
    pub(crate) static COUNT: AtomicU64 = AtomicU64::new(5);
    pub(crate) static TINY: AtomicI8 = AtomicI8::new(-1);
    pub(crate) static SMALL: AtomicU16 = AtomicU16::new(2);
    pub(crate) static MIDDLE: AtomicU32 = AtomicU32::new(3);
    pub(crate) static ACCOUNT: Mutex<Account> =
        Mutex::new(Account { balance: 100, movements: [1, 2, 3], is_open: true });
    pub(crate) static NESTED: [AtomicU32; 300] = [const { AtomicU32::new(9) }; 300];
}

shared! {
    #![shared(keep = until_removed)]
    static KEPT: AtomicU64 = AtomicU64::new(50);
}

shared! {
    #![shared(name = "processes.named")]
    static NAMED: AtomicU64 = AtomicU64::new(500);
}

shared! {
    #![shared(name = "processes.alone", on_failure = private)]
    static ALONE: AtomicU64 = AtomicU64::new(0);
}

shared! {
    #![shared(attach = by_call)]
    static CALLED: AtomicU64 = AtomicU64::new(7);
}

enum Held {
    Nothing,
    Clean(MutexGuard<'static, Account>),
    Died(OwnerDied<'static, Account>),
}

thread_local! {
    /// What this process holds of `ACCOUNT`. A fork copies it.
    static HELD: RefCell<Held> = const { RefCell::new(Held::Nothing) };
}

pub(crate) fn play() {
    serve::stdin(answer);
}

/// One command; the answer is one line.
fn answer(line: &str) -> String {
    let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
    let number = || argument.parse::<u64>().expect("a number");
    match command {
        "get" => COUNT.load(Relaxed).to_string(),
        "add" => (COUNT.fetch_add(number(), Relaxed) + number()).to_string(),
        "widths" => widths(),
        "change-widths" => change_widths(),
        "kept" => (KEPT.fetch_add(number(), Relaxed) + number()).to_string(),
        "named" => (NAMED.fetch_add(number(), Relaxed) + number()).to_string(),
        "called" => (CALLED.fetch_add(number(), Relaxed) + number()).to_string(),
        "attach" => cotenant::attach().map_or_else(|error| error.to_string(), |()| "attached".into()),
        "state" => state(argument),
        "slot" => slot().map_or("none".into(), |slot| slot.to_string()),
        "fork" => fork(argument),
        "exec" => panic!("exec: {}", Command::new("/proc/self/exe").env(ROLE, "actor").exec()),
        "close" => close_from_3(),
        "pid" => std::process::id().to_string(),
        "reap" => {
            // SAFETY: without a place for the status. Waits for what has ended, never for what lives.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
            "reaped".into()
        }
        "daemonise" => daemonise(),
        "setuid" => set_user(number() as u32),
        _ => lock_command(command, argument),
    }
}

/// What concerns the mutex.
fn lock_command(command: &str, argument: &str) -> String {
    let number = || argument.parse::<u64>().expect("a number");
    match command {
        "lock" => hold(ACCOUNT.lock()),
        "try" => match ACCOUNT.try_lock() {
            Ok(guard) => hold(Ok(guard)),
            Err(TryLockError::WouldBlock | TryLockError::TimedOut) => "would block".into(),
            Err(TryLockError::Lock(error)) => hold(Err(error)),
        },
        "repair" => repair(number()),
        "lock-or-repair" => hold(Ok(ACCOUNT.lock_or_repair(|account| account.balance = 1))),
        "read" => with_held(|account| account.balance).to_string(),
        "set" => with_held(|account| std::mem::replace(&mut account.balance, number())).to_string(),
        "drop" => {
            drop(take());
            "dropped".into()
        }
        "give-up" => {
            let Held::Died(died) = take() else { panic!("nothing to give up") };
            died.give_up();
            "gave up".into()
        }
        "panic" => {
            let held = take();
            let caught = catch_unwind(AssertUnwindSafe(move || {
                let _held = held;
                resume_unwind(Box::new("as the test asked"));
            }));
            if caught.is_err() { "panicked".into() } else { "went on".into() }
        }
        "repair-panics" => {
            let Held::Died(died) = take() else { panic!("nothing to repair") };
            let caught =
                catch_unwind(AssertUnwindSafe(|| drop(died.repair(|_| resume_unwind(Box::new("as the test asked"))))));
            if caught.is_err() { "panicked".into() } else { "went on".into() }
        }
        "repair-forks" => repair_forks(),
        "leak-in-thread" => {
            std::thread::spawn(|| std::mem::forget(ACCOUNT.lock().expect("a clean lock"))).join().expect("the thread");
            "leaked".into()
        }
        "count-locked" => count_locked(argument),
        "count-locked-or-repair" => {
            for _ in 0..number() {
                ACCOUNT.lock_or_repair(|account| account.balance = 1).balance += 1;
            }
            "counted".into()
        }
        _ => crate::odd::answer(command, argument),
    }
}

fn hold(locked: Result<MutexGuard<'static, Account>, LockError<OwnerDied<'static, Account>>>) -> String {
    let (held, answer) = match locked {
        Ok(guard) => {
            let answer = format!("clean {}", guard.balance);
            (Held::Clean(guard), answer)
        }
        Err(LockError::OwnerDied(died)) => {
            let owner = died.owner().map_or("unknown".into(), |owner| owner.pid.to_string());
            let answer = format!("died {owner} {}", died.value().balance);
            (Held::Died(died), answer)
        }
        Err(LockError::WouldDeadlock) => return "deadlock".into(),
        Err(LockError::NotRecoverable) => return "not recoverable".into(),
        Err(LockError::NotParticipant(error)) => return format!("no participant: {error}"),
    };
    let before = HELD.replace(held);
    assert!(matches!(before, Held::Nothing), "held twice");
    answer
}

fn take() -> Held {
    HELD.replace(Held::Nothing)
}

fn with_held<R>(f: impl FnOnce(&mut Account) -> R) -> R {
    HELD.with_borrow_mut(|held| match held {
        Held::Clean(guard) => f(guard),
        _ => panic!("no clean lock is held"),
    })
}

fn repair(balance: u64) -> String {
    let Held::Died(died) = take() else { panic!("nothing to repair") };
    HELD.set(Held::Clean(died.repair(|account| account.balance = balance)));
    "repaired".into()
}

/// Forks inside the repair; the child returns from it, the parent panics in it.
fn repair_forks() -> String {
    let Held::Died(died) = take() else { panic!("nothing to repair") };
    let repair = |_: &mut Account| {
        // SAFETY: this process has one thread.
        let child = unsafe { libc::fork() };
        if child != 0 {
            // SAFETY: waits for the child just made, without a place for its status.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            resume_unwind(Box::new("as the test asked"));
        }
    };
    let caught = catch_unwind(AssertUnwindSafe(|| died.repair(repair)));
    match caught {
        // The child. What it holds is a copy of its parent's.
        // SAFETY: no pointer.
        Ok(_copied) => unsafe { libc::_exit(0) },
        Err(_) => "panicked".into(),
    }
}

/// THREADS ROUNDS: counts in the guarded value without atomics, in several threads.
fn count_locked(argument: &str) -> String {
    let (threads, rounds) = argument.split_once(' ').expect("two numbers");
    let rounds: u32 = rounds.parse().expect("a number");
    std::thread::scope(|scope| {
        for _ in 0..threads.parse().expect("a number") {
            scope.spawn(move || {
                for _ in 0..rounds {
                    let mut account = ACCOUNT.lock().expect("a clean lock");
                    account.balance = std::hint::black_box(account.balance) + 1;
                    account.movements[0] = account.balance as u32;
                    account.movements[1] = account.movements[0];
                    assert_eq!(account.movements[1], account.balance as u32);
                }
            });
        }
    });
    "counted".into()
}

fn widths() -> String {
    let values = (TINY.load(Relaxed), SMALL.load(Relaxed), MIDDLE.load(Relaxed), COUNT.load(Relaxed));
    format!("{values:?} {} {}", NESTED[0].load(Relaxed), NESTED[299].load(Relaxed))
}

fn change_widths() -> String {
    TINY.store(i8::MIN, Relaxed);
    SMALL.store(u16::MAX, Relaxed);
    MIDDLE.store(u32::MAX, Relaxed);
    COUNT.store(u64::MAX, Relaxed);
    NESTED[299].store(299, Relaxed);
    "changed".into()
}

/// How the block with a variable of this name is attached: all blocks are told apart by their names or words.
fn state(block: &str) -> String {
    let attachment = cotenant::attachment();
    let wanted = |it: &&cotenant::BlockInfo| match block {
        "count" | "kept" | "called" => it.name.is_none(),
        name => it.name == Some(name),
    };
    let described = attachment.blocks.iter().filter(wanted).map(|block| match &block.state {
        BlockState::Shared { segment, created, unlinked, slot, participants } => {
            let pids: Vec<_> = participants.iter().map(|it| it.pid.to_string()).collect();
            let pids = pids.join("+");
            format!("shared created={created} unlinked={unlinked} slot={slot:?} pids={pids} {segment}")
        }
        BlockState::Waiting => "waiting".into(),
        BlockState::Private { reason } => format!("private: {reason}"),
        other => format!("{other:?}"),
    });
    described.collect::<Vec<_>>().join(" | ")
}

fn slot() -> Option<u32> {
    let blocks = cotenant::attachment().blocks;
    let named = blocks.iter().find(|block| block.name == Some("processes.named")).expect("the named block");
    let BlockState::Shared { slot, .. } = named.state else { panic!("the named block is not shared") };
    slot
}

/// Makes a child, which serves the test through the sandbox's socket.
fn fork(how: &str) -> String {
    let child = match how {
        // SAFETY: this process has one thread, so its child may do what it likes.
        "fork" => unsafe { libc::fork() },
        "_Fork" => {
            unsafe extern "C" {
                #[link_name = "_Fork"]
                fn fork_without_handlers() -> libc::pid_t;
            }
            // SAFETY: as above; unlike fork, no handlers run.
            unsafe { fork_without_handlers() }
        }
        // SAFETY: as above; a null stack means "as fork does".
        "clone" => unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t },
        _ => panic!("no such fork: {how}"),
    };
    match child {
        -1 => panic!("{how}: {}", std::io::Error::last_os_error()),
        0 => serve::forked(answer),
        pid => pid.to_string(),
    }
}

fn close_from_3() -> String {
    // SAFETY: no pointer; what is open from 3 on is not used by this program any more.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    if result == 0 { "closed".into() } else { format!("{}", std::io::Error::last_os_error()) }
}

/// As daemon(7) wants it: a session of its own, a second fork, no descriptors. The grandchild serves.
fn daemonise() -> String {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: no pointer.
            unsafe { libc::setsid() };
            // SAFETY: this process has one thread.
            if unsafe { libc::fork() } != 0 {
                // SAFETY: no pointer.
                unsafe { libc::_exit(0) };
            }
            close_from_3();
            serve::forked(answer)
        }
        // SAFETY: waits for the child just made, without a place for its status.
        child => unsafe { libc::waitpid(child, std::ptr::null_mut(), 0).to_string() },
    }
}

fn set_user(uid: u32) -> String {
    // SAFETY: an empty list.
    assert_eq!(unsafe { libc::setgroups(0, std::ptr::null()) }, 0);
    // SAFETY: no pointer.
    assert_eq!(unsafe { libc::setgid(uid) }, 0);
    // SAFETY: no pointer.
    assert_eq!(unsafe { libc::setuid(uid) }, 0);
    "another".into()
}
