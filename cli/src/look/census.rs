//! Which process maps which file shared: one pass over `/proc/*/maps`, by several threads where there are many.
//!
//! Of System V segments the system gives the id in place of the inode; a name of their own tells them apart.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use cotenant::inspect::live::MappedPart;

use super::view::{namespace_inode, pid_namespace_of};

/// Bytes of one process's maps that are read: a million mappings are nobody's business.
const MAPS_BYTES_MAX: usize = 64 << 20;
/// For as long as that a census is believed without another look.
pub(crate) const FRESH: Duration = Duration::from_millis(500);
/// Threads that look, and processes from which on one more of them is worth starting.
const THREADS_MAX: usize = 8;
const PIDS_OF_A_THREAD: usize = 100;
/// Bytes of a file of `/proc` that are asked for at first.
const FIRST_BYTES: usize = 16 << 10;

/// A file, as the system's tables name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum FileKey {
    File { device: u64, inode: u64 },
    SysV(u64),
}

/// A process that can be seen, with ids as we count.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// In its own PID namespace.
    pub(crate) pid_there: u32,
    pub(crate) uid: u32,
    pub(crate) program: String,
    /// Inode of its PID namespace, if it may be known.
    pub(crate) pid_namespace: Option<u64>,
    pub(crate) mount_namespace: Option<u64>,
}

/// What one process maps of one file.
pub(crate) struct Mapped {
    pub(crate) pid: u32,
    pub(crate) can_write: bool,
    pub(crate) parts: Vec<MappedPart>,
    /// As the system names it, without its remark that the name is gone.
    pub(crate) path: String,
    pub(crate) is_deleted: bool,
}

#[derive(Default)]
pub(crate) struct Census {
    files: HashMap<FileKey, Vec<Mapped>>,
    known: RefCell<HashMap<u32, Option<Rc<Process>>>>,
    namespaces: RefCell<HashMap<u32, Option<u64>>>,
    /// Of processes that came after it: which file they map for writing.
    later: RefCell<HashMap<(FileKey, u32), bool>>,
    taken_at: Option<Instant>,
    /// Processes whose maps may not be read.
    pub(crate) unseen: Vec<Process>,
}

impl Census {
    pub(crate) fn take() -> Census {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Census::default() };
        let pids: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let processors = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let threads = pids.len().div_ceil(PIDS_OF_A_THREAD).clamp(1, processors);
        Census::of_looks(if threads == 1 { vec![look_at(&pids)] } else { looks(&pids, threads, Builder::new) })
    }

    /// In the order of their ids.
    fn of_looks(looks: Vec<Look>) -> Census {
        let mut census = Census { taken_at: Some(Instant::now()), ..Census::default() };
        for look in looks {
            for (key, mapped) in look.mapped {
                census.files.entry(key).or_default().push(mapped);
            }
            census.unseen.extend(look.unseen);
        }
        census
    }

    /// Who maps a file, in the order of their ids.
    pub(crate) fn of(&self, key: FileKey) -> &[Mapped] {
        self.files.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (FileKey, &[Mapped])> {
        self.files.iter().map(|(key, mapped)| (*key, mapped.as_slice()))
    }

    /// As if it had been taken earlier.
    #[cfg(test)]
    pub(super) fn make_older(&mut self, by: Duration) {
        self.taken_at = self.taken_at.and_then(|at| at.checked_sub(by));
    }

    /// How long ago it was taken.
    pub(crate) fn age(&self) -> Duration {
        self.taken_at.map_or(Duration::MAX, |at| at.elapsed())
    }

    /// Whether a process that was seen still has its memory. Whoever was killed has none, also before its parent asks.
    pub(crate) fn is_there(&self, pid: u32) -> bool {
        if self.age() < FRESH {
            return true;
        }
        read_small(Path::new(&format!("/proc/{pid}/statm"))).is_ok_and(|statm| !statm.starts_with(b"0 "))
    }

    /// Whether a process that came after the census maps one of these for writing, by its id as we count; asked once.
    pub(crate) fn came_later(&self, files: &[FileKey], pid: u32) -> bool {
        let maps_it = |file: FileKey| look_at(&[pid]).mapped.iter().any(|(key, it)| *key == file && it.can_write);
        let mut later = self.later.borrow_mut();
        files.iter().any(|file| *later.entry((*file, pid)).or_insert_with(|| maps_it(*file)))
    }

    /// Inode of a process's PID namespace; asked once.
    pub(crate) fn pid_namespace(&self, pid: u32) -> Option<u64> {
        *self.namespaces.borrow_mut().entry(pid).or_insert_with(|| pid_namespace_of(pid))
    }

    /// What can be known of a process; asked once.
    pub(crate) fn process(&self, pid: u32) -> Option<Rc<Process>> {
        self.known.borrow_mut().entry(pid).or_insert_with(|| status(pid).map(Rc::new)).clone()
    }
}

/// What was seen of some processes.
#[derive(Default)]
struct Look {
    mapped: Vec<(FileKey, Mapped)>,
    unseen: Vec<Process>,
}

/// By several threads; what one that cannot be started was to do, this one does: people look where limits are reached.
fn looks(pids: &[u32], threads: usize, builder: impl Fn() -> Builder) -> Vec<Look> {
    let parts = pids.chunks(pids.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let started: Vec<_> = parts.map(|part| (part, builder().spawn_scoped(scope, move || look_at(part)))).collect();
        let ended = started.into_iter().map(|(part, started)| match started {
            Ok(thread) => thread.join().unwrap_or_default(),
            Err(_) => look_at(part),
        });
        ended.collect()
    })
}

fn look_at(pids: &[u32]) -> Look {
    let mut look = Look::default();
    let (mut path, mut maps) = (String::new(), Vec::new());
    for pid in pids {
        path.clear();
        // Writing into a text does not fail.
        let _ = write!(path, "/proc/{pid}/maps");
        match read_bounded(Path::new(&path), &mut maps) {
            Ok(len) => look.note(*pid, &maps[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => look.unseen.extend(status(*pid)),
            // It has ended meanwhile.
            Err(_) => {}
        }
    }
    look
}

impl Look {
    fn note(&mut self, pid: u32, maps: &[u8]) {
        let first = self.mapped.len();
        for line in maps.split(|byte| *byte == b'\n') {
            let Some(line) = parse(line) else { continue };
            let at = self.mapped[first..].iter().position(|(key, _)| *key == line.key);
            let at = at.map_or(self.mapped.len(), |at| first + at);
            if at == self.mapped.len() {
                let (path, is_deleted) = (line.path.to_owned(), line.is_deleted);
                self.mapped.push((line.key, Mapped { pid, can_write: false, parts: Vec::new(), path, is_deleted }));
            }
            let of_process = &mut self.mapped[at].1;
            of_process.can_write |= line.can_write;
            of_process.parts.push(line.part);
        }
    }
}

/// Reads a file of `/proc` into a buffer, which it makes longer, in few calls; gives how much it holds. Its length
/// cannot be asked for.
fn read_bounded(path: &Path, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut file = std::fs::File::open(path)?;
    let mut len = 0;
    loop {
        if len == bytes.len() {
            if len >= MAPS_BYTES_MAX {
                return Ok(len);
            }
            bytes.resize((len * 2).max(FIRST_BYTES), 0);
        }
        match file.read(&mut bytes[len..]) {
            Ok(0) => return Ok(len),
            Ok(more) => len += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The whole of a small file of `/proc`.
fn read_small(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = read_bounded(path, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

fn status(pid: u32) -> Option<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    // A program's name may hold any bytes.
    let status = String::from_utf8_lossy(&read_small(&folder.join("status")).ok()?).into_owned();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let program = field("Name").unwrap_or_default().trim().to_owned();
    // Without NSpid (before Linux 4.1) all are of our own namespace.
    let pid_there = field("NSpid").and_then(|ids| ids.split_whitespace().last()?.parse().ok()).unwrap_or(pid);
    Some(Process {
        pid,
        pid_there,
        uid: field("Uid")?.split_whitespace().nth(1)?.parse().ok()?,
        program,
        pid_namespace: namespace_inode(&folder.join("ns/pid")),
        mount_namespace: namespace_inode(&folder.join("ns/mnt")),
    })
}

/// `stopped` or `zombie`, if it is one: then what it holds is not let go of.
pub(crate) fn condition(pid: u32) -> Option<&'static str> {
    let stat = read_small(Path::new(&format!("/proc/{pid}/stat"))).ok()?;
    // Behind the program's name, which may hold anything.
    let at = stat.iter().rposition(|byte| *byte == b')')?;
    match stat.get(at + 2)? {
        b'T' | b't' => Some("stopped"),
        // Of a process whose first thread alone has ended, the others go on.
        b'Z' if std::fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count) < 2 => Some("zombie"),
        _ => None,
    }
}

struct Line<'a> {
    key: FileKey,
    can_write: bool,
    part: MappedPart,
    path: &'a str,
    is_deleted: bool,
}

/// `7f12-7f34 rw-s 00001000 00:1a 4711   /dev/shm/x (deleted)`; `None` for what is not shared or no file.
fn parse(line: &[u8]) -> Option<Line<'_>> {
    let rights_at = line.iter().position(|byte| *byte == b' ')? + 1;
    // Asked first: most mappings are private.
    if line.get(rights_at + 3) != Some(&b's') {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let mut rest = text;
    let mut field = || {
        let (field, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after.trim_start();
        field
    };
    let (range, rights, offset, device, inode) = (field(), field(), field(), field(), field());
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = range.split_once('-')?;
    let (major, minor) = device.split_once(':')?;
    let inode: u64 = inode.parse().ok()?;
    let (path, is_deleted) = match rest.strip_suffix(" (deleted)") {
        Some(path) => (path, true),
        None => (rest, false),
    };
    let is_sysv = path.strip_prefix("/SYSV").is_some_and(|key| key.len() == 8);
    if path.is_empty() || inode == 0 && !is_sysv {
        return None;
    }
    let device = rustix::fs::makedev(hex(major)? as u32, hex(minor)? as u32);
    let key = if is_sysv { FileKey::SysV(inode) } else { FileKey::File { device, inode } };
    let (start, end) = (hex(start)?, hex(end)?);
    let part = MappedPart { at: hex(offset)?, address: start, bytes: end.checked_sub(start)? };
    Some(Line { key, can_write: rights.as_bytes().get(1) == Some(&b'w'), part, path, is_deleted })
}

#[cfg(test)]
mod tests {
    use cotenant::inspect::live::LiveSegment;

    use super::*;

    #[test]
    fn census_is_taken_where_no_thread_can_be_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let segment = cotenant::Segment::options().folder(folder.path()).max_bytes(1 << 16).create("seen");
        let segment = segment.expect("a segment");
        let facts = LiveSegment::open(segment.path().as_ref()).expect("it is there").facts().expect("a file");
        let own = std::process::id();
        let census = Census::of_looks(looks(&[own, own], 2, || Builder::new().stack_size(1 << 60)));
        let found = census.of(FileKey::File { device: facts.device, inode: facts.inode });
        assert_eq!(found.iter().map(|it| it.pid).collect::<Vec<_>>(), [own, own], "by each look");
    }

    #[test]
    fn shared_mapping_of_a_file_is_read() {
        let line = parse(b"7f10-7f20 rw-s 00001000 00:1a 4711       /dev/shm/a b (deleted)").expect("shared");
        assert_eq!(line.key, FileKey::File { device: rustix::fs::makedev(0, 0x1a), inode: 4711 });
        assert_eq!((line.path, line.is_deleted, line.can_write), ("/dev/shm/a b", true, true));
        assert_eq!(line.part, MappedPart { at: 4096, address: 0x7f10, bytes: 16 });
    }

    #[test]
    fn system_v_segment_is_told_by_its_name_and_its_id_may_be_0() {
        let line = parse(b"7f10-7f20 r--s 00000000 00:01 0     /SYSV0000162e (deleted)").expect("shared");
        assert_eq!((line.key, line.can_write), (FileKey::SysV(0), false));
    }

    #[test]
    fn what_is_private_or_no_line_is_passed_over() {
        for line in ["", "7f10-7f20", "7f10-7f20 rw-p 0 00:1a 4711 /x", "x-y rw-s 0 00:1a 4711 /x", "7f10-7f20 rw-s 0"]
        {
            assert!(parse(line.as_bytes()).is_none(), "{line}");
        }
    }
}
