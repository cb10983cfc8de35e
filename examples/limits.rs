//! A struct under a mutex that survives whoever is killed with the lock in hand: the next one repairs the value.
//!
//!     cargo run --example limits                  the whole story: starts `limits crash`, repairs, says who died
//!     cargo run --example limits -- watch         shows the limits for a minute, and keeps them alive meanwhile
//!     cargo run --example limits -- set 300       in another terminal: changes them
//!     cargo run --example limits -- crash         dies in the middle of a change; the watcher repairs
//!
//! The values live as long as somebody is attached: without a watcher a crash leaves nothing behind to repair, and
//! the next run starts from the initial limits.

use std::process::{Command, ExitCode};
use std::{env, process, thread, time::Duration};

use cotenant::sync::{LockError, Mutex, MutexGuard};
use cotenant::{ProcessSync, shared};

/// The rule that a repair restores: a burst is a fifth of a second's requests.
#[derive(ProcessSync, Debug)]
struct Limits {
    requests_per_second: u32,
    burst: u32,
}

shared! {
    static LIMITS: Mutex<Limits> = Mutex::new(Limits { requests_per_second: 100, burst: 20 });
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => whole_story(),
        ["watch"] => watch(),
        ["set", requests] if requests.parse::<u32>().is_ok() => set(requests.parse().unwrap_or(100)),
        ["crash"] => crash(),
        _ => {
            eprintln!("usage: limits [watch | set REQUESTS_PER_SECOND | crash]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Takes the lock. If its owner died in the middle of a change, says who that was and puts the limits right.
fn lock() -> MutexGuard<'static, Limits> {
    match LIMITS.lock() {
        Ok(limits) => limits,
        Err(LockError::OwnerDied(died)) => {
            match died.owner() {
                Some(owner) => println!("process {} ({}) died in the middle of a change", owner.pid, owner.program),
                None => println!("a process died in the middle of a change"),
            }
            println!("it left  {:?}", died.value());
            let limits = died.repair(|limits| limits.burst = limits.requests_per_second / 5);
            println!("repaired {:?}", *limits);
            limits
        }
        // Nobody here locks twice or gives a repair up.
        Err(error) => panic!("{error}"),
    }
}

fn set(requests_per_second: u32) {
    let mut limits = lock();
    limits.requests_per_second = requests_per_second;
    limits.burst = requests_per_second / 5;
    println!("set      {:?}", *limits);
}

fn crash() {
    let mut limits = lock();
    limits.requests_per_second = 500;
    println!("process {} changed the requests, and dies before it changes the burst", process::id());
    process::abort();
}

fn watch() {
    for _ in 0..120 {
        println!("         {:?}", *lock());
        thread::sleep(Duration::from_millis(500));
    }
}

fn whole_story() {
    println!("start    {:?}", *lock());
    let program = env::current_exe().expect("this program has a file");
    let crashed = Command::new(program).arg("crash").status().expect("this program starts");
    println!("the other process ended: {crashed}");
    drop(lock());
}
