//! One cache, several processes; some of them are killed, or stopped.

use std::time::Duration;

use cotenant::cache::Cache;

use crate::actor::NAME;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

crate::tests![
    what_one_inserts_the_others_get,
    one_process_computes_and_the_others_wait,
    the_next_one_computes_when_the_first_is_killed,
    a_dead_ones_pin_is_taken_back,
    a_pinned_value_stays_while_others_write,
    reads_go_on_while_a_writer_is_stopped,
    increments_of_many_processes_add_up,
    all_see_a_cache_grow,
    a_reader_reads_and_stores_nothing,
    each_process_counts_for_itself,
];

fn peers<const N: usize>() -> (Sandbox, [Peer; N]) {
    let sandbox = Sandbox::new();
    let peers = std::array::from_fn(|_| {
        let mut peer = sandbox.start("actor");
        peer.ask("open");
        peer
    });
    (sandbox, peers)
}

fn what_one_inserts_the_others_get() {
    let (_sandbox, [mut one, mut two]) = peers();
    assert_eq!(one.ask("insert k first"), "()");
    assert_eq!(two.ask("get k"), "first");
    assert_eq!(two.ask("insert k second"), "()");
    assert_eq!(one.ask("get k"), "second");
    one.kill();
    assert_eq!(two.ask("get k"), "second");
    assert_eq!(two.ask("remove k"), "true");
    assert_eq!(two.ask("get k"), "none");
}

fn one_process_computes_and_the_others_wait() {
    let (_sandbox, [mut one, mut two, mut three]) = peers();
    one.tell("compute k one 300");
    assert_eq!(one.answer("computing"), "computing");
    two.tell("compute k two 0");
    three.tell("compute k three 0");
    for peer in [&one, &two, &three] {
        assert_eq!(peer.answer("the value"), "one");
    }
}

fn the_next_one_computes_when_the_first_is_killed() {
    let (_sandbox, [mut one, mut two, mut three]) = peers();
    one.tell("compute k one 600000");
    assert_eq!(one.answer("computing"), "computing");
    two.tell("compute k value 50");
    three.tell("compute k value 50");
    two.expect_silence(Duration::from_millis(300), "somebody who lives computes");
    one.kill();
    let answers = [two.answer("a line"), three.answer("a line")];
    let computing = answers.iter().filter(|line| *line == "computing").count();
    assert_eq!(computing, 1, "{answers:?}");
    let next = if answers[0] == "computing" { &two } else { &three };
    assert_eq!(next.answer("the value"), "value");
    assert!(answers.iter().all(|line| line == "computing" || line == "value"), "{answers:?}");
}

fn a_dead_ones_pin_is_taken_back() {
    let (_sandbox, [mut one, mut two]) = peers();
    one.ask("insert k value");
    for _ in 0..4 {
        assert_eq!(one.ask("pin k"), "value");
    }
    assert_eq!(two.ask("pin k"), "Full");
    one.kill();
    for _ in 0..4 {
        assert_eq!(two.ask("pin k"), "value");
    }
}

fn a_pinned_value_stays_while_others_write() {
    let (_sandbox, [mut one, mut two]) = peers();
    one.ask("insert k value-of-k");
    assert_eq!(one.ask("pin k"), "value-of-k");
    assert_eq!(two.ask("insert k another"), "()");
    assert_eq!(two.ask("fill 0 20000"), "()");
    assert_eq!(one.ask("pinned"), "value-of-k");
    assert_eq!(one.ask("unpin"), "done");
}

/// Stopped at a random instruction of its writes, again and again.
fn reads_go_on_while_a_writer_is_stopped() {
    let (_sandbox, [mut writer, mut reader]) = peers();
    reader.ask("insert k value");
    for round in 0..10 {
        writer.tell(&format!("fill {} {}", round * 3000, (round + 1) * 3000));
        std::thread::sleep(Duration::from_millis(3));
        writer.stop();
        for _ in 0..20 {
            // It may have been thrown out; that it answers is what counts.
            assert!(["value", "none"].contains(&reader.ask("get k").as_str()));
        }
        writer.go_on();
        assert_eq!(writer.answer("its end"), "()");
    }
}

fn increments_of_many_processes_add_up() {
    let (_sandbox, mut peers): (_, [Peer; 4]) = peers();
    for _ in 0..25 {
        peers.iter_mut().for_each(|peer| peer.tell("increment n"));
        peers.iter().for_each(|peer| assert!(peer.answer("the sum").parse::<u64>().is_ok()));
    }
    assert_eq!(peers[0].ask("increment n"), "101");
}

fn all_see_a_cache_grow() {
    let (_sandbox, [mut one, mut two]) = peers();
    let small: u64 = one.ask("capacity").parse().expect("a number");
    one.ask("fill 0 3000");
    assert_eq!(two.ask("grow 8388608"), "()");
    let large: u64 = one.ask("capacity").parse().expect("a number");
    assert!(large > 7 * small, "{small} to {large}");
    // What was there stays, and there is room for seven times as many.
    let before: u64 = two.ask("entries").parse().expect("a number");
    assert_eq!(one.ask("fill 10000 30000"), "()");
    let after: u64 = two.ask("entries").parse().expect("a number");
    assert!(before > 2000 && after > 6 * before, "{before}, then {after}");
    assert_eq!(two.ask("grow 1000"), "()", "it is larger");
    assert_eq!(two.ask("grow 999999999"), "NoSpace");
    assert_eq!(one.ask("capacity").parse(), Ok(large));
}

fn a_reader_reads_and_stores_nothing() {
    let (sandbox, [mut one]) = peers();
    one.ask("insert k value");
    let reader = Cache::options().mode(0o644).folder(sandbox.path()).open_reader(NAME).expect("a reader");
    assert_eq!(reader.get("k").as_deref(), Some(b"value".as_slice()));
    assert_eq!(reader.get("nobody"), None);
    assert_eq!(reader.iter().count(), 1);
    one.ask("grow 8388608");
    one.ask("fill 0 20000");
    assert!(reader.iter().count() > 10_000, "it has met what was added");
    assert_eq!((one.ask("all-hits").as_str(), reader.stats().activity.hits), ("0", 0));
}

fn each_process_counts_for_itself() {
    let (_sandbox, [mut one, mut two]) = peers();
    one.ask("insert k value");
    (0..3).for_each(|_| drop(one.ask("get k")));
    (0..5).for_each(|_| drop(two.ask("get k")));
    assert_eq!((one.ask("hits"), two.ask("hits")), ("3".to_owned(), "5".to_owned()));
    assert_eq!(one.ask("all-hits"), "8");
    two.kill();
    let (_, _) = (one.ask("get k"), one.ask("hits"));
    assert_eq!(one.ask("all-hits"), "9", "what the dead one had told");
}
