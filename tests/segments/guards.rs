//! What other users, full tables of files and half-done removals put in the way: refused, or mended, and told.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;

use cotenant::{ErrorKind, Keep, Leftover, PruneOptions, Segment};

use crate::holder::options;
use crate::support::Named;
use crate::support::peer::{Peer, run};
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, set_mode, set_owner};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("companion_stays_when_its_segment_cannot_be_looked_for", companion_stays_when_its_segment_cannot_be_looked_for),
    ("companion_of_an_unlinked_segment_stays_while_it_is_used", companion_of_an_unlinked_segment_stays_while_used),
    ("kept_segment_opens_without_its_companion", kept_segment_opens_without_its_companion),
    ("names_of_unfinished_files_are_refused", names_of_unfinished_files_are_refused),
    ("file_whose_remover_was_killed_is_pruned", file_whose_remover_was_killed_is_pruned),
    ("stopped_remover_does_not_keep_a_name", stopped_remover_does_not_keep_a_name),
    ("lease_on_a_segment_is_not_waited_for", lease_on_a_segment_is_not_waited_for),
    ("memfd_of_huge_pages_is_refused", memfd_of_huge_pages_is_refused),
    ("memory_is_reserved_under_a_timer", memory_is_reserved_under_a_timer),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("file_of_another_group_is_refused", file_of_another_group_is_refused),
    ("file_of_another_user_among_those_of_all_is_refused", file_of_another_user_among_those_of_all_is_refused),
    ("group_folder_is_made_under_any_umask", group_folder_is_made_under_any_umask),
    ("object_without_memory_is_told_where_there_is_none", object_without_memory_is_told),
    ("huge_pages_that_are_not_enough_are_given_back", huge_pages_that_are_not_enough_are_given_back),
];

/// By docs/format.md.
const DATA_BYTES_AT: u64 = 152;
const DATA_AT_OF_AN_OBJECT: u64 = 16;
/// Where the locks of a segment lie.
const LIFE: i64 = 1 << 40;
const UNLINK: i64 = LIFE + 2;

fn kept(folder: &Path) -> cotenant::SegmentOptions {
    options(&["mode=644"]).keep(Keep::UntilRemoved).folder(folder)
}

/// Prunes with as many open files as `COTENANT_TEST_FILES` says; what comes of that does not matter.
pub(crate) fn prune_with_few_files() {
    let files = std::env::var("COTENANT_TEST_FILES").expect("a number").parse().expect("a number");
    let limit = libc::rlimit { rlim_cur: files, rlim_max: files };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let pruned = Segment::prune(&PruneOptions::default());
    println!("{}", pruned.map_or_else(|error| error.to_string(), |pruned| pruned.len().to_string()));
}

fn companion_stays_when_its_segment_cannot_be_looked_for() {
    let sandbox = Sandbox::new();
    let segment = kept(sandbox.path()).create("it").expect("a segment");
    segment.get_or_init("answer", || 42_u32).expect("an object");
    drop(segment);
    let before = sandbox.files();
    assert_eq!(before.len(), 2, "{before:?}");
    for files in 3..16 {
        run(sandbox.command("few-files").env("COTENANT_TEST_FILES", files.to_string()));
        assert_eq!(sandbox.files(), before, "with {files} files");
    }
    let segment = kept(sandbox.path()).open("it").expect("it was kept");
    assert_eq!(segment.get::<u32>("answer").expect("its type"), Some(&42));
}

fn companion_of_an_unlinked_segment_stays_while_used() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("holder");
    assert_eq!(peer.ask("create it mode=644"), "created");
    let locks = sandbox.file(".locks-");
    fs::remove_file(sandbox.path().join("it")).expect("removing it by hand");
    // Both take away what nobody uses.
    let other = options(&["mode=644"]).folder(sandbox.path()).create("other").expect("a segment");
    Segment::prune(&PruneOptions::default().folder(sandbox.path())).expect("pruning");
    assert!(locks.exists(), "{:?}", sandbox.files());
    peer.kill();
    Segment::prune(&PruneOptions::default().folder(sandbox.path())).expect("pruning");
    assert!(!locks.exists(), "{:?}", sandbox.files());
    drop(other);
}

fn kept_segment_opens_without_its_companion() {
    let sandbox = Sandbox::new();
    let segment = kept(sandbox.path()).create("it").expect("a segment");
    segment.get_or_init("answer", || 42_u32).expect("an object");
    drop(segment);
    let companion = sandbox.file(".locks-");
    let before = fs::metadata(&companion).expect("a companion").permissions();
    for again in [false, true] {
        fs::remove_file(&companion).expect("removing it");
        if again {
            // Made, and its maker killed before the header named it.
            fs::write(&companion, [0; 4096]).expect("a file");
        }
        let segment = kept(sandbox.path()).open("it").expect("its companion is made again");
        assert_eq!(segment.get::<u32>("answer").expect("its type"), Some(&42));
        assert_eq!(fs::metadata(&companion).expect("a companion").permissions(), before);
        assert_eq!(segment.participants().len(), 1);
        let mut other = sandbox.start("holder");
        assert_eq!(other.ask("open it mode=644"), "opened", "it has the same companion");
        assert_eq!((segment.participants().len(), other.ask("participants")), (2, "2".into()));
    }
}

fn names_of_unfinished_files_are_refused() {
    let sandbox = Sandbox::new();
    for name in [".new-0123456789abcdef", ".locks-0123456789abcdef0123456789abcdef", ".dead-0123456789abcdef"] {
        let path = sandbox.path().join(name);
        let error = options(&["file"]).create(path.to_str().expect("UTF-8")).map(drop).expect_err("prune removes such");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    for name in ["sysv-00001234", "image-7f"] {
        let error = options(&[]).folder(sandbox.path()).create(name).map(drop).expect_err("it is reserved");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let like_one = sandbox.path().join(".new-of-mine");
    drop(options(&["file"]).create(like_one.to_str().expect("UTF-8")).expect("another name"));
    let all = PruneOptions::default().folder(sandbox.path());
    assert_eq!(Segment::prune(&all).expect("pruning").len(), 0);
    assert_eq!(sandbox.files(), [".new-of-mine"]);
}

fn file_whose_remover_was_killed_is_pruned() {
    let sandbox = Sandbox::new();
    let segment = kept(sandbox.path()).create("it").expect("a segment");
    fs::rename(sandbox.path().join("it"), sandbox.path().join(".dead-0123456789abcdef")).expect("taking its name");
    assert!(segment.is_unlinked());
    let prune = || Segment::prune(&PruneOptions::default().folder(sandbox.path())).expect("pruning");
    assert_eq!(prune().len(), 0, "it is in use");
    assert_eq!(sandbox.files().len(), 2);
    drop(segment);
    let pruned: Vec<_> = prune().into_iter().map(|it| it.leftover).collect();
    assert_eq!(pruned, [Leftover::Dead]);
    assert_eq!(sandbox.files(), [""; 0]);
}

fn stopped_remover_does_not_keep_a_name() {
    let sandbox = Sandbox::new();
    let segment = options(&[]).folder(sandbox.path()).create("it").expect("a segment");
    let stopped = File::options().read(true).write(true).open(segment.path()).expect("the segment's file");
    // SAFETY: all zeros is a value of the structure.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_whence, lock.l_start, lock.l_len) = (libc::F_WRLCK as _, libc::SEEK_SET as _, UNLINK as _, 1);
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::fcntl(stopped.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }, 0);
    options(&[]).folder(sandbox.path()).unlink("it").expect("it is not waited for for ever");
    assert!(segment.is_unlinked());
    assert_eq!(sandbox.files(), [""; 0]);
}

fn lease_on_a_segment_is_not_waited_for() {
    let sandbox = Sandbox::new();
    drop(kept(sandbox.path()).mode(0o600).create("it").expect("a segment"));
    let file = File::options().read(true).write(true).open(sandbox.path().join("it")).expect("the segment's file");
    // SAFETY: no handler of ours; the system says by this signal that somebody waits for the lease.
    unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
    // SAFETY: no pointer.
    let leased = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
    assert_eq!(leased, 0, "{}", std::io::Error::last_os_error());
    let answer = sandbox.start("holder").ask("open it");
    assert!(answer.starts_with("Busy: "), "{answer}");
    drop(file);
    assert_eq!(sandbox.start("holder").ask("open it"), "opened");
}

fn memfd_of_huge_pages_is_refused() {
    // SAFETY: a C string.
    let fd = unsafe { libc::memfd_create(c"huge".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_HUGETLB) };
    if fd == -1 {
        eprintln!("\n!!! SKIPPED: this kernel has no huge pages\n");
        return;
    }
    // SAFETY: just made, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let error = Segment::from_fd(fd).map(drop).expect_err("its pages may not be there");
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert!(error.to_string().contains("hugetlbfs"), "{error}");
}

extern "C" fn ignore(_: libc::c_int) {}

/// Reserves much under a timer that is faster than that, as a profiler's: a signal undoes what was not yet whole.
pub(crate) fn reserve_under_a_timer() {
    let segment = options(&["max=536870912"]).create("it").expect("a segment");
    let handler = ignore as extern "C" fn(libc::c_int);
    // SAFETY: a handler that does nothing.
    unsafe { libc::signal(libc::SIGALRM, handler as libc::sighandler_t) };
    let often = libc::timeval { tv_sec: 0, tv_usec: 2_000 };
    let timer = libc::itimerval { it_interval: often, it_value: often };
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }, 0);
    let large = segment.get_or_zeroed::<[u64; 32 << 20]>("large").expect("room");
    println!("{}", large.len());
}

fn memory_is_reserved_under_a_timer() {
    let sandbox = Sandbox::new();
    let ended = run(&mut sandbox.command("under-a-timer"));
    assert!(ended.stdout.contains("33554432"), "{}", ended.stdout);
}

fn member(copied: &Copied, uid: u32, groups: &[u32]) -> Peer {
    Peer::start(as_user(&mut copied.command("holder", None), uid, uid, groups.to_vec()))
}

fn file_of_another_group_is_refused() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    set_mode(sandbox.path(), 0o1777);
    let path = sandbox.path().join("it").display().to_string();
    let mut other = member(&copied, 4711, &[4243]);
    assert_eq!(other.ask(&format!("create {path} file mode=660 group=4243")), "created");
    let mut victim = member(&copied, NOBODY, &[4242, 4243]);
    let answer = victim.ask(&format!("open {path} file mode=660 group=4242"));
    assert!(answer.starts_with("Foreign: ") && answer.contains("group 4243, not for 4242"), "{answer}");
    let answer = victim.ask(&format!("open-or-create {path} file mode=660 group=4242"));
    assert!(answer.starts_with("Foreign: "), "{answer}");
}

fn file_of_another_user_among_those_of_all_is_refused() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    let path = sandbox.path().join("it").display().to_string();
    let command = |verb: &str| format!("{verb} {path} file mode=660 group=4242");
    set_mode(sandbox.path(), 0o1777);
    let mut one = member(&copied, 4711, &[4242]);
    assert_eq!(one.ask(&command("create")), "created");
    let mut two = member(&copied, NOBODY, &[4242]);
    let answer = two.ask(&command("open"));
    assert!(answer.starts_with("Foreign: ") && answer.contains("belongs to user 4711"), "{answer}");
    assert_eq!(member(&copied, 4711, &[4242]).ask(&command("open")), "opened");
    // Where only members can put files, any of them may be the one that did.
    set_owner(sandbox.path(), 0, 4242);
    set_mode(sandbox.path(), 0o3770);
    assert_eq!(two.ask(&command("open")), "opened");
}

fn group_folder_is_made_under_any_umask() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    set_owner(sandbox.path(), 0, 4242);
    set_mode(sandbox.path(), 0o2770);
    let start = |umask: libc::mode_t| {
        let mut command = copied.command("holder", Some(sandbox.path()));
        as_user(&mut command, NOBODY, NOBODY, vec![4242]);
        let set = move || {
            // SAFETY: no pointer.
            unsafe { libc::umask(umask) };
            Ok(())
        };
        // SAFETY: one system call.
        unsafe { command.pre_exec(set) };
        Peer::start(&mut command)
    };
    for umask in [0o777, 0o700, 0o077, 0] {
        for mode in ["600", "644"] {
            let mut peer = start(umask);
            assert_eq!(peer.ask(&format!("create it mode={mode}")), "created", "umask {umask:o}");
            peer.ask("close");
        }
        let names = ["cotenant-65534", "cotenant-readable-65534"];
        assert_eq!(sandbox.files(), names, "umask {umask:o}");
        names.iter().for_each(|name| fs::remove_dir(sandbox.path().join(name)).expect("an empty folder"));
    }
}

/// Damaged bytes name a place that has no memory, and there is none to be had: no signal.
fn object_without_memory_is_told() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=1m,mode=700");
        let start = || Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        let mut first = start();
        assert_eq!((first.ask("create it"), first.ask("add n")), ("created".into(), "1".into()));
        let file = File::options().read(true).write(true).open(sandbox.path().join("it")).expect("the segment's file");
        let mut objects_at = [0; 8];
        file.read_exact_at(&mut objects_at, 96).expect("a header");
        let object_at = u64::from_le_bytes(objects_at);
        file.write_all_at(&(8_u64 << 20).to_le_bytes(), object_at + DATA_AT_OF_AN_OBJECT).expect("writing");
        file.write_all_at(&(9_u64 << 20).to_le_bytes(), DATA_BYTES_AT).expect("writing");
        file.set_len(16 << 20).expect("a length");
        let filler = File::create(sandbox.path().join("filler")).expect("a file");
        let mut end = 0;
        while filler.write_all_at(&[1; 4096], end).is_ok() {
            end += 4096;
        }
        let mut next = start();
        assert_eq!(next.ask("open it"), "opened");
        let answer = next.ask("add n");
        assert!(answer.starts_with("NoSpace: "), "{answer}");
    });
}

/// An object of 12 MiB where there are 9: it is refused, and what had been got for it is there for others.
fn huge_pages_that_are_not_enough_are_given_back() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=9m,mode=700");
        let mut peer = Peer::start(&mut copied.command("holder", Some(sandbox.path())));
        assert_eq!((peer.ask("create it huge"), peer.ask("add n")), ("created".into(), "1".into()));
        let taken = || fs::metadata(sandbox.path().join("it")).expect("the segment").blocks() * 512;
        let before = taken();
        let answer = peer.ask("zeros z");
        assert!(answer.starts_with("NoSpace: "), "{answer}");
        assert_eq!(taken(), before);
        assert_eq!(peer.ask("add n"), "2");
    });
}
