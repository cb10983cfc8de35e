//! One door to each thing: `get` and `set` reach what is in caches, queues and tables of metrics, too.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use cotenant::cache::Cache;
use cotenant::metrics::{Across, Gauge, Metrics};
use cotenant::{Segment, SegmentOptions};
use serde_json::json;

use crate::actor::Actor;
use crate::place::Place;

fn options(place: &Place) -> SegmentOptions {
    Segment::options().folder(place.folder()).max_bytes(32 << 20)
}

#[test]
fn entries_of_caches_are_got_and_set_by_their_keys() {
    let place = Place::new();
    let cache = Cache::options().folder(place.folder()).capacity_bytes(1 << 20).create("acme.pages").expect("a cache");
    cache.insert("motd", "hello", None).expect("room");
    for arguments in [["get", "acme.pages", "cache", "motd"].as_slice(), &["get", "acme.pages", "motd"]] {
        let ran = place.run(arguments);
        assert_eq!((ran.status, ran.out.as_str()), (Some(0), "hello"), "{ran:#?}");
    }
    let document = place.json(&["get", "acme.pages", "cache", "motd"]);
    assert_eq!((&document["key"], &document["value"]), (&json!("motd"), &json!("hello")), "{document:#}");
    let ran = place.run(&["set", "acme.pages", "cache", "motd", "bye", "--ttl", "1.5h"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), "motd: 5 B -> 3 B\n"), "{ran:#?}");
    assert_eq!(cache.get("motd").as_deref(), Some(b"bye".as_slice()));
    let life = cache.iter().next().expect("an entry").expires_in.expect("it ends");
    assert!((5000..=5400).contains(&life.as_secs()), "{life:?}");
    let document = place.json(&["set", "acme.pages", "hex:00ff", "-1"]);
    assert_eq!((&document["before"], &document["value"]), (&json!(null), &json!("-1")), "{document:#}");
    assert_eq!(cache.get(b"\x00\xff").as_deref(), Some(b"-1".as_slice()));
    // Hits are told to others now and then, and whenever the program asks.
    cache.stats();
    let stats = place.json(&["get", "acme.pages", "cache"]);
    assert_eq!((&stats["value"]["entries"], &stats["value"]["hits"]), (&json!(2), &json!(2)), "{stats:#}");
    assert_eq!(place.run(&["get", "acme.pages", "cache.entries"]).out, "2\n");
    assert_eq!(place.json(&["get", "acme.pages"])["values"]["cache"]["entries"], json!(2));
}

#[test]
fn wrong_keys_and_things_without_keys_are_said_in_one_line() {
    let place = Place::new();
    let _cache = Cache::options().folder(place.folder()).capacity_bytes(1 << 20).create("acme.pages").expect("a cache");
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1").act("metrics 5");
    for (arguments, says) in [
        (["get", "acme.pages", "cache", "nobody"].as_slice(), "no entry `nobody`"),
        (&["get", "acme.pages", "nobody"], "no entry `nobody`"),
        (&["get", "acme.jobs", "done", "key"], "has no keys"),
        (&["get", "acme.jobs", "dnoe"], "did you mean done"),
        (&["get", "acme.jobs", "metrics", "jops"], "no metric `jops`"),
        (&["set", "acme.jobs", "done", "key", "1"], "has no keys"),
        (&["set", "acme.pages", "cache", "1"], "KEY VALUE"),
        (&["set", "acme.jobs", "done", "1", "--ttl", "1s"], "--ttl"),
        (&["set", "acme.jobs", "dnoe", "1"], "did you mean done"),
    ] {
        let ran = place.run(arguments);
        assert!(ran.status == Some(1) && ran.out.is_empty() && ran.err.contains(says), "{arguments:?}: {ran:#?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:#?}");
    }
}

#[test]
fn slip_in_an_objects_name_is_no_key_of_a_cache_beside_it() {
    let place = Place::new();
    let cache = Cache::options().folder(place.folder()).capacity_bytes(1 << 20).create("acme.jobs").expect("a cache");
    let limits = cache.segment().get_or_init("limits", || AtomicU64::new(7)).expect("there is room");
    for (arguments, says) in [
        (["set", "acme.jobs", "limts", "5"].as_slice(), "did you mean limits?"),
        (&["set", "acme.jobs", "limits.burst", "5"], "limits"),
        (&["get", "acme.jobs", "limts"], "did you mean limits?"),
        (&["get", "acme.jobs", "limits.burst"], "limits"),
    ] {
        let ran = place.run(arguments);
        assert!(ran.status == Some(1) && ran.out.is_empty() && ran.err.contains(says), "{arguments:?}: {ran:#?}");
        assert!(!ran.err.contains("no entry"), "{ran:#?}");
    }
    assert_eq!((cache.iter().count(), limits.load(Relaxed)), (0, 7));
    // Whoever names the cache means a key.
    let ran = place.run(&["set", "acme.jobs", "cache", "limts", "5"]);
    assert_eq!((ran.status, cache.get("limts").as_deref()), (Some(0), Some(b"5".as_slice())), "{ran:#?}");
    assert_eq!(place.run(&["get", "acme.jobs", "limts"]).out, "5");
    assert_eq!(place.run(&["set", "acme.jobs", "motd", "hello"]).status, Some(0));
}

#[test]
fn metrics_are_got_by_the_names_that_scrapers_see() {
    let place = Place::new();
    let segment = options(&place).create("acme.web").expect("a segment");
    let metrics = Metrics::options().open_or_create(&segment, "metrics").expect("there is room");
    metrics.counter("jobs", &[("queue", "fast")]).expect("room").add(5);
    metrics.counter("jobs", &[("queue", "slow")]).expect("room").add(2);
    metrics.gauge("working", &[], Across::Sum).expect("room").add(1.5);
    let got = |key: &str| place.run(&["get", "acme.web", "metrics", key]).out;
    assert_eq!(got("jobs_total{queue=\"fast\"}"), "5\n");
    assert_eq!(got("jobs"), "jobs_total{queue=\"fast\"} 5\njobs_total{queue=\"slow\"} 2\n");
    assert_eq!(got("working"), "1.5\n");
    assert_eq!(place.run(&["get", "acme.web", "working"]).out, "1.5\n");
    let all = place.json(&["get", "acme.web", "metrics"]);
    assert_eq!(all["value"]["jobs_total{queue=\"slow\"}"], json!(2), "{all:#}");
}

#[test]
fn gauge_is_its_value_or_that_of_each_process() {
    let place = Place::new();
    let segment = options(&place).create("acme.web").expect("a segment");
    let in_flight = segment.get_or_init("in_flight", || Gauge::<64>::new(Across::Sum)).expect("there is room");
    let load = segment.get_or_init("load", || Gauge::<64>::new(Across::EachProcess)).expect("there is room");
    assert_eq!(place.run(&["get", "acme.web", "in_flight"]).out, "null\n");
    in_flight.set(1.5);
    load.set(0.5);
    assert_eq!(place.run(&["get", "acme.web", "in_flight"]).out, "1.5\n");
    assert_eq!(place.json(&["get", "acme.web"])["values"]["in_flight"], json!(1.5));
    // One alone is told as its value, too.
    assert_eq!(place.run(&["get", "acme.web", "load"]).out, "0.5\n");
}

#[test]
fn variables_that_count_are_totals_and_queues_say_how_full_they_are() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("metrics 5").act("queue todo");
    assert_eq!(place.run(&["get", "acme.jobs", "REQUESTS"]).out, "5\n");
    let queue = &place.json(&["get", "acme.jobs", "todo"])["value"];
    let used = queue["used_bytes"].as_u64().expect("a number");
    assert!(used >= 100 && queue["sent_bytes"] == used && queue["taken_bytes"] == 0, "{queue:#}");
    assert_eq!(place.run(&["get", "acme.jobs", "todo.used_bytes"]).out, format!("{used}\n"));
    let ran = place.run(&["get", "acme.jobs", "todo.depth"]);
    assert!(ran.status == Some(1) && ran.err.contains("used_bytes"), "{ran:#?}");
    let shown = place.run(&["show", "acme.jobs"]).out;
    assert!(shown.contains("128 B of 64 KiB used; 128 B sent, 0 received since it was made"), "{shown}");
    assert!(!shown.contains("(sending)") && !shown.contains("(receiving)"), "nobody is there: {shown}");
}

#[test]
fn who_has_an_end_of_a_queue_for_himself_and_who_waits_for_a_message_is_told() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("await message todo");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut shown = String::new();
    while !shown.contains("has waited for") {
        assert!(Instant::now() < deadline, "nobody waits: {shown}");
        shown = place.run(&["show", "acme.jobs"]).out;
    }
    let pid = actor.pid();
    assert!(shown.contains(&format!("todo (sending): Queue held by {pid} ")), "{shown}");
    assert!(shown.contains("todo (committed): Queue awaited: there is no message"), "{shown}");
    assert!(shown.contains(&format!("  {pid} ")), "{shown}");
    let ran = place.run(&["reset", "acme.jobs", "todo"]);
    assert!(ran.status == Some(1) && ran.err.contains("it has no lock"), "{ran:#?}");
}

#[test]
fn whoever_keeps_the_oldest_message_of_a_queue_is_told() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("queue todo").act("keep message todo");
    let shown = place.run(&["show", "acme.jobs"]).out;
    let told = format!("todo (taken): Queue the oldest message is not done with yet by {} ", actor.pid());
    assert!(shown.contains(&told), "{shown}");
}

#[test]
fn numbers_may_be_set_as_sizes() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1");
    let ran = place.run(&["set", "acme.jobs", "done", "64MiB"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), "done: 1 -> 67108864\n"), "{ran:#?}");
}
