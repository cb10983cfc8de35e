//! The peer of the tests of backings: a process that makes or reaches a segment in the way it is told, counts in it,
//! and locks it.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::{LockError, Mutex, MutexGuard, OwnerDied, TryLockError};
use cotenant::{Backing, Segment, SegmentOptions, SysVKey};

use crate::actor::said;
use crate::support::serve;

enum Held {
    Clean(MutexGuard<'static, u64>),
    Died(OwnerDied<'static, u64>),
}

thread_local! {
    static SEGMENT: Cell<Option<&'static Segment>> = const { Cell::new(None) };
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

pub(crate) fn play() {
    serve::stdin(answer);
}

/// As [`play`], of a process that has a segment from the start.
pub(crate) fn play_with(made: cotenant::Result<Segment>) {
    take_over(made);
    play();
}

/// `BACKING` or `BACKING:WHAT`.
pub(crate) fn options(backing: &str) -> SegmentOptions {
    let (backing, what) = backing.split_once(':').unwrap_or((backing, ""));
    let backing = match backing {
        "anonymous" => Backing::Anonymous,
        "memfd" => Backing::Memfd,
        "posix" => Backing::Posix,
        "private" => Backing::SysV(SysVKey::Private),
        "sysv" => Backing::SysV(SysVKey::Number(what.parse().expect("a key"))),
        "ftok" => {
            let (path, number) = what.rsplit_once(':').expect("a path and a number");
            Backing::SysV(SysVKey::File { path: path.into(), number: number.parse().expect("a number") })
        }
        _ => panic!("no such backing: {backing}"),
    };
    Segment::options().backing(backing).max_bytes(1 << 20).max_objects(200).max_participants(100)
}

fn segment() -> &'static Segment {
    SEGMENT.get().expect("a segment")
}

fn take_over(made: cotenant::Result<Segment>) -> String {
    match made {
        Ok(segment) => {
            let answer = segment.path().to_owned();
            SEGMENT.set(Some(segment.leak()));
            answer
        }
        Err(error) => said(&error),
    }
}

fn count() -> cotenant::Result<&'static AtomicU64> {
    segment().get_or_init("count", || AtomicU64::new(5))
}

fn value() -> &'static Mutex<u64> {
    segment().get_or_init("value", || Mutex::new(100)).expect("the mutex")
}

/// One command; the answer is one line.
pub(crate) fn answer(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().expect("a number");
    match words[..] {
        ["create", backing] => take_over(options(backing).create("test")),
        ["create", backing, name] => take_over(options(backing).create(name)),
        ["open", backing] => take_over(options(backing).open("test")),
        ["open-or-create", backing] => take_over(options(backing).open_or_create("test")),
        ["create-for-group", backing, group, mode] => {
            let mode = u32::from_str_radix(mode, 8).expect("a mode");
            take_over(options(backing).mode(mode).group(group).create("test"))
        }
        ["detach"] => {
            let segment = SEGMENT.take().expect("a segment");
            // SAFETY: `leak` boxed it, and nothing that was borrowed from it is used again.
            drop(unsafe { Box::from_raw(std::ptr::from_ref(segment).cast_mut()) });
            "detached".into()
        }
        ["add", more] => match count() {
            Ok(count) => (count.fetch_add(number(more), Relaxed) + number(more)).to_string(),
            Err(error) => said(&error),
        },
        ["grow", name, kib] => grow(name, number(kib)),
        ["participants"] => {
            let pids: Vec<_> = segment().participants().iter().map(|it| it.pid.to_string()).collect();
            pids.join("+")
        }
        ["unlinked"] => segment().is_unlinked().to_string(),
        ["send-and-wait", socket] => {
            let (stream, _) = UnixListener::bind(socket).expect("a socket").accept().expect("a peer");
            let sent = segment().send(&stream).map_or_else(|error| said(&error), |()| "sent".into());
            std::mem::forget(stream);
            sent
        }
        ["receive", socket] => receive(Path::new(socket)),
        ["cut-off"] => cut_off(),
        ["lock" | "try" | "set" | "repair" | "drop", ..] => lock_command(&words),
        _ => process_command(&words),
    }
}

fn lock_command(words: &[&str]) -> String {
    match words {
        ["lock"] => hold(value().lock()),
        ["try"] => match value().try_lock() {
            Ok(guard) => hold(Ok(guard)),
            Err(TryLockError::WouldBlock | TryLockError::TimedOut) => "would block".into(),
            Err(TryLockError::Lock(error)) => hold(Err(error)),
        },
        ["set", number] => HELD.with_borrow_mut(|held| match held {
            Some(Held::Clean(guard)) => {
                **guard = number.parse().expect("a number");
                "set".into()
            }
            _ => panic!("no clean lock is held"),
        }),
        ["repair", number] => {
            let Some(Held::Died(died)) = HELD.take() else { panic!("nothing to repair") };
            HELD.set(Some(Held::Clean(died.repair(|value| *value = number.parse().expect("a number")))));
            "repaired".into()
        }
        _ => {
            drop(HELD.take());
            "dropped".into()
        }
    }
}

/// What concerns the process rather than the segment.
fn process_command(words: &[&str]) -> String {
    match words {
        ["fork", how] => fork(how),
        ["close"] => close_from_3(),
        ["limit", name, value] => {
            std::fs::write(format!("/proc/sys/kernel/{name}"), value).expect("setting a limit");
            "set".into()
        }
        ["pid"] => std::process::id().to_string(),
        ["unshare-pids"] => {
            // SAFETY: no pointer. This process's children are in the new namespace.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0, "{}", std::io::Error::last_os_error());
            "unshared".into()
        }
        ["reap"] => {
            // SAFETY: without a place for the status. Waits for what has ended, never for what lives.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
            "reaped".into()
        }
        _ => format!("no such command: {words:?}"),
    }
}

fn hold(locked: Result<MutexGuard<'static, u64>, LockError<OwnerDied<'static, u64>>>) -> String {
    let (held, answer) = match locked {
        Ok(guard) => {
            let answer = format!("clean {}", *guard);
            (Held::Clean(guard), answer)
        }
        Err(LockError::OwnerDied(died)) => {
            let owner = died.owner().map_or("unknown".into(), |owner| owner.pid.to_string());
            let answer = format!("died {owner} {}", *died.value());
            (Held::Died(died), answer)
        }
        Err(LockError::WouldDeadlock) => return "deadlock".into(),
        Err(LockError::NotRecoverable) => return "not recoverable".into(),
        Err(LockError::NotParticipant(error)) => return format!("no participant: {error}"),
    };
    assert!(HELD.replace(Some(held)).is_none(), "held twice");
    answer
}

/// Makes objects of so many KiB together, and writes to all of them.
fn grow(name: &str, kib: u64) -> String {
    for part in 0..kib.div_ceil(16) {
        let made = segment().get_or_init(&format!("{name}-{part}"), || [const { AtomicU64::new(1) }; 2048]);
        match made {
            Ok(words) => words.iter().for_each(|word| word.store(7, Relaxed)),
            Err(error) => return said(&error),
        }
    }
    "grown".into()
}

fn receive(socket: &Path) -> String {
    let stream = UnixStream::connect(socket).expect("connecting");
    take_over(Segment::receive(&stream))
}

/// Makes a child, which serves the test through the sandbox's socket.
fn fork(how: &str) -> String {
    let child = match how {
        // SAFETY: this process has one thread, so its child may do what it likes.
        "fork" => unsafe { libc::fork() },
        "_Fork" => {
            unsafe extern "C" {
                #[link_name = "_Fork"]
                fn fork_without_handlers() -> libc::pid_t;
            }
            // SAFETY: as above; unlike fork, no handlers run.
            unsafe { fork_without_handlers() }
        }
        // SAFETY: as above; a null stack means "as fork does".
        "clone" => unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t },
        _ => panic!("no such fork: {how}"),
    };
    match child {
        -1 => panic!("{how}: {}", std::io::Error::last_os_error()),
        0 => serve::forked(answer),
        pid => pid.to_string(),
    }
}

fn close_from_3() -> String {
    // SAFETY: no pointer; what is open from 3 on is not used by this program any more.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    if result == 0 { "closed".into() } else { format!("{}", std::io::Error::last_os_error()) }
}

/// Tries to shorten the segment's file.
fn cut_off() -> String {
    let descriptor: OwnedFd = segment().to_fd().expect("a descriptor");
    // SAFETY: no pointer.
    match unsafe { libc::ftruncate(descriptor.as_raw_fd(), 4096) } {
        0 => "cut off".into(),
        _ => format!("errno {}", std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}
