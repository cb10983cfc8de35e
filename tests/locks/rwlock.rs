//! The read-write lock between processes.

use crate::actor::{A_WHILE, actors, tests};
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

tests! {
    readers_of_processes_are_in_at_once,
    writer_keeps_all_others_out,
    writer_gets_in_when_the_last_reader_leaves,
    readers_get_in_when_the_writer_leaves,
    writer_that_waits_keeps_new_readers_out,
    reader_reads_again_while_a_writer_waits,
    older_of_two_reads_may_be_dropped_first,
    waits_end_when_their_time_is_up,
    same_thread_would_deadlock,
    writer_would_deadlock_behind_one_that_waits_for_its_cell,
    dead_reader_keeps_no_writer_out,
    dead_reader_keeps_no_waiting_writer_out,
    dead_writer_is_told_to_the_next_reader,
    dead_writer_is_told_to_the_next_writer,
    waiting_readers_and_writers_notice_the_death_of_the_writer,
    writer_that_died_while_it_waited_is_not_told,
    writer_that_died_after_a_downgrade_is_not_told,
    panic_under_a_write_guard_is_told_elsewhere,
    panic_under_a_read_guard_is_nothing,
    repair_that_panics_leaves_owner_died,
    repairer_that_is_killed_is_the_next_dead_writer,
    dropped_writer_died_is_found_by_the_next,
    value_that_was_given_up_comes_back_by_repair_or_reset,
    reader_that_repaired_goes_on_reading,
    downgrade_lets_readers_in_and_writers_not,
    one_reader_too_many_waits_for_a_cell,
    one_reader_too_many_gets_the_cell_of_a_dead_one,
    thread_with_all_cells_would_deadlock,
    leaked_guards_fall_with_their_process,
}

#[track_caller]
fn expect(peer: &mut Peer, command: &str, answer: &str) {
    assert_eq!(peer.ask(command), answer, "{command}");
}

#[track_caller]
fn expect_to_wait(peer: &mut Peer, command: &str, why: &str) {
    peer.tell(command);
    peer.expect_silence(A_WHILE, why);
}

fn readers_of_processes_are_in_at_once() {
    let (_sandbox, mut peers) = actors::<3>();
    for peer in &mut peers {
        expect(peer, "rw read", "read 1 1");
    }
    for peer in &mut peers {
        expect(peer, "drop", "dropped");
    }
    expect(&mut peers[0], "rw try-write", "write 1 1");
}

fn writer_keeps_all_others_out() {
    let (_sandbox, [mut writer, mut other]) = actors();
    expect(&mut writer, "rw write", "write 1 1");
    expect(&mut other, "rw try-read", "would block");
    expect(&mut other, "rw try-write", "would block");
    expect_to_wait(&mut other, "rw read", "somebody writes");
    writer.ask("rw set 2");
    writer.ask("drop");
    assert_eq!(other.answer("rw read"), "read 2 2");
}

fn writer_gets_in_when_the_last_reader_leaves() {
    let (_sandbox, [mut one, mut two, mut writer]) = actors();
    one.ask("rw read");
    two.ask("rw read");
    expect(&mut writer, "rw try-write", "would block");
    expect_to_wait(&mut writer, "rw write", "two read");
    one.ask("drop");
    writer.expect_silence(A_WHILE, "one still reads");
    two.ask("drop");
    assert_eq!(writer.answer("rw write"), "write 1 1");
}

fn readers_get_in_when_the_writer_leaves() {
    let (_sandbox, [mut writer, mut one, mut two, mut three]) = actors();
    writer.ask("rw write");
    for reader in [&mut one, &mut two, &mut three] {
        expect_to_wait(reader, "rw read", "somebody writes");
    }
    writer.ask("drop");
    for reader in [&one, &two, &three] {
        assert_eq!(reader.answer("rw read"), "read 1 1");
    }
}

fn writer_that_waits_keeps_new_readers_out() {
    let (_sandbox, [mut reader, mut writer, mut late]) = actors();
    reader.ask("rw read");
    expect_to_wait(&mut writer, "rw write", "somebody reads");
    expect(&mut late, "rw try-read", "would block");
    expect_to_wait(&mut late, "rw read", "a writer waits");
    reader.ask("drop");
    assert_eq!(writer.answer("rw write"), "write 1 1");
    writer.ask("rw set 3");
    writer.ask("drop");
    assert_eq!(late.answer("rw read"), "read 3 3");
}

fn reader_reads_again_while_a_writer_waits() {
    let (_sandbox, [mut reader, mut writer]) = actors();
    reader.ask("rw read");
    expect_to_wait(&mut writer, "rw write", "somebody reads");
    expect(&mut reader, "rw read", "read 1 1");
    expect(&mut reader, "rw try-read", "read 1 1");
    for _ in 0..3 {
        writer.expect_silence(A_WHILE / 3, "somebody still reads");
        reader.ask("drop");
    }
    assert_eq!(writer.answer("rw write"), "write 1 1");
}

fn older_of_two_reads_may_be_dropped_first() {
    let (_sandbox, [mut reader, mut writer]) = actors();
    reader.ask("rw read");
    expect_to_wait(&mut writer, "rw write", "somebody reads");
    // Each lies in a cell that the writer has seen free.
    for _ in 0..10 {
        expect(&mut reader, "rw read", "read 1 1");
        reader.ask("drop-first");
    }
    writer.expect_silence(A_WHILE, "somebody still reads");
    reader.ask("drop");
    assert_eq!(writer.answer("rw write"), "write 1 1");
}

fn waits_end_when_their_time_is_up() {
    let (_sandbox, [mut one, mut two, mut three]) = actors();
    one.ask("rw read");
    expect(&mut two, "rw write-timeout 30", "timed out");
    expect(&mut three, "rw try-read", "read 1 1");
    three.ask("drop");
    one.ask("drop");
    expect(&mut one, "rw write-timeout 30", "write 1 1");
    expect(&mut two, "rw read-timeout 30", "timed out");
    expect(&mut two, "rw write-timeout 30", "timed out");
    one.ask("drop");
    expect(&mut two, "rw read-timeout 30", "read 1 1");
}

fn same_thread_would_deadlock() {
    let (_sandbox, [mut peer, mut other]) = actors();
    peer.ask("rw read");
    for verb in ["write", "try-write", "write-timeout 1000", "reset 5"] {
        expect(&mut peer, &format!("rw {verb}"), "deadlock");
    }
    expect(&mut other, "rw try-read", "read 1 1");
    other.ask("drop");
    peer.ask("drop");
    peer.ask("rw write");
    for verb in ["read", "try-read", "read-timeout 1000", "write", "try-write", "write-timeout 1000", "reset 5"] {
        expect(&mut peer, &format!("rw {verb}"), "deadlock");
    }
    peer.ask("drop");
    expect(&mut other, "rw try-write", "write 1 1");
}

fn writer_would_deadlock_behind_one_that_waits_for_its_cell() {
    let (_sandbox, [mut reads, mut waits]) = actors();
    reads.ask("rw read");
    expect_to_wait(&mut waits, "rw write", "somebody reads");
    expect(&mut reads, "rw write", "deadlock");
    reads.ask("drop");
    assert_eq!(waits.answer("rw write"), "write 1 1");
}

fn dead_reader_keeps_no_writer_out() {
    for verb in ["try-write", "write", "write-timeout 20000"] {
        let (_sandbox, [mut reader, mut writer]) = actors();
        reader.ask("rw read");
        reader.kill();
        expect(&mut writer, &format!("rw {verb}"), "write 1 1");
    }
}

fn dead_reader_keeps_no_waiting_writer_out() {
    let (_sandbox, [mut reader, mut writer, mut late]) = actors();
    reader.ask("rw read");
    expect_to_wait(&mut writer, "rw write", "somebody reads");
    expect_to_wait(&mut late, "rw read", "a writer waits");
    reader.kill();
    assert_eq!(writer.answer("rw write"), "write 1 1");
    writer.ask("drop");
    assert_eq!(late.answer("rw read"), "read 1 1");
}

/// A writer killed with half of a change made, and two that live.
fn after_a_death() -> (Sandbox, Peer, [Peer; 2]) {
    let (sandbox, [mut dies, one, two]) = actors();
    dies.ask("rw write");
    dies.ask("rw half-set 7");
    dies.kill();
    (sandbox, dies, [one, two])
}

fn dead_writer_is_told_to_the_next_reader() {
    for verb in ["read", "try-read", "read-timeout 20000"] {
        let (_sandbox, dies, [mut reader, mut other]) = after_a_death();
        expect(&mut reader, &format!("rw {verb}"), &format!("died {} 7 1", dies.pid));
        expect(&mut other, "rw try-read", "would block");
        expect(&mut reader, "rw repair 8", "repaired");
        expect(&mut other, "rw try-read", "would block");
        reader.ask("drop");
        expect(&mut other, "rw try-read", "read 8 8");
    }
}

fn dead_writer_is_told_to_the_next_writer() {
    for verb in ["write", "try-write", "write-timeout 20000"] {
        let (_sandbox, dies, [mut writer, mut other]) = after_a_death();
        expect(&mut writer, &format!("rw {verb}"), &format!("died {} 7 1", dies.pid));
        expect(&mut other, "rw try-write", "would block");
        expect(&mut writer, "rw repair 8", "repaired");
        writer.ask("drop");
        expect(&mut other, "rw try-write", "write 8 8");
    }
}

fn waiting_readers_and_writers_notice_the_death_of_the_writer() {
    for verb in ["read", "write"] {
        let (_sandbox, [mut dies, mut waits]) = actors();
        dies.ask("rw write");
        dies.ask("rw half-set 7");
        expect_to_wait(&mut waits, &format!("rw {verb}"), "somebody writes");
        dies.kill();
        assert_eq!(waits.answer(verb), format!("died {} 7 1", dies.pid));
    }
}

fn writer_that_died_while_it_waited_is_not_told() {
    for verb in ["read", "write"] {
        let (_sandbox, [mut reader, mut dies, mut next]) = actors();
        // A change that was finished before counts for nothing either.
        next.ask("rw write");
        next.ask("rw set 1");
        next.ask("drop");
        reader.ask("rw read");
        expect_to_wait(&mut dies, "rw write", "somebody reads");
        dies.kill();
        if verb == "read" {
            expect(&mut next, "rw read", "read 1 1");
        }
        reader.ask("drop");
        if verb == "write" {
            expect(&mut next, "rw write", "write 1 1");
        }
    }
}

fn writer_that_died_after_a_downgrade_is_not_told() {
    let (_sandbox, [mut dies, mut next]) = actors();
    dies.ask("rw write");
    dies.ask("rw set 4");
    expect(&mut dies, "rw downgrade", "read 4 4");
    dies.kill();
    expect(&mut next, "rw write", "write 4 4");
}

fn panic_under_a_write_guard_is_told_elsewhere() {
    let (_sandbox, [mut panics, mut other]) = actors();
    panics.ask("rw write");
    panics.ask("rw half-set 7");
    expect(&mut panics, "panic", "panicked");
    expect(&mut other, "rw read", &format!("died {} 7 1", panics.pid));
    other.ask("rw repair 2");
    other.ask("drop");
    expect(&mut panics, "rw read", "read 2 2");
}

fn panic_under_a_read_guard_is_nothing() {
    let (_sandbox, [mut panics, mut other]) = actors();
    panics.ask("rw read");
    expect(&mut panics, "panic", "panicked");
    expect(&mut other, "rw try-write", "write 1 1");
}

fn repair_that_panics_leaves_owner_died() {
    let (_sandbox, _dies, [mut one, mut two]) = after_a_death();
    one.ask("rw read");
    expect(&mut one, "rw repair-panics", "panicked");
    assert!(two.ask("rw write").starts_with("died "), "after a repair that panicked");
}

fn repairer_that_is_killed_is_the_next_dead_writer() {
    let (_sandbox, _dies, [mut one, mut two]) = after_a_death();
    one.ask("rw read");
    one.kill();
    assert!(two.ask("rw read").starts_with("died "), "after a repairer was killed");
}

fn dropped_writer_died_is_found_by_the_next() {
    let (_sandbox, dies, [mut one, mut two]) = after_a_death();
    one.ask("rw read");
    expect(&mut one, "drop", "dropped");
    expect(&mut two, "rw read", &format!("died {} 7 1", dies.pid));
    two.ask("drop");
    expect(&mut one, "rw try-write", &format!("died {} 7 1", dies.pid));
}

fn value_that_was_given_up_comes_back_by_repair_or_reset() {
    for (way_out, value) in [("write-or-repair 6", "write 6 6"), ("read-or-repair 6", "read 6 6"), ("reset 6", "reset")]
    {
        let (_sandbox, _dies, [mut one, mut two]) = after_a_death();
        one.ask("rw read");
        expect(&mut one, "rw give-up", "gave up");
        for verb in ["read", "write", "try-read", "try-write"] {
            expect(&mut two, &format!("rw {verb}"), "not recoverable");
        }
        expect(&mut two, &format!("rw {way_out}"), value);
        if value != "reset" {
            two.ask("drop");
        }
        expect(&mut one, "rw write", "write 6 6");
    }
}

fn reader_that_repaired_goes_on_reading() {
    let (_sandbox, _dies, [mut one, mut two]) = after_a_death();
    expect(&mut one, "rw read-or-repair 9", "read 9 9");
    expect(&mut two, "rw try-read", "read 9 9");
}

fn downgrade_lets_readers_in_and_writers_not() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("rw write");
    one.ask("rw set 4");
    expect_to_wait(&mut two, "rw read", "somebody writes");
    expect(&mut one, "rw downgrade", "read 4 4");
    assert_eq!(two.answer("rw read"), "read 4 4");
    two.ask("drop");
    expect(&mut two, "rw try-write", "would block");
    one.ask("drop");
    expect(&mut two, "rw try-write", "write 4 4");
}

fn one_reader_too_many_waits_for_a_cell() {
    let (_sandbox, [mut one, mut two, mut three, mut four]) = actors();
    for peer in [&mut one, &mut two, &mut three] {
        expect(peer, "few read", "read 1 1");
    }
    expect(&mut four, "few try-read", "would block");
    expect(&mut four, "few read-timeout 30", "timed out");
    expect_to_wait(&mut four, "few read", "three readers are all there may be");
    two.ask("drop");
    assert_eq!(four.answer("few read"), "read 1 1");
    expect(&mut two, "few try-read", "would block");
}

fn one_reader_too_many_gets_the_cell_of_a_dead_one() {
    for verb in ["try-read", "read"] {
        let (_sandbox, [mut one, mut two, mut three, mut four]) = actors();
        for peer in [&mut one, &mut two, &mut three] {
            peer.ask("few read");
        }
        if verb == "read" {
            expect_to_wait(&mut four, "few read", "three readers are all there may be");
        }
        two.kill();
        match verb {
            "read" => assert_eq!(four.answer("few read"), "read 1 1"),
            _ => expect(&mut four, "few try-read", "read 1 1"),
        }
    }
}

fn thread_with_all_cells_would_deadlock() {
    let (_sandbox, [mut peer]) = actors();
    for _ in 0..3 {
        expect(&mut peer, "few read", "read 1 1");
    }
    expect(&mut peer, "few read", "deadlock");
    peer.ask("drop");
    expect(&mut peer, "few read", "read 1 1");
}

fn leaked_guards_fall_with_their_process() {
    let (_sandbox, [mut leaks, mut other]) = actors();
    leaks.ask("rw read");
    leaks.ask("leak");
    expect(&mut other, "rw write-timeout 50", "timed out");
    assert!(leaks.finish().success());
    expect(&mut other, "rw write", "write 1 1");
}
