//! Values into bytes: what was put is what is read, in an order that survives a kill, or is refused with a reason.

use super::{Layout, Typed};
use crate::error::ErrorKind;
use crate::sync::{Mutex, Semaphore};
use crate::value::{Array, Optional, Text};

fn there_and_back(layout: &Layout, typed: &Typed) {
    let mut bytes = vec![0; layout.size_bytes() as usize];
    layout.put(typed, &mut bytes).expect("it suits");
    assert_eq!(layout.typed(&bytes).expect("it is one"), *typed, "{}", layout.type_text());
}

#[test]
fn what_is_put_is_read() {
    there_and_back(&Layout::of::<u8>(), &Typed::Unsigned(255));
    there_and_back(&Layout::of::<i64>(), &Typed::Signed(i64::MIN.into()));
    there_and_back(&Layout::of::<i128>(), &Typed::Signed(i128::MIN));
    there_and_back(&Layout::of::<u128>(), &Typed::Unsigned(u128::MAX));
    there_and_back(&Layout::of::<f32>(), &Typed::Float(0.1));
    there_and_back(&Layout::of::<f64>(), &Typed::Float(-1e300));
    there_and_back(&Layout::of::<bool>(), &Typed::Bool(true));
    there_and_back(&Layout::of::<char>(), &Typed::Text("é".to_owned()));
    there_and_back(&Layout::of::<Text<8>>(), &Typed::Text("émile".to_owned()));
    there_and_back(&Layout::of::<Optional<u8>>(), &Typed::None);
    there_and_back(&Layout::of::<Optional<u8>>(), &Typed::Unsigned(3));
    let list = Typed::List(vec![Typed::Unsigned(1), Typed::Unsigned(2)]);
    there_and_back(&Layout::of::<[u16; 2]>(), &list);
    there_and_back(&Layout::of::<Array<u16, 5>>(), &list);
}

#[test]
fn what_does_not_suit_is_refused_and_changes_nothing() {
    let text = |text: &str| Typed::Text(text.to_owned());
    let list = |number| Typed::List(vec![Typed::Unsigned(number); 3]);
    let cases = [
        (Layout::of::<u8>(), Typed::Unsigned(256), "from 0 to 255"),
        (Layout::of::<u8>(), Typed::Signed(-1), "from 0 to 255"),
        (Layout::of::<i8>(), Typed::Signed(-129), "from -128 to 127"),
        (Layout::of::<u8>(), Typed::Float(1.5), "takes a whole number"),
        (Layout::of::<f32>(), Typed::Float(1e300), "32 bits"),
        (Layout::of::<bool>(), Typed::Unsigned(1), "true or false"),
        (Layout::of::<char>(), text("ab"), "one character"),
        (Layout::of::<Text<4>>(), text("émile"), "room for 4 bytes, and the text has 6"),
        (Layout::of::<[u16; 2]>(), list(1), "has 2 elements, and 3 were given"),
        (Layout::of::<Array<u16, 2>>(), list(1), "room for 2 elements"),
        (Layout::of::<Array<u16, 4>>(), list(70_000), "[0]: u16 was not set"),
        (Layout::of::<Mutex<u8>>(), Typed::Unsigned(1), "a lock of its own"),
        (Layout::of::<Semaphore<2>>(), Typed::Unsigned(1), "its processes' business"),
        (Layout::of::<u8>(), Typed::None, "none was given"),
    ];
    for (layout, typed, says) in cases {
        let mut bytes = vec![0x5a; layout.size_bytes() as usize];
        let error = layout.put(&typed, &mut bytes).expect_err(says);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(says), "{error}");
        assert!(bytes.iter().all(|byte| *byte == 0x5a), "{says}");
    }
}

#[test]
fn every_prefix_of_the_stores_of_a_text_leaves_the_old_one_none_or_the_new_one() {
    let layout = Layout::of::<Text<8>>();
    let mut bytes = vec![0; layout.size_bytes() as usize];
    layout.put(&Typed::Text("ääää".to_owned()), &mut bytes).expect("it fits");
    for store in layout.stores(&Typed::Text("bcdefg".to_owned())).expect("it fits") {
        let at = store.at as usize;
        bytes[at..at + store.bytes().len()].copy_from_slice(store.bytes());
        let Typed::Text(text) = layout.typed(&bytes).expect("a text") else { panic!("a text") };
        assert!(["ääää", "", "bcdefg"].contains(&text.as_str()), "{text}");
    }
    assert_eq!(layout.typed(&bytes).expect("a text"), Typed::Text("bcdefg".to_owned()));
}
