//! Deaths in metrics and rate limits: what was acknowledged is counted, what was not is counted once or not at all, and
//! the next ones go on with the same cells, names and limits.
//!
//! Every crash point begins with fresh metrics: the survivor writes them anew when nobody else is left, and makes a
//! segment of its own for those with names.

use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use cotenant::limit::{KeyedRateLimiter, Rate, RateLimiter};
use cotenant::metrics::{Across, Buckets, Counter, Gauge, Histogram, HistogramSnapshot, Metrics, Value};
use cotenant::per_process::PerProcess;
use cotenant::sync::Mutex;
use cotenant::{Backing, Segment};

use crate::arena::{ask_another, fork};
use crate::attach::{dead_are_not_listed, let_the_other_go_on};
use crate::board::{Board, Word};
use crate::operation::{Death, Marks, Moment, NOTHING, Operation};

const BUCKETS: Buckets = Buckets::between(1.0, 4.0);
/// All of it at once, and a minute for the next.
const RATE: Rate = Rate::per_minute(1).burst(4);

cotenant::shared! {
    static COUNTER: Counter<2> = Counter::new();
    static HISTOGRAM: Histogram<16, 2> = Histogram::new(BUCKETS);
    static GAUGE: Gauge<64> = Gauge::new(Across::Sum);
    static CELLS: PerProcess<AtomicU64, 2> = PerProcess::new();
    static LIMITER: RateLimiter = RateLimiter::new(RATE);
    static KEYED: KeyedRateLimiter<8> = KeyedRateLimiter::new(RATE);
    static WARM: Mutex<u64> = Mutex::new(0);
}

thread_local! {
    /// The survivor's, and inherited by its children.
    static SEGMENT: RefCell<Option<&'static Segment>> = const { RefCell::new(None) };
}

const SIMPLE: Operation = Operation { every: 7, before: renew, ..NOTHING };
const NAMED: Operation = Operation { every: 97, before: renew_named, child: add_name, check: name_is_there, ..NOTHING };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "Counter: add", child: count, check: counted_once, ..SIMPLE },
    Operation { name: "Counter: claim", child: claim, check: counted_once, ..SIMPLE },
    Operation { name: "Counter: add to an own cell", child: count_own, check: counted_once, ..SIMPLE },
    Operation { name: "Counter: end of a claim", child: end_claim, check: counted_once, ..SIMPLE },
    Operation {
        name: "Counter: claim after the dead",
        every: 97,
        before: leave_dead_claims,
        child: claim,
        check: counted_after_the_dead,
        ..SIMPLE
    },
    Operation { name: "Histogram: observe", child: observe, check: observed_once, ..SIMPLE },
    Operation { name: "Histogram: observe in an own cell", child: observe_own, check: observed_once, ..SIMPLE },
    Operation { name: "Gauge: set, first of a fork", every: 97, child: set_first, check: only_ours, ..SIMPLE },
    Operation { name: "Gauge: set after the dead", before: leave_dead_gauge, child: set, check: only_ours, ..SIMPLE },
    Operation { name: "Gauge: add", child: add, check: only_ours, ..SIMPLE },
    Operation { name: "PerProcess: local", child: add_local, check: added_once, ..SIMPLE },
    Operation { name: "Metrics: add a name", ..NAMED },
    Operation {
        name: "Metrics: add a name, another one behind",
        second: Some(add_name_behind),
        act: let_the_other_go_on,
        moment: Moment::BeforeDeath,
        check: name_is_there_once,
        ..NAMED
    },
    Operation { name: "Metrics: look up", every: 17, before: renew_with_name, child: look_up, ..NAMED },
    Operation { name: "RateLimiter: acquire", child: acquire, check: taken_once, ..SIMPLE },
    Operation { name: "KeyedRateLimiter: acquire, first of all", child: acquire_keyed, check: keyed_once, ..SIMPLE },
];

fn renew() {
    renew_one(&*COUNTER, Counter::new());
    renew_one(&*HISTOGRAM, Histogram::new(BUCKETS));
    renew_one(&*GAUGE, Gauge::new(Across::Sum));
    renew_one(&*CELLS, PerProcess::new());
    renew_one(&*LIMITER, RateLimiter::new(RATE));
    renew_one(&*KEYED, KeyedRateLimiter::new(RATE));
    *WARM.lock_or_repair(|_| {}) += 1;
}

fn renew_one<T>(place: &'static T, fresh: T) {
    // SAFETY: shared memory that is written through atomics and cells only; nobody else uses it at this moment.
    unsafe { std::ptr::from_ref(place).cast_mut().write_volatile(fresh) };
}

fn renew_named() {
    renew();
    let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("crash.metrics");
    SEGMENT.set(Some(segment.expect("a segment").leak()));
    metrics().counter("first", &[]).expect("room").increment();
}

fn renew_with_name() {
    renew_named();
    metrics().counter("name", &[("who", "all")]).expect("room");
}

fn metrics() -> Metrics<'static> {
    let options = Metrics::options().max_series(8).max_bytes(1 << 16).cells(2).max_processes(16);
    let segment = SEGMENT.with_borrow(|segment| segment.expect("made before"));
    options.open_or_create(segment, "metrics").expect("metrics")
}

/// A child that does `what`, and is dead without having let go of anything.
fn a_dead_one(what: fn()) {
    let pid = fork(|| {
        what();
        // SAFETY: no pointer.
        unsafe { libc::raise(libc::SIGKILL) };
    });
    let mut status = 0;
    // SAFETY: the place outlives the call.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
}

fn leave_dead_claims() {
    renew();
    a_dead_one(|| {
        for own in [COUNTER.claim(), COUNTER.claim()] {
            own.add(5);
            std::mem::forget(own);
        }
    });
}

fn leave_dead_gauge() {
    renew();
    GAUGE.set(1.0);
    a_dead_one(|| GAUGE.set(3.0));
}

// What is killed.

/// The process has a slot, and its thread a number.
fn warm() {
    *WARM.lock_or_repair(|_| {}) += 1;
    CELLS.local();
}

fn count(marks: &Marks) {
    warm();
    marks.begin();
    COUNTER.increment();
    marks.end();
}

fn claim(marks: &Marks) {
    warm();
    marks.begin();
    let own = COUNTER.claim();
    own.increment();
    marks.end();
    std::mem::forget(own);
}

fn count_own(marks: &Marks) {
    warm();
    let own = COUNTER.claim();
    marks.begin();
    own.increment();
    marks.end();
    std::mem::forget(own);
}

fn end_claim(marks: &Marks) {
    warm();
    let own = COUNTER.claim();
    own.increment();
    marks.begin();
    drop(own);
    marks.end();
}

fn observe(marks: &Marks) {
    warm();
    marks.begin();
    HISTOGRAM.observe(2.0);
    marks.end();
}

fn observe_own(marks: &Marks) {
    warm();
    let own = HISTOGRAM.claim();
    marks.begin();
    own.observe(2.0);
    marks.end();
    std::mem::forget(own);
}

fn set_first(marks: &Marks) {
    marks.begin();
    GAUGE.set(7.0);
    marks.end();
}

fn set(marks: &Marks) {
    warm();
    marks.begin();
    GAUGE.set(7.0);
    marks.end();
}

fn add(marks: &Marks) {
    warm();
    GAUGE.set(7.0);
    marks.begin();
    GAUGE.add(1.0);
    marks.end();
}

fn add_local(marks: &Marks) {
    warm();
    marks.begin();
    CELLS.local().fetch_add(1, Relaxed);
    marks.end();
}

fn add_name(marks: &Marks) {
    let metrics = metrics();
    metrics.counter("warm", &[]).expect("room");
    marks.begin();
    metrics.counter("name", &[("who", "all")]).expect("room").increment();
    marks.end();
}

fn look_up(marks: &Marks) {
    let metrics = metrics();
    warm();
    marks.begin();
    metrics.counter("name", &[("who", "all")]).expect("it is there").increment();
    marks.end();
}

fn acquire(marks: &Marks) {
    warm();
    marks.begin();
    LIMITER.try_acquire().expect("a burst");
    marks.end();
}

fn acquire_keyed(marks: &Marks) {
    warm();
    marks.begin();
    KEYED.try_acquire("key").expect("a burst");
    marks.end();
}

fn add_name_behind(board: &'static Board) {
    board.say(Word::Ready);
    if board.hear(Word::Go).is_err() {
        return board.fail("was never told to go on");
    }
    match metrics().counter("name", &[("who", "all")]) {
        Ok(counter) => counter.increment(),
        Err(error) => board.fail(&format!("adding after the dead: {error}")),
    }
    board.say(Word::Done);
}

// What must hold.

fn fail_if(wrong: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if wrong { Err(why()) } else { Ok(()) }
}

/// Once if it was acknowledged, else once or not at all.
fn once(what: &str, total: u64, death: &Death) -> Result<(), String> {
    let is_right = if death.is_finished { total == 1 } else { total <= 1 };
    fail_if(!is_right, || format!("{what}: {total}, finished: {}", death.is_finished))
}

fn counted_once(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let total = COUNTER.total();
    once("counted", total, death)?;
    go_on_counting(death, total)
}

fn counted_after_the_dead(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let total = COUNTER.total();
    once("counted", total.wrapping_sub(10), death)?;
    go_on_counting(death, total)
}

/// Others have the cells, with what is in them.
fn go_on_counting(death: &Death, before: u64) -> Result<(), String> {
    ask_another(death.board, || {
        let claims = [COUNTER.claim(), COUNTER.claim()];
        claims.iter().for_each(|own| own.add(3));
        let text = format!("{claims:?}");
        fail_if(text.contains("false"), || format!("a dead one's cell was not to be had: {text}"))
    })?;
    COUNTER.increment();
    let total = COUNTER.total();
    fail_if(total != before + 7, || format!("{before}, and then 3, 3 and 1: {total}"))
}

fn observed_once(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    let all = HISTOGRAM.snapshot();
    once("observed", all.count(), death)?;
    // Cut between its two changes, it is counted, and not in the sum.
    let is_right = if death.is_finished { all.sum() == 2.0 } else { all.sum() == 0.0 || all.sum() == 2.0 };
    fail_if(!is_right || all.sum() > 2.0 * all.count() as f64, || format!("{} in {}", all.sum(), all.count()))?;
    HISTOGRAM.claim().observe(4.0);
    HISTOGRAM.observe(4.0);
    let after: HistogramSnapshot = HISTOGRAM.snapshot();
    fail_if(after.count() != all.count() + 2 || after.sum() != all.sum() + 8.0, || format!("{after:?} after {all:?}"))
}

/// The dead have no value any more, whatever they had set.
fn only_ours(death: &Death) -> Result<(), String> {
    dead_are_not_listed(death.pid)?;
    GAUGE.set(1.0);
    fail_if(GAUGE.value() != Some(1.0), || format!("{:?}, and 1 was set by the only one", GAUGE.value()))?;
    // The slot's next tenant has none at first.
    ask_another(death.board, || {
        *WARM.lock_or_repair(|_| {}) += 1;
        fail_if(GAUGE.value() != Some(1.0), || format!("{:?} beside the next tenant", GAUGE.value()))?;
        GAUGE.add(4.0);
        fail_if(GAUGE.value() != Some(5.0), || format!("{:?} with the next tenant's 4", GAUGE.value()))
    })?;
    fail_if(GAUGE.missed() != 0, || format!("{} had no cell", GAUGE.missed()))
}

fn added_once(death: &Death) -> Result<(), String> {
    once("added", CELLS.total(), death)
}

fn name_total(name: &str) -> Option<u64> {
    match metrics().snapshot().get(name, &[("who", "all")]) {
        Some(Value::Counter(total)) => Some(*total),
        _ => None,
    }
}

fn name_is_there(death: &Death) -> Result<(), String> {
    once("counted", name_total("name").unwrap_or(0), death)?;
    names_go_on()
}

/// With the second one's.
fn name_is_there_once(death: &Death) -> Result<(), String> {
    let total = name_total("name").unwrap_or(0);
    once("counted beside the second one", total.wrapping_sub(1), death)?;
    names_go_on()
}

fn names_go_on() -> Result<(), String> {
    let metrics = metrics();
    let before = name_total("name").unwrap_or(0);
    let added = metrics.counter("name", &[("who", "all")]).map_err(|error| format!("adding the same: {error}"))?;
    added.increment();
    let other = metrics.counter("name", &[("who", "else")]).map_err(|error| format!("adding another: {error}"))?;
    fail_if(other.total() != 0, || format!("a new one begins with {}", other.total()))?;
    metrics.histogram("sizes", &[], BUCKETS).map_err(|error| format!("adding a histogram: {error}"))?;
    let text = metrics.snapshot().render(cotenant::metrics::Format::Prometheus);
    let is_right = name_total("name") == Some(before + 1)
        && text.matches("name_total{who=\"all\"}").count() == 1
        && text.contains("first_total 1\n")
        && text.contains("sizes_count 0\n");
    fail_if(!is_right, || format!("after {before}: {text}"))
}

fn taken_once(death: &Death) -> Result<(), String> {
    let left = LIMITER.available();
    once("taken", u64::from(4_u32.wrapping_sub(left)), death)?;
    let more = (0..5).filter(|_| LIMITER.try_acquire().is_ok()).count();
    fail_if(more != left as usize, || format!("{left} left, and {more} could be taken"))
}

fn keyed_once(death: &Death) -> Result<(), String> {
    let left = (0..5).filter(|_| KEYED.try_acquire("key").is_ok()).count();
    once("taken", 4_u64.wrapping_sub(left as u64), death)?;
    let others = (0..5).filter(|_| KEYED.try_acquire("other").is_ok()).count();
    fail_if(others != 4, || format!("{others} of another key"))
}
