//! `cotenant demo counter`, as one who types it sees it: real processes, real segments.

mod kill;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Instant;

use kill::kill;
use support::{Place, Sum, parse_tick, sorted_values, start};

/// A run of `instances`, alone on its variable.
fn alone(instances: u32, ticks: u32, how: &str) -> support::Ended {
    let (instances, ticks) = (instances.to_string(), ticks.to_string());
    let place = Place::new();
    place.demo(&["--instances", &instances, "--ticks", &ticks, "--interval", "60ms", "--how", how]).end()
}

/// How far the values of each process go up from one tick to its next, commonest first.
fn commonest_step(ticks: &[(u32, u64)]) -> u64 {
    let mut last = BTreeMap::new();
    let mut steps = BTreeMap::new();
    for (pid, value) in ticks {
        if let Some(before) = last.insert(*pid, *value) {
            *steps.entry(value - before).or_insert(0) += 1;
        }
    }
    steps.into_iter().max_by_key(|(_, count)| *count).map(|(step, _)| step).expect("more than one tick")
}

#[test]
fn values_of_one_process_go_up_by_one() {
    let ended = alone(1, 6, "atomic");
    let values: Vec<u64> = ended.ticks().iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [1, 2, 3, 4, 5, 6]);
    assert_eq!(ended.sum(), Sum { increments: 6, counter: 6, lost: 0 });
}

#[test]
fn values_of_several_processes_go_up_by_their_number() {
    for (instances, how) in [(2, "atomic"), (3, "atomic"), (2, "mutex"), (3, "mutex")] {
        let ended = alone(instances, 20, how);
        let ticks = ended.ticks();
        let all = u64::from(instances) * 20;
        assert_eq!(sorted_values(&ticks), (1..=all).collect::<Vec<_>>(), "{how}: each value once");
        assert_eq!(ended.sum(), Sum { increments: all, counter: all, lost: 0 });
        // A busy machine makes a process late now and then, not most of the time.
        assert_eq!(commonest_step(&ticks), u64::from(instances), "{how}: {ticks:?}");
    }
}

#[test]
fn defaults_are_three_instances_of_ten_ticks() {
    let ended = Place::new().demo(&[]).end();
    let ticks = ended.ticks();
    assert_eq!(sorted_values(&ticks), (1..=30).collect::<Vec<_>>());
    let pids: BTreeSet<u32> = ticks.iter().map(|(pid, _)| *pid).collect();
    assert_eq!(pids.len(), 3);
    assert_eq!(ended.lines.len(), 31);
    assert_eq!(ended.lines[30], "increments: 30, counter: 30, lost: 0");
}

#[test]
fn help_shows_the_defaults() {
    let ended = start(&mut Place::new().command(&["demo", "counter", "--help"])).end();
    assert!(ended.status.success(), "{}", ended.errors);
    let mut lines = ended.lines.iter().map(|line| line.trim());
    // Each default stands below its option, before the next one.
    for (option, default) in [("--instances", "3"), ("--ticks", "10"), ("--interval", "200ms"), ("--how", "atomic")] {
        assert!(lines.any(|line| line.starts_with(option)), "no {option}: {:#?}", ended.lines);
        let is_shown = lines.find(|line| line.starts_with("[default: "));
        assert_eq!(is_shown, Some(format!("[default: {default}]").as_str()), "{option}");
    }
}

#[test]
fn two_terminals_count_on_the_same_variable_and_lose_nothing() {
    for how in ["atomic", "mutex"] {
        let place = Place::new();
        let arguments = ["--instances", "1", "--ticks", "60", "--interval", "50ms", "--how", how];
        let mut first = place.demo(&arguments);
        first.next_line();
        let second = place.demo(&arguments).end();
        let first = first.end();
        let mut ticks = first.ticks();
        ticks.extend(second.ticks());
        assert_eq!(sorted_values(&ticks), (1..=120).collect::<Vec<_>>(), "{how}");
        // Who ends first has not seen all; whoever it is has lost nothing.
        assert_eq!(first.sum().counter.max(second.sum().counter), 120, "{how}");
        assert_eq!((first.sum().lost, second.sum().lost), (0, 0), "{how}");
    }
}

#[test]
fn closing_line_shows_no_difference_of_an_instant_while_others_count() {
    for how in ["atomic", "mutex"] {
        let place = Place::new();
        let endless = ["--instances", "2", "--ticks", "1000000", "--interval", "0s", "--how", how];
        let mut busy = place.demo(&endless);
        busy.next_line();
        for _ in 0..20 {
            let brief = place.demo(&["--instances", "1", "--ticks", "1", "--how", how]).end();
            assert!(brief.status.success(), "{brief:#?}");
            let sum = brief.sum();
            assert_eq!((sum.lost, sum.increments), (0, sum.counter), "{how}");
        }
    }
}

#[test]
fn unsynchronised_processes_lose_updates_and_the_closing_line_says_how_many() {
    let place = Place::new();
    let arguments = ["--instances", "8", "--ticks", "25", "--interval", "10ms", "--how", "unsynchronised"];
    let ended = place.demo(&arguments).end();
    let ticks = ended.ticks();
    let sum = ended.sum();
    assert_eq!((ticks.len(), sum.increments), (200, 200));
    assert!(sum.lost > 0, "{sum:?}");
    assert_eq!(sum.increments - sum.counter, sum.lost);
}

#[test]
fn unsynchronised_loses_some_with_the_defaults_and_none_alone() {
    let sum = Place::new().demo(&["--how", "unsynchronised"]).end().sum();
    assert!(sum.increments == 30 && sum.lost > 0, "{sum:?}");
    let sum = alone(1, 5, "unsynchronised").sum();
    assert_eq!(sum, Sum { increments: 5, counter: 5, lost: 0 });
}

#[test]
fn values_start_afresh_when_everybody_has_ended() {
    let place = Place::new();
    for _ in 0..2 {
        let ended = place.demo(&["--instances", "2", "--ticks", "2", "--interval", "20ms"]).end();
        assert_eq!(sorted_values(&ended.ticks()), [1, 2, 3, 4]);
    }
}

#[test]
fn other_scopes_count_on_variables_of_their_own() {
    let place = Place::new();
    let mut first = place.demo(&["--instances", "1", "--ticks", "1000", "--interval", "20ms"]);
    assert_eq!(parse_tick(&first.next_line()).1, 1);
    let mut other = place.command(&["demo", "counter", "--instances", "1", "--ticks", "2"]);
    let other = start(other.env("COTENANT_SCOPE", format!("other-{}", std::process::id()))).end();
    assert_eq!(sorted_values(&other.ticks()), [1, 2]);
}

#[test]
fn nothing_can_be_shown_where_sharing_is_switched_off() {
    let place = Place::new();
    let ended = start(place.command(&["demo", "counter"]).env("COTENANT_PRIVATE", "1")).end();
    assert_eq!(ended.status.code(), Some(78), "{ended:#?}");
    assert_eq!(ended.lines, [""; 0]);
    assert!(ended.errors.starts_with("cotenant: cannot share") && ended.errors.contains("COTENANT_PRIVATE"));
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
}

#[test]
fn wrong_usage_is_said_with_the_range_and_is_status_2() {
    let place = Place::new();
    for (arguments, range) in [
        (["--instances", "0"], "1..=1000"),
        (["--instances", "1001"], "1..=1000"),
        (["--ticks", "0"], "1..=1000000"),
        (["--interval", "2h"], "0s..=1h"),
        (["--interval", "200"], "200ms"),
        (["--how", "hopefully"], "unsynchronised"),
    ] {
        let ended = place.demo(&arguments).end();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
        assert!(ended.errors.contains(range) && ended.lines.is_empty(), "{arguments:?}: {}", ended.errors);
    }
}

#[test]
fn help_teaches_and_version_is_that_of_the_package() {
    let place = Place::new();
    let help = start(&mut place.command(&["demo", "counter", "--help"])).end();
    let text = help.lines.join("\n");
    for part in ["g_sharedCounter", "increments: I, counter: C, lost: L", "Examples:", "three quarters", "kill -9"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("--as-instance"), "{text}");
    let version = start(&mut place.command(&["--version"])).end();
    assert_eq!(version.lines, [concat!("cotenant ", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn killed_instance_is_reported_and_the_others_go_on() {
    for how in ["atomic", "mutex"] {
        let place = Place::new();
        let mut running = place.demo(&["--instances", "3", "--ticks", "30", "--interval", "50ms", "--how", how]);
        let (victim, _) = parse_tick(&running.next_line());
        kill(victim);
        let ended = running.end();
        let ticks = ended.ticks_of_failed();
        let survivors = ticks.iter().filter(|(pid, _)| *pid != victim).count();
        assert_eq!(survivors, 60, "{ended:#?}");
        let sum = ended.sum();
        assert!(sum.lost == 0 && (61..90).contains(&sum.counter), "{sum:?}");
        // Mostly the first one prints first, but a machine may be slow to start it.
        let said = format!(" of 3 (process {victim}) ended before its time: ");
        assert!(ended.errors.starts_with("cotenant: instance ") && ended.errors.contains(&said), "{}", ended.errors);
        assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
        // Windows has no status that tells of a kill: it is the one that the killer chose.
        assert_eq!(ended.status.success(), cfg!(unix));
    }
}

#[test]
fn instances_end_when_their_starter_is_killed() {
    let place = Place::new();
    let mut running = place.demo(&["--ticks", "1000000", "--interval", "10ms"]);
    // Not while it starts one: Windows starts processes suspended, and this one would stay so for ever.
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        seen.insert(parse_tick(&running.next_line()).0);
    }
    kill(running.pid());
    // The output ends when the last of them ends.
    let ended = running.end();
    assert!(!ended.status.success());
    // Nobody waits for orphans, and the system may close their output a moment before it unmaps their segment.
    let deadline = Instant::now() + support::WATCHDOG;
    let is_afresh = || {
        let next = place.demo(&["--instances", "1", "--ticks", "1"]).end();
        sorted_values(&next.ticks()) == [1]
    };
    while !is_afresh() {
        assert!(Instant::now() < deadline, "watchdog: somebody is still attached");
    }
}

#[test]
fn reader_that_leaves_ends_the_demo_without_a_word() {
    let place = Place::new();
    let mut command = place.command(&["demo", "counter", "--ticks", "1000000", "--interval", "10ms"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().expect("piped");
    std::io::Read::read_exact(&mut stdout, &mut first).expect("a line");
    drop(stdout);
    let deadline = Instant::now() + support::WATCHDOG;
    let status = support::wait(&mut child, deadline);
    let errors = std::io::read_to_string(child.stderr.take().expect("piped")).expect("text");
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
}

/// A folder of segments is a thing of Unix.
#[cfg(unix)]
#[test]
fn unusable_folder_is_one_line_that_names_it_and_other_commands_work_there() {
    let place = Place::new();
    let file = place.path().join("a-file");
    std::fs::write(&file, "").expect("a file");
    let ended = start(place.command(&["demo", "counter"]).env("COTENANT_DIR", &file)).end();
    assert_eq!(ended.status.code(), Some(78), "{ended:#?}");
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    assert!(ended.errors.contains(&file.display().to_string()), "{}", ended.errors);
    for arguments in [vec!["--help"], vec!["--version"], vec!["demo", "--help"], vec!["demo", "counter", "--help"]] {
        let ended = start(place.command(&arguments).env("COTENANT_DIR", &file)).end();
        assert!(ended.status.success() && ended.errors.is_empty(), "{arguments:?}: {ended:#?}");
    }
}
