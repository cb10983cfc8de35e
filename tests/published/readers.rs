//! Readers that map the segment read-only, of this user and of another one without write permission.

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("reader_sees_every_publish_through_a_read_only_mapping", reader_sees_every_publish_through_a_read_only_mapping),
    ("reader_looks_for_what_is_newer", reader_looks_for_what_is_newer),
    ("reader_finds_nothing_where_nothing_is_published", reader_finds_nothing_where_nothing_is_published),
];

pub(crate) const ROOT_TESTS: &[Named] = &[("user_without_write_permission_reads", user_without_write_permission_reads)];

fn reader_sees_every_publish_through_a_read_only_mapping() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("actor"), sandbox.start("actor"));
    sees_every_publish(&mut writer, &mut reader);
    // The values stay as long as one reads them.
    writer.kill();
    assert_eq!(reader.ask("read"), "12 of 12");
}

fn sees_every_publish(writer: &mut Peer, reader: &mut Peer) {
    assert_eq!(writer.ask("named 1"), "1");
    assert_eq!(reader.ask("read"), "1 of 1");
    assert_eq!(reader.ask("permissions"), "r--s", "nothing of it can be written");
    for number in 2..=12 {
        assert_eq!(writer.ask(&format!("named {number}")), number.to_string());
        assert_eq!(reader.ask("read"), format!("{number} of {number}"));
    }
    assert_eq!(reader.ask("read-history"), "12 11 10 9 8 7 6 5");
    for (sequence, number) in [0, 1, 99_999, 7].into_iter().enumerate() {
        writer.ask(&format!("bytes {number}"));
        assert_eq!(reader.ask("read-bytes"), format!("{number} of {}", sequence + 1));
    }
}

fn reader_looks_for_what_is_newer() {
    let sandbox = Sandbox::new();
    let (mut writer, mut reader) = (sandbox.start("actor"), sandbox.start("actor"));
    writer.ask("named 1");
    reader.ask("read");
    for number in 2..=5 {
        reader.tell(&format!("read-newer {}", number - 1));
        reader.expect_silence(std::time::Duration::from_millis(30), "nothing newer was published");
        writer.ask(&format!("named {number}"));
        assert_eq!(reader.answer("read-newer"), format!("{number} of {number}"));
    }
}

fn reader_finds_nothing_where_nothing_is_published() {
    let sandbox = Sandbox::new();
    let mut reader = sandbox.start("actor");
    assert!(reader.ask("read").starts_with("NotFound: "));
}

fn user_without_write_permission_reads() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let mut writer = Peer::start(&mut copied.command("actor", None));
        let mut command = copied.command("actor", None);
        command.env("OWNER", "0");
        let mut reader = Peer::start(as_user(&mut command, NOBODY, NOBODY, Vec::new()));
        sees_every_publish(&mut writer, &mut reader);
    });
}
