//! The election of a leader.

use crate::actor::{A_WHILE, actors, tests};

/// On Windows each asks for itself: one call tells.
#[cfg(target_os = "linux")]
pub(crate) const LINUX_TESTS: &[crate::support::Named] =
    &[("candidates_take_turns_to_ask_about_the_leader", candidates_take_turns_to_ask_about_the_leader)];

tests! {
    one_leads_and_the_others_would_block,
    next_one_leads_when_the_leader_steps_down,
    next_one_leads_when_the_leader_is_killed,
    killed_candidate_leads_nothing,
    wait_for_the_leadership_ends_when_its_time_is_up,
    terms_grow_with_each_leadership,
    current_leader_is_named_while_it_lives,
    leadership_goes_from_thread_to_thread,
    same_thread_would_deadlock_for_the_leadership,
    panic_of_the_leader_steps_down,
}

fn one_leads_and_the_others_would_block() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("leader try"), "term 1");
    assert_eq!(two.ask("leader try"), "would block");
    two.tell("leader lead");
    two.expect_silence(A_WHILE, "another leads");
}

fn next_one_leads_when_the_leader_steps_down() {
    let (_sandbox, [mut one, mut two]) = actors();
    for term in [2, 3, 4] {
        one.ask("leader lead");
        two.tell("leader lead");
        two.expect_silence(A_WHILE, "another leads");
        one.ask("drop");
        assert_eq!(two.answer("leader lead"), format!("term {}", 2 * term - 2));
        two.ask("drop");
    }
}

fn next_one_leads_when_the_leader_is_killed() {
    for verb in ["lead", "timeout 20000"] {
        let (_sandbox, [mut one, mut two]) = actors();
        one.ask("leader lead");
        two.tell(&format!("leader {verb}"));
        two.expect_silence(A_WHILE, "another leads");
        one.kill();
        assert_eq!(two.answer("leader"), "term 2");
    }
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("leader lead");
    one.kill();
    assert_eq!(two.ask("leader try"), "term 2");
}

fn killed_candidate_leads_nothing() {
    let (_sandbox, [mut one, mut dies, mut two]) = actors();
    one.ask("leader lead");
    dies.tell("leader lead");
    two.tell("leader lead");
    two.expect_silence(A_WHILE, "another leads");
    dies.kill();
    one.ask("drop");
    assert_eq!(two.answer("leader lead"), "term 2");
}

fn wait_for_the_leadership_ends_when_its_time_is_up() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("leader lead");
    assert_eq!(two.ask("leader timeout 30"), "timed out");
    one.ask("drop");
    assert_eq!(two.ask("leader timeout 30"), "term 2");
}

fn terms_grow_with_each_leadership() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("leader term"), "0");
    for term in 1..=6 {
        let leads = if term % 2 == 0 { &mut one } else { &mut two };
        assert_eq!(leads.ask("leader lead"), format!("term {term}"));
        leads.ask("drop");
    }
    assert_eq!(one.ask("leader term"), "6");
}

fn current_leader_is_named_while_it_lives() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(two.ask("leader current"), "nobody");
    one.ask("leader lead");
    let current = two.ask("leader current");
    assert!(current.starts_with(&format!("{} locks-", one.pid)), "{current}");
    assert_eq!(one.ask("leader current"), current);
    one.kill();
    crate::support::wait_until("the system has given the leader's memory back", || {
        two.ask("leader current") == "nobody"
    });
}

fn leadership_goes_from_thread_to_thread() {
    let (_sandbox, [mut one, mut two]) = actors();
    assert_eq!(one.ask("leader take-in-thread"), "leads");
    assert_eq!(two.ask("leader try"), "would block", "the thread has ended, the process leads on");
    assert_eq!(one.ask("leader drop-elsewhere"), "dropped");
    assert_eq!(two.ask("leader try"), "term 2");
}

fn same_thread_would_deadlock_for_the_leadership() {
    let (_sandbox, [mut one]) = actors();
    one.ask("leader lead");
    for verb in ["lead", "try", "timeout 1000"] {
        assert_eq!(one.ask(&format!("leader {verb}")), "deadlock");
    }
}

fn panic_of_the_leader_steps_down() {
    let (_sandbox, [mut one, mut two]) = actors();
    one.ask("leader lead");
    one.ask("panic");
    assert_eq!(two.ask("leader try"), "term 2");
}

/// Candidates may wait for days, and many of them: only one in ten milliseconds makes the system calls of a question.
#[cfg(target_os = "linux")]
fn candidates_take_turns_to_ask_about_the_leader() {
    let (sandbox, [mut leads, mut one, mut two, mut three]) = actors();
    leads.ask("leader lead");
    for candidate in [&mut one, &mut two, &mut three] {
        candidate.tell("leader lead");
    }
    let segment = sandbox.file("image-");
    crate::support::wait_until("one believes that another has asked", || {
        let bytes = std::fs::read(&segment).expect("the segment");
        // docs/format.md, "questions": bits 39-32 of each word.
        bytes[2048..4096].chunks_exact(8).any(|word| word[4] > 0)
    });
    for mut dies in [two, three, leads] {
        dies.kill();
    }
    assert_eq!(one.answer("leader lead"), "term 2");
}
