//! The mutex of the crate `raw_sync`.

use std::hint::black_box;
use std::io;

use ::raw_sync::Timeout;
use ::raw_sync::locks::{LockImpl, LockInit, Mutex};

use crate::locks::hold::Lock;
use crate::sys::map_anonymous;

/// `raw_sync::locks::Mutex`, over memory that children share.
pub(crate) struct RawSync(&'static dyn LockImpl);

static MADE: std::sync::OnceLock<Result<Whole, String>> = std::sync::OnceLock::new();

struct Whole(Box<dyn LockImpl>);

// SAFETY: a handle on a pthread mutex, which is made for several threads.
unsafe impl Sync for Whole {}
// SAFETY: as above.
unsafe impl Send for Whole {}

pub(crate) fn mutex() -> anyhow::Result<RawSync> {
    match MADE.get_or_init(|| make().map_err(|error| error.to_string())) {
        Ok(Whole(lock)) => Ok(RawSync(black_box(&**lock))),
        Err(why) => Err(anyhow::anyhow!("{why}")),
    }
}

fn make() -> io::Result<Whole> {
    let memory = map_anonymous(4096)?.as_ptr();
    let counter = memory.wrapping_add(Mutex::size_of(Some(memory)).next_multiple_of(8));
    // SAFETY: a page that stays mapped, of which the lock takes what `size_of` says.
    let (lock, _) = unsafe { Mutex::new(memory, counter) }.map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Whole(lock))
}

/// Under the lock.
#[inline]
fn add_one(counter: *mut u8) {
    // SAFETY: the counter behind the lock, aligned, which the caller holds.
    unsafe { *counter.cast::<u64>() += 1 };
}

impl Lock for RawSync {
    #[inline]
    fn add(&self) {
        let guard = self.0.lock().expect("the lock");
        add_one(*guard);
    }

    #[inline]
    fn try_add(&self) -> bool {
        let Ok(guard) = self.0.try_lock(Timeout::Val(std::time::Duration::ZERO)) else { return false };
        add_one(*guard);
        true
    }

    fn count(&self) -> u64 {
        let guard = self.0.lock().expect("the lock");
        // SAFETY: as in `add_one`.
        unsafe { *guard.cast::<u64>() }
    }
}
