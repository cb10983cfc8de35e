//! A lock of C's and the counter that it guards, in memory that children share.

use std::cell::UnsafeCell;
use std::io;

use crate::sys::map_anonymous;

/// Alone on its cache lines.
#[repr(C, align(128))]
pub(super) struct Guarded<T> {
    lock: UnsafeCell<T>,
    count: UnsafeCell<u64>,
}

// SAFETY: the lock is only handed to C functions that are made for several threads; the counter is used under it.
unsafe impl<T> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    /// New memory of zeros, for ever.
    pub(super) fn map() -> io::Result<&'static Guarded<T>> {
        let base = map_anonymous(size_of::<Guarded<T>>())?;
        // SAFETY: whole pages of zeros that stay mapped; only C looks at the lock.
        Ok(unsafe { &*base.cast::<Guarded<T>>().as_ptr() })
    }

    #[inline]
    pub(super) fn lock(&self) -> *mut T {
        self.lock.get()
    }

    #[inline]
    pub(super) fn count(&self) -> u64 {
        // SAFETY: the caller holds the lock.
        unsafe { *self.count.get() }
    }

    /// By who holds the lock.
    #[inline]
    pub(super) fn add(&self) {
        // SAFETY: the caller holds the lock, so nobody else is here.
        unsafe { *self.count.get() += 1 };
    }
}

/// Whether a pthread function succeeded.
pub(super) fn done(what: &str, status: i32) -> io::Result<()> {
    if status == 0 {
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(status);
    Err(io::Error::new(error.kind(), format!("{what}: {error}")))
}

/// A lock that was made by the first who asked, or why it was not.
pub(super) type Made<T> = std::sync::OnceLock<Result<T, String>>;

pub(super) fn made<T: Copy>(place: &'static Made<T>, make: impl FnOnce() -> io::Result<T>) -> anyhow::Result<T> {
    place.get_or_init(|| make().map_err(|error| error.to_string())).clone().map_err(anyhow::Error::msg)
}
