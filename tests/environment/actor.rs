//! The peer of these tests, with blocks for every audience.

use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::{Mutex, TryLockError};
use cotenant::{BlockState, shared};

use crate::support::serve;

shared! {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static LARGE: [AtomicU64; 4096] = [const { AtomicU64::new(1) }; 4096];
    static GUARDED: Mutex<u64> = Mutex::new(0);
}

shared! {
    #![shared(name = "environment.privileged", when_privileged = share)]
    static PRIVILEGED: AtomicU64 = AtomicU64::new(0);
}

shared! {
    #![shared(name = "environment.readable", mode = 0o644, attach = by_call)]
    static READABLE: AtomicU64 = AtomicU64::new(0);
    static READABLE_GUARDED: Mutex<u64> = Mutex::new(0);
}

shared! {
    #![shared(name = "environment.group", mode = 0o660, group = "4242", attach = by_call)]
    static GROUP: AtomicU64 = AtomicU64::new(0);
    static GROUP_GUARDED: Mutex<u64> = Mutex::new(0);
}

shared! {
    #![shared(name = "environment.group-readable", mode = 0o664, group = "4242", attach = by_call)]
    static GROUP_READABLE: AtomicU64 = AtomicU64::new(0);
    static GROUP_READABLE_GUARDED: Mutex<u64> = Mutex::new(0);
}

/// The group of the blocks that a group shares.
pub(crate) const GROUP_ID: u32 = 4242;

/// Serves a test.
pub(crate) fn serve() {
    let mut held = None;
    serve::stdin(move |line| {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "add" => (COUNT.fetch_add(1, Relaxed) + 1).to_string(),
            "lock" => GUARDED.lock().map_or_else(
                |error| error.to_string(),
                |guard| {
                    std::mem::forget(guard);
                    "locked".into()
                },
            ),
            "hold" => {
                held = Some(GUARDED.lock().expect("a clean lock"));
                "held".into()
            }
            "release" => {
                drop(held.take());
                "released".into()
            }
            "hold-life" => hold_life(argument),
            "attach" => cotenant::attach().map_or_else(|error| error.to_string(), |()| "attached".into()),
            "readable" => both(&READABLE, &READABLE_GUARDED),
            "group" => both(&GROUP, &GROUP_GUARDED),
            "group-readable" => both(&GROUP_READABLE, &GROUP_READABLE_GUARDED),
            "state" => state(argument),
            _ => panic!("no such command: {command}"),
        }
    });
}

/// Uses everything that is attached at load, and ends: 0, or the library's own status. Never waits for anybody: what
/// is in the way may be a lock whose owner was made up.
pub(crate) fn probe() {
    COUNT.fetch_add(1, Relaxed);
    for word in &LARGE[..] {
        word.fetch_add(1, Relaxed);
    }
    PRIVILEGED.fetch_add(1, Relaxed);
    match GUARDED.try_lock() {
        Ok(mut guard) => *guard += 1,
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => {}
        Err(TryLockError::Lock(error)) => drop(error),
    }
    let _ = cotenant::attachment();
}

/// Read-locks the life byte, as if this process mapped the segment, for as long as it lives.
fn hold_life(segment: &str) -> String {
    const LIFE: i64 = 1 << 40;
    let file = std::fs::File::open(segment).expect("a segment that may be read");
    // SAFETY: all zeros is a value of the structure.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_RDLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    (lock.l_start, lock.l_len) = (LIFE, 1);
    // SAFETY: the structure outlives the call.
    let result = unsafe { libc::fcntl(file.into_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if result == 0 { "held".into() } else { std::io::Error::last_os_error().to_string() }
}

/// Counts on an atomic and on a guarded value; says both.
fn both(atomic: &AtomicU64, guarded: &Mutex<u64>) -> String {
    let mut guard = guarded.lock_or_repair(|_| ());
    *guard += 1;
    format!("{} {}", atomic.fetch_add(1, Relaxed) + 1, *guard)
}

/// `shared SEGMENT` or why not, of a named block or, for "", of the unnamed one.
fn state(name: &str) -> String {
    let blocks = cotenant::attachment().blocks;
    let block = blocks.iter().find(|block| block.name.unwrap_or_default() == name).expect("a block of that name");
    match &block.state {
        BlockState::Shared { segment, unlinked: false, .. } => format!("shared {segment}"),
        other => format!("{other:?}"),
    }
}
