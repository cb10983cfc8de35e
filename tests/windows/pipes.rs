//! Pipes and FIFOs: what Windows' own named pipes would do otherwise than a pipe elsewhere does.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use cotenant::channel::{Fifo, pipe};

use crate::peer::Program;

const PATIENCE: Duration = Duration::from_secs(180);

/// Fails instead of waiting for ever for what must not wait.
fn in_time<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    std::thread::spawn(move || done.send(what()));
    result.recv_timeout(PATIENCE).expect("it does not wait")
}

#[test]
fn a_write_of_nothing_is_no_end_of_the_stream() {
    let path = format!(r"\\.\pipe\cotenant-test-nothing-{}", std::process::id());
    let fifo = Fifo::create(path, 0o600).expect("a FIFO");
    let of_fifo = (fifo.reader().expect("it may be read"), fifo.try_writer().expect("somebody reads"));
    for (mut reader, mut writer) in [pipe().expect("a pipe"), of_fifo] {
        assert_eq!(writer.write(b"").expect("no error"), 0);
        writer.write_all(b"x").expect("room");
        let mut bytes = [0; 8];
        assert_eq!(reader.read(&mut bytes).expect("a byte"), 1);
        drop(writer);
        assert_eq!(reader.read(&mut bytes).expect("the end"), 0);
    }
}

#[test]
fn more_than_the_system_keeps_is_written_in_parts_without_waiting() {
    let (mut reader, mut writer) = pipe().expect("a pipe");
    writer.set_nonblocking(true).expect("it can");
    let bytes = vec![7; 300_000];
    let (mut sent, mut received) = (0, 0);
    in_time(move || {
        while received < bytes.len() {
            match writer.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            received += if sent > received { reader.read(&mut [0; 50_000]).expect("they are there") } else { 0 };
            assert!(sent > 0, "nothing was written of a long one");
        }
    });
}

#[test]
fn an_end_that_does_not_wait_stays_so() {
    let (reader, writer) = pipe().expect("a pipe");
    writer.set_nonblocking(true).expect("it can");
    let mut writer = writer.messages();
    in_time(move || {
        while writer.try_send(&[1; 3000]).is_ok() {}
        assert_eq!(writer.send(&[1; 3000]).expect_err("it is full").kind(), ErrorKind::WouldBlock);
    });
    drop(reader);
}

#[test]
fn message_that_never_has_room_leaves_nothing_in_the_pipe() {
    let (reader, writer) = pipe().expect("a pipe");
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    assert_eq!(writer.try_send(&[2; 200_000]).expect_err("no room").kind(), ErrorKind::WouldBlock);
    writer.try_send(&[3; 40_000]).expect("room");
    assert_eq!(reader.recv_timeout(PATIENCE).expect("it is there"), Some(vec![3; 40_000]));
    assert_eq!(reader.skipped_bytes(), 0);
}

#[test]
fn writers_that_come_at_once_or_go_at_once_are_heard() {
    let path = format!(r"\\.\pipe\cotenant-test-at-once-{}", std::process::id());
    let fifo = Fifo::create(path, 0o600).expect("a FIFO");
    let mut reader = fifo.reader().expect("it may be read").messages();
    // One that goes before anybody looks, without a word and with one.
    drop(fifo.try_writer().expect("somebody reads"));
    assert_eq!(reader.recv_timeout(PATIENCE).expect("no error"), None, "the end: it has come and gone");
    fifo.try_writer().expect("somebody reads").messages().send(b"gone").expect("room");
    assert_eq!(reader.recv_timeout(PATIENCE).expect("no error").as_deref(), Some(&b"gone"[..]));
    assert_eq!(reader.recv_timeout(PATIENCE).expect("no error"), None);
    // As many as the reader had places for, before it looks; and then more.
    let mut writers = Vec::new();
    let error = loop {
        match fifo.try_writer() {
            Ok(writer) => writers.push(writer.messages()),
            Err(error) => break error,
        }
        assert!(writers.len() < 100, "no end of places");
    };
    let text = error.to_string();
    assert!(error.kind() == cotenant::ErrorKind::WouldBlock && text.contains("has not looked"), "{text}");
    assert_eq!(reader.try_recv().expect_err("nothing was sent").kind(), ErrorKind::WouldBlock);
    writers.push(fifo.try_writer().expect("it has looked").messages());
    for writer in &mut writers {
        writer.send(b"all of them").expect("room");
    }
    for _ in 0..writers.len() {
        assert!(reader.recv_timeout(PATIENCE).expect("no error").is_some());
    }
    drop(writers);
    assert_eq!(reader.recv_timeout(PATIENCE).expect("no error"), None);
}

#[test]
fn a_program_that_is_started_has_no_end_of_ours() {
    let path = format!(r"\\.\pipe\cotenant-test-inherit-{}", std::process::id());
    let fifo = Fifo::create(path, 0o600).expect("a FIFO");
    let of_fifo = (fifo.reader().expect("it may be read"), fifo.try_writer().expect("somebody reads"));
    let program = Program::new();
    for (reader, writer) in [pipe().expect("a pipe"), of_fifo] {
        let _peer = program.start();
        drop(writer);
        assert_eq!(reader.messages().recv_timeout(PATIENCE).expect("the end, although it lives"), None);
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    for name in
        [r"\\.\pipe\", r"\\.\pipe\..\C:\file", r"\\.\pipe\a\b", r"\\.\pipe\a/b", "\\\\.\\pipe\\a\0b", r"\\other\pipe\a"]
    {
        let error = Fifo::open(name).expect_err("no name of a pipe");
        assert_eq!(error.kind(), cotenant::ErrorKind::InvalidInput, "{name}: {error}");
    }
}

#[test]
fn errors_say_what_was_done_and_what_to_do() {
    let path = format!(r"\\.\pipe\cotenant-test-errors-{}", std::process::id());
    let missing = Fifo::open(&path).expect_err("there is none").to_string();
    assert!(missing.contains(&path) && missing.contains("start the program that makes it"), "{missing}");
    let fifo = Fifo::create(&path, 0o600).expect("a FIFO");
    let mut reader = fifo.reader().expect("it may be read").messages();
    let writer = fifo.try_writer().expect("somebody reads");
    let empty = reader.try_recv().expect_err("it is empty").to_string();
    assert!(empty.contains(&path) && empty.contains("recv_timeout"), "{empty}");
    drop(reader);
    let broken = writer.messages().send(b"x").expect_err("nobody reads");
    let text = broken.to_string();
    assert!(broken.kind() == ErrorKind::BrokenPipe && text.contains(&path) && text.contains("os error"), "{text}");
}
