//! Names of FIFOs that others can take, and what errors of pipes and FIFOs say.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use cotenant::Error;
use cotenant::channel::{Fifo, pipe};

use crate::support::Named;
use crate::support::root::{in_mount_namespace, mount_tmpfs};

pub(crate) const TESTS: &[Named] = &[
    ("a_fifo_that_somebody_planted_is_left_alone", a_fifo_that_somebody_planted_is_left_alone),
    ("a_link_that_is_put_in_the_place_of_a_new_fifo_is_not_followed", a_link_is_not_followed),
    ("what_took_the_name_of_a_fifo_is_told_from_it", what_took_the_name_of_a_fifo_is_told_from_it),
    ("writer_outlives_a_reader_that_comes_and_goes", writer_outlives_a_reader_that_comes_and_goes),
    ("errors_say_what_was_done_and_what_to_do", errors_say_what_was_done_and_what_to_do),
];

pub(crate) const ROOT_TESTS: &[Named] = &[("a_fifo_is_made_whole_or_not_at_all", a_fifo_is_made_whole_or_not_at_all)];

const SHORT: Duration = Duration::from_millis(5);

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn a_fifo_that_somebody_planted_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = Fifo::create(folder.path().join("fifo"), 0o666).expect("a FIFO");
    // SAFETY: no pointer.
    if unsafe { libc::geteuid() } != 0 {
        return; // Who is not root cannot make one of another user.
    }
    std::os::unix::fs::chown(fifo.path(), Some(65_534), None).expect("root may");
    // Where only this user makes files it did so on purpose.
    let reader = fifo.reader().expect("it may be read");
    drop(fifo.try_writer().expect("somebody reads"));
    for mode in [0o1777, 0o777] {
        set_mode(folder.path(), mode);
        for error in [fifo.reader().expect_err("planted"), fifo.try_writer().expect_err("planted")] {
            let text = error.to_string();
            assert_eq!(error.kind(), cotenant::ErrorKind::Foreign, "{text}");
            assert!(text.contains("65534") && text.contains(&*folder.path().to_string_lossy()), "{text}");
        }
    }
    drop(reader);
    assert_eq!(fifo.try_writer().expect_err("nobody reads, and it is planted").kind(), cotenant::ErrorKind::Foreign);
    // The folder's own user may lay there what it likes.
    std::os::unix::fs::chown(folder.path(), Some(65_534), None).expect("root may");
    fifo.reader().expect("of whoever has the folder");
}

fn a_link_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, victim, link) = (folder.path().join("fifo"), folder.path().join("victim"), folder.path().join("link"));
    std::fs::write(&victim, "").expect("a file");
    set_mode(&victim, 0o600);
    let stop = AtomicBool::new(false);
    let mut replaced = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                let _ = symlink(&victim, &link);
                if path.exists() {
                    let _ = std::fs::rename(&link, &path);
                }
            }
        });
        for _ in 0..3000 {
            replaced += u32::from(Fifo::create(&path, 0o666).is_err());
            let _ = std::fs::remove_file(&path);
        }
        stop.store(true, Relaxed);
    });
    let mode = std::fs::metadata(&victim).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the file that the link leads to has another mode; {replaced} were replaced");
}

/// Without /proc, which Linux needs before 6.6 to give it the mode.
fn a_fifo_is_made_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fifo");
    in_mount_namespace(|| {
        mount_tmpfs("/proc", "");
        match Fifo::create(&path, 0o666) {
            Ok(fifo) => {
                let mode = std::fs::metadata(fifo.path()).expect("it is there").permissions().mode();
                assert_eq!(mode & 0o777, 0o666);
            }
            Err(error) => {
                assert_eq!(error.kind(), cotenant::ErrorKind::Unsupported, "{error}");
                assert!(!path.exists(), "half made");
            }
        }
    });
}

fn what_took_the_name_of_a_fifo_is_told_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = Fifo::create(folder.path().join("fifo"), 0o600).expect("a FIFO");
    let take = |by: &dyn Fn(&Path)| {
        std::fs::remove_file(fifo.path()).expect("it is there");
        by(fifo.path());
        for error in [fifo.reader().expect_err("no FIFO"), fifo.writer_timeout(SHORT).expect_err("no FIFO")] {
            assert_eq!(error.kind(), cotenant::ErrorKind::Foreign, "{error}");
        }
    };
    take(&|path| std::fs::write(path, "text").expect("a file"));
    take(&|path| symlink("/dev/null", path).expect("a link"));
    take(&|path| drop(UnixListener::bind(path).expect("a socket")));
    assert_eq!(fifo.unlink().expect_err("no FIFO").kind(), cotenant::ErrorKind::Foreign);
    assert!(fifo.path().exists());
}

fn writer_outlives_a_reader_that_comes_and_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = Fifo::create(folder.path().join("fifo"), 0o600).expect("a FIFO");
    drop(fifo.reader().expect("it may be read"));
    assert_eq!(fifo.writer_timeout(SHORT).expect_err("it is gone").kind(), cotenant::ErrorKind::TimedOut);
    let reader = fifo.reader().expect("it may be read");
    let mut writer = fifo.try_writer().expect("somebody reads").messages();
    drop(reader);
    assert_eq!(writer.send(b"lost").expect_err("it is gone").kind(), ErrorKind::BrokenPipe);
    // A new one reads through the same end; nothing of what was refused comes.
    let mut reader = fifo.reader().expect("it may be read").messages();
    writer.send(b"here").expect("somebody reads again");
    assert_eq!(reader.try_recv().expect("it is there").as_deref(), Some(&b"here"[..]));
    drop(writer);
    assert_eq!(reader.try_recv().expect("the end"), None);
}

/// The message has all of these, and the error of ours inside the system's number.
#[track_caller]
fn says(error: &io::Error, kind: ErrorKind, parts: &[&str], number: Option<i32>) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let inside = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).expect("an error of ours");
    assert_eq!(inside.os_error(), number, "{text}");
}

/// What a child says of a pipe that it may not make: a limit counts for a whole process.
fn is_told_the_limit_of_files() -> bool {
    // SAFETY: the child makes a pipe, looks at the error, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure outlives the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        let is_told = pipe().is_err_and(|error| {
            let text = error.to_string();
            text.contains("cannot make a pipe") && text.contains("ulimit -n")
        });
        // SAFETY: no pointer.
        unsafe { libc::_exit(i32::from(!is_told)) }
    }
    let mut status = -1;
    // SAFETY: our child; a place for its status.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && status == 0
}

fn errors_say_what_was_done_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = Fifo::create(folder.path().join("fifo"), 0o600).expect("a FIFO");
    let name = &*format!("the FIFO {}", fifo.path().display());
    let mut raw = fifo.reader().expect("it may be read");
    raw.set_nonblocking(true).expect("it can");
    let nothing = raw.read(&mut [0; 8]).expect_err("no writer has come");
    says(&nothing, ErrorKind::WouldBlock, &["cannot read", name, "wait"], Some(libc::EAGAIN));
    let mut writer = fifo.try_writer().expect("somebody reads").messages();
    raw.set_nonblocking(false).expect("it can");
    let mut reader = raw.messages();
    let empty = reader.try_recv().expect_err("it is empty");
    says(&empty, ErrorKind::WouldBlock, &["no whole message", name, "`recv_timeout`"], None);
    let late = reader.recv_timeout(SHORT).expect_err("it is empty");
    says(&late, ErrorKind::TimedOut, &["no whole message", name, "5ms", "writers"], None);
    while writer.try_send(&[1; 3000]).is_ok() {}
    let full = writer.try_send(&[1; 3000]).expect_err("it is full");
    says(&full, ErrorKind::WouldBlock, &["3000 bytes", name, "no room", "`send_timeout`"], None);
    let late = writer.send_timeout(&[1; 3000], SHORT).expect_err("it is full");
    says(&late, ErrorKind::TimedOut, &["3000 bytes", name, "5ms", "reader"], None);
    let too_long = writer.send(&vec![0; (16 << 20) + 1]).expect_err("it is too long");
    says(&too_long, ErrorKind::InvalidInput, &["16777217 bytes", name, "at most 16777216"], None);
    drop(reader);
    let broken = [writer.send(b"x"), writer.try_send(b"x"), writer.try_send(&[0; 1 << 20])];
    for broken in broken.map(|sent| sent.expect_err("nobody reads")) {
        says(&broken, ErrorKind::BrokenPipe, &["cannot send", name, "nobody reads"], Some(libc::EPIPE));
    }
    let (reader, mut writer) = pipe().expect("a pipe");
    drop(reader);
    let broken = writer.write(b"x").expect_err("nobody reads");
    says(&broken, ErrorKind::BrokenPipe, &["cannot write the pipe", "nobody reads"], Some(libc::EPIPE));

    assert!(is_told_the_limit_of_files());

    let of_fifo = |error: Error, parts: &[&str]| {
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    of_fifo(fifo.try_writer().expect_err("nobody reads"), &["cannot open", name, "start the program"]);
    let again = Fifo::create(fifo.path(), 0o600).expect_err("it is there");
    of_fifo(again, &["cannot make", name, "os error 17", "remove it"]);
    fifo.unlink().expect("its name");
    of_fifo(
        Fifo::open(fifo.path()).expect_err("it is gone"),
        &["cannot open", name, "os error 2", "start the program"],
    );
}
