//! A running program that answers lines, and a folder of segments of a test's own. Every wait ends.
//!
//! tests/windows has this file, too. There segments lie in no folder, so each folder is a scope.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that is busy with other things, too.
const WATCHDOG: Duration = Duration::from_secs(180);

/// A new folder, removed with the value: segments in it, and what a test compiles.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = Path::new("/dev/shm");
        let parent = if parent.is_dir() { parent.to_owned() } else { std::env::temp_dir() };
        let name = format!("cotenant-images-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = parent.join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A command that shares in this folder, and knows of no other wishes.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_remove("COTENANT_PRIVATE");
        if cfg!(windows) {
            command.env("COTENANT_SCOPE", self.0.file_name().unwrap());
            return command;
        }
        let segments = self.0.join("segments");
        if std::fs::create_dir(&segments).is_ok() {
            #[cfg(unix)]
            std::fs::set_permissions(&segments, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
        command.env("COTENANT_DIR", segments).env_remove("COTENANT_SCOPE");
        command
    }

    pub(crate) fn start(&self, program: &Path) -> Tenant {
        Tenant::start(&mut self.command(program))
    }

    /// Runs a program that is to end by itself.
    pub(crate) fn run(&self, program: &Path) -> Ended {
        self.start(program).end()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that answers.
pub(crate) struct Tenant {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

/// How a program ended.
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub errors: String,
}

impl Tenant {
    pub(crate) fn start(command: &mut Command) -> Tenant {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let input = child.stdin.take();
        Tenant { child, input, lines, errors: Some(errors) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says a line and waits for none.
    pub(crate) fn tell(&mut self, line: &str) {
        // One that has ended is noticed by who waits for its answer.
        let _ = writeln!(self.input.as_mut().unwrap(), "{line}");
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        self.lines.recv_timeout(WATCHDOG).unwrap_or_else(|error| {
            let _ = self.child.kill();
            let status = self.child.wait();
            let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
            panic!("no answer: {error}; {status:?}; it said on stderr:\n{errors}")
        })
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.line()
    }

    pub(crate) fn number(&mut self, line: &str) -> i64 {
        let answer = self.ask(line);
        answer.parse().unwrap_or_else(|_| panic!("the answer to `{line}` is `{answer}`"))
    }

    /// Closes its input and waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        self.input = None;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < WATCHDOG, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        };
        let errors = self.errors.take().unwrap().join().unwrap();
        Ended { status, errors }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// It ended well and had nothing to say.
    pub(crate) fn quietly(&self) {
        assert!(self.status.success() && self.errors.is_empty(), "{:?}\n{}", self.status, self.errors);
    }

    /// It ended before `main` because it could not share; its message.
    pub(crate) fn refused(&self) -> &str {
        assert_eq!(self.status.code(), Some(78), "{}", self.errors);
        &self.errors
    }
}
