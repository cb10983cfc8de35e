//! The world of the models: shuttle schedules, tasks sleep and die, the kernel buries the dead.
//!
//! ```text
//! no deaths:   a sleeper wakes only when somebody wakes it          a lost wake-up is a deadlock, which shuttle reports
//! deaths:      from the first one on, sleepers also time out        as in the library: no sleep is without a time-out
//! ```
//!
//! A death takes time: the task stops at a step; later the kernel looks at its robust list; later still its slot's lock
//! falls, and only then may anybody call it dead. All tasks of an execution run on one thread of the system.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cotenant::__private::model::{self, World};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::thread::{self, Thread};

/// The steps within which a condemned task dies, one of them at random: a short life, or a long one.
const LIVES: [u32; 4] = [6, 15, 40, 100];
/// A schedule with more steps than that hangs.
const MOST_STEPS: usize = 60_000;
const SCHEDULES: usize = 10_000;
const PCT_SCHEDULES: usize = 5_000;
const PCT_DEPTH: usize = 4;
const SEED: u64 = 4;

struct Shuttle;

/// What a killed task unwinds with.
struct Killed;
/// What [`panic_perhaps`] unwinds with.
struct Panic;

#[derive(Default)]
struct Task {
    /// It dies at the last of them.
    steps_left: Option<u32>,
    /// It does nothing any more.
    is_dead: bool,
    is_known_dead: bool,
    announced: Option<*const AtomicU64>,
}

struct Sleeper {
    address: usize,
    task: usize,
    thread: Thread,
}

/// One run of a model: see [`explore`].
struct Execution {
    tasks: Vec<Task>,
    sleepers: Vec<Sleeper>,
    deaths: u32,
    deaths_left: u32,
    has_wake_op: bool,
    has_robust_list: bool,
    /// Sleeps that a signal may still end.
    signals: u32,
    /// Woken by who panics. All tasks are one thread to std: nobody else may run before that has unwound.
    woken_in_panic: Vec<Thread>,
}

thread_local! {
    static EXECUTION: RefCell<Option<Execution>> = const { RefCell::new(None) };
}

fn with<R>(use_it: impl FnOnce(&mut Execution) -> R) -> Option<R> {
    EXECUTION.with_borrow_mut(|execution| execution.as_mut().map(use_it))
}

fn me() -> usize {
    usize::from(shuttle::current::me())
}

fn one_in(n: u32) -> bool {
    thread_rng().gen_range(0..n) == 0
}

/// A point at which others may run, without being one at which this task may die.
fn switch() {
    thread::sleep(std::time::Duration::ZERO);
}

impl Execution {
    fn new(deaths: u32) -> Execution {
        Execution {
            tasks: Vec::new(),
            sleepers: Vec::new(),
            deaths: 0,
            deaths_left: deaths,
            has_wake_op: !one_in(4),
            has_robust_list: one_in(2),
            signals: if one_in(4) { 2 } else { 0 },
            woken_in_panic: Vec::new(),
        }
    }

    fn task(&mut self, number: usize) -> &mut Task {
        while self.tasks.len() <= number {
            self.tasks.push(Task::default());
        }
        &mut self.tasks[number]
    }
}

impl World for Shuttle {
    fn step(&self) -> bool {
        if EXECUTION.with_borrow(Option::is_none) {
            return true;
        }
        if with(|it| it.task(me()).is_dead).unwrap_or(false) {
            return false;
        }
        // A failed check unwinds: what its destructors do is not the model's.
        if !std::thread::panicking() {
            die_or(switch);
        }
        true
    }

    fn task(&self) -> u32 {
        if EXECUTION.with_borrow(Option::is_none) { 0 } else { me() as u32 }
    }

    fn coin(&self) -> bool {
        EXECUTION.with_borrow(Option::is_some) && one_in(2)
    }

    fn sleep(&self, address: usize, is_as_expected: &dyn Fn() -> bool) -> bool {
        if with(|it| it.signals > 0) == Some(true) && one_in(4) {
            with(|it| it.signals -= 1);
            return false;
        }
        if !is_as_expected() {
            return true;
        }
        let task = me();
        with(|it| it.sleepers.push(Sleeper { address, task, thread: thread::current() }));
        loop {
            if with(|it| it.sleepers.iter().all(|sleeper| sleeper.task != task)) == Some(true) {
                return true;
            }
            let somebody_died = with(|it| it.deaths > 0) == Some(true);
            if somebody_died && one_in(4) {
                with(|it| it.sleepers.retain(|sleeper| sleeper.task != task));
                return false;
            }
            let may_die = with(|it| it.task(task).steps_left.is_some()) == Some(true);
            if may_die || somebody_died { die_or(thread::yield_now) } else { thread::park() }
        }
    }

    fn wake(&self, address: usize, sleepers: u32) -> u32 {
        let mut woken = Vec::new();
        while woken.len() < sleepers as usize {
            let there = with(|it| it.sleepers.iter().filter(|it| it.address == address).count()).unwrap_or(0);
            if there == 0 {
                break;
            }
            let nth = thread_rng().gen_range(0..there);
            with(|it| {
                let mut here = (0..it.sleepers.len()).filter(|index| it.sleepers[*index].address == address);
                let index = here.nth(nth).expect("counted");
                woken.push(it.sleepers.remove(index).thread);
            });
        }
        let count = woken.len() as u32;
        if std::thread::panicking() {
            with(|it| it.woken_in_panic.extend(woken));
        } else {
            woken.iter().for_each(Thread::unpark);
        }
        count
    }

    fn is_known_dead(&self, task: u32) -> bool {
        with(|it| it.task(task as usize).is_known_dead).unwrap_or(false)
    }

    fn has_wake_op(&self) -> bool {
        with(|it| it.has_wake_op).unwrap_or(true)
    }

    fn announce(&self, word: &AtomicU64) -> bool {
        let announced = with(|it| {
            if !it.has_robust_list || it.task(me()).announced.is_some() {
                return false;
            }
            it.task(me()).announced = Some(word);
            true
        });
        announced.unwrap_or(false)
    }

    fn withdraw(&self, word: &AtomicU64) {
        with(|it| {
            let announced = &mut it.task(me()).announced;
            if *announced == Some(std::ptr::from_ref(word)) {
                *announced = None;
            }
        });
    }
}

/// A step, or this task's end.
fn die_or(go_on: impl FnOnce()) {
    let task = me();
    let dies = with(|it| match &mut it.task(task).steps_left {
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    });
    if dies != Some(true) {
        return go_on();
    }
    with(|it| {
        it.task(task).is_dead = true;
        it.task(task).steps_left = None;
        it.sleepers.retain(|sleeper| sleeper.task != task);
        it.deaths += 1;
    });
    resume_unwind(Box::new(Killed));
}

/// What the kernel does after a death, in its own time.
fn bury() {
    // From here on time passes: sleepers look again whether they may time out.
    let sleepers = with(|it| it.sleepers.iter().map(|it| it.thread.clone()).collect::<Vec<_>>());
    sleepers.iter().flatten().for_each(Thread::unpark);
    linger();
    let task = me();
    if let Some(word) = with(|it| it.task(task).announced.take()).flatten() {
        // SAFETY: words lie in what was leaked by `share`.
        let word = unsafe { &*word };
        if model::owner_died(word, task as u32) {
            Shuttle.wake(std::ptr::from_ref(word) as usize, 1);
        }
    }
    linger();
    with(|it| it.task(task).is_known_dead = true);
}

fn linger() {
    for _ in 0..thread_rng().gen_range(0..6) {
        thread::yield_now();
    }
}

/// One step of the caller's own code: others may run, and this task may die.
pub(crate) fn step() {
    Shuttle.step();
}

/// As [`step`], where others must run before it is worth going on.
pub(crate) fn wait_a_while() {
    die_or(thread::yield_now);
}

pub(crate) fn one_of(n: u32) -> u32 {
    thread_rng().gen_range(0..n)
}

/// Panics in one of three runs: inside of [`catch_panic`].
pub(crate) fn panic_perhaps() {
    if one_in(3) {
        resume_unwind(Box::new(Panic));
    }
}

/// Ends a panic of `play`. Unwinding is one step.
pub(crate) fn catch_panic(play: impl FnOnce()) {
    match catch_unwind(AssertUnwindSafe(play)) {
        Err(why) if !why.is::<Panic>() => resume_unwind(why),
        _ => {}
    }
    with(|it| std::mem::take(&mut it.woken_in_panic)).iter().flatten().for_each(Thread::unpark);
}

/// Tasks that have died so far.
pub(crate) fn deaths() -> u32 {
    with(|it| it.deaths).unwrap_or(0)
}

/// Tasks that sleep.
pub(crate) fn sleepers() -> usize {
    with(|it| it.sleepers.len()).unwrap_or(0)
}

/// What all tasks of an execution share. Leaked, as the kernel keeps memory while anybody maps it.
pub(crate) fn share<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// The tasks of an execution. Dropping it does not wait: [`join`](Tasks::join) does.
#[derive(Default)]
pub(crate) struct Tasks(Vec<thread::JoinHandle<bool>>);

impl Tasks {
    /// Starts a task, which may be condemned if this execution has a death left.
    pub(crate) fn spawn(&mut self, play: impl FnOnce() + Send + 'static) -> &mut Tasks {
        let is_condemned = with(|it| it.deaths_left > 0) == Some(true) && !one_in(3);
        self.start(is_condemned, play)
    }

    /// Starts a task that lives on.
    pub(crate) fn spawn_immortal(&mut self, play: impl FnOnce() + Send + 'static) -> &mut Tasks {
        self.start(false, play)
    }

    fn start(&mut self, is_condemned: bool, play: impl FnOnce() + Send + 'static) -> &mut Tasks {
        let life = LIVES[thread_rng().gen_range(0..LIVES.len())];
        let steps_left = is_condemned.then(|| thread_rng().gen_range(0..life));
        if is_condemned {
            with(|it| it.deaths_left -= 1);
        }
        self.0.push(thread::spawn(move || {
            with(|it| it.task(me()).steps_left = steps_left);
            match catch_unwind(AssertUnwindSafe(play)) {
                Ok(()) => {
                    with(|it| it.task(me()).steps_left = None);
                    true
                }
                Err(why) if why.is::<Killed>() => {
                    bury();
                    false
                }
                Err(why) => resume_unwind(why),
            }
        }));
        self
    }

    /// Waits for all; gives how many came to their own end.
    pub(crate) fn join(&mut self) -> usize {
        self.0.drain(..).filter_map(|task| task.join().ok()).filter(|has_lived| *has_lived).count()
    }
}

/// Runs a model under many schedules without deaths, and as many with up to `deaths` in each.
///
/// `COTENANT_MODEL_REPLAY=<schedule>` runs one that failed; `COTENANT_MODEL_TIMES=<n>` runs n times as many.
pub(crate) fn explore(deaths: u32, play: impl Fn() + Send + Sync + 'static) {
    if let Ok(schedule) = std::env::var("COTENANT_MODEL_REPLAY") {
        let (deaths, schedule) = schedule.split_once(':').expect("<deaths>:<schedule>");
        let deaths = deaths.parse().expect("a number of deaths");
        return run(ReplayScheduler::new_from_encoded(schedule), deaths, Arc::new(play));
    }
    let times = std::env::var("COTENANT_MODEL_TIMES").map_or(1, |times| times.parse().expect("a number"));
    let play = Arc::new(play);
    for deaths in if deaths == 0 { vec![0] } else { vec![0, deaths] } {
        println!("up to {deaths} deaths; to replay a failure: COTENANT_MODEL_REPLAY={deaths}:<schedule>");
        run(RandomScheduler::new_from_seed(SEED, SCHEDULES * times), deaths, play.clone());
        run(PctScheduler::new_from_seed(SEED, PCT_DEPTH, PCT_SCHEDULES * times), deaths, play.clone());
    }
}

fn run<F: Fn() + Send + Sync + 'static>(scheduler: impl Scheduler + 'static, deaths: u32, play: Arc<F>) {
    model::enter(&Shuttle);
    let mut config = shuttle::Config::new();
    config.stack_size = 128 << 10;
    config.max_steps = shuttle::MaxSteps::FailAfter(MOST_STEPS);
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    shuttle::Runner::new(scheduler, config).run(move || {
        EXECUTION.set(Some(Execution::new(deaths)));
        play();
        EXECUTION.set(None);
    });
}
