//! What one publishes and all see, over a file mapping: what a process answers about it, and the tests.

use std::sync::OnceLock;
use std::time::Duration;

use cotenant::Segment;
use cotenant::published::{Named, PublishedBytes, Snapshot};

use crate::peer::Program;

/// All words alike when it is whole.
type Value = [u64; 25];

static VALUE: OnceLock<Named<Value>> = OnceLock::new();
static BYTES: OnceLock<PublishedBytes<'static>> = OnceLock::new();
const LONG: Duration = Duration::from_secs(60);

/// Commands: `published open NAME`, then `published publish 5`, `published load`, ...
pub(crate) fn answer(line: &str) -> Option<String> {
    let (verb, rest) = line.strip_prefix("published ")?.split_once(' ').unwrap_or((&line["published ".len()..], ""));
    let number = || rest.parse::<u64>().expect("a number");
    let options = || Segment::options().max_bytes(1 << 20);
    let value = || VALUE.get().expect("`open` first");
    Some(match verb {
        "open" => {
            let named = options().published(rest, || [0; 25]).expect("the segment");
            let bytes = options().published_bytes(&format!("{rest}.bytes"), 1000).expect("the segment");
            assert!(VALUE.set(named).is_ok() && BYTES.set(bytes).is_ok());
            "opened".to_owned()
        }
        "publish" => said(value().publish(&[number(); 25])),
        "load" => whole(&value().load().expect("whole")),
        "wait" => whole(&value().wait_newer(number(), LONG).expect("whole").expect("in time")),
        "die-inside" => said(value().update(|_| std::process::abort())),
        "publisher" => value().history()[0].publisher.as_ref().map_or(0, |by| by.pid).to_string(),
        "bytes" => said(BYTES.get().expect("`open` first").publish(rest.as_bytes())),
        "load-bytes" => {
            let bytes = BYTES.get().expect("`open` first").load().expect("whole");
            String::from_utf8(bytes.value).expect("a text")
        }
        other => panic!("no such command: {other}"),
    })
}

fn said(outcome: cotenant::Result<u64>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |sequence| sequence.to_string())
}

fn whole(snapshot: &Snapshot<Value>) -> String {
    assert!(snapshot.iter().all(|word| *word == snapshot.value[0]), "torn: {snapshot:?}");
    format!("{} of {}", snapshot.value[0], snapshot.sequence)
}

#[test]
fn publish_is_seen_and_waited_for() {
    let program = Program::new();
    let (mut first, mut second) = (program.start(), program.start());
    let name = format!("test.published.{}", std::process::id());
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.ask(&format!("published open {name}")), "opened");
    }
    assert_eq!((second.ask("published load"), first.ask("published publish 5")), ("0 of 0".into(), "1".into()));
    assert_eq!(second.ask("published load"), "5 of 1");
    for round in 0..3 {
        second.tell(&format!("published wait {}", round + 1));
        second.expect_silence("nothing was published");
        assert_eq!(first.ask("published publish 6"), (round + 2).to_string());
        assert_eq!(second.answer("wait"), format!("6 of {}", round + 2));
    }
    assert_eq!(second.ask("published publisher"), first.pid().to_string());
    assert_eq!((first.ask("published bytes hello"), second.ask("published load-bytes")), ("1".into(), "hello".into()));
}

#[test]
fn publisher_that_dies_inside_leaves_the_old_snapshot() {
    let program = Program::new();
    let (mut first, mut second) = (program.start(), program.start());
    let name = format!("test.published.death.{}", std::process::id());
    for peer in [&mut first, &mut second] {
        assert_eq!(peer.ask(&format!("published open {name}")), "opened");
    }
    assert_eq!(first.ask("published publish 5"), "1");
    first.tell("published die-inside");
    // It may not have begun yet, or be dead already.
    assert!(second.ask("published load").starts_with("5 of 1"));
    assert_eq!(second.ask("published publish 7"), "2");
    assert_eq!(second.ask("published load"), "7 of 2");
}
