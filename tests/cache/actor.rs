//! The peer of these tests: a process that does to the cache what a test tells it to.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use cotenant::cache::{Cache, Pinned};

use crate::support::serve;

/// The cache that tests use, in the folder of their sandbox.
pub(crate) const NAME: &str = "test.cache";

thread_local! {
    static CACHE: RefCell<Option<&'static Cache>> = const { RefCell::new(None) };
    static PINS: RefCell<Vec<Pinned<'static>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn play() {
    serve::stdin(answer);
}

/// The cache of this process, attached at the first use; for ever.
fn cache() -> &'static Cache {
    CACHE.with_borrow_mut(|cache| {
        *cache.get_or_insert_with(|| {
            let options = Cache::options().capacity_bytes(1 << 20).max_capacity_bytes(16 << 20).max_pins(4).mode(0o644);
            Box::leak(Box::new(options.open_or_create(NAME).expect("attaching")))
        })
    })
}

fn text(value: Option<Vec<u8>>) -> String {
    value.map_or("none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn said<T: std::fmt::Debug>(outcome: cotenant::Result<T>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |done| format!("{done:?}"))
}

/// One command; the answer is one line.
fn answer(line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    match words.as_slice() {
        ["open"] => cache().segment().path().to_owned(),
        ["insert", key, value] => said(cache().insert(key, value, None)),
        ["get", key] => text(cache().get(key)),
        ["remove", key] => said(cache().remove(key)),
        ["increment", key] => said(cache().increment(key, 1, 1, None)),
        ["fill", from, to] => {
            let [from, to] = [from, to].map(|number| number.parse::<u64>().expect("a number"));
            said((from..to).try_for_each(|number| cache().insert(format!("key {number}"), [7; 200], None)))
        }
        ["grow", bytes] => said(cache().grow(bytes.parse().expect("a number"))),
        ["capacity"] => cache().capacity_bytes().to_string(),
        ["entries"] => cache().iter().count().to_string(),
        ["hits"] => cache().process_stats().hits.to_string(),
        ["all-hits"] => cache().stats().activity.hits.to_string(),
        ["pin", key] => match cache().pin(key) {
            Ok(Some(pin)) => {
                let shown = String::from_utf8_lossy(&pin).into_owned();
                PINS.with_borrow_mut(|pins| pins.push(pin));
                shown
            }
            other => said(other.map(|_| "none")),
        },
        ["pinned"] => PINS.with_borrow(|pins| String::from_utf8_lossy(&pins[0]).into_owned()),
        ["unpin"] => PINS.with_borrow_mut(|pins| {
            pins.clear();
            "done".to_owned()
        }),
        // Says so when it computes, and then takes its time.
        ["compute", key, value, ms] => {
            let time = Duration::from_millis(ms.parse().expect("a number"));
            let computed = cache().get_or_insert_with(key, None, || {
                say("computing");
                std::thread::sleep(time);
                value.as_bytes().to_vec()
            });
            computed.map_or_else(|error| format!("{:?}", error.kind()), |value| text(Some(value)))
        }
        _ => panic!("no command {line:?}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("a test that listens");
}
