//! What another user is told: what may not be seen is said, and what may not be done is not advised.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::actor::Actor;
use crate::place::{Place, Ran, parse, row_of, run};

/// A user who is not the one of the tests.
const STRANGER: &str = "65534";

/// Runs the command as somebody else; `None` where that cannot be.
fn as_stranger(place: &Place, arguments: &[&str]) -> Option<Ran> {
    if !rustix::process::geteuid().is_root() {
        crate::not_tried::skip("only root can be two users");
        return None;
    }
    // A copy, where everybody may run it.
    let tools = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(tools.path(), PermissionsExt::from_mode(0o755)).expect("permitted");
    let copy = tools.path().join("cotenant");
    // By another process: a child of another test, forked while we write, would keep it open, and so from being run.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_cotenant")).arg(&copy).status();
    assert!(copied.is_ok_and(|it| it.success()), "a copy");
    let mut command = Command::new("setpriv");
    command.args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", "--"]).arg(&copy).args(arguments);
    command.env("COTENANT_DIR", place.folder()).env_remove("COTENANT_SCOPE");
    Some(run(command))
}

/// A segment that everybody may read, and somebody in it.
fn readable(place: &Place) -> Actor {
    std::fs::set_permissions(place.folder(), PermissionsExt::from_mode(0o755)).expect("permitted");
    let mut actor = Actor::start(place);
    actor.act("make readable acme.jobs").act("count 3");
    actor
}

#[test]
fn rm_names_the_path_its_owner_and_who_may_and_does_not_advise_force_to_who_may_not() {
    let place = Place::new();
    let actor = readable(&place);
    for arguments in [["rm", "acme.jobs"].as_slice(), &["rm", "--force", "acme.jobs"]] {
        let Some(refused) = as_stranger(&place, arguments) else { return };
        assert_eq!(refused.status, Some(1), "{refused:#?}");
        assert!(refused.err.contains(&place.file("acme.jobs").display().to_string()), "{refused:#?}");
        assert!(refused.err.contains("it is root (0)'s; that user may remove it, or root"), "{refused:#?}");
        assert!(!refused.err.contains("--force") && !refused.err.contains("/proc/"), "{refused:#?}");
    }
    drop(actor);
    let Some(refused) = as_stranger(&place, &["rm", "acme.jobs"]) else { return };
    assert!(refused.status == Some(1) && refused.err.contains("root (0)'s"), "also once it is dead: {refused:#?}");
    assert!(place.file("acme.jobs").exists());
}

#[test]
fn who_may_not_ask_the_locks_sees_participants_by_their_own_words_and_is_told_so() {
    let place = Place::new();
    let actor = readable(&place);
    let Some(text) = as_stranger(&place, &["ls"]) else { return };
    assert!(text.status == Some(0) && text.out.contains(&format!("?{} ", actor.pid())), "{text:#?}");
    assert!(text.out.contains("not seen: ") && text.out.contains("acme.jobs"), "{text:#?}");
    let Some(document) = as_stranger(&place, &["ls", "--json"]) else { return };
    let document = parse(&document.out);
    let row = row_of(&document, "acme.jobs").unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!((&row["state"], &row["participants"][0]["pid"]), (&"alive".into(), &serde_json::Value::Null));
    assert_eq!(row["participants"][0]["pid_there"], actor.pid());
    assert_eq!(row["participants"][0]["lives"], serde_json::Value::Null);
    assert!(document["not_seen"].to_string().contains("acme.jobs"), "{document:#}");
    let Some(shown) = as_stranger(&place, &["show", "acme.jobs"]) else { return };
    assert!(shown.out.contains(&format!("?{}", actor.pid())) && shown.out.contains("not seen: "), "{shown:#?}");
    let Some(shown) = as_stranger(&place, &["show", "acme.jobs", "--json"]) else { return };
    assert!(parse(&shown.out)["not_seen"].to_string().contains("acme.jobs"), "{shown:#?}");
    // Nobody is left: then nobody is shown, though the entry is still there.
    actor.kill();
    let Some(document) = as_stranger(&place, &["ls", "--json"]) else { return };
    let row = row_of(&parse(&document.out), "acme.jobs").expect("it is there");
    assert_eq!((&row["state"], row["participants"].as_array().map(Vec::len)), (&"dead".into(), Some(0)), "{row:#}");
}

#[test]
fn reader_alone_keeps_it_alive_as_somebody() {
    let place = Place::new();
    let writer = readable(&place);
    let mut reader = Actor::start(&place);
    reader.act("read-only acme.jobs");
    drop(writer);
    let Some(text) = as_stranger(&place, &["ls"]) else { return };
    assert!(text.out.contains("alive") && text.out.contains("somebody"), "{text:#?}");
}

/// As docs/which.md shows it.
#[test]
fn ordinary_segment_is_refused_to_a_stranger_by_the_system() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 3");
    let file = place.file("acme.jobs");
    let Some(refused) = as_stranger(&place, &["show", &file.display().to_string()]) else { return };
    assert_eq!(refused.status, Some(1), "{refused:#?}");
    let is_told =
        refused.err.starts_with("cotenant: cannot ") && refused.err.contains(place.folder().to_str().expect("UTF-8"));
    assert!(is_told && refused.err.trim_end().ends_with("Permission denied (os error 13)"), "{refused:#?}");
    assert_eq!(refused.out, "");
}
