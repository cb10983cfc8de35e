//! Segments in files of a disk: found by a path, kept until they are deleted, also over a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::{Backing, ErrorKind, Segment};
use tempfile::TempDir;

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, in_mount_namespace, mount};
use crate::support::sandbox::{command, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("values_in_a_file_outlive_their_processes", values_in_a_file_outlive_their_processes),
    ("lock_held_at_a_death_is_repaired_later", lock_held_at_a_death_is_repaired_later),
    ("copied_file_holds_the_values", copied_file_holds_the_values),
    ("slots_of_a_former_life_are_free", slots_of_a_former_life_are_free),
    ("synced_values_are_in_the_file", synced_values_are_in_the_file),
    ("other_files_of_the_folder_are_left_alone", other_files_of_the_folder_are_left_alone),
    ("file_that_is_no_segment_is_refused", file_that_is_no_segment_is_refused),
    ("what_lies_at_a_mistyped_path_is_not_to_be_removed", what_lies_at_a_mistyped_path_is_not_to_be_removed),
    ("path_that_is_none_is_refused", path_that_is_none_is_refused),
    ("relative_path_is_that_of_its_opening", relative_path_is_that_of_its_opening),
    ("unlinked_file_is_gone", unlinked_file_is_gone),
];

pub(crate) const ROOT_TESTS: &[Named] =
    &[("file_system_that_cannot_hold_a_segment_is_named", file_system_that_cannot_hold_a_segment_is_named)];

struct Disk {
    folder: TempDir,
    path: PathBuf,
}

impl Disk {
    /// What this process has written to its mapping of the file and the system not to the disk.
    fn unwritten_kib(&self) -> u64 {
        let maps = fs::read_to_string("/proc/self/smaps").expect("the mappings");
        // Who made the file mapped it before it had its name.
        let inode = fs::metadata(&self.path).expect("the file").ino().to_string();
        let mut is_ours = false;
        let mut dirty_kib = 0;
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("Shared_Dirty:" | "Private_Dirty:") if is_ours => {
                    dirty_kib += words.next().expect("KiB").parse::<u64>().expect("a number");
                }
                // The first line of a mapping.
                Some(range) if !range.ends_with(':') => is_ours = words.nth(3) == Some(inode.as_str()),
                _ => {}
            }
        }
        dirty_kib
    }

    /// Where there is no disk behind the folder.
    fn is_in_memory(&self) -> bool {
        let path = std::ffi::CString::new(self.path.to_str().expect("UTF-8")).expect("no zero");
        // SAFETY: zero is a value of this C structure.
        let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: a C string, and a structure of the call's own type.
        assert_eq!(unsafe { libc::statfs(path.as_ptr(), &raw mut stat) }, 0);
        stat.f_type == libc::TMPFS_MAGIC
    }

    /// On the disk of temporary files, whatever that is.
    fn new() -> Disk {
        let folder = TempDir::with_prefix("cotenant-test-").expect("a folder");
        let path = folder.path().join("values.segment");
        Disk { folder, path }
    }

    fn command(&self, verb: &str) -> String {
        format!("{verb} {} file", self.path.display())
    }

    fn open(&self) -> Segment {
        let options = Segment::options().backing(Backing::File).max_bytes(16 << 20);
        options.open_or_create(self.path.to_str().expect("UTF-8")).expect("a segment in a file")
    }
}

fn holder() -> Peer {
    Peer::start(&mut command("holder", None))
}

fn values_in_a_file_outlive_their_processes() {
    let disk = Disk::new();
    let (mut one, mut two) = (holder(), holder());
    assert!(one.ask(&disk.command("open")).starts_with("NotFound: "));
    assert_eq!(one.ask(&disk.command("create")), "created");
    assert_eq!(two.ask(&disk.command("open")), "opened");
    assert_eq!((one.ask("add n"), two.ask("add n")), ("1".into(), "2".into()));
    one.ask("close");
    two.kill();
    assert!(one.ask(&disk.command("create")).starts_with("AlreadyExists: "));
    assert_eq!((one.ask(&disk.command("open-or-create")), one.ask("add n")), ("opened".into(), "3".into()));
}

fn lock_held_at_a_death_is_repaired_later() {
    let disk = Disk::new();
    let mut dies = holder();
    assert_eq!((dies.ask(&disk.command("create")), dies.ask("hold m")), ("created".into(), "held".into()));
    dies.kill();
    let mut next = holder();
    assert_eq!((next.ask(&disk.command("open")), next.ask("lock m")), ("opened".into(), "1 repaired".into()));
}

/// What a restart leaves: the same bytes, and not one lock. (A copy has none of the original's.)
fn copied_file_holds_the_values() {
    let (disk, after) = (Disk::new(), Disk::new());
    let mut before = holder();
    assert_eq!((before.ask(&disk.command("create")), before.ask("add n")), ("created".into(), "1".into()));
    assert_eq!(before.ask("hold m"), "held");
    fs::copy(&disk.path, &after.path).expect("a copy");
    let mut next = holder();
    assert_eq!(next.ask(&after.command("open")), "opened");
    assert_eq!((next.ask("add n"), next.ask("participants")), ("2".into(), "1".into()));
    assert_eq!(next.ask("lock m"), "1 repaired", "its owner was of another life");
    assert_eq!(before.ask("add n"), "2", "the copy is another segment");
}

fn slots_of_a_former_life_are_free() {
    let (disk, after) = (Disk::new(), Disk::new());
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let mut peer = holder();
            let answer = peer.ask(&format!("{} participants=8", disk.command("open-or-create")));
            assert!(matches!(&*answer, "created" | "opened"), "{answer}");
            peer
        })
        .collect();
    assert!(holder().ask(&disk.command("open")).starts_with("Full: "));
    fs::copy(&disk.path, &after.path).expect("a copy");
    let again: Vec<_> = (0..8)
        .map(|_| {
            let mut peer = holder();
            assert_eq!(peer.ask(&after.command("open")), "opened");
            peer
        })
        .collect();
    drop((peers, again));
}

fn synced_values_are_in_the_file() {
    let disk = Disk::new();
    let segment = disk.open();
    let n = segment.get_or_init("n", || AtomicU64::new(0)).expect("a counter");
    n.store(0x0123_4567_89ab_cdef, Relaxed);
    // The first page of the objects, and the tables before it.
    assert!(disk.unwritten_kib() > 0 || disk.is_in_memory(), "the test sees what is not on the disk");
    segment.sync().expect("writing");
    assert!(disk.unwritten_kib() == 0 || disk.is_in_memory(), "{} KiB", disk.unwritten_kib());
    let bytes = fs::read(&disk.path).expect("the file");
    assert!(bytes.chunks(8).any(|word| word == 0x0123_4567_89ab_cdef_u64.to_ne_bytes()));
}

fn other_files_of_the_folder_are_left_alone() {
    let disk = Disk::new();
    for name in [".new-notes", ".new-0123456789abcdef", ".locks-0123456789abcdef0123456789abcdef", "letter"] {
        fs::write(disk.folder.path().join(name), "precious").expect("a file");
    }
    let mut peer = holder();
    assert_eq!(peer.ask(&format!("{} mode=644", disk.command("create"))), "created");
    peer.ask("close");
    let there = files_in(disk.folder.path());
    assert_eq!(there.iter().filter(|name| !name.starts_with(".locks-")).count(), 4, "{there:?}");
    assert_eq!(there.len(), 6, "with its companion: {there:?}");
    assert_eq!(fs::metadata(&disk.path).expect("the segment").mode() & 0o7777, 0o644);
}

fn file_that_is_no_segment_is_refused() {
    let disk = Disk::new();
    fs::write(&disk.path, "precious").expect("a file");
    let mut peer = holder();
    for verb in ["create", "open", "open-or-create", "unlink"] {
        let answer = peer.ask(&disk.command(verb));
        assert!(answer.starts_with("Foreign: "), "{verb}: {answer}");
    }
    assert_eq!(fs::read(&disk.path).expect("the file"), b"precious");
}

fn path_that_is_none_is_refused() {
    let options = Segment::options().backing(Backing::File);
    for path in ["", "/", "folder/", "a/..", "a\0b"] {
        let error = options.create(path).expect_err("no path");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error}");
    }
    let error = options.create("/nowhere/at/all").expect_err("no folder");
    assert!(error.to_string().contains("/nowhere/at"), "{error}");
}

fn relative_path_is_that_of_its_opening() {
    let disk = Disk::new();
    let mut start = command("holder", None);
    let mut peer = Peer::start(start.current_dir(disk.folder.path()));
    assert_eq!(peer.ask("create values.segment file"), "created");
    let mut other = holder();
    assert_eq!(other.ask(&disk.command("open")), "opened");
    assert_eq!(
        (peer.ask("add n"), other.ask("add n"), peer.ask("is-unlinked")),
        ("1".into(), "2".into(), "false".into())
    );
}

fn unlinked_file_is_gone() {
    let disk = Disk::new();
    let (mut one, mut two) = (holder(), holder());
    assert_eq!(one.ask(&format!("{} mode=644", disk.command("create"))), "created");
    assert_eq!(two.ask(&format!("{} mode=644", disk.command("unlink"))), "unlinked");
    assert_eq!(one.ask("is-unlinked"), "true");
    one.ask("close");
    assert!(two.ask(&disk.command("open")).starts_with("NotFound: "));
}

fn file_system_that_cannot_hold_a_segment_is_named() {
    let copied = Copied::new();
    let disk = Disk::new();
    in_mount_namespace(|| {
        // It neither reserves nor has a limit.
        mount("none", disk.folder.path().to_str().expect("UTF-8"), Some("ramfs"), 0, "mode=700");
        let mut peer = Peer::start(&mut copied.command("holder", None));
        let answer = peer.ask(&disk.command("create"));
        assert!(answer.starts_with("Unsupported: ") && answer.contains("ramfs"), "{answer}");
    });
    let mut peer = holder();
    let answer = peer.ask("create /proc/self/segment file");
    assert!(!answer.starts_with("created"), "{answer}");
}

fn what_lies_at_a_mistyped_path_is_not_to_be_removed() {
    let folder = TempDir::with_prefix("cotenant-test-").expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("letter"), [b'a'; 20_000]).expect("a file");
    fs::create_dir(path("letters")).expect("a folder");
    std::os::unix::fs::symlink(path("letter"), path("link")).expect("a link");
    for (name, what) in [("letter", "not a Cotenant segment"), ("letters", "is a folder"), ("link", "symbolic link")] {
        let options = Segment::options().backing(Backing::File).max_bytes(1 << 16);
        let (path, reader) = (path(name), options.open_reader(path(name).to_str().expect("UTF-8")));
        let path = path.to_str().expect("UTF-8");
        let errors = [options.open(path), options.create(path), options.open_or_create(path)];
        for error in errors.map(|it| it.map(drop).expect_err("it is no segment")) {
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            let error = error.to_string();
            assert!(error.contains(what) && error.contains("give another path"), "{error}");
            assert!(!error.contains("remove") && !error.contains("COTENANT_DIR"), "{error}");
        }
        let error = reader.map(drop).expect_err("it is no segment").to_string();
        assert!(!error.contains("remove") && !error.contains("COTENANT_DIR"), "{error}");
    }
    assert_eq!(fs::read(path("letter")).expect("it").len(), 20_000);
}
