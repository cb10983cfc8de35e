//! `cotenant top` on a pseudo-terminal: what a person sees, read back by a terminal emulator.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::Winsize;

use crate::actor::Actor;
use crate::place::{Place, WATCHDOG};

/// A terminal with the command on it.
struct Screen {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
    input: File,
    output: Receiver<Vec<u8>>,
    child: Child,
}

impl Screen {
    fn start(mut command: Command) -> Screen {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&main).and_then(|()| unlockpt(&main)).expect("it is ours");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&main, size).expect("it has a size");
        let name = ptsname(&main, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let terminal = || File::options().read(true).write(true).open(&name).expect("the terminal");
        command.stdin(terminal()).stdout(terminal()).stderr(Stdio::null()).env("TERM", "xterm-256color");
        let child = command.spawn().expect("it starts");
        let main = File::from(main);
        let mut reading = main.try_clone().expect("a descriptor");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reading.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Screen { emulator: vt100::Parser::new(24, 80, 0), bytes: Vec::new(), input: main, output, child }
    }

    fn top(place: &Place, more: &[&str]) -> Screen {
        let often: &[&str] = if more.contains(&"--interval") { &["top"] } else { &["top", "--interval", "100ms"] };
        Screen::start(place.command(&[often, more].concat()))
    }

    fn text(&self) -> String {
        self.emulator.screen().contents()
    }

    /// Waits until the screen shows it.
    fn await_that(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + WATCHDOG;
        while !is_so(&self.text()) {
            assert!(Instant::now() < deadline, "watchdog: {what}\n{}", self.text());
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(100)) {
                self.emulator.process(&bytes);
                self.bytes.extend(bytes);
            }
        }
        self.text()
    }

    fn await_text(&mut self, text: &str) -> String {
        self.await_that(text, |screen| screen.contains(text))
    }

    fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("it listens");
    }

    /// Ends it, as a person would.
    fn quit(mut self) -> Vec<u8> {
        self.press("q");
        let (status, bytes) = self.end();
        assert!(status.success(), "{status}");
        bytes
    }

    /// Waits until it has ended; how it did, and all that it wrote.
    fn end(&mut self) -> (ExitStatus, Vec<u8>) {
        let deadline = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            assert!(Instant::now() < deadline, "watchdog: it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(50)) {
            self.bytes.extend(bytes);
        }
        (status, std::mem::take(&mut self.bytes))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The row that begins so; nothing if there is none.
fn row<'a>(screen: &'a str, name: &str) -> &'a str {
    screen.lines().find(|line| line.starts_with(name)).unwrap_or_default()
}

#[test]
fn segments_and_who_is_in_them_are_shown_and_a_death_is_seen() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 41");
    let mut screen = Screen::top(&place, &["acme.jobs"]);
    let shown = screen.await_that("the row", |screen| !row(screen, "acme.jobs").is_empty());
    let line = row(&shown, "acme.jobs");
    assert!(line.contains("alive") && line.contains(&actor.pid().to_string()), "{shown}");
    assert!(shown.lines().next().is_some_and(|line| line.starts_with("cotenant top")), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs");
    screen.await_text(&format!("{} live", other.pid()).replace(" live", ""));
    let gone = other.pid().to_string();
    other.kill();
    // Where one looks, not only among the events; first, because the column may be narrow.
    let is_told = |screen: &str| row(screen, "acme.jobs").contains(&format!("gone: {gone}"));
    screen.await_that("the dead one is told", |screen| row(screen, "acme.jobs").contains(" 1 ") && is_told(screen));
    // Nobody has noticed but us.
    screen.press("8");
    screen.await_that("it is told", |screen| screen.contains(&gone) && screen.contains("is gone, and did not"));
    screen.press("1");
    screen.await_text("PEOPLE");
    actor.kill();
    screen.await_that("nobody is left", |screen| row(screen, "acme.jobs").contains("dead"));
    screen.quit();
}

#[test]
fn one_looks_into_a_segment_down_to_its_live_values() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 41").act("hosts");
    let mut screen = Screen::top(&place, &["acme.jobs"]);
    screen.await_that("the row", |screen| !row(screen, "acme.jobs").is_empty());
    screen.press("\r");
    let shown = screen.await_text("AtomicU64");
    assert!(row(&shown, "done").contains("41"), "{shown}");
    assert!(shown.contains("Mutex<[Host; 2]>"), "{shown}");
    // A value with few numbers has a row for each.
    actor.act("write-and-end").act("lock-kept").act("unlock");
    screen.await_that("parts", |screen| row(screen, "  .burst").trim_end().ends_with("20"));
    actor.act("count 97");
    screen.await_that("the new value", |screen| row(screen, "done").contains("97"));
    screen.press("\x1b");
    screen.await_text("PEOPLE");
    // Its numbers, with their rates.
    screen.press("6");
    let shown = screen.await_text("RATE/s");
    assert!(row(&shown, "done").contains("97"), "{shown}");
    screen.quit();
}

#[test]
fn each_named_metric_has_a_row_with_its_rate_and_caches_their_hits() {
    let place = Place::new();
    let options = cotenant::cache::Cache::options().folder(place.folder()).capacity_bytes(1 << 20);
    let cache = options.create("acme.pages").expect("a cache");
    cache.insert("a", "1", None).expect("room");
    cache.get("a");
    // Hits are told to others now and then, and whenever the program asks.
    cache.stats();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("metrics 5");
    let mut screen = Screen::top(&place, &["acme.jobs"]);
    screen.await_that("the row", |screen| !row(screen, "acme.jobs").is_empty());
    screen.press("\r");
    let shown = screen.await_that("the series", |screen| screen.contains("jobs_total{queue="));
    assert!(shown.contains("TREND") && row(&shown, "REQUESTS").contains('5'), "{shown}");
    actor.act("metrics 5");
    screen.await_that("the new total", |screen| row(screen, "  jobs_total").trim_end().ends_with("10"));
    screen.await_that("bars", |screen| row(screen, "  jobs_total").contains('█'));
    screen.press("6");
    screen.await_that("its own name", |screen| !row(screen, "jobs_total").is_empty());
    screen.press("5/\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\r");
    screen.await_that("hits", |screen| row(screen, "cache").contains("100.0%"));
    screen.quit();
}

#[test]
fn locks_tell_holder_waiters_and_recoveries() {
    let place = Place::new();
    let mut other = Actor::start(&place);
    other.act("make posix acme.jobs").act("count 1");
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    let mut waiter = Actor::start(&place);
    waiter.act("make posix acme.jobs").act("wait");
    let mut screen = Screen::top(&place, &["--tab", "locks", "acme.jobs"]);
    let shown = screen.await_text("limits");
    let line = row(&shown, "limits");
    assert!(line.contains("Mutex") && line.contains("held"), "{shown}");
    assert!(line.contains(&holder.pid().to_string()) && line.contains(" 1 "), "{shown}");
    holder.kill();
    let is_taken = |screen: &str| row(screen, "limits").contains(&waiter.pid().to_string());
    let shown = screen.await_that("the waiter has it", is_taken);
    assert!(row(&shown, "limits").contains("OwnerDied") || shown.contains("held"), "{shown}");
    screen.await_that("a recovery is counted", |screen| {
        let at = screen.lines().find_map(|line| line.find("RECOV")).expect("a heading");
        row(screen, "limits").chars().skip(at).take(6).collect::<String>().trim() == "1"
    });
    screen.press("8");
    screen.await_text("was found dead");
    screen.quit();
}

#[test]
fn rows_are_filtered_sorted_and_help_is_there() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.alpha").act("make posix acme.beta");
    let mut screen = Screen::top(&place, &[]);
    screen.await_text("acme.beta");
    screen.press("/acme.be\r");
    screen.await_that("the filter", |screen| !screen.contains("acme.alpha") && screen.contains("acme.beta"));
    screen.press("\x1b");
    screen.await_text("acme.alpha");
    screen.press(">r");
    let is_reversed =
        |screen: &str| screen.find("acme.beta") < screen.find("acme.alpha") && screen.contains("SEGMENT^");
    screen.await_that("sorted from Z to A", is_reversed);
    screen.press("?");
    screen.await_text("down to its live values");
    screen.press("\x1b");
    screen.await_that("no help", |screen| !screen.contains("down to its live values"));
    screen.quit();
}

#[test]
fn every_page_fits_80_columns_and_24_lines_and_says_why_it_is_empty() {
    let place = Place::new();
    let mut screen = Screen::top(&place, &["no.such.segment"]);
    for key in '1'..='8' {
        screen.press(&key.to_string());
        let shown = screen.await_text("no row has this text");
        assert!(shown.lines().count() <= 24 && shown.contains("q quit"), "{shown}");
    }
    screen.quit();
}

#[test]
fn no_color_means_none_and_the_terminal_is_given_back() {
    let place = Place::new();
    std::fs::write(place.file("damaged"), "no segment").expect("a file");
    let has_color = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        ["38;5;1;", "38;5;1m", ";31m", "[31m"].iter().any(|color| text.contains(color))
    };
    let mut screen = Screen::top(&place, &["damaged"]);
    screen.await_that("the row", |screen| row(screen, "damaged").contains("damaged"));
    let bytes = screen.quit();
    assert!(has_color(&bytes), "a damaged segment is red: {:?}", String::from_utf8_lossy(&bytes));
    assert!(String::from_utf8_lossy(&bytes).contains("\x1b[?1049l"), "the alternate screen is left");
    let mut command = place.command(&["top", "damaged"]);
    command.env("NO_COLOR", "1");
    let mut screen = Screen::start(command);
    screen.await_that("the row", |screen| row(screen, "damaged").contains("damaged"));
    assert!(!has_color(&screen.quit()));
}

#[test]
fn one_that_is_told_to_end_gives_the_terminal_back() {
    use rustix::process::{Pid, Signal, kill_process};
    let place = Place::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut screen = Screen::top(&place, &["--interval", "60s"]);
        screen.await_text("segments");
        kill_process(Pid::from_child(&screen.child), signal).expect("our child");
        let (status, bytes) = screen.end();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert!(String::from_utf8_lossy(&bytes).contains("\x1b[?1049l"), "the alternate screen is left");
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let place = Place::new();
    let ran = place.run(&["top"]);
    assert!(ran.status == Some(1) && ran.err.contains("cotenant ls --json"), "{ran:#?}");
}

#[test]
fn hostile_segments_are_rows_on_every_page() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make kept acme.jobs").act("count 7").act("lock").act("hosts").kill_of();
    let sound = std::fs::read(place.file("acme.jobs")).expect("it can be read");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for nth in 0..40 {
        let mut bytes = sound.clone();
        for _ in 0..64 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let area = if nth % 2 == 0 { 4096 } else { bytes.len() };
            bytes[seed as usize % area] = (seed >> 32) as u8;
        }
        bytes[..8].copy_from_slice(&sound[..8]);
        std::fs::write(place.file(&format!("hostile{nth:02}")), bytes).expect("a file");
    }
    let mut screen = Screen::top(&place, &[]);
    screen.await_text("acme.jobs");
    for key in ["2", "3", "4", "5", "6", "7", "8", "1", "\x1b[B", "\r", "\x1b", "\x1b[B\x1b[B\r", "\x1b"] {
        screen.press(key);
        // It still looks, and says so.
        screen.await_text("cotenant top");
        std::thread::sleep(Duration::from_millis(150));
    }
    screen.await_text("PEOPLE");
    screen.quit();
}
