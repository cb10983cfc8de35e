//! One segment: what it says of itself, who the system says maps it, and the two put together.
//!
//! ```text
//! participants (slot, pid as they count)  \
//!                                          > members (pid as we count), readers, children without a slot
//! /proc/*/maps (pid as we count)          /
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cotenant::inspect::live::{Description, FileFacts, Life, LiveParticipant, LiveSegment, SegmentUse};
use cotenant::inspect::printable;

use super::census::{Census, FileKey, Mapped, Process, condition};
use super::folders::Folder;
use super::view::own_pid_namespace;
use super::words;

/// What a segment of a Windows program under Wine says that it is made of.
pub(crate) const FILE_MAPPING: &str = "file-mapping";
/// Bytes of a build id that are shown where it only tells one build from another.
const BUILD_ID_SHOWN: usize = 4;

/// How it is with a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Somebody is attached.
    Alive,
    /// Nobody is attached, and its values last until it is removed.
    Kept,
    /// Nobody is attached: the next one starts afresh, and `prune` removes it.
    Dead,
    /// In use, and its name is gone: who starts now shares with others.
    Unlinked,
    /// Somebody is at it.
    BeingRemoved,
    /// Its locks cannot be asked.
    Unknown,
    /// No segment, or one that makes no sense.
    Damaged,
}

impl State {
    /// In lists the living come first, then what lasts, then what is left over.
    pub(super) fn rank(self) -> u8 {
        match self {
            State::Alive | State::Unlinked | State::BeingRemoved | State::Unknown => 0,
            State::Kept => 1,
            State::Dead => 2,
            State::Damaged => 3,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Alive => "alive",
            State::Kept => "kept",
            State::Dead => "dead",
            State::Unlinked => "unlinked",
            State::BeingRemoved => "being removed",
            State::Unknown => "unknown",
            State::Damaged => "damaged",
        }
    }
}

/// A participant, with its process as we count.
pub(crate) struct Member {
    pub(crate) said: LiveParticipant,
    /// `None`: it cannot be seen from here.
    pub(crate) pid: Option<u32>,
}

impl Member {
    /// `4711`, or `?12` of a process that cannot be seen: its own word for its id, marked.
    pub(crate) fn id(&self) -> String {
        self.pid.map_or_else(|| format!("?{}", self.said.pid), |pid| pid.to_string())
    }

    /// `stopped` or `zombie`.
    pub(crate) fn condition(&self) -> Option<&'static str> {
        condition(self.pid?)
    }
}

/// A segment and who is in it.
pub(crate) struct Row {
    /// The folder, as processes there name it; empty for what lies in none.
    pub(crate) folder: PathBuf,
    pub(crate) file_name: String,
    /// The folder that lists it; `None` for what no folder does.
    pub(crate) home: Option<Rc<Folder>>,
    pub(crate) segment: Option<LiveSegment>,
    pub(crate) facts: Option<FileFacts>,
    /// Memory of a Windows program under Wine, by what Wine calls its files.
    pub(crate) is_windows_mapping: bool,
    /// Why it is damaged, or what of it could not be read.
    pub(crate) error: Option<String>,
    pub(crate) state: State,
    /// No lock says that anybody is attached, but a process maps it.
    pub(crate) is_told_by_maps: bool,
    pub(crate) members: Vec<Member>,
    /// Living participants and those that died and whom nobody has replaced.
    pub(crate) participants: Vec<LiveParticipant>,
    pub(crate) readers: Vec<Rc<Process>>,
    /// Others may be in it whom this user may not ask about.
    pub(crate) has_unseen: bool,
    /// Children of participants, which share the mapping and have no slot of their own (yet).
    pub(crate) children: Vec<Rc<Process>>,
}

impl Row {
    /// What could be opened.
    pub(crate) fn new(folder: PathBuf, file_name: String, segment: LiveSegment, census: &Census) -> Row {
        let facts = segment.facts();
        let mut row = Row::empty(folder, file_name, facts);
        let mapped: Vec<_> = keys(&segment).flat_map(|key| census.of(key)).collect();
        row.fill(segment, &mapped, census);
        row
    }

    /// What was found in processes alone.
    pub(crate) fn of_processes(name: String, segment: LiveSegment, mapped: &[Mapped], census: &Census) -> Row {
        let mut row = Row::empty(PathBuf::new(), name, segment.facts());
        row.is_windows_mapping = mapped.first().is_some_and(is_of_wine);
        row.fill(segment, &mapped.iter().collect::<Vec<_>>(), census);
        row
    }

    /// What is no segment, or a broken one.
    pub(crate) fn damaged(folder: PathBuf, file_name: String, why: String) -> Row {
        let mut row = Row::empty(folder, file_name, None);
        row.error = Some(why);
        row
    }

    fn empty(folder: PathBuf, file_name: String, facts: Option<FileFacts>) -> Row {
        Row {
            folder,
            file_name,
            home: None,
            segment: None,
            facts,
            is_windows_mapping: false,
            error: None,
            state: State::Damaged,
            is_told_by_maps: false,
            members: Vec::new(),
            participants: Vec::new(),
            readers: Vec::new(),
            has_unseen: false,
            children: Vec::new(),
        }
    }

    fn fill(&mut self, segment: LiveSegment, mapped: &[&Mapped], census: &Census) {
        match segment.participants() {
            Ok(participants) => self.participants = participants,
            Err(error) => self.error = Some(error.to_string()),
        }
        let life = segment.life();
        self.put_together(&keys(&segment).collect::<Vec<_>>(), mapped, census, life);
        self.has_unseen = life == Life::Mapped && self.may_have_unseen(census);
        // Where the lock says it, nobody else need be asked.
        let is_mapped = life == Life::Mapped || mapped.iter().any(|mapped| census.is_there(mapped.pid));
        self.is_told_by_maps = life == Life::Nobody && is_mapped;
        self.state = self.judge(&segment, life, is_mapped);
        self.segment = Some(segment);
    }

    fn put_together(&mut self, files: &[FileKey], mapped: &[&Mapped], census: &Census, life: Life) {
        let mut writes: BTreeMap<u32, bool> = BTreeMap::new();
        for mapped in mapped {
            *writes.entry(mapped.pid).or_default() |= mapped.can_write;
        }
        let own_namespace = own_pid_namespace();
        // Who holds a slot's lock and counts as we do is the process of that id: nothing else need be read of it, which
        // costs most where there are many. Of a process that has not said how it counts it is asked.
        let is_known = |said: &LiveParticipant| match said.pid_namespace {
            _ if said.lives != Some(true) || said.pid == 0 || own_namespace.is_none() => false,
            0 => writes.get(&said.pid) == Some(&true) && census.pid_namespace(said.pid) == own_namespace,
            namespace => Some(namespace) == own_namespace,
        };
        let known: HashSet<u32> = self.participants.iter().filter(|it| is_known(it)).map(|it| it.slot).collect();
        for said in self.participants.iter().filter(|said| known.contains(&said.slot)) {
            if writes.get(&said.pid) == Some(&true) {
                writes.remove(&said.pid);
            }
        }
        let others = writes.into_iter().filter_map(|(pid, can_write)| Some((census.process(pid)?, can_write)));
        let mut others: Vec<(Rc<Process>, bool)> = others.collect();
        for said in &self.participants {
            if known.contains(&said.slot) {
                self.members.push(Member { said: said.clone(), pid: Some(said.pid) });
                continue;
            }
            let is_it = |process: &Process| {
                let same_namespace = match (said.pid_namespace, process.pid_namespace) {
                    (0, _) | (_, None) => true,
                    (theirs, Some(namespace)) => theirs == namespace,
                };
                process.pid_there == said.pid && same_namespace
            };
            let at = others.iter().position(|(process, can_write)| *can_write && is_it(process));
            // A slot's lock is the answer; where it cannot be asked, that a process maps the segment is the best one,
            // and that one with its id may not be looked into the next.
            let may_be_unseen = || life != Life::Nobody && census.unseen.iter().any(is_it);
            let lives = said.lives.unwrap_or_else(|| at.is_some() || may_be_unseen());
            if !lives {
                continue;
            }
            // Whoever came after the census is asked alone.
            let came_later = || {
                let counts_as_we_do = said.pid_namespace == 0 && census.pid_namespace(said.pid) == own_namespace;
                counts_as_we_do && own_namespace.is_some() && census.came_later(files, said.pid)
            };
            let pid = at.map(|at| others.remove(at).0.pid).or_else(|| came_later().then_some(said.pid));
            self.members.push(Member { said: said.clone(), pid });
        }
        // Of those who merely map it no lock says that they still do.
        others.retain(|(process, _)| census.is_there(process.pid));
        let (children, readers): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, can_write)| *can_write);
        self.children = children.into_iter().map(|(process, _)| process).collect();
        self.readers = readers.into_iter().map(|(process, _)| process).collect();
    }

    fn may_have_unseen(&self, census: &Census) -> bool {
        let own = rustix::process::geteuid().as_raw();
        let owner = self.facts.map(|facts| facts.uid).filter(|owner| *owner != own);
        let of_owner = |process: &Process| Some(process.uid) == owner;
        let is_unsure = |member: &Member| member.said.lives.is_none() && member.pid.is_none();
        self.has_nobody_known() || self.members.iter().any(is_unsure) || census.unseen.iter().any(of_owner)
    }

    /// The system says that somebody is attached, and nothing says who.
    pub(crate) fn has_nobody_known(&self) -> bool {
        self.members.is_empty() && self.readers.is_empty() && self.children.is_empty()
    }

    fn judge(&self, segment: &LiveSegment, life: Life, is_mapped: bool) -> State {
        let is_unlinked = self.facts.is_some_and(|facts| !facts.is_linked);
        let never_had_a_name = matches!(segment.description().backing, "memfd" | "anonymous" | "sysv");
        let is_nameless = never_had_a_name || self.is_windows_mapping || segment.description().backing == FILE_MAPPING;
        let is_alive = match life {
            Life::BeingRemoved => return State::BeingRemoved,
            Life::Mapped => Some(true),
            Life::Nobody if is_mapped => Some(true),
            Life::Nobody => Some(false),
            _ if is_mapped || !self.members.is_empty() => Some(true),
            _ => None,
        };
        match is_alive {
            None => State::Unknown,
            Some(true) if !is_nameless && (is_unlinked || self.access_is_lost()) => State::Unlinked,
            Some(true) => State::Alive,
            Some(false) if segment.description().is_kept => State::Kept,
            Some(false) => State::Dead,
        }
    }

    /// What it is made of, in words.
    pub(crate) fn made_of(&self) -> Option<&'static str> {
        let backing = self.description()?.backing;
        let is_windows = self.is_windows_mapping || backing == FILE_MAPPING;
        Some(if is_windows { "Windows file mapping under Wine" } else { backing })
    }

    /// Read from a process's memory, because its file has no name and may not be opened.
    fn access_is_lost(&self) -> bool {
        self.facts.is_none() && self.folder.as_os_str().is_empty()
    }

    /// What its header says.
    pub(crate) fn description(&self) -> Option<&Description> {
        self.segment.as_ref().map(LiveSegment::description)
    }

    /// What people call it: a block's or segment's name; a program's with the beginning of its build id.
    pub(crate) fn label(&self) -> String {
        self.label_at("")
    }

    /// The same with its scope, as commands take it: `acme.jobs@staging`.
    pub(crate) fn label_with_scope(&self) -> String {
        match self.description().map(|it| it.scope.as_str()) {
            None | Some("") => self.label(),
            Some(scope) => self.label_at(&format!("@{}", printable(scope))),
        }
    }

    fn label_at(&self, scope: &str) -> String {
        let Some(description) = self.description() else { return printable(&self.file_name) };
        let name = match description.name.as_str() {
            "" => printable(&self.file_name),
            name => format!("{}{scope}", printable(name)),
        };
        let label = match description.used_for {
            SegmentUse::Image => {
                let id = &description.build_id[..description.build_id.len().min(BUILD_ID_SHOWN)];
                format!("{name} ({})", words::hex(id))
            }
            _ => name,
        };
        if self.is_renamed() { format!("{} (made as {label})", printable(&self.file_name)) } else { label }
    }

    /// A copy, or a file that was moved: no program finds it by the name in its header.
    fn is_renamed(&self) -> bool {
        let Some(it) = self.description().filter(|it| self.home.is_some() && it.backing == "posix") else {
            return false;
        };
        let file = self.file_name.as_str();
        match it.used_for {
            SegmentUse::Image => !file.starts_with(&format!("image-{}", words::hex(&it.build_id))),
            _ => file != it.name && file.split_once('@') != Some((it.name.as_str(), it.scope.as_str())),
        }
    }

    /// How the system's tables name its memory and its file.
    pub(super) fn keys(&self) -> Vec<FileKey> {
        self.segment.iter().flat_map(keys).collect()
    }

    /// How its file is reached from here, while the row lives.
    pub(crate) fn access(&self) -> Option<PathBuf> {
        Some(self.home.as_ref()?.path.join(&self.file_name))
    }

    /// The folder that lists it, by a name that programs here would use; `None`: there is none, as of a container's.
    pub(crate) fn local_folder(&self) -> Option<&Path> {
        use std::os::unix::fs::MetadataExt;
        let file = |path: &Path| std::fs::metadata(path).map(|stat| (stat.dev(), stat.ino())).ok();
        let there = file(&self.home.as_ref()?.path)?;
        (file(&self.folder) == Some(there)).then_some(self.folder.as_path())
    }

    /// Where it is, as processes there name it.
    pub(crate) fn path(&self) -> String {
        printable_path(&self.folder.join(&self.file_name).display().to_string())
    }

    /// What is wrong with it, with its path, once.
    pub(crate) fn complaint(&self) -> String {
        let (path, why) = (self.path(), printable_path(self.error.as_deref().unwrap_or("it is no segment")));
        if why.contains(&path) { why } else { format!("{path}: {why}") }
    }

    /// An error by the name that people know, not by the descriptor that the file was opened through.
    pub(crate) fn by_its_name(&self, error: &str) -> String {
        self.home.as_ref().map_or_else(|| error.to_owned(), |home| home.by_its_name(error))
    }

    /// Names under which it may be asked for, the most exact first.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![self.folder.join(&self.file_name).display().to_string(), self.file_name.clone()];
        if let Some(description) = self.description().filter(|_| !self.is_renamed()) {
            if !description.scope.is_empty() {
                names.push(format!("{}@{}", description.name, description.scope));
            }
            names.push(description.name.clone());
        }
        names.retain(|name| !name.is_empty());
        names.dedup();
        names
    }
}

/// Wine's server makes mappings of files without names.
fn is_of_wine(mapped: &Mapped) -> bool {
    let name = mapped.path.rsplit('/').next().unwrap_or_default();
    mapped.is_deleted && (name.starts_with("tmpmap-") || name.starts_with("anonmap."))
        || name.starts_with("memfd:wine-mapping")
}

fn keys(segment: &LiveSegment) -> impl Iterator<Item = FileKey> + use<> {
    let sysv = segment.description().sysv_id.map(|id| FileKey::SysV(id.into()));
    let file = segment.facts().map(|facts| FileKey::File { device: facts.device, inode: facts.inode });
    sysv.into_iter().chain(file)
}

/// A path without control characters, and not without end.
fn printable_path(path: &str) -> String {
    const CHARS_MAX: usize = 4096;
    path.chars()
        .take(CHARS_MAX)
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .collect()
}
