//! A barrier that others pay for: [`membarrier(2)`](https://man7.org/linux/man-pages/man2/membarrier.2.html).

#![allow(unsafe_code)]

use std::sync::OnceLock;

/// Has this process pass the barriers of others from here on. `false`: the system or a sandbox does not let it.
#[doc(alias = "membarrier")]
pub(crate) fn register() -> bool {
    // A child of a fork inherits it.
    static IS_REGISTERED: OnceLock<bool> = OnceLock::new();
    *IS_REGISTERED.get_or_init(|| call(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
}

/// Makes every thread that runs in a process that registered pass a full barrier before this returns. `false`: it may
/// not be called.
pub(crate) fn pass_in_all() -> bool {
    call(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn call(command: libc::c_int) -> bool {
    // SAFETY: no pointer.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
