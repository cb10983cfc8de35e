//! Who may open a segment: modes, groups, folders, names that a block has.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, set_mode, set_owner};
use crate::support::sandbox::{Sandbox, files_in};

cotenant::shared! {
    #![shared(name = "segments.block", attach = by_call)]
    static BLOCK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
}

pub(crate) const TESTS: &[Named] = &[
    ("mode_is_as_asked_whatever_the_umask", mode_is_as_asked_whatever_the_umask),
    ("segment_that_others_can_write_is_refused", segment_that_others_can_write_is_refused),
    ("foreign_file_is_refused_and_left_alone", foreign_file_is_refused_and_left_alone),
    ("folder_that_is_named_is_used", folder_that_is_named_is_used),
    ("folder_that_others_can_write_is_refused", folder_that_others_can_write_is_refused),
    ("name_of_a_block_is_a_mismatch", name_of_a_block_is_a_mismatch),
    ("group_that_does_not_exist_is_told", group_that_does_not_exist_is_told),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("users_of_a_group_share_a_segment", users_of_a_group_share_a_segment),
    ("user_outside_the_group_is_refused", user_outside_the_group_is_refused),
    ("segments_of_two_users_are_two", segments_of_two_users_are_two),
    ("child_that_dropped_its_privileges_is_told", child_that_dropped_its_privileges_is_told),
    ("groups_given_folder_serves_both_kinds", groups_given_folder_serves_both_kinds),
];

/// The other side of `name_of_a_block_is_a_mismatch`: attaches the block.
pub(crate) fn play_block() {
    crate::support::serve::stdin(|_| match cotenant::attach() {
        Ok(()) => BLOCK.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string(),
        Err(error) => crate::actor::said(&error),
    });
}

fn start(copied: &Copied, uid: u32, groups: &[u32]) -> Peer {
    Peer::start(as_user(&mut copied.command("holder", None), uid, uid, groups.to_vec()))
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").mode() & 0o7777
}

fn mode_is_as_asked_whatever_the_umask() {
    let sandbox = Sandbox::new();
    for (mode, expected) in [("600", 0o600), ("640", 0o640), ("644", 0o644), ("660", 0o660), ("664", 0o664)] {
        let mut command = sandbox.command("holder");
        let set = || {
            // SAFETY: no pointer.
            unsafe { libc::umask(0o777) };
            Ok(())
        };
        // SAFETY: one system call.
        unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, set) };
        let mut peer = Peer::start(&mut command);
        assert_eq!(peer.ask(&format!("create it mode={mode}")), "created");
        assert_eq!(mode_of(&sandbox.path().join("it")), expected);
        peer.ask("close");
    }
    assert_eq!(sandbox.files(), [""; 0]);
}

fn segment_that_others_can_write_is_refused() {
    let sandbox = Sandbox::new();
    let (mut one, mut two) = (sandbox.start("holder"), sandbox.start("holder"));
    one.ask("create it");
    set_mode(&sandbox.path().join("it"), 0o660);
    let answer = two.ask("open it");
    assert!(answer.starts_with("Foreign: ") && answer.contains("mode 660"), "{answer}");
    assert_eq!(two.ask("open it mode=660"), "opened");
}

fn foreign_file_is_refused_and_left_alone() {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("it");
    fs::write(&path, "precious").expect("a file");
    let mut peer = sandbox.start("holder");
    for verb in ["create", "open", "open-or-create", "unlink", "read"] {
        let answer = peer.ask(&format!("{verb} it"));
        assert!(answer.starts_with("Foreign: "), "{verb}: {answer}");
    }
    assert_eq!(peer.ask("prune"), "0");
    assert_eq!(fs::read(&path).expect("the file"), b"precious");
    fs::remove_file(&path).expect("removing");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    assert!(peer.ask("open-or-create it").starts_with("Foreign: "));
}

fn folder_that_is_named_is_used() {
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let mut peer = sandbox.start("holder");
    let folder = other.path().display();
    assert_eq!(peer.ask(&format!("create it folder={folder}")), "created");
    assert_eq!((sandbox.files().len(), other.files().len()), (0, 1));
    let missing = format!("{folder}/new");
    assert_eq!(peer.ask(&format!("create it folder={missing}")), "created");
    assert_eq!(mode_of(Path::new(&missing)), 0o700);
}

fn folder_that_others_can_write_is_refused() {
    let sandbox = Sandbox::new();
    set_mode(sandbox.path(), 0o777);
    let mut peer = Peer::start(&mut crate::support::sandbox::command("holder", None));
    let answer = peer.ask(&format!("create it folder={}", sandbox.path().display()));
    assert!(answer.starts_with("Foreign: ") && answer.contains("the option `folder`"), "{answer}");
    let answer = peer.ask(&format!("create {}/it file", sandbox.path().display()));
    assert!(answer.starts_with("Foreign: ") && answer.contains("mode 777"), "{answer}");
    assert_eq!(sandbox.files(), [""; 0]);
}

fn name_of_a_block_is_a_mismatch() {
    let sandbox = Sandbox::new();
    let (mut segment, mut block) = (sandbox.start("holder"), sandbox.start("block"));
    assert_eq!(block.ask("attach"), "0");
    for verb in ["open", "open-or-create", "read"] {
        let answer = segment.ask(&format!("{verb} segments.block"));
        assert!(answer.starts_with("Mismatch: ") && answer.contains("`shared!` block"), "{verb}: {answer}");
    }
    block.kill();
    assert_eq!(segment.ask("open-or-create segments.block"), "created");
    let answer = sandbox.start("block").ask("attach");
    assert!(answer.starts_with("Mismatch: ") && answer.contains("objects of a `Segment`"), "{answer}");
}

fn group_that_does_not_exist_is_told() {
    let sandbox = Sandbox::new();
    let answer = sandbox.start("holder").ask("create it mode=660 group=no-such-group");
    assert!(answer.starts_with("InvalidInput: ") && answer.contains("`no-such-group`"), "{answer}");
}

fn users_of_a_group_share_a_segment() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        for mode in ["660", "664"] {
            let (mut one, mut two) = (start(&copied, NOBODY, &[4242]), start(&copied, 4711, &[4242]));
            let options = format!("mode={mode} group=4242");
            assert_eq!(one.ask(&format!("create it {options}")), "created");
            assert_eq!(two.ask(&format!("open it {options}")), "opened");
            assert_eq!((one.ask("add n"), two.ask("add n")), ("1".into(), "2".into()));
            assert_eq!((one.ask("hold m"), two.ask("participants")), ("held".into(), "2".into()));
            one.kill();
            assert_eq!(two.ask("lock m"), "1 repaired");
            // Another user's name can be removed by a member, because the folder is the group's.
            two.ask("close");
            assert_eq!(files_in(Path::new("/dev/shm/cotenant-group-4242")), [""; 0], "{mode}");
        }
    });
}

fn user_outside_the_group_is_refused() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let (mut member, mut outsider) = (start(&copied, NOBODY, &[4242]), start(&copied, 4711, &[]));
        assert_eq!(member.ask("create it mode=660 group=4242"), "created");
        let answer = outsider.ask("open it mode=660 group=4242");
        assert!(answer.starts_with("PermissionDenied: "), "{answer}");
    });
}

fn segments_of_two_users_are_two() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let (mut root, mut nobody) = (start(&copied, 0, &[]), start(&copied, NOBODY, &[]));
        assert_eq!((root.ask("create it"), nobody.ask("create it")), ("created".into(), "created".into()));
        assert_eq!((root.ask("add n"), nobody.ask("add n")), ("1".into(), "1".into()));
    });
}

fn child_that_dropped_its_privileges_is_told() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut peer = start(&copied, 0, &[]);
        assert_eq!((peer.ask("create it"), peer.ask("add n")), ("created".into(), "1".into()));
        assert_eq!(peer.ask("become 65534"), "changed");
        assert_eq!(peer.ask("add n"), "2", "what is there is there");
        let answer = peer.ask("fill part");
        assert!(answer.contains("PermissionDenied: ") && answer.contains("drops privileges"), "{answer}");
    });
}

/// COTENANT_DIR of a group (mode 2770): its segments, and those of each member.
fn groups_given_folder_serves_both_kinds() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    set_owner(sandbox.path(), 0, 4242);
    set_mode(sandbox.path(), 0o2770);
    let start = |uid: u32| {
        let mut command = copied.command("holder", Some(sandbox.path()));
        Peer::start(as_user(&mut command, uid, uid, vec![4242]))
    };
    let (mut one, mut two) = (start(NOBODY), start(4711));
    assert_eq!(one.ask("create common mode=660 group=4242"), "created");
    assert_eq!(two.ask("open common mode=660 group=4242"), "opened");
    let (mut own, mut other) = (start(NOBODY), start(4711));
    assert_eq!((own.ask("create own"), other.ask("create own")), ("created".into(), "created".into()));
    assert_eq!(sandbox.files(), ["common", "cotenant-4711", "cotenant-65534"]);
}
