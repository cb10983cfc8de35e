//! Listing, pruning and unlinking: what is dead goes, what lives stays, at any moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cotenant::{Contents, Keep, Leftover, PruneOptions, Segment, SegmentInfo};

use crate::holder::options;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs};
use crate::support::sandbox::{Sandbox, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("segments_are_listed_with_their_numbers", segments_are_listed_with_their_numbers),
    ("hostile_files_are_listed_without_harm", hostile_files_are_listed_without_harm),
    ("dead_segments_and_leftovers_are_pruned", dead_segments_and_leftovers_are_pruned),
    ("living_and_kept_segments_stay", living_and_kept_segments_stay),
    ("dry_run_removes_nothing", dry_run_removes_nothing),
    ("listed_segment_is_unlinked_by_its_path", listed_segment_is_unlinked_by_its_path),
    ("pruning_in_a_loop_meets_nobody_who_lives", pruning_in_a_loop_meets_nobody_who_lives),
    ("killed_at_any_moment_nothing_stays_after_a_clean_up", killed_at_any_moment_nothing_stays_after_a_clean_up),
];

pub(crate) const ROOT_TESTS: &[Named] =
    &[("folders_of_a_user_are_looked_through", folders_of_a_user_are_looked_through)];

fn prune(folder: &Path) -> Vec<(String, Leftover)> {
    prune_with(PruneOptions::default().folder(folder))
}

fn prune_with(options: PruneOptions) -> Vec<(String, Leftover)> {
    let pruned = Segment::prune(&options).expect("a clean-up");
    let name = |path: PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    pruned.into_iter().map(|it| (name(it.path), it.leftover)).collect()
}

/// What a process that looks into `folder` lists, as it prints it.
fn list(folder: &Path) -> Vec<SegmentInfo> {
    // In this process, by the folder of the options of one segment there.
    Segment::list_in(folder).expect("a list")
}

fn segments_are_listed_with_their_numbers() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
    one.ask("create first max=1048576 scope=s");
    two.ask("open first scope=s");
    one.ask("add n");
    let mut dead = sandbox.start("holder");
    dead.ask("create second keep mode=644");
    dead.kill();
    let found = list(sandbox.path());
    let names: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.scope.as_str())).collect();
    assert_eq!(names, [("first", "s"), ("second", "")]);
    let (first, second) = (&found[0], &found[1]);
    assert_eq!((first.contents, first.backing, first.keep), (Contents::Objects, "posix", Keep::WhileAttached));
    assert!(first.is_alive && first.damage.is_none() && first.used_bytes >= 8);
    assert!(first.max_bytes > 1 << 20 && first.allocated_bytes > 4096 && first.file_bytes >= first.allocated_bytes);
    let mut pids: Vec<_> = first.participants.iter().map(|it| it.pid as i32).collect();
    pids.sort_unstable();
    let mut expected = [one.pid, two.pid];
    expected.sort_unstable();
    assert_eq!(pids, expected);
    assert!(first.created.elapsed().is_ok_and(|age| age < crate::support::PATIENCE));
    assert_eq!((second.is_alive, second.keep, second.mode), (false, Keep::UntilRemoved, 0o644));
    assert!(second.participants.is_empty(), "{second:?}");
}

fn hostile_files_are_listed_without_harm() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("holder");
    peer.ask("create it");
    let whole = fs::read(sandbox.path().join("it")).expect("a segment");
    fs::write(sandbox.path().join("short"), &whole[..100]).expect("a file");
    fs::write(sandbox.path().join("cut"), &whole[..5000]).expect("a file");
    let mut wild = whole.clone();
    wild[80..200].fill(0xff);
    fs::write(sandbox.path().join("wild"), &wild).expect("a file");
    fs::write(sandbox.path().join("other"), "no segment").expect("a file");
    fs::create_dir(sandbox.path().join("folder")).expect("a folder");
    std::os::unix::fs::symlink("it", sandbox.path().join("link")).expect("a link");
    let found = list(sandbox.path());
    let damaged = |name: &str| {
        let info = found.iter().find(|it| it.path.ends_with(name));
        info.unwrap_or_else(|| panic!("{name} is not listed")).damage.is_some()
    };
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!(["it", "short", "cut", "wild"].map(damaged), [false, true, true, true]);
}

fn dead_segments_and_leftovers_are_pruned() {
    let sandbox = Sandbox::new();
    for name in ["one mode=600", "two mode=644"] {
        let mut peer = sandbox.start("holder");
        peer.ask(&format!("create {name}"));
        peer.kill();
    }
    fs::write(sandbox.path().join(".new-0123456789abcdef"), [0; 100]).expect("a file");
    fs::write(sandbox.path().join(".locks-0123456789abcdef0123456789abcdef"), [0; 100]).expect("a file");
    fs::write(sandbox.path().join(".new-of-somebody"), "precious").expect("a file");
    assert_eq!(sandbox.files().len(), 6);
    let pruned = prune(sandbox.path());
    assert_eq!(
        pruned,
        [
            (".locks-0123456789abcdef0123456789abcdef".into(), Leftover::Locks),
            (".new-0123456789abcdef".into(), Leftover::Unfinished),
            ("one".into(), Leftover::Dead),
            ("two".into(), Leftover::Dead),
        ]
    );
    assert_eq!(sandbox.files(), [".new-of-somebody"]);
    assert_eq!(prune(sandbox.path()), []);
}

fn living_and_kept_segments_stay() {
    let sandbox = Sandbox::new();
    let (mut lives, mut reads) = (sandbox.start("holder"), sandbox.start("holder"));
    lives.ask("create living mode=644");
    let mut dead = sandbox.start("holder");
    dead.ask("create read");
    assert_eq!(reads.ask("read read"), "reading");
    dead.kill();
    let mut keeps = sandbox.start("holder");
    keeps.ask("create kept keep mode=644");
    keeps.kill();
    assert_eq!(prune(sandbox.path()), []);
    assert_eq!(lives.ask("is-unlinked"), "false");
    reads.ask("close");
    assert_eq!(prune(sandbox.path()), [("read".into(), Leftover::Dead)]);
    let kept_too = PruneOptions::default().folder(sandbox.path()).kept_too(true);
    assert_eq!(prune_with(kept_too), [("kept".into(), Leftover::Kept)]);
    assert_eq!(sandbox.files().len(), 2, "the living one and its companion");
}

fn dry_run_removes_nothing() {
    let sandbox = Sandbox::new();
    let mut dead = sandbox.start("holder");
    dead.ask("create it");
    dead.kill();
    let dry = PruneOptions::default().folder(sandbox.path()).dry_run(true);
    assert_eq!(prune_with(dry.clone()), [("it".into(), Leftover::Dead)]);
    assert_eq!(prune_with(dry), [("it".into(), Leftover::Dead)]);
    assert_eq!(sandbox.files(), ["it"]);
}

fn listed_segment_is_unlinked_by_its_path() {
    let sandbox = Sandbox::new();
    let segment = options(&[]).folder(sandbox.path()).create("it").expect("a segment");
    let found = list(sandbox.path());
    found[0].unlink().expect("removing it");
    assert!(segment.is_unlinked());
    let error = found[0].unlink().expect_err("it is gone");
    assert_eq!(error.kind(), cotenant::ErrorKind::NotFound);
}

fn pruning_in_a_loop_meets_nobody_who_lives() {
    let sandbox = Sandbox::new();
    let done = AtomicBool::new(false);
    let mut peers: Vec<_> = (0..6).map(|_| sandbox.start("holder")).collect();
    for mode in ["mode=600", "mode=644"] {
        done.store(false, Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        prune(sandbox.path());
                        list(sandbox.path());
                    }
                });
            }
            peers.iter_mut().for_each(|peer| peer.tell(&format!("cycle it 200 {mode}")));
            let answers: Vec<_> = peers.iter().map(|peer| peer.answer("cycle")).collect();
            done.store(true, Relaxed);
            assert!(answers.iter().all(|answer| answer.starts_with("made ")), "{answers:?}");
        });
    }
    prune(sandbox.path());
    assert_eq!(sandbox.files(), [""; 0]);
}

fn killed_at_any_moment_nothing_stays_after_a_clean_up() {
    let sandbox = Sandbox::new();
    for round in 0..60_u64 {
        let mode = if round % 2 == 0 { "mode=600" } else { "mode=644" };
        let mut peers: Vec<Peer> = (0..2).map(|_| sandbox.start("holder")).collect();
        peers.iter_mut().for_each(|peer| peer.tell(&format!("cycle it 100000 {mode}")));
        std::thread::sleep(std::time::Duration::from_micros(300 * round));
        peers[0].kill();
        // The other one goes on, whatever the dead one was doing.
        let mut next = sandbox.start("holder");
        let answer = next.ask(&format!("cycle it 20 {mode}"));
        assert!(answer.starts_with("made "), "round {round}: {answer}");
        peers[1].kill();
    }
    prune(sandbox.path());
    assert_eq!(sandbox.files(), [""; 0]);
}

fn folders_of_a_user_are_looked_through() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        for name in ["own", "readable mode=644", "group mode=660 group=4242"] {
            let start = &mut copied.command("holder", None);
            let mut peer = Peer::start(as_user(start, NOBODY, NOBODY, vec![4242]));
            assert_eq!(peer.ask(&format!("create {name}")), "created");
            peer.kill();
        }
        let mut other = Peer::start(as_user(&mut copied.command("holder", None), 4711, 4711, vec![]));
        assert_eq!(other.ask("prune"), "0", "another user's");
        let mut member = Peer::start(as_user(&mut copied.command("holder", None), 4711, 4711, vec![4242]));
        assert_eq!(member.ask("prune"), "1", "the group's");
        let mut own = Peer::start(as_user(&mut copied.command("holder", None), NOBODY, NOBODY, vec![]));
        assert_eq!(own.ask("prune"), "2");
        for folder in files_in(Path::new("/dev/shm")) {
            assert_eq!(files_in(&Path::new("/dev/shm").join(folder)), [""; 0]);
        }
    });
}
