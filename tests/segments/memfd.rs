//! Memfds: sealed, growing, reached by their descriptors.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;

use cotenant::{ErrorKind, Segment};

use crate::partner::options;
use crate::support::Named;
use crate::support::peer::{Peer, run};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("memfd_cannot_be_cut_off", memfd_cannot_be_cut_off),
    ("memfd_grows_for_all_who_map_it", memfd_grows_for_all_who_map_it),
    ("memfd_takes_memory_only_as_it_grows", memfd_takes_memory_only_as_it_grows),
    ("dropped_memfd_leaves_no_descriptor_and_no_memory", dropped_memfd_leaves_nothing),
    ("descriptor_leads_back_to_its_segment", descriptor_leads_back_to_its_segment),
    ("descriptor_alone_keeps_the_values_of_a_memfd", descriptor_alone_keeps_the_values_of_a_memfd),
    ("program_that_inherits_the_descriptor_shares", program_that_inherits_the_descriptor_shares),
];

/// The descriptor that an heir finds: a number that nothing else has.
const INHERITED: i32 = 400;

fn memfd_cannot_be_cut_off() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("partner");
    peer.ask("create memfd");
    assert_eq!(peer.ask("cut-off"), format!("errno {}", libc::EPERM));
    assert_eq!(peer.ask("add 1"), "6");
}

fn memfd_grows_for_all_who_map_it() {
    let sandbox = Sandbox::new();
    let mut parent = sandbox.start("partner");
    parent.ask("create memfd");
    let mut child = sandbox.child_of(&mut parent, "fork fork");
    assert_eq!(child.ask("grow large 512"), "grown");
    assert_eq!(parent.ask("grow large 512"), "grown", "it finds the child's objects");
    assert_eq!(parent.ask("lock"), "clean 100");
    let answer = child.ask("grow larger 1024");
    assert!(answer.starts_with("NoSpace: ") && answer.contains("`max_bytes`"), "{answer}");
}

fn memfd_takes_memory_only_as_it_grows() {
    use std::os::unix::fs::MetadataExt;
    let segment = options("memfd").max_bytes(64 << 20).create("test").expect("a segment");
    let file = std::fs::File::from(segment.to_fd().expect("a descriptor"));
    let allocated = || file.metadata().expect("its size").blocks() * 512;
    let before = allocated();
    assert!(before < 1 << 20, "{before} bytes for nothing");
    segment.get_or_init("large", || [7_u64; 1 << 15]).expect("an object");
    let after = allocated();
    assert!(after >= before + (1 << 18) && after < before + (1 << 20), "from {before} to {after}");
}

fn dropped_memfd_leaves_nothing() {
    let ended = run(&mut Sandbox::new().command("dropper"));
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("nothing left\n", ""));
}

/// A program that makes and drops segments; alone, because it counts its descriptors and mappings.
pub(crate) fn make_and_drop() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
    let mapped = || std::fs::read_to_string("/proc/self/maps").expect("/proc").matches("memfd:").count();
    let make = |backing: &str| drop(options(backing).create("test").expect("a segment"));
    ["memfd", "anonymous", "private"].into_iter().for_each(make);
    let before = descriptors();
    for _ in 0..20 {
        ["memfd", "anonymous", "private"].into_iter().for_each(make);
    }
    assert_eq!((descriptors(), mapped()), (before, 0));
    println!("nothing left");
}

fn descriptor_leads_back_to_its_segment() {
    let segment = options("memfd").create("test").expect("a segment");
    segment.get_or_init("answer", || 42_u32).expect("an object");
    let again = Segment::from_fd(segment.to_fd().expect("a descriptor")).expect("the same segment");
    assert_eq!(again.get::<u32>("answer").expect("its type"), Some(&42));
    assert!(!again.is_created() && segment.is_created());
    assert_eq!(again.participants().len(), 2, "a slot for each attachment");
    drop(segment);
    assert_eq!(again.participants().len(), 1);
    assert_eq!(again.get_or_init("other", || 7_u8).expect("an object"), &7);
}

fn descriptor_alone_keeps_the_values_of_a_memfd() {
    let segment = options("memfd").create("test").expect("a segment");
    segment.get_or_init("answer", || 42_u32).expect("an object");
    let descriptor = segment.to_fd().expect("a descriptor");
    drop(segment);
    let segment = Segment::from_fd(descriptor).expect("what was left");
    assert_eq!(segment.get::<u32>("answer").expect("its type"), Some(&42));
    let posix = options("posix").folder(Sandbox::new().path()).create("test").expect("a segment");
    drop(posix);
}

fn program_that_inherits_the_descriptor_shares() {
    let sandbox = Sandbox::new();
    for backing in ["memfd", "posix"] {
        let segment = options(backing);
        let segment = if backing == "posix" { segment.folder(sandbox.path()) } else { segment };
        let segment = segment.create("test").expect("a segment");
        segment.get_or_init("count", || std::sync::atomic::AtomicU64::new(5)).expect("an object");
        let descriptor = segment.to_fd().expect("a descriptor");
        let number = descriptor.as_raw_fd();
        let mut command = sandbox.command("heir");
        let pass_on = move || {
            // SAFETY: no pointer. The copy is not closed by exec.
            if unsafe { libc::dup2(number, INHERITED) } == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: one system call.
        unsafe { command.pre_exec(pass_on) };
        let mut heir = Peer::start(&mut command);
        assert_eq!(heir.ask("add 1"), "6", "{backing}");
        drop((segment, descriptor));
        assert_eq!(heir.ask("lock"), "clean 100", "{backing}");
        assert_eq!(heir.ask("participants"), heir.pid.to_string(), "{backing}");
        assert!(heir.finish().success());
    }
}

/// A program that was started with a segment's descriptor.
pub(crate) fn inherit() {
    // SAFETY: whoever started this program left it open for us, and nobody else uses it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(INHERITED) };
    crate::partner::play_with(Segment::from_fd(descriptor));
}

/// What a descriptor of another file is answered.
pub(crate) fn refusal(descriptor: impl Into<OwnedFd>) -> (ErrorKind, String) {
    let error = Segment::from_fd(descriptor.into()).map(drop).expect_err("no segment of ours");
    (error.kind(), error.to_string())
}
