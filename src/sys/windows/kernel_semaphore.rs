//! A named semaphore of the kernel's: what one sleeps on for a word that several processes share.
//!
//! It counts wakes that nobody has slept for yet, so a wake between the look at the word and the sleep is not lost.
//! A wake too many is a sleep that ends early, and those look at their word again anyway.

#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{CreateSemaphoreW, ReleaseSemaphore, WaitForMultipleObjects};

use super::handle::{Handle, wide};
use super::security;
use crate::error::{Error, ErrorKind, Result};

/// Sleepers that one call can wake, and wakes that are kept.
const MAX_WAKES: i32 = 256;

/// An open semaphore.
pub(crate) struct KernelSemaphore {
    handle: Handle,
}

impl KernelSemaphore {
    /// Opens the semaphore of this name, or makes it, for this user alone.
    #[doc(alias = "CreateSemaphoreW")]
    pub(crate) fn open(name: &str) -> Result<KernelSemaphore> {
        let user = security::this_user()?;
        let doing = format!("create the semaphore {name}");
        let wide_name = wide(name);
        // SAFETY: the attributes are whole, and the name ends with a zero.
        let open = |attributes| unsafe { CreateSemaphoreW(attributes, 0, MAX_WAKES, wide_name.as_ptr()) };
        let handle = security::for_user_only(&user, open).map_err(|cause| Error::system(&doing, &cause))?;
        // SAFETY: fresh, and used nowhere else.
        let Some(handle) = (unsafe { Handle::new(handle) }) else {
            let cause = io::Error::last_os_error();
            let taken = [ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE].map(|code| Some(code as i32));
            if taken.contains(&cause.raw_os_error()) {
                return Err(Error::new(ErrorKind::Foreign, format!("cannot open the semaphore {name}: {cause}"))
                    .hint("another user's program, or an object of another kind, has the name"));
            }
            return Err(Error::system(&doing, &cause));
        };
        security::check_owner(handle.raw(), name, &user)?;
        Ok(KernelSemaphore { handle })
    }

    /// Sleeps until somebody wakes (`true`), or the process behind `watched` ends, or the time is over.
    #[doc(alias = "WaitForMultipleObjects")]
    pub(crate) fn sleep(&self, watched: Option<&Handle>, timeout: Duration) -> bool {
        let handles: [HANDLE; 2] = [self.handle.raw(), watched.map_or(std::ptr::null_mut(), Handle::raw)];
        let count = 1 + u32::from(watched.is_some());
        // SAFETY: that many open handles.
        let woken = unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, milliseconds(timeout)) };
        woken == WAIT_OBJECT_0
    }

    /// Wakes up to `sleepers`, those who come next if fewer sleep. `false`: nobody slept, since a wake of before was
    /// still there.
    #[doc(alias = "ReleaseSemaphore")]
    pub(crate) fn wake(&self, sleepers: u32) -> bool {
        let mut wakes = i32::try_from(sleepers).unwrap_or(MAX_WAKES).min(MAX_WAKES);
        while wakes > 0 {
            let mut kept = 0;
            // SAFETY: an open handle, and room for the earlier count.
            if unsafe { ReleaseSemaphore(self.handle.raw(), wakes, &raw mut kept) } != 0 {
                return kept == 0;
            }
            // It would count beyond the maximum: enough sleepers are being woken then.
            wakes /= 2;
        }
        false
    }
}

/// As the waiting calls want it: rounded up, and never the value that means "for ever".
pub(crate) fn milliseconds(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(u32::MAX).min(u32::MAX - 1)
}
