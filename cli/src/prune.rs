//! `cotenant prune`: removes what ended programs left in the folders. `cotenant rm`: removes what was named.
//!
//! Both go by the steps by which programs join, so that they are safe while others start: who is alive keeps what it
//! has.

use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use cotenant::inspect::printable;
use cotenant::{Leftover, PruneOptions, Pruned, Segment};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use serde_json::json;

use crate::look::{From, Member, Row, State, Survey, View, Wanted, bytes, counted, find_exactly, user};
use crate::output::{complain, finish};

/// The version of the documents.
const SCHEMA: u32 = 1;

const PRUNE_EXAMPLES: &str = "\
Examples:
  cotenant prune --dry-run    what would go, and how much memory that frees
  cotenant prune              removes it; safe at any time, also from a timer
  cotenant prune --kept       also values that were to be kept, if nobody is attached: they are lost

What goes: segments that nobody is attached to, segments whose maker was killed before they were whole, files of locks
whose segment is gone. What stays: everything in use, and (without --kept) what says keep = until_removed.

Exit status: 0 done, 1 failed, 2 wrong usage.";

const RM_EXAMPLES: &str = "\
Examples:
  cotenant rm acme.jobs             a segment that nobody uses; its values are lost
  cotenant rm --force acme.jobs     also in use: those attached go on with each other, and see that it is unlinked;
                                    the next program makes a new one
  cotenant rm /dev/shm/cotenant-0/acme.jobs

Names are taken in full, never by their beginning.

Exit status: 0 done, 1 something was not removed, 2 wrong usage.";

/// Arguments of `cotenant prune`.
#[derive(Args)]
#[command(after_help = PRUNE_EXAMPLES)]
pub(crate) struct Prune {
    /// Only says what would be removed
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Also removes segments whose values were to be kept, if nobody is attached
    #[arg(long)]
    kept: bool,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Prune {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let survey = Survey::take(&view, Wanted { all: false, elsewhere: false })?;
        let own = rustix::process::geteuid().as_raw();
        let mut pruned = Vec::new();
        let mut left = survey.closed.clone();
        for folder in &survey.folders {
            let options = PruneOptions::default().dry_run(self.dry_run).kept_too(self.kept).folder(&folder.path);
            match Segment::prune(&options) {
                Ok(found) => pruned.extend(found.into_iter().map(|it| (folder.shown.join(name_of(&it)), it))),
                Err(_) if folder.uid != own => left.push(format!(
                    "{} is {}'s: only that user's own prune is sure not to be deceived; sudo -u '#{}' cotenant prune",
                    folder.shown.display(),
                    user(folder.uid),
                    folder.uid
                )),
                Err(error) => left.push(error.to_string()),
            }
        }
        let has_failed = pruned.is_empty() && !left.is_empty() && survey.folders.len() <= left.len();
        finish(if self.json { self.json(&pruned, &left) } else { self.words(&pruned, &left) })?;
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn words(&self, pruned: &[(std::path::PathBuf, Pruned)], left: &[String]) -> std::io::Result<()> {
        let mut out = BufWriter::new(anstream::stdout().lock());
        let verb = if self.dry_run { "would remove" } else { "removed" };
        for (path, it) in pruned {
            let path = printable(&path.display().to_string());
            writeln!(out, "{verb} {path}: {}, {}", what(it.leftover), bytes(it.allocated_bytes))?;
        }
        let freed: u64 = pruned.iter().map(|(_, it)| it.allocated_bytes).sum();
        // For people: a script that prunes wants to hear of what was done only.
        if std::io::stdout().is_terminal() || !pruned.is_empty() {
            writeln!(out, "{verb} {}, {}", counted(pruned.len(), "file"), bytes(freed))?;
        }
        out.flush()?;
        left.iter().for_each(|line| complain(line));
        Ok(())
    }

    fn json(&self, pruned: &[(std::path::PathBuf, Pruned)], left: &[String]) -> std::io::Result<()> {
        let removed = pruned.iter().map(|(path, it)| {
            json!({ "path": path.to_string_lossy(), "what": word(it.leftover), "allocated_bytes": it.allocated_bytes })
        });
        let removed: Vec<_> = removed.collect();
        let document = json!({ "schema": SCHEMA, "dry_run": self.dry_run, "removed": removed, "not_seen": left });
        let mut out = BufWriter::new(std::io::stdout().lock());
        writeln!(out, "{document}")?;
        out.flush()
    }
}

fn name_of(pruned: &Pruned) -> &std::ffi::OsStr {
    pruned.path.file_name().unwrap_or_default()
}

fn what(leftover: Leftover) -> &'static str {
    match leftover {
        Leftover::Dead => "nobody is attached",
        Leftover::Kept => "kept, and nobody is attached",
        Leftover::Unfinished => "its maker was killed",
        Leftover::Locks => "locks of a segment that is gone",
        _ => "left behind",
    }
}

fn word(leftover: Leftover) -> &'static str {
    match leftover {
        Leftover::Dead => "dead",
        Leftover::Kept => "kept",
        Leftover::Unfinished => "unfinished",
        Leftover::Locks => "locks",
        _ => "other",
    }
}

/// Arguments of `cotenant rm`.
#[derive(Args)]
#[command(after_help = RM_EXAMPLES)]
pub(crate) struct Rm {
    /// Names, name@scope, file names or paths, in full
    #[arg(value_name = "SEGMENT", required = true)]
    segments: Vec<String>,
    /// Also removes what is in use
    #[arg(long, short)]
    force: bool,
    /// Writes one JSON document (docs/tool.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

impl Rm {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        let mut documents = Vec::new();
        let mut has_failed = false;
        let mut out = std::io::stdout().lock();
        for name in &self.segments {
            match self.remove(&view, name) {
                Ok(said) if !self.json => {
                    has_failed |= finish(writeln!(out, "{said}")).is_err();
                }
                Ok(said) => documents.push(json!({ "segment": name, "removed": true, "found": said })),
                Err(error) => {
                    has_failed = true;
                    complain(&format!("{error:#}"));
                    documents.push(json!({ "segment": name, "removed": false, "error": format!("{error:#}") }));
                }
            }
        }
        if self.json {
            finish(writeln!(out, "{}", json!({ "schema": SCHEMA, "segments": documents })))?;
        }
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn remove(&self, view: &View, name: &str) -> Result<String> {
        let row = find_exactly(view, name)?;
        let path = row.path();
        if row.segment.is_none() && row.state == State::Damaged {
            // What programs are advised to do about it is nothing to whoever removes.
            let complaint = row.complaint();
            let what = complaint.split("; ").next().unwrap_or_default();
            bail!("{what}; left alone (if nobody needs it, remove it as any file)");
        }
        let Some(access) = row.access() else {
            bail!("{path} has no name to remove: it ends with the last process that uses it ({})", users(&row));
        };
        if let Some(whose) = forbidden(&row, &access) {
            bail!("cannot remove the segment {path}: {whose}");
        }
        let is_in_use = !matches!(row.state, State::Dead | State::Kept);
        if is_in_use && !self.force {
            bail!(
                "{path} is in use by {}; end them, or remove its name with --force: then they go on with each other, \
                 and the next program makes a new one",
                users(&row)
            );
        }
        if let Err(error) = cotenant::inspect::live::unlink(&access) {
            bail!("{}", row.by_its_name(&error.to_string()));
        }
        Ok(match row.state {
            State::Dead => format!("removed {path}: nobody was attached"),
            State::Kept => format!("removed {path}, which was kept; nobody was attached"),
            _ => format!("removed the name of {path}, which goes on being used by {}", users(&row)),
        })
    }
}

/// Why this user may not remove it, and who may; `None`: nothing is in the way. The name is taken from the folder, and
/// locks in the file are asked and taken first.
fn forbidden(row: &Row, access: &Path) -> Option<String> {
    let may = |path: &Path, what| accessat(CWD, path, what, AtFlags::EACCESS) != Err(Errno::ACCESS);
    let home = row.home.as_ref()?;
    let owner = std::fs::symlink_metadata(access).ok()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let is_sticky = home.mode & 0o1000 != 0 && ![0, owner, home.uid].contains(&own);
    let may_unlink = may(&home.path, Access::WRITE_OK | Access::EXEC_OK) && !is_sticky;
    if may_unlink && may(access, Access::READ_OK | Access::WRITE_OK) {
        return None;
    }
    let folder = printable(&home.shown.display().to_string());
    Some(match home.uid == owner {
        true => format!("it is {}'s; that user may remove it, or root", user(owner)),
        false => {
            format!("it is {}'s, in {folder}, which is {}'s; root may remove it", user(owner), user(home.uid))
        }
    })
}

fn users(row: &Row) -> String {
    const NAMED_MAX: usize = 8;
    let member = |member: &Member| {
        let program = printable(&member.said.program);
        let condition = member.condition().map(|it| format!(", {it}")).unwrap_or_default();
        format!("{} ({program}{condition})", member.id())
    };
    let mut names: Vec<_> = row.members.iter().map(member).collect();
    let others = row.readers.iter().chain(&row.children);
    names.extend(others.map(|process| format!("{} ({})", process.pid, printable(&process.program))));
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    names.extend((more > 0).then(|| format!("{more} more")));
    if names.is_empty() { "processes that cannot be seen from here".to_owned() } else { names.join(", ") }
}
