//! Values read from bytes, those of hostile layouts among them.

use super::{Layout, Typed};
use crate::schema::decode::Node;
use crate::sync::{Event, Mutex, Semaphore};
use crate::value::{Array, Optional, Text};

fn text(text: &str) -> Typed {
    Typed::Text(text.to_owned())
}

#[test]
fn scalars_are_read() {
    assert_eq!(Layout::of::<i16>().typed(&(-2_i16).to_ne_bytes()).expect("read"), Typed::Signed(-2));
    assert_eq!(Layout::of::<f32>().typed(&0.1_f32.to_ne_bytes()).expect("read"), Typed::Float(0.1));
    assert_eq!(Layout::of::<u128>().typed(&[0xff; 16]).expect("read"), Typed::Unsigned(u128::MAX));
    assert_eq!(Layout::of::<char>().typed(&0xe9_u32.to_ne_bytes()).expect("read"), text("é"));
    // Bytes that are no value are shown as they are.
    assert_eq!(Layout::of::<bool>().typed(&[7]).expect("read"), Typed::Bytes(vec![7]));
    let wrong = Layout::of::<u32>().typed(&[0; 3]).expect_err("too few");
    assert!(wrong.to_string().contains("4 bytes, not 3"), "{wrong}");
}

#[test]
fn lengths_are_bounded_by_the_capacity() {
    let mut bytes = vec![0xff; 12];
    bytes[4..].copy_from_slice(b"abcdefgh");
    assert_eq!(Layout::of::<Text<8>>().typed(&bytes).expect("read"), text("abcdefgh"));
    let list = Layout::of::<Array<u8, 8>>().typed(&bytes).expect("read");
    assert!(matches!(list, Typed::List(items) if items.len() == 8));
}

#[test]
fn optionals_and_locks_stand_for_what_is_in_them() {
    let layout = Layout::of::<Mutex<Optional<u8>>>();
    let mut bytes = vec![0; layout.size_bytes() as usize];
    assert_eq!(layout.typed(&bytes).expect("read"), Typed::None);
    bytes[8..10].copy_from_slice(&[1, 9]);
    assert_eq!(layout.typed(&bytes).expect("read"), Typed::Unsigned(9));
    assert_eq!(Layout::of::<Event>().typed(&1_u32.to_ne_bytes()).expect("read"), Typed::Bool(true));
    let layout = Layout::of::<Semaphore<4>>();
    let mut bytes = vec![0; layout.size_bytes() as usize];
    bytes[..4].copy_from_slice(&3_u32.to_ne_bytes());
    bytes[16] = 5;
    let Typed::Fields(fields) = layout.typed(&bytes).expect("read") else { panic!("fields") };
    assert_eq!(fields, [("permits".to_owned(), Typed::Unsigned(3)), ("taken".to_owned(), Typed::Unsigned(1))]);
}

#[test]
fn layout_that_claims_billions_of_empty_elements_is_too_much() {
    let node = |kind_byte, count, children| Node {
        kind_byte,
        is_atomic: false,
        name: "x".repeat(1000),
        type_name: String::new(),
        doc: String::new(),
        size_bytes: 0,
        at: 0,
        count,
        align_bytes: 1,
        children,
    };
    let field = node(7, 0, Vec::new());
    let element = node(7, 1, vec![field]);
    let array = Layout { node: node(8, u32::MAX, vec![element]) };
    assert!(array.typed(&[]).expect_err("too much").to_string().contains("over 1048576 parts"));
}
