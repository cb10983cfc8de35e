//! The survivor: a process of its own for each operation, with a folder of its own. It forks the children, steps them,
//! kills them, and finds out whether it can live with what they left.
//!
//! ```text
//! dry run      fork, step to the end: how many instructions, and which of them are system calls
//! crash point  fork, run to the last system call before instruction k, step to k, SIGKILL, check
//! ```
//!
//! Its lines on standard output: `at K PLACE` before each crash point, so that whoever started it knows where it
//! hangs; `failure K PLACE WHY`; `row INSTRUCTIONS CALLS POINTS FAILURES` at the end.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Instant;

use crate::board::{Board, Word, wait_until};
use crate::operation::{Death, Marks, Moment, Operation};
use crate::places::Places;
use crate::support::peer::process_state;
use crate::tracer::{self, Instruction, Stop, Traced};

/// An operation of so many instructions costs less than a second to try at each of them.
const SHORT: usize = 2_000;
/// More failures of one operation tell nothing new.
const FAILURES_TOLD: usize = 8;

/// Which crash points to try.
pub(crate) enum Choice {
    /// Every n-th instruction, and around each system call.
    Every(usize),
    /// The same; but of an operation of at most [`SHORT`] instructions each.
    EveryOfLong(usize),
    One(usize),
}

/// What the dry run found.
#[derive(Default)]
struct Trace {
    /// Stops of single-stepping. A string instruction (`rep movs`) makes one for each element.
    steps: usize,
    /// The instructions that are system calls, in order, by their number.
    calls: Vec<usize>,
    /// Those among them in which the child may sleep.
    sleeps: Vec<usize>,
    /// For each instruction its address, and how often it was executed since the last system call.
    places: Vec<(usize, u32)>,
}

/// How to get to an instruction fast: so many system calls, so many times to an address, so many steps.
struct Way {
    calls: usize,
    place: usize,
    times: u32,
    steps: usize,
}

/// The processes of one crash point, before the child's first instruction of the operation.
struct Scene {
    child: Traced,
    second: Option<i32>,
}

struct Arena {
    operation: Operation,
    board: &'static Board,
    places: Places,
    /// Crash points at which the child stood elsewhere than in the dry run: it waited longer, or drew another number.
    strays: Cell<usize>,
}

/// Tries the operation's crash points and says on standard output how it went.
pub(crate) fn play(operation: Operation, choice: &Choice) {
    let arena = Arena { operation, board: Board::new(), places: Places::new(), strays: Cell::new(0) };
    (operation.set_up)();
    // The survivor's first look at what a death leaves is not like those after it: it learns about the machine.
    let warmed = arena.scene().and_then(|scene| arena.settle(scene, false, operation.moment != Moment::Never));
    let trace = match warmed.and_then(|()| arena.dry_run()) {
        Ok(trace) => trace,
        Err(why) => {
            println!("failure 0 dry-run {}", one_line(&why));
            println!("row 0 0 0 1");
            return;
        }
    };
    let mut points = 0;
    let mut failures = 0;
    let start = Instant::now();
    for (k, asleep) in trace.points(choice, operation.moment) {
        points += 1;
        if let Err((place, why)) = arena.crash(&trace, k, asleep) {
            failures += 1;
            let asleep = if asleep { "asleep " } else { "" };
            println!("failure {k} {place} {asleep}{}", one_line(&why));
            if failures >= FAILURES_TOLD {
                break;
            }
        }
    }
    (operation.tear_down)();
    println!("row {} {} {points} {failures}", trace.instructions(), trace.calls.len());
    let (seconds, strays) = (start.elapsed().as_secs_f64(), arena.strays.get());
    eprintln!("{}: {points} deaths in {seconds:.1} s, {strays} of them astray", operation.name);
}

fn one_line(text: &str) -> String {
    text.replace('\n', " | ").chars().take(600).collect()
}

impl Trace {
    /// The numbers of instructions after which to kill, and whether asleep in the call that is next.
    fn points(&self, choice: &Choice, moment: Moment) -> Vec<(usize, bool)> {
        let every = match choice {
            Choice::One(k) => {
                let asleep = self.sleeps.contains(k).then_some((*k, true));
                return std::iter::once((*k, false)).chain(asleep).collect();
            }
            Choice::EveryOfLong(_) if self.instructions() <= SHORT => 1,
            Choice::Every(every) | Choice::EveryOfLong(every) => *every,
        };
        let mut points: Vec<_> = self.starts().step_by(every).map(|k| (k, false)).collect();
        // A string instruction may be left halfway.
        points.extend(self.string_instructions().step_by(every).map(|k| (k, false)));
        if moment != Moment::Halfway || every == 1 {
            points.extend(self.calls.iter().flat_map(|&k| [(k, false), (k + 1, false)]));
        }
        points.extend(self.sleeps.iter().map(|&k| (k, true)));
        points.push((self.steps, false));
        points.sort_unstable();
        points.dedup();
        points
    }

    /// The steps that begin an instruction.
    fn starts(&self) -> impl Iterator<Item = usize> {
        (0..self.places.len()).filter(|&k| k == 0 || self.places[k].0 != self.places[k - 1].0)
    }

    /// Of each string instruction the second element, the one in the middle, and the last.
    fn string_instructions(&self) -> impl Iterator<Item = usize> {
        let mut starts: Vec<_> = self.starts().collect();
        starts.push(self.places.len());
        let runs: Vec<_> =
            starts.windows(2).map(|run| (run[0], run[1])).filter(|(start, end)| end - start > 1).collect();
        runs.into_iter().flat_map(|(start, end)| [start + 1, start + (end - start) / 2, end - 1])
    }

    fn instructions(&self) -> usize {
        self.starts().count()
    }

    /// The way to instruction `k` with the fewest stops.
    fn way_to(&self, k: usize) -> Way {
        let calls = self.calls.partition_point(|&call| call < k);
        let done = if calls == 0 { 0 } else { self.calls[calls - 1] + 1 };
        let mut way = Way { calls, place: 0, times: 0, steps: k - done };
        for steps in 0..k - done {
            let Some(&(place, times)) = self.places.get(k - steps) else { continue };
            // Each time costs two stops, and some for the breakpoint itself.
            if steps > 2 * way.times as usize + way.steps {
                break;
            }
            if 2 * times as usize + steps + 4 < 2 * way.times as usize + way.steps {
                way = Way { calls, place, times, steps };
            }
        }
        way
    }
}

impl Arena {
    fn scene(&self) -> Result<Scene, String> {
        self.board.wipe();
        (self.operation.before)();
        let operation = self.operation;
        let board = self.board;
        let child = fork(|| (operation.child)(&Marks { board }));
        let second = operation.second.map(|second| fork(move || second(board)));
        let scene = Scene { child: Traced::at_begin(child)?, second };
        if let Some(second) = second {
            board.hear(Word::Ready)?;
            wait_until("the second process sleeps", || process_state(second) == Some('S'))?;
            wait_until("the second process is where it is wanted", operation.is_settled)?;
        }
        Ok(scene)
    }

    fn dry_run(&self) -> Result<Trace, String> {
        let scene = self.scene()?;
        let mut trace = Trace::default();
        let mut times: HashMap<usize, u32> = HashMap::new();
        let mut known = HashMap::new();
        let mut is_finished = false;
        while trace.sleeps.len() < self.operation.sleeps {
            let (place, instruction) = scene.child.next_instruction(&mut known);
            let so_often = times.entry(place).and_modify(|times| *times += 1).or_insert(1);
            trace.places.push((place, *so_often));
            if !matches!(instruction, Instruction::Plain) {
                trace.calls.push(trace.steps);
                times.clear();
            }
            if matches!(instruction, Instruction::MaySleep) {
                trace.sleeps.push(trace.steps);
            }
            match scene.child.step() {
                Stop::Trap => trace.steps += 1,
                Stop::Mark => {
                    is_finished = true;
                    break;
                }
                Stop::Gone(status) => return Err(format!("the child ended by itself: status {status:#x}")),
            }
        }
        // The last call is the end mark's own.
        if is_finished {
            trace.calls.pop();
        }
        self.settle(scene, is_finished, self.operation.moment != Moment::Never)?;
        Ok(trace)
    }

    /// One crash point: `k` instructions, then death.
    fn crash(&self, trace: &Trace, k: usize, asleep: bool) -> Result<(), (String, String)> {
        let scene = self.scene().map_err(|why| ("before".to_owned(), why))?;
        let mut acts_later = self.operation.moment != Moment::Never;
        let mut is_finished = false;
        if self.operation.moment == Moment::Halfway {
            is_finished = go_to(&scene.child, &trace.way_to(k / 2)).map_err(|why| ("halfway".to_owned(), why))?;
            (self.operation.act)(self.board);
            acts_later = false;
            // Steps alone: what the survivor did changes the child's way.
            if !is_finished {
                is_finished = steps(&scene.child, k - k / 2).map_err(|why| ("halfway".to_owned(), why))?;
            }
        } else {
            is_finished |= go_to(&scene.child, &trace.way_to(k)).map_err(|why| ("on its way".to_owned(), why))?;
        }
        let place = scene.child.place();
        if trace.places.get(k).is_some_and(|&(known, _)| known != place) {
            self.strays.set(self.strays.get() + 1);
        }
        let place = self.places.of(place);
        println!("at {k} {place}");
        if self.operation.moment == Moment::BeforeDeath {
            (self.operation.act)(self.board);
            acts_later = false;
        }
        if asleep && !is_finished && !scene.child.falls_asleep() {
            is_finished = false; // It came through the call; it is killed there.
        }
        self.settle(scene, is_finished, acts_later).map_err(|why| (place, why))
    }

    /// Kills the child, lets everybody else come to an end, and checks.
    fn settle(&self, scene: Scene, is_finished: bool, acts_later: bool) -> Result<(), String> {
        let pid = scene.child.pid;
        scene.child.kill();
        if acts_later {
            (self.operation.act)(self.board);
        }
        let mut trouble = String::new();
        if let Some(second) = scene.second {
            self.board.say(Word::Go);
            match tracer::reap(second, "the second process") {
                Ok(0) => {}
                Ok(status) => {
                    let _ = write!(trouble, "the second process: status {status:#x}, {}; ", self.board.read());
                }
                Err(why) => trouble += &why,
            }
        }
        let death = Death { pid, is_finished, board: self.board };
        let checked = (self.operation.check)(&death);
        match checked {
            Err(why) => Err(trouble + &why),
            Ok(()) if !trouble.is_empty() => Err(trouble),
            Ok(()) => Ok(()),
        }
    }
}

/// `true`: it came to the end of the operation.
fn go_to(child: &Traced, way: &Way) -> Result<bool, String> {
    for _ in 0..way.calls {
        match child.next_call() {
            Stop::Trap => {}
            Stop::Mark => return Ok(true),
            Stop::Gone(status) => return Err(format!("the child ended by itself: status {status:#x}")),
        }
    }
    if way.times > 0 {
        match child.run_to(way.place, way.times as usize) {
            Stop::Trap => {}
            Stop::Mark => return Ok(true),
            Stop::Gone(status) => return Err(format!("the child ended by itself: status {status:#x}")),
        }
    }
    steps(child, way.steps)
}

fn steps(child: &Traced, count: usize) -> Result<bool, String> {
    for _ in 0..count {
        match child.step() {
            Stop::Trap => {}
            Stop::Mark => return Ok(true),
            Stop::Gone(status) => return Err(format!("the child ended by itself: status {status:#x}")),
        }
    }
    Ok(false)
}

/// A child that does `what` and ends, at the latest with this process.
pub(crate) fn fork(what: impl FnOnce()) -> i32 {
    // SAFETY: this process has one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid > 0 {
        return pid;
    }
    // SAFETY: no pointer.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
    // SAFETY: no pointer; the parent's exit handlers are not the child's to run.
    unsafe { libc::_exit(i32::from(outcome.is_err())) }
}

/// Asks a fresh child, which this process waits for; its error is the answer.
pub(crate) fn ask_another(board: &'static Board, what: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let pid = fork(|| {
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
        let answer = answer.unwrap_or_else(|cause| Err(crate::support::text_of(cause.as_ref())));
        if let Err(why) = answer {
            board.write(&why);
            // SAFETY: no pointer.
            unsafe { libc::_exit(2) };
        }
    });
    match tracer::reap(pid, "a process that looks at what is left")? {
        0 => Ok(()),
        status => Err(format!("{} (status {status:#x})", board.read())),
    }
}
