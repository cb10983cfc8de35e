//! Who only reads a segment is told all of its metrics, gauges of processes too.

use std::process::Command;

use cotenant::Segment;
use cotenant::metrics::{Format, Gauge};

use crate::actor::tests;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs};
use crate::support::sandbox::Sandbox;
use crate::support::{Named, wait_until};

tests! { reader_is_told_gauges_of_the_living }

pub(crate) const ROOT_TESTS: &[Named] =
    &[("another_user_is_told_gauges_of_the_living", another_user_is_told_gauges_of_the_living)];

/// What a reader sees; the words are those of the options.
pub(crate) fn read(words: &[&str]) -> String {
    let mut options = Segment::options().mode(0o644);
    if words.contains(&"user=0") {
        options = options.user(0);
    }
    let reader = match options.open_reader("test.readable") {
        Ok(reader) => reader,
        Err(error) => return error.to_string().replace('\n', " "),
    };
    let all = reader.metrics("metrics").expect("metrics").expect("they are there");
    let gauge = reader.get::<Gauge<64>>("gauge").expect("a gauge").and_then(|gauge| gauge.value(&reader));
    format!("{gauge:?}|{}", all.render(Format::Prometheus).replace('\n', "|"))
}

fn told(peer: &mut Peer, how: &str, expected: f64) -> bool {
    let text = peer.ask(how);
    text.starts_with(&format!("Some({expected:?})|")) && text.contains(&format!("|working {expected:?}|"))
}

fn reader_is_told_gauges_of_the_living() {
    let sandbox = Sandbox::new();
    let [mut a, mut b, mut reader] = std::array::from_fn(|_| sandbox.start("actor"));
    check(&mut a, &mut b, &mut reader, "read");
}

fn check(a: &mut Peer, b: &mut Peer, reader: &mut Peer, how: &str) {
    a.ask("readable 4");
    b.ask("readable 3");
    assert!(told(reader, how, 7.0), "{}", reader.ask(how));
    let text = reader.ask(how);
    assert!(text.contains(&format!("|each{{pid=\"{}\",slot=\"", a.pid)), "{text}");
    b.kill();
    wait_until("the dead one's gauges vanish", || told(reader, how, 4.0));
}

/// Who may not open the file of locks goes by process ids.
fn another_user_is_told_gauges_of_the_living() {
    let copied = Copied::new();
    let start = |uid: u32| {
        let mut command: Command = copied.command("actor", None);
        Peer::start(as_user(&mut command, uid, uid, Vec::new()))
    };
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let [mut a, mut b, mut reader] = [0, 0, NOBODY].map(start);
        check(&mut a, &mut b, &mut reader, "read user=0");
    });
}
