//! `cotenant published`: what is published is shown, checked, published, and followed. The test itself is the program
//! that publishes and waits.

use std::time::Duration;

use cotenant::published::Flag;
use cotenant::value::Text;
use cotenant::{ProcessSync, Segment};
use serde_json::{Value, json};

use crate::place::Place;

#[derive(ProcessSync, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Limits {
    per_second: u32,
    burst: u8,
    motd: Text<12>,
}

fn limits() -> Limits {
    Limits { per_second: 100, burst: 20, motd: Text::try_from("hello").expect("short") }
}

fn options(place: &Place) -> cotenant::SegmentOptions {
    Segment::options().folder(place.folder()).max_bytes(1 << 20)
}

#[test]
fn newest_snapshot_is_shown_and_set_by_its_fields() {
    let place = Place::new();
    let published = options(&place).published("acme.limits", limits).expect("a segment");
    let got = place.run(&["published", "acme.limits", "get"]);
    assert_eq!((got.status, got.out.as_str()), (Some(0), "{\"per_second\":100,\"burst\":20,\"motd\":\"hello\"}\n"));
    let set = place.run(&["published", "acme.limits", "set", "{\"burst\": 30, \"motd\": \"bye\"}"]);
    assert_eq!((set.status, set.out.as_str()), (Some(0), "published: published as number 1\n"), "{set:?}");
    let newest = published.load().expect("whole");
    assert_eq!(newest.value, Limits { burst: 30, motd: Text::try_from("bye").expect("short"), ..limits() });
    let document = place.json(&["published", "acme.limits", "get"]);
    assert_eq!((&document["sequence"], &document["value"]["burst"]), (&json!(1), &json!(30)));
    assert_eq!(document["publisher"]["program"], "cotenant");
    assert!(document["unix_ns"].as_u64().is_some_and(|ns| ns > 1_600_000_000_000_000_000), "{document}");
}

#[test]
fn what_does_not_suit_the_type_is_not_published() {
    let place = Place::new();
    let published = options(&place).published("acme.limits", limits).expect("a segment");
    let cases = [
        ("{\"burst\": 256}", "0 to 255"),
        ("{\"brust\": 1}", "brust"),
        ("{\"motd\": \"longer than twelve\"}", "12"),
        ("[1, 2]", "fields"),
        ("{\"burst\":", "JSON"),
    ];
    for (value, says) in cases {
        let ran = place.run(&["published", "acme.limits", "set", value]);
        assert!(ran.status != Some(0) && ran.err.contains(says), "{value}: {ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
    assert_eq!(published.sequence(), 0);
    assert_eq!(published.publish(&limits()).ok(), Some(1), "nobody holds the lock");
}

#[test]
fn who_waits_is_woken_by_the_tool_and_the_tool_waits_for_who_publishes() {
    let place = Place::new();
    let published = options(&place).published("acme.n", || 1_u64).expect("a segment");
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(place.run(&["published", "acme.n", "set", "7"]).status, Some(0)));
        let newer = published.wait_newer(0, Duration::from_secs(60)).expect("whole").expect("in time");
        assert_eq!(newer.value, 7);
    });
    let refused = published.update(|old| {
        let ran = place.run(&["published", "acme.n", "set", "8", "--timeout", "50ms"]);
        assert!(ran.status != Some(0) && ran.err.contains("the whole time"), "{ran:?}");
        old + 1
    });
    assert_eq!((refused.ok(), published.load().map(|it| it.value).ok()), (Some(2), Some(8)));
}

#[test]
fn history_and_watch_tell_every_publish() {
    let place = Place::new();
    let published = options(&place).published("acme.n", || 1_u64).expect("a segment");
    for number in 2..=10 {
        published.publish(&number).expect("free");
    }
    let history = place.run(&["published", "acme.n", "history", "--json"]);
    let lines: Vec<Value> = history.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = lines.iter().map(|line| (line["sequence"].as_u64(), line["value"].as_u64())).collect();
    assert_eq!(told, (3..=10).rev().map(|number| (Some(number - 1), Some(number))).collect::<Vec<_>>());
    assert_eq!(lines[0]["publisher"]["pid"], std::process::id());
    let text = place.run(&["published", "acme.n", "history"]);
    assert!(text.out.starts_with("9  ") && text.out.lines().count() == 8, "{text:?}");
    let watched = std::thread::scope(|threads| {
        let watch = threads.spawn(|| place.run(&["published", "acme.n", "watch", "--changes", "2", "--json"]));
        while !watch.is_finished() {
            std::thread::sleep(Duration::from_millis(150));
            published.publish(&77).expect("free");
        }
        watch.join().expect("it ends")
    });
    assert_eq!((watched.status, watched.out.lines().count()), (Some(0), 2), "{watched:?}");
    assert!(watched.out.lines().all(|line| line.contains("\"value\":77")), "{watched:?}");
}

#[test]
fn bytes_and_flags_and_several_objects() {
    let place = Place::new();
    let segment = options(&place).create("acme.web").expect("a segment");
    let flag = segment.get_or_init("checkout", || Flag::new("checkout", 0.0)).expect("room");
    let config = segment.published_bytes("config", 1000).expect("room");
    segment.get_or_init("plain", || 5_u32).expect("room");
    let which = place.run(&["published", "acme.web", "get"]);
    assert!(which.status == Some(1) && which.err.contains("--object checkout, --object config"), "{which:?}");
    let on = |action: &[&str]| place.run(&[&["published", "acme.web", "--object"], action].concat());
    assert_eq!(on(&["checkout", "set", "{\"percent\": 100}"]).status, Some(0));
    assert!(flag.is_on() && flag.is_on_for("anybody"));
    for value in ["{\"percent\": 250}", "{\"percent\": -1}"] {
        for ran in [on(&["checkout", "set", value]), place.run(&["set", "acme.web", "checkout", value])] {
            assert!(ran.status != Some(0) && ran.err.contains("per cent") && ran.err.lines().count() == 1, "{ran:?}");
        }
    }
    assert!(flag.percent() == 100.0 && flag.published().sequence() == 1);
    assert_eq!(on(&["config", "set", "{\"workers\": 4}"]).status, Some(0));
    assert_eq!(config.load().expect("whole").value, b"{\"workers\": 4}");
    assert_eq!(on(&["config", "get"]).out, "{\"workers\":4}\n");
    let too_long = on(&["config", "set", &"x".repeat(1025)]);
    assert!(too_long.status != Some(0) && too_long.err.contains("there is room for"), "{too_long:?}");
    let plain = on(&["plain", "get"]);
    assert!(plain.status == Some(1) && plain.err.contains("cotenant get"), "{plain:?}");
}

/// A head that names no whole snapshot, and a segment in which nothing is published.
#[test]
fn damage_and_absence_are_one_line() {
    let place = Place::new();
    let published = options(&place).published("acme.n", || 1_u64).expect("a segment");
    let object = place.json(&["show", "acme.n"])["objects"][0].clone();
    let at = object["at"].as_u64().or_else(|| object["offset"].as_u64()).unwrap_or_else(|| panic!("{object:#}"));
    let file = std::fs::OpenOptions::new().write(true).open(place.file("acme.n")).expect("the segment");
    std::os::unix::fs::FileExt::write_at(&file, &u64::MAX.to_le_bytes(), at).expect("writing");
    for action in [&["get"][..], &["history"], &["set", "5"]] {
        let ran = place.run(&[&["published", "acme.n"], action].concat());
        assert!(ran.status != Some(0) && ran.out.is_empty() && ran.err.contains("damaged"), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
    assert!(published.load().is_err());
    let segment = options(&place).create("acme.other").expect("a segment");
    segment.get_or_init("plain", || 5_u32).expect("room");
    let none = place.run(&["published", "acme.other", "get"]);
    assert!(none.status == Some(1) && none.err.contains("nothing is published"), "{none:?}");
}

#[test]
fn other_commands_show_the_newest_value_and_who_publishes() {
    let place = Place::new();
    let published = options(&place).published("acme.limits", limits).expect("a segment");
    published.publish(&Limits { burst: 7, ..limits() }).expect("free");
    let shown = place.run(&["show", "acme.limits"]);
    assert!(shown.out.contains("Published(Limits {") && shown.out.contains("burst: 7"), "{shown:?}");
    let got = place.run(&["get", "acme.limits", "published"]);
    assert!(got.out.contains("\"burst\":7") && !got.out.contains("stamp"), "{got:?}");
    assert_eq!(published.sequence(), 1);
    let shown = published.update(|old| {
        let shown = place.run(&["show", "acme.limits"]);
        assert!(shown.out.contains("held") && shown.out.contains(&std::process::id().to_string()), "{shown:?}");
        old
    });
    assert!(shown.is_ok());
}

#[test]
fn get_set_and_watch_know_what_is_published() {
    let place = Place::new();
    let published = options(&place).published("acme.limits", limits).expect("a segment");
    let get = |path: &str| place.run(&["get", "acme.limits", path]).out;
    assert_eq!(get("published"), "{\"per_second\":100,\"burst\":20,\"motd\":\"hello\"}\n");
    assert_eq!((get("published.burst").as_str(), get("published.motd").as_str()), ("20\n", "hello\n"));
    let wrong = place.run(&["get", "acme.limits", "published.brst"]);
    assert!(wrong.status == Some(1) && wrong.err.contains("has no .brst"), "{wrong:#?}");
    let set = place.run(&["set", "acme.limits", "published", "{\"burst\": 30}"]);
    assert_eq!((set.status, set.out.as_str()), (Some(0), "published: published as number 1\n"), "{set:#?}");
    assert_eq!(published.load().expect("whole").value.burst, 30);
    let part = place.run(&["set", "acme.limits", "published.burst", "40"]);
    assert!(part.status == Some(1) && part.err.contains("published whole"), "{part:#?}");
    let watched = place.run(&["watch", "acme.limits", "published.burst", "--for", "20ms"]);
    assert!(watched.out.ends_with("published.burst: 30\n"), "{watched:#?}");
    assert_eq!(place.json(&["get", "acme.limits"])["values"]["published"]["burst"], json!(30));
    for (nth, set) in [(2, ["set", "acme.limits", "published"].as_slice()), (3, &["published", "acme.limits", "set"])] {
        let document = place.json(&[set, &["{\"burst\": 1}"]].concat());
        assert_eq!((&document["sequence"], &document["object"]), (&nth.into(), &"published".into()), "{document:#}");
    }
}
