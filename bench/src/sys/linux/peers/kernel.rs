//! What the kernel itself has: `flock`, System V semaphores; and POSIX semaphores.

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd;

use super::guarded::{Guarded, Made, made};
use crate::locks::hold::Lock;

static FILE_COUNT: Made<&'static Guarded<()>> = Made::new();
static SYSV: Made<SysvSemaphore> = Made::new();
static POSIX: Made<PosixSemaphore> = Made::new();

/// `flock` on a file description of the worker's own: one description would not keep two apart.
pub(crate) struct Flock {
    file: File,
    guarded: &'static Guarded<()>,
}

/// A System V semaphore; what a dead process holds is given back (`SEM_UNDO`).
#[derive(Clone, Copy)]
pub(crate) struct SysvSemaphore {
    id: i32,
    guarded: &'static Guarded<()>,
}

/// `sem_t` in shared memory.
#[derive(Clone, Copy)]
pub(crate) struct PosixSemaphore(&'static Guarded<libc::sem_t>);

pub(crate) fn flock() -> anyhow::Result<Flock> {
    let guarded = made(&FILE_COUNT, Guarded::map)?;
    // A file of this very program: there is one, and nobody else locks it.
    let file = File::open("/proc/self/exe")?;
    Ok(Flock { file, guarded })
}

pub(crate) fn sysv_semaphore() -> anyhow::Result<SysvSemaphore> {
    made(&SYSV, SysvSemaphore::new).map(black_box)
}

pub(crate) fn posix_semaphore() -> anyhow::Result<PosixSemaphore> {
    made(&POSIX, || {
        let guarded = Guarded::map()?;
        // SAFETY: memory that nobody else has yet, and that stays.
        match unsafe { libc::sem_init(guarded.lock(), 1, 1) } {
            0 => Ok(PosixSemaphore(guarded)),
            _ => Err(io::Error::last_os_error()),
        }
    })
    .map(black_box)
}

impl Flock {
    #[inline]
    fn change(&self, operation: i32) -> bool {
        // SAFETY: an open file; no pointer.
        unsafe { libc::flock(self.file.as_raw_fd(), operation) == 0 }
    }
}

impl Lock for Flock {
    #[inline]
    fn add(&self) {
        assert!(self.change(libc::LOCK_EX), "flock");
        self.guarded.add();
        assert!(self.change(libc::LOCK_UN), "flock");
    }

    #[inline]
    fn try_add(&self) -> bool {
        if !self.change(libc::LOCK_EX | libc::LOCK_NB) {
            return false;
        }
        self.guarded.add();
        assert!(self.change(libc::LOCK_UN), "flock");
        true
    }

    fn count(&self) -> u64 {
        self.guarded.count()
    }
}

impl SysvSemaphore {
    fn new() -> io::Result<SysvSemaphore> {
        // SAFETY: no pointer.
        let id = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
        if id == -1 {
            return Err(io::Error::last_os_error());
        }
        let semaphore = SysvSemaphore { id, guarded: Guarded::map()? };
        semaphore.change(1, 0);
        Ok(semaphore)
    }

    #[inline]
    fn change(&self, by: i16, flags: i32) -> bool {
        let mut operation = libc::sembuf { sem_num: 0, sem_op: by, sem_flg: flags as i16 };
        // SAFETY: one operation, on a set of one.
        unsafe { libc::semop(self.id, &raw mut operation, 1) == 0 }
    }

    /// It outlives the program otherwise.
    pub(crate) fn remove_if_made() {
        if let Some(Ok(semaphore)) = SYSV.get() {
            // SAFETY: no pointer; a set of our own, which nobody uses any more. If it fails, `ipcs` shows what is left.
            unsafe { libc::semctl(semaphore.id, 0, libc::IPC_RMID) };
        }
    }
}

impl Lock for SysvSemaphore {
    #[inline]
    fn add(&self) {
        assert!(self.change(-1, libc::SEM_UNDO), "semop");
        self.guarded.add();
        assert!(self.change(1, libc::SEM_UNDO), "semop");
    }

    #[inline]
    fn try_add(&self) -> bool {
        if !self.change(-1, libc::SEM_UNDO | libc::IPC_NOWAIT) {
            return false;
        }
        self.guarded.add();
        assert!(self.change(1, libc::SEM_UNDO), "semop");
        true
    }

    fn count(&self) -> u64 {
        self.guarded.count()
    }
}

impl PosixSemaphore {
    #[inline]
    fn add_and_post(&self) {
        self.0.add();
        // SAFETY: an initialised semaphore that stays.
        let status = unsafe { libc::sem_post(self.0.lock()) };
        assert_eq!(status, 0, "sem_post");
    }
}

impl Lock for PosixSemaphore {
    #[inline]
    fn add(&self) {
        // SAFETY: as above.
        let status = unsafe { libc::sem_wait(self.0.lock()) };
        assert_eq!(status, 0, "sem_wait");
        self.add_and_post();
    }

    #[inline]
    fn try_add(&self) -> bool {
        // SAFETY: as above.
        if unsafe { libc::sem_trywait(self.0.lock()) } != 0 {
            return false;
        }
        self.add_and_post();
        true
    }

    fn count(&self) -> u64 {
        self.0.count()
    }
}
