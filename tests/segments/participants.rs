//! How many processes a segment takes: as many as it was made for, and the next one is told.

use std::os::fd::RawFd;

use cotenant::sync::{LockError, Mutex};
use cotenant::{ErrorKind, Segment};

use crate::actor::said;
use crate::holder::options;
use crate::support::sandbox::Sandbox;
use crate::support::{Named, serve};

pub(crate) const TESTS: &[Named] = &[("a_segment_has_1024_participants_and_the_next_one_is_told", thousand_and_more)];

const PARTICIPANTS: u32 = 1024;

/// A process with children, each of which is a participant as soon as it has locked something.
pub(crate) fn play() {
    let segment = options(&[&format!("participants={PARTICIPANTS}")]).create("crowd").expect("a segment").leak();
    let count = segment.get_or_init("count", || Mutex::new(0_u32)).expect("an object");
    let mut last_child = 0;
    serve::stdin(move |line| match line {
        "fill" => {
            for _ in 1..PARTICIPANTS {
                let (child, told) = fork(count);
                assert_eq!(told, "counted");
                last_child = child;
            }
            format!("{} {}", *count.lock().expect("the lock"), segment.participants().len())
        }
        "fork" => fork(count).1,
        "one-leaves" => {
            // SAFETY: no pointer.
            assert_eq!(unsafe { libc::kill(last_child, libc::SIGKILL) }, 0, "a child of ours");
            // SAFETY: a null place for the status is allowed.
            assert_eq!(unsafe { libc::waitpid(last_child, std::ptr::null_mut(), 0) }, last_child);
            segment.participants().len().to_string()
        }
        other => format!("no such command: {other}"),
    });
}

/// A child that counts, says how that went, and stays until its parent ends.
fn fork(count: &Mutex<u32>) -> (libc::pid_t, String) {
    let [from, to] = pipe();
    // SAFETY: this process has one thread, so its child may do what it likes.
    let child = unsafe { libc::fork() };
    assert_ne!(child, -1, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: no pointer.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let told = counted(count);
        // SAFETY: the bytes outlive the call.
        unsafe { libc::write(to, told.as_ptr().cast(), told.len()) };
        close(to);
        loop {
            // SAFETY: no pointer.
            unsafe { libc::pause() };
        }
    }
    close(to);
    let mut told = [0_u8; 1024];
    // SAFETY: the buffer is that large.
    let bytes = unsafe { libc::read(from, told.as_mut_ptr().cast(), told.len()) };
    close(from);
    (child, String::from_utf8_lossy(&told[..usize::try_from(bytes).expect("what the child says")]).into_owned())
}

fn counted(count: &Mutex<u32>) -> String {
    match count.lock() {
        Ok(mut count) => {
            *count += 1;
            "counted".into()
        }
        Err(LockError::NotParticipant(error)) => said(&error),
        Err(_) => "not had".into(),
    }
}

fn pipe() -> [RawFd; 2] {
    let mut ends = [0; 2];
    // SAFETY: two descriptors fit.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    ends
}

fn close(end: RawFd) {
    // SAFETY: no pointer; the descriptor is not used again.
    unsafe { libc::close(end) };
}

fn thousand_and_more() {
    let sandbox = Sandbox::new();
    let mut crowd = sandbox.start("crowd");
    assert_eq!(crowd.ask("fill"), format!("{} {PARTICIPANTS}", PARTICIPANTS - 1));
    let told = crowd.ask("fork");
    assert!(told.starts_with("Full: all 1024 slots of the segment ") && told.contains("are taken"), "{told}");
    let error = open(&sandbox).expect_err("no slot is left");
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert_eq!(crowd.ask("one-leaves"), (PARTICIPANTS - 1).to_string());
    let segment = open(&sandbox).expect("the slot of who left");
    assert_eq!(segment.participants().len() as u32, PARTICIPANTS);
}

fn open(sandbox: &Sandbox) -> cotenant::Result<Segment> {
    options(&[]).folder(sandbox.path()).open("crowd")
}
