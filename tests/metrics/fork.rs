//! Metrics in children of forks and in signal handlers, and in more processes than Wine starts in a minute.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::SeqCst};

use cotenant::metrics::{Counter, Gauge, Histogram};

use crate::actor::{actors, answer, tests};
use crate::support::{serve, wait_until};

tests! {
    child_of_a_fork_counts_and_so_does_its_parent,
    own_cell_copied_by_a_fork_is_the_parent_s,
    gauge_of_a_child_is_its_own,
    gauge_without_a_cell_for_a_slot_says_so,
    signal_handlers_lose_no_count_of_whom_they_interrupt,
}

/// Makes a child, which serves the test through the sandbox's socket.
pub(crate) fn fork() -> String {
    // SAFETY: this process has one thread, so its child may do what it likes.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => serve::forked(answer),
        pid => pid.to_string(),
    }
}

fn child_of_a_fork_counts_and_so_does_its_parent() {
    let (sandbox, [mut parent]) = actors();
    parent.ask("add 10");
    parent.ask("named counter jobs 1");
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.ask("add 5");
    parent.ask("add 5");
    assert_eq!(child.ask("named counter jobs 1"), "2");
    child.kill();
    assert_eq!(parent.ask("total"), "20");
    assert_eq!(parent.ask("named counter jobs 1"), "3");
}

fn own_cell_copied_by_a_fork_is_the_parent_s() {
    let (sandbox, [mut parent]) = actors();
    parent.ask("few claim");
    parent.ask("few own 100");
    let mut child = sandbox.child_of(&mut parent, "fork");
    assert_eq!(child.ask("few own 50"), "OwnCounter { is_claimed: false }");
    assert_eq!(parent.ask("few own 50"), "OwnCounter { is_claimed: true }");
    // The child's copy gives nothing back.
    child.ask("drop");
    assert_eq!(parent.ask("few own 50"), "OwnCounter { is_claimed: true }");
    assert_eq!(child.ask("few claim"), "OwnCounter { is_claimed: true }");
    assert_eq!(child.ask("few own 50"), "OwnCounter { is_claimed: true }");
    assert_eq!(parent.ask("few total"), "300");
}

fn gauge_of_a_child_is_its_own() {
    let (sandbox, [mut parent]) = actors();
    parent.ask("gauge sum set 4");
    let mut child = sandbox.child_of(&mut parent, "fork");
    child.ask("gauge sum add 3");
    assert_eq!(child.ask("gauge sum"), "Some(7.0) 0");
    child.kill();
    wait_until("the child's gauge vanishes", || parent.ask("gauge sum") == "Some(4.0) 0");
}

fn gauge_without_a_cell_for_a_slot_says_so() {
    let (_sandbox, mut peers) = actors::<65>();
    for peer in &mut peers {
        peer.ask("gauge sum set 1");
    }
    assert_eq!(peers[0].ask("gauge sum"), "Some(64.0) 1");
    let told = peers[0].ask("statics");
    assert!(told.contains("|cotenant_metrics_missed_total{gauge=\"sum\"} 1|"), "{told}");
    assert!(told.contains("|cotenant_metrics_missed_total{gauge=\"max\"} 0|"), "{told}");
    for peer in &mut peers {
        peer.ask("named gauge load 1");
    }
    let told = peers[0].ask("named render");
    assert!(told.contains("|load 64.0|") && told.contains("|cotenant_metrics_missed_total 1|"), "{told}");
}

static COUNTER: AtomicPtr<Counter> = AtomicPtr::new(std::ptr::null_mut());
static HISTOGRAM: AtomicPtr<Histogram> = AtomicPtr::new(std::ptr::null_mut());
static GAUGE: AtomicPtr<Gauge<64>> = AtomicPtr::new(std::ptr::null_mut());
static HANDLED: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_timer(_signal: libc::c_int) {
    let (counter, histogram, gauge) = (COUNTER.load(SeqCst), HISTOGRAM.load(SeqCst), GAUGE.load(SeqCst));
    // SAFETY: set before the timer, to a variable that stays.
    unsafe { &*counter }.increment();
    // SAFETY: as above.
    unsafe { &*histogram }.observe(1.0);
    // SAFETY: as above.
    unsafe { &*gauge }.add(1.0);
    if HANDLED.fetch_add(1, SeqCst) + 1 >= 5000 {
        STOP.store(true, SeqCst);
    }
}

/// Counts as fast as it can while a timer's handler counts, too: from the first use on.
pub(crate) fn count_in_signals(counter: &Counter, histogram: &Histogram, gauge: &Gauge<64>) -> String {
    COUNTER.store(std::ptr::from_ref(counter).cast_mut(), SeqCst);
    HISTOGRAM.store(std::ptr::from_ref(histogram).cast_mut(), SeqCst);
    GAUGE.store(std::ptr::from_ref(gauge).cast_mut(), SeqCst);
    let handler: extern "C" fn(libc::c_int) = on_timer;
    // SAFETY: the handler changes atomics only.
    unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
    let every = libc::timeval { tv_sec: 0, tv_usec: 50 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }, 0);
    let mut plain = 0_u64;
    while !STOP.load(SeqCst) {
        counter.increment();
        histogram.observe(1.0);
        gauge.add(1.0);
        plain += 1;
    }
    // SAFETY: zero is no timer.
    let none: libc::itimerval = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const none, std::ptr::null_mut()) }, 0);
    (plain + HANDLED.load(SeqCst)).to_string()
}

pub(crate) fn signals_counted(counter: &Counter, histogram: &Histogram, gauge: &Gauge<64>) -> String {
    let all = histogram.snapshot();
    format!("{} {} {} {}", counter.total(), all.count(), all.sum(), gauge.value().unwrap_or_default())
}

fn signal_handlers_lose_no_count_of_whom_they_interrupt() {
    let (_sandbox, [mut peer]) = actors();
    let counted = peer.ask("signals start");
    assert!(counted.parse::<u64>().is_ok_and(|counted| counted >= 5000), "{counted}");
    assert_eq!(peer.ask("signals count"), [counted.as_str(); 4].join(" "));
}
