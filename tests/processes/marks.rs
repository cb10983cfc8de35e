//! The kernel's mark in a lock word, OWNER_DIED, is not always true: it compares thread ids, which are unique in one PID
//! namespace only.

use std::os::unix::fs::FileExt;

use crate::robust::{OWNER_DIED, THREAD_ID, died, two, word};
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("mark_that_is_not_true_robs_nobody", mark_that_is_not_true_robs_nobody),
    ("mark_is_not_believed_where_two_pid_namespaces_meet", mark_is_not_believed_where_two_pid_namespaces_meet),
];

/// As the kernel would do it if a thread of another PID namespace that has the owner's number died.
fn mark_falsely(owner: &mut Peer, by: &mut Peer) {
    let held = word(owner, "outer");
    by.ask(&format!("set-word {:x}", held & !THREAD_ID | OWNER_DIED));
}

fn mark_that_is_not_true_robs_nobody() {
    let (_sandbox, mut owner, mut other) = two();
    owner.ask("lock outer");
    mark_falsely(&mut owner, &mut other);
    assert_eq!(other.ask("try outer"), "somebody else holds the lock");
    assert_eq!(other.ask("timed outer"), "somebody else held the lock for the whole time");
    owner.kill();
    let found = other.ask("lock outer");
    assert!(found.starts_with(&died(&owner)), "{found}");
}

/// The entries of a segment's participants: docs/format.md.
struct Participants {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

impl Participants {
    /// A process says in which PID namespace it is before its first lock in a segment.
    fn both_locked_in(sandbox: &Sandbox, one: &Peer, other: &Peer) -> Participants {
        let paths = sandbox.files().into_iter().map(|name| sandbox.path().join(name));
        let mut all = paths.map(|path| Participants { bytes: std::fs::read(&path).expect("a segment"), path });
        let found = all.find(|it| it.namespace(one.pid) != 0 && it.namespace(one.pid) == it.namespace(other.pid));
        found.expect("a segment in which both have locked")
    }

    fn entry(&self, pid: i32) -> Option<usize> {
        (4096..8192).step_by(64).find(|at| self.bytes[at + 4..at + 8] == pid.to_le_bytes())
    }

    fn namespace(&self, pid: i32) -> u64 {
        let at = self.entry(pid).map(|entry| entry + 16);
        at.map_or(0, |at| u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("8 bytes")))
    }

    fn set_namespace(&self, pid: i32, namespace: u64) {
        let at = self.entry(pid).expect("its entry") + 16;
        let file = std::fs::File::options().write(true).open(&self.path).expect("the segment");
        file.write_all_at(&namespace.to_le_bytes(), at as u64).expect("its namespace");
    }
}

fn mark_is_not_believed_where_two_pid_namespaces_meet() {
    let (sandbox, mut owner, mut other) = two();
    assert_eq!(owner.ask("first-thread-ends"), "ends");
    assert_eq!(owner.ask("lock outer"), "clean");
    assert_eq!(other.ask("lock inner"), "clean");
    let segment = Participants::both_locked_in(&sandbox, &owner, &other);
    let elsewhere = segment.namespace(owner.pid) + 1;
    segment.set_namespace(other.pid, elsewhere);
    mark_falsely(&mut owner, &mut other);
    assert_eq!(sandbox.start("robust").ask("try outer"), "somebody else holds the lock");
}
