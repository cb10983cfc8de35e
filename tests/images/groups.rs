//! `group` by its name, as /etc/group has it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use crate::process::Tenant;
use crate::programs::{Program, skip};
use crate::support::root::{in_mount_namespace, is_root, mount, mount_tmpfs};
use crate::support::sandbox::without_our_words;

/// Gives `test` the way to start the program for the group `cotenant-test`, where /etc/group has these lines.
fn with_groups(lines: &str, test: impl FnOnce(&dyn Fn() -> Command) + Send) {
    if !is_root() {
        return skip("needs root (mount namespaces)");
    }
    let program = Program::new("grouped").build();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        fs::write("/dev/shm/group", lines).unwrap();
        mount("/dev/shm/group", "/etc/group", None, libc::MS_BIND, "");
        test(&|| {
            let mut command = Command::new(&program);
            without_our_words(&mut command);
            command
        });
    });
}

#[test]
fn group_is_found_by_its_name() {
    let lines = "root:x:0:\nmany:x:4341:cotenant-test\ncotenant-test-2:x:4342:\ncotenant-test:x:4343:root\n";
    with_groups(lines, |command| {
        let (mut one, mut two) = (Tenant::start(&mut command()), Tenant::start(&mut command()));
        assert_eq!((one.number("add COUNT"), two.number("add COUNT")), (1, 2));
        let folder = fs::metadata("/dev/shm/cotenant-group-4343").expect("the folder of the group");
        let segment = fs::metadata("/dev/shm/cotenant-group-4343/test.grouped").expect("its segment");
        assert_eq!((folder.gid(), folder.mode() & 0o7777), (4343, 0o2775));
        assert_eq!((segment.gid(), segment.mode() & 0o7777), (4343, 0o660));
    });
}

#[test]
fn group_that_does_not_exist_is_told_in_one_line() {
    for lines in ["", "root:x:0:\nmany:x:4341:cotenant-test\ncotenant-test-2:x:4342:\n", "cotenant-test:x:many:\n"] {
        with_groups(lines, |command| {
            let ended = Tenant::start(&mut command()).end();
            let line = ended.refused().strip_suffix('\n').expect("a whole line");
            assert!(line.starts_with("cotenant: cannot share the variables of `test.grouped`: "), "{line}");
            for part in ["the group `cotenant-test`", "does not exist", "create the group", "by its number"] {
                assert!(line.contains(part), "no {part:?} in {line:?}");
            }
            assert!(!line.contains('\n'), "{line}");
        });
    }
}
