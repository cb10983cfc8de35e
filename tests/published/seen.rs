//! What one publishes, the others see: values, waits, flags, and who published.

use std::time::Duration;

use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("publish_is_seen_by_the_others", publish_is_seen_by_the_others),
    ("waiter_sleeps_until_the_next_publish", waiter_sleeps_until_the_next_publish),
    ("waiter_that_knows_less_does_not_sleep", waiter_that_knows_less_does_not_sleep),
    ("history_says_who_published", history_says_who_published),
    ("updates_of_many_are_all_there", updates_of_many_are_all_there),
    ("child_of_a_fork_cannot_end_its_parents_update", child_of_a_fork_cannot_end_its_parents_update),
    ("flag_is_on_for_the_same_ones_everywhere", flag_is_on_for_the_same_ones_everywhere),
];

fn publish_is_seen_by_the_others() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    assert_eq!((one.ask("load"), one.ask("load-newer 0")), ("0 of 0".into(), "none".into()));
    assert_eq!((one.ask("publish 5"), two.ask("load")), ("1".into(), "5 of 1".into()));
    assert_eq!((two.ask("publish 6"), one.ask("load-newer 1")), ("2".into(), "6 of 2".into()));
    assert_eq!(two.ask("load-newer 2"), "none");
    assert_eq!((one.ask("add 10"), two.ask("load")), ("3".into(), "16 of 3".into()));
}

fn waiter_sleeps_until_the_next_publish() {
    let sandbox = Sandbox::new();
    let (mut one, mut two, mut three) = (sandbox.start("actor"), sandbox.start("actor"), sandbox.start("actor"));
    for round in 0..20 {
        two.tell(&format!("wait {round}"));
        three.tell(&format!("wait {round}"));
        if round == 0 {
            two.expect_silence(Duration::from_millis(300), "nothing was published");
        }
        assert_eq!(one.ask("publish 5"), (round + 1).to_string());
        assert_eq!(two.answer("wait"), format!("5 of {}", round + 1));
        assert_eq!(three.answer("wait"), format!("5 of {}", round + 1));
    }
}

fn waiter_that_knows_less_does_not_sleep() {
    let sandbox = Sandbox::new();
    let mut one = sandbox.start("actor");
    one.ask("publish 1");
    one.ask("publish 2");
    assert_eq!(one.ask("wait 0"), "2 of 2");
}

fn history_says_who_published() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    assert_eq!((one.ask("history"), one.ask("publisher")), ("0:0".into(), "none".into()));
    for number in 1..=9 {
        one.ask(&format!("publish {number}"));
    }
    assert_eq!(two.ask("history"), "9:9 8:8 7:7 6:6 5:5 4:4 3:3 2:2");
    let program = std::env::current_exe().expect("this program");
    let program = program.file_name().expect("a name").to_string_lossy().into_owned();
    let program = &program[..program.len().min(15)];
    assert_eq!(two.ask("publisher"), format!("{} {program} true true", one.pid));
    // It is known of one that has ended, too, and whose slot another one has.
    let (pid, _) = (one.pid, one.kill());
    let mut three = sandbox.start("actor");
    assert_eq!(three.ask("publisher"), format!("{pid} {program} true true"));
}

fn updates_of_many_are_all_there() {
    let sandbox = Sandbox::new();
    let mut peers: Vec<_> = (0..3).map(|_| sandbox.start("actor")).collect();
    for _ in 0..100 {
        peers.iter_mut().for_each(|peer| peer.tell("add 1"));
        peers.iter().for_each(|peer| drop(peer.answer("add 1")));
    }
    assert_eq!(peers[0].ask("load"), "300 of 300");
}

fn child_of_a_fork_cannot_end_its_parents_update() {
    let sandbox = Sandbox::new();
    let mut one = sandbox.start("actor");
    assert_eq!(one.ask("fork-in-update"), "child 0, parent 1");
    assert_eq!(one.ask("add 1"), "2");
}

fn flag_is_on_for_the_same_ones_everywhere() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    assert_eq!((one.ask("is-on user"), two.ask("is-on user")), ("0".into(), "0".into()));
    one.ask("flag 30");
    let those = two.ask("is-on user");
    assert!((200..400).contains(&those.parse::<u32>().expect("a number")), "{those}");
    assert_eq!(one.ask("is-on user"), those);
    two.ask("flag 100");
    assert_eq!(one.ask("is-on user"), "1000");
    assert_eq!(one.ask("flag 101"), "InvalidInput");
}
