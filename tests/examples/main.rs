//! Every example, built and run as its header says, and the README's code. With real processes of several programs.
//!
//! Linux and Windows: elsewhere nothing is shared.

#![cfg(any(target_os = "linux", windows))]
#![cfg_attr(target_os = "linux", allow(unsafe_code))]

mod build;
mod library;
#[path = "../support/skip.rs"]
mod not_tried;
mod run;

use std::env::consts::EXE_SUFFIX;

use build::example;
use run::{Place, Running};

fn numbers_after<'a>(lines: impl IntoIterator<Item = &'a String>, mark: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = lines
        .into_iter()
        .map(|line| {
            let (_, number) = line.split_once(mark).unwrap_or_else(|| panic!("no `{mark}` in {line:?}"));
            number.parse().unwrap_or_else(|_| panic!("no number after `{mark}` in {line:?}"))
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn counter_is_one_variable_for_three_processes() {
    let place = Place::new();
    let running: Vec<Running> = (0..3).map(|_| place.start(example("counter"), &[])).collect();
    let lines: Vec<String> = running.into_iter().flat_map(Running::end_well).collect();
    assert_eq!(numbers_after(&lines, "g_sharedCounter = "), (1..=45).collect::<Vec<_>>());
}

/// In a child that could still read its own pipe, `send` would never fail.
#[cfg(target_os = "linux")]
#[test]
fn children_of_pipe_fork_end_when_their_parent_was_killed() {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that takes nothing");
    let mut command = Command::new(example("pipe_fork"));
    // It dies of its first line, while its children have far more to send than a pipe holds.
    let mut parent = command.stdout(full).stderr(Stdio::piped()).process_group(0).spawn().expect("it starts");
    let mut errors = parent.stderr.take().expect("piped");
    let (sender, all_have_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(std::io::copy(&mut errors, &mut std::io::sink())));
    assert!(!parent.wait().expect("its end").success());
    let ended = all_have_ended.recv_timeout(std::time::Duration::from_secs(20));
    // SAFETY: no pointer; the group of our own child, of which none is left unless the test failed.
    ended.is_err().then(|| unsafe { libc::kill(-parent.id().cast_signed(), libc::SIGKILL) });
    assert!(ended.is_ok(), "its children wait for a reader that is gone");
}

#[cfg(target_os = "linux")]
#[test]
fn messages_of_forked_children_come_whole_although_one_is_killed() {
    let lines = Place::new().start(example("pipe_fork"), &[]).end_well();
    let text = lines.join("\n");
    let kill = lines.iter().position(|line| line.starts_with("the first child is killed after ["));
    assert!(kill.is_some() && text.contains(" messages, all whole; "), "{text}");
    let (_, numbers) = lines[lines.len() - 1].split_once('[').expect("how many came");
    let (numbers, _) = numbers.split_once(']').expect("their end");
    let came: Vec<u32> = numbers.split(", ").map(|number| number.parse().expect("a number")).collect();
    // The pipe has room for three: the killed one cannot have come to its end.
    assert!(came[0] < 100 && came[1..] == [100, 100], "{text}");
}

#[test]
fn listener_of_the_fifo_hears_the_reporter_and_its_end() {
    let lines = Place::new().start(example("fifo"), &[]).end_well();
    let said = |line: &String| line.split_once(": ").map(|(_, said)| said.to_owned());
    let said: Vec<_> = lines.iter().map_while(said).collect();
    assert_eq!(said, ["0 % done", "50 % done", "100 % done"], "{lines:?}");
    assert_eq!(lines[3..], ["the last reporter is gone"]);
}

/// As the header has it: in any shell, as often as one likes.
#[test]
fn reporters_of_the_fifo_find_it_by_its_path() {
    use cotenant::channel::Fifo;
    let place = Place::new();
    let name = format!("cotenant-test-report-{}", std::process::id());
    let path = if cfg!(windows) { format!(r"\\.\pipe\{name}").into() } else { place.path().join(name) };
    let fifo = Fifo::create(&path, 0o600).expect("a FIFO");
    let mut reader = fifo.reader().expect("it may be read").messages();
    // Its own, so that the stream outlasts a reporter.
    let own = fifo.try_writer().expect("somebody reads");
    for _ in 0..2 {
        let reporter = place.start(example("fifo"), &["report", path.to_str().expect("UTF-8")]);
        let said = format!("process {}: ", reporter.pid());
        for percent in ["0", "50", "100"] {
            let message = reader.recv().expect("no error").expect("a message");
            assert_eq!(String::from_utf8_lossy(&message), format!("{said}{percent} % done"));
        }
        reporter.end_well();
    }
    drop(own);
    assert_eq!(reader.recv().expect("the end"), None);
}

#[test]
fn frames_come_through_the_queue_as_they_were_written_in_place() {
    let lines = Place::new().start(example("queue"), &[]).end_well();
    assert!(lines[0].starts_with("5 frames from process "), "{lines:?}");
    let frames: Vec<_> =
        (0..5_u64).map(|number| format!("a frame of 1048576 bytes whose sum is {}", number << 20)).collect();
    assert_eq!(lines[1..], frames);
}

#[test]
fn workers_that_are_killed_lose_no_job() {
    let lines = Place::new().start(example("jobs"), &[]).end_well();
    let words: Vec<_> = lines[0].split(' ').collect();
    let kills: u32 = words[0].parse().unwrap_or_else(|_| panic!("{lines:?}"));
    assert!(kills > 0 && lines[0].contains(" workers were killed; all 200 jobs were done, "), "{lines:?}");
    assert_eq!(lines.len(), 1);
}

#[test]
fn limits_are_repaired_by_the_next_one_which_says_who_died() {
    let place = Place::new();
    let lines = place.start(example("limits"), &[]).end_well();
    let text = lines.join("\n");
    let pid = lines.iter().find_map(|line| line.strip_prefix("process ")?.split_once(" changed the requests"));
    let (pid, _) = pid.unwrap_or_else(|| panic!("nobody crashed:\n{text}"));
    for part in [
        &format!("process {pid} (limits{EXE_SUFFIX}) died in the middle of a change"),
        "it left  Limits { requests_per_second: 500, burst: 20 }",
        "repaired Limits { requests_per_second: 500, burst: 100 }",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn limits_watcher_sees_changes_and_repairs_after_a_crash() {
    let place = Place::new();
    let mut watcher = place.start(example("limits"), &["watch"]);
    watcher.line_with("requests_per_second: 100, burst: 20");
    place.start(example("limits"), &["set", "300"]).end_well();
    watcher.line_with("requests_per_second: 300, burst: 60");
    let crashed = place.start(example("limits"), &["crash"]);
    let pid = crashed.pid();
    let (status, _, _) = crashed.end();
    assert!(!status.success());
    watcher.line_with(&format!("process {pid} (limits{EXE_SUFFIX}) died in the middle of a change"));
    watcher.line_with("repaired Limits { requests_per_second: 500, burst: 100 }");
    let usage = place.start(example("limits"), &["explode"]).end();
    assert_eq!(usage.0.code(), Some(2));
}

#[test]
fn two_programs_share_the_named_block() {
    let place = Place::new();
    let mut web = place.start(example("named_web"), &[]);
    web.line_with("200 request 2");
    let lines = place.start(example("named_admin"), &["on"]).end_well();
    let (served, _) = lines[0].split_once(' ').expect("a number and words");
    assert!(served.parse::<u64>().is_ok_and(|served| served >= 2), "{lines:?}");
    assert!(lines[0].ends_with("requests answered, maintenance true"), "{lines:?}");
    web.line_with("503 down for maintenance");
    place.start(example("named_admin"), &["off"]).end_well();
    web.line_with("200 request");
    drop(web);
    let lines = place.start(example("named_admin"), &[]).end_well();
    assert_eq!(lines, ["0 requests answered, maintenance false"]);
}

#[test]
fn next_process_leads_when_the_leader_is_killed_or_steps_down() {
    let place = Place::new();
    let mut first = place.start(example("leader"), &[]);
    first.line_with(&format!("process {} leads in term 1", first.pid()));
    let mut second = place.start(example("leader"), &["2"]);
    second.line_with(&format!("process {} waits: process {} leads in term 1", second.pid(), first.pid()));
    drop(first);
    second.line_with(&format!("process {} leads in term 2", second.pid()));
    let mut third = place.start(example("leader"), &["0"]);
    third.line_with(&format!("process {} leads in term 3", third.pid()));
    let lines = second.end_well();
    assert!(lines.last().is_some_and(|line| line.ends_with("has stepped down")), "{lines:?}");
    assert_eq!(third.end_well().len(), 1);
}

#[test]
fn segment_grows_for_both_processes_up_to_its_maximum() {
    let lines = Place::new().start(example("growing"), &[]).end_well();
    let text = lines.join("\n");
    assert!(lines[0].ends_with(": 64 of 4194304 bytes used"), "{text}");
    assert!(text.contains("block 7, 3670080 bytes used"), "{text}");
    assert!(text.contains("no room for the object `block 8`") && text.contains("`max_bytes`"), "{text}");
    assert!(text.ends_with("the sum of 7 blocks is 458752"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn forked_children_count_and_one_that_is_killed_is_repaired() {
    let lines = Place::new().start(example("mmap_fork"), &[]).end_well();
    let text = lines.join("\n");
    assert!(text.contains("child 2 is killed in the middle of its change number 500"), "{text}");
    assert!(text.ends_with("3 children counted to 1000, one to 500: [3500, 3500]"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn segment_passed_over_a_socket_is_shared() {
    let running = Place::new().start(example("memfd_pass"), &[]);
    let pid = running.pid();
    let lines = running.end_well();
    assert!(lines[0].ends_with("has received memfd:memfd_pass and finds 7"), "{lines:?}");
    assert_eq!(lines[1], format!("process {pid} sent it, and reads 107"));
}

#[cfg(target_os = "linux")]
#[test]
fn two_programs_share_a_system_v_segment_and_remove_it() {
    let place = Place::new();
    // Without it the key is of the current folder, which other tests may use.
    let path = place.path().to_str().expect("UTF-8");
    let mut sells = place.start(example("sysv"), &[path]);
    sells.line_with("the next one costs");
    let lines = place.start(example("sysv_other"), &[path]).end_well();
    let at = format!("(ftok of {path} and 66))");
    assert!(lines[0].starts_with("bought loaf 1 for 2") && lines[0].ends_with(&at), "{lines:#?}");
    let (_, key) = lines[0].split_once("System V key ").expect("a key");
    let (key, _) = key.split_once(' ').expect("its end");
    let lists_the_key = |lines: &[String]| lines[1..].iter().any(|line| line.starts_with(key));
    if lines[1].starts_with("ipcs -m: ") {
        not_tried::skip("what ipcs lists, because it is not installed");
    } else {
        assert!(lists_the_key(&lines), "{lines:#?}");
    }
    sells.line_with("1 loaves sold");
    sells.end_well();
    assert!(!std::fs::read_to_string("/proc/sysvipc/shm").is_ok_and(|table| {
        let number = u32::from_str_radix(key.trim_start_matches("0x"), 16).expect("a key") as i32;
        table.lines().any(|line| line.split_ascii_whitespace().next() == Some(&number.to_string()))
    }));
    let alone = place.start(example("sysv_other"), &[path]).end_well();
    assert!(alone[0].starts_with("nobody sells bread at ") && alone[0].ends_with(&at), "{alone:?}");
}

#[test]
fn summary_of_killed_collectors_is_whole() {
    let lines = Place::new().start(example("aggregate"), &[]).end_well();
    assert_eq!(lines, ["Summary { lines: 8000, bytes: 360000, longest_bytes: 80 }"]);
}

#[test]
fn four_workers_get_through_a_limit_as_often_as_one() {
    let lines = Place::new().start(example("rate_limit"), &[]).end_well();
    assert!(lines[0].ends_with(" in all") && lines[0].contains(" served, "), "{lines:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn scrape_of_killed_and_recycled_workers_is_exact_to_an_independent_parser() {
    use std::io::{Read, Write};
    let place = Place::new();
    let mut server = place.start(example("prefork_metrics"), &["0"]);
    let line = server.line_with("/metrics");
    let address = line.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    let ask = |path: &str| -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(&address)?;
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let (mut answered, mut lost) = (0, 0);
    for nth in 0..600 {
        if ask("/").is_ok_and(|answer| answer.ends_with("hello\n")) {
            answered += 1
        } else {
            lost += 1
        }
        if nth % 50 == 25 {
            // SAFETY: no pointer; a child of the server, which nobody else waits for.
            unsafe { libc::kill(a_child_of(server.pid()), libc::SIGKILL) };
        }
    }
    let scrape = (0..10).find_map(|_| ask("/metrics").ok().filter(|text| text.contains("requests_total")));
    let scrape = scrape.expect("a scrape");
    let (_, text) = scrape.split_once("\r\n\r\n").expect("a body");
    let parsed = prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("it parses");
    let value = |name: &str| {
        let sample = parsed.samples.iter().find(|sample| sample.metric == name).expect("the metric");
        match &sample.value {
            prometheus_parse::Value::Counter(value) | prometheus_parse::Value::Gauge(value) => *value as u64,
            prometheus_parse::Value::Untyped(value) => *value as u64,
            prometheus_parse::Value::Histogram(buckets) => buckets.last().map_or(0, |last| last.count as u64),
            other => panic!("{name} is {other:?}"),
        }
    };
    let total = value("requests_total");
    assert!((answered..=answered + lost).contains(&total), "{total}: {answered} answered, {lost} lost");
    let observed = value("request_seconds");
    assert!(observed.abs_diff(total) <= lost, "{observed} observed of {total}");
    // Twelve were killed; one that was just started may have been, before it counted itself.
    assert!(value("workers_total") > 4 + 4, "{} workers", value("workers_total"));
    assert_eq!(
        parsed.docs.get("requests_total").map(String::as_str),
        Some("Requests answered, by workers that have ended too.")
    );
}

/// One of the processes that a process has started.
#[cfg(target_os = "linux")]
fn a_child_of(pid: u32) -> i32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children");
    children.split_ascii_whitespace().next().expect("a child").parse().expect("a process id")
}

#[test]
fn code_in_the_readme_is_the_examples_and_runs() {
    let readme = include_str!("../../README.md");
    let from_readme: Vec<_> = readme.split("```rust\n").skip(1).map(|code| code.split("```").next()).collect();
    let examples = [include_str!("../../examples/readme.rs"), include_str!("../../examples/readme_segment.rs")];
    let code_of = |example: &'static str| example.split_once("\n\n").map(|(_header, code)| code);
    assert_eq!(from_readme, examples.map(code_of));
    assert_eq!(Place::new().start(example("readme"), &[]).end_well(), ["request 1, 105 a second allowed"]);
    assert_eq!(Place::new().start(example("readme_segment"), &[]).end_well(), [""; 0]);
}
