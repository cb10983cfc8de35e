//! A stream of frames as it may come: of several writers, in any order, some twice, some missing, other bytes between.
//! Whatever it is, a reader gets messages that somebody sent, whole, and the end. Also for the fuzz target `frames`.

use std::io::{Read, Write};
use std::sync::OnceLock;

use cotenant::channel::pipe;

/// Fits into a pipe: this thread writes all before it reads.
const STREAM_MAX_BYTES: usize = 60_000;
const LENGTHS: [usize; 5] = [0, 1, 100, 5000, 9000];

fn message(writer: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| writer ^ (at % 251) as u8 ^ (bytes % 7) as u8).collect()
}

fn is_sent(bytes: &[u8]) -> bool {
    (0..2).any(|writer| LENGTHS.iter().any(|len| *len == bytes.len() && message(writer, *len) == bytes))
}

/// Every frame of the messages of two writers.
fn frames() -> &'static [Vec<u8>] {
    static FRAMES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FRAMES.get_or_init(|| {
        let mut frames = Vec::new();
        for writer in 0..2 {
            let (mut reader, end) = pipe().expect("a pipe");
            let mut end = end.messages();
            for bytes in LENGTHS {
                end.send(&message(writer, bytes)).expect("room");
            }
            drop(end);
            let mut stream = Vec::new();
            reader.read_to_end(&mut stream).expect("the end");
            while !stream.is_empty() {
                let part = u32::from_le_bytes(stream[4..8].try_into().expect("four bytes")) as usize;
                frames.push(stream.drain(..40 + part).collect());
            }
        }
        frames
    })
}

/// Each byte of `plan` is a frame, whole or cut, or says how many bytes of it follow as they are.
pub(crate) fn try_stream(plan: &[u8]) {
    let frames = frames();
    let mut stream = Vec::new();
    let mut rest = plan;
    while let Some((&step, behind)) = rest.split_first() {
        let frame = &frames[usize::from(step) % frames.len()];
        rest = behind;
        match step {
            0..160 => stream.extend_from_slice(frame),
            160..192 => stream.extend_from_slice(&frame[..frame.len() * usize::from(step - 159) / 33]),
            _ => {
                let (raw, behind) = rest.split_at(rest.len().min(usize::from(step - 191)));
                stream.extend_from_slice(raw);
                rest = behind;
            }
        }
    }
    stream.truncate(STREAM_MAX_BYTES);
    let (reader, mut writer) = pipe().expect("a pipe");
    writer.write_all(&stream).expect("room");
    drop(writer);
    let mut reader = reader.messages();
    let mut received = 0;
    while let Some(message) = reader.recv().expect("no error") {
        assert!(is_sent(&message), "a message of {} bytes that nobody sent", message.len());
        received += message.len() as u64;
    }
    assert!(received + reader.skipped_bytes() <= stream.len() as u64, "more came than was written");
}
