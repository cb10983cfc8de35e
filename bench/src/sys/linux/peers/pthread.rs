//! pthread's locks with `PTHREAD_PROCESS_SHARED`.

use std::hint::black_box;
use std::io;
use std::mem::MaybeUninit;

use super::guarded::{Guarded, Made, done, made};
use crate::locks::hold::{Lock, Read};

static PLAIN: Made<PthreadMutex> = Made::new();
static ROBUST: Made<PthreadMutex> = Made::new();
static RW_LOCK: Made<PthreadRwLock> = Made::new();

/// `pthread_mutex_t`, robust or not.
#[derive(Clone, Copy)]
pub(crate) struct PthreadMutex(&'static Guarded<libc::pthread_mutex_t>);

/// `pthread_rwlock_t`
#[derive(Clone, Copy)]
pub(crate) struct PthreadRwLock(&'static Guarded<libc::pthread_rwlock_t>);

pub(crate) fn mutex() -> anyhow::Result<PthreadMutex> {
    made(&PLAIN, || new_mutex(libc::PTHREAD_MUTEX_STALLED)).map(black_box)
}

pub(crate) fn robust_mutex() -> anyhow::Result<PthreadMutex> {
    made(&ROBUST, || new_mutex(libc::PTHREAD_MUTEX_ROBUST)).map(black_box)
}

pub(crate) fn rw_lock() -> anyhow::Result<PthreadRwLock> {
    made(&RW_LOCK, new_rw_lock).map(black_box)
}

fn new_mutex(robust: i32) -> io::Result<PthreadMutex> {
    let guarded = Guarded::map()?;
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: a place for the attributes.
    done("pthread_mutexattr_init", unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: they are initialised.
    done("pthread_mutexattr_setpshared", unsafe {
        libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: as above.
    done("pthread_mutexattr_setrobust", unsafe { libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), robust) })?;
    // SAFETY: memory that nobody else has yet, and that stays.
    done("pthread_mutex_init", unsafe { libc::pthread_mutex_init(guarded.lock(), attributes.as_ptr()) })?;
    Ok(PthreadMutex(guarded))
}

fn new_rw_lock() -> io::Result<PthreadRwLock> {
    let guarded = Guarded::map()?;
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: a place for the attributes.
    done("pthread_rwlockattr_init", unsafe { libc::pthread_rwlockattr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: they are initialised.
    done("pthread_rwlockattr_setpshared", unsafe {
        libc::pthread_rwlockattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED)
    })?;
    // SAFETY: memory that nobody else has yet, and that stays.
    done("pthread_rwlock_init", unsafe { libc::pthread_rwlock_init(guarded.lock(), attributes.as_ptr()) })?;
    Ok(PthreadRwLock(guarded))
}

impl PthreadMutex {
    #[inline]
    fn unlock(&self) {
        // SAFETY: this thread holds it.
        let status = unsafe { libc::pthread_mutex_unlock(self.0.lock()) };
        assert_eq!(status, 0, "pthread_mutex_unlock");
    }
}

impl Lock for PthreadMutex {
    #[inline]
    fn add(&self) {
        // SAFETY: an initialised mutex that stays.
        let status = unsafe { libc::pthread_mutex_lock(self.0.lock()) };
        assert_eq!(status, 0, "pthread_mutex_lock");
        self.0.add();
        self.unlock();
    }

    #[inline]
    fn try_add(&self) -> bool {
        // SAFETY: as above.
        if unsafe { libc::pthread_mutex_trylock(self.0.lock()) } != 0 {
            return false;
        }
        self.0.add();
        self.unlock();
        true
    }

    fn count(&self) -> u64 {
        self.0.count()
    }
}

impl Read for PthreadRwLock {
    #[inline]
    fn read(&self) -> u64 {
        // SAFETY: an initialised lock that stays.
        let status = unsafe { libc::pthread_rwlock_rdlock(self.0.lock()) };
        assert_eq!(status, 0, "pthread_rwlock_rdlock");
        let count = self.0.count();
        // SAFETY: this thread holds it.
        let status = unsafe { libc::pthread_rwlock_unlock(self.0.lock()) };
        assert_eq!(status, 0, "pthread_rwlock_unlock");
        count
    }
}
