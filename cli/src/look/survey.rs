//! Everything that can be seen from one view: the segments in its folders, and those that are mapped and lie in none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result};
use cotenant::ErrorKind;
use cotenant::inspect::live::LiveSegment;

use super::census::{Census, Process};
use super::elsewhere;
use super::folders::{self, Folder, names};
use super::row::{Row, State};
use super::view::View;

/// Names in one line about what was not seen.
const NAMED_MAX: usize = 8;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Also of other users, and in other mount namespaces.
    pub(crate) all: bool,
    /// Also what no folder lists.
    pub(crate) elsewhere: bool,
}

pub(crate) struct Survey {
    pub(crate) folders: Vec<Rc<Folder>>,
    pub(crate) rows: Vec<Row>,
    /// Folders that could not be looked into, and why: a line each.
    pub(crate) closed: Vec<String>,
    /// All that could not be seen, processes too.
    pub(crate) unseen: Vec<String>,
    pub(crate) census: Rc<Census>,
}

impl Survey {
    pub(crate) fn take(view: &View, wanted: Wanted) -> Result<Survey> {
        Survey::by(view, wanted, Rc::new(Census::take()))
    }

    /// By what is known of processes already: taking a census anew costs most of a survey.
    pub(crate) fn by(view: &View, wanted: Wanted, census: Rc<Census>) -> Result<Survey> {
        let found = folders::find(view, wanted.all);
        let folders: Vec<_> = found.folders.into_iter().map(Rc::new).collect();
        let mut rows = Vec::new();
        for folder in &folders {
            let mut its: Vec<_> = rows_of(folder, &census).collect();
            its.sort_by_cached_key(|row| (row.state.rank(), row.label()));
            rows.append(&mut its);
        }
        if wanted.elsewhere {
            let known: BTreeSet<_> = rows.iter().flat_map(Row::keys).collect();
            rows.extend(elsewhere::find(view, &census, &known, wanted.all));
        }
        let closed = found.closed.iter().map(|(path, why)| format!("{}: {why}", path.display()));
        let closed: Vec<_> = closed.collect();
        let mut unseen = closed.clone();
        unseen.extend(unseen_processes(view, &census, wanted.all));
        unseen.extend(unseen_people(&rows));
        Ok(Survey { folders, rows, closed, unseen, census })
    }
}

/// The segment at a path there, if there is a file.
pub(super) fn at_path(view: &View, path: &Path, census: &Census) -> Result<Option<Row>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(None);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = std::path::absolute(parent)?;
    let file = match view.open_folder(&parent) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot look into {}", parent.display())),
    };
    let folder = Rc::new(Folder::at_path(parent, file)?);
    let mut found = row(&folder, name.to_owned(), census);
    if let Some(error) = found.as_mut().and_then(|row| row.error.as_mut()) {
        // Behind it stands what to do about a file in the way of programs; this one may just have been mistyped.
        error.truncate(error.find("; ").unwrap_or(error.len()));
    }
    Ok(found)
}

fn rows_of(folder: &Rc<Folder>, census: &Census) -> impl Iterator<Item = Row> {
    let names = names(&folder.path).into_iter().filter(|name| !name.starts_with('.'));
    names.filter_map(|name| row(folder, name, census))
}

/// `None`: it has gone meanwhile.
fn row(folder: &Rc<Folder>, name: String, census: &Census) -> Option<Row> {
    let path = folder.path.join(&name);
    let shown: PathBuf = folder.shown.clone();
    let kind = match std::fs::symlink_metadata(&path) {
        Ok(stat) => stat.file_type(),
        Err(_) => return None,
    };
    if !kind.is_file() {
        let mut row = Row::damaged(shown, name, format!("{}, not a segment", kind_word(kind)));
        row.home = Some(Rc::clone(folder));
        return Some(row);
    }
    match LiveSegment::open(&path) {
        Ok(segment) => {
            let mut row = Row::new(shown, name, segment, census);
            row.home = Some(Rc::clone(folder));
            Some(row)
        }
        Err(error) if !path.exists() && error.os_error().is_some() => None,
        Err(error) => {
            let mut row = Row::damaged(shown, name, folder.by_its_name(&error.to_string()));
            if error.kind() == ErrorKind::PermissionDenied {
                // Another user's, most likely; nothing is wrong with it.
                row.state = State::Unknown;
            }
            row.home = Some(Rc::clone(folder));
            Some(row)
        }
    }
}

fn kind_word(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

/// Of segments of other users, whose locks and processes may not be asked.
fn unseen_people(rows: &[Row]) -> Option<String> {
    let names: Vec<_> = rows.iter().filter(|row| row.has_unseen).map(Row::label).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    let mut shown: Vec<_> = names.into_iter().take(NAMED_MAX).collect();
    shown.extend((more > 0).then(|| format!("{more} more")));
    (!shown.is_empty()).then(|| format!("who else is in {} (root sees it)", shown.join(", ")))
}

/// Who is attached is known by locks and entries; who reads, and what is unlinked, by processes' maps alone.
fn unseen_processes(view: &View, census: &Census, all: bool) -> Option<String> {
    let is_asked_for = |process: &&Process| all || view.uid.is_none_or(|own| own == process.uid);
    let asked: Vec<_> = census.unseen.iter().filter(is_asked_for).collect();
    let count = asked.len();
    let mut names: Vec<_> = asked.iter().take(NAMED_MAX).map(|it| format!("{} {}", it.pid, it.program)).collect();
    names.extend((count > NAMED_MAX).then(|| format!("{} more", count - NAMED_MAX)));
    let whose = if all { "" } else { " of this user" };
    let noun = if count == 1 { "process" } else { "processes" };
    (count > 0).then(|| {
        let advice = if rustix::process::geteuid().is_root() { "" } else { " (root sees it)" };
        let names = names.join(", ");
        format!("{count} {noun}{whose} may not be looked into, so what they only read is not shown{advice}: {names}")
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use cotenant::Segment;

    use super::super::view::From;
    use super::*;

    const FOLDER: &str = "COTENANT_TEST_LOOK";

    /// Not a test: what the child of the next one runs.
    #[test]
    #[ignore = "the part that a child of another test plays"]
    fn play() {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let options = Segment::options().folder(folder);
        let _writer = options.clone().max_bytes(1 << 16).create("seen").expect("a segment");
        let _reader = options.open_reader("seen").expect("it is there");
        println!("\n#done");
        // Until it is killed, or its parent is.
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    /// A process that is in a segment of that folder.
    fn start(folder: &Path) -> Child {
        let mut child = Command::new(std::env::current_exe().expect("our own program"));
        child.args(["--exact", "look::survey::tests::play", "--ignored", "--nocapture", "--test-threads=1"]);
        child.env(FOLDER, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        assert!(output.lines().map_while(std::io::Result::ok).any(|line| line == "#done"), "it comes so far");
        child
    }

    fn view_of(folder: &Path) -> View {
        let mut view = View::new(&From::default()).expect("our own eyes");
        view.given_folder = Some(folder.to_owned());
        view
    }

    const WANTED: Wanted = Wanted { all: false, elsewhere: false };

    #[test]
    fn whoever_came_after_the_census_is_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let census = Census::take();
        let mut child = start(folder.path());
        let survey = Survey::by(&view_of(folder.path()), WANTED, Rc::new(census)).expect("a look");
        let row = survey.rows.iter().find(|row| row.file_name == "seen").expect("the segment");
        let members: Vec<_> = row.members.iter().map(|it| (it.pid, it.said.pid_namespace)).collect();
        // It has said nothing of how it counts: it has not waited for anybody.
        assert_eq!(members, [(Some(child.id()), 0)]);
        child.kill().expect("it can be killed");
        child.wait().expect("our child");
    }

    #[test]
    fn whoever_was_killed_since_the_census_is_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = start(folder.path());
        let view = view_of(folder.path());
        let mut census = Rc::new(Census::take());
        let state = |census: &Rc<Census>| {
            let survey = Survey::by(&view, WANTED, Rc::clone(census)).expect("a look");
            let row = survey.rows.iter().find(|row| row.file_name == "seen").expect("the segment");
            (row.state, row.readers.len() + row.children.len(), row.is_told_by_maps)
        };
        assert_eq!(state(&census), (State::Alive, 0, false));
        child.kill().expect("it can be killed");
        // Not waited for yet: a zombie is nobody, too.
        let census_of_old = Rc::get_mut(&mut census).expect("ours alone");
        census_of_old.make_older(Duration::from_secs(1));
        while state(&census).0 != State::Dead {
            // SIGKILL takes a moment; by the census alone it would be alive for ever.
            std::thread::sleep(Duration::from_millis(5));
            assert!(child.try_wait().is_ok_and(|ended| ended.is_none()) || state(&census).0 == State::Dead);
        }
        assert_eq!(state(&census), (State::Dead, 0, false));
        child.wait().expect("our child");
    }
}
