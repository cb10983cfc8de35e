//! The recorder of the facade `metrics`, in programs that fork while their threads count.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use cotenant::Segment;
use cotenant::metrics::{Metrics, Recorder, Value};

use crate::actor::{actors, tests};

tests! {
    children_that_are_forked_while_threads_count_new_keys_count_too,
    absolute_total_of_a_parent_is_not_counted_again_by_its_child,
}

const NAME: &str = "test.facade";
const CHILDREN: u64 = 300;
/// More than there is room for: the last ones are refused.
const SERIES: u32 = 400;

fn install() -> Metrics<'static> {
    let segment = Segment::options().max_bytes(8 << 20).open_or_create(NAME).expect("a segment").leak();
    let recorder = Recorder::new(segment, &Metrics::options().max_series(SERIES).max_bytes(4 << 20).cells(4));
    let recorder = recorder.expect("room");
    let all = recorder.metrics();
    recorder.set().expect("the only one");
    all
}

/// Ends the child of a fork; a status of its own, so that a hanging child is told from one that ends.
fn in_a_child(act: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child counts, which it may do whatever other threads were at, and ends.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: no pointer. Whoever hangs is killed by it.
            unsafe { libc::alarm(20) };
            act();
            // SAFETY: no pointer.
            unsafe { libc::_exit(7) }
        }
        child => child,
    }
}

fn is_well(child: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: a place for the status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7
}

/// Forks again and again while threads count keys that are new each time. Gives what is counted, or what went wrong.
pub(crate) fn fork_and_count() -> String {
    let all = install();
    metrics::counter!("of_children").increment(0);
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let ended = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let number = next.fetch_add(1, Relaxed).to_string();
                    metrics::counter!("of_threads", "number" => number.clone()).increment(1);
                    metrics::gauge!("gauge_of_threads", "number" => number.clone()).set(1.0);
                    metrics::histogram!("histogram_of_threads", "number" => number).record(1.0);
                }
            });
        }
        let ended = (0..CHILDREN).map(|number| {
            is_well(in_a_child(|| {
                metrics::counter!("of_children").increment(1);
                metrics::counter!("one_of_each", "number" => number.to_string()).increment(1);
                metrics::gauge!("working").set(1.0);
            }))
        });
        let ended = ended.filter(|is_well| *is_well).count();
        stop.store(true, Relaxed);
        ended
    });
    let Some(Value::Counter(counted)) = all.snapshot().get("of_children", &[]).cloned() else {
        return "nothing was counted".into();
    };
    format!("{ended} ended, {counted} counted")
}

pub(crate) fn count_absolute() -> String {
    let all = install();
    metrics::counter!("bytes").absolute(100);
    let child = in_a_child(|| {
        metrics::counter!("bytes").absolute(100);
        metrics::counter!("bytes").absolute(130);
    });
    assert!(is_well(child));
    format!("{:?}", all.snapshot().get("bytes", &[]))
}

fn children_that_are_forked_while_threads_count_new_keys_count_too() {
    let (_sandbox, [mut peer]) = actors();
    assert_eq!(peer.ask("facade fork"), format!("{CHILDREN} ended, {CHILDREN} counted"));
}

fn absolute_total_of_a_parent_is_not_counted_again_by_its_child() {
    let (_sandbox, [mut peer]) = actors();
    assert_eq!(peer.ask("facade absolute"), "Some(Counter(130))");
}
