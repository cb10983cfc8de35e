//! Creating, opening, closing and unlinking: who gets which segment, and how long its values live.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cotenant::ErrorKind;

use crate::holder::options;
use crate::not_tried::skip;
use crate::support::Named;
use crate::support::sandbox::{Sandbox, command};

pub(crate) const TESTS: &[Named] = &[
    ("created_once_opened_by_others", created_once_opened_by_others),
    ("nothing_there_cannot_be_opened", nothing_there_cannot_be_opened),
    ("last_one_to_leave_removes_the_name", last_one_to_leave_removes_the_name),
    ("values_of_the_dead_are_gone", values_of_the_dead_are_gone),
    ("kept_values_stay_when_nobody_is_attached", kept_values_stay_when_nobody_is_attached),
    ("reopened_in_one_process_a_thousand_times", reopened_in_one_process_a_thousand_times),
    ("processes_that_come_and_go_never_lose_each_other", processes_that_come_and_go_never_lose_each_other),
    ("attached_twice_in_one_process_it_is_one_segment", attached_twice_in_one_process_it_is_one_segment),
    ("scopes_keep_segments_apart", scopes_keep_segments_apart),
    ("unlinked_in_use_is_noticed", unlinked_in_use_is_noticed),
    ("unlinked_by_many_at_once_only_once", unlinked_by_many_at_once_only_once),
    ("creators_options_count", creators_options_count),
    ("child_of_a_fork_keeps_the_values", child_of_a_fork_keeps_the_values),
    ("switched_off_sharing_is_said", switched_off_sharing_is_said),
    ("name_that_is_none_is_refused", name_that_is_none_is_refused),
    ("option_that_the_backing_cannot_have_is_refused", option_that_the_backing_cannot_have_is_refused),
    ("prefaulted_and_huge_segments_hold_values", prefaulted_and_huge_segments_hold_values),
    ("deaths_in_a_segment_are_noticed_by_its_locks", deaths_in_a_segment_are_noticed_by_its_locks),
    ("a_participant_is_named_by_its_program_from_any_thread", a_participant_is_named_by_its_program_from_any_thread),
];

fn created_once_opened_by_others() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
    assert_eq!(one.ask("create it"), "created");
    assert!(two.ask("create it").starts_with("AlreadyExists: "));
    assert_eq!(two.ask("open it"), "opened");
    assert_eq!((one.ask("add n"), two.ask("add n"), one.ask("add n")), ("1".into(), "2".into(), "3".into()));
    assert_eq!((one.ask("participants"), two.ask("participants")), ("2".into(), "2".into()));
}

fn nothing_there_cannot_be_opened() {
    let sandbox = Sandbox::new();
    let mut one = sandbox.start("holder");
    assert!(one.ask("open it").starts_with("NotFound: "));
    let mut dies = sandbox.start("holder");
    assert_eq!(dies.ask("create it"), "created");
    dies.kill();
    assert_eq!(sandbox.files(), ["it"], "the dead leave their file");
    assert!(one.ask("open it").starts_with("NotFound: "));
    assert_eq!(sandbox.files(), [""; 0]);
    assert_eq!(one.ask("create it"), "created");
}

fn last_one_to_leave_removes_the_name() {
    let sandbox = Sandbox::new();
    for mode in ["mode=600", "mode=644"] {
        let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
        assert_eq!(one.ask(&format!("create it {mode}")), "created");
        assert_eq!(two.ask(&format!("open it {mode}")), "opened");
        assert_eq!(one.ask("close"), "closed");
        assert!(sandbox.files().contains(&"it".into()));
        assert_eq!(two.ask("participants"), "1");
        assert_eq!(two.ask("close"), "closed");
        assert_eq!(sandbox.files(), [""; 0], "{mode}");
    }
}

fn values_of_the_dead_are_gone() {
    let sandbox = Sandbox::new();
    let mut dies = sandbox.start("holder");
    dies.ask("create it");
    assert_eq!(dies.ask("add n"), "1");
    dies.kill();
    let mut next = sandbox.start("holder");
    assert_eq!(next.ask("open-or-create it"), "created");
    assert_eq!(next.ask("add n"), "1");
}

fn kept_values_stay_when_nobody_is_attached() {
    let sandbox = Sandbox::new();
    let mut one = sandbox.start("holder");
    assert_eq!(one.ask("create it keep"), "created");
    assert_eq!(one.ask("add n"), "1");
    one.ask("close");
    assert!(one.ask("create it").contains("it is kept until it is removed"));
    let mut two = sandbox.start("holder");
    assert_eq!(two.ask("open it"), "opened");
    assert_eq!(two.ask("add n"), "2");
    two.kill();
    assert_eq!((one.ask("open-or-create it"), one.ask("add n")), ("opened".into(), "3".into()));
    one.ask("close");
    assert_eq!((one.ask("unlink it"), sandbox.files().len()), ("unlinked".into(), 0));
    assert!(one.ask("open it").starts_with("NotFound: "));
}

/// Words, ranges and slots are given back: more times than there are of any.
fn reopened_in_one_process_a_thousand_times() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
    assert_eq!(one.ask("cycle it 1000 participants=2"), "made 1000");
    assert_eq!(sandbox.files(), [""; 0]);
    one.ask("open-or-create it participants=2");
    assert_eq!(two.ask("cycle it 1000 participants=2"), "made 0");
    assert_eq!(one.ask("add count"), "1001");
}

fn processes_that_come_and_go_never_lose_each_other() {
    let sandbox = Sandbox::new();
    let mut peers: Vec<_> = (0..8).map(|_| sandbox.start("holder")).collect();
    for mode in ["mode=600", "mode=644"] {
        peers.iter_mut().for_each(|peer| peer.tell(&format!("cycle it 300 {mode}")));
        for peer in &peers {
            let answer = peer.answer("cycle");
            assert!(answer.starts_with("made "), "{answer}");
        }
        // A killed or interrupted remover may leave a name; nobody was killed here, but two may leave at once, each
        // seeing the other.
        peers[0].ask("prune");
        assert_eq!(sandbox.files(), [""; 0]);
    }
}

fn attached_twice_in_one_process_it_is_one_segment() {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    let sandbox = Sandbox::new();
    let options = options(&[]).folder(sandbox.path());
    let one = options.create("it").expect("a segment");
    let two = options.open("it").expect("the same");
    let n = one.get_or_init("n", || AtomicU64::new(5)).expect("a counter");
    n.fetch_add(1, Relaxed);
    assert_eq!(two.get::<AtomicU64>("n").expect("a counter").map(|n| n.load(Relaxed)), Some(6));
    assert_eq!(one.participants().len(), 2);
    drop(two);
    n.fetch_add(1, Relaxed);
    assert!(!one.is_unlinked() && one.participants().len() == 1);
    drop(one);
    assert_eq!(sandbox.files(), [""; 0]);
}

fn scopes_keep_segments_apart() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
    assert_eq!(one.ask("create it scope=a"), "created");
    assert_eq!(two.ask("create it scope=b"), "created");
    assert_eq!((one.ask("add n"), two.ask("add n")), ("1".into(), "1".into()));
    assert_eq!(sandbox.files(), ["it@a", "it@b"]);
    let mut scoped = sandbox.command("holder");
    let mut three = crate::support::peer::Peer::start(scoped.env("COTENANT_SCOPE", "a"));
    assert_eq!((three.ask("open it"), three.ask("add n")), ("opened".into(), "2".into()));
    assert!(two.ask("create it scope=a/b").starts_with("InvalidInput: "));
}

fn unlinked_in_use_is_noticed() {
    let sandbox = Sandbox::new();
    for mode in ["mode=600", "mode=644"] {
        let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
        one.ask(&format!("create it {mode}"));
        two.ask(&format!("open it {mode}"));
        assert_eq!(one.ask("is-unlinked"), "false");
        let mut other = sandbox.start("holder");
        assert_eq!(other.ask(&format!("unlink it {mode}")), "unlinked");
        assert_eq!((one.ask("is-unlinked"), two.ask("is-unlinked")), ("true".into(), "true".into()));
        assert!(other.ask(&format!("unlink it {mode}")).starts_with("NotFound: "));
        assert_eq!(other.ask(&format!("open-or-create it {mode}")), "created");
        assert_eq!(other.ask("add n"), "1");
        // The former ones leave: nothing of the new segment goes.
        one.ask("close");
        two.ask("close");
        assert_eq!((other.ask("is-unlinked"), other.ask("add n")), ("false".into(), "2".into()));
        other.ask("close");
        other.ask("prune");
        assert_eq!(sandbox.files(), [""; 0], "{mode}");
    }
}

fn unlinked_by_many_at_once_only_once() {
    let sandbox = Sandbox::new();
    let mut removers: Vec<_> = (0..6).map(|_| sandbox.start("holder")).collect();
    let mut owner = sandbox.start("holder");
    for round in 0..30 {
        let mode = if round % 2 == 0 { "mode=600" } else { "mode=644" };
        assert_eq!(owner.ask(&format!("create it {mode}")), "created");
        removers.iter_mut().for_each(|peer| peer.tell(&format!("unlink it {mode}")));
        let answers: Vec<_> = removers.iter().map(|peer| peer.answer("unlink")).collect();
        assert_eq!(answers.iter().filter(|it| *it == "unlinked").count(), 1, "{answers:?}");
        assert!(answers.iter().all(|it| it == "unlinked" || it.starts_with("NotFound")), "{answers:?}");
        assert_eq!(owner.ask("is-unlinked"), "true");
        owner.ask("close");
    }
}

fn creators_options_count() {
    let sandbox = Sandbox::new();
    let (small, large) = (options(&["max=8192"]).folder(sandbox.path()), options(&[]).folder(sandbox.path()));
    let one = small.create("it").expect("a segment");
    let two = large.open("it").expect("the same");
    assert_eq!((one.max_bytes(), two.max_bytes()), (8192, 8192));
    let error = two.get_or_init("large", || [0_u64; 4096]).expect_err("it is too small");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
}

fn child_of_a_fork_keeps_the_values() {
    let sandbox = Sandbox::new();
    let options = options(&[]).folder(sandbox.path());
    let segment = options.create("it").expect("a segment");
    segment.get_or_init("n", || 7_u64).expect("a number");
    // SAFETY: the child makes system calls alone.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: waits for the signal that ends it.
        unsafe { libc::pause() };
        // SAFETY: no pointer.
        unsafe { libc::_exit(0) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    drop(segment);
    let again = options.open("it").expect("a child has it mapped");
    assert_eq!(again.get::<u64>("n").expect("a number"), Some(&7));
    drop(again);
    // SAFETY: no pointer; the child is ours and not yet waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    // SAFETY: null is allowed for the status.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    assert_eq!(options.open("it").map_err(|error| error.kind()).err(), Some(ErrorKind::NotFound));
}

fn switched_off_sharing_is_said() {
    let sandbox = Sandbox::new();
    let mut command = command("holder", Some(sandbox.path()));
    let mut peer = crate::support::peer::Peer::start(command.env("COTENANT_PRIVATE", "1"));
    for verb in ["create", "open", "open-or-create", "read", "unlink"] {
        let answer = peer.ask(&format!("{verb} it"));
        assert!(answer.starts_with("Private: ") && answer.contains("COTENANT_PRIVATE"), "{answer}");
    }
    assert_eq!(sandbox.files(), [""; 0]);
}

fn name_that_is_none_is_refused() {
    let sandbox = Sandbox::new();
    let options = options(&[]).folder(sandbox.path());
    for name in ["", ".hidden", "a/b", "../a", "a b", "a@b", "ä", "image-x", "-a", &"x".repeat(101)] {
        let error = options.create(name).expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}: {error}");
    }
    assert_eq!(sandbox.files(), [""; 0]);
    options.create(&"x".repeat(100)).expect("a name");
}

fn option_that_the_backing_cannot_have_is_refused() {
    use cotenant::{Backing, Keep, Segment};
    let refused = |options: cotenant::SegmentOptions, kind, part: &str| {
        let error = options.create("refused").expect_err("it is refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "no {part:?} in {error}");
    };
    let of = |backing| Segment::options().backing(backing);
    refused(of(Backing::File).scope("staging"), cotenant::ErrorKind::Unsupported, "its path");
    refused(of(Backing::FileMapping), ErrorKind::Unsupported, "cannot be had on this system");
    refused(of(Backing::Anonymous).keep(Keep::UntilRemoved), ErrorKind::Unsupported, "no name that could be kept");
    refused(of(Backing::Memfd).mode(0o644), ErrorKind::Unsupported, "mode or group");
    refused(of(Backing::Anonymous).folder("/tmp"), ErrorKind::Unsupported, "lies in no folder");
    refused(of(Backing::File).keep(Keep::WhileAttached), ErrorKind::Unsupported, "until it is deleted");
    refused(of(Backing::File).huge_pages(true), ErrorKind::Unsupported, "Backing::Posix");
    refused(of(Backing::File).folder("/tmp"), ErrorKind::Unsupported, "its path says where it lies");
    let posix = || of(Backing::Posix);
    refused(posix().mode(0o666), ErrorKind::InvalidInput, "every user");
    refused(posix().mode(0o700), ErrorKind::InvalidInput, "mode 0o700");
    refused(posix().mode(0o400), ErrorKind::InvalidInput, "mode 0o400");
    refused(posix().group("users"), ErrorKind::InvalidInput, "gives its group nothing");
    refused(posix().max_bytes(0), ErrorKind::InvalidInput, "`max_bytes` is 0");
    refused(posix().max_bytes(u64::MAX), ErrorKind::InvalidInput, "`max_bytes`");
    refused(posix().max_participants(4096), ErrorKind::InvalidInput, "1 to 4095");
    refused(posix().max_objects(0), ErrorKind::InvalidInput, "`max_objects`");
    refused(posix().user(0), ErrorKind::InvalidInput, "for readers");
    let error = of(Backing::Memfd).open("it").expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

fn prefaulted_and_huge_segments_hold_values() {
    let sandbox = Sandbox::new();
    let has_huge_pages = kernel_collapses();
    for words in ["", " prefault", " huge", " prefault huge"] {
        let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
        assert_eq!(one.ask(&format!("create it{words}")), "created");
        assert_eq!(one.ask("zeros z"), "zeroed");
        assert_eq!(two.ask(&format!("open it{words}")), "opened");
        assert_eq!((one.ask("add n"), two.ask("add n")), ("1".into(), "2".into()));
        // It has not touched the zeros: they are in its tables only if it had them put there.
        let of_two = mapping_of(two.pid, &sandbox.path().join("it"));
        assert_eq!(of_two.resident_kib >= 12 << 10, words.contains("prefault"), "{words}: {of_two:?}");
        assert_eq!(of_two.wishes_huge_pages, words.contains("huge"), "{words}");
        // It has: in huge pages, if it wished for them.
        let of_one = mapping_of(one.pid, &sandbox.path().join("it"));
        assert_eq!(of_one.wishes_huge_pages, words.contains("huge"), "{words}");
        if !has_huge_pages {
            skip("huge pages: this kernel gives none when asked (MADV_COLLAPSE, Linux 6.1)");
        } else {
            assert_eq!(of_one.huge_kib >= 8 << 10, words.contains("huge"), "{words}: {of_one:?}");
        }
    }
}

/// Whether shared memory gets huge pages when it is asked for them.
fn kernel_collapses() -> bool {
    const HUGE: usize = 2 << 20;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS | libc::MAP_POPULATE);
    // SAFETY: no address is asked for.
    let room = unsafe { libc::mmap(std::ptr::null_mut(), 2 * HUGE, protection, flags | libc::MAP_PRIVATE, -1, 0) };
    assert_ne!(room, libc::MAP_FAILED);
    // At any other address shared memory gets none, whatever the kernel.
    let pages = room.wrapping_byte_add(room.cast::<u8>().align_offset(HUGE));
    let flags = flags | libc::MAP_SHARED | libc::MAP_FIXED;
    // SAFETY: within the pages that were just mapped.
    assert_eq!(unsafe { libc::mmap(pages, HUGE, protection, flags, -1, 0) }, pages);
    // SAFETY: as above.
    let is_done = unsafe { libc::madvise(pages, HUGE, 25) } == 0; // MADV_COLLAPSE
    // SAFETY: as above; nobody uses them any more.
    unsafe { libc::munmap(room, 2 * HUGE) };
    is_done
}

/// What a process has of a file in its tables
/// ([`smaps`](https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html)).
#[derive(Debug, Default)]
struct FileMapping {
    resident_kib: u64,
    huge_kib: u64,
    /// `hg`
    wishes_huge_pages: bool,
}

fn mapping_of(pid: i32, file: &Path) -> FileMapping {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).expect("a process of ours");
    // Its name is shown only to who opened it by that.
    let inode = std::fs::metadata(file).expect("the segment").ino().to_string();
    let kib = |mut words: std::str::SplitAsciiWhitespace<'_>| -> u64 {
        words.next().and_then(|kib| kib.parse().ok()).expect("a number")
    };
    let (mut is_files, mut mapping) = (false, FileMapping::default());
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next().unwrap_or_default() {
            "Rss:" if is_files => mapping.resident_kib += kib(words),
            "ShmemPmdMapped:" if is_files => mapping.huge_kib += kib(words),
            "VmFlags:" if is_files => mapping.wishes_huge_pages |= words.any(|flag| flag == "hg"),
            name if name.ends_with(':') => {}
            // A line of `addresses permissions offset device inode path`.
            _ => is_files = words.nth(3) == Some(&inode),
        }
    }
    mapping
}

fn deaths_in_a_segment_are_noticed_by_its_locks() {
    let sandbox = Sandbox::new();
    for mode in ["mode=600", "mode=644"] {
        let (mut dies, mut lives) = (sandbox.start("holder"), sandbox.start("holder"));
        dies.ask(&format!("open-or-create it {mode}"));
        lives.ask(&format!("open-or-create it {mode}"));
        assert_eq!((lives.ask("lock m"), dies.ask("hold m")), ("1".into(), "held".into()));
        lives.tell("lock m");
        dies.kill();
        assert_eq!(lives.answer("lock"), "2 repaired");
        assert_eq!(lives.ask("participants"), "1");
        lives.ask("close");
    }
}

fn a_participant_is_named_by_its_program_from_any_thread() {
    let first = std::fs::read_to_string("/proc/self/comm").expect("the first thread's name");
    let sandbox = Sandbox::new();
    let thread = std::thread::Builder::new().name("a name of its own".into());
    let named = thread.spawn(move || {
        let segment = cotenant::Segment::options().folder(sandbox.path()).create("test.program").expect("a segment");
        segment.participants().remove(0).program
    });
    assert_eq!(named.expect("a thread").join().expect("its end"), first.trim_end());
}
