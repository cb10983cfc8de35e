//! `cotenant prune` and `rm`.

use crate::actor::Actor;
use crate::place::Place;

#[test]
fn prune_takes_the_dead_and_leaves_the_living_and_the_kept() {
    let place = Place::new();
    let mut living = Actor::start(&place);
    living.act("make posix living");
    let mut dead = Actor::start(&place);
    dead.act("make posix dead").act("make kept kept");
    dead.kill();
    let said = place.run(&["prune", "--dry-run"]);
    assert!(said.status == Some(0) && said.out.contains("would remove"), "{said:#?}");
    assert!(said.out.contains(&place.file("dead").display().to_string()), "{said:#?}");
    assert!(place.file("dead").exists(), "a dry run removes nothing");
    let removed = place.json(&["prune"]);
    let paths: Vec<_> = removed["removed"].as_array().expect("a list").iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths, [serde_json::Value::from(place.file("dead").display().to_string())], "{removed:#}");
    assert!(place.file("living").exists() && place.file("kept").exists() && !place.file("dead").exists());
    place.json(&["prune", "--kept"]);
    assert!(place.file("living").exists() && !place.file("kept").exists());
    let nothing = place.run(&["prune"]);
    assert_eq!((nothing.status, nothing.out.as_str(), nothing.err.as_str()), (Some(0), "", ""));
}

#[test]
fn rm_refuses_what_is_in_use_unless_it_is_forced() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 3");
    let refused = place.run(&["rm", "acme.jobs"]);
    assert_eq!(refused.status, Some(1), "{refused:#?}");
    assert!(refused.err.contains(&actor.pid().to_string()) && refused.err.contains("--force"), "{refused:#?}");
    assert!(place.file("acme.jobs").exists());
    let forced = place.run(&["rm", "--force", "acme.jobs"]);
    assert_eq!(forced.status, Some(0), "{forced:#?}");
    assert!(forced.out.contains(&actor.pid().to_string()), "{forced:#?}");
    assert!(!place.file("acme.jobs").exists());
    assert_eq!(place.row("acme.jobs")["state"], "unlinked");
}

#[test]
fn rm_takes_dead_and_kept_ones_and_leaves_what_is_no_segment() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix dead").act("make kept kept");
    actor.kill();
    std::fs::write(place.file("notes"), "mine").expect("a file");
    let guessed = place.run(&["rm", "dea"]);
    assert!(guessed.status == Some(1) && guessed.err.contains("did you mean dead?"), "{guessed:#?}");
    let removed = place.run(&["rm", "dead", "kept", "notes"]);
    assert_eq!(removed.status, Some(1), "{removed:#?}");
    let notes = place.file("notes").display().to_string();
    assert!(removed.err.contains("left alone") && removed.err.matches(&notes).count() == 1, "{removed:#?}");
    assert!(!place.file("dead").exists() && !place.file("kept").exists() && place.file("notes").exists());
}
