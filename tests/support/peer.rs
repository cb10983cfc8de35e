//! A process under a test's command.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A process that answers commands; killed when dropped.
pub(crate) struct Peer {
    pub(crate) pid: i32,
    /// `None` for the child of a peer: only its parent can wait for it.
    child: Option<Child>,
    /// Whether `pid` may still be this process's.
    may_live: bool,
    commands: Box<dyn Write + Send>,
    answers: Receiver<String>,
}

impl Peer {
    /// Starts `command` and waits until it says "ready".
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Peer {
        let peer = Peer::launch(command);
        assert_eq!(peer.answer("its start"), "ready");
        peer
    }

    /// Starts `command` without waiting for it.
    #[track_caller]
    pub(crate) fn launch(command: &mut Command) -> Peer {
        let mut child = spawn_patiently(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let commands = Box::new(child.stdin.take().expect("piped"));
        let answers = lines_of(child.stdout.take().expect("piped"));
        Peer { pid: child.id() as i32, child: Some(child), may_live: true, commands, answers }
    }

    /// The process that connects to `listener` next: a child of a peer.
    #[track_caller]
    pub(crate) fn accept(listener: &UnixListener) -> Peer {
        let stream = accept_patiently(listener);
        let answers = lines_of(stream.try_clone().expect("a second descriptor"));
        Peer { pid: pid_of(&stream), child: None, may_live: true, commands: Box::new(stream), answers }
    }

    /// Sends a command and waits for the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer(command)
    }

    /// Sends a command. The answer is to be read with [`answer`](Peer::answer).
    #[track_caller]
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").unwrap_or_else(|error| panic!("telling peer {command:?}: {error}"));
    }

    /// The next line.
    #[track_caller]
    pub(crate) fn answer(&self, to: &str) -> String {
        self.answers
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("peer {} gave no answer to {to:?} within {PATIENCE:?}: {error}", self.pid))
    }

    /// The next line; `None` if the process ends without one.
    #[track_caller]
    pub(crate) fn try_answer(&self) -> Option<String> {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} for a line or the end of peer {}", self.pid),
        }
    }

    /// Fails if an answer comes within `time`: the peer is expected to wait for somebody.
    #[track_caller]
    pub(crate) fn expect_silence(&self, time: Duration, why: &str) {
        match self.answers.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("peer {} was to wait, because {why}; it said {other:?}", self.pid),
        }
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: no pointer; the process is ours and not yet waited for.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0, "signalling peer {}", self.pid);
    }

    /// Stops it, and waits until it stands still.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.signal(libc::SIGSTOP);
        super::wait_until("the peer is stopped", || process_state(self.pid) == Some('T'));
    }

    pub(crate) fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    /// Kills it, and waits until it is gone (a child of a peer: until it is a zombie or gone).
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        self.may_live = false;
        match &mut self.child {
            Some(child) => drop(child.wait().expect("waiting for a killed peer")),
            None => {
                let pid = self.pid;
                super::wait_until("the killed peer is gone", || matches!(process_state(pid), None | Some('Z' | 'X')));
            }
        }
    }

    /// Ends it by closing its input, and gives how it ended.
    #[track_caller]
    pub(crate) fn finish(mut self) -> ExitStatus {
        self.commands = Box::new(std::io::sink());
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("a child of the test itself");
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("waiting for a peer") {
                self.may_live = false;
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for the end of peer {}", self.pid);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Starts a process whose program may have been written just now: a child that another thread forked meanwhile has the
/// file open for writing until it calls exec.
#[track_caller]
fn spawn_patiently(command: &mut Command) -> Child {
    for _ in 0..500 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(20))
            }
            child => return child.expect("starting a peer"),
        }
    }
    panic!("a program was busy for ten seconds");
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.may_live && self.pid > 0 {
            // SAFETY: no pointer.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
        }
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }
}

/// How a program that ends by itself ended, and what it wrote.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ended {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("starting a program");
    let stdout = text_of(child.stdout.take().expect("piped"));
    let stderr = text_of(child.stderr.take().expect("piped"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("waiting for a program") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("waited {PATIENCE:?} for the end of {command:?}");
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    let read = |text: Receiver<String>| text.recv_timeout(PATIENCE).expect("the end of a finished program's output");
    Ended { status, stdout: read(stdout), stderr: read(stderr) }
}

impl Ended {
    /// The one line that a program says that cannot share, and ends with status 78.
    #[track_caller]
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.status.signal(), None, "killed by a signal; it said: {}{}", self.stdout, self.stderr);
        assert_eq!(self.status.code(), Some(78), "it said: {}{}", self.stdout, self.stderr);
        let line = self.stderr.strip_suffix('\n').expect("a whole line");
        assert!(!line.contains('\n') && line.starts_with("cotenant: "), "not one line of ours: {line:?}");
        line
    }
}

fn lines_of(from: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn text_of(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (to, text) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = to.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}

#[track_caller]
fn accept_patiently(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).expect("a socket that does not block");
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a socket that blocks");
                return stream;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("waiting for a forked peer: {error}"),
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for a forked peer to connect");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Who connected, by the process id that it has here: in its own PID namespace it may have another (unix(7)).
fn pid_of(stream: &UnixStream) -> i32 {
    let mut who = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut bytes = size_of::<libc::ucred>() as libc::socklen_t;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    // SAFETY: both places outlive the call, and the second is the size of the first.
    let result = unsafe { libc::getsockopt(stream.as_raw_fd(), level, option, (&raw mut who).cast(), &raw mut bytes) };
    assert!(result == 0 && who.pid > 0, "who connected: {}", std::io::Error::last_os_error());
    who.pid
}

/// The letter in `/proc/PID/stat`; `None` if there is no such process.
pub(crate) fn process_state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
