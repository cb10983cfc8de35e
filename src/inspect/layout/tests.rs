//! Paths into layouts of real types, and texts that are none.

use std::mem::offset_of;

use super::{Condition, Layout};
use crate::error::ErrorKind;
use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Part, Schema};
use crate::sync::{Mutex, OnceCell, RwLock};
use crate::value::{Array, Optional};

#[repr(C)]
struct Row {
    count: u32,
    value: Optional<u16>,
}

// SAFETY: two integers and a flag of which every value is one; this is what `derive(ProcessSync)` writes.
#[allow(unsafe_code)]
unsafe impl ProcessSync for Row {
    const SCHEMA: &'static Schema = &Schema::compound::<Row>(
        "Row",
        Kind::Struct,
        &[
            Part { name: "count", at: offset_of!(Row, count) as u64, doc: "", schema: Some(u32::SCHEMA) },
            Part { name: "value", at: offset_of!(Row, value) as u64, doc: "", schema: Some(Optional::<u16>::SCHEMA) },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

#[test]
fn path_leads_through_locks_to_the_part() {
    let layout = Layout::of::<Mutex<[Row; 3]>>();
    let part = layout.part("[2].count").expect("it is there");
    assert_eq!((part.at, part.layout.type_text().as_str()), (8 + 2 * size_of::<Row>() as u64, "u32"));
    assert_eq!(part.guards.len(), 1);
    assert_eq!(layout.part(".value[2].count").expect("the same").at, part.at);
    // A field may have the name of what a lock guards.
    let own = Layout::of::<Mutex<Row>>().part(".value").expect("the field");
    assert_eq!((own.at, own.layout.type_text().as_str()), (8 + offset_of!(Row, value) as u64, "Optional<u16>"));
}

#[test]
fn whole_of_a_lock_is_what_it_guards() {
    let part = Layout::of::<RwLock<u64, 8>>().part("").expect("the whole");
    assert_eq!((part.layout.type_text().as_str(), part.at, part.guards.len()), ("u64", 128, 1));
    // A cell that is not set is shown as such.
    assert_eq!(Layout::of::<OnceCell<u64>>().part("").expect("the whole").layout.kind(), Some(Kind::OnceCell));
}

#[test]
fn what_only_the_bytes_can_tell_is_a_condition() {
    let part = Layout::of::<Mutex<Array<Row, 4>>>().part("[3].value.value").expect("it may be there");
    let row_at = 8 + 4 + 3 * size_of::<Row>() as u64;
    let flag_at = row_at + offset_of!(Row, value) as u64;
    assert_eq!(part.conditions, [Condition::Longer { len_at: 8, than: 3 }, Condition::Some { flag_at }]);
    let part = Layout::of::<OnceCell<[u8; 4]>>().part("[1]").expect("it may be there");
    assert_eq!((part.conditions.as_slice(), part.at), (&[Condition::Completed { word_at: 0 }][..], 17));
}

#[test]
fn what_leads_to_nothing_says_what_there_is() {
    let layout = Layout::of::<Mutex<[Row; 3]>>();
    let cases = [
        ("[3]", "3 places"),
        ("[0].counts", "did you mean `count`?"),
        ("[0].count.x", "u32 has no parts"),
        (".x", "has elements"),
        ("[0][0]", "no elements"),
        ("count", "a step begins with"),
        ("[", "has no `]`"),
        ("[x]", "`x` is no index"),
        ("[-1]", "`-1` is no index"),
        (".", "has no name behind it"),
        ("[0]..count", "has no name behind it"),
        ("[0].lock", "there are"),
    ];
    for (path, says) in cases {
        let error = layout.part(path).expect_err(path);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        assert!(error.to_string().contains(says), "{path}: {error}");
    }
}

#[test]
fn damaged_schema_is_refused() {
    assert_eq!(Layout::decode(&[1, 2, 3]).map(drop).expect_err("cut off").kind(), ErrorKind::Corrupt);
}
