//! Many processes: at once, and one after the other.

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("two_hundred_processes_count_on_one_variable", two_hundred_processes_count_on_one_variable),
    ("slots_of_the_killed_are_used_again", slots_of_the_killed_are_used_again),
];

fn two_hundred_processes_count_on_one_variable() {
    let sandbox = Sandbox::new();
    let mut peers: Vec<_> = (0..200).map(|_| Peer::launch(&mut sandbox.command("actor"))).collect();
    peers.iter().for_each(|peer| assert_eq!(peer.answer("its start"), "ready"));
    for peer in &mut peers {
        peer.tell("add 1");
        peer.tell("count-locked 1 100");
    }
    peers.iter().for_each(|peer| drop(peer.answer("add 1")));
    peers.iter().for_each(|peer| assert_eq!(peer.answer("counting"), "counted"));
    assert_eq!(peers[0].ask("get"), "205");
    assert_eq!(peers[0].ask("lock"), "clean 20100");
    let mut slots: Vec<_> = peers.iter_mut().map(|peer| peer.ask("slot")).collect();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), 200, "each has a slot of its own");
}

fn slots_of_the_killed_are_used_again() {
    let sandbox = Sandbox::new();
    let _stays = sandbox.start("actor");
    let mut highest = 0;
    for _ in 0..500 {
        let mut peer = sandbox.start("actor");
        highest = highest.max(peer.ask("slot").parse::<u32>().expect("a slot"));
        peer.kill();
    }
    // The first page of the table has 64 entries; more than that means that it grew for nothing.
    assert!(highest <= 64, "the highest slot is {highest}");
}
