//! System V segments: shared by their key, found again, removed, and left alone where they are somebody else's.

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::Duration;

use cotenant::{ErrorKind, Keep, PruneOptions, Segment};

use crate::partner::options;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("programs_share_by_a_key", programs_share_by_a_key),
    ("programs_share_by_a_file_and_a_number", programs_share_by_a_file_and_a_number),
    ("owner_of_a_lock_in_system_v_memory_is_found_dead", owner_is_found_dead),
    ("ipcs_lists_the_segment_with_its_users", ipcs_lists_the_segment_with_its_users),
    ("last_to_detach_removes_memory_and_companion", last_to_detach_removes_memory_and_companion),
    ("next_one_starts_afresh_after_all_were_killed", next_one_starts_afresh_after_all_were_killed),
    ("prune_removes_what_the_killed_left_in_system_v", prune_removes_what_the_killed_left),
    ("kept_segment_outlives_its_users", kept_segment_outlives_its_users),
    ("another_name_under_the_key_is_refused", another_name_under_the_key_is_refused),
    ("foreign_segment_under_the_key_is_named_and_left_alone", foreign_segment_is_named_and_left_alone),
    ("segment_of_another_folder_is_refused_while_in_use", segment_of_another_folder_is_refused_while_in_use),
    ("memory_that_was_made_and_not_written_is_made_anew", memory_that_was_not_written_is_made_anew),
    ("memory_that_was_made_and_not_named_is_named_by_the_next", memory_that_was_not_named_is_named_by_the_next),
    ("memory_removed_in_use_is_made_anew_for_those_who_come", memory_removed_in_use),
    ("open_does_not_make_what_was_removed", open_does_not_make_what_was_removed),
    ("racing_creators_share_one_segment", racing_creators_share_one_segment),
    ("creators_killed_at_any_time_leave_nothing_after_prune", creators_killed_at_any_time_leave_nothing),
    ("other_backings_do_not_open_a_companion", other_backings_do_not_open_a_companion),
    ("modes_for_readers_are_refused_of_system_v", modes_for_readers_are_refused),
    ("companion_that_others_can_read_is_refused", companion_that_others_can_read_is_refused),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("limits_of_system_v_are_named", limits_are_named),
    ("segment_of_another_user_under_the_key_is_named", segment_of_another_user_is_named),
    ("memory_that_another_user_put_under_the_key_is_refused", memory_of_another_user_is_refused),
    ("system_v_segment_is_shared_across_pid_namespaces", segment_is_shared_across_pid_namespaces),
];

/// A key that no other test uses, for good: what a test leaves is removed when this goes.
pub(crate) struct Key(pub(crate) i32);

impl Key {
    pub(crate) fn new() -> Key {
        static NEXT: AtomicI32 = AtomicI32::new(1);
        let key = |number: i32| 0x6300_0000 | (std::process::id() as i32 & 0xffff) << 8 | (number & 0xff);
        loop {
            let key = key(NEXT.fetch_add(1, Relaxed));
            if shown(key).is_none() {
                return Key(key);
            }
        }
    }

    pub(crate) fn backing(&self) -> String {
        format!("sysv:{}", self.0)
    }

    fn create(&self) -> String {
        format!("create {}", self.backing())
    }

    fn open_or_create(&self) -> String {
        format!("open-or-create {}", self.backing())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if let Some(shown) = shown(self.0) {
            remove(shown.id);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Shown {
    id: i32,
    bytes: u64,
    creator_pid: i32,
    attached: u64,
}

/// What the system says of the segment with that key.
fn shown(key: i32) -> Option<Shown> {
    let table = read_to_string("/proc/sysvipc/shm").expect("System V in the kernel");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<i64> = line.split_ascii_whitespace().map(|field| field.parse().expect("a number")).collect();
        (fields[0] == i64::from(key)).then(|| Shown {
            id: fields[1] as i32,
            bytes: fields[3] as u64,
            creator_pid: fields[4] as i32,
            attached: fields[6] as u64,
        })
    })
}

fn remove(id: i32) {
    // SAFETY: this command takes no pointer.
    unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

/// Does something to the first bytes of the segment with that id.
fn with_memory<R>(id: i32, f: impl FnOnce(&mut [u8]) -> R) -> R {
    // SAFETY: no address is asked for.
    let base = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    assert_ne!(base as isize, -1, "{}", std::io::Error::last_os_error());
    // SAFETY: segments have at least a page, and nobody else uses this one meanwhile.
    let result = f(unsafe { std::slice::from_raw_parts_mut(base.cast(), 4096) });
    // SAFETY: attached above.
    unsafe { libc::shmdt(base) };
    result
}

fn programs_share_by_a_key() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let (mut one, mut two) = (sandbox.start("partner"), sandbox.start("partner"));
    let path = one.ask(&key.create());
    let listed = || {
        let mut listed = Segment::list_in(sandbox.path()).expect("listing");
        assert_eq!(listed.len(), 1);
        listed.remove(0)
    };
    assert!(path.ends_with(&format!("sysv-{:08x} (the System V key {:#010x})", key.0, key.0)), "{path}");
    assert_eq!(two.ask(&key.open_or_create()), path);
    assert_eq!((one.ask("add 1"), two.ask("add 1")), ("6".into(), "7".into()));
    let mut three = sandbox.start("partner");
    assert!(three.ask(&key.create()).starts_with("AlreadyExists: "));
    three.ask(&format!("open {}", key.backing()));
    assert_eq!(three.ask("add 1"), "8");
    assert_eq!(one.ask("participants"), format!("{}+{}+{}", one.pid, two.pid, three.pid));
    assert_eq!(two.ask("grow large 512"), "grown");
    let listed = listed();
    let pids: Vec<i32> = listed.participants.iter().map(|it| it.pid as i32).collect();
    assert_eq!((pids, listed.backing), (vec![one.pid, two.pid, three.pid], "system v"));
    assert!(listed.used_bytes > 512 << 10 && listed.is_alive, "{listed:?}");
    assert!(two.ask("grow larger 1024").starts_with("NoSpace: "));
}

fn programs_share_by_a_file_and_a_number() {
    let sandbox = Sandbox::new();
    // A file on the disk: inodes of a tmpfs are small numbers, and tests run at the same time.
    let file = tempfile::NamedTempFile::new().expect("a file");
    let backing = format!("ftok:{}:77", file.path().display());
    let (mut one, mut two) = (sandbox.start("partner"), sandbox.start("partner"));
    let path = one.ask(&format!("create {backing}"));
    assert!(path.contains(&format!("(ftok of {} and 77)", file.path().display())), "{path}");
    assert_eq!(two.ask(&format!("open {backing}")), path);
    assert_eq!((one.ask("add 1"), two.ask("add 1")), ("6".into(), "7".into()));
    assert_eq!((one.ask("detach"), two.ask("detach")), ("detached".into(), "detached".into()));
    let error = options("ftok:/no/such/file:1").create("test").map(drop).expect_err("no file");
    assert!(error.to_string().contains("of the file /no/such/file and 1 (ftok)"), "{error}");
}

fn owner_is_found_dead() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let (mut one, mut two) = (sandbox.start("partner"), sandbox.start("partner"));
    one.ask(&key.create());
    two.ask(&key.open_or_create());
    assert_eq!(one.ask("lock"), "clean 100");
    one.ask("set 9");
    two.tell("lock");
    two.expect_silence(Duration::from_millis(100), "the other one holds the lock");
    one.kill();
    assert_eq!(two.answer("lock"), format!("died {} 9", one.pid));
}

fn ipcs_lists_the_segment_with_its_users() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let mut parent = sandbox.start("partner");
    parent.ask(&key.create());
    let seen = shown(key.0).expect("a segment");
    assert_eq!((seen.creator_pid, seen.attached), (parent.pid, 1));
    assert!(seen.bytes > 1 << 20, "{seen:?}");
    let _child = sandbox.child_of(&mut parent, "fork fork");
    assert_eq!(shown(key.0).expect("a segment").attached, 2);
    match Command::new("ipcs").arg("-m").output() {
        Ok(listed) => {
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert!(listed.contains(&format!("0x{:08x} {}", key.0, seen.id)), "{listed}");
        }
        Err(_) => eprintln!("\n!!! SKIPPED: ipcs is not installed\n"),
    }
}

fn last_to_detach_removes_memory_and_companion() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let (mut one, mut two) = (sandbox.start("partner"), sandbox.start("partner"));
    one.ask(&key.create());
    two.ask(&key.open_or_create());
    assert_eq!(one.ask("detach"), "detached");
    assert_eq!(shown(key.0).expect("it is in use").attached, 1);
    assert_eq!(two.ask("add 1"), "6");
    assert_eq!(two.ask("detach"), "detached");
    assert_eq!((shown(key.0), sandbox.files()), (None, vec![]));
    one.ask(&key.create());
    assert_eq!(one.ask("add 1"), "6", "it starts afresh");
}

fn next_one_starts_afresh_after_all_were_killed() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let (mut one, mut two) = (sandbox.start("partner"), sandbox.start("partner"));
    one.ask(&key.create());
    two.ask(&key.open_or_create());
    two.ask("add 1");
    two.ask("lock");
    one.kill();
    two.kill();
    let first = shown(key.0).expect("what was left").id;
    let mut next = sandbox.start("partner");
    next.ask(&key.open_or_create());
    assert_eq!(next.ask("add 1"), "6");
    assert_eq!(next.ask("lock"), "clean 100");
    assert_ne!(shown(key.0).expect("a new one").id, first);
    assert_eq!(sandbox.files().len(), 1);
}

fn prune_removes_what_the_killed_left() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let prune = || Segment::prune(&PruneOptions::default().folder(sandbox.path())).expect("pruning");
    let mut peer = sandbox.start("partner");
    peer.ask(&key.create());
    assert!(prune().is_empty(), "it is in use");
    peer.kill();
    let memory_bytes = shown(key.0).expect("it is left").bytes;
    let pruned = prune();
    assert_eq!(pruned.len(), 1);
    assert!(pruned[0].allocated_bytes > memory_bytes, "{pruned:?} of {memory_bytes}, and the companion");
    assert_eq!((shown(key.0), sandbox.files()), (None, vec![]));
}

fn kept_segment_outlives_its_users() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let kept = || options(&key.backing()).keep(Keep::UntilRemoved).folder(sandbox.path());
    let segment = kept().create("test").expect("a segment");
    segment.get_or_init("answer", || 42_u32).expect("an object");
    drop(segment);
    assert_eq!(shown(key.0).expect("it is kept").attached, 0);
    let prune = |kept_too: bool| {
        let options = PruneOptions::default().folder(sandbox.path()).kept_too(kept_too);
        Segment::prune(&options).expect("pruning").len()
    };
    assert_eq!(prune(false), 0);
    assert_eq!(kept().create("test").map(drop).expect_err("there is one").kind(), ErrorKind::AlreadyExists);
    let segment = kept().open("test").expect("the kept one");
    assert_eq!(segment.get::<u32>("answer").expect("its type"), Some(&42));
    drop(segment);
    assert_eq!(prune(true), 1);
    assert_eq!((shown(key.0), sandbox.files()), (None, vec![]));
}

fn another_name_under_the_key_is_refused() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let mut one = sandbox.start("partner");
    one.ask(&format!("create {} one", key.backing()));
    one.ask("add 1");
    let create = |name: &str, scope: &str| {
        let error = options(&key.backing()).folder(sandbox.path()).scope(scope).open_or_create(name).map(drop);
        let error = error.expect_err("the key is taken");
        (error.kind(), error.to_string())
    };
    let (kind, text) = create("two", "");
    assert_eq!(kind, ErrorKind::Foreign, "{text}");
    assert!(text.contains(&format!("{:#010x}", key.0)) && text.contains("`one`"), "{text}");
    // In another scope the companion has another name, and the key is the same.
    let (kind, text) = create("one", "other");
    assert_eq!(kind, ErrorKind::Foreign, "{text}");
    let seen = shown(key.0).expect("it is left alone");
    for part in ["`one`", &format!("id {}", seen.id), &format!("process {}", one.pid), "1 attached", "ipcs -m -i"] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert_eq!(one.ask("add 1"), "7");
    assert_eq!(sandbox.files().len(), 1, "{:?}", sandbox.files());
}

fn foreign_segment_is_named_and_left_alone() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    for (bytes, text) in [(100, &b"not ours"[..]), (8192, b"COTENANU"), (1 << 20, b"")] {
        // SAFETY: no pointer.
        let id = unsafe { libc::shmget(key.0, bytes, libc::IPC_CREAT | libc::IPC_EXCL | 0o600) };
        assert_ne!(id, -1, "{}", std::io::Error::last_os_error());
        with_memory(id, |memory| memory[..text.len()].copy_from_slice(text));
        let before = shown(key.0);
        for keep in [Keep::WhileAttached, Keep::UntilRemoved] {
            let error = options(&key.backing()).keep(keep).folder(sandbox.path()).create("test").map(drop);
            let error = error.expect_err("the key is taken");
            assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
            // SAFETY: no arguments.
            let uid = unsafe { libc::geteuid() };
            for part in [
                &format!("{:#010x}", key.0),
                &format!("id {id}"),
                &format!("user {uid}"),
                &format!("{bytes} bytes"),
                &format!("process {}", std::process::id()),
                " UTC ",
                "0 attached",
                &format!("`ipcrm -m {id}`"),
                "left alone",
            ] {
                assert!(error.to_string().contains(part), "`{part}` is not in {error}");
            }
            assert_eq!(sandbox.files(), Vec::<String>::new());
        }
        assert_eq!(shown(key.0), before);
        with_memory(id, |memory| assert_eq!(&memory[..text.len()], text));
        remove(id);
    }
    options(&key.backing()).folder(sandbox.path()).create("test").expect("the key is free");
}

fn segment_of_another_folder_is_refused_while_in_use() {
    let (one, two, key) = (Sandbox::new(), Sandbox::new(), Key::new());
    let mut first = one.start("partner");
    first.ask(&key.create());
    let mut second = two.start("partner");
    let answer = second.ask(&key.open_or_create());
    assert!(answer.starts_with("Foreign: ") && answer.contains("COTENANT_DIR"), "{answer}");
    assert_eq!(first.ask("add 1"), "6");
    first.kill();
    // Nobody is attached, and it has our name: what is left of another folder is in nobody's way.
    second.ask(&key.open_or_create());
    assert_eq!(second.ask("add 1"), "6");
}

/// Where the header says what is changed: `docs/format.md`.
const SYSV_ID_AT: u64 = 236;
const KEEP_AT: u64 = 19;

fn forget_the_memory(sandbox: &Sandbox) {
    let companion = File::options().write(true).open(sandbox.file("sysv-")).expect("a companion");
    companion.write_all_at(&u32::MAX.to_ne_bytes(), SYSV_ID_AT).expect("writing");
}

fn memory_that_was_not_written_is_made_anew() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    for by_prune in [false, true] {
        let mut peer = sandbox.start("partner");
        peer.ask(&key.create());
        peer.kill();
        // As if it had been killed behind shmget.
        let id = shown(key.0).expect("what was left").id;
        with_memory(id, |memory| memory.fill(0));
        forget_the_memory(&sandbox);
        if by_prune {
            Segment::prune(&PruneOptions::default().folder(sandbox.path())).expect("pruning");
            assert_eq!((shown(key.0), sandbox.files()), (None, vec![]));
        }
        let mut next = sandbox.start("partner");
        next.ask(&key.open_or_create());
        assert_eq!(next.ask("add 1"), "6");
        assert_ne!(shown(key.0).expect("a new one").id, id);
        assert_eq!(next.ask("detach"), "detached");
    }
}

fn memory_that_was_not_named_is_named_by_the_next() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let mut one = sandbox.start("partner");
    one.ask(&key.create());
    one.ask("add 1");
    forget_the_memory(&sandbox);
    let mut two = sandbox.start("partner");
    two.ask(&key.open_or_create());
    assert_eq!(two.ask("add 1"), "7");
    forget_the_memory(&sandbox);
    one.kill();
    two.kill();
    let mut next = sandbox.start("partner");
    next.ask(&key.open_or_create());
    assert_eq!(next.ask("add 1"), "6");
}

fn memory_removed_in_use() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let (mut one, mut two) = (sandbox.start("partner"), sandbox.start("partner"));
    one.ask(&key.create());
    one.ask("add 1");
    let id = shown(key.0).expect("a segment").id;
    remove(id);
    assert_eq!(shown(key.0), None, "its key is gone, its memory not");
    two.ask(&key.open_or_create());
    assert_eq!(two.ask("add 1"), "7", "who finds the companion finds the memory");
    assert_eq!(one.ask("detach"), "detached");
    assert_eq!(two.ask("detach"), "detached");
    assert_eq!(sandbox.files(), Vec::<String>::new());
    one.ask(&key.create());
    assert_eq!(one.ask("add 1"), "6");
}

fn open_does_not_make_what_was_removed() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let kept = || options(&key.backing()).keep(Keep::UntilRemoved).folder(sandbox.path());
    assert_eq!(kept().open("test").map(drop).expect_err("there is none").kind(), ErrorKind::NotFound);
    drop(kept().create("test").expect("a segment"));
    remove(shown(key.0).expect("it is kept").id);
    let error = kept().open("test").map(drop).expect_err("it was removed");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(shown(key.0), None);
    let segment = kept().open_or_create("test").expect("a new one");
    assert_eq!(segment.objects().count(), 0);
}

fn racing_creators_share_one_segment() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let mut peers: Vec<Peer> = (0..6).map(|_| sandbox.start("partner")).collect();
    for round in 0..30 {
        peers.iter_mut().for_each(|peer| peer.tell(&key.open_or_create()));
        let paths: Vec<_> = peers.iter().map(|peer| peer.answer("open-or-create")).collect();
        assert!(paths.iter().all(|path| *path == paths[0]), "round {round}: {paths:?}");
        peers.iter_mut().for_each(|peer| peer.tell("add 1"));
        let mut counts: Vec<u32> = peers.iter().map(|peer| peer.answer("add").parse().expect("a number")).collect();
        counts.sort_unstable();
        assert_eq!(counts, [6, 7, 8, 9, 10, 11], "round {round}");
        peers.iter_mut().for_each(|peer| peer.tell("detach"));
        peers.iter().for_each(|peer| assert_eq!(peer.answer("detach"), "detached"));
        assert_eq!((shown(key.0), sandbox.files()), (None, vec![]), "round {round}");
    }
}

fn creators_killed_at_any_time_leave_nothing() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    for round in 0..60_u64 {
        let mut peers: Vec<Peer> = (0..2).map(|_| sandbox.start("partner")).collect();
        peers.iter_mut().for_each(|peer| peer.tell(&key.open_or_create()));
        std::thread::sleep(Duration::from_micros(round * 37));
        peers[0].kill();
        let path = peers[1].answer("open-or-create");
        assert!(path.ends_with(')') && !path.contains(": "), "round {round}: {path}");
        assert_eq!(peers[1].ask("lock"), "clean 100", "round {round}");
        peers[1].kill();
    }
    Segment::prune(&PruneOptions::default().folder(sandbox.path())).expect("pruning");
    assert_eq!((shown(key.0), sandbox.files()), (None, vec![]));
}

fn other_backings_do_not_open_a_companion() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let mut peer = sandbox.start("partner");
    peer.ask(&key.create());
    let name = format!("sysv-{:08x}", key.0);
    let error = options("posix").folder(sandbox.path()).open(&name).map(drop).expect_err("it is no POSIX segment");
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let path = sandbox.path().join(&name);
    let file = Segment::options().backing(cotenant::Backing::File);
    let error = file.open(path.to_str().expect("UTF-8")).map(drop).expect_err("it is no segment in a file");
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
}

fn modes_for_readers_are_refused() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    for mode in [0o640, 0o644, 0o604, 0o664] {
        let error = options(&key.backing()).folder(sandbox.path()).mode(mode).create("test").map(drop);
        let error = error.expect_err("there are no readers of System V");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let segment = options(&key.backing()).folder(sandbox.path()).mode(0o660).create("test").expect("a segment");
    segment.get_or_init("answer", || 42_u32).expect("an object");
}

fn companion_that_others_can_read_is_refused() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let mut one = sandbox.start("partner");
    one.ask(&key.create());
    crate::support::root::set_mode(&sandbox.file("sysv-"), 0o644);
    let error = options(&key.backing()).folder(sandbox.path()).open("test").map(drop).expect_err("readers can lock it");
    assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
    assert_eq!(one.ask("add 1"), "6");
}

fn limits_are_named() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    for (limit, value, enough) in [("shmmni", 0, 100), ("shmmax", 4096, 1 << 30), ("shmall", 1, 1 << 20)] {
        let part = &format!("/proc/sys/kernel/{limit}");
        for backing in [key.backing(), "private".into()] {
            let mut command = sandbox.command("partner");
            let unshare = || {
                // SAFETY: no pointer. System V with limits of its own.
                let unshared = unsafe { libc::unshare(libc::CLONE_NEWIPC) };
                if unshared == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            };
            // SAFETY: one system call.
            unsafe { command.pre_exec(unshare) };
            let mut peer = Peer::start(&mut command);
            assert_eq!(peer.ask(&format!("limit {limit} {value}")), "set");
            let answer = peer.ask(&format!("open-or-create {backing}"));
            assert!(answer.starts_with("NoSpace: cannot make ") && answer.contains(part), "{limit}: {answer}");
            assert!(answer.contains("sysctl"), "{limit}: {answer}");
            assert_eq!(sandbox.files(), Vec::<String>::new());
            peer.ask(&format!("limit {limit} {enough}"));
            assert!(!peer.ask(&format!("open-or-create {backing}")).contains(": "), "{limit}: with room");
            peer.ask("detach");
        }
    }
}

fn segment_of_another_user_is_named() {
    let (copied, sandbox, key) = (Copied::new(), Sandbox::new(), Key::new());
    let mut root = sandbox.start("partner");
    root.ask(&key.create());
    let folder = tempfile::TempDir::with_prefix_in("cotenant-test-", "/dev/shm").expect("a folder");
    crate::support::root::set_owner(folder.path(), NOBODY, NOBODY);
    let mut command = copied.command("partner", Some(folder.path()));
    let mut nobody = Peer::start(as_user(&mut command, NOBODY, NOBODY, vec![]));
    let answer = nobody.ask(&key.open_or_create());
    assert!(answer.starts_with("Foreign: ") && answer.contains("may not even read it"), "{answer}");
    assert!(answer.contains("of user 0") && answer.contains(&format!("process {}", root.pid)), "{answer}");
    assert_eq!(root.ask("add 1"), "6");
}

/// Who has read the instance out of a companion puts memory that holds it under the key.
fn memory_of_another_user_is_refused() {
    let (copied, sandbox, key) = (Copied::new(), Sandbox::new(), Key::new());
    crate::support::root::set_owner(sandbox.path(), NOBODY, NOBODY);
    let victim = || {
        let mut command = copied.command("partner", Some(sandbox.path()));
        Peer::start(as_user(&mut command, NOBODY, NOBODY, vec![]))
    };
    for (given_away, named) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut first = victim();
        first.ask(&key.create());
        let own = shown(key.0).expect("a segment");
        let copy = with_memory(own.id, |memory| memory.to_vec());
        remove(own.id);
        first.kill();
        // SAFETY: no pointer.
        let id = unsafe { libc::shmget(key.0, own.bytes as usize, libc::IPC_CREAT | libc::IPC_EXCL | 0o666) };
        assert_ne!(id, -1, "{}", std::io::Error::last_os_error());
        with_memory(id, |memory| memory.copy_from_slice(&copy));
        if given_away {
            give_to(id, NOBODY);
        }
        let companion = File::options().write(true).open(sandbox.file("sysv-")).expect("a companion");
        let word = if named { id as u32 } else { u32::MAX };
        companion.write_all_at(&word.to_ne_bytes(), SYSV_ID_AT).expect("writing");
        // As one whose maker lives: it is joined, not made anew.
        companion.write_all_at(&[1], KEEP_AT).expect("writing");
        let before = shown(key.0);
        let answer = victim().ask(&key.open_or_create());
        assert!(answer.starts_with("Foreign: ") && answer.contains("belongs to another user"), "{answer}");
        assert_eq!(shown(key.0), before, "it is left alone");
        remove(id);
        // A companion that names no memory was removed.
        assert_eq!(sandbox.files().len(), usize::from(named));
        sandbox.files().iter().for_each(|name| std::fs::remove_file(sandbox.path().join(name)).expect("removing it"));
    }
}

fn give_to(id: i32, uid: u32) {
    // SAFETY: all zeros is a value of the structure.
    let mut stat: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: a buffer of the call's own type.
    assert_eq!(unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut stat) }, 0);
    stat.shm_perm.uid = uid;
    // SAFETY: as above.
    assert_eq!(unsafe { libc::shmctl(id, libc::IPC_SET, &raw mut stat) }, 0);
}

fn segment_is_shared_across_pid_namespaces() {
    let (sandbox, key) = (Sandbox::new(), Key::new());
    let (mut one, mut outside) = (sandbox.start("partner"), sandbox.start("partner"));
    one.ask(&key.create());
    outside.ask("unshare-pids");
    let mut inside = sandbox.child_of(&mut outside, "fork fork");
    inside.ask(&key.open_or_create());
    assert_eq!(inside.ask("lock"), "clean 100");
    assert_eq!(one.ask("try"), "would block");
    inside.kill();
    outside.ask("reap");
    assert!(one.ask("lock").starts_with("died "));
    one.kill();
    let mut next = sandbox.start("partner");
    next.ask(&key.open_or_create());
    assert_eq!(next.ask("add 1"), "6");
}
