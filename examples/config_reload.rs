//! A prefork server whose workers read the configuration on every request, and one process that watches the file and
//! publishes it: no worker is told, restarted, or asked to lock anything.
//!
//!     cargo run --example config_reload            the whole story, with a file of its own
//!
//! Meanwhile, in another terminal:
//!
//!     cotenant published config_reload history     who published which configuration, and when
//!
//! A real one would watch with inotify; looking at the file's time is enough to show the rest.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use cotenant::Segment;
use cotenant::published::PublishedBytes;

const CONFIG_BYTES_MAX: usize = 64 << 10;
const WORKERS: u32 = 3;

/// What a worker makes of the configuration, once for each publish.
struct Config {
    greeting: String,
    is_open: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        None => whole_story(),
        Some("worker") => serve_requests(),
        Some(other) => Err(format!("{other}: no argument, or `worker`").into()),
    }
}

/// Maximum, options and name are the same for all; who comes first makes the segment.
fn config() -> cotenant::Result<PublishedBytes<'static>> {
    Segment::options().max_bytes(4 << 20).published_bytes("config_reload", CONFIG_BYTES_MAX)
}

fn whole_story() -> Result<(), Box<dyn Error>> {
    let folder = env::temp_dir().join(format!("config_reload-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("server.conf");
    fs::write(&file, "greeting = hello\nopen = yes\n")?;
    let config = config()?;
    config.publish(&fs::read(&file)?)?;

    let workers: Result<Vec<Child>, _> =
        (0..WORKERS).map(|_| Command::new(env::current_exe()?).arg("worker").spawn()).collect();
    let workers = workers?;
    let editor = thread::spawn(move || -> std::io::Result<()> {
        for text in ["greeting = good evening\nopen = yes\n", "greeting = (half a file", "greeting = bye\nopen = no\n"]
        {
            thread::sleep(Duration::from_millis(400));
            fs::write(folder.join("server.conf"), text)?;
        }
        Ok(())
    });
    watch(&file, &config)?;
    editor.join().map_err(|_| "the editor panicked")??;
    for mut worker in workers {
        worker.wait()?;
    }
    println!("what was published, the newest first:");
    for entry in config.history() {
        let by = entry.publisher.map_or("nobody".to_owned(), |by| format!("{} ({})", by.program, by.pid));
        println!("  {} by {by}: {:?}", entry.sequence, String::from_utf8_lossy(&entry.value));
    }
    fs::remove_dir_all(file.parent().ok_or("a folder")?)?;
    Ok(())
}

/// Publishes the file whenever it has changed, if it makes sense: a worker never sees a configuration that does not.
fn watch(file: &Path, config: &PublishedBytes<'_>) -> Result<(), Box<dyn Error>> {
    let mut seen = fs::metadata(file)?.modified()?;
    loop {
        let changed = fs::metadata(file)?.modified()?;
        if changed != seen {
            seen = changed;
            let text = fs::read(file)?;
            match parse(&text) {
                Ok(parsed) => {
                    println!("watcher: publish {}", config.publish(&text)?);
                    if !parsed.is_open {
                        return Ok(());
                    }
                }
                Err(why) => println!("watcher: not published: {why}"),
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A request looks for a newer configuration, which costs one load where there is none.
fn serve_requests() -> Result<(), Box<dyn Error>> {
    let published = config()?;
    let mut snapshot = published.load()?;
    let mut config = parse(&snapshot.value)?;
    let (mut requests, start) = (0_u64, Instant::now());
    while config.is_open && start.elapsed() < Duration::from_secs(30) {
        if let Some(newer) = published.load_if_newer(snapshot.sequence)? {
            (config, snapshot) = (parse(&newer.value)?, newer);
            println!("worker {}: \"{}\" from request {requests} on", process::id(), config.greeting);
        }
        requests += 1;
        thread::sleep(Duration::from_micros(200)); // The request.
    }
    println!("worker {}: {requests} requests", process::id());
    Ok(())
}

/// Lines of `name = value`.
fn parse(text: &[u8]) -> Result<Config, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let value = |name: &str| {
        let found = text.lines().filter_map(|line| line.split_once(" = ")).find(|(it, _)| *it == name);
        found.map(|(_, value)| value.to_owned()).ok_or(format!("there is no `{name}`"))
    };
    Ok(Config { greeting: value("greeting")?, is_open: value("open")? == "yes" })
}
