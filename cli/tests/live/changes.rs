//! `cotenant watch`, `snapshot` and `diff`: what changes, as it does and afterwards.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::actor::Actor;
use crate::place::{Place, WATCHDOG, parse};

#[test]
fn changes_are_printed_as_they_come() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1").act("hosts");
    let arguments = ["watch", "acme.jobs", "done", "hosts[1]", "--json", "--interval", "5ms", "--changes", "3"];
    let mut watcher = place.command(&arguments).stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    let (sender, changes) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let next = || parse(&changes.recv_timeout(WATCHDOG).expect("watchdog: no line"));
    let first = [next(), next()];
    assert_eq!((&first[0]["object"], &first[0]["value"], first[0].get("before")), (&json!("done"), &json!(1), None));
    assert_eq!((&first[1]["path"], &first[1]["value"]["name"]), (&json!("[1]"), &json!("alpha")), "{first:#?}");
    actor.act("count 2");
    let change = next();
    assert_eq!((&change["schema"], &change["before"], &change["value"]), (&json!(1), &json!(1), &json!(2)));
    assert!(change["unix_ns"].as_u64() > Some(1 << 60), "{change:#}");
    // Of a part that is watched, the field that changed.
    place.run(&["set", "acme.jobs", "hosts[1].ports[0]", "81"]);
    let change = next();
    assert_eq!((&change["path"], &change["value"]), (&json!("[1].ports[0]"), &json!(81)), "{change:#}");
    // What is not watched is not told.
    place.run(&["set", "acme.jobs", "hosts[0].ports[0]", "81"]);
    place.run(&["set", "acme.jobs", "hosts[1].ports", "[1,2,3]"]);
    assert_eq!(next()["value"], json!([1, 2, 3]));
    assert!(watcher.wait().expect("it is our child").success(), "three changes are enough");
}

#[test]
fn watching_ends_with_the_last_process() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1");
    let watcher = place.command(&["watch", "acme.jobs", "--interval", "5ms"]).stdout(Stdio::piped()).spawn();
    let mut watcher = watcher.expect("it starts");
    let mut lines = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    assert!(lines.next().is_some_and(|line| line.is_ok_and(|line| line.ends_with("done: 1"))));
    actor.kill();
    assert!(watcher.wait().expect("it is our child").success());
    // And after a time, if it is told so.
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1");
    assert_eq!(place.run(&["watch", "acme.jobs", "--for", "20ms"]).status, Some(0));
}

#[test]
fn two_snapshots_tell_what_has_changed() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1").act("hosts");
    let mut short = Actor::start(&place);
    short.act("make posix acme.short").act("count 1");
    let (before, after) = (place.file(".before.json"), place.file(".after.json"));
    let (before, after) = (before.to_str().expect("UTF-8"), after.to_str().expect("UTF-8"));
    let ran = place.run(&["snapshot", before]);
    assert!(ran.status == Some(0) && ran.out.is_empty() && ran.err.contains(" segments in "), "{ran:#?}");
    let same = place.run(&["diff", before, before]);
    assert_eq!((same.status, same.out.as_str()), (Some(0), ""), "{same:#?}");
    short.kill();
    place.run(&["prune"]);
    let mut second = Actor::start(&place);
    second.act("make posix acme.jobs").act("lock").act("count 5");
    place.run(&["set", "acme.jobs", "hosts[1].name", "beta"]);
    place.run(&["snapshot", after]);
    let ran = place.run(&["diff", before, after]);
    assert_eq!(ran.status, Some(1), "{ran:#?}");
    let expected = [
        format!("{}\n", place.file("acme.jobs").display()),
        format!("  + {} ", second.pid()),
        "  done: 1 -> 5\n".to_owned(),
        "  hosts[1].name: \"alpha\" -> \"beta\"\n".to_owned(),
        "  + limits: {".to_owned(),
        format!("- {}\n", place.file("acme.short").display()),
    ];
    for line in expected {
        assert!(ran.out.contains(&line), "{line}: {ran:#?}");
    }
    let ran = place.run(&["diff", before, after, "--json"]);
    let document = parse(&ran.out);
    // Other tests' processes may be seen, too.
    let path = place.file("acme.jobs").display().to_string();
    let all = document["segments"].as_array().expect("a list");
    let changed = all.iter().find(|it| it["path"] == path.as_str()).expect("it differs");
    assert_eq!((&document["schema"], &changed["change"]), (&json!(1), &json!("changed")), "{document:#}");
    let values = changed["values"].as_array().expect("a list");
    let done = json!({ "object": "done", "path": "", "change": "value", "before": 1, "after": 5 });
    assert!(values.contains(&done), "{document:#}");
    // Up to now: of what the first one has.
    second.act("count 6");
    let ran = place.run(&["diff", after]);
    assert!(ran.status == Some(1) && ran.out.contains("  done: 5 -> 6\n"), "{ran:#?}");
}

#[test]
fn snapshot_has_events_and_owners_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("lock");
    let ran = place.run(&["snapshot", "-", "acme.jobs"]);
    let document: Value = parse(&ran.out);
    let segment = &document["segments"][0];
    assert_eq!(document["schema"], 1, "{document:#}");
    assert_eq!(segment["events"][0]["event"], "attached", "{segment:#}");
    let lock = &segment["objects"][0]["locks"][0];
    assert_eq!((&lock["state"], &lock["owner"]["pid"]), (&json!("held"), &actor.pid().into()), "{segment:#}");
    assert_eq!(segment["objects"][0]["value"]["burst"], 20, "{segment:#}");
    let file = place.file(".snapshot.json");
    place.run(&["snapshot", file.to_str().expect("UTF-8")]);
    assert_eq!(std::fs::metadata(file).expect("it is there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_no_snapshot_is_told_from_what_differs() {
    let place = Place::new();
    std::fs::write(place.file(".other"), "{\"schema\": 1}").expect("a file");
    std::fs::write(place.file(".later"), "{\"schema\": 9, \"segments\": []}").expect("a file");
    std::fs::write(place.file(".text"), "hello").expect("a file");
    for (name, says) in
        [(".other", "is no snapshot"), (".later", "version 9"), (".text", "is no snapshot"), (".no", "cannot read")]
    {
        let ran = place.run(&["diff", place.file(name).to_str().expect("UTF-8")]);
        assert!(ran.status == Some(2) && ran.err.contains(says), "{name}: {ran:#?}");
    }
}
