//! Segments that children of a fork reach: anonymous memory, memfds, System V without a key. And those of a name, which
//! children have, too.

use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use crate::support::Named;
use crate::support::peer::{Peer, run};
use crate::support::sandbox::Sandbox;
use crate::sysv::Key;

pub(crate) const TESTS: &[Named] = &[
    ("children_of_a_fork_share_and_take_slots_of_their_own", || everywhere(children_share)),
    ("parent_notices_the_death_of_its_child_in_a_lock", || everywhere(parent_notices_the_death_of_its_child)),
    ("children_notice_the_death_of_their_parent_in_a_lock", || everywhere(children_notice_the_death_of_their_parent)),
    ("grandchildren_are_participants", || everywhere(grandchildren_are_participants)),
    ("child_detaches_and_its_parent_goes_on", || everywhere(child_detaches_and_its_parent_goes_on)),
    ("who_closed_all_descriptors_keeps_its_slot", || everywhere(who_closed_all_descriptors_keeps_its_slot)),
    ("child_without_the_descriptor_is_told_that_it_is_no_participant", child_without_the_descriptor_is_told),
    ("descriptor_of_somebody_else_under_our_number_is_left_open", number_of_another_descriptor_is_left_alone),
    ("segments_without_a_name_cannot_be_opened", segments_without_a_name_cannot_be_opened),
    ("what_a_backing_cannot_do_is_refused", what_a_backing_cannot_do_is_refused),
    ("fixed_segments_say_when_they_are_full", fixed_segments_say_when_they_are_full),
    ("two_segments_of_one_process_are_two", two_segments_of_one_process_are_two),
];

/// Of each backing and each kind of fork.
fn everywhere(test: fn(&str, &str)) {
    let key = Key::new();
    for backing in ["anonymous", "memfd", "private", "posix", &key.backing()] {
        for kind in ["fork fork", "fork _Fork", "fork clone"] {
            test(backing, kind);
        }
    }
}

fn started(sandbox: &Sandbox, backing: &str) -> Peer {
    let mut parent = sandbox.start("partner");
    let answer = parent.ask(&format!("create {backing}"));
    assert!(!answer.contains(": cannot") && !answer.contains("Foreign"), "{backing}: {answer}");
    parent
}

fn children_share(backing: &str, kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = started(&sandbox, backing);
    assert_eq!(parent.ask("add 1"), "6", "{backing}, {kind}");
    let mut child = sandbox.child_of(&mut parent, kind);
    assert_eq!(child.ask("add 1"), "7", "{backing}, {kind}");
    assert_eq!(parent.ask("lock"), "clean 100", "{backing}, {kind}");
    assert_eq!(child.ask("try"), "would block", "{backing}, {kind}");
    parent.ask("set 3");
    parent.ask("drop");
    assert_eq!(child.ask("lock"), "clean 3", "{backing}, {kind}");
    assert_eq!(parent.ask("participants"), format!("{}+{}", parent.pid, child.pid), "{backing}, {kind}");
    assert_eq!(parent.ask("try"), "would block", "{backing}, {kind}");
}

fn parent_notices_the_death_of_its_child(backing: &str, kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = started(&sandbox, backing);
    let mut child = sandbox.child_of(&mut parent, kind);
    assert_eq!(child.ask("lock"), "clean 100", "{backing}, {kind}");
    child.ask("set 9");
    child.kill();
    assert_eq!(parent.ask("lock"), format!("died {} 9", child.pid), "{backing}, {kind}");
    parent.ask("repair 4");
    parent.ask("drop");
    assert_eq!(parent.ask("lock"), "clean 4", "{backing}, {kind}");
}

fn children_notice_the_death_of_their_parent(backing: &str, kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = started(&sandbox, backing);
    let mut early = sandbox.child_of(&mut parent, kind);
    assert_eq!(parent.ask("lock"), "clean 100", "{backing}, {kind}");
    let mut late = sandbox.child_of(&mut parent, kind);
    late.ask("drop");
    assert_eq!(late.ask("try"), "would block", "{backing}, {kind}: the guard is the parent's");
    parent.kill();
    assert_eq!(early.ask("lock"), format!("died {} 100", parent.pid), "{backing}, {kind}");
    early.ask("repair 2");
    early.ask("drop");
    assert_eq!(late.ask("lock"), "clean 2", "{backing}, {kind}");
    assert_eq!(late.ask("add 1"), "6", "{backing}, {kind}");
}

fn grandchildren_are_participants(backing: &str, kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = started(&sandbox, backing);
    let mut child = sandbox.child_of(&mut parent, kind);
    let mut grandchild = sandbox.child_of(&mut child, kind);
    assert_eq!(grandchild.ask("lock"), "clean 100", "{backing}, {kind}");
    child.kill();
    assert_eq!(parent.ask("try"), "would block", "{backing}, {kind}");
    grandchild.kill();
    assert_eq!(parent.ask("lock"), format!("died {} 100", grandchild.pid), "{backing}, {kind}");
}

fn child_detaches_and_its_parent_goes_on(backing: &str, kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = started(&sandbox, backing);
    let mut child = sandbox.child_of(&mut parent, kind);
    assert_eq!(child.ask("add 1"), "6", "{backing}, {kind}");
    assert_eq!(child.ask("detach"), "detached", "{backing}, {kind}");
    assert_eq!(parent.ask("participants"), parent.pid.to_string(), "{backing}, {kind}");
    assert_eq!(parent.ask("unlinked"), "false", "{backing}, {kind}");
    let mut second = sandbox.child_of(&mut parent, kind);
    assert_eq!(second.ask("lock"), "clean 100", "{backing}, {kind}");
    assert_eq!(second.ask("add 1"), "7", "{backing}, {kind}");
}

fn who_closed_all_descriptors_keeps_its_slot(backing: &str, kind: &str) {
    let sandbox = Sandbox::new();
    let mut parent = started(&sandbox, backing);
    let mut child = sandbox.child_of(&mut parent, kind);
    assert_eq!(parent.ask("lock"), "clean 100", "{backing}, {kind}");
    assert_eq!(parent.ask("close"), "closed");
    assert_eq!(child.ask("try"), "would block", "{backing}, {kind}: a live owner is not robbed");
    parent.ask("set 8");
    parent.ask("drop");
    assert_eq!(child.ask("lock"), "clean 8", "{backing}, {kind}");
    // Whether its child is dead it can still tell.
    child.kill();
    assert_eq!(parent.ask("lock"), format!("died {} 8", child.pid), "{backing}, {kind}");
}

fn child_without_the_descriptor_is_told() {
    for backing in ["anonymous", "memfd", "private"] {
        let sandbox = Sandbox::new();
        let mut parent = started(&sandbox, backing);
        parent.ask("lock");
        parent.ask("drop");
        parent.ask("close");
        let mut child = sandbox.child_of(&mut parent, "fork fork");
        let answer = child.ask("lock");
        assert!(answer.starts_with("no participant: cannot take a slot"), "{backing}: {answer}");
        assert!(answer.contains("closefrom") && answer.contains("/proc"), "{backing}: {answer}");
        assert_eq!(parent.ask("lock"), "clean 100", "{backing}");
    }
}

fn number_of_another_descriptor_is_left_alone() {
    for backing in ["anonymous", "memfd", "private"] {
        let ended = run(Sandbox::new().command("thief").arg(backing));
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("still open\n", ""), "{backing}");
    }
}

/// A program that closes all descriptors and opens others, and only then drops its segment.
pub(crate) fn steal() {
    let backing = std::env::args().next_back().expect("a backing");
    let segment = crate::partner::options(&backing).create("test").expect("a segment");
    let is_ours = |number: &RawFd| {
        let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
        link.is_ok_and(|link| link.to_string_lossy().contains("memfd:cotenant-"))
    };
    let number = (3..100).find(is_ours).expect("the segment's descriptor");
    let other = std::fs::File::open("/dev/zero").expect("another file");
    // SAFETY: no pointer. What had the number is closed behind the library's back, as closefrom does.
    assert_eq!(unsafe { libc::dup3(other.as_raw_fd(), number, libc::O_CLOEXEC) }, number);
    let error = segment.to_fd().expect_err("its descriptor is gone");
    assert!(backing != "memfd" || error.to_string().contains("closefrom"), "{error}");
    drop(segment);
    let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
    println!("{}", if link.is_ok_and(|link| link == Path::new("/dev/zero")) { "still open" } else { "closed" });
}

fn segments_without_a_name_cannot_be_opened() {
    for backing in ["anonymous", "memfd", "private"] {
        let error = crate::partner::options(backing).open("test").map(drop).expect_err("no name");
        assert_eq!(error.kind(), cotenant::ErrorKind::Unsupported, "{backing}: {error}");
        assert!(error.to_string().contains("fork") || error.to_string().contains("descriptor"), "{backing}: {error}");
    }
}

fn what_a_backing_cannot_do_is_refused() {
    use cotenant::{ErrorKind, Keep};
    for backing in ["anonymous", "memfd", "private"] {
        let kept = crate::partner::options(backing).keep(Keep::UntilRemoved).create("test").map(drop);
        let error = kept.expect_err("it has no name");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{backing}: {error}");
        let put = crate::partner::options(backing).folder("/dev/shm").create("test").map(drop);
        let error = put.expect_err("it lies nowhere");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{backing}: {error}");
    }
    let anonymous = crate::partner::options("anonymous").create("test").expect("a segment");
    let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("two sockets");
    let error = anonymous.send(&socket).expect_err("it is no file");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let error = anonymous.to_fd().expect_err("it is no file");
    assert!(error.to_string().contains("Memfd"), "{error}");
}

fn fixed_segments_say_when_they_are_full() {
    for backing in ["anonymous", "private", "memfd"] {
        let sandbox = Sandbox::new();
        let mut peer = started(&sandbox, backing);
        peer.ask("add 1");
        assert_eq!(peer.ask("grow small 64"), "grown", "{backing}");
        let answer = peer.ask("grow large 4096");
        assert!(answer.starts_with("NoSpace: ") && answer.contains("`max_bytes`"), "{backing}: {answer}");
        assert_eq!(peer.ask("add 1"), "7", "{backing}");
    }
}

fn two_segments_of_one_process_are_two() {
    let options = crate::partner::options("anonymous");
    let (one, two) = (options.create("test").expect("a segment"), options.create("test").expect("another"));
    one.get_or_init("count", || 1_u64).expect("an object");
    assert_eq!(two.get_or_init("count", || 2_u64).expect("an object"), &2);
}
