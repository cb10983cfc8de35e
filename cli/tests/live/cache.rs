//! `cotenant cache`: what it shows is what is there, and what it changes the program sees. The test itself is the program
//! that uses the cache.

use std::sync::Arc;
use std::time::Duration;

use cotenant::Segment;
use cotenant::cache::Cache;
use serde_json::json;

use crate::place::Place;

fn cache(place: &Place) -> Cache {
    Cache::options().folder(place.folder()).capacity_bytes(1 << 20).create("acme.pages").expect("a cache")
}

#[test]
fn values_go_in_and_out() {
    let (place, said) = (Place::new(), |out: &str| (Some(0), out.to_owned()));
    let cache = cache(&place);
    cache.insert("motd", "hello", None).expect("room");
    let run = |arguments: &[&str]| {
        let ran = place.run(&[&["cache", "acme.pages"], arguments].concat());
        (ran.status, ran.out)
    };
    assert_eq!(run(&["get", "motd"]), said("hello"));
    assert_eq!(run(&["set", "motd", "bye", "--ttl", "1h"]), said(""));
    assert_eq!(cache.get("motd").as_deref(), Some(b"bye".as_slice()));
    assert_eq!(run(&["keys"]), said("motd\n"));
    assert!(cache.iter().all(|entry| entry.expires_in.is_some_and(|time| time > Duration::from_secs(3000))));
    assert_eq!(run(&["set", "hex:00ff", "-x"]), said(""));
    assert_eq!(cache.get(b"\x00\xff").as_deref(), Some(b"-x".as_slice()));
    assert_eq!(run(&["del", "hex:00ff"]), said(""));
    assert!(!cache.contains(b"\x00\xff"));
    assert_eq!(run(&["clear"]), said(""));
    assert_eq!((run(&["keys"]), cache.stats().entries), (said(""), 0));
}

#[test]
fn stats_are_the_programs_own_and_reading_changes_none() {
    let place = Place::new();
    let cache = cache(&place);
    cache.insert("a", "12345", None).expect("room");
    cache.get("a");
    cache.get("b");
    let ours = cache.stats();
    for _ in 0..3 {
        let document = place.json(&["cache", "acme.pages", "stats"]);
        let stats = &document["stats"];
        assert_eq!((&stats["hits"], &stats["misses"], &stats["entries"]), (&json!(1), &json!(1), &json!(1)));
        assert_eq!((&stats["bytes"], &stats["capacity_bytes"]), (&json!(6), &json!(ours.capacity_bytes)));
        assert_eq!(place.json(&["cache", "acme.pages", "get", "a"])["value"], "12345");
    }
    assert!(place.run(&["cache", "acme.pages", "stats"]).out.contains("hit ratio          50.0 %"));
    assert_eq!(cache.stats(), ours);
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let place = Place::new();
    let _cache = cache(&place);
    let segment = Segment::options().folder(place.folder()).max_bytes(8 << 20).create("acme.jobs").expect("a segment");
    let pages = Cache::options().capacity_bytes(1 << 20).in_segment(Arc::new(segment), "pages").expect("room");
    pages.insert("k", "1", None).expect("room");
    assert_eq!(place.run(&["cache", "acme.jobs", "--object", "pages", "get", "k"]).out, "1");
    for (arguments, says) in [
        (["acme.pages", "get", "nobody"], "no entry"),
        (["acme.pages", "del", "nobody"], "no entry"),
        (["acme.pages", "get", "hex:0"], "hexadecimal"),
        (["acme.nobody", "get", "k"], "acme.nobody"),
        (["acme.jobs", "get", "k"], "no cache"),
    ] {
        let ran = place.run(&[&["cache"], arguments.as_slice()].concat());
        assert!(ran.status == Some(1) && ran.out.is_empty() && ran.err.contains(says), "{arguments:?}: {ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    }
}
