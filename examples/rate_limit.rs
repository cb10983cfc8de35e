//! One limit for all workers of a server, and one for each client: a flood over four processes gets through as often as
//! over one.
//!
//! `cargo run --example rate_limit`

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command};

use cotenant::limit::{KeyedRateLimiter, Rate, RateLimiter};
use cotenant::metrics::Counter;
use cotenant::shared;

shared! {
    /// All clients together: a hundred at once, and then one every ten minutes (so that the sums below are exact).
    static SERVER: RateLimiter = RateLimiter::new(Rate::per_minute(1).burst(100));
    /// Each client: ten at once.
    static CLIENTS: KeyedRateLimiter<1024> = KeyedRateLimiter::new(Rate::per_minute(1).burst(10));
    static SERVED: Counter = Counter::new();
    static TOO_MANY_OF_ONE: Counter = Counter::new();
    static TOO_MANY: Counter = Counter::new();
}

const WORKERS: u8 = 4;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return (0..100).for_each(|nth| serve(IpAddr::V4(Ipv4Addr::new(192, 0, 2, nth % 20))));
    }
    let this = std::env::current_exe().expect("the path of this program");
    let start = |_| Command::new(&this).arg("worker").spawn().expect("start a worker");
    let mut workers: Vec<Child> = (0..WORKERS).map(start).collect();
    for worker in &mut workers {
        assert!(worker.wait().expect("wait for a worker").success());
    }
    println!(
        "{} served, {} of one client too many, {} in all",
        SERVED.total(),
        TOO_MANY_OF_ONE.total(),
        TOO_MANY.total()
    );
    // 20 clients ask 20 times each: ten of each pass the first limit, half of those the second.
    let asked = SERVED.total() + TOO_MANY_OF_ONE.total() + TOO_MANY.total();
    assert_eq!(asked, u64::from(WORKERS) * 100);
    assert!((100..=102).contains(&SERVED.total()), "a slow machine may let a minute pass");
    assert!((195..=200).contains(&TOO_MANY_OF_ONE.total()));
}

fn serve(client: IpAddr) {
    if let Err(limited) = CLIENTS.try_acquire(&client) {
        TOO_MANY_OF_ONE.increment();
        let _header = format!("Retry-After: {}", limited.retry_after.as_secs() + 1);
        return;
    }
    match SERVER.try_acquire() {
        Ok(()) => SERVED.increment(),
        Err(_limited) => TOO_MANY.increment(),
    }
}
