//! What is killed: an operation, what surrounds it, and what must hold afterwards.

use crate::board::Board;

/// A line of the matrix. `Operation { name: ..., ..NOTHING }` says what differs from doing nothing.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// In the table, and for `--operation`.
    pub(crate) name: &'static str,
    /// The ordinary test run kills at every n-th instruction, and around every system call.
    pub(crate) every: usize,
    /// Once, in the survivor, before the first child is made.
    pub(crate) set_up: fn(),
    /// Before each crash point, in the survivor.
    pub(crate) before: fn(),
    /// The child: prepares, then `marks.begin()`, the operation, `marks.end()`.
    pub(crate) child: fn(&Marks),
    /// A second process beside the child. It says `Ready` before what may wait, and `Done` after.
    pub(crate) second: Option<fn(&'static Board)>,
    /// Whether the second process is where the operation finds it: asked, after `Ready`, until it is so.
    pub(crate) is_settled: fn() -> bool,
    /// What the survivor does in between, and when.
    pub(crate) act: fn(&Board),
    pub(crate) moment: Moment,
    /// An operation that waits for `act` does not end by itself: it is tried until it has slept so often.
    pub(crate) sleeps: usize,
    /// In the survivor, after the kill: what must hold. Leaves everything as it found it before the first child.
    pub(crate) check: fn(&Death) -> Result<(), String>,
    /// When every crash point was tried.
    pub(crate) tear_down: fn(),
}

pub(crate) const NOTHING: Operation = Operation {
    name: "",
    every: 1,
    set_up: || {},
    before: || {},
    child: |_| {},
    second: None,
    is_settled: || true,
    act: |_| {},
    moment: Moment::Never,
    sleeps: usize::MAX,
    check: |_| Ok(()),
    tear_down: || {},
};

/// When the survivor does its part of an operation of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    Never,
    /// When the child has gone half of the way to its death.
    Halfway,
    /// When the child stands where it will die.
    BeforeDeath,
    AfterDeath,
}

/// A child that was killed.
pub(crate) struct Death {
    pub(crate) pid: i32,
    /// It had come to the end of the operation: its change must be there.
    pub(crate) is_finished: bool,
    pub(crate) board: &'static Board,
}

/// Where an operation begins and ends: the child stops itself.
pub(crate) struct Marks {
    pub(crate) board: &'static Board,
}

impl Marks {
    /// The next instruction is the first of the operation.
    #[inline(never)]
    pub(crate) fn begin(&self) {
        self.board.say(crate::board::Word::Prepared);
        // SAFETY: no pointer is followed.
        let result = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0_usize, 0_usize) };
        assert_eq!(result, 0, "asking to be traced");
        stop_myself();
    }

    /// The operation has come through.
    #[inline(never)]
    pub(crate) fn end(&self) {
        stop_myself();
    }
}

fn stop_myself() {
    let this = std::process::id() as i32;
    // SAFETY: no pointer; the signal stops this process for its tracer.
    unsafe { libc::kill(this, libc::SIGSTOP) };
}
