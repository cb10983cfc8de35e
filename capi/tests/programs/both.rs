//! One named block, declared in C and in Rust: both see the same values, wait for each other's locks, and are told of
//! each other's deaths.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::program::{Place, Program};
use crate::support::{COMPILERS, Compiler, GCC, GXX, sources};
use crate::tests;

/// A language to write an actor in.
#[derive(Clone, Copy, PartialEq)]
enum In {
    C,
    Cpp,
    Rust,
}

/// Each way round, and two of C.
const PAIRS: [(In, In); 4] = [(In::C, In::Rust), (In::Rust, In::C), (In::Cpp, In::Rust), (In::C, In::Cpp)];

fn built(compiler: Compiler) -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let folder = FOLDER.get_or_init(|| TempDir::with_prefix("cotenant-capi-").expect("a folder")).path();
        let source = sources().join("programs/actor.c");
        [GCC, GXX].map(|compiler| compiler.compile(&[&source], &folder.join(compiler.program), &["-O2"]))
    });
    built[usize::from(compiler.program == GXX.program)].clone()
}

fn start(place: &Place, language: In) -> Program {
    let program = match language {
        In::C => place.start(built(GCC), &[]),
        In::Cpp => place.start(built(GXX), &[]),
        In::Rust => {
            let this = std::env::current_exe().expect("this test's own path");
            Program::start(place.command(this).env("COTENANT_CAPI_ROLE", "actor"))
        }
    };
    assert_eq!(program.line(), "ready");
    program
}

#[track_caller]
fn ask(program: &mut Program, what: &str, answer: &str) {
    assert_eq!(program.ask(what), answer, "{what}");
}

fn programs_in_c_and_rust_share_every_kind_of_value() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "values", "0 100 -5 0  0 0 0 0.0 ");
        ask(&mut a, "change", "ok");
        ask(&mut b, "change", "ok");
        let motd = if one == In::Rust && other == In::Rust { "" } else { "from_C" };
        let who = if other == In::Rust { "Rust" } else { "C" };
        let values = format!("2 100 -7 1 {motd} 20 2 7 1.0 {who}");
        ask(&mut a, "values", &values);
        ask(&mut b, "values", &values);
    }
}

fn a_mutex_of_a_killed_program_is_repaired_by_the_other() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "mutex", "ok");
        ask(&mut b, "mutex-try", "busy");
        a.kill();
        ask(&mut b, "mutex-try", "died");
        let mut third = start(&place, one);
        ask(&mut third, "mutex", "died");
        ask(&mut third, "mutex-repair", "ok");
        ask(&mut b, "mutex-try", "busy");
        ask(&mut third, "mutex-end", "ok");
        ask(&mut b, "mutex-try", "ok");
    }
}

fn a_waiter_gets_the_lock_of_who_is_killed() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "mutex", "ok");
        b.tell("mutex");
        std::thread::sleep(std::time::Duration::from_millis(30));
        a.kill();
        assert_eq!(b.line(), "died");
    }
}

fn readers_and_writers_of_both_languages_keep_each_other_out() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "read", "ok");
        ask(&mut b, "read", "ok");
        ask(&mut b, "rw-end", "ok");
        ask(&mut b, "write-try", "busy");
        a.kill();
        // A dead reader is forgotten.
        ask(&mut b, "write", "ok");
        let (mut a, c) = (start(&place, one), start(&place, other));
        b.kill();
        let mut b = c;
        ask(&mut a, "read", "died");
        ask(&mut b, "write-try", "busy");
        ask(&mut a, "write-repair", "ok");
        ask(&mut a, "rw-end", "ok");
        ask(&mut b, "write", "ok");
        ask(&mut b, "rw-end", "ok");
    }
}

fn permits_and_leadership_of_the_dead_come_back() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "permit", "ok");
        ask(&mut b, "permit", "ok");
        let mut c = start(&place, one);
        ask(&mut c, "permit-try", "busy");
        ask(&mut b, "permit-end", "ok");
        ask(&mut c, "permit-try", "ok");
        ask(&mut a, "lead", "ok");
        ask(&mut b, "lead-try", "busy");
        a.kill();
        ask(&mut b, "permit", "ok");
        ask(&mut b, "lead", "ok");
        ask(&mut b, "lead-end", "ok");
    }
}

fn events_once_barriers_and_conditions_join_both_languages() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        a.tell("event-wait");
        ask(&mut b, "event-set", "ok");
        assert_eq!(a.line(), "ok");
        ask(&mut a, "once", "ok");
        ask(&mut b, "once", "ok");
        ask(&mut b, "once-value", "77");
        a.tell("barrier");
        ask(&mut b, "barrier", "ok");
        assert_eq!(a.line(), "ok");
        a.tell("step-wait");
        ask(&mut b, "step", "ok");
        assert_eq!(a.line(), "ok");
    }
}

fn who_is_killed_while_it_makes_a_value_leaves_it_to_the_next_one() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b, mut c) = (start(&place, one), start(&place, other), start(&place, one));
        assert_eq!(a.ask("once-hang"), "inside");
        b.tell("once");
        c.tell("once");
        std::thread::sleep(Duration::from_millis(30));
        a.kill();
        assert_eq!((b.line().as_str(), c.line().as_str()), ("ok", "ok"));
        ask(&mut b, "once-value", "77");
        ask(&mut c, "once-value", "77");
        ask(&mut start(&place, one), "once", "ok");
    }
}

fn who_is_killed_at_a_barrier_has_not_come() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b, mut c) = (start(&place, one), start(&place, other), start(&place, one));
        a.tell("barrier");
        std::thread::sleep(Duration::from_millis(50));
        a.kill();
        ask(&mut b, "barrier-soon", "timed out");
        b.tell("barrier");
        ask(&mut c, "barrier", "ok");
        assert_eq!(b.line(), "ok");
    }
}

fn what_one_language_publishes_the_other_sees_whole() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut b, "published", "7 8 7 0");
        ask(&mut a, "publish", "7 16 7 1");
        b.tell("publish-wait");
        ask(&mut a, "publish", "7 32 7 2");
        assert_eq!(b.line(), "7 32 7 2");
        assert_eq!(a.ask("publish-hang"), "inside");
        b.tell("publish");
        std::thread::sleep(Duration::from_millis(30));
        a.kill();
        assert_eq!(b.line(), "7 64 7 3");
        let mut c = start(&place, one);
        ask(&mut c, "published", "7 64 7 3");
        let (quarter, same) = (c.ask("flag"), b.ask("flag"));
        assert!(quarter == same && quarter.ends_with(" of 1000 at 25.0"), "{quarter} {same}");
        ask(&mut c, "flag-set", "ok");
        let (half, same) = (c.ask("flag"), b.ask("flag"));
        assert!(half == same && half != quarter && half.ends_with(" of 1000 at 50.0"), "{half} {same}");
    }
}

fn both_languages_count_together() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "count", "ok");
        ask(&mut b, "count", "ok");
        ask(&mut b, "count", "ok");
        ask(&mut a, "counted", "6 4.5 3 33");
        ask(&mut b, "counted", "6 4.5 3 33");
        a.kill();
        // What it has added stays; its gauge's value goes with it.
        ask(&mut b, "counted", "6 3.0 3 33");
    }
}

fn both_languages_find_each_others_limits_metrics_and_bytes() {
    for (one, other) in PAIRS {
        let place = Place::new();
        let (mut a, mut b) = (start(&place, one), start(&place, other));
        ask(&mut a, "limit", "1 1");
        ask(&mut b, "limit", "1 0");
        ask(&mut a, "limit", "0 0");
        ask(&mut a, "named-a", "a 1 1");
        ask(&mut b, "named", "a 1 1");
        ask(&mut b, "named-b", "b 2 0");
        a.kill();
        ask(&mut b, "named", "b 2 0");
        ask(&mut start(&place, one), "named", "b 2 0");
    }
}

fn every_compiler_gives_the_block_the_same_fingerprint() {
    let place = Place::new();
    let mut first = start(&place, In::Rust);
    ask(&mut first, "change", "ok");
    for compiler in COMPILERS.into_iter().filter(|compiler| compiler.is_installed()) {
        let folder = TempDir::with_prefix("cotenant-capi-").expect("a folder");
        let source = sources().join("programs/actor.c");
        let program = compiler.compile(&[&source], &folder.path().join("actor"), &[]);
        let mut actor = place.start(program, &[]);
        assert_eq!(actor.line(), "ready", "{}", compiler.name);
        assert!(actor.ask("values").starts_with("1 100 -6 1 "), "{}", compiler.name);
    }
}

tests! {
    programs_in_c_and_rust_share_every_kind_of_value,
    a_mutex_of_a_killed_program_is_repaired_by_the_other,
    a_waiter_gets_the_lock_of_who_is_killed,
    readers_and_writers_of_both_languages_keep_each_other_out,
    permits_and_leadership_of_the_dead_come_back,
    events_once_barriers_and_conditions_join_both_languages,
    who_is_killed_while_it_makes_a_value_leaves_it_to_the_next_one,
    who_is_killed_at_a_barrier_has_not_come,
    what_one_language_publishes_the_other_sees_whole,
    both_languages_count_together,
    both_languages_find_each_others_limits_metrics_and_bytes,
    every_compiler_gives_the_block_the_same_fingerprint,
}
