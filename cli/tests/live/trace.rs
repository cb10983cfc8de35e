//! `cotenant trace`: what happened, from the ring, and what happens while one follows.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;

use serde_json::Value;

use crate::actor::Actor;
use crate::place::{Place, WATCHDOG, parse};

fn events(place: &Place, more: &[&str]) -> Vec<Value> {
    let ran = place.run(&[&["trace", "acme.jobs", "--json"], more].concat());
    assert_eq!(ran.status, Some(0), "{ran:#?}");
    ran.out.lines().map(parse).collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().expect("a kind")).collect()
}

#[test]
fn death_in_a_lock_and_its_repair_are_told_in_order() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs").act("count 1");
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    let dead = holder.pid();
    holder.kill();
    other.act("repair");
    let all = events(&place, &[]);
    let told: Vec<_> = all.iter().filter(|it| it["event"] != "grown").cloned().collect();
    assert_eq!(kinds(&told), ["attached", "attached", "died", "owner-died", "repaired"], "{told:#?}");
    assert!(told.iter().all(|it| it["schema"] == 1 && it["unix_ns"].as_u64() > Some(1 << 60)), "{told:#?}");
    for death in &told[2..4] {
        assert_eq!((&death["pid_there"], &death["pid"]), (&dead.into(), &Value::Null), "{death:#}");
        assert_eq!(death["told_by"]["pid_there"], other.pid(), "{death:#}");
    }
    assert_eq!((&told[3]["where"], &told[4]["where"]), (&"limits".into(), &"limits".into()), "{told:#?}");
    assert_eq!(told[4]["pid"], other.pid(), "{told:#?}");
    let text = place.run(&["trace", "acme.jobs"]);
    assert!(text.out.contains(&format!("limits: its owner {dead} ")), "{text:#?}");
    assert!(text.out.contains("limits: whole again, by"), "{text:#?}");
    assert!(text.out.lines().all(|line| line.get(10..11) == Some("T") && line.get(23..24) == Some("Z")), "{text:#?}");
    assert_eq!(kinds(&events(&place, &["--last", "1"])), ["repaired"]);
    assert_eq!(kinds(&events(&place, &["--only", "died,owner-died"])), ["died", "owner-died"]);
    assert_eq!(kinds(&events(&place, &["--only", "attached,died", "--last", "2"])), ["attached", "died"]);
}

#[test]
fn events_outlive_their_processes() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("lock");
    actor.kill();
    assert_eq!(place.row("acme.jobs")["state"], "dead");
    assert_eq!(events(&place, &["--only", "attached"]).len(), 1);
}

#[test]
fn death_that_nobody_noticed_is_told_by_the_next_who_comes() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs");
    let mut idle = Actor::start(&place);
    idle.act("make posix acme.jobs");
    let dead = idle.pid();
    idle.kill();
    assert_eq!(events(&place, &["--only", "died"]).len(), 0);
    let mut next = Actor::start(&place);
    next.act("make posix acme.jobs");
    let deaths = events(&place, &["--only", "died"]);
    assert!(deaths.len() == 1 && deaths[0]["pid_there"] == dead, "{deaths:#?}");
    // Once, however many come.
    Actor::start(&place).act("make posix acme.jobs");
    Actor::start(&place).act("make posix acme.jobs");
    let of_it = events(&place, &["--only", "died"]).iter().filter(|it| it["pid_there"] == dead).count();
    assert_eq!(of_it, 1);
}

#[test]
fn refusal_panic_and_resignation_are_told() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1").act("mistake").act("panic").act("give-up").act("lead");
    let all = events(&place, &["--only", "refused,left-half-changed,given-up,leads,removed"]);
    assert_eq!(kinds(&all), ["refused", "left-half-changed", "given-up", "leads"], "{all:#?}");
    let places: Vec<_> = all.iter().map(|it| it["where"].as_str().expect("a name")).collect();
    assert_eq!(places, ["done", "limits", "limits", "leader"]);
    place.run(&["reset", "acme.jobs", "limits"]);
    let last = events(&place, &["--only", "repaired"]);
    assert!(last.len() == 1 && last[0]["program"] == "cotenant", "{last:#?}");
}

#[test]
fn what_happens_is_told_as_it_does() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs").act("count 1");
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs");
    let mut command = place.command(&["trace", "acme.jobs", "--follow", "--json", "--interval", "5ms"]);
    let mut tracer = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let lines = BufReader::new(tracer.stdout.take().expect("piped")).lines();
    let (sender, events) = channel();
    let reader = std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let await_event = |what: &str, pid: Option<u32>| loop {
        let line = events.recv_timeout(WATCHDOG).unwrap_or_else(|_| panic!("watchdog: no {what}"));
        let event = parse(&line);
        if event["event"] == what && pid.is_none_or(|pid| event["pid_there"] == pid) {
            return event;
        }
    };
    await_event("attached", Some(holder.pid()));
    holder.act("lock");
    let owner = await_event("owner", Some(holder.pid()));
    assert_eq!(owner["where"], "limits", "{owner:#}");
    let dead = holder.pid();
    holder.kill();
    await_event("gone", Some(dead));
    other.act("repair");
    await_event("owner-died", Some(dead));
    await_event("repaired", Some(other.pid()));
    let last = other.pid();
    other.kill();
    await_event("gone", Some(last));
    // Nobody is left: it ends by itself.
    assert!(tracer.wait().expect("it is our child").success());
    reader.join().expect("it ends").ok();
}

#[test]
fn lock_that_was_waited_for_is_told_with_who_had_it_and_for_how_long() {
    let place = Place::new();
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock-kept").act("unlock").act("lock-kept");
    let mut waiter = Actor::start(&place);
    waiter.act("make posix acme.jobs").act("wait");
    let waited_ms = || {
        let document = place.json(&["show", "acme.jobs"]);
        let participants = document["segment"]["participants"].as_array().expect("a list").clone();
        participants.iter().filter_map(|it| it["waits"]["ms"].as_u64()).max().unwrap_or(0)
    };
    let deadline = std::time::Instant::now() + WATCHDOG;
    while waited_ms() < 150 {
        assert!(std::time::Instant::now() < deadline, "watchdog: it does not wait");
    }
    assert_eq!(events(&place, &["--only", "handed-over"]), Vec::<Value>::new());
    holder.act("unlock");
    let told = loop {
        let told = events(&place, &["--only", "handed-over"]);
        if !told.is_empty() {
            break told;
        }
        assert!(std::time::Instant::now() < deadline, "watchdog: it is not told");
    };
    let event = &told[0];
    assert_eq!((told.len(), &event["where"]), (1, &"limits".into()), "{told:#?}");
    assert_eq!((&event["pid_there"], &event["told_by"]["pid_there"]), (&holder.pid().into(), &waiter.pid().into()));
    assert!(event["waited_ms"].as_u64() >= Some(150), "{event:#}");
    let text = place.run(&["trace", "acme.jobs"]).out;
    assert!(text.contains(&format!("limits: {} ", waiter.pid())) && text.contains("got it from"), "{text}");
}

#[test]
fn only_kinds_that_there_are_may_be_asked_for() {
    let place = Place::new();
    let ran = place.run(&["trace", "acme.jobs", "--only", "owner-dead"]);
    assert!(ran.status == Some(2) && ran.err.contains("owner-died") && ran.err.contains("handed-over"), "{ran:#?}");
}

#[test]
fn segment_without_events_says_so() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make kept acme.jobs").act("count 7").kill_of();
    let mut bytes = std::fs::read(place.file("acme.jobs")).expect("it can be read");
    // As an older version made it.
    bytes[128..144].fill(0);
    std::fs::write(place.file("acme.jobs"), bytes).expect("it can be written");
    assert_eq!(place.run(&["get", "acme.jobs", "done"]).out, "7\n");
    let ran = place.run(&["trace", "acme.jobs"]);
    assert!(ran.status == Some(1) && ran.err.contains("has no events"), "{ran:#?}");
    // And it is joined as ever.
    let mut next = Actor::start(&place);
    next.act("make kept acme.jobs").act("count 8");
    assert_eq!(place.run(&["get", "acme.jobs", "done"]).out, "8\n");
}

#[test]
fn hostile_rings_are_refused_or_passed_by() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make kept acme.jobs").act("count 7").kill_of();
    let sound = std::fs::read(place.file("acme.jobs")).expect("it can be read");
    let events_at = u64::from_le_bytes(sound[128..136].try_into().expect("eight bytes")) as usize;
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = sound.clone();
        change(&mut bytes);
        std::fs::write(place.file("acme.jobs"), bytes).expect("it can be written");
        place.run(&["trace", "acme.jobs"])
    };
    let numbers: [(usize, &[u8]); 6] = [
        (128, &[0xff; 8]),            // behind the end
        (128, &64_u64.to_le_bytes()), // in the header
        (128, &4097_u64.to_le_bytes()),
        (136, &[0xff; 4]), // too many
        (136, &[0; 4]),    // none
        (140, &1_u32.to_le_bytes()),
    ];
    for (at, number) in numbers {
        let ran = with(&|bytes| bytes[at..at + number.len()].copy_from_slice(number));
        assert!(ran.status == Some(1) && ran.err.contains("damaged"), "{at}: {ran:#?}");
    }
    let ran = with(&|bytes| bytes[events_at..events_at + 256 * 64].fill(0xa5));
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), ""), "{ran:#?}");
    let ran = with(&|bytes| bytes[168..176].fill(0xff));
    assert!(ran.status == Some(0) && ran.out.contains("attached"), "{ran:#?}");
}
