//! A process under a test's command: a copy of this program, started with a role.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a peer that is to wait is watched.
const SILENCE: Duration = Duration::from_millis(300);
/// Set for a process that is to serve.
pub(crate) const ROLE: &str = "COTENANT_TEST_ROLE";
/// Begins the lines that are answers; the test harness prints lines of its own.
const ANSWER: char = '=';

/// A copy of this program, removed on drop.
pub(crate) struct Program {
    path: PathBuf,
}

impl Program {
    pub(crate) fn new() -> Program {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}-{}.exe", std::process::id(), COPIES.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::copy(std::env::current_exe().expect("this program's path"), &path).expect("copying this program");
        Program { path }
    }

    /// A copy whose section `.shared` is an ordinary one, as a linker that knows nothing of the flag would make it.
    pub(crate) fn without_shared_flag() -> Program {
        const FLAGS_AT: usize = 36;
        let program = Program::new();
        let mut bytes = std::fs::read(&program.path).expect("reading the copy");
        let header = bytes.windows(8).position(|bytes| bytes == b".shared\0").expect("the section's header");
        bytes[header + FLAGS_AT + 3] &= !0x10;
        std::fs::write(&program.path, bytes).expect("writing the copy");
        program
    }

    pub(crate) fn name(&self) -> String {
        self.path.file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// A command that serves, with no word of ours in its environment but the role.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["--exact", "role", "--ignored", "--nocapture", "--test-threads=1"]).env(ROLE, "serve");
        command.env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE");
        command
    }

    #[track_caller]
    pub(crate) fn start(&self) -> Peer {
        Peer::start(&mut self.command())
    }

    /// In a scope that this test run does not share with another one; in none if `scope` is empty.
    #[track_caller]
    pub(crate) fn start_in(&self, scope: &str) -> Peer {
        let mut command = self.command();
        if !scope.is_empty() {
            command.env("COTENANT_SCOPE", format!("{scope}-{}", std::process::id()));
        }
        Peer::start(&mut command)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A peer that was just killed may still have it open.
        for _ in 0..100 {
            if std::fs::remove_file(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that answers commands; killed when dropped.
pub(crate) struct Peer {
    child: Child,
    answers: Receiver<String>,
}

impl Peer {
    /// Starts `command` and waits until it says "ready".
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Peer {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting a peer");
        let (to, answers) = channel();
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.strip_prefix(ANSWER).is_some_and(|answer| to.send(answer.to_owned()).is_err()) {
                    return;
                }
            }
        });
        let peer = Peer { child, answers };
        assert_eq!(peer.answer("its start"), "ready");
        peer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a command and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer(command)
    }

    #[track_caller]
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{command}").expect("telling a peer");
    }

    #[track_caller]
    pub(crate) fn answer(&self, to: &str) -> String {
        self.answers.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no answer to {to:?}: {error}"))
    }

    /// Fails if an answer comes: the peer is expected to wait for somebody.
    #[track_caller]
    pub(crate) fn expect_silence(&self, why: &str) {
        match self.answers.recv_timeout(SILENCE) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("it was to wait, because {why}; it said {other:?}"),
        }
    }

    /// Ends it without warning, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a program that ends by itself ended, and what it wrote.
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ended {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("starting a program");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("waiting for a program") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("waited {PATIENCE:?} for the end of {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut stdout).expect("its output");
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("its complaint");
    Ended { status, stdout, stderr }
}

/// Says "ready", then answers each line until there are no more.
pub(crate) fn serve(answer: impl Fn(&str) -> String) {
    // The harness has begun a line.
    println!("\n{ANSWER}ready");
    for line in std::io::stdin().lines() {
        println!("{ANSWER}{}", answer(&line.expect("a command")));
    }
}
