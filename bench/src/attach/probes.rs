//! The programs that are started, and those that hold a segment meanwhile.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::sys::Lifeline;

const WITHOUT: &str = "probe_plain";
/// Programs by the pages of their block.
const WITH: [(u32, &str); 3] = [(1, "probe_shared"), (50, "probe_shared_50"), (200, "probe_shared_200")];

/// Paths of the programs, by name.
pub(super) struct Probes {
    paths: HashMap<String, PathBuf>,
}

impl Probes {
    /// Has cargo build them: `cargo run` builds no more than the program that it runs.
    pub(super) fn build() -> anyhow::Result<Probes> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--message-format=json-render-diagnostics", "--package", "cotenant-bench"]);
        cargo.args(["--bin", WITHOUT]).args(WITH.iter().flat_map(|(_, name)| ["--bin", name]));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = cargo.output().context("run cargo to build the programs that are started")?;
        ensure!(output.status.success(), "cargo could not build the programs that are started");
        let mut paths = HashMap::new();
        for message in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<serde_json::Value>() {
            let message = message.context("read what cargo built")?;
            if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str()) {
                paths.insert(name.to_owned(), PathBuf::from(path));
            }
        }
        for name in std::iter::once(WITHOUT).chain(WITH.map(|(_, name)| name)) {
            ensure!(paths.contains_key(name), "cargo did not build {name}");
        }
        Ok(Probes { paths })
    }

    /// The program without a block.
    pub(super) fn without(&self) -> &Path {
        &self.paths[WITHOUT]
    }

    /// The program with a block of 1, 50 or 200 pages.
    pub(super) fn with(&self, pages: u32) -> &Path {
        let name = WITH.iter().find(|(its_pages, _)| *its_pages == pages).map_or(WITHOUT, |(_, name)| name);
        &self.paths[name]
    }
}

/// A start of `program` with its segments in `folder`.
pub(super) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("COTENANT_DIR", folder).env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE");
    command
}

/// What `program` says attaching took, in microseconds.
pub(super) fn attaching_us(program: &Path, folder: &Path) -> anyhow::Result<f64> {
    let output = command(program, folder).arg("time").stdin(Stdio::null()).output().context("start the program")?;
    ensure!(output.status.success(), "{} ended with {}", program.display(), output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let ns: f64 = text.trim().parse().with_context(|| format!("the program wrote {text:?}"))?;
    Ok(ns / 1000.0)
}

/// Empties a folder of segments (not the folders in it), so that the next start finds nothing.
pub(super) fn remove_segments(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).context("list the segments")? {
        let entry = entry.context("list the segments")?;
        if !entry.file_type().context("look at a segment")?.is_dir() {
            fs::remove_file(entry.path()).context("remove a segment")?;
        }
    }
    Ok(())
}

/// Processes that take part in a segment. They end when their standard input does, also by this program's death.
pub(super) struct Holders {
    lifeline: Lifeline,
    processes: Vec<Child>,
}

impl Holders {
    pub(super) fn start(program: &Path, folder: &Path, count: u32) -> anyhow::Result<Holders> {
        // In place from the start: an error on the way drops all of it, and ends those that were started.
        let lifeline = Lifeline::new().context("make the participants' lifeline")?;
        let mut holders = Holders { lifeline, processes: Vec::new() };
        for _ in 0..count {
            let input = holders.lifeline.input().context("share the lifeline")?;
            let mut command = command(program, folder);
            command.arg("hold").stdin(input).stdout(Stdio::piped());
            let mut process = command.spawn().context("start a participant")?;
            let output = process.stdout.take();
            holders.processes.push(process);
            let mut ready = [0_u8; 1];
            match output.map(|mut output| output.read_exact(&mut ready)) {
                Some(Ok(())) => {}
                _ => bail!("a participant ended before it took part"),
            }
        }
        Ok(holders)
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        self.lifeline.cut();
        for process in &mut self.processes {
            // It is gone either way.
            let _ = process.wait();
        }
    }
}
