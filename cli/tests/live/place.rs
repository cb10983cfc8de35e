//! A folder of its own for the segments of a test, and the command that looks into it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far longer than anything here takes on the slowest machine.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(240);

pub(crate) struct Place(tempfile::TempDir);

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        // In memory, where segments belong, if there is such a place.
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        Place(tempfile::Builder::new().prefix("cotenant-test-").tempdir_in(parent).expect("a folder"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
        command.args(arguments).env("COTENANT_DIR", self.folder()).env_remove("CLICOLOR_FORCE");
        command.env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    /// Runs it, requires that it went well, and reads its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.status, Some(0), "{arguments:?}: {ran:#?}");
        parse(&ran.out)
    }

    /// The row that `ls` has for a segment of this place.
    pub(crate) fn row(&self, name: &str) -> Value {
        let document = self.json(&["ls"]);
        row_of(&document, name).unwrap_or_else(|| panic!("no {name} in {document:#}"))
    }
}

pub(crate) fn row_of(document: &Value, name: &str) -> Option<Value> {
    let rows = document["segments"].as_array().expect("a list");
    rows.iter().find(|row| row["name"] == name || row["file"] == name).cloned()
}

pub(crate) fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

/// Runs a command to its end, which must come before the watchdog.
pub(crate) fn run(mut command: Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut pipes = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let read = |pipe: &mut dyn Read| {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8(bytes).expect("UTF-8")
    };
    std::thread::scope(|scope| {
        let out = scope.spawn(move || read(&mut pipes.0));
        let err = scope.spawn(move || read(&mut pipes.1));
        let deadline = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = child.try_wait().expect("our child") {
                break status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                panic!("watchdog: {command:?} does not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ran { status: status.code(), out: out.join().expect("text"), err: err.join().expect("text") }
    })
}

/// The numbers in a JSON list of objects with a `pid`.
pub(crate) fn pids(list: &Value) -> Vec<u64> {
    list.as_array().expect("a list").iter().filter_map(|it| it["pid"].as_u64()).collect()
}
