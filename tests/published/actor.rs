//! A process that publishes and loads as it is told: the variable `VALUE` of this program, and the segment `state` that
//! others may read.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use cotenant::published::{BytesReader, Flag, Named, NamedReader, PublishedBytes, Publisher, Snapshot};
use cotenant::{Segment, SegmentOptions, published::Published};

use crate::support::serve;

/// 200 bytes, all words alike when it is whole.
pub(crate) type Value = [u64; 25];

cotenant::shared! {
    static VALUE: Published<Value> = Published::new([0; 25]);
    static FLAG: Flag = Flag::new("flag", 0.0);
}

static NAMED: OnceLock<Named<u64>> = OnceLock::new();
static READER: OnceLock<NamedReader<u64>> = OnceLock::new();
static BYTES: OnceLock<PublishedBytes<'static>> = OnceLock::new();
static BYTES_READER: OnceLock<BytesReader<'static>> = OnceLock::new();

/// Set by a thread that waits inside of an update.
static MAY_GO_ON: AtomicBool = AtomicBool::new(false);

pub(crate) fn play() {
    serve::stdin(answer);
}

fn options() -> SegmentOptions {
    let options = Segment::options().mode(0o644).max_bytes(1 << 20);
    match std::env::var("OWNER") {
        Ok(uid) => options.user(uid.parse().expect("a user id")),
        Err(_) => options,
    }
}

fn answer(command: &str) -> String {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let number = || rest.parse::<u64>().expect("a number");
    match verb {
        "publish" => said(VALUE.publish(&[number(); 25])),
        "publish-in-time" => said(VALUE.publish_timeout(&[number(); 25], Duration::from_millis(50))),
        "load" => whole(VALUE.load()),
        "load-newer" => match VALUE.load_if_newer(number()) {
            Ok(None) => "none".into(),
            Ok(Some(newer)) => whole(Ok(newer)),
            Err(error) => format!("{:?}", error.kind()),
        },
        "wait" => match VALUE.wait_newer(number(), Duration::from_secs(50)) {
            Ok(Some(newer)) => whole(Ok(newer)),
            other => format!("{other:?}"),
        },
        "add" => said(VALUE.update(|old| old.map(|word| word + number()))),
        // Stays inside until told otherwise, or killed.
        "stay-in-update" => said(VALUE.update(|old| {
            println!("inside");
            while !MAY_GO_ON.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            old
        })),
        // Publishes until it is killed, and says each acknowledged number that is a multiple of 64.
        "publish-for-ever" => loop {
            let next = VALUE.sequence() + 1;
            match VALUE.publish(&[next; 25]) {
                Ok(sequence) if sequence % 64 == 0 => println!("{sequence}"),
                Ok(_) => {}
                Err(error) => return format!("{error:?}"),
            }
        },
        "load-for" => load_for(number()),
        "history" => history(&VALUE.history()),
        "publisher" => publisher(VALUE.history().remove(0).publisher),
        "fork-in-update" => fork_in_update(),
        "flag" => said(FLAG.set(number() as f64)),
        "is-on" => (0..1000).filter(|user| FLAG.is_on_for(format!("{rest}-{user}"))).count().to_string(),
        "named" => {
            let named = NAMED.get_or_init(|| options().published("state", || 7).expect("the segment"));
            said(named.publish(&number()))
        }
        "read" => match READER.get() {
            Some(reader) => look(&reader.value().load()),
            None => match options().published_reader("state") {
                Ok(reader) => look(&READER.get_or_init(|| reader).value().load()),
                Err(error) => format!("{:?}: {error}", error.kind()),
            },
        },
        "read-newer" => {
            let reader = READER.get().expect("`read` first").value();
            look(&reader.wait_newer(number(), Duration::from_secs(50)).map(|newer| newer.expect("in time")))
        }
        "read-history" => {
            let history = READER.get().expect("`read` first").value().history();
            let values: Vec<_> = history.iter().map(|entry| entry.value.to_string()).collect();
            values.join(" ")
        }
        "bytes" => {
            let bytes = BYTES.get_or_init(|| options().published_bytes("bytes", 100_000).expect("the segment"));
            said(bytes.publish(&vec![number() as u8; number() as usize]))
        }
        "read-bytes" => {
            let reader = BYTES_READER.get_or_init(|| options().published_bytes_reader("bytes").expect("the segment"));
            let snapshot = reader.load().expect("whole");
            let number = snapshot.value.len();
            assert!(snapshot.value.iter().all(|byte| *byte == number as u8), "torn");
            format!("{number} of {}", snapshot.sequence)
        }
        // What the mapping of the reader's segment may be used for.
        "permissions" => permissions_of("/state"),
        other => format!("no such command: {other}"),
    }
}

fn said(outcome: cotenant::Result<u64>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |sequence| sequence.to_string())
}

fn whole(loaded: cotenant::Result<Snapshot<Value>>) -> String {
    match loaded {
        Ok(snapshot) => {
            assert!(snapshot.iter().all(|word| *word == snapshot.value[0]), "torn: {snapshot:?}");
            format!("{} of {}", snapshot.value[0], snapshot.sequence)
        }
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn look(loaded: &cotenant::Result<Snapshot<u64>>) -> String {
    match loaded {
        Ok(snapshot) => format!("{} of {}", snapshot.value, snapshot.sequence),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Loads for so many milliseconds; how often something was torn or older than before.
fn load_for(ms: u64) -> String {
    let (start, mut last, mut loads, mut wrong) = (Instant::now(), 0, 0_u64, 0_u64);
    while start.elapsed() < Duration::from_millis(ms) {
        for _ in 0..1000 {
            let snapshot = VALUE.load().expect("no thousand repeats");
            let is_whole = snapshot.iter().all(|word| *word == snapshot.sequence);
            wrong += u64::from(!is_whole || snapshot.sequence < last);
            last = snapshot.sequence;
            loads += 1;
        }
    }
    assert!(loads > 0);
    format!("{wrong} wrong")
}

fn history(entries: &[cotenant::published::HistoryEntry<Value>]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert!(entry.value.iter().all(|word| *word == entry.value[0]), "torn: {entry:?}");
            format!("{}:{}", entry.sequence, entry.value[0])
        })
        .collect();
    entries.join(" ")
}

fn publisher(publisher: Option<Publisher>) -> String {
    publisher.map_or("none".into(), |it| {
        format!("{} {} {} {}", it.pid, it.program, it.slot > 0, it.generation > 0 && it.thread_id > 0)
    })
}

/// A child cannot end its parent's update; the parent can.
fn fork_in_update() -> String {
    let mut child = 0;
    let outcome = VALUE.update(|old| {
        // SAFETY: the child does no more than return from the update, and ends.
        child = unsafe { libc::fork() };
        old.map(|word| word + 1)
    });
    if child == 0 {
        let is_refused = outcome.is_err_and(|error| error.kind() == cotenant::ErrorKind::Unsupported);
        // SAFETY: no pointer.
        unsafe { libc::_exit(i32::from(!is_refused)) };
    }
    let mut status = 0;
    // SAFETY: writes to `status` only.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    format!("child {status}, parent {}", said(outcome))
}

/// The permissions of the mappings of files whose names end so, as of `/proc/self/maps`.
fn permissions_of(name: &str) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    let found = maps.lines().filter(|line| line.ends_with(name));
    let mut permissions: Vec<_> = found.filter_map(|line| line.split(' ').nth(1)).collect();
    permissions.dedup();
    permissions.join(" ")
}
