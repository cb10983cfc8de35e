use std::sync::atomic::AtomicU64;

use super::*;
use crate::process_sync::ProcessSync;
use crate::schema::decode::tests::{XorShift, node, variable};
use crate::schema::{Part, Schema};
use crate::value::{Array, Optional, Text};

const fn field(name: &'static str, at: u64, schema: &'static Schema) -> Part {
    Part { name, at, doc: "", schema: Some(schema) }
}

const fn variant(name: &'static str, value: i64) -> Part {
    Part { name, at: value as u64, doc: "", schema: None }
}

static LIMITS: Schema = Schema::compound::<[u32; 3]>(
    "Limits",
    Kind::Struct,
    &[field("rate", 0, u32::SCHEMA), field("burst", 4, u32::SCHEMA), field("pause", 8, u32::SCHEMA)],
);
static LIMITS_GROWN: Schema = Schema::compound::<[u64; 3]>(
    "Limits",
    Kind::Struct,
    &[field("rate", 0, u32::SCHEMA), field("burst", 8, u64::SCHEMA), field("pause", 16, u32::SCHEMA)],
);
static LOCKED: Schema = Schema::compound::<[u32; 6]>("Mutex", Kind::Mutex, &[field("value", 8, &LIMITS)]);
static LOCKED_GROWN: Schema = Schema::compound::<[u64; 4]>("Mutex", Kind::Mutex, &[field("value", 8, &LIMITS_GROWN)]);
static COLOR: Schema = Schema::compound::<u8>("Color", Kind::Enum, &[variant("Red", 0), variant("Blue", 1)]);
static COLOR_SHIFTED: Schema =
    Schema::compound::<u8>("Color", Kind::Enum, &[variant("Red", 0), variant("Green", 1), variant("Blue", -2)]);

#[test]
fn equal_blocks_have_no_difference() {
    let ours = [node("LIMITS", 0, &LOCKED), variable::<Text<8>>("NAME", 64)];
    assert_eq!(describe(&ours, &ours.clone()), Vec::<String>::new());
}

#[test]
fn a_field_that_grew_comes_before_those_that_it_pushed_on() {
    let ours = [node("LIMITS", 0, &LOCKED), variable::<AtomicU64>("HITS", 24)];
    let theirs = [node("LIMITS", 0, &LOCKED_GROWN), variable::<AtomicU64>("HITS", 32)];
    assert_eq!(
        describe(&ours, &theirs),
        [
            "LIMITS.value.burst: this program has u32 at offset 4, the segment has u64 at offset 8",
            "LIMITS.value.pause: this program has it at offset 8, the segment at offset 16",
            "HITS: this program has it at offset 24, the segment at offset 32",
        ]
    );
}

#[test]
fn variables_of_one_side_are_named_with_their_type() {
    let ours = [variable::<Array<Optional<u16>, 4>>("QUEUE", 0)];
    let theirs = [variable::<AtomicU64>("REQUESTS", 0), node("LIMITS", 8, &LOCKED)];
    assert_eq!(
        describe(&ours, &theirs),
        [
            "QUEUE: only in this program (Array<Optional<u16>, 4> at offset 0)",
            "REQUESTS: only in the segment (AtomicU64 at offset 0)",
            "LIMITS: only in the segment (Mutex<Limits> at offset 8)",
        ]
    );
}

#[test]
fn moved_variables_are_said_to_have_moved() {
    let (ours, theirs) = ([variable::<AtomicU64>("HITS", 8)], [variable::<AtomicU64>("HITS", 0)]);
    assert_eq!(describe(&ours, &theirs), ["HITS: this program has it at offset 8, the segment at offset 0"]);
}

#[test]
fn variants_are_compared_by_value() {
    let (ours, theirs) = ([node("COLOR", 0, &COLOR)], [node("COLOR", 0, &COLOR_SHIFTED)]);
    assert_eq!(
        describe(&ours, &theirs),
        [
            "COLOR::Blue: this program has value 1, the segment has value -2",
            "COLOR::Green: only in the segment (value 1)",
        ]
    );
}

#[test]
fn elements_lengths_and_kinds_are_compared() {
    let ours = [
        variable::<[u32; 4]>("A", 0),
        variable::<Array<u32, 4>>("B", 16),
        variable::<Text<8>>("C", 36),
        variable::<u64>("D", 48),
        variable::<[Optional<u8>; 2]>("E", 56),
    ];
    let theirs = [
        variable::<[u32; 5]>("A", 0),
        variable::<Array<i32, 4>>("B", 16),
        variable::<Text<9>>("C", 36),
        variable::<AtomicU64>("D", 48),
        variable::<[Optional<u16>; 2]>("E", 56),
    ];
    assert_eq!(
        describe(&ours, &theirs),
        [
            "A: this program has [u32; 4] at offset 0, the segment has [u32; 5] at offset 0",
            "B[]: this program has u32 at offset 4, the segment has i32 at offset 4",
            "C: this program has Text<8> at offset 36, the segment has Text<9> at offset 36",
            "D: this program has u64 at offset 48, the segment has AtomicU64 at offset 48",
            "E[].value: this program has u8 at offset 1, the segment has u16 at offset 2",
        ]
    );
}

#[test]
fn types_of_one_name_are_told_apart() {
    let ours = variable::<()>("X", 0);
    let mut theirs = ours.clone();
    theirs.align_bytes = 8;
    assert_eq!(
        describe(&[ours], &[theirs]),
        ["X: this program has 0 bytes aligned to 1, the segment has 0 bytes aligned to 8"]
    );

    let ours = node("X", 0, &COLOR);
    let mut theirs = node("X", 0, &LIMITS);
    theirs.type_name = "Color".to_owned();
    assert_eq!(
        describe(&[ours], &[theirs]),
        ["X: this program has Color (enum of 1 bytes aligned to 1) at offset 0, \
         the segment has Color (struct of 12 bytes aligned to 4) at offset 0"]
    );
}

#[test]
fn another_order_is_a_difference() {
    let (a, b) = (variable::<()>("A", 0), variable::<()>("B", 0));
    assert_eq!(
        describe(&[a.clone(), b.clone()], &[b.clone(), a.clone()]),
        ["the variables are declared in another order"]
    );
    // Twice the same name: only in a hostile segment.
    assert_eq!(describe(std::slice::from_ref(&a), &[a.clone(), a.clone()]).len(), 1);
}

#[test]
fn what_is_over_twelve_lines_is_counted() {
    let names = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N"];
    let ours: Vec<Node> = names.iter().enumerate().map(|(i, name)| variable::<u8>(name, i as u64)).collect();
    let lines = describe(&ours, &[]);
    assert_eq!((lines.len(), lines[12].as_str()), (13, "and 2 more"));
    assert_eq!(describe(&ours[..12], &[]).len(), 12);
    assert_eq!(describe(&ours[..13], &[])[12], "and 1 more");
}

#[test]
fn hostile_names_cannot_write_to_the_terminal() {
    let mut theirs = variable::<u8>("X", 0);
    theirs.name = "A\x1b[2J\n\u{202e}".to_owned() + &"x".repeat(1000);
    let lines = describe(&[], &[theirs]);
    assert!(lines[0].starts_with("A\\u{1b}[2J\\n\\u{202e}xxx"), "{lines:?}");
    assert!(lines[0].len() < 150 && lines[0].contains('…'));
    assert_eq!(printable("Map<'a, \"b\">"), "Map<'a, \"b\">");
}

#[test]
fn describing_random_pairs_of_blocks_is_bounded_and_silent_only_for_equals() {
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let schemas = [&LIMITS, &LIMITS_GROWN, &LOCKED, &LOCKED_GROWN, &COLOR, &COLOR_SHIFTED, u32::SCHEMA];
    let mut block = || -> Vec<Node> {
        (0..random.below(20))
            .map(|_| node(["A", "B", "C", ""][random.below(4)], random.below(3) as u64, schemas[random.below(7)]))
            .collect()
    };
    for _ in 0..2_000 {
        let (ours, theirs) = (block(), block());
        let lines = describe(&ours, &theirs);
        assert!(lines.len() <= LINES_MAX + 1);
        assert_eq!(lines.is_empty(), list_eq(&ours, &theirs));
    }
}
