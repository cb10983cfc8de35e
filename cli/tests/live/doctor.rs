//! `cotenant doctor`: every check is there, and what is wrong is found.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::actor::Actor;
use crate::place::{Place, parse, run};

fn check(place: &Place, name: &str) -> Value {
    let ran = place.run(&["doctor", "--json"]);
    find(&parse(&ran.out), name)
}

fn find(document: &Value, name: &str) -> Value {
    let checks = document["checks"].as_array().expect("a list");
    checks.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no {name} in {document:#}")).clone()
}

#[test]
fn every_check_is_made_and_whatever_is_not_fine_has_a_cure() {
    let place = Place::new();
    let ran = place.run(&["doctor", "--json"]);
    let document = parse(&ran.out);
    assert_eq!(document["schema"], 1);
    for name in [
        "folder",
        "room",
        "memory",
        "dead-segments",
        "damaged",
        "unlinked",
        "remove-ipc",
        "protected-regular",
        "ptrace",
        "proc",
        "huge-pages",
        "file-size",
        "memlock",
        "core-dumps",
        "sysv",
        "cgroup",
        "unnamed-files",
        "description-locks",
        "reserve",
        "wipe-on-fork",
        "futex-wake-op",
        "robust-list",
        "memfd-seals",
        "populate-write",
        "pid-descriptors",
    ] {
        find(&document, name);
    }
    let checks = document["checks"].as_array().expect("a list");
    let is_wrong = |it: &&Value| it["status"] == "warning" || it["status"] == "problem";
    assert!(checks.iter().filter(is_wrong).all(|it| it["cure"].is_string()), "{document:#}");
    assert_eq!(ran.status, Some(if checks.iter().any(|it| is_wrong(&it)) { 1 } else { 0 }));
    assert!(std::fs::read_dir(place.folder()).expect("a folder").next().is_none(), "trying leaves nothing behind");
    let quiet = place.run(&["doctor", "--quiet"]);
    assert!(!quiet.out.contains("     ok  "), "{quiet:#?}");
}

#[test]
fn folder_that_others_can_write_is_a_problem() {
    let place = Place::new();
    std::fs::set_permissions(place.folder(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
    let said = check(&place, "folder");
    assert_eq!(said["status"], "problem");
    assert!(said["cure"].as_str().is_some_and(|it| it.contains("chmod")), "{said:#}");
    std::fs::set_permissions(place.folder(), std::fs::Permissions::from_mode(0o1777)).expect("a mode");
    let said = check(&place, "folder");
    assert!(said["cure"].as_str().is_some_and(|it| !it.contains("chmod")), "it may be /tmp: {said:#}");
    std::fs::set_permissions(place.folder(), std::fs::Permissions::from_mode(0o700)).expect("a mode");
    assert_eq!(check(&place, "folder")["status"], "ok");
}

#[test]
fn unlinked_segment_in_use_is_a_problem_and_small_file_limits_are() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs");
    std::fs::remove_file(place.file("acme.jobs")).expect("it can be removed");
    let unlinked = check(&place, "unlinked");
    assert!(unlinked["found"].as_str().is_some_and(|it| it.contains(&actor.pid().to_string())), "{unlinked:#}");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -f 100; exec {} doctor --json", env!("CARGO_BIN_EXE_cotenant")));
    let document = parse(&run(shell).out);
    assert_eq!(find(&document, "file-size")["status"], "problem", "{document:#}");
}

#[test]
fn command_that_nobody_reads_ends_without_a_word() {
    let place = Place::new();
    for arguments in ["ls --all", "doctor", "--help"] {
        let mut shell = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_cotenant");
        shell.arg("-c").arg(format!("{program} {arguments} | true")).env("COTENANT_DIR", place.folder());
        let ran = run(shell);
        assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{arguments}");
    }
}
