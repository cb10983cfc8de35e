//! Rate limits that processes share.

use crate::actor::{actors, tests};

tests! {
    processes_share_one_limit,
    processes_share_the_limit_of_a_key,
    what_a_killed_process_has_taken_stays_taken,
}

fn processes_share_one_limit() {
    let (_sandbox, [mut a, mut b]) = actors();
    assert_eq!(a.ask("limit 60"), "ok");
    assert_eq!(b.ask("limit 40"), "ok");
    // One comes back a minute.
    let said = a.ask("limit 2");
    assert!(said.starts_with("limited ") && said.ends_with('s'), "{said}");
    assert_eq!(b.ask("limit 101"), format!("limited {:?}", std::time::Duration::MAX));
}

fn processes_share_the_limit_of_a_key() {
    let (_sandbox, [mut a, mut b]) = actors();
    assert_eq!(a.ask("keyed 192.0.2.1 6"), "ok");
    assert_eq!(b.ask("keyed 192.0.2.1 4"), "ok");
    assert!(a.ask("keyed 192.0.2.1 1").starts_with("limited "));
    assert_eq!(b.ask("keyed 192.0.2.2 10"), "ok");
}

fn what_a_killed_process_has_taken_stays_taken() {
    let (_sandbox, [mut a, mut b]) = actors();
    assert_eq!((a.ask("limit 100"), a.ask("keyed k 10")), ("ok".into(), "ok".into()));
    a.kill();
    assert!(b.ask("limit 2").starts_with("limited ") && b.ask("keyed k 1").starts_with("limited "));
}
