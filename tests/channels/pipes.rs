//! Pipes and FIFOs: whole messages, ends of streams, permissions, time.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cotenant::channel::{Fifo, PIPE_ATOMIC_BYTES, PIPE_MESSAGE_MAX_BYTES, pipe};

use crate::support::{Named, PATIENCE};

pub(crate) const TESTS: &[Named] = &[
    ("messages_of_many_killed_writers_come_whole", messages_of_many_killed_writers_come_whole),
    ("bytes_between_messages_are_passed_over", bytes_between_messages_are_passed_over),
    ("bytes_that_look_like_a_head_hold_nothing_back", bytes_that_look_like_a_head_hold_nothing_back),
    ("sends_with_a_deadline_wait_for_no_other_writer", sends_with_a_deadline_wait_for_no_other_writer),
    ("end_of_stream_and_broken_pipe_are_told_apart", end_of_stream_and_broken_pipe_are_told_apart),
    ("full_pipe_and_empty_pipe_say_so", full_pipe_and_empty_pipe_say_so),
    ("message_that_is_too_long_is_refused", message_that_is_too_long_is_refused),
    ("fifo_has_the_mode_that_was_asked_for", fifo_has_the_mode_that_was_asked_for),
    ("fifo_waits_for_the_other_side", fifo_waits_for_the_other_side),
    ("something_else_is_no_fifo", something_else_is_no_fifo),
];

fn fork(child: impl FnOnce()) -> i32 {
    // SAFETY: the child writes and ends.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child();
        // SAFETY: no pointer.
        unsafe { libc::_exit(0) }
    }
    assert!(pid > 0, "fork");
    pid
}

fn kill(pid: i32) {
    // SAFETY: no pointer; our child.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    // SAFETY: our child; no status is wanted.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

fn messages_of_many_killed_writers_come_whole() {
    let (reader, writer) = pipe().expect("a pipe");
    let children: Vec<_> = (0..4_u8)
        .map(|number| {
            let end = writer.try_clone().expect("a descriptor");
            fork(move || {
                let mut end = end.messages();
                // Short ones, and such as take many writes.
                for n in 0..1_000_000_u32 {
                    let _ = end.send(&vec![number; 1 + (n as usize * 997) % 40_000]);
                }
            })
        })
        .collect();
    drop(writer);
    let mut reader = reader.messages();
    let mut seen = [0; 4];
    let mut left = children;
    let mut count = 0;
    while let Some(message) = reader.recv_timeout(PATIENCE).expect("no error") {
        let number = message[0];
        assert!(message.iter().all(|byte| *byte == number), "a message of two writers");
        seen[number as usize] += 1;
        count += 1;
        // Each is killed in the middle of something.
        if count % 200 == 0 {
            if let Some(child) = left.pop() {
                kill(child);
            }
        }
    }
    assert!(left.is_empty() && seen.iter().all(|count| *count > 0), "{seen:?}");
}

fn bytes_between_messages_are_passed_over() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut raw = writer.try_clone().expect("a descriptor");
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    writer.send(b"one").expect("room");
    let (between, half) = (b"what is no message, although CTFR is in it, CTFR", b"CTFR\x05\x00\x00\x00 and no more");
    raw.write_all(between).expect("room");
    writer.send(b"").expect("room");
    writer.send(&[5; 10_000]).expect("room");
    raw.write_all(half).expect("room");
    drop((writer, raw));
    assert_eq!(reader.recv().expect("no error").as_deref(), Some(&b"one"[..]));
    assert_eq!(reader.recv().expect("no error").as_deref(), Some(&b""[..]));
    assert_eq!(reader.recv().expect("no error"), Some(vec![5; 10_000]));
    assert_eq!(reader.recv().expect("no error"), None);
    assert_eq!(reader.skipped_bytes(), (between.len() + half.len()) as u64);
}

fn bytes_that_look_like_a_head_hold_nothing_back() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut raw = writer.try_clone().expect("a descriptor");
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    // As a head of a frame with a part of 4,000 bytes, of which nothing follows.
    let mut head = [0; 40];
    head[..4].copy_from_slice(b"CTFR");
    head[4..6].copy_from_slice(&4000_u16.to_le_bytes());
    head[28..30].copy_from_slice(&4000_u16.to_le_bytes());
    raw.write_all(&head).expect("room");
    writer.send(b"behind it").expect("room");
    assert_eq!(reader.try_recv().expect("it is there").as_deref(), Some(&b"behind it"[..]));
    assert_eq!(reader.skipped_bytes(), 40);
}

fn sends_with_a_deadline_wait_for_no_other_writer() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut children = Vec::new();
    for number in 0..2_u8 {
        let end = writer.try_clone().expect("a descriptor");
        children.push(fork(move || {
            let mut end = end.messages();
            while end.send(&[number; 3000]).is_ok() {}
        }));
    }
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    // Whenever there is room for one, the others, who wait for it, may have it.
    let mut results = [0, 0];
    for _ in 0..200 {
        for _ in 0..4 {
            reader.recv_timeout(PATIENCE).expect("they write");
        }
        for _ in 0..4 {
            match writer.try_send(&[9; 3000]) {
                Ok(()) => results[0] += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => results[1] += 1,
                Err(error) => panic!("{error}"),
            }
        }
        let late = writer.send_timeout(&[9; 3000], Duration::from_micros(200));
        assert!(late.is_ok() || late.is_err_and(|error| error.kind() == ErrorKind::TimedOut));
    }
    assert!(results[1] > 0, "the pipe was never full: {results:?}");
    children.into_iter().for_each(kill);
}

fn end_of_stream_and_broken_pipe_are_told_apart() {
    let (mut reader, mut writer) = pipe().expect("a pipe");
    writer.write_all(b"rest").expect("room");
    drop(writer);
    let mut all = Vec::new();
    assert_eq!(reader.read_to_end(&mut all).expect("the end of the stream"), 4);
    let (reader, writer) = pipe().expect("a pipe");
    let mut writer = writer.messages();
    drop(reader);
    assert_eq!(writer.send(b"to nobody").expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
    assert_eq!(writer.try_send(b"to nobody").expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
}

fn full_pipe_and_empty_pipe_say_so() {
    let (reader, writer) = pipe().expect("a pipe");
    assert!(!reader.wait(Duration::from_millis(1)).expect("no error"));
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    assert_eq!(reader.try_recv().expect_err("empty").kind(), ErrorKind::WouldBlock);
    assert_eq!(reader.recv_timeout(Duration::from_millis(5)).expect_err("empty").kind(), ErrorKind::TimedOut);
    let mut sent = 0;
    while writer.try_send(&[sent; 3000]).is_ok() {
        sent += 1;
    }
    assert!(sent > 3);
    let error = writer.send_timeout(&[0; 3000], Duration::from_millis(5)).expect_err("full");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    for number in 0..sent {
        assert_eq!(reader.try_recv().expect("it is there"), Some(vec![number; 3000]));
    }
    let (mut reader, _writer) = pipe().expect("a pipe");
    reader.set_nonblocking(true).expect("a pipe");
    assert_eq!(reader.read(&mut [0; 8]).expect_err("empty").kind(), ErrorKind::WouldBlock);
    assert!(reader.as_fd().try_clone_to_owned().is_ok());
}

fn message_that_is_too_long_is_refused() {
    let (_reader, writer) = pipe().expect("a pipe");
    let error = writer.messages().send(&vec![0; PIPE_MESSAGE_MAX_BYTES + 1]).expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(PIPE_ATOMIC_BYTES, 4096);
}

fn fifo_has_the_mode_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    for mode in [0o600, 0o660, 0o622] {
        let fifo = Fifo::create(folder.path().join(format!("{mode:o}")), mode).expect("a FIFO");
        let found = std::fs::metadata(fifo.path()).expect("it is there").permissions().mode();
        assert_eq!(found & 0o777, mode);
    }
    let again = Fifo::create(folder.path().join("600"), 0o600).expect_err("it is there");
    assert_eq!(again.kind(), cotenant::ErrorKind::AlreadyExists);
    let odd = Fifo::create(folder.path().join("odd"), 0o4777).expect_err("no such mode");
    assert_eq!(odd.kind(), cotenant::ErrorKind::InvalidInput);
}

fn fifo_waits_for_the_other_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = Fifo::create(folder.path().join("fifo"), 0o600).expect("a FIFO");
    assert_eq!(fifo.try_writer().expect_err("nobody reads").kind(), cotenant::ErrorKind::WouldBlock);
    let late = fifo.writer_timeout(Duration::from_millis(5)).expect_err("nobody reads");
    assert_eq!(late.kind(), cotenant::ErrorKind::TimedOut);
    let path = fifo.path().to_owned();
    let child = fork(move || {
        let writer = Fifo::open(&path).and_then(|fifo| fifo.writer_timeout(PATIENCE)).expect("a reader comes");
        writer.messages().send(b"from afar").expect("room");
    });
    let mut reader = fifo.reader().expect("it may be read").messages();
    // The first read waits for a writer; then the stream ends with it.
    assert_eq!(reader.recv().expect("no error").as_deref(), Some(&b"from afar"[..]));
    assert_eq!(reader.recv().expect("no error"), None);
    // SAFETY: our child; no status is wanted.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    fifo.unlink().expect("its name");
    assert_eq!(Fifo::open(fifo.path()).expect_err("it is gone").kind(), cotenant::ErrorKind::NotFound);
}

fn something_else_is_no_fifo() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, "text").expect("a file");
    assert_eq!(Fifo::open(&path).expect_err("a file").kind(), cotenant::ErrorKind::Foreign);
    let link = folder.path().join("link");
    let fifo = Fifo::create(folder.path().join("fifo"), 0o600).expect("a FIFO");
    std::os::unix::fs::symlink(fifo.path(), &link).expect("a link");
    assert_eq!(Fifo::open(&link).expect_err("a link").kind(), cotenant::ErrorKind::Foreign);
}
