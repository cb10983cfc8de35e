//! Work in this process and in a child of it at the same time.

#![allow(unsafe_code)]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::memory::map_anonymous;

const PATIENCE: Duration = Duration::from_secs(20);
/// The status of a child that could not be confined.
const CANNOT: i32 = 2;

/// Memory of zeros that both have.
struct Between {
    arrived: AtomicU32,
    has_answered: AtomicU32,
    /// The child's, as bits.
    answer: [AtomicU64; 2],
}

/// What each of two processes answers. It calls its argument when it is ready, which waits for the other; and again
/// where both are to have come so far.
pub(crate) type Work<'a> = dyn Fn(&dyn Fn() -> anyhow::Result<()>) -> anyhow::Result<[f64; 2]> + 'a;

/// Does `work` in this process and in a child. Both answers.
pub(crate) fn in_two_processes(work: &Work<'_>) -> anyhow::Result<[[f64; 2]; 2]> {
    let page = map_anonymous(size_of::<Between>())?;
    // SAFETY: zeros are values of its atomics; unmapped below, by this process, when both are done.
    let between: &Between = unsafe { &*page.cast::<Between>().as_ptr() };
    let start = || wait_for_both(between);
    // SAFETY: this program has one thread now, so the child may go on as its parent would.
    let child = unsafe { libc::fork() };
    match child {
        -1 => return Err(io::Error::last_os_error()).context("fork"),
        0 => be_the_child(between, || work(&start)),
        _ => {}
    }
    let mine = work(&start);
    let status = wait(child);
    let theirs = [0, 1].map(|at| f64::from_bits(between.answer[at].load(Relaxed)));
    // Acquire pairs with the child's Release.
    let has_answered = between.has_answered.load(Acquire) == 1;
    // SAFETY: mapped above, and not used again.
    unsafe { libc::munmap(page.as_ptr().cast(), size_of::<Between>()) };
    // The other one may have failed because this one did.
    let mine = mine?;
    ensure!(has_answered && status? == 0, "the second process failed");
    Ok([mine, theirs])
}

fn be_the_child(between: &Between, work: impl Fn() -> anyhow::Result<[f64; 2]>) -> ! {
    // SAFETY: no pointer. It must not outlive its parent, who waits for it.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let status = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(answer)) => {
            for (place, value) in between.answer.iter().zip(answer) {
                place.store(value.to_bits(), Relaxed);
            }
            // Release pairs with the parent's Acquire.
            between.has_answered.store(1, Release);
            0
        }
        Ok(Err(error)) => {
            // The parent knows only that it failed.
            eprintln!("the second process: {error:#}");
            1
        }
        Err(_) => 1,
    };
    // SAFETY: no pointer; the parent's exit handlers are not the child's to run.
    unsafe { libc::_exit(status) }
}

fn wait_for_both(between: &Between) -> anyhow::Result<()> {
    let both = between.arrived.fetch_add(1, AcqRel) / 2 * 2 + 2;
    let begin = Instant::now();
    while between.arrived.load(Acquire) < both {
        std::thread::yield_now();
        ensure!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} for the other process");
    }
    Ok(())
}

fn wait(child: libc::pid_t) -> anyhow::Result<i32> {
    let mut status = 0;
    // SAFETY: our own child, and a place for its status.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
        return Ok(status);
    }
    bail!("wait for the second process: {}", io::Error::last_os_error())
}

/// Runs `work` in a child that may do nothing but compute: no system call, no clock. Whether it came to its end.
pub(crate) fn computes_alone(prepare: &dyn Fn(), work: &dyn Fn()) -> anyhow::Result<bool> {
    // SAFETY: as above.
    let child = unsafe { libc::fork() };
    if child == -1 {
        return Err(io::Error::last_os_error()).context("fork");
    }
    if child == 0 {
        prepare();
        forbid_all();
        work();
        // SAFETY: ends this thread, the process's only one. (`_exit` calls `exit_group`, which is forbidden.)
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    let status = wait(child)?;
    ensure!(!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == CANNOT), "seccomp(2) cannot be had here");
    Ok(status == 0)
}

/// From here on a system call but read, write and exit is SIGKILL, a look at the clock SIGSEGV.
fn forbid_all() {
    const PR_SET_TSC: i32 = 26;
    const PR_TSC_SIGSEGV: usize = 2;
    // Fails where the clock is not the processor's; there a clock is a system call.
    // SAFETY: no pointer.
    unsafe { libc::prctl(PR_SET_TSC, PR_TSC_SIGSEGV) };
    // SAFETY: no pointer.
    if unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) } != 0 {
        // SAFETY: no pointer.
        unsafe { libc::_exit(CANNOT) };
    }
}
