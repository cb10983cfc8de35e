//! What can fail, and that the program goes on with values of its own, and says why.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::Mutex;
use cotenant::{BlockState, shared};

use crate::support::peer::Peer;
use crate::support::root::{in_mount_namespace, mount_tmpfs, set_mode};
use crate::support::sandbox::{Sandbox, command};
use crate::support::{Named, serve};

pub(crate) const TESTS: &[Named] = &[
    ("shares_where_it_can", shares_where_it_can),
    ("goes_on_alone_without_a_folder", goes_on_alone_without_a_folder),
    ("goes_on_alone_beside_an_open_folder", goes_on_alone_beside_an_open_folder),
    ("goes_on_alone_with_a_scope_that_is_no_name", goes_on_alone_with_a_scope_that_is_no_name),
    ("fails_by_call_and_succeeds_when_called_again", fails_by_call_and_succeeds_when_called_again),
];

pub(crate) const ROOT_TESTS: &[Named] = &[("goes_on_alone_in_a_full_file_system", goes_on_alone_in_a_full_file_system)];

shared! {
    #![shared(on_failure = private)]
    static COUNT: AtomicU64 = AtomicU64::new(10);
    static GUARDED: Mutex<u64> = Mutex::new(20);
}

shared! {
    #![shared(name = "alone.called", attach = by_call)]
    static CALLED: AtomicU64 = AtomicU64::new(30);
}

pub(crate) fn serve() {
    serve::stdin(|line| match line {
        "add" => {
            let mut guard = GUARDED.lock().expect("a clean lock");
            *guard += 1;
            format!("{} {}", COUNT.fetch_add(1, Relaxed) + 1, *guard)
        }
        "attach" => cotenant::attach().map_or_else(|error| error.to_string(), |()| "attached".into()),
        "called" => (CALLED.fetch_add(1, Relaxed) + 1).to_string(),
        "state" => {
            let blocks = cotenant::attachment().blocks;
            match &blocks.iter().find(|block| block.name.is_none()).expect("the unnamed block").state {
                BlockState::Private { reason } => format!("private: {reason}"),
                BlockState::Shared { .. } => "shared".into(),
                other => format!("{other:?}"),
            }
        }
        _ => panic!("no such command: {line}"),
    });
}

/// Starts two processes, and sees them go on, each for itself, for a reason that holds all of `parts`.
#[track_caller]
fn assert_alone(start: impl Fn() -> Command, parts: &[&str]) {
    let (mut one, mut two) = (Peer::start(&mut start()), Peer::start(&mut start()));
    assert_eq!((one.ask("add"), one.ask("add")), ("11 21".into(), "12 22".into()));
    assert_eq!(two.ask("add"), "11 21");
    let state = one.ask("state");
    assert!(state.starts_with("private: "), "{state}");
    parts.iter().for_each(|part| assert!(state.contains(part), "no {part:?} in {state:?}"));
    assert!(one.finish().success());
}

fn shares_where_it_can() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("actor"), sandbox.start("actor"));
    assert_eq!((one.ask("add"), two.ask("add")), ("11 21".into(), "12 22".into()));
    assert_eq!(two.ask("state"), "shared");
}

fn goes_on_alone_without_a_folder() {
    let start = || command("actor", Some(Path::new("/dev/shm/cotenant-test-nothing-here/folder")));
    assert_alone(start, &["/dev/shm/cotenant-test-nothing-here/folder", "No such file"]);
}

fn goes_on_alone_beside_an_open_folder() {
    let sandbox = Sandbox::new();
    set_mode(sandbox.path(), 0o777);
    assert_alone(|| sandbox.command("actor"), &["can be written by others", "name a folder of this user alone"]);
}

fn goes_on_alone_with_a_scope_that_is_no_name() {
    let sandbox = Sandbox::new();
    let start = || {
        let mut command = sandbox.command("actor");
        command.env("COTENANT_SCOPE", "a/b");
        command
    };
    assert_alone(start, &["COTENANT_SCOPE is \"a/b\""]);
}

fn goes_on_alone_in_a_full_file_system() {
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
        std::fs::write(sandbox.path().join("filler"), vec![1; 1 << 20]).expect("filling it to the last page");
        assert_alone(|| sandbox.command("actor"), &["No space left", "make room"]);
    });
}

fn fails_by_call_and_succeeds_when_called_again() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("actor");
    let in_the_way = sandbox.path().join("alone.called");
    std::fs::write(&in_the_way, "not a segment").expect("a file in the way");
    assert_eq!(peer.ask("called"), "31");
    let answer = peer.ask("attach");
    assert!(answer.contains("alone.called") && answer.contains("is not a Cotenant segment"), "{answer}");
    assert_eq!(peer.ask("called"), "32", "it goes on with its own value");
    std::fs::remove_file(in_the_way).expect("removing it");
    assert_eq!(peer.ask("attach"), "attached");
    assert_eq!(peer.ask("called"), "31", "the shared value");
}
