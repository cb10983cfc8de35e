//! Publishers that are stopped or killed hold up no load, and only a living one holds up the next publisher.

use std::time::Duration;

use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    (
        "publisher_that_is_killed_inside_leaves_the_old_snapshot",
        publisher_that_is_killed_inside_leaves_the_old_snapshot,
    ),
    ("stopped_publisher_holds_up_no_load_and_is_not_robbed", stopped_publisher_holds_up_no_load_and_is_not_robbed),
    ("what_was_acknowledged_survives_a_kill_at_full_speed", what_was_acknowledged_survives_a_kill_at_full_speed),
    ("killed_waiter_leaves_nothing", killed_waiter_leaves_nothing),
];

fn publisher_that_is_killed_inside_leaves_the_old_snapshot() {
    let sandbox = Sandbox::new();
    let mut survivor = sandbox.start("actor");
    survivor.ask("publish 1");
    for round in 0..10 {
        let mut victim = sandbox.start("actor");
        victim.tell("stay-in-update");
        assert_eq!(victim.answer("stay-in-update"), "inside");
        victim.kill();
        assert_eq!(survivor.ask("load"), format!("{} of {}", round + 1, round + 1));
        assert_eq!(survivor.ask("add 1"), (round + 2).to_string());
    }
}

fn stopped_publisher_holds_up_no_load_and_is_not_robbed() {
    let sandbox = Sandbox::new();
    let (mut stopped, mut other) = (sandbox.start("actor"), sandbox.start("actor"));
    other.ask("publish 1");
    stopped.tell("stay-in-update");
    assert_eq!(stopped.answer("stay-in-update"), "inside");
    stopped.stop();
    assert_eq!(other.ask("load"), "1 of 1");
    assert_eq!(other.ask("publish-in-time 2"), "TimedOut");
    other.tell("publish 3");
    other.expect_silence(Duration::from_millis(500), "a stopped publisher lives");
    let mut third = sandbox.start("actor");
    assert_eq!(third.ask("load"), "1 of 1");
    stopped.kill();
    assert_eq!(other.answer("publish 3"), "2");
    assert_eq!(third.ask("load"), "3 of 2");
}

/// A writer at full speed is killed again and again; beside it one loads, and one waits.
fn what_was_acknowledged_survives_a_kill_at_full_speed() {
    let sandbox = Sandbox::new();
    let (mut reader, mut waiter) = (sandbox.start("actor"), sandbox.start("actor"));
    for _ in 0..15 {
        let mut writer = sandbox.start("actor");
        reader.tell("load-for 40");
        let known = newest_of(&mut waiter);
        waiter.tell(&format!("wait {known}"));
        writer.tell("publish-for-ever");
        let mut acknowledged = 0;
        for _ in 0..20 {
            acknowledged = writer.answer("publish-for-ever").parse().expect("a number");
        }
        writer.kill();
        while let Some(line) = writer.try_answer() {
            acknowledged = line.parse().unwrap_or(acknowledged);
        }
        assert_eq!(reader.answer("load-for"), "0 wrong");
        let waited = waiter.answer("wait");
        assert!(waited.contains(" of "), "{waited}");
        let newest = newest_of(&mut waiter);
        assert!(newest >= acknowledged, "{newest} is the newest, and {acknowledged} was acknowledged");
    }
}

/// The number of the newest snapshot.
fn newest_of(waiter: &mut crate::support::peer::Peer) -> u64 {
    let loaded = waiter.ask("load");
    loaded.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn killed_waiter_leaves_nothing() {
    let sandbox = Sandbox::new();
    let mut one = sandbox.start("actor");
    for round in 0..5 {
        let mut waiter = sandbox.start("actor");
        waiter.tell(&format!("wait {round}"));
        waiter.expect_silence(Duration::from_millis(50), "nothing was published");
        waiter.kill();
        assert_eq!(one.ask("publish 1"), (round + 1).to_string());
    }
}
