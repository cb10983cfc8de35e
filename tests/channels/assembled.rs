//! A stream of frames as it may come: of several writers, in any order, some twice, some missing, other bytes between.
//! Whatever it is, a reader gets messages that somebody sent, whole, and the end. Also for the fuzz target `frames`.
//!
//! And frames whose sums are right and whose numbers are anything: the sums are for anybody to make.

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

/// A frame as docs/format.md has it, with right sums: of a writer, with these numbers in its head.
fn forged(writer: u64, numbers: [u32; 3], part: &[u8]) -> Vec<u8> {
    let mut frame = b"CTFR".to_vec();
    frame.extend((part.len() as u32).to_le_bytes());
    frame.extend([0; 8]);
    frame.extend(writer.to_le_bytes());
    numbers.iter().for_each(|number| frame.extend(number.to_le_bytes()));
    let sum = checksum(&frame[16..36]).rotate_left(1) ^ checksum(part);
    frame[8..16].copy_from_slice(&sum.to_le_bytes());
    let check = checksum(&frame) as u32;
    frame.extend(check.to_le_bytes());
    frame.extend(part);
    frame
}

fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let words = bytes.chunks_exact(8).map(|word| word.try_into().expect("eight bytes"));
    let sum = words.fold(mix(0, bytes.len() as u64), |sum, word| mix(sum, u64::from_le_bytes(word)));
    let (rest, mut last) = (bytes.chunks_exact(8).remainder(), [0; 8]);
    last[..rest.len()].copy_from_slice(rest);
    let sum = mix(sum, u64::from_le_bytes(last));
    sum ^ sum >> 32
}

/// Each frame is of eight bytes of `plan`: whose it is, which message, how long that is, where the part lies in it, and
/// how long the part is. A reader makes messages of them that are as long as they said, of their writers' bytes; and
/// what an honest writer sends behind them comes. Gives how many messages came before that.
pub(crate) fn try_forged(plan: &[u8]) -> usize {
    const NUMBERS: [u32; 8] = [0, 1, 4056, 4057, 5000, 16 << 20, (16 << 20) + 1, u32::MAX];
    let mut stream = Vec::new();
    let mut totals = Vec::new();
    for bytes in plan.chunks_exact(8) {
        let number = |at: usize| match bytes[at] {
            few @ 0..64 => u32::from(few) * 64,
            other => NUMBERS[usize::from(other) % 8],
        };
        let (writer, message) = (u64::from(bytes[0] % 4), u32::from(bytes[1] % 4));
        let (total, at, part) = (number(2), number(3), number(4).min(4060) as usize);
        let at = if bytes[5] % 2 == 0 { at } else { at / 4056 * 4056 };
        let frame = forged(writer, [message, total, at], &vec![writer as u8; part]);
        if stream.len() + frame.len() > STREAM_MAX_BYTES - 200 {
            break;
        }
        stream.extend(frame);
        totals.push(total as usize);
    }
    let (reader, mut writer) = pipe().expect("a pipe");
    writer.write_all(&stream).expect("room");
    writer.messages().send(&message(9, 100)).expect("room");
    let (mut reader, mut messages) = (reader.messages(), Vec::new());
    while let Some(message) = reader.recv().expect("no error") {
        messages.push(message);
    }
    assert_eq!(messages.pop(), Some(message(9, 100)), "the honest one's came");
    for message in &messages {
        assert!(totals.contains(&message.len()), "a message of {} bytes that nobody spoke of", message.len());
        assert!(message.iter().all(|byte| *byte == message[0]), "a message of two writers");
    }
    let received: u64 = messages.iter().map(|message| message.len() as u64).sum();
    assert!(received + reader.skipped_bytes() <= stream.len() as u64, "more came than was written");
    messages.len()
}
