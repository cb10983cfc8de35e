//! A control group's memory limit: an error before it is met, and never a signal, whatever the segment is made of.

use crate::not_tried::skip;
use crate::support::Named;
use crate::support::cgroup::ControlGroup;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;
use crate::sysv::Key;

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("memory_that_is_there_from_the_start_is_refused_before_the_limit", whole_segments_are_refused),
    ("memory_that_grows_is_refused_before_the_limit", growing_segments_are_refused),
    ("objects_that_are_there_are_had_in_a_full_group", objects_that_are_there_are_had),
    ("files_on_a_disk_may_be_larger_than_the_memory", files_on_a_disk_may_be_larger),
];

const LIMIT_BYTES: u64 = 24 << 20;

/// A group, and a peer in it. `None`, and said so: not on this machine.
struct Limited {
    sandbox: Sandbox,
    group: ControlGroup,
}

impl Limited {
    fn new() -> Option<Limited> {
        let group = ControlGroup::with_memory(LIMIT_BYTES);
        group.map_err(|why| skip(&why)).ok().map(|group| Limited { sandbox: Sandbox::new(), group })
    }

    #[track_caller]
    fn start(&self) -> Peer {
        Peer::start(self.group.enter(&mut self.sandbox.command("holder")))
    }
}

#[track_caller]
fn assert_names_the_limit(answer: &str) {
    assert!(answer.contains("NoSpace: cannot "), "{answer}");
    for part in ["too many for the memory of this control group", "24576 KiB", "--memory"] {
        assert!(answer.contains(part), "no {part:?} in {answer:?}");
    }
}

fn whole_segments_are_refused() {
    let Some(limited) = Limited::new() else { return };
    let key = Key::new();
    for backing in ["anonymous".to_owned(), "private".to_owned(), key.backing().replace(':', "=")] {
        let mut peer = limited.start();
        assert_names_the_limit(&peer.ask(&format!("create it {backing} max={}", 64 << 20)));
        assert_eq!(limited.sandbox.files(), [""; 0], "{backing}");
        // It goes on, and can have a smaller one: all of it is there.
        assert_eq!(peer.ask(&format!("create it {backing} max={}", 8 << 20)), "created", "{backing}");
        assert!(peer.ask("fill part").contains("`max_bytes`"), "{backing}");
        assert_eq!(peer.ask("close"), "closed");
    }
}

fn growing_segments_are_refused() {
    let Some(limited) = Limited::new() else { return };
    for backing in ["", " memfd", " prefault"] {
        let mut peer = limited.start();
        assert_eq!(peer.ask(&format!("create it{backing} max={}", 64 << 20)), "created");
        // In one step that is too large, and then in small ones.
        assert_eq!(peer.ask("zeros one"), "zeroed", "{backing}");
        assert_names_the_limit(&peer.ask("zeros another"));
        let filled = peer.ask("fill part");
        assert_names_the_limit(&filled);
        let made: u64 = filled.split_once(' ').and_then(|(made, _)| made.parse().ok()).expect("a number");
        assert!((8..192).contains(&made), "{backing}: {made} of 64 KiB in 12 MiB");
        assert_eq!(peer.ask("close"), "closed");
    }
}

/// Memory that an object has counts once.
fn objects_that_are_there_are_had() {
    let Some(limited) = Limited::new() else { return };
    let (mut one, mut two) = (limited.start(), limited.start());
    one.ask(&format!("create it max={}", 64 << 20));
    assert_eq!(two.ask(&format!("open it max={}", 64 << 20)), "opened");
    assert_eq!(one.ask("zeros it"), "zeroed");
    assert_names_the_limit(&one.ask("fill part"));
    let mut three = limited.start();
    assert_eq!(three.ask("open it"), "opened");
    for peer in [&mut two, &mut three] {
        assert_eq!(peer.ask("zeros it"), "zeroed");
        assert_names_the_limit(&peer.ask("zeros another"));
    }
}

fn files_on_a_disk_may_be_larger() {
    let Some(limited) = Limited::new() else { return };
    let disk = tempfile::TempDir::with_prefix_in("cotenant-test-", env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = disk.path().join("it");
    let mut peer = limited.start();
    assert_eq!(peer.ask(&format!("create {} file max={}", path.display(), 48 << 20)), "created");
    for name in ["one", "two", "three"] {
        assert_eq!(peer.ask(&format!("zeros {name}")), "zeroed");
    }
    assert!(peer.ask("fill part").contains("`max_bytes`"));
}
