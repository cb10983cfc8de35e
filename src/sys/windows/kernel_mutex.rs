//! A named mutex of the kernel's: it falls when its owner's thread or process ends, however that happens.
//!
//! It is recursive and belongs to a thread. Attaching is done under one; locks are words (`lock`).

#![allow(unsafe_code)]

use std::io;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE, WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex, WaitForSingleObject};

use super::handle::{Handle, wide};
use super::security;
use crate::error::{Error, ErrorKind, Result};

/// How long attaching waits for another process that attaches.
const ATTACH_LIMIT_MS: u32 = 10_000;

/// An open mutex.
pub(crate) struct KernelMutex {
    handle: Handle,
}

/// Releases the mutex on drop.
pub(crate) struct Held<'a> {
    mutex: &'a KernelMutex,
}

impl KernelMutex {
    /// Opens the mutex of this name, or makes it, for this user alone.
    #[doc(alias = "CreateMutexW")]
    pub(crate) fn open(name: &str) -> Result<KernelMutex> {
        let user = security::this_user()?;
        let doing = format!("create the mutex {name}");
        let wide_name = wide(name);
        // SAFETY: the attributes are whole, and the name ends with a zero.
        let open = |attributes| unsafe { CreateMutexW(attributes, 0, wide_name.as_ptr()) };
        let handle = security::for_user_only(&user, open).map_err(|cause| Error::system(&doing, &cause))?;
        // SAFETY: fresh, and used nowhere else.
        match unsafe { Handle::new(handle) } {
            Some(handle) => {
                security::check_owner(handle.raw(), name, &user)?;
                Ok(KernelMutex { handle })
            }
            None => {
                let cause = io::Error::last_os_error();
                let taken = [ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE].map(|code| Some(code as i32));
                if taken.contains(&cause.raw_os_error()) {
                    return Err(Error::new(ErrorKind::Foreign, format!("cannot open the mutex {name}: {cause}"))
                        .hint("another user's program, or an object of another kind, has the name"));
                }
                Err(Error::system(&doing, &cause))
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes the mutex, or takes it once more if this thread has it. `false`: not within `limit_ms`.
    #[doc(alias = "WaitForSingleObject")]
    fn take(&self, limit_ms: u32) -> io::Result<bool> {
        // SAFETY: an open handle of a mutex.
        match unsafe { WaitForSingleObject(self.handle.raw(), limit_ms) } {
            // Abandoned: the owner ended inside. The mutex is ours all the same.
            WAIT_OBJECT_0 | WAIT_ABANDONED => Ok(true),
            WAIT_TIMEOUT => Ok(false),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Gives it back once. Only the thread that has it can.
    fn unlock(&self) {
        // SAFETY: an open handle of a mutex; a thread that does not have it gets an error.
        unsafe { ReleaseMutex(self.handle.raw()) };
    }

    /// Waits a bounded time for it; for the few system calls of attaching.
    pub(crate) fn hold(&self, name: &str) -> Result<Held<'_>> {
        match self.take(ATTACH_LIMIT_MS) {
            Ok(true) => Ok(Held { mutex: self }),
            Ok(false) => {
                Err(Error::new(ErrorKind::Busy, format!("another process attaches to {name} and does not finish"))
                    .hint("look for a stopped program of this user"))
            }
            Err(cause) => Err(Error::system(format!("wait for the mutex of {name}"), &cause)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}
