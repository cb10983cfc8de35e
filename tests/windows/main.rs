//! Shared variables on Windows, by several processes. Each test runs a copy of this program: another file is another
//! image, whose section `.shared` no other test uses.
//!
//! Programs of several builds with one named block, and their tests, are those of tests/images.
#![cfg(windows)]

mod blocks;
mod channels;
#[path = "../images/growth.rs"]
mod growth;
#[path = "../images/mismatch.rs"]
mod mismatch;
mod peer;
mod pipes;
#[path = "../images/process.rs"]
#[allow(dead_code)] // What only the other tests there need.
mod process;
mod programs;
mod published;
mod segments;

use peer::{Peer, Program};

/// What a process that a test starts does; not a test.
#[test]
#[ignore = "played by processes that the tests start"]
fn role() {
    if std::env::var_os(peer::ROLE).is_some() {
        peer::serve(|line| {
            let answer = segments::answer(line).or_else(|| published::answer(line)).or_else(|| channels::answer(line));
            answer.unwrap_or_else(|| blocks::answer(line))
        });
    }
}

#[test]
fn two_processes_count_on_one_variable() {
    let program = Program::new();
    let (mut first, mut second) = (program.start(), program.start());
    assert_eq!(first.ask("add"), "41");
    assert_eq!(second.ask("add"), "42");
    assert_eq!(first.ask("add"), "43");
    assert_eq!(second.ask("other module"), "7");
    assert_eq!(first.ask("other module"), "8");
}

#[test]
fn values_start_afresh_after_the_last_process_was_killed() {
    for scope in ["", "afresh"] {
        let program = Program::new();
        let (mut first, mut second) = (program.start_in(scope), program.start_in(scope));
        first.ask("add");
        first.kill();
        assert_eq!(second.ask("add"), "42", "one process is still attached");
        second.kill();
        let mut third = program.start_in(scope);
        assert_eq!(third.ask("add"), "41");
        assert_eq!(third.ask("created"), "true");
    }
}

#[test]
fn a_process_that_shares_nothing_does_not_keep_old_values_alive() {
    let program = Program::new();
    let mut private = Peer::start(program.command().env("COTENANT_PRIVATE", "1"));
    let mut shared = program.start();
    assert_eq!(shared.ask("add"), "41");
    assert_eq!(private.ask("add"), "41", "it shares nothing");
    assert_eq!(shared.ask("add"), "42");
    shared.kill();
    assert_eq!(program.start().ask("add"), "41", "the image stayed mapped");
    assert_eq!(private.ask("add"), "42");
    assert!(private.ask("states").contains("COTENANT_PRIVATE"));
}

#[test]
fn a_copied_program_shares_its_named_block_only() {
    let (one, other) = (Program::new(), Program::new());
    let (mut first, mut second) = (one.start_in("copies"), other.start_in("copies"));
    assert_eq!(first.ask("add"), "41");
    assert_eq!(second.ask("add"), "41");
    assert_eq!(first.ask("named"), "100");
    assert_eq!(second.ask("named"), "101");
}

#[test]
fn another_scope_shares_nothing() {
    let program = Program::new();
    let (mut staging, mut production) = (program.start_in("staging"), program.start_in("production"));
    for variable in ["add", "named"] {
        assert_eq!(staging.ask(variable), production.ask(variable), "{variable}");
    }
    let mut second = program.start_in("staging");
    assert_eq!(second.ask("add"), "42");
    assert_eq!(second.ask("named"), "101");
}

#[test]
fn a_scope_that_is_no_name_ends_the_program_before_main() {
    let program = Program::new();
    let ended = peer::run(program.command().env("COTENANT_SCOPE", "not/a/scope"));
    assert_eq!(ended.status.code(), Some(78));
    assert!(ended.stderr.starts_with("cotenant: cannot share the variables of `"), "{}", ended.stderr);
    assert!(ended.stderr.contains("COTENANT_SCOPE is \"not/a/scope\""), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_program_whose_linker_left_the_flag_off_is_refused() {
    let program = Program::without_shared_flag();
    let ended = peer::run(&mut program.command());
    assert_eq!(ended.status.code(), Some(78), "{}", ended.stdout);
    assert!(ended.stderr.contains("left the flag SHARED off the section `.shared`"), "{}", ended.stderr);
}

#[test]
fn a_block_attached_by_call_is_private_until_then() {
    let program = Program::new();
    let (mut first, mut second) = (program.start(), program.start());
    assert_eq!(first.ask("late"), "0");
    assert_eq!(first.ask("late"), "1");
    assert_eq!(second.ask("late"), "0");
    assert_eq!(first.ask("attach"), "attached");
    assert_eq!(first.ask("late"), "0", "the shared one starts from the initial value");
    assert_eq!(second.ask("late"), "1", "still private");
    assert_eq!(second.ask("attach"), "attached");
    assert_eq!(second.ask("late"), "1", "shared");
}

#[test]
fn what_windows_lacks_is_refused_with_what_to_write_instead() {
    let states = Program::new().start().ask("states");
    assert!(states.contains("`keep = until_removed`, which Windows does not have"), "{states}");
    assert!(states.contains("a `mode` or `group` of its own"), "{states}");
}

#[test]
fn an_attachment_lists_both_participants() {
    let program = Program::new();
    let (mut first, mut second) = (program.start_in("listed"), program.start_in("listed"));
    let mut wanted = [first.pid(), second.pid()];
    wanted.sort_unstable();
    let wanted = wanted.iter().map(|pid| format!("{pid} {}", program.name())).collect::<Vec<_>>().join(", ");
    assert_eq!(first.ask("participants"), wanted);
    assert_eq!(second.ask("participants"), wanted);
    first.kill();
    assert_eq!(second.ask("participants"), format!("{} {}", second.pid(), program.name()));
}

#[test]
fn no_increment_under_the_mutex_is_lost() {
    let program = Program::new();
    let mut peers: Vec<_> = (0..8).map(|_| program.start()).collect();
    peers.iter_mut().for_each(|peer| peer.tell("add 200"));
    peers.iter_mut().for_each(|peer| assert_eq!(peer.answer("add 200"), "done"));
    assert_eq!(peers[0].ask("lock"), "clean 1600");
}

/// In the section, in a mapping because of a scope, and in a named block's mapping.
fn with_each_kind_of_memory(test_name: &str, test: impl Fn(&mut Peer, &mut Peer, &str)) {
    for (scope, which) in [("", ""), (test_name, ""), (test_name, "named ")] {
        let program = Program::new();
        let (mut first, mut second) = (program.start_in(scope), program.start_in(scope));
        test(&mut first, &mut second, which);
        first.kill();
        second.kill();
    }
}

#[test]
fn the_next_one_is_told_that_the_owner_was_killed() {
    with_each_kind_of_memory("killed", |first, second, which| {
        assert_eq!(first.ask(&format!("{which}hold")), "held");
        assert_eq!(second.ask(&format!("{which}try")), "would block");
        second.tell(&format!("{which}lock"));
        second.expect_silence("the owner lives");
        let pid = first.pid();
        first.kill();
        assert!(second.answer("lock").starts_with(&format!("owner died {pid} ")));
        assert_eq!(second.ask(&format!("{which}repair")), "clean 1000");
        assert_eq!(second.ask(&format!("{which}lock")), "clean 1000");
    });
}

#[test]
fn a_second_lock_by_the_same_thread_would_deadlock() {
    with_each_kind_of_memory("recursion", |first, second, which| {
        assert_eq!(first.ask(&format!("{which}twice")), "would deadlock, would deadlock");
        assert_eq!(second.ask(&format!("{which}lock")), "clean 0", "and the first guard released it");
    });
}

#[test]
fn a_panic_under_the_guard_is_told_to_the_next_one() {
    with_each_kind_of_memory("panic", |first, second, which| {
        assert_eq!(first.ask(&format!("{which}panic")), "panicked");
        assert!(second.ask(&format!("{which}lock")).starts_with(&format!("owner died {} ", first.pid())));
        assert!(first.ask(&format!("{which}lock")).starts_with("owner died"), "the look was left as it was found");
        assert_eq!(second.ask(&format!("{which}repair")), "clean 1000");
    });
}

#[test]
fn a_lock_that_was_given_up_is_not_recoverable_until_repaired() {
    with_each_kind_of_memory("given-up", |first, second, which| {
        first.ask(&format!("{which}panic"));
        assert_eq!(second.ask(&format!("{which}give up")), "given up");
        assert_eq!(first.ask(&format!("{which}lock")), "not recoverable");
        assert_eq!(second.ask(&format!("{which}try")), "not recoverable");
        assert_eq!(first.ask(&format!("{which}repair")), "clean 1000");
        assert_eq!(second.ask(&format!("{which}lock")), "clean 1000");
    });
}

#[test]
fn a_lock_whose_guard_was_leaked_by_a_thread_that_ended_is_not_robbed() {
    with_each_kind_of_memory("leaked", |first, second, which| {
        assert_eq!(first.ask(&format!("{which}leak in a thread")), "leaked");
        assert_eq!(second.ask(&format!("{which}try")), "would block", "its process may still use the guard");
        assert_eq!(first.ask(&format!("{which}try")), "would block");
        second.tell(&format!("{which}lock"));
        second.expect_silence("the process of the owner lives");
        first.kill();
        assert!(second.answer("lock").starts_with("owner died"));
    });
}

#[test]
fn in_private_memory_a_mutex_excludes_threads() {
    let mut peer = Peer::start(Program::new().command().env("COTENANT_PRIVATE", "1"));
    assert_eq!(peer.ask("threads"), "clean 4000");
    assert_eq!(peer.ask("twice"), "would deadlock, would deadlock");
    assert_eq!(peer.ask("panic"), "panicked");
    assert_eq!(peer.ask("give up"), "given up");
    assert_eq!(peer.ask("lock"), "not recoverable");
    assert_eq!(peer.ask("repair"), "clean 1000");
}
