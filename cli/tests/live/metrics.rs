//! `cotenant metrics`: what living and killed processes have counted, as text and by HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::actor::Actor;
use crate::place::{Place, Ran, WATCHDOG};

fn lines(ran: &Ran) -> Vec<&str> {
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    ran.out.lines().collect()
}

#[test]
fn metrics_of_living_and_killed_processes_are_printed() {
    let place = Place::new();
    let mut first = Actor::start(&place);
    first.act("make posix acme.jobs").act("metrics 5");
    let mut second = Actor::start(&place);
    second.act("make posix acme.jobs").act("metrics 7");
    let ran = place.run(&["metrics", "acme.jobs"]);
    let before = lines(&ran);
    for line in [
        "# HELP jobs_total Jobs done.",
        "# TYPE jobs_total counter",
        "jobs_total{queue=\"fast\"} 12",
        "working 12.0",
        "requests_total 12",
        "size_bytes_bucket{le=\"4.0\"} 2",
        "size_bytes_count 2",
        "cotenant_metrics_refused_total 0",
    ] {
        assert!(before.contains(&line), "no {line:?} in {before:#?}");
    }
    let path = place.file("acme.jobs").display().to_string();
    assert!(before.contains(&format!("cotenant_participants{{segment=\"{path}\"}} 2.0").as_str()), "{before:#?}");
    second.kill();
    let ran = place.run(&["metrics", "acme.jobs", "--format", "openmetrics"]);
    let after = lines(&ran);
    assert!(after.contains(&"jobs_total{queue=\"fast\"} 12"), "what it counted stays: {after:#?}");
    assert!(after.contains(&"working 5.0"), "its gauge vanishes: {after:#?}");
    assert!(after.contains(&"# TYPE jobs counter") && after.last() == Some(&"# EOF"), "{after:#?}");
    let ran = place.run(&["metrics"]);
    let labelled = format!("jobs_total{{queue=\"fast\",segment=\"{path}\"}} 12");
    assert!(lines(&ran).contains(&labelled.as_str()), "{}", ran.out);
    let ran = place.run(&["metrics", "acme.jops"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.err.contains("did you mean acme.jobs"), "{}", ran.err);
}

/// Stopped when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn metrics_are_served_in_the_format_that_is_asked_for() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("metrics 5");
    let mut command = place.command(&["metrics", "acme.jobs", "--serve", "127.0.0.1:0"]);
    let mut server = Server(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut said = String::new();
    BufReader::new(server.0.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
    let address = said.trim().strip_prefix("http://").and_then(|it| it.strip_suffix("/metrics")).expect("an address");
    let prometheus = ask(address, "GET /metrics", "*/*");
    assert!(prometheus.starts_with("HTTP/1.1 200 OK\r\n"), "{prometheus}");
    assert!(prometheus.contains("content-type: text/plain; version=0.0.4"), "{prometheus}");
    assert!(prometheus.contains("\njobs_total{queue=\"fast\"} 5\n"), "{prometheus}");
    actor.act("metrics 2");
    let open = ask(address, "GET /metrics", "application/openmetrics-text; version=1.0.0");
    assert!(open.contains("content-type: application/openmetrics-text"), "{open}");
    assert!(open.contains("\njobs_total{queue=\"fast\"} 7\n") && open.ends_with("# EOF\n"), "{open}");
    assert!(ask(address, "GET /other", "*/*").starts_with("HTTP/1.1 404 "));
    assert!(ask(address, "DELETE /metrics", "*/*").starts_with("HTTP/1.1 405 "));
    // Nobody is left: it says so, and goes on serving.
    drop(actor);
    let gone = ask(address, "GET /metrics", "*/*");
    assert!(gone.starts_with("HTTP/1.1 503 ") || gone.contains("cotenant_participants"), "{gone}");
    let taken = place.run(&["metrics", "--serve", address]);
    assert_eq!(taken.status, Some(1));
    assert!(taken.err.contains(&format!("cannot serve at {address}")), "{}", taken.err);
}

fn ask(address: &str, what: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(WATCHDOG)).expect("a timeout");
    write!(stream, "{what} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn damaged_metrics_are_left_out_and_nothing_else() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("metrics 5");
    let path = place.file("acme.jobs");
    let bytes = std::fs::read(&path).expect("a segment");
    let name = b"jobs\xffqueue\xfffast";
    let at = bytes.windows(name.len()).position(|window| window == name).expect("the metric's text");
    let file = std::fs::File::options().write(true).open(&path).expect("it is ours");
    std::os::unix::fs::FileExt::write_all_at(&file, b"\xff\xff\xff", at as u64).expect("written");
    let ran = place.run(&["metrics", "acme.jobs"]);
    let told = lines(&ran);
    assert!(!ran.out.contains("jobs_total{") && told.contains(&"requests_total 5"), "{told:#?}");
}
