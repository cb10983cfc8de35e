//! Segments for a group, and segments that others may read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::actor::GROUP_ID;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, set_mode, set_owner};
use crate::support::sandbox::files_in;

pub(crate) const TESTS: &[Named] = &[
    ("two_users_of_a_group_share_its_segment", two_users_of_a_group_share_its_segment),
    ("two_users_of_a_group_agree_on_its_folder", two_users_of_a_group_agree_on_its_folder),
    ("two_users_of_a_group_share_in_a_given_folder", two_users_of_a_group_share_in_a_given_folder),
    ("user_outside_the_group_is_refused", user_outside_the_group_is_refused),
    ("readable_segment_keeps_its_locks_in_a_closed_file", readable_segment_keeps_its_locks_in_a_closed_file),
    ("companion_goes_with_its_segment", companion_goes_with_its_segment),
    ("reader_keeps_the_values_and_nobody_out", reader_keeps_the_values_and_nobody_out),
    ("group_folder_planted_by_an_outsider_is_passed_by", group_folder_planted_by_an_outsider_is_passed_by),
    ("group_folder_that_everybody_can_write_is_passed_by", group_folder_that_everybody_can_write_is_passed_by),
];

fn launch(copied: &Copied, folder: Option<&Path>, uid: u32, groups: &[u32]) -> Peer {
    let mut command = copied.command("actor", folder);
    Peer::launch(as_user(&mut command, uid, uid, groups.to_vec()))
}

#[track_caller]
fn start(copied: &Copied, folder: Option<&Path>, uid: u32, groups: &[u32]) -> Peer {
    let mut peer = launch(copied, folder, uid, groups);
    assert_eq!(peer.answer("its start"), "ready");
    assert_eq!(peer.ask("attach"), "attached");
    peer
}

fn mode_of(path: &str) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}")).mode() & 0o7777
}

/// The only companion file in `folder`.
#[track_caller]
fn companion(folder: &str) -> Option<String> {
    let mut names = files_in(Path::new(folder));
    names.retain(|name| name.starts_with(".locks-"));
    assert!(names.len() <= 1, "{names:?}");
    names.pop().map(|name| format!("{folder}/{name}"))
}

fn two_users_of_a_group_share_its_segment() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut nobody = start(&copied, None, NOBODY, &[GROUP_ID]);
        let mut root = start(&copied, None, 0, &[GROUP_ID]);
        for block in ["group", "group-readable"] {
            assert_eq!(
                (nobody.ask(block), root.ask(block), nobody.ask(block)),
                ("1 1".into(), "2 2".into(), "3 3".into())
            );
        }
        assert_eq!((nobody.ask("readable"), root.ask("readable")), ("1 1".into(), "1 1".into()), "one for each user");
        let folder = "/dev/shm/cotenant-group-4242";
        let stat = fs::metadata(folder).expect("the group's folder");
        assert_eq!((stat.gid(), stat.mode() & 0o7777), (GROUP_ID, 0o2775));
        let segment = fs::metadata(format!("{folder}/environment.group")).expect("the group's segment");
        assert_eq!((segment.gid(), segment.mode() & 0o7777), (GROUP_ID, 0o660));
    });
}

fn two_users_of_a_group_agree_on_its_folder() {
    let copied = Copied::new();
    for round in 0..20 {
        in_mount_namespace(|| {
            mount_tmpfs("/dev/shm", "mode=1777");
            let users = [0, NOBODY, 4711, 4712, 0, NOBODY, 4711, 4712];
            let mut peers: Vec<_> = users.map(|uid| launch(&copied, None, uid, &[GROUP_ID])).into();
            peers.iter().for_each(|peer| assert_eq!(peer.answer("its start"), "ready"));
            peers.iter_mut().for_each(|peer| peer.tell("attach"));
            peers.iter_mut().for_each(|peer| assert_eq!(peer.answer("attach"), "attached"));
            peers.iter_mut().for_each(|peer| drop(peer.ask("group")));
            let there = files_in(Path::new("/dev/shm"));
            assert_eq!(peers[0].ask("group"), "9 9", "round {round}: {there:?}");
        });
    }
}

fn two_users_of_a_group_share_in_a_given_folder() {
    let copied = Copied::new();
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
    set_owner(folder.path(), 0, GROUP_ID);
    set_mode(folder.path(), 0o2770);
    let mut root = start(&copied, Some(folder.path()), 0, &[GROUP_ID]);
    let mut nobody = start(&copied, Some(folder.path()), NOBODY, &[GROUP_ID]);
    assert_eq!((root.ask("group"), nobody.ask("group")), ("1 1".into(), "2 2".into()));
    // Their own blocks cannot lie where others can write: each user has a folder there.
    assert_eq!((root.ask("add"), nobody.ask("add")), ("1".into(), "1".into()));
    let there = files_in(folder.path());
    for (name, uid) in [("cotenant-0", 0), ("cotenant-65534", NOBODY)] {
        assert!(there.contains(&name.to_owned()), "{there:?}");
        let own = fs::metadata(folder.path().join(name)).expect("a folder");
        assert_eq!((own.uid(), own.mode() & 0o7777), (uid, 0o700));
    }
    assert!(there.contains(&"environment.group".to_owned()), "{there:?}");
}

fn user_outside_the_group_is_refused() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let _member = start(&copied, None, NOBODY, &[GROUP_ID]);
        let mut outsider = launch(&copied, None, 4711, &[]);
        assert_eq!(outsider.answer("its start"), "ready");
        let answer = outsider.ask("attach");
        assert!(answer.contains("environment.group") && answer.contains("Permission denied"), "{answer}");
        assert_eq!(outsider.ask("state environment.group"), "Waiting");
    });
}

fn readable_segment_keeps_its_locks_in_a_closed_file() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut nobody = start(&copied, None, NOBODY, &[GROUP_ID]);
        nobody.ask("readable");
        let readable = "/dev/shm/cotenant-readable-65534";
        assert_eq!(mode_of(readable), 0o755);
        assert_eq!(mode_of(&format!("{readable}/environment.readable")), 0o644);
        assert_eq!(mode_of(&companion(readable).expect("a companion")), 0o600);
        let group = "/dev/shm/cotenant-group-4242";
        assert_eq!(mode_of(&format!("{group}/environment.group-readable")), 0o664);
        let companion = companion(group).expect("a companion");
        assert_eq!((mode_of(&companion), fs::metadata(&companion).expect("it").gid()), (0o660, GROUP_ID));
    });
}

fn companion_goes_with_its_segment() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let readable = "/dev/shm/cotenant-readable-65534";
        let mut before = None;
        for _ in 0..5 {
            let mut peer = start(&copied, None, NOBODY, &[GROUP_ID]);
            assert_eq!(peer.ask("readable"), "1 1", "afresh");
            let now = companion(readable);
            assert!(now.is_some() && now != before, "{now:?}, before {before:?}");
            before = now;
            peer.kill();
        }
    });
}

/// A stranger who may only read holds the life byte: the values live on, which is all that it can do.
fn reader_keeps_the_values_and_nobody_out() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut owner = start(&copied, None, 4711, &[GROUP_ID]);
        assert_eq!(owner.ask("readable"), "1 1");
        owner.kill();
        let mut stranger = launch(&copied, None, NOBODY, &[]);
        assert_eq!(stranger.answer("its start"), "ready");
        let hold = "hold-life /dev/shm/cotenant-readable-4711/environment.readable";
        assert_eq!(stranger.ask(hold), "held");
        let mut owner = start(&copied, None, 4711, &[GROUP_ID]);
        assert_eq!(owner.ask("readable"), "2 2", "as if the stranger were attached");
        stranger.kill();
        owner.kill();
        let mut alone = start(&copied, None, 4711, &[GROUP_ID]);
        assert_eq!(alone.ask("readable"), "1 1", "afresh");
    });
}

fn group_folder_planted_by_an_outsider_is_passed_by() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        fs::create_dir("/dev/shm/cotenant-group-4242").expect("a folder");
        set_owner(Path::new("/dev/shm/cotenant-group-4242"), 4711, 4711);
        let mut nobody = start(&copied, None, NOBODY, &[GROUP_ID]);
        let mut root = start(&copied, None, 0, &[GROUP_ID]);
        assert_eq!((nobody.ask("group"), root.ask("group")), ("1 1".into(), "2 2".into()));
    });
}

fn group_folder_that_everybody_can_write_is_passed_by() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let folder = "/dev/shm/cotenant-group-4242";
        fs::create_dir(folder).expect("a folder");
        set_owner(Path::new(folder), NOBODY, GROUP_ID);
        set_mode(Path::new(folder), 0o2777);
        let mut member = start(&copied, None, 4711, &[GROUP_ID]);
        assert_eq!(member.ask("group"), "1 1");
        assert!(files_in(Path::new(folder)).is_empty());
    });
}
