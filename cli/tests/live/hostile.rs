//! Whatever lies in the folder, the command ends, says what is wrong, and goes on with the rest.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use cotenant::inspect::live::LiveSegment;

use crate::actor::Actor;
use crate::place::{Place, WATCHDOG, row_of};

/// A segment with objects and a dead owner, kept.
fn sample(place: &Place) {
    let mut actor = Actor::start(place);
    actor.act("make kept sample").act("count 1").act("lock").act("read").act("permit");
    actor.kill();
}

fn bytes_of_chance(len: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn what_is_no_segment_is_a_row_that_says_so() {
    let place = Place::new();
    sample(&place);
    let sample = std::fs::read(place.file("sample")).expect("it can be read");
    std::fs::write(place.file("empty"), "").expect("a file");
    std::fs::write(place.file("chance"), bytes_of_chance(10_000, 1)).expect("a file");
    std::fs::write(place.file("cut100"), &sample[..100]).expect("a file");
    std::fs::write(place.file("cut4096"), &sample[..4096]).expect("a file");
    let mut huge = sample.clone();
    huge[96..104].fill(0xff);
    huge[144..176].fill(0xff);
    std::fs::write(place.file("huge"), huge).expect("a file");
    std::fs::create_dir(place.file("folder")).expect("a folder");
    std::os::unix::fs::symlink(place.file("sample"), place.file("link")).expect("a link");
    std::os::unix::fs::symlink("/dev/zero", place.file("zero")).expect("a link");
    assert!(Command::new("mkfifo").arg(place.file("fifo")).status().is_ok_and(|it| it.success()));
    let _socket = std::os::unix::net::UnixListener::bind(place.file("socket")).expect("a socket");
    let document = place.json(&["ls"]);
    for name in ["empty", "chance", "cut100", "cut4096", "huge", "folder", "link", "zero", "fifo", "socket"] {
        let row = row_of(&document, name).unwrap_or_else(|| panic!("no {name} in {document:#}"));
        assert!(row["state"] == "damaged" && row["error"].is_string(), "{row:#}");
        let shown = place.run(&["show", &place.file(name).display().to_string()]);
        assert!(shown.status == Some(1) && shown.err.starts_with("cotenant: "), "{name}: {shown:#?}");
        let path = place.file(name).display().to_string();
        assert_eq!(shown.err.matches(&path).count(), 1, "its path is said once: {shown:#?}");
        let removed = place.run(&["rm", &place.file(name).display().to_string()]);
        assert!(
            removed.status == Some(1) && std::fs::symlink_metadata(place.file(name)).is_ok(),
            "{name}: {removed:#?}"
        );
        let kind = ["folder", "fifo", "socket"].iter().find(|it| it.eq_ignore_ascii_case(name));
        let is_said = kind.is_none_or(|kind| removed.err.to_lowercase().contains(&format!("a {kind}, not a segment")));
        assert!(is_said && removed.err.contains("left alone"), "{name}: {removed:#?}");
    }
    assert_eq!(row_of(&document, "sample").expect("the good one")["state"], "kept");
    let text = place.run(&["ls"]);
    assert!(text.status == Some(0) && text.out.contains("damaged"), "{text:#?}");
    let doctor = place.run(&["doctor", "--json"]);
    let document = crate::place::parse(&doctor.out);
    let damaged = document["checks"].as_array().expect("a list").iter().find(|it| it["name"] == "damaged");
    assert_eq!(damaged.expect("the check")["status"], "problem", "{document:#}");
    assert_eq!(doctor.status, Some(1));
    assert_eq!(place.run(&["prune", "--dry-run"]).status, Some(0));
}

#[test]
fn names_of_files_cannot_move_the_cursor() {
    let place = Place::new();
    std::fs::write(place.file("a\u{1b}[2Jb\nc"), "x").expect("a file");
    for arguments in [["ls"].as_slice(), &["doctor"], &["show", "nothing"]] {
        let ran = place.run(arguments);
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{arguments:?}: {ran:#?}");
    }
}

/// Reads all that the view can read; must not panic or take long, whatever the bytes.
fn read_all(path: &Path) {
    let Ok(segment) = LiveSegment::open(path) else { return };
    let participants = segment.participants().unwrap_or_default();
    for object in segment.objects().unwrap_or_default().into_iter().flatten() {
        let _ = segment.value(&object, 100);
        let _ = segment.locks(&object, &participants);
        let _ = segment.maker(&object, &participants);
    }
}

#[test]
fn no_changed_byte_of_a_segment_is_more_than_an_error() {
    let place = Place::new();
    sample(&place);
    let good = std::fs::read(place.file("sample")).expect("it can be read");
    let path = place.file("changed");
    std::fs::copy(place.file("sample"), &path).expect("a copy");
    let file = std::fs::File::options().write(true).open(&path).expect("it can be written");
    let number = |at: usize| u64::from_le_bytes(good[at..at + 8].try_into().expect("eight")) as usize;
    let (objects_at, schemas_at) = (number(96), number(112));
    let participants = 4096..4096 + 192;
    let areas = [0..448, participants, objects_at..objects_at + 320, schemas_at..schemas_at + 600];
    let started = std::time::Instant::now();
    for at in areas.into_iter().flatten() {
        for value in [0, 1, 0x7f, 0x80, 0xff, good[at] ^ 1] {
            file.write_all_at(&[value], at as u64).expect("written");
            read_all(&path);
        }
        file.write_all_at(&good[at..=at], at as u64).expect("written");
        assert!(started.elapsed() < WATCHDOG, "watchdog: at byte {at}");
    }
    for seed in 1..300_u64 {
        let mut bytes = good.clone();
        for change in bytes_of_chance(24, seed * 7919).chunks_exact(3) {
            let at = usize::from(change[0]) * 256 + usize::from(change[1]);
            let at = if seed % 2 == 0 { at % 448 } else { objects_at + at % 2048 };
            bytes[at] = change[2];
        }
        std::fs::write(&path, &bytes).expect("written");
        read_all(&path);
    }
}

#[test]
fn segment_that_is_cut_off_while_it_is_read_is_an_error() {
    let place = Place::new();
    sample(&place);
    let path = place.file("sample");
    let segment = LiveSegment::open(&path).expect("a segment");
    let objects: Vec<_> = segment.objects().expect("objects").into_iter().flatten().collect();
    std::fs::File::options().write(true).open(&path).expect("open").set_len(4096).expect("cut");
    assert!(segment.participants().is_err());
    assert!(segment.objects().is_err());
    assert!(!objects.is_empty() && objects.iter().all(|object| segment.value(object, 10).is_err()));
}

/// Every command beside a segment that somebody uses, and somebody else writes at random: as a program with a wild
/// pointer does.
#[test]
fn no_command_crashes_or_hangs_beside_a_living_segment_of_wild_bytes() {
    for seed in 1..=16_u64 {
        let place = Place::new();
        let mut actor = Actor::start(&place);
        actor.act("make posix wild").act("count 1").act("hosts").act("metrics 5").act("queue todo").act("lock");
        let path = place.file("wild");
        let snapshot = place.file("before.json").display().to_string();
        assert_eq!(place.run(&["snapshot", &snapshot, "wild"]).status, Some(0));
        let file = std::fs::File::options().read(true).write(true).open(&path).expect("it can be written");
        let len = file.metadata().expect("a file").len();
        let chance = bytes_of_chance(64 * 5, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for change in chance.chunks_exact(5) {
            let number = u32::from_le_bytes([change[0], change[1], change[2], change[3]]);
            // The header; participants, objects and schemas; or anywhere. What says that it is a segment stays.
            let end = [4096, 65_536.min(len), len][seed as usize % 3];
            file.write_all_at(&change[4..], (u64::from(number) % end).max(8)).expect("written");
        }
        let (pid, path) = (actor.pid().to_string(), path.display().to_string());
        let commands: [&[&str]; 24] = [
            &["ls"],
            &["ls", "--json"],
            &["show", &path],
            &["show", &path, "--values", "--json"],
            &["get", &path],
            &["get", &path, "done"],
            &["get", &path, "hosts[1].ports"],
            &["get", &path, "todo"],
            &["get", &path, "metrics", "jobs"],
            &["get", &path, "key"],
            &["set", &path, "done", "7", "--timeout", "50ms"],
            &["set", &path, "hosts[0].name", "x", "--timeout", "50ms"],
            &["watch", &path, "--for", "30ms", "--interval", "10ms"],
            &["trace", &path],
            &["trace", &path, "--follow", "--for", "30ms", "--interval", "10ms", "--json"],
            &["snapshot", "-", &path],
            &["diff", &snapshot],
            &["metrics", &path],
            &["published", &path, "history"],
            &["cache", "wild", "--object", "todo", "stats"],
            &["inspect", "--process", &pid],
            &["reset", &path, "limits"],
            &["doctor"],
            &["prune", "--dry-run"],
        ];
        for command in commands {
            let ran = place.run(command);
            let is_an_end = matches!(ran.status, Some(0..=2 | 78)) && !ran.err.contains("panicked");
            assert!(is_an_end, "seed {seed}: {command:?}: {ran:#?}");
            assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "seed {seed}: {command:?}");
        }
        // It may have been harmed by what was written, not by who looked.
        actor.kill();
    }
}
