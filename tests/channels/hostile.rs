//! Whoever writes the queue's bytes as it likes: everybody else gets messages or errors, and comes to an end.

use cotenant::channel::{Delivery, Queue};
use cotenant::{Backing, ErrorKind, Segment};

use crate::support::Named;

#[path = "damage.rs"]
mod damage;

pub(crate) const TESTS: &[Named] = &[
    ("any_word_of_the_head_may_be_anything", any_word_of_the_head_may_be_anything),
    ("any_word_of_the_ring_may_be_anything", any_word_of_the_ring_may_be_anything),
    ("queue_of_other_units_is_refused", queue_of_other_units_is_refused),
    ("random_bytes_are_survived", random_bytes_are_survived),
    ("streams_of_mixed_frames_give_whole_messages", streams_of_mixed_frames_give_whole_messages),
    ("frames_may_say_anything_with_right_sums", frames_may_say_anything_with_right_sums),
];

const WORDS: [u64; 12] = [0, 1, 2, 3, 4, 5, 6, 7, u64::MAX, 1 << 63, 0x7fff_ffff_ffff_fff0, 0x0010_0002_0000_0004];

fn any_word_of_the_head_may_be_anything() {
    for at in (0..damage::HEAD_BYTES).step_by(8) {
        for word in WORDS {
            damage::try_everything(&[(at, word)]);
        }
    }
}

fn any_word_of_the_ring_may_be_anything() {
    for at in (0..512).step_by(8) {
        for word in WORDS {
            damage::try_everything(&[(damage::HEAD_BYTES + at, word)]);
        }
    }
}

/// By docs/format.md: the first word is the delivery, and in its upper half the bytes of a unit.
fn queue_of_other_units_is_refused() {
    const AT_LEAST_ONCE: u64 = 2;
    let with_units_of = |bytes: u64| damage::try_everything(&[(0, bytes << 32 | AT_LEAST_ONCE)]);
    assert_eq!(with_units_of(16), None);
    for bytes in [0, 1, 8, 32, 64, u64::from(u32::MAX)] {
        assert_eq!(with_units_of(bytes), Some(ErrorKind::Corrupt), "units of {bytes} bytes");
    }
}

/// Always the same numbers.
fn random() -> impl FnMut() -> u64 {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    }
}

fn streams_of_mixed_frames_give_whole_messages() {
    // Every frame once, in order: all of them come.
    crate::assembled::try_stream(&(0..18).collect::<Vec<u8>>());
    let mut random = random();
    for _ in 0..500 {
        let plan: Vec<u8> = (0..random() % 64).map(|_| random() as u8).collect();
        crate::assembled::try_stream(&plan);
    }
}

fn frames_may_say_anything_with_right_sums() {
    // A message of two parts: the sums are those of docs/format.md, or nothing would be tried.
    let (first, second) = ([1, 0, 203, 0, 202, 0, 0, 0], [1, 0, 203, 202, 201, 0, 0, 0]);
    assert_eq!(crate::assembled::try_forged(&[first, second].concat()), 1);
    // One whose last part goes on behind its end, and one of which a part comes twice.
    assert_eq!(crate::assembled::try_forged(&[first, [1, 0, 203, 202, 202, 0, 0, 0]].concat()), 0);
    assert_eq!(crate::assembled::try_forged(&[first, first, second, second].concat()), 1);
    let mut random = random();
    for _ in 0..2_000 {
        let plan: Vec<u8> = (0..random() % 400).map(|_| random() as u8).collect();
        crate::assembled::try_forged(&plan);
    }
}

fn random_bytes_are_survived() {
    let mut random = random();
    for _ in 0..2_000 {
        let patches: Vec<_> = (0..1 + random() % 6)
            .map(|_| {
                let word = if random() % 2 == 0 { random() } else { WORDS[(random() % 12) as usize] };
                (random() as usize % (damage::HEAD_BYTES + 1024) / 8 * 8, word)
            })
            .collect();
        damage::try_everything(&patches);
    }
    let options = Queue::options().delivery(Delivery::AtLeastOnce);
    let whole = options.segment(Segment::options().backing(Backing::Anonymous)).create("whole").expect("a queue");
    whole.sender().expect("a sender").send("still works").expect("room");
}
