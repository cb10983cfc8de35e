//! A supervisor: keeps a few workers going, kills some of them at any moment, and counts.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, ROLE};
use crate::worker::{self, Told};

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

struct Supervisor {
    random: Random,
    told: &'static Told,
    /// Process ids, oldest first.
    workers: VecDeque<i32>,
    kills: u64,
}

/// Workers are forks that attach by call.
pub(crate) fn fork_workers() {
    supervise(200, |supervisor| {
        let lonely_child = supervisor.random.below(8) == 0;
        let told = supervisor.told;
        // SAFETY: this process has one thread.
        match unsafe { libc::fork() } {
            0 => end(work(lonely_child, told)),
            pid => pid,
        }
    });
}

/// Workers are programs that attach at load. (Those that are killed before they do are counted, too.)
#[allow(clippy::zombie_processes)] // Waited for by its id, as the forks are.
pub(crate) fn exec_workers() {
    supervise(3000, |supervisor| {
        let program = std::env::current_exe().expect("the path of this test program");
        let worker = Command::new(program).env(ROLE, "worker").stdin(Stdio::null()).spawn().expect("a worker");
        supervisor.told.attaches.fetch_add(1, Relaxed);
        worker.id() as i32
    });
}

fn number(name: &str) -> u64 {
    std::env::var(name).expect(name).parse().expect("a number")
}

fn supervise(longest_life_us: u64, mut start: impl FnMut(&mut Supervisor) -> i32) {
    // For the workers. SAFETY: this process has one thread.
    unsafe { std::env::remove_var("COTENANT_PRIVATE") };
    // SAFETY: no pointer. Who outlives its parent becomes our child.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let random = Random(number("SEED").wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut supervisor = Supervisor { random, told: told_by_workers(), workers: VecDeque::new(), kills: 0 };
    for _ in 0..number("WORKERS") {
        let pid = start(&mut supervisor);
        assert!(pid > 0, "starting a worker: {}", std::io::Error::last_os_error());
        supervisor.workers.push_back(pid);
        // Every other time nobody is left, as far as this supervisor goes.
        let at_most = supervisor.random.below(8).saturating_sub(4) as usize;
        while supervisor.workers.len() > at_most {
            supervisor.end_oldest(longest_life_us);
        }
    }
    while !supervisor.workers.is_empty() {
        supervisor.end_oldest(longest_life_us);
    }
    supervisor.reap_orphans();
    let told = supervisor.told;
    let [attaches, creations, repairs] = [&told.attaches, &told.creations, &told.repairs].map(|it| it.load(Relaxed));
    println!("{attaches} {} {creations} {repairs}", supervisor.kills);
}

impl Supervisor {
    /// Kills the oldest worker after a random while, or waits for its end.
    fn end_oldest(&mut self, longest_life_us: u64) {
        let pid = self.workers.pop_front().expect("a worker");
        if self.random.below(3) > 0 {
            std::thread::sleep(Duration::from_micros(self.random.below(longest_life_us)));
            // SAFETY: no pointer; our child, not waited for yet.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            self.kills += 1;
        }
        let status = wait(pid).expect("our child");
        assert!(is_fine(status), "worker {pid} ended with {status:#x}");
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == worker::CREATED {
            self.told.creations.fetch_add(1, Relaxed);
        }
    }

    /// Waits for the children of workers.
    fn reap_orphans(&mut self) {
        while let Some(status) = wait(-1) {
            assert!(is_fine(status), "a worker's child ended with {status:#x}");
        }
    }
}

fn is_fine(status: i32) -> bool {
    status == 0
        || (libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == worker::CREATED)
        || (libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL)
}

/// The status of a child, waited for with patience; `None`: there is none.
fn wait(pid: i32) -> Option<i32> {
    let start = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: the place outlives the call.
        match unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } {
            0 => {}
            -1 => return None,
            _ => return Some(status),
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for the end of worker {pid}");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Attaches and checks; with `lonely_child`, leaves a child that goes on when this process is gone.
fn work(lonely_child: bool, told: &Told) -> Result<(), String> {
    cotenant::attach().map_err(|error| format!("attaching: {error}"))?;
    told.attaches.fetch_add(1, Relaxed);
    if lonely_child {
        // SAFETY: this process has one thread.
        if unsafe { libc::fork() } != 0 {
            return Ok(());
        }
        // Its parent's slot is not its own; it takes one when it locks.
        std::thread::sleep(Duration::from_micros(200));
    }
    worker::BY_CALL.iter().try_for_each(|block| worker::check(block, told))
}

fn end(outcome: Result<(), String>) -> ! {
    if let Err(violation) = outcome {
        worker::report(&violation);
    }
    // SAFETY: no pointer; the supervisor's exit handlers are not a worker's to run.
    unsafe { libc::_exit(0) }
}

/// Zeroed memory that forks share.
fn told_by_workers() -> &'static Told {
    let (read_write, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: no address; new pages.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Told>(), read_write, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED, "memory for what workers tell");
    // SAFETY: zeros are a value of these atomics; never unmapped.
    unsafe { &*page.cast::<Told>() }
}
