//! Looking from outside into another mount and PID namespace, as from a host into a container.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::actor::Actor;
use crate::not_tried::skip;
use crate::place::{Place, WATCHDOG, parse, row_of, run};

/// An actor whose /dev/shm and process ids are its own, as in a container; `None` where that cannot be made.
fn contained() -> Option<(Actor, u32)> {
    let unshare = |then: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc", "--"]).args(then);
        command
    };
    let can = unshare(&["true"]).output();
    if !can.as_ref().is_ok_and(|it| it.status.success()) {
        skip(&format!("namespaces cannot be made here: {can:?}"));
        return None;
    }
    let script = "mount -t tmpfs tmpfs /dev/shm && exec \"$0\" \"$@\"";
    let mut command = unshare(&["sh", "-c", script]);
    command.arg(std::env::current_exe().expect("our own program"));
    let mut actor = Actor::start_at_home(command);
    actor.act("make posix test.contained").act("count 42").act("lock");
    // Of unshare, the child that is the first in its namespace.
    let deadline = Instant::now() + WATCHDOG;
    let children = format!("/proc/{0}/task/{0}/children", actor.pid());
    loop {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        if let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
            return Some((actor, pid));
        }
        if !Path::new(&children).exists() {
            skip("the kernel does not list children");
            return None;
        }
        assert!(Instant::now() < deadline, "watchdog: it has no child");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn segment_of_another_namespace_is_seen_with_our_process_ids() {
    let place = Place::new();
    let Some((actor, inside)) = contained() else { return };
    let (pid, root) = (inside.to_string(), format!("/proc/{inside}/root"));
    for from in [["--pid", pid.as_str()], ["--root", root.as_str()]] {
        let command = |arguments: &[&str]| {
            let mut command = place.command(arguments);
            command.args(from).env_remove("COTENANT_DIR");
            command
        };
        let ran = run(command(&["ls", "--json"]));
        assert_eq!(ran.status, Some(0), "{from:?}: {ran:#?}");
        let document = parse(&ran.out);
        let row = row_of(&document, "test.contained").unwrap_or_else(|| panic!("{from:?}: {document:#}"));
        assert!(row["folder"].as_str().is_some_and(|it| it.starts_with("/dev/shm/cotenant-")), "{row:#}");
        let member = &row["participants"][0];
        assert_eq!((&member["pid"], &member["pid_there"]), (&inside.into(), &1.into()), "{row:#}");
        let ran = run(command(&["show", "test.contained", "--json"]));
        let document = parse(&ran.out);
        let objects = document["objects"].as_array().expect("a list");
        let find = |name: &str| objects.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{document:#}"));
        assert_eq!(find("done")["value"], "42", "{document:#}");
        let lock = &find("limits")["locks"][0];
        assert_eq!((&lock["owner"]["pid"], &lock["owner"]["pid_there"]), (&inside.into(), &1.into()), "{document:#}");
        let doctor = run(command(&["doctor", "--json"]));
        assert!(parse(&doctor.out)["checks"].as_array().is_some_and(|it| !it.is_empty()), "{doctor:#?}");
    }
    // Without looking there it is not ours to list.
    assert!(row_of(&place.json(&["ls"]), "test.contained").is_none());
    drop(actor);
}

#[test]
fn links_of_a_container_lead_nowhere_else() {
    let place = Place::new();
    let outside = Place::new();
    let mut actor = Actor::start(&outside);
    actor.act("make posix test.outside");
    // The container's /dev/shm is a link that would lead to a folder of ours.
    std::fs::create_dir(place.file("dev")).expect("a folder");
    let uid = rustix::process::geteuid().as_raw();
    std::os::unix::fs::symlink(outside.folder().parent().expect("a parent"), place.file("dev/shm")).expect("a link");
    let _ = uid;
    let mut command = place.command(&["ls", "--json", "--root"]);
    command.arg(place.folder()).env_remove("COTENANT_DIR");
    let ran = run(command);
    assert_eq!(ran.status, Some(0), "{ran:#?}");
    assert_eq!(parse(&ran.out)["segments"].as_array().map(Vec::len), Some(0), "{ran:#?}");
}

#[test]
fn process_that_is_not_there_is_one_line() {
    let place = Place::new();
    let ran = place.run(&["ls", "--pid", "4194304"]);
    assert_eq!((ran.status, ran.err.lines().count()), (Some(1), 1), "{ran:#?}");
    let ran = place.run(&["ls", "--root", "/nowhere"]);
    assert_eq!((ran.status, ran.err.lines().count()), (Some(1), 1), "{ran:#?}");
}
