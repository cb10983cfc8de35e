//! A child that works until it is killed.

#![allow(unsafe_code)]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, ensure};

pub(crate) struct Victim(libc::pid_t);

impl Victim {
    /// A child that does `work`, which does not end.
    pub(crate) fn start(work: &dyn Fn()) -> anyhow::Result<Victim> {
        // SAFETY: this program has one thread now, so the child may go on as its parent would.
        let child = unsafe { libc::fork() };
        if child == -1 {
            return Err(io::Error::last_os_error()).context("fork");
        }
        if child == 0 {
            // SAFETY: no pointer. It must not outlive its parent.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let _ = catch_unwind(AssertUnwindSafe(work));
            // SAFETY: no pointer; the parent's exit handlers are not the child's to run.
            unsafe { libc::_exit(1) };
        }
        Ok(Victim(child))
    }

    /// Kills it; fails if it had ended by itself.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        let mut status = 0;
        // SAFETY: our own child.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        // SAFETY: our own child, and a place for its status.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        ensure!(waited == self.0 && libc::WIFSIGNALED(status), "the process that was to be killed had ended by itself");
        Ok(())
    }
}
