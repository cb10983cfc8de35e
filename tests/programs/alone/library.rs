//! A library for programs in C and Python: each function takes nothing and gives a number.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cotenant::BlockState;
use cotenant::sync::{LockError, Mutex, TryLockError};

cotenant::shared! {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static GUARDED: Mutex<u64> = Mutex::new(0);
}

cotenant::shared! {
    #![shared(name = "test.common")]
    static COMMON: AtomicU64 = AtomicU64::new(500);
}

/// One more of what programs and libraries have in common.
#[unsafe(no_mangle)]
pub extern "C" fn library_add_common() -> i64 {
    COMMON.fetch_add(1, SeqCst) as i64 + 1
}

/// One more.
#[unsafe(no_mangle)]
pub extern "C" fn library_add() -> i64 {
    COUNT.fetch_add(1, SeqCst) as i64 + 1
}

fn unnamed() -> Option<BlockState> {
    cotenant::attachment().blocks.into_iter().find(|block| block.name.is_none()).map(|block| block.state)
}

/// This process's slot, or why there is none.
#[unsafe(no_mangle)]
pub extern "C" fn library_slot() -> i64 {
    match unnamed() {
        Some(BlockState::Shared { slot, .. }) => slot.map_or(0, i64::from),
        Some(_) => -1,
        None => -2,
    }
}

/// How many share it.
#[unsafe(no_mangle)]
pub extern "C" fn library_participants() -> i64 {
    match unnamed() {
        Some(BlockState::Shared { participants, .. }) => participants.len() as i64,
        _ => -1,
    }
}

/// A thread of its own takes the lock and keeps it until the process dies.
#[unsafe(no_mangle)]
pub extern "C" fn library_hold() -> i64 {
    let (send, held) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let guard = GUARDED.lock();
        let _ = send.send(guard.is_ok());
        loop {
            std::thread::park();
        }
    });
    i64::from(held.recv().unwrap_or(false))
}

/// 0: it was free; 1: somebody has it; 2: who had it died.
#[unsafe(no_mangle)]
pub extern "C" fn library_try_lock() -> i64 {
    match GUARDED.try_lock() {
        Ok(_) => 0,
        Err(TryLockError::WouldBlock | TryLockError::TimedOut) => 1,
        Err(TryLockError::Lock(LockError::OwnerDied(died))) => {
            drop(died.repair(|_| ()));
            2
        }
        Err(_) => 3,
    }
}
