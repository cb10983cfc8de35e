//! Counting the instructions of a function: a forked child runs it under `PTRACE_SINGLESTEP`.

#![allow(unsafe_code)]

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn instructions(_function: extern "C" fn() -> u64) -> anyhow::Result<u64> {
    anyhow::bail!("instructions are counted on x86-64 only")
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::instructions;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::io;
    use std::ptr::null_mut;

    use anyhow::{Context, bail};

    /// More than the way from the child's stop to the function, and than any function measured here.
    const STEPS_MAX: u64 = 100_000;

    /// How many instructions one call of `function` executes, its return included.
    pub(crate) fn instructions(function: extern "C" fn() -> u64) -> anyhow::Result<u64> {
        // SAFETY: this program has one thread, so the child may go on as its parent would.
        let pid = unsafe { libc::fork() };
        match pid {
            -1 => Err(io::Error::last_os_error()).context("fork"),
            0 => be_stepped(function),
            pid => {
                let stepped = Stepped { pid };
                stepped.wait_for_stop()?;
                stepped.count(function as usize as u64)
            }
        }
    }

    fn be_stepped(function: extern "C" fn() -> u64) -> ! {
        // SAFETY: asks to be traced by the parent.
        let traced = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
        if traced == 0 {
            // SAFETY: the parent waits for this stop.
            unsafe { libc::raise(libc::SIGSTOP) };
            std::hint::black_box(function)();
        }
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(0) }
    }

    /// A stopped child; killed when dropped.
    struct Stepped {
        pid: libc::pid_t,
    }

    impl Stepped {
        fn wait_for_stop(&self) -> anyhow::Result<()> {
            let mut status = 0;
            // SAFETY: our own child, and a place for its status.
            if unsafe { libc::waitpid(self.pid, &raw mut status, 0) } == -1 {
                return Err(io::Error::last_os_error()).context("wait for the child");
            }
            if !libc::WIFSTOPPED(status) {
                bail!("the child cannot be traced (is ptrace(2) allowed here?)");
            }
            Ok(())
        }

        fn registers(&self) -> anyhow::Result<libc::user_regs_struct> {
            // SAFETY: a C structure of integers, for which zero is a value.
            let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
            // SAFETY: a stopped child, and a place for its registers.
            if unsafe { libc::ptrace(libc::PTRACE_GETREGS, self.pid, 0, &raw mut registers) } == -1 {
                return Err(io::Error::last_os_error()).context("read the child's registers");
            }
            Ok(registers)
        }

        fn step(&self) -> anyhow::Result<()> {
            // SAFETY: a stopped child; no signal is passed on.
            if unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.pid, 0, 0) } == -1 {
                return Err(io::Error::last_os_error()).context("step the child");
            }
            self.wait_for_stop()
        }

        /// Steps to the function's first instruction, then counts until it has returned: the stack is then one word
        /// shorter than at its entry.
        fn count(&self, entry: u64) -> anyhow::Result<u64> {
            let mut stack_at_entry = None;
            let mut steps = 0;
            for _ in 0..STEPS_MAX {
                self.step()?;
                let registers = self.registers()?;
                match stack_at_entry {
                    None if registers.rip == entry => stack_at_entry = Some(registers.rsp),
                    None => {}
                    Some(stack) => {
                        steps += 1;
                        if registers.rsp > stack {
                            return Ok(steps);
                        }
                    }
                }
            }
            bail!("the function was not reached or did not return within {STEPS_MAX} instructions")
        }
    }

    impl Drop for Stepped {
        fn drop(&mut self) {
            // SAFETY: our own child, which has not been waited for.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            // SAFETY: as above; its status is not wanted.
            unsafe { libc::waitpid(self.pid, null_mut(), 0) };
        }
    }
}
