//! A server whose workers are recycled every hundred requests, and killed at will: its totals are exact.
//!
//! The parent listens; workers accept on the same socket, count, and end after a hundred requests; the parent starts
//! others. `GET /metrics` is answered by any of them, for all.
//!
//! `cargo run --example prefork_metrics` serves 1,000 requests to itself, kills some workers meanwhile, and compares.
//! `cargo run --example prefork_metrics 8080` serves until it is interrupted: `curl localhost:8080/metrics`.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cotenant::metrics::{Across, Buckets, Counter, Format, Gauge, Histogram};
use cotenant::shared;

shared! {
    /// Requests answered, by workers that have ended too.
    static REQUESTS: Counter = Counter::new();
    /// Requests being answered.
    static IN_FLIGHT: Gauge = Gauge::new(Across::Sum);
    /// Seconds that a request took.
    static REQUEST_SECONDS: Histogram = Histogram::new(Buckets::between(1e-6, 1.0).parts(1));
    /// Workers started.
    static WORKERS: Counter = Counter::new();
}

const WORKERS_AT_ONCE: usize = 4;
const REQUESTS_OF_A_WORKER: u32 = 100;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("workers inherit the socket as their standard input, which is not shown here for this system");
}

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("worker") {
        return work();
    }
    let (stop, workers) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let listener = TcpListener::bind(format!("127.0.0.1:{}", argument.as_deref().unwrap_or("0")))?;
    let address = listener.local_addr()?;
    println!("http://{address}/metrics");
    if argument.is_some() {
        return supervise(&listener, &workers, &stop);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| supervise(&listener, &workers, &stop).expect("supervise the workers"));
        show(address, &workers);
        stop.store(true, Relaxed);
    });
    Ok(())
}

/// Starts a worker for each one that has ended.
#[cfg(target_os = "linux")]
fn supervise(listener: &TcpListener, workers: &Mutex<Vec<Child>>, stop: &AtomicBool) -> std::io::Result<()> {
    let this = std::env::current_exe()?;
    while !stop.load(Relaxed) {
        let mut workers = workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain_mut(|worker| matches!(worker.try_wait(), Ok(None)));
        while workers.len() < WORKERS_AT_ONCE {
            let socket = std::os::fd::OwnedFd::from(listener.try_clone()?);
            workers.push(Command::new(&this).arg("worker").stdin(Stdio::from(socket)).spawn()?);
        }
        drop(workers);
        std::thread::sleep(Duration::from_millis(2));
    }
    for worker in workers.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        let _ = worker.kill();
        worker.wait()?;
    }
    Ok(())
}

/// A thousand requests; every hundredth time a worker is killed, wherever it is.
fn show(address: SocketAddr, workers: &Mutex<Vec<Child>>) {
    let mut answered = 0_u64;
    let mut lost = 0_u64;
    for nth in 1..=1000_usize {
        match ask(address, "/") {
            Ok(text) if text.ends_with("hello\n") => answered += 1,
            _ => lost += 1,
        }
        if nth % 100 == 0 {
            if let Some(worker) = workers.lock().unwrap_or_else(PoisonError::into_inner).first_mut() {
                worker.kill().expect("kill a worker");
            }
        }
    }
    let scrape = ask(address, "/metrics").or_else(|_| ask(address, "/metrics")).expect("a scrape");
    let total = scrape.lines().find_map(|line| line.strip_prefix("requests_total ")).expect("the counter");
    let total: u64 = total.parse().expect("a number");
    let started = WORKERS.total();
    println!("{answered} answered, {lost} lost with their workers; {total} counted, by {started} workers");
    // Exact: only what a worker had counted and not yet answered when it was killed may be more.
    assert!((answered..=answered + lost).contains(&total));
    assert!(started >= 10);
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Accepts on the socket that is its standard input.
#[cfg(target_os = "linux")]
fn work() -> std::io::Result<()> {
    use std::os::fd::AsFd;

    // A worker whose server was killed would wait in `accept` for ever.
    let server = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == server {
            std::thread::sleep(Duration::from_millis(100));
        }
        std::process::exit(1);
    });
    WORKERS.increment();
    let listener = TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    for _ in 0..REQUESTS_OF_A_WORKER {
        let (stream, _) = listener.accept()?;
        // Who goes away in the middle is no reason to end.
        let _ = answer(stream);
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut head = BufReader::new(stream.try_clone()?).lines();
    let request = head.next().unwrap_or_else(|| Ok(String::new()))?;
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    if request.starts_with("GET /metrics ") {
        let text = cotenant::metrics::statics().render(Format::Prometheus);
        return write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    }
    IN_FLIGHT.add(1.0);
    // Counted before it is acknowledged: what a client has an answer to is in the totals, whoever is killed.
    REQUESTS.increment();
    REQUEST_SECONDS.observe_duration(begun.elapsed());
    IN_FLIGHT.add(-1.0);
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
}
