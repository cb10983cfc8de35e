//! A child under ptrace(2): stepped instruction by instruction, run on to a system call, killed where it stands.
//!
//! A step over a system call runs the whole call, so deaths *inside* a call are reached only where it sleeps: the child
//! is let go and killed when the kernel says that it sleeps.

use std::collections::HashMap;
use std::io;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

/// What became of a child that was let go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// It stands behind the next instruction, or at the next border of a system call.
    Trap,
    /// It stopped itself: the operation begins or has ended.
    Mark,
    /// It is gone, or got a signal of its own making.
    Gone(i32),
}

/// A child that traces itself; killed when dropped.
pub(crate) struct Traced {
    pub(crate) pid: i32,
    is_dead: bool,
}

impl Traced {
    /// Waits until the fresh child `pid` stops itself for the first time.
    pub(crate) fn at_begin(pid: i32) -> Result<Traced, String> {
        let traced = Traced { pid, is_dead: false };
        match traced.wait() {
            Stop::Mark => {}
            other => return Err(format!("the child did not come to the operation: {other:?}")),
        }
        let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
        // SAFETY: no pointer is followed: the options are the last argument's value.
        let result = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0_usize, options as usize) };
        if result == 0 { Ok(traced) } else { Err(format!("PTRACE_SETOPTIONS: {}", io::Error::last_os_error())) }
    }

    fn go_on(&self, how: libc::c_uint) {
        // SAFETY: no pointer; signal 0 is delivered, which is none.
        let result = unsafe { libc::ptrace(how, self.pid, 0_usize, 0_usize) };
        assert_eq!(result, 0, "letting a traced child go on: {}", io::Error::last_os_error());
    }

    fn wait(&self) -> Stop {
        let mut status = 0;
        // SAFETY: the status outlives the call.
        let pid = unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        assert_eq!(pid, self.pid, "waiting for a traced child: {}", io::Error::last_os_error());
        if !libc::WIFSTOPPED(status) {
            return Stop::Gone(status);
        }
        match libc::WSTOPSIG(status) & !0x80 {
            libc::SIGTRAP => Stop::Trap,
            libc::SIGSTOP => Stop::Mark,
            _ => Stop::Gone(status),
        }
    }

    /// One instruction; a system call is one.
    pub(crate) fn step(&self) -> Stop {
        self.go_on(libc::PTRACE_SINGLESTEP);
        self.wait()
    }

    /// On to the end of the next system call.
    pub(crate) fn next_call(&self) -> Stop {
        self.go_on(libc::PTRACE_SYSCALL);
        match self.wait() {
            Stop::Trap => {}
            other => return other,
        }
        self.go_on(libc::PTRACE_SYSCALL);
        self.wait()
    }

    /// Runs on until it is about to execute the instruction at `place` for the n-th time; at the latest to the next
    /// system call, which it is then about to make.
    pub(crate) fn run_to(&self, place: usize, times: usize) -> Stop {
        let Some(original) = self.peek(place) else { return Stop::Trap };
        let mut left = times;
        let outcome = loop {
            self.poke(place, BREAKPOINT | original & !BREAKPOINT_MASK);
            self.go_on(libc::PTRACE_SYSCALL);
            match self.wait() {
                Stop::Trap => {}
                other => break other,
            }
            let mut registers = self.registers();
            if registers.place().wrapping_sub(BREAKPOINT_PASSED) != place {
                break Stop::Trap; // At a system call: this time it went another way.
            }
            registers.set_place(place);
            self.set_registers(&registers);
            self.poke(place, original);
            left -= 1;
            if left == 0 {
                return Stop::Trap;
            }
            match self.step() {
                Stop::Trap => {}
                other => return other,
            }
        };
        if matches!(outcome, Stop::Trap | Stop::Mark) {
            self.poke(place, original);
        }
        outcome
    }

    fn peek(&self, place: usize) -> Option<libc::c_long> {
        let mut word: libc::c_long = 0;
        let (request, pid) = (libc::c_long::from(libc::PTRACE_PEEKTEXT), libc::c_long::from(self.pid));
        // SAFETY: the call itself (libc's wrapper returns the word) stores a word of the *child's* memory to `word`; an
        // address that is not mapped there is an error, not a fault.
        let result = unsafe { libc::syscall(libc::SYS_ptrace, request, pid, place, &raw mut word) };
        (result == 0).then_some(word)
    }

    fn poke(&self, place: usize, word: libc::c_long) {
        // SAFETY: writes a word of the *child's* code, in its private copy of the page; a child under test only.
        let result = unsafe { libc::ptrace(libc::PTRACE_POKETEXT, self.pid, place, word) };
        assert_eq!(result, 0, "a breakpoint in a traced child: {}", io::Error::last_os_error());
    }

    /// Lets it go, and waits until it sleeps. `false`: it came through, or stopped, without being seen asleep.
    pub(crate) fn falls_asleep(&self) -> bool {
        self.go_on(libc::PTRACE_SINGLESTEP);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match crate::support::peer::process_state(self.pid) {
                Some('S' | 'D') => return true,
                Some('R') => std::hint::spin_loop(),
                _ => return false,
            }
        }
        false
    }

    /// The address of the instruction that it would execute next.
    pub(crate) fn place(&self) -> usize {
        self.registers().place()
    }

    /// What the instruction that it would execute next is, and where.
    /// `known` keeps which addresses hold system calls.
    pub(crate) fn next_instruction(&self, known: &mut HashMap<usize, bool>) -> (usize, Instruction) {
        let registers = self.registers();
        let look = || self.peek(registers.place()).is_some_and(is_system_call);
        let is_call = *known.entry(registers.place()).or_insert_with(look);
        let instruction = match (is_call, may_sleep(&registers)) {
            (false, _) => Instruction::Plain,
            (true, false) => Instruction::Call,
            (true, true) => Instruction::MaySleep,
        };
        (registers.place(), instruction)
    }

    fn registers(&self) -> Registers {
        // SAFETY: all zero is a valid value of plain integers.
        let mut all: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let mut place = libc::iovec { iov_base: (&raw mut all).cast(), iov_len: size_of_val(&all) };
        // SAFETY: the kernel writes at most `iov_len` bytes to `all`, which outlives the call.
        let result = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, self.pid, NT_PRSTATUS, &raw mut place) };
        assert_eq!(result, 0, "reading a traced child's registers: {}", io::Error::last_os_error());
        Registers(all)
    }

    fn set_registers(&self, registers: &Registers) {
        let mut all = registers.0;
        let mut place = libc::iovec { iov_base: (&raw mut all).cast(), iov_len: size_of_val(&all) };
        // SAFETY: the kernel reads `iov_len` bytes of `all`, which outlives the call.
        let result = unsafe { libc::ptrace(libc::PTRACE_SETREGSET, self.pid, NT_PRSTATUS, &raw mut place) };
        assert_eq!(result, 0, "setting a traced child's registers: {}", io::Error::last_os_error());
    }

    /// SIGKILL, here and now; gives back when the system has torn it down.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if std::mem::replace(&mut self.is_dead, true) {
            return;
        }
        kill_and_reap(self.pid);
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.end();
    }
}

/// Kills a child of this process and waits until it is gone.
pub(crate) fn kill_and_reap(pid: i32) {
    // SAFETY: no pointer; the child is not yet waited for, so the id is its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    loop {
        let mut status = 0;
        // SAFETY: the status outlives the call.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        if waited != pid || !libc::WIFSTOPPED(status) {
            return;
        }
    }
}

/// Waits for the end of a child that is not traced, and gives its status.
pub(crate) fn reap(pid: i32, what: &str) -> Result<i32, String> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut status = 0;
        // SAFETY: the status outlives the call.
        if unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) } == pid {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    kill_and_reap(pid);
    Err(format!("waited {PATIENCE:?} for the end of {what}"))
}

/// Whether this process may trace its children at all; else why not.
pub(crate) fn is_permitted() -> Result<(), String> {
    // SAFETY: a child of a single-threaded process; it makes system calls only.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: no pointer is followed.
            let result = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) };
            // SAFETY: no pointer.
            unsafe { libc::_exit(i32::from(result != 0)) }
        }
        pid => match reap(pid, "a child that asks to be traced")? {
            0 => Ok(()),
            _ => Err("ptrace(2) is not permitted here".to_owned()),
        },
    }
}

pub(crate) enum Instruction {
    Plain,
    Call,
    /// A call that waits for time to pass or for another process: futex, nanosleep.
    MaySleep,
}

const NT_PRSTATUS: usize = 1;

struct Registers(libc::user_regs_struct);

#[cfg(target_arch = "x86_64")]
impl Registers {
    fn place(&self) -> usize {
        self.0.rip as usize
    }

    fn set_place(&mut self, place: usize) {
        self.0.rip = place as u64;
    }

    fn call(&self) -> i64 {
        self.0.rax as i64
    }

    fn second_argument(&self) -> u64 {
        self.0.rsi
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    fn place(&self) -> usize {
        self.0.pc as usize
    }

    fn set_place(&mut self, place: usize) {
        self.0.pc = place as u64;
    }

    fn call(&self) -> i64 {
        self.0.regs[8] as i64
    }

    fn second_argument(&self) -> u64 {
        self.0.regs[1]
    }
}

/// `int3`: one byte, and the place is behind it when it has stopped.
#[cfg(target_arch = "x86_64")]
const BREAKPOINT: libc::c_long = 0xcc;
#[cfg(target_arch = "x86_64")]
const BREAKPOINT_MASK: libc::c_long = 0xff;
#[cfg(target_arch = "x86_64")]
const BREAKPOINT_PASSED: usize = 1;

/// `brk #0`: four bytes, and the place stays.
#[cfg(target_arch = "aarch64")]
const BREAKPOINT: libc::c_long = 0xd420_0000;
#[cfg(target_arch = "aarch64")]
const BREAKPOINT_MASK: libc::c_long = 0xffff_ffff;
#[cfg(target_arch = "aarch64")]
const BREAKPOINT_PASSED: usize = 0;

/// `syscall` or `svc #0`, in the low bytes of a word of code.
fn is_system_call(word: libc::c_long) -> bool {
    if cfg!(target_arch = "x86_64") { word & 0xffff == 0x050f } else { word & 0xffff_ffff == 0xd400_0001 }
}

fn may_sleep(registers: &Registers) -> bool {
    const WAIT: u64 = libc::FUTEX_WAIT as u64;
    const WAIT_BITSET: u64 = libc::FUTEX_WAIT_BITSET as u64;
    match registers.call() {
        libc::SYS_futex => matches!(registers.second_argument() & 0x7f, WAIT | WAIT_BITSET),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => true,
        _ => false,
    }
}
