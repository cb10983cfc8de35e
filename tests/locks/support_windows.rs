//! What these tests need of tests/support, on Windows: processes in a scope that no other test uses.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
const ROLE: &str = "COTENANT_TEST_ROLE";

/// A test or a role: its name and what it does.
pub(crate) type Named = (&'static str, fn());

/// Plays the role that this process was started for, or runs the tests.
pub(crate) fn run(tests: &[Named], _root_tests: &[Named], roles: &[Named]) -> ExitCode {
    if let Ok(wanted) = std::env::var(ROLE) {
        let (_, play) = roles.iter().find(|(name, _)| *name == wanted).expect("a role of this test program");
        play();
        return ExitCode::SUCCESS;
    }
    let trial = |&(name, test): &Named| {
        Trial::test(name, move || {
            std::panic::catch_unwind(test).map_err(|_| Failed::from("it panicked; the message is above"))
        })
    };
    libtest_mimic::run(&Arguments::from_args(), tests.iter().map(trial).collect()).exit_code()
}

/// Waits until `holds`, asking again and again.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) mod sandbox {
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::peer::Peer;

    /// A scope of its own: the variables lie in a mapping of that name.
    pub(crate) struct Sandbox {
        scope: String,
    }

    impl Sandbox {
        pub(crate) fn new() -> Sandbox {
            static SANDBOXES: AtomicU32 = AtomicU32::new(0);
            Sandbox { scope: format!("locks-{}-{}", std::process::id(), SANDBOXES.fetch_add(1, Relaxed)) }
        }

        #[track_caller]
        pub(crate) fn start(&self, role: &str) -> Peer {
            let mut command = Command::new(std::env::current_exe().expect("the path of this test program"));
            command.env(super::ROLE, role).env("COTENANT_SCOPE", &self.scope).env_remove("COTENANT_PRIVATE");
            Peer::start(&mut command)
        }
    }
}

pub(crate) mod peer {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::{Duration, Instant};

    use super::PATIENCE;

    /// A process that answers commands; killed when dropped.
    pub(crate) struct Peer {
        pub(crate) pid: u32,
        child: Child,
        commands: Option<ChildStdin>,
        answers: Receiver<String>,
    }

    impl Peer {
        #[track_caller]
        pub(crate) fn start(command: &mut Command) -> Peer {
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting a peer");
            let (to, answers) = channel();
            let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| to.send(line)));
            let peer = Peer { pid: child.id(), commands: child.stdin.take(), child, answers };
            assert_eq!(peer.answer("its start"), "ready");
            peer
        }

        #[track_caller]
        pub(crate) fn ask(&mut self, command: &str) -> String {
            self.tell(command);
            self.answer(command)
        }

        #[track_caller]
        pub(crate) fn tell(&mut self, command: &str) {
            writeln!(self.commands.as_mut().expect("piped"), "{command}").expect("telling a peer");
        }

        #[track_caller]
        pub(crate) fn answer(&self, to: &str) -> String {
            self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no answer to {to:?}: {error}"))
        }

        /// Fails if an answer comes within `time`: the peer is expected to wait for somebody.
        #[track_caller]
        pub(crate) fn expect_silence(&self, time: Duration, why: &str) {
            match self.answers.recv_timeout(time) {
                Err(RecvTimeoutError::Timeout) => {}
                other => panic!("it was to wait, because {why}; it said {other:?}"),
            }
        }

        /// Ends it without warning, and waits until it is gone.
        pub(crate) fn kill(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }

        /// Ends it by closing its input, and gives how it ended.
        #[track_caller]
        pub(crate) fn finish(mut self) -> ExitStatus {
            self.commands = None;
            let start = Instant::now();
            loop {
                if let Some(status) = self.child.try_wait().expect("waiting for a peer") {
                    return status;
                }
                assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for the end of peer {}", self.pid);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    impl Drop for Peer {
        fn drop(&mut self) {
            self.kill();
        }
    }
}

pub(crate) mod serve {
    /// Says "ready", then answers each line until there are no more.
    pub(crate) fn stdin(mut answer: impl FnMut(&str) -> String) {
        println!("ready");
        for line in std::io::stdin().lines() {
            println!("{}", answer(&line.expect("a command")));
        }
    }
}
