//! `cotenant inspect --process`: which images of a process are attached to what.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::actor::Actor;
use crate::place::{Place, WATCHDOG};

/// The demo, which has variables of its own, attached by call.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn look(place: &Place, pid: u32) -> Value {
    place.json(&["inspect", "--process", &pid.to_string()])
}

#[test]
fn image_and_segment_of_a_running_process_are_named() {
    let place = Place::new();
    let mut command: Command = place.command(&["demo", "counter", "--instances", "1", "--ticks", "100000"]);
    let demo = Demo(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    let pid = demo.0.id();
    let deadline = std::time::Instant::now() + WATCHDOG;
    let document = loop {
        let document = look(&place, pid);
        if document["images"][0]["blocks"][0]["attached_to"].is_string() {
            break document;
        }
        assert!(std::time::Instant::now() < deadline, "watchdog: {document:#}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let image = &document["images"][0];
    assert_eq!((&document["schema"], &document["pid"]), (&1.into(), &pid.into()), "{document:#}");
    assert_eq!(image["path"], env!("CARGO_BIN_EXE_cotenant"), "{document:#}");
    let block = &image["blocks"][0];
    let path = block["attached_to"].as_str().expect("attached");
    assert!(path.starts_with(&place.folder().display().to_string()) && path.contains("image-"), "{document:#}");
    assert!(block["as"].as_str().is_some_and(|role| role.starts_with("slot ")), "{document:#}");
    let from_elsewhere = look(&Place::new(), pid);
    assert_eq!(from_elsewhere["images"][0]["blocks"][0]["attached_to"], path, "by its COTENANT_DIR, not by ours");
    let names = block["variables"].to_string();
    assert!(names.contains("GUARDED") && names.contains("ATOMIC"), "{document:#}");
    let text = place.run(&["inspect", "--process", &pid.to_string()]);
    assert!(text.out.contains("attached to /") && text.out.contains("GUARDED: Mutex<Tally>"), "{text:#?}");
}

#[test]
fn process_that_only_has_segments_of_objects_says_so() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs");
    let document = look(&place, actor.pid());
    let segments = document["segments"].as_array().expect("a list");
    let path = place.file("acme.jobs").display().to_string();
    let found = segments.iter().find(|it| it["path"] == path.as_str()).expect("it is attached");
    assert_eq!((&found["used_for"], &found["as"]), (&"objects".into(), &"slot 1".into()), "{document:#}");
}

#[test]
fn program_whose_name_is_no_text_is_looked_into() {
    let place = Place::new();
    // Not where segments lie: nothing may be run from there, on some machines.
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join(OsStr::from_bytes(b"\xff"));
    // By another process: one that we have written, and that a thread forks meanwhile, could not be run.
    assert!(Command::new("cp").arg("/bin/sleep").arg(&program).status().is_ok_and(|status| status.success()));
    let sleeper = Demo(Command::new(&program).arg("100").spawn().expect("it starts"));
    let document = look(&place, sleeper.0.id());
    assert_eq!(document["images"].as_array().map(Vec::len), Some(0), "{document:#}");
}

#[test]
fn process_that_is_not_there_is_one_line() {
    let place = Place::new();
    let ran = place.run(&["inspect", "--process", "4194304"]);
    assert!(ran.status == Some(1) && ran.err.contains("cannot look into process 4194304"), "{ran:#?}");
    let both = place.run(&["inspect", "--process", "1", "/bin/ls"]);
    assert_eq!(both.status, Some(2), "{both:#?}");
}
