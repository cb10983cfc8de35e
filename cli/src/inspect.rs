//! `cotenant inspect`: which sections of a binary are shared, what that means, and what variables are in them.
//!
//! One file after the other is read, shown and forgotten; what cannot be shown is one line on standard error, and the
//! others are still shown. Exit status: 0 fine, 1 a `--fail-on` finding, 2 a file that cannot be shown.

mod diff;
mod human;
mod input;
mod json;
#[cfg(target_os = "linux")]
mod process;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use cotenant::inspect::{Contents, FindingKind, Image, inspect};

use crate::output::{complain, finish};

const EXAMPLES: &str = "\
Examples:
  cotenant inspect app.exe                               what is shared, and who can write it
  cotenant inspect --all /bin/ls                         every section
  cotenant inspect --fail-on shared-writable dist/*.dll  a check for CI
  cotenant inspect --json app | jq '.files[0].blocks'    for programs (docs/inspect.md)
  cotenant inspect --diff old/app new/app                what a rolling deploy would meet
  cotenant inspect --process 4711                        which images of it are attached to which segments

Exit status: 0 fine, 1 something that --fail-on names, 2 a file is no image, truncated or damaged.";

/// Shared variables of a file that are remembered while others are looked at, and bytes of the name of one.
const EXPORTS_MAX: usize = 10_000;
const EXPORT_BYTES_MAX: usize = 512;

/// Arguments of `cotenant inspect`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// Programs, libraries, object files or archives: ELF, PE or COFF
    #[arg(required_unless_present_any = ["diff", "process"], value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Shows every section, copied variable and member, not only what matters for sharing
    #[arg(long)]
    all: bool,
    /// Writes one JSON document, with everything in it
    #[arg(long)]
    json: bool,
    /// Exits with 1 if there is such a finding; may be given several times, or with commas
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// Compares the named blocks of two builds
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["files", "all"])]
    diff: Vec<PathBuf>,
    /// Looks at a running process: which of its images hold shared variables, attached to what; Linux only
    #[arg(long, value_name = "PID", conflicts_with_all = ["files", "all", "diff", "fail_on"])]
    process: Option<u32>,
}

/// What makes the exit status 1.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A section that is writable and shared with everybody
    SharedWritable,
    /// Memory that is writable and executable
    WritableExecutable,
    /// Addresses inside a shared section
    Pointers,
    /// A variable meant to be shared that lies elsewhere
    Misplaced,
    /// A copy of, or a symbol that invites a copy of, a shared variable
    Copies,
    /// A block's description that is damaged
    DamagedBlock,
    /// With --diff: a block that old and new builds cannot share
    Incompatible,
}

impl FailOn {
    fn finding(self) -> Option<FindingKind> {
        Some(match self {
            FailOn::SharedWritable => FindingKind::SharedWritable,
            FailOn::WritableExecutable => FindingKind::WritableExecutable,
            FailOn::Pointers => FindingKind::Pointers,
            FailOn::Misplaced => FindingKind::Misplaced,
            FailOn::Copies => FindingKind::Copies,
            FailOn::DamagedBlock => FindingKind::DamagedBlock,
            FailOn::Incompatible => return None,
        })
    }
}

/// What has been met so far.
#[derive(Default)]
struct Met {
    has_finding: bool,
    has_bad_file: bool,
}

impl Met {
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match (self.has_bad_file, self.has_finding) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        })
    }
}

/// How images are written: in words or as JSON.
trait View {
    fn begin(&mut self) -> io::Result<()>;
    fn image(&mut self, path: &Path, image: &Image<'_>) -> io::Result<()>;
    fn archive_begins(&mut self, path: &Path, is_thin: bool) -> io::Result<()>;
    fn member(&mut self, path: &Path, name: &str, image: Option<&Image<'_>>) -> io::Result<()>;
    fn bad_member(&mut self, name: &str, why: &str) -> io::Result<()>;
    fn archive_ends(&mut self) -> io::Result<()>;
    fn bad_file(&mut self, path: &Path, why: &str) -> io::Result<()>;
    fn end(&mut self) -> io::Result<()>;
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if let Some(pid) = self.process {
            return of_process(pid, self.json);
        }
        let is_diff = !self.diff.is_empty();
        if self.fail_on.iter().any(|kind| (*kind == FailOn::Incompatible) != is_diff) {
            complain("--fail-on incompatible and --diff go together, the other kinds and files");
            return Ok(ExitCode::from(2)); // A check that never fails would be worse than none.
        }
        if let [old, new] = self.diff.as_slice() {
            let is_failure = self.fail_on.contains(&FailOn::Incompatible);
            return diff::run(old, new, self.json, is_failure);
        }
        let mut met = Met::default();
        let written = if self.json {
            self.show(&mut json::Json::new(BufWriter::new(io::stdout().lock())), &mut met)
        } else {
            let out = BufWriter::new(anstream::stdout().lock());
            self.show(&mut human::Human::new(out, self.all), &mut met)
        };
        finish(written)?;
        Ok(met.exit_code())
    }

    fn show(&self, view: &mut dyn View, met: &mut Met) -> io::Result<()> {
        let shared = self.shared_elsewhere();
        view.begin()?;
        for path in &self.files {
            if let Err(why) = self.show_file(path, &shared, view, met)? {
                met.has_bad_file = true;
                complain(&format!("{}: {why}", input::shown(path)));
                view.bad_file(path, &why)?;
            }
        }
        view.end()
    }

    /// Shows a file. The inner error is about the file, the outer one about the output.
    fn show_file(
        &self,
        path: &Path,
        shared: &BTreeSet<Vec<u8>>,
        view: &mut dyn View,
        met: &mut Met,
    ) -> io::Result<Result<(), String>> {
        let bytes = match input::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        let archive = match inspect(&bytes) {
            Ok(Contents::Image(mut image)) => {
                image.judge_copies(|name| shared.contains(name));
                self.note(&image, met);
                return view.image(path, &image).map(Ok);
            }
            Ok(Contents::Archive(archive)) => archive,
            Err(refused) => return Ok(Err(refused.to_string())),
        };
        let mut result = Ok(());
        view.archive_begins(path, archive.is_thin)?;
        for member in archive {
            let member = match member {
                Ok(member) => member,
                Err(refused) => {
                    result = Err(refused.to_string());
                    break;
                }
            };
            let name = String::from_utf8_lossy(member.name);
            match member.image {
                Ok(image) => {
                    image.iter().for_each(|image| self.note(image, met));
                    view.member(path, &name, image.as_deref())?;
                }
                Err(refused) => {
                    met.has_bad_file = true;
                    let shown = cotenant::inspect::printable(&name);
                    complain(&format!("{}({shown}): {refused}", input::shown(path)));
                    view.bad_member(&name, &refused.to_string())?;
                }
            }
        }
        view.archive_ends()?;
        Ok(result)
    }

    fn note(&self, image: &Image<'_>, met: &mut Met) {
        let is_wanted = |kind| self.fail_on.iter().any(|wanted| wanted.finding() == Some(kind));
        met.has_finding |= image.findings.iter().any(|finding| is_wanted(finding.kind));
    }

    /// Names of shared variables that the given files export: programs among them may have copies.
    fn shared_elsewhere(&self) -> BTreeSet<Vec<u8>> {
        let mut names = BTreeSet::new();
        if self.files.len() < 2 {
            return names;
        }
        for path in &self.files {
            // What is wrong with a file is said when its turn comes.
            let Ok(bytes) = input::read(path) else { continue };
            if let Ok(Contents::Image(image)) = inspect(&bytes) {
                let exports = image.shared_exports.iter().filter(|symbol| symbol.name.len() <= EXPORT_BYTES_MAX);
                names.extend(exports.take(EXPORTS_MAX).map(|symbol| symbol.name.to_vec()));
            }
        }
        names
    }
}

#[cfg(target_os = "linux")]
fn of_process(pid: u32, json: bool) -> Result<ExitCode> {
    process::run(pid, json)
}

#[cfg(not(target_os = "linux"))]
fn of_process(_: u32, _: bool) -> Result<ExitCode> {
    anyhow::bail!("`cotenant inspect --process` looks at processes of Linux; name the program's file instead")
}

/// Writes all that a buffer holds back.
fn flush(out: &mut impl Write) -> io::Result<()> {
    out.flush()
}
