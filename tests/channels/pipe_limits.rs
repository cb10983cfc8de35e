//! What a pipe's messages and a FIFO's ends must bear: every length at which something begins anew, more writers than
//! one thinks of, writers that never stop, names that somebody else has laid, programs that are started meanwhile.

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use cotenant::channel::{PIPE_ATOMIC_BYTES, PIPE_MESSAGE_MAX_BYTES, PipeReader, PipeWriter, pipe};

use crate::support::{Named, PATIENCE};

pub(crate) const TESTS: &[Named] = &[
    ("messages_of_every_length_that_matters_come_whole", messages_of_every_length_that_matters_come_whole),
    ("long_messages_of_very_many_writers_all_come", long_messages_of_very_many_writers_all_come),
    ("a_timeout_is_kept_while_others_write_without_end", a_timeout_is_kept_while_others_write_without_end),
    ("message_that_has_no_room_leaves_nothing_in_the_pipe", message_that_has_no_room_leaves_nothing_in_the_pipe),
    ("a_program_that_is_started_has_no_end_of_ours", a_program_that_is_started_has_no_end_of_ours),
    ("a_program_that_is_started_gets_the_ends_that_are_handed_on", a_program_gets_the_ends_that_are_handed_on),
];

/// What a message takes of a frame: the system writes that much at once, and the head takes 40 bytes of it.
const PART_BYTES: usize = PIPE_ATOMIC_BYTES - 40;

fn set_capacity(writer: &PipeWriter, bytes: i32) {
    // SAFETY: no pointer.
    let found = unsafe { libc::fcntl(writer.as_fd().as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
    assert_eq!(found, bytes, "{}", std::io::Error::last_os_error());
}

fn messages_of_every_length_that_matters_come_whole() {
    let (reader, writer) = pipe().expect("a pipe");
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    let around = |bytes: usize| [bytes - 1, bytes, bytes + 1];
    let mut lengths = vec![0, 1, PIPE_MESSAGE_MAX_BYTES - 1, PIPE_MESSAGE_MAX_BYTES];
    for edge in [PART_BYTES, PIPE_ATOMIC_BYTES, 2 * PART_BYTES, 16 * PART_BYTES, 1 << 16] {
        lengths.extend(around(edge));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (number, length) in lengths.iter().enumerate() {
                writer.send(&vec![number as u8; *length]).expect("it is read");
            }
            drop(writer);
        });
        for (number, length) in lengths.iter().enumerate() {
            let message = reader.recv_timeout(PATIENCE).expect("no error").expect("a message");
            assert!(message.len() == *length && message.iter().all(|byte| *byte == number as u8), "{length} bytes");
        }
        assert_eq!(reader.recv().expect("the end"), None);
    });
    assert_eq!(reader.skipped_bytes(), 0);
}

fn long_messages_of_very_many_writers_all_come() {
    const WRITERS: usize = 200;
    const EACH: usize = 5;
    let (reader, writer) = pipe().expect("a pipe");
    // With room for one frame, so that the writers' frames come in turn.
    set_capacity(&writer, 4096);
    let mut reader = reader.messages();
    let mut received = vec![0; WRITERS];
    std::thread::scope(|scope| {
        for number in 0..WRITERS {
            let mut writer = writer.try_clone().expect("a descriptor").messages();
            scope.spawn(move || {
                for _ in 0..EACH {
                    writer.send(&[number as u8; 40_000]).expect("it is read");
                }
            });
        }
        drop(writer);
        while let Some(message) = reader.recv_timeout(PATIENCE).expect("no error") {
            received[usize::from(message[0])] += 1;
        }
    });
    assert_eq!((received, reader.skipped_bytes()), (vec![EACH; WRITERS], 0));
}

fn a_timeout_is_kept_while_others_write_without_end() {
    let (reader, writer) = pipe().expect("a pipe");
    // So large that nobody who writes waits.
    set_capacity(&writer, 1 << 20);
    let mut reader = reader.messages();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (mut writer, stop) = (writer.try_clone().expect("a descriptor"), &stop);
            scope.spawn(move || {
                // What is no message.
                let noise = [b'x'; 4096];
                while !stop.load(Relaxed) && writer.write_all(&noise).is_ok() {}
            });
        }
        for _ in 0..50 {
            let before = reader.skipped_bytes();
            assert_eq!(reader.try_recv().expect_err("no message").kind(), ErrorKind::WouldBlock);
            // What was there, and somewhat more: not as much as they write.
            assert!(reader.skipped_bytes() - before <= 2 << 20, "{} bytes", reader.skipped_bytes() - before);
        }
        let late = reader.recv_timeout(Duration::from_millis(5)).expect_err("no message");
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        stop.store(true, Relaxed);
        drop(reader);
    });
}

fn message_that_has_no_room_leaves_nothing_in_the_pipe() {
    let (reader, writer) = pipe().expect("a pipe");
    let (mut reader, mut writer) = (reader.messages(), writer.messages());
    writer.try_send(&[1; 30_000]).expect("room");
    // More than is left, and more than there ever is.
    for length in [50_000, 1 << 20] {
        assert_eq!(writer.try_send(&vec![2; length]).expect_err("no room").kind(), ErrorKind::WouldBlock);
    }
    writer.try_send(&[3; 20_000]).expect("there is as much room as before");
    assert_eq!(reader.try_recv().expect("it is there"), Some(vec![1; 30_000]));
    assert_eq!(reader.try_recv().expect("it is there"), Some(vec![3; 20_000]));
    assert_eq!(reader.skipped_bytes(), 0);
}

fn a_program_that_is_started_has_no_end_of_ours() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut sleeper = Command::new("sleep").arg("1000").spawn().expect("sleep");
    drop(writer);
    let ended = reader.messages().recv_timeout(PATIENCE);
    sleeper.kill().expect("it sleeps");
    sleeper.wait().expect("it is dead");
    assert_eq!(ended.expect("the end, although the program lives"), None);
}

fn a_program_gets_the_ends_that_are_handed_on() {
    let ((input, writer), (reader, output)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::from(OwnedFd::from(input))).stdout(Stdio::from(OwnedFd::from(output)));
    let mut running = cat.spawn().expect("cat");
    drop(cat); // It has both ends of its own still.
    let mut writer = PipeWriter::from(OwnedFd::from(writer)).messages();
    writer.send(b"there and back").expect("it is read");
    drop(writer);
    let mut reader = PipeReader::from(OwnedFd::from(reader)).messages();
    let came = [reader.recv_timeout(PATIENCE).expect("it comes"), reader.recv_timeout(PATIENCE).expect("the end")];
    assert_eq!(came, [Some(b"there and back".to_vec()), None]);
    assert!(running.wait().expect("its end").success());
}
