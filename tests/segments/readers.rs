//! Readers: another user's look at a segment, without a slot and without a store; and hostile ones.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::holder::options;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, set_mode};
use crate::support::sandbox::{Sandbox, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("reader_sees_values_and_holds_no_slot", reader_sees_values_and_holds_no_slot),
    ("programs_that_a_user_starts_inherit_nothing", programs_that_a_user_starts_inherit_nothing),
    ("reader_keeps_the_values_of_the_dead", reader_keeps_the_values_of_the_dead),
    ("reader_finds_nothing_of_the_dead", reader_finds_nothing_of_the_dead),
    ("reader_sees_what_was_made_after_it_came", reader_sees_what_was_made_after_it_came),
    ("cut_off_segment_is_an_error_for_a_reader", cut_off_segment_is_an_error_for_a_reader),
    ("reader_of_a_file_needs_nobody_attached", reader_of_a_file_needs_nobody_attached),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("user_without_write_permission_reads", user_without_write_permission_reads),
    ("user_without_read_permission_is_refused", user_without_read_permission_is_refused),
    ("segment_planted_by_another_user_is_not_read", segment_planted_by_another_user_is_not_read),
    ("readers_locks_over_every_byte_keep_nobody_out", readers_locks_over_every_byte_keep_nobody_out),
    ("member_of_a_group_reads_its_segment", member_of_a_group_reads_its_segment),
];

const READABLE: &str = "/dev/shm/cotenant-readable-0";

/// A process of `uid` without any of our words.
fn start(copied: &Copied, uid: u32, groups: &[u32]) -> Peer {
    Peer::start(as_user(&mut copied.command("holder", None), uid, uid, groups.to_vec()))
}

fn reader_sees_values_and_holds_no_slot() {
    let sandbox = Sandbox::new();
    for mode in ["mode=600", "mode=644"] {
        let (mut writer, mut reader) = (sandbox.start("holder"), sandbox.start("holder"));
        writer.ask(&format!("create it {mode}"));
        assert_eq!((writer.ask("add n"), reader.ask("read it")), ("1".into(), "reading".into()));
        assert_eq!(reader.ask("look n"), "1");
        writer.ask("add n");
        assert_eq!((reader.ask("look n"), reader.ask("look other")), ("2".into(), "none".into()));
        assert_eq!(writer.ask("participants"), "1");
    }
}

/// A descriptor of theirs would keep the segment alive, and be written to by accident.
fn programs_that_a_user_starts_inherit_nothing() {
    let sandbox = Sandbox::new();
    let options = || options(&["mode=644"]).folder(sandbox.path());
    let segment = options().create("it").expect("a segment");
    let reader = options().open_reader("it").expect("the segment");
    let memory = cotenant::Segment::options().backing(cotenant::Backing::Memfd).create("heirloom").expect("a memfd");
    let list = |folder: &str| {
        let listed = Command::new("ls").args(["-l", folder]).output().expect("ls").stdout;
        String::from_utf8_lossy(&listed).into_owned()
    };
    let folder = sandbox.path().to_str().expect("UTF-8");
    let own = list(&format!("/proc/{}/fd", std::process::id()));
    assert!(own.contains(folder) && own.contains("heirloom"), "{own}");
    let theirs = list("/proc/self/fd");
    assert!(!theirs.contains(folder) && !theirs.contains("heirloom"), "{theirs}");
    drop((segment, reader, memory));
}

fn reader_keeps_the_values_of_the_dead() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("holder"), sandbox.start("holder"));
    writer.ask("create it mode=644");
    writer.ask("add n");
    reader.ask("read it");
    writer.kill();
    let mut next = sandbox.start("holder");
    assert_eq!((next.ask("open-or-create it mode=644"), next.ask("add n")), ("opened".into(), "2".into()));
    assert_eq!(reader.ask("look n"), "2");
    next.ask("close");
    assert!(sandbox.files().contains(&"it".into()), "a reader is attached");
    reader.ask("close");
    assert_eq!(next.ask("open-or-create it mode=644"), "created");
}

fn reader_finds_nothing_of_the_dead() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("holder"), sandbox.start("holder"));
    assert!(reader.ask("read it").starts_with("NotFound: "));
    writer.ask("create it");
    writer.kill();
    assert!(reader.ask("read it").starts_with("NotFound: "));
    assert_eq!(sandbox.files(), ["it"], "a reader removes nothing");
}

fn reader_sees_what_was_made_after_it_came() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("holder"), sandbox.start("holder"));
    writer.ask("create it max=67108864");
    reader.ask("read it");
    let made = writer.ask("fill part");
    assert!(made.contains("NoSpace"), "{made}");
    writer.ask("close");
    writer.ask("open it");
    assert_eq!(reader.ask("look part-0").split(':').next(), Some("Mismatch"));
}

fn cut_off_segment_is_an_error_for_a_reader() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("holder"), sandbox.start("holder"));
    writer.ask("create it");
    reader.ask("read it");
    writer.ask("add n");
    // Its header and tables stay, so that nothing but the value is behind the end.
    let file = fs::OpenOptions::new().write(true).open(sandbox.path().join("it")).expect("the segment");
    let bytes = file.metadata().expect("its size").len();
    file.set_len(bytes - 4096).expect("cutting it off");
    assert!(reader.ask("look n").starts_with("Corrupt: "));
}

fn reader_of_a_file_needs_nobody_attached() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("holder"), sandbox.start("holder"));
    let path = sandbox.path().join("kept");
    writer.ask(&format!("create {} file", path.display()));
    writer.ask("add n");
    writer.ask("close");
    assert_eq!(reader.ask(&format!("read {} file", path.display())), "reading");
    assert_eq!(reader.ask("look n"), "1");
}

fn user_without_write_permission_reads() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let (mut root, mut nobody) = (start(&copied, 0, &[]), start(&copied, NOBODY, &[]));
        assert!(nobody.ask("read it user=0").starts_with("NotFound: "));
        assert_eq!(root.ask("create it mode=644"), "created");
        assert_eq!(root.ask("add n"), "1");
        assert!(nobody.ask("read it").starts_with("NotFound: "), "one of its own");
        assert_eq!(nobody.ask("read it user=0"), "reading");
        assert_eq!(nobody.ask("look n"), "1");
        root.ask("close");
        assert_eq!(nobody.ask("look n"), "1", "it stays as long as it is read");
        assert_eq!(root.ask("open it mode=644"), "opened");
    });
}

fn user_without_read_permission_is_refused() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let (mut root, mut nobody) = (start(&copied, 0, &[]), start(&copied, NOBODY, &[]));
        assert_eq!(root.ask("create private"), "created");
        assert!(nobody.ask("read private user=0").starts_with("NotFound: "));
        assert_eq!(root.ask("create it mode=644"), "created");
        set_mode(std::path::Path::new(&format!("{READABLE}/it")), 0o600);
        let answer = nobody.ask("read it user=0");
        assert!(answer.starts_with("PermissionDenied: ") && answer.contains("0o644"), "{answer}");
    });
}

fn segment_planted_by_another_user_is_not_read() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut planter = start(&copied, 4711, &[]);
        planter.ask("create it mode=644");
        fs::rename("/dev/shm/cotenant-readable-4711", READABLE).expect("planting");
        let mut nobody = start(&copied, NOBODY, &[]);
        assert!(nobody.ask("read it user=0").starts_with("NotFound: "));
    });
}

fn readers_locks_over_every_byte_keep_nobody_out() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut first = start(&copied, 0, &[]);
        assert_eq!(first.ask("create it mode=644"), "created");
        let mut hostile = start(&copied, NOBODY, &[]);
        assert_eq!(hostile.ask(&format!("hold-every-byte {READABLE}/it")), "held");
        for name in files_in(std::path::Path::new(READABLE)).iter().filter(|name| name.starts_with(".locks-")) {
            let answer = hostile.ask(&format!("hold-every-byte {READABLE}/{name}"));
            assert!(answer.contains("Permission denied"), "{answer}");
        }
        // Slots, locks, growth and deaths.
        let mut dies = start(&copied, 0, &[]);
        assert_eq!(dies.ask("open it mode=644"), "opened");
        assert_eq!((dies.ask("add n"), first.ask("add n")), ("1".into(), "2".into()));
        assert!(dies.ask("fill part").contains("NoSpace: "));
        assert_eq!((dies.ask("hold m"), first.ask("participants")), ("held".into(), "2".into()));
        first.tell("lock m");
        first.expect_silence(Duration::from_millis(50), "the owner lives");
        dies.kill();
        assert_eq!(first.answer("lock"), "1 repaired");
        assert_eq!(first.ask("participants"), "1");
        // The name can go, too.
        let mut remover = start(&copied, 0, &[]);
        assert_eq!(remover.ask("unlink it mode=644"), "unlinked");
        assert_eq!(remover.ask("create it mode=644"), "created");
        // What it can do: keep values that nobody else has.
        assert_eq!(hostile.ask(&format!("hold-every-byte {READABLE}/it")), "held");
        remover.kill();
        first.ask("close");
        assert_eq!(first.ask("open-or-create it mode=644"), "opened");
    });
}

fn member_of_a_group_reads_its_segment() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut writer = start(&copied, NOBODY, &[4242]);
        assert_eq!(writer.ask("create it mode=660 group=4242"), "created");
        writer.ask("add n");
        let (mut member, mut outsider) = (start(&copied, 4711, &[4242]), start(&copied, 4712, &[]));
        assert_eq!((member.ask("read it mode=660 group=4242"), member.ask("look n")), ("reading".into(), "1".into()));
        assert!(outsider.ask("read it mode=660 group=4242").starts_with("PermissionDenied: "));
    });
}
