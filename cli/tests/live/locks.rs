//! Who holds and awaits locks, and `cotenant reset`.

use serde_json::Value;

use crate::actor::Actor;
use crate::place::{Place, pids};

/// The locks of an object that are not cells, and those that are.
fn locks(place: &Place, object: &str) -> Vec<Value> {
    let shown = place.json(&["show", "acme.jobs"]);
    let objects = shown["objects"].as_array().expect("a list");
    let object = objects.iter().find(|it| it["name"] == object).unwrap_or_else(|| panic!("no {object} in {shown:#}"));
    object["locks"].as_array().expect("a list").clone()
}

#[test]
fn holder_and_waiter_are_named_with_how_long_one_waits() {
    let place = Place::new();
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    let mut waiter = Actor::start(&place);
    waiter.act("make posix acme.jobs").act("wait");
    let found = locks(&place, "limits");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["state"], &found[0]["type"]), (&"held".into(), &"Mutex".into()));
    assert_eq!((&found[0]["owner"]["pid"], &found[0]["owner"]["lives"]), (&holder.pid().into(), &true.into()));
    assert_eq!(pids(&found[0]["waiters"]), [u64::from(waiter.pid())], "{found:#?}");
    assert!(found[0]["waiters"][0]["waits_ms"].as_u64().is_some_and(|ms| ms < 120_000), "{found:#?}");
    let text = place.run(&["show", "acme.jobs"]);
    assert!(text.out.contains(&format!("limits: Mutex held by {} ", holder.pid())), "{text:#?}");
    assert!(text.out.contains(&format!("\n  {} ", waiter.pid())) && text.out.contains("has waited for"), "{text:#?}");
}

#[test]
fn who_waits_for_anything_is_named() {
    let place = Place::new();
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("permit").act("permit");
    let kinds = [
        ("event", "Event", "word"),
        ("once", "Once", "lock"),
        ("barrier", "Barrier", "lock"),
        ("condition", "Condvar", "word"),
        ("slots", "Semaphore", "cells[0]"),
    ];
    for (object, type_name, part) in kinds {
        let mut waiter = Actor::start(&place);
        waiter.act("make posix acme.jobs").act(&format!("await {object}"));
        // A condition's waiter notes nothing for the moment in which it looks at its condition.
        let mut shown = (0..100).map(|_| locks(&place, object));
        let found = shown.find(|found| found.iter().any(|it| !pids(&it["waiters"]).is_empty()));
        let found = found.unwrap_or_else(|| panic!("nobody waits for {object}"));
        assert_eq!((&found[0]["type"], &found[0]["part"]), (&type_name.into(), &part.into()), "{found:#?}");
        assert_eq!(pids(&found[0]["waiters"]), [u64::from(waiter.pid())], "{found:#?}");
        let text = place.run(&["show", "acme.jobs"]);
        match object {
            "barrier" => assert!(text.out.contains(&format!(": Barrier arrived: {} ", waiter.pid())), "{text:#?}"),
            "event" => assert!(text.out.contains("event: Event awaited\n"), "{text:#?}"),
            _ => {}
        }
        if object == "event" {
            let done = place.run(&["reset", "acme.jobs", object]);
            assert!(done.status == Some(1) && done.err.contains("it has no lock"), "{done:#?}");
        }
        waiter.kill();
        assert!(locks(&place, object).iter().all(|it| pids(&it["waiters"]).is_empty()), "the dead wait for nothing");
    }
}

#[test]
fn lock_of_a_killed_owner_is_shown_and_reset() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs").act("count 1");
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    holder.kill();
    let found = locks(&place, "limits");
    assert_eq!((&found[0]["state"], &found[0]["owner"]["lives"]), (&"owner-died".into(), &false.into()), "{found:#?}");
    let done = place.json(&["reset", "acme.jobs", "limits"]);
    assert_eq!(done["locks"][0]["outcome"], "owner-died", "{done:#}");
    let found = locks(&place, "limits");
    assert_eq!((&found[0]["state"], &found[0]["is_inconsistent"]), (&"free".into(), &false.into()), "{found:#?}");
    // Whoever locks it next is told nothing.
    other.act("lock-again");
    let again = place.json(&["reset", "acme.jobs", "limits"]);
    assert_eq!(again["locks"][0]["outcome"], "was-fine", "{again:#}");
}

#[test]
fn lock_that_was_given_up_is_not_recoverable_until_it_is_reset() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs").act("count 1");
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    holder.kill();
    other.act("give-up");
    assert_eq!(locks(&place, "limits")[0]["state"], "not-recoverable");
    let text = place.run(&["show", "acme.jobs"]);
    assert!(text.out.contains("NotRecoverable") && text.out.contains("cotenant reset"), "{text:#?}");
    let done = place.run(&["reset", "acme.jobs", "limits"]);
    assert_eq!(done.status, Some(0), "{done:#?}");
    assert!(done.out.contains("freed") && done.out.contains("per_second: 100"), "{done:#?}");
    other.act("lock-again");
}

#[test]
fn reset_leaves_a_living_owner_alone_and_names_it() {
    let place = Place::new();
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    let done = place.run(&["reset", "acme.jobs", "limits"]);
    assert_eq!(done.status, Some(1), "{done:#?}");
    assert!(done.err.contains(&format!("held by {}", holder.pid())) && done.err.contains("lives"), "{done:#?}");
    assert_eq!(locks(&place, "limits")[0]["state"], "held");
    let guessed = place.run(&["reset", "acme.j", "limits"]);
    assert!(
        guessed.status == Some(1) && guessed.err.contains("did you mean ") && guessed.err.contains("acme.jobs"),
        "{guessed:#?}"
    );
    let wrong = place.run(&["reset", "acme.jobs", "limit"]);
    assert!(wrong.status == Some(1) && wrong.err.contains("did you mean limits?"), "{wrong:#?}");
}

#[test]
fn dead_writer_reader_and_permit_are_shown_and_reset() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs").act("count 1");
    let mut reader = Actor::start(&place);
    reader.act("make posix acme.jobs").act("read").act("permit");
    let held: Vec<_> = locks(&place, "table").into_iter().filter(|it| it["state"] == "held").collect();
    assert!(held.len() == 1 && held[0]["part"].as_str().is_some_and(|part| part.starts_with("readers[")), "{held:#?}");
    assert_eq!(held[0]["owner"]["pid"], reader.pid());
    let permits = locks(&place, "slots");
    assert_eq!(permits.len(), 1, "{permits:#?}");
    reader.kill();
    for object in ["table", "slots"] {
        assert!(locks(&place, object).iter().any(|it| it["state"] == "owner-died"), "{object}");
        place.json(&["reset", "acme.jobs", object]);
        assert!(locks(&place, object).iter().all(|it| it["state"] == "free"), "{object}");
    }
    let mut writer = Actor::start(&place);
    writer.act("make posix acme.jobs").act("write");
    writer.kill();
    let done = place.json(&["reset", "acme.jobs", "table"]);
    assert_eq!(done["locks"][0]["outcome"], "owner-died", "{done:#}");
    other.act("write");
}

#[test]
fn nobody_attached_means_nothing_to_reset() {
    let place = Place::new();
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    holder.kill();
    let done = place.run(&["reset", "acme.jobs", "limits"]);
    assert!(done.status == Some(1) && done.err.contains("the next program starts afresh"), "{done:#?}");
    // What is kept is mended also when nobody is there.
    let mut keeper = Actor::start(&place);
    keeper.act("make kept acme.kept").act("lock");
    keeper.kill();
    let done = place.json(&["reset", "acme.kept", "limits"]);
    assert_eq!(done["locks"][0]["outcome"], "owner-died", "{done:#}");
    assert_eq!(place.row("acme.kept")["state"], "kept");
}
