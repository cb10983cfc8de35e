//! A running program: spoken to in lines, killed if it is forgotten or hangs.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than any test needs on a busy machine; a program that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// A folder of segments that no other test uses.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: TempDir::with_prefix_in("cotenant-capi-", "/dev/shm").expect("a folder in /dev/shm") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that finds its segments here, and none of our words in its environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE").env("COTENANT_DIR", self.path());
        command
    }

    /// Starts a program.
    #[track_caller]
    pub(crate) fn start(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Program {
        Program::start(self.command(program).args(arguments))
    }

    /// Runs a program to its end, which must be a success; gives what it printed.
    #[track_caller]
    pub(crate) fn run(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
        let ended = self.start(program, arguments).end();
        assert!(ended.status.success(), "{:?}\n{}{}", ended.status, ended.stdout, ended.stderr);
        ended.stdout
    }
}

/// A program that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that runs.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    complaints: std::thread::JoinHandle<String>,
}

impl Program {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Program {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let input = child.stdin.take();
        let lines = lines_of(child.stdout.take().expect("a pipe"));
        let mut stderr = child.stderr.take().expect("a pipe");
        let complaints = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Program { child, input, lines, complaints }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line of the program")
    }

    /// Sends it a line; gives the one that it answers.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.line()
    }

    #[track_caller]
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input");
        writeln!(input, "{line}").expect("it listens");
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("its end");
    }

    /// Closes its input, and waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        self.input = None;
        let start = Instant::now();
        let mut stdout = String::new();
        let status = loop {
            while let Ok(line) = self.lines.try_recv() {
                stdout += &line;
                stdout.push('\n');
            }
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it still ran after {PATIENCE:?}, and had printed:\n{stdout}");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // What its pipe still holds; a child that it left behind may keep that open.
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            stdout += &line;
            stdout.push('\n');
        }
        let complaints = std::mem::replace(&mut self.complaints, std::thread::spawn(String::new));
        let stderr = complaints.join().expect("its complaints");
        Ended { status, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
