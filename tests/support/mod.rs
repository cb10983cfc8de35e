//! Help for tests with several processes.
//!
//! ```text
//! test (libtest-mimic)                     peer: the same binary, started with COTENANT_TEST_ROLE
//!   Sandbox: COTENANT_DIR of its own  --->   serves lines: a command in, an answer out
//!   Peer::ask("add 1")  --- "add 1" --->     stdin, or the socket of a forked peer
//!                       <--- "1" -------     stdout, or the same socket
//! ```
//!
//! Every wait has a watchdog that fails with what was being waited for; nothing is asserted to be quick.

#![allow(dead_code)] // Each test program uses its part.

pub(crate) mod cgroup;
pub(crate) mod peer;
pub(crate) mod root;
pub(crate) mod sandbox;
pub(crate) mod serve;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// Names the role of a process that a test starts.
pub(crate) const ROLE: &str = "COTENANT_TEST_ROLE";

/// Set for the process that runs the tests.
const HARNESS: &str = "COTENANT_TEST_HARNESS";

/// A test or a role: its name and what it does.
pub(crate) type Named = (&'static str, fn());

/// Plays the role that this process was started for, or runs the tests.
pub(crate) fn run(tests: &[Named], root_tests: &[Named], roles: &[Named]) -> ExitCode {
    if let Ok(wanted) = std::env::var(ROLE) {
        let (_, play) = roles.iter().find(|(name, _)| *name == wanted).expect("a role of this test program");
        play();
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HARNESS).is_none() {
        return in_a_folder_of_its_own();
    }
    let mut trials: Vec<_> = tests.iter().map(|&(name, test)| trial(name, test)).collect();
    trials.extend(root_tests.iter().map(|&(name, test)| root::trial(name, test)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Starts this test program again, with a folder for the variables that it declares itself: before `main` it has made
/// segments of its own, and some are kept.
fn in_a_folder_of_its_own() -> ExitCode {
    remove_what_this_process_keeps();
    let folder = tempfile::TempDir::with_prefix("cotenant-test-harness-").expect("a folder for the harness");
    let mut again = std::process::Command::new(std::env::current_exe().expect("the path of this test program"));
    sandbox::without_our_words(&mut again).env(HARNESS, "1").env("COTENANT_DIR", folder.path());
    let status = again.args(std::env::args_os().skip(1)).status().expect("starting the tests");
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Of this process too, which only starts the other: nobody would ever use them again.
fn remove_what_this_process_keeps() {
    for block in cotenant::attachment().blocks {
        if let cotenant::BlockState::Shared { segment, .. } = block.state {
            if segment.contains("-kept") {
                // Another start of the same tests may have been first.
                let _ = std::fs::remove_file(segment);
            }
        }
    }
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || std::panic::catch_unwind(test).map_err(|cause| Failed::from(text_of(cause.as_ref()))))
}

/// What a panic said.
pub(crate) fn text_of(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Waits until `holds`, asking again and again.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
