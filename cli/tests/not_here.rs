//! What looks into segments in use is for Linux; elsewhere each such command says so in one line.

#![cfg(windows)]

use std::process::Command;

#[test]
fn commands_for_linux_say_that_they_are() {
    for arguments in [
        ["ls", "--json"],
        ["show", "x"],
        ["doctor", "--quiet"],
        ["prune", "-n"],
        ["rm", "x"],
        ["reset", "x"],
        ["get", "x"],
        ["metrics", "x"],
        ["set", "x"],
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_cotenant")).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!((ran.status.code(), said.lines().count(), ran.stdout.len()), (Some(1), 1, 0), "{said}");
        assert!(said.contains(&format!("`cotenant {}`", arguments[0])) && said.contains("Linux"), "{said}");
    }
}
