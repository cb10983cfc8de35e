use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64};

use super::*;
use crate::process_sync::ProcessSync;
use crate::schema::difference::describe;
use crate::schema::{Part, Schema, encode, encoded_bytes};
use crate::value::{Array, Duration, Optional, Text, UnixTime};

/// Marsaglia's generator: the same numbers in every run.
pub(in crate::schema) struct XorShift(pub(in crate::schema) u64);

impl XorShift {
    pub(in crate::schema) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

pub(in crate::schema) fn encoded(part: &Part) -> Vec<u8> {
    let mut bytes = vec![0; encoded_bytes(part)];
    assert_eq!(encode(&mut bytes, 0, part), bytes.len());
    bytes
}

/// The node of a variable, through the encoding.
pub(in crate::schema) fn node(name: &'static str, at: u64, schema: &'static Schema) -> Node {
    decode(&encoded(&Part { name, at, doc: "What it is for.", schema: Some(schema) })).unwrap().0
}

pub(in crate::schema) fn variable<T: ProcessSync>(name: &'static str, at: u64) -> Node {
    node(name, at, T::SCHEMA)
}

const fn variant(name: &'static str, value: i64) -> Part {
    Part { name, at: value as u64, doc: "", schema: None }
}

static COLOR: Schema =
    Schema::compound::<i16>("Color", Kind::Enum, &[variant("Red", -1), variant("Green", 0), variant("Blue", 7)]);
static LOCKED: Schema = Schema::compound::<(u64, u64)>(
    "Mutex",
    Kind::Mutex,
    &[Part { name: "value", at: 8, doc: "", schema: Some(<(u32, bool)>::SCHEMA) }],
);

static RWLOCK: Schema = Schema::compound::<[u64; 5]>(
    "RwLock",
    Kind::RwLock,
    &[
        Part { name: "readers", at: 8, doc: "", schema: Some(<[u64; 3]>::SCHEMA) },
        Part { name: "value", at: 32, doc: "", schema: Some(bool::SCHEMA) },
    ],
);
static SEMAPHORE: Schema = Schema::compound::<[u64; 3]>(
    "Semaphore",
    Kind::Semaphore,
    &[Part { name: "cells", at: 8, doc: "", schema: Some(<[u64; 2]>::SCHEMA) }],
);

fn examples() -> Vec<Part> {
    let schemas = [
        &COLOR,
        &LOCKED,
        u8::SCHEMA,
        u128::SCHEMA,
        isize::SCHEMA,
        f64::SCHEMA,
        bool::SCHEMA,
        char::SCHEMA,
        i16::SCHEMA,
        AtomicU8::SCHEMA,
        AtomicI64::SCHEMA,
        AtomicBool::SCHEMA,
        <()>::SCHEMA,
        <[[u16; 3]; 0]>::SCHEMA,
        <[(); 1000]>::SCHEMA,
        <(u8, u64, [AtomicU64; 2], char)>::SCHEMA,
        Text::<0>::SCHEMA,
        Text::<33>::SCHEMA,
        Array::<(u8, u16), 5>::SCHEMA,
        Array::<Array<Text<7>, 3>, 0>::SCHEMA,
        Optional::<bool>::SCHEMA,
        Optional::<Optional<Array<Duration, 2>>>::SCHEMA,
        UnixTime::SCHEMA,
        &RWLOCK,
        &SEMAPHORE,
    ];
    let names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let name = |i: usize| if i == 0 { "ÉTAT" } else { &names[i..=i] };
    let part = |(i, schema)| Part { name: name(i), at: i as u64 * 64, doc: "One line.", schema: Some(schema) };
    schemas.into_iter().enumerate().map(part).collect()
}

fn all_encoded() -> Vec<u8> {
    examples().iter().flat_map(encoded).collect()
}

#[test]
fn fingerprint_is_the_one_that_is_computed_while_compiling() {
    let mut whole = FINGERPRINT_SEED;
    for part in examples() {
        let (node, used) = decode(&encoded(&part)).unwrap();
        assert_eq!(used, encoded_bytes(&part));
        assert_eq!(fingerprint(1, &node), crate::schema::fingerprint(1, &part), "{node:?}");
        whole = crate::schema::fingerprint(whole, &part);
    }
    assert_eq!(fingerprint_all(&decode_all(&all_encoded()).unwrap()), whole);
}

#[test]
fn layouts_are_equal_exactly_when_fingerprints_are() {
    let mut nodes = decode_all(&all_encoded()).unwrap();
    for node in &mut nodes {
        (node.name, node.at) = ("SAME".to_owned(), 0);
    }
    for a in &nodes {
        for b in &nodes {
            assert_eq!(layout_eq(a, b), fingerprint(0, a) == fingerprint(0, b), "{a:?} {b:?}");
        }
    }
}

#[test]
fn type_names_and_doc_lines_are_no_layout() {
    let ours = variable::<Duration>("PAUSE", 8);
    let mut theirs = ours.clone();
    theirs.children[0].doc = "Seconds.".to_owned();
    theirs.type_name = "Span".to_owned();
    assert!(layout_eq(&ours, &theirs));
    assert_eq!(fingerprint(0, &ours), fingerprint(0, &theirs));
    theirs.children[0].name = "secs".to_owned();
    assert!(!layout_eq(&ours, &theirs));
}

#[test]
fn a_node_says_what_the_schema_said() {
    let node = variable::<Array<Text<8>, 4>>("NAMES", 16);
    assert_eq!((node.kind(), node.name.as_str(), node.type_name.as_str()), (Some(Kind::List), "NAMES", "Array"));
    assert_eq!((node.doc.as_str(), node.at, node.size_bytes), ("What it is for.", 16, 52));
    assert_eq!((node.count, node.align_bytes, node.children.len(), node.is_atomic), (4, 4, 1, false));
    assert_eq!((node.children[0].kind(), node.children[0].at, node.children[0].count), (Some(Kind::Text), 4, 8));
    assert_eq!(self::node("COLOR", 0, &COLOR).children[0].at as i64, -1);
}

#[test]
fn every_kind_is_read_as_itself() {
    for byte in 0..=255 {
        let mut node = variable::<u8>("X", 0);
        node.kind_byte = byte;
        assert_eq!(node.kind().map(|kind| kind as u8), matches!(byte, 1..=28 | 32..=33 | 36).then_some(byte));
    }
}

#[test]
fn bytes_that_are_cut_off_anywhere_are_refused() {
    for part in examples() {
        let bytes = encoded(&part);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
        }
    }
    assert_eq!(decode_all(&[]), Ok(Vec::new()));
}

/// A head without texts.
fn head(kind: Kind, size_bytes: u64, at: u64, count: u32, align_bytes: u32) -> Vec<u8> {
    let mut bytes = vec![kind as u8, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(size_bytes.to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(align_bytes.to_le_bytes());
    bytes
}

#[test]
fn nesting_is_bounded() {
    let nested =
        |levels| head(Kind::Struct, 0, 0, 1, 1).repeat(levels - 1).into_iter().chain(head(Kind::Struct, 0, 0, 0, 1));
    assert!(decode(&nested(MAX_DEPTH).collect::<Vec<u8>>()).is_ok());
    let error = decode(&nested(MAX_DEPTH + 1).collect::<Vec<u8>>()).unwrap_err();
    assert_eq!(error, DecodeError { at_bytes: MAX_DEPTH * NODE_HEAD_BYTES, fault: "lies too deep inside others" });
    assert!(decode(&head(Kind::Struct, 0, 0, 1, 1).repeat(100_000)).is_err());
}

#[test]
fn a_count_that_the_bytes_do_not_bear_out_is_refused() {
    assert_eq!(decode(&head(Kind::Struct, 8, 0, u32::MAX, 8)).unwrap_err().fault, "is cut off");
    assert!(decode(&head(Kind::Enum, 8, 0, u32::MAX, 8)).is_err());
}

#[test]
fn shapes_that_no_type_has_are_refused() {
    let in_struct = |part: Vec<u8>| [head(Kind::Struct, 8, 0, 1, 8), part].concat();
    let list = |size, at, count| [head(Kind::List, size, 0, count, 4), head(Kind::Unsigned, 4, at, 0, 4)].concat();
    for (bytes, fault) in [
        (head(Kind::Unsigned, 3, 0, 0, 1), "has a size that its kind cannot have"),
        (head(Kind::Bool, 2, 0, 0, 1), "has a size that its kind cannot have"),
        (head(Kind::Char, 8, 0, 0, 1), "has a size that its kind cannot have"),
        (head(Kind::Text, 11, 0, 8, 4), "has a size that its kind cannot have"),
        (head(Kind::Unsigned, 4, 0, 0, 0), "has an alignment that is no power of two"),
        (head(Kind::Unsigned, 4, 0, 0, 12), "has an alignment that is no power of two"),
        (head(Kind::Optional, 4, 0, 0, 4), "has a number of parts that its kind cannot have"),
        (head(Kind::Variant, 0, 3, 0, 0), "is a variant with a layout, or outside of an enum"),
        (in_struct(head(Kind::Variant, 0, 3, 0, 0)), "has variants and is no enum, or is an enum of something else"),
        (in_struct(head(Kind::Unsigned, 8, 1, 0, 8)), "has parts that do not lie within it"),
        (in_struct(head(Kind::Unsigned, 8, u64::MAX, 0, 8)), "has parts that do not lie within it"),
        (list(20, 4, 5), "has parts that do not lie within it"),
        (list(u64::MAX, u64::MAX - 4, u32::MAX), "has parts that do not lie within it"),
        (list(20, 0, 5), "has parts that do not lie within it"),
    ] {
        assert_eq!(decode(&bytes).unwrap_err().fault, fault, "{bytes:?}");
    }
    assert!(decode(&list(20, 4, 4)).is_ok());
}

#[test]
fn an_unknown_kind_is_kept_as_a_number() {
    let mut bytes = [head(Kind::Struct, 8, 0, 1, 8), head(Kind::Unsigned, 8, 0, 0, 8)].concat();
    bytes[0] = 77;
    let (node, used) = decode(&bytes).unwrap();
    assert_eq!((node.kind(), node.kind_byte, node.children.len(), used), (None, 77, 1, bytes.len()));
}

#[test]
fn texts_that_are_not_utf8_are_refused() {
    let mut bytes = encoded(&Part { name: "X", at: 0, doc: "", schema: Some(u8::SCHEMA) });
    bytes[NODE_HEAD_BYTES] = 0xff;
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the schema is damaged: the node at byte 0 has a text that is not UTF-8");
}

/// Everything that is done with bytes from a segment; must come back.
fn exercise(bytes: &[u8], ours: &[Node]) {
    let Ok(theirs) = decode_all(bytes) else { return };
    let lines = describe(ours, &theirs);
    assert!(lines.len() <= 13);
    assert!(lines.iter().all(|line| !line.contains(char::is_control)));
    let is_equal = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| layout_eq(a, b));
    assert_eq!(lines.is_empty(), is_equal, "{lines:?}");
    assert_eq!(fingerprint_all(ours) == fingerprint_all(&theirs), is_equal);
}

#[test]
fn hostile_bytes_never_panic() {
    let valid = all_encoded();
    let ours = decode_all(&valid).unwrap();
    let mut random = XorShift(0x2545_f491_4f6c_dd1d);
    for _ in 0..3_000 {
        let noise: Vec<u8> = (0..random.below(300)).map(|_| random.below(256) as u8).collect();
        exercise(&noise, &ours);
        // Mostly zero bytes with small numbers: these get further than noise.
        let sparse: Vec<u8> =
            (0..random.below(300)).map(|_| if random.below(6) == 0 { random.below(14) as u8 } else { 0 }).collect();
        exercise(&sparse, &ours);
        let mut flipped = valid.clone();
        for _ in 0..=random.below(3) {
            let bit = random.below(flipped.len() * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        exercise(&flipped, &ours);
    }
}

#[test]
fn every_single_flipped_bit_is_borne() {
    for part in examples() {
        let valid = encoded(&part);
        let ours = decode_all(&valid).unwrap();
        for bit in 0..valid.len() * 8 {
            let mut flipped = valid.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            exercise(&flipped, &ours);
        }
    }
}
