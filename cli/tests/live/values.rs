//! `cotenant get` and `set`: values by their names, checked, and under the locks that guard them.

use std::process::Stdio;

use serde_json::json;

use crate::actor::Actor;
use crate::place::{Place, Ran};

fn served(place: &Place) -> Actor {
    let mut actor = Actor::start(place);
    actor.act("make posix acme.jobs").act("count 41").act("hosts").act("write-and-end");
    actor
}

fn said(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.status, &ran.out, &ran.err)
}

#[test]
fn values_are_printed_bare_and_parts_by_their_path() {
    let place = Place::new();
    let _actor = served(&place);
    let cases = [
        ("done", "41\n"),
        ("table", "8\n"),
        ("hosts[1].name", "alpha\n"),
        ("hosts[0].ports", "[80,443]\n"),
        ("hosts[0].ports[1]", "443\n"),
        ("hosts[0].weight", "null\n"),
        ("hosts[0].stage", "Starting\n"),
        ("seed", "7\n"),
    ];
    for (address, value) in cases {
        assert_eq!(said(&place.run(&["get", "acme.jobs", address])), (Some(0), value, ""), "{address}");
    }
    let document = place.json(&["get", "acme.jobs", "hosts[0].patience"]);
    let expected = json!({
        "schema": 1,
        "segment": place.file("acme.jobs").display().to_string(),
        "object": "hosts",
        "path": "[0].patience",
        "type": "Duration",
        "value": { "seconds": 2, "nanoseconds": 500_000_000 },
    });
    assert_eq!(document, expected);
    let all = place.json(&["get", "acme.jobs"]);
    assert_eq!((&all["values"]["done"], &all["values"]["hosts"][0]["name"]), (&json!(41), &json!("alpha")), "{all:#}");
    let all = place.run(&["get", "acme.jobs"]);
    assert!(all.out.starts_with("done 41\nhosts [{"), "{all:#?}");
}

#[test]
fn what_is_not_there_is_one_line_that_says_what_is() {
    let place = Place::new();
    let _actor = served(&place);
    let cases = [
        ("dome", "did you mean done?"),
        ("hosts[2]", "2 places"),
        ("hosts[0].nam", "did you mean `name`?"),
        ("hosts[0].ports[3]", "the list has 2 elements"),
        ("hosts[0].weight.x", "no parts"),
        ("hosts.", "no path"),
    ];
    for (address, says) in cases {
        let ran = place.run(&["get", "acme.jobs", address]);
        assert!(ran.status == Some(1) && ran.out.is_empty() && ran.err.contains(says), "{address}: {ran:#?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:#?}");
    }
}

#[test]
fn values_are_set_and_programs_see_them() {
    let place = Place::new();
    let _actor = served(&place);
    let cases = [
        ("done", "0", "done: 41 -> 0\n"),
        ("table", "12", "table: 8 -> 12\n"),
        ("hosts[1].name", "beta", "hosts[1].name: \"alpha\" -> \"beta\"\n"),
        ("hosts[1].ports", "[1, 2, 3]", "hosts[1].ports: [80,443] -> [1,2,3]\n"),
        ("hosts[1].ports[2]", "4", "hosts[1].ports[2]: 3 -> 4\n"),
        ("hosts[1].weight", "-0.5", "hosts[1].weight: null -> -0.5\n"),
        ("hosts[1].stage", "Serving", "hosts[1].stage: \"Starting\" -> \"Serving\"\n"),
        ("hosts[1].stage", "0", "hosts[1].stage: \"Serving\" -> \"Starting\"\n"),
    ];
    for (address, value, says) in cases {
        assert_eq!(said(&place.run(&["set", "acme.jobs", address, value])), (Some(0), says, ""), "{address}");
    }
    let document = place.json(&["set", "acme.jobs", "hosts[1].patience", "1s 5ms"]);
    assert_eq!(document["before"], json!({ "seconds": 2, "nanoseconds": 500_000_000 }), "{document:#}");
    assert_eq!(document["value"], json!({ "seconds": 1, "nanoseconds": 5_000_000 }), "{document:#}");
    // Fields that are not named stay, and the other element.
    place.json(&["set", "acme.jobs", "hosts[1]", "{\"weight\": null}"]);
    let hosts = place.json(&["get", "acme.jobs", "hosts"]);
    assert_eq!(hosts["value"][1]["name"], "beta", "{hosts:#}");
    assert_eq!(
        (&hosts["value"][1]["weight"], &hosts["value"][0]["name"]),
        (&json!(null), &json!("alpha")),
        "{hosts:#}"
    );
}

#[test]
fn value_comes_from_standard_input() {
    let place = Place::new();
    let _actor = served(&place);
    let mut command = place.command(&["set", "acme.jobs", "done", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"17\n").expect("it reads");
    let ran = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "done: 41 -> 17\n");
}

#[test]
fn what_does_not_suit_changes_nothing() {
    let place = Place::new();
    let _actor = served(&place);
    let cases = [
        ("done", "-1", "from 0 to 18446744073709551615"),
        ("done", "many", "a whole number"),
        ("hosts[0].ports", "[70000]", "from 0 to 65535"),
        ("hosts[0].ports", "[1,2,3,4,5]", "room for 4 elements"),
        ("hosts[0].name", "much longer than it may be", "room for 16 bytes"),
        ("hosts[0]", "{\"name\": \"x\", \"prots\": []}", "did you mean `ports`?"),
        ("hosts[0].stage", "Servin", "did you mean `Serving`?"),
        ("seed", "8", "it is set once"),
        ("constant", "6", "believe that it never changes"),
    ];
    let before = place.json(&["get", "acme.jobs"]);
    for (address, value, says) in cases {
        let ran = place.run(&["set", "acme.jobs", address, value]);
        assert!(ran.status == Some(1) && ran.out.is_empty() && ran.err.contains(says), "{address}: {ran:#?}");
    }
    assert_eq!(place.json(&["get", "acme.jobs"]), before);
    // A beginning of a name is not taken for it.
    assert_eq!(place.run(&["set", "acme.j", "done", "1"]).status, Some(1));
}

#[test]
fn lock_of_a_living_owner_is_waited_for_and_never_broken() {
    let place = Place::new();
    let mut actor = served(&place);
    actor.act("lock");
    let ran = place.run(&["set", "acme.jobs", "limits.burst", "3", "--timeout", "50ms"]);
    assert!(ran.status == Some(1) && ran.err.contains(&format!("{} ", actor.pid())), "{ran:#?}");
    assert!(ran.err.contains("holds its lock"), "{ran:#?}");
    assert_eq!(place.run(&["get", "acme.jobs", "limits.burst"]).out, "20\n");
    let mut reader = Actor::start(&place);
    reader.act("make posix acme.jobs").act("read");
    let ran = place.run(&["set", "acme.jobs", "table", "3", "--timeout", "50ms"]);
    assert!(ran.status == Some(1) && ran.err.contains("in time"), "{ran:#?}");
    // A dead reader holds nobody up.
    reader.kill();
    assert_eq!(place.run(&["set", "acme.jobs", "table", "3"]).out, "table: 8 -> 3\n");
}

#[test]
fn half_changed_value_is_left_alone_until_it_is_called_whole() {
    let place = Place::new();
    let mut other = served(&place);
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    holder.kill();
    let ran = place.run(&["set", "acme.jobs", "limits.burst", "3"]);
    assert!(ran.status == Some(1) && ran.err.contains("half changed") && ran.err.contains("reset"), "{ran:#?}");
    place.json(&["reset", "acme.jobs", "limits"]);
    assert_eq!(place.run(&["set", "acme.jobs", "limits.burst", "3"]).out, "limits.burst: 20 -> 3\n");
    other.act("lock-again");
    let mut writer = Actor::start(&place);
    writer.act("make posix acme.jobs").act("write");
    writer.kill();
    let ran = place.run(&["set", "acme.jobs", "table", "1"]);
    assert!(ran.status == Some(1) && ran.err.contains("half changed"), "{ran:#?}");
}

#[test]
fn segment_of_nobody_is_not_set() {
    let place = Place::new();
    served(&place).kill();
    let ran = place.run(&["set", "acme.jobs", "done", "1"]);
    assert!(ran.status == Some(1) && ran.err.contains("nobody is attached"), "{ran:#?}");
}
