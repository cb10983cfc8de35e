//! A named block that grew at its end is shared by old and new builds, whichever comes first. Also on Windows.

use crate::process::{Folder, Tenant};
use crate::programs::{block, optimised_reader};

fn get<const N: usize>(tenant: &mut Tenant, names: [&str; N]) -> [i64; N] {
    names.map(|name| tenant.number(&format!("get {name}")))
}

#[test]
fn two_programs_share_a_named_block() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("set SECOND 20");
    let mut reader = folder.start(&optimised_reader());
    assert_eq!((reader.number("first"), reader.number("second")), (1, 20));
    old.ask("add FIRST");
    assert_eq!(reader.number("first"), 2);
    old.end().quietly();
    reader.end().quietly();
}

#[test]
fn new_build_joins_the_old_one_and_sees_its_own_initial_value_of_what_is_new() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("set FIRST 100");
    let mut new = folder.start(&block("new"));
    assert_eq!(get(&mut new, ["FIRST", "SECOND", "THIRD"]), [100, 2, 3]);
    assert_eq!((new.number("add SECOND"), old.number("add SECOND")), (3, 4));
    assert_eq!(new.number("add THIRD"), 4);
    // A later one of either build changes nothing.
    let mut old_again = folder.start(&block("old"));
    let mut new_again = folder.start(&block("new"));
    assert_eq!(get(&mut old_again, ["FIRST", "SECOND"]), [100, 4]);
    assert_eq!(get(&mut new_again, ["FIRST", "SECOND", "THIRD"]), [100, 4, 4]);
    for tenant in [old, new, old_again, new_again] {
        tenant.end().quietly();
    }
}

#[test]
fn old_build_joins_the_new_one() {
    let folder = Folder::new();
    let mut new = folder.start(&block("new"));
    new.ask("set THIRD 30");
    let mut old = folder.start(&block("old"));
    assert_eq!((old.number("add FIRST"), new.number("add FIRST")), (2, 3));
    new.end().quietly();
    // The old one keeps the segment alive, with what it does not know.
    let mut new_again = folder.start(&block("new"));
    assert_eq!(get(&mut new_again, ["FIRST", "SECOND", "THIRD"]), [3, 2, 30]);
    old.end().quietly();
}

#[test]
fn block_grows_over_the_border_of_its_page() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("set SECOND 20");
    let mut wide = folder.start(&block("wide"));
    assert_eq!(get(&mut wide, ["FIRST", "SECOND", "SHELF", "END", "LAST"]), [1, 20, 7, 7, 9]);
    let mut wide_again = folder.start(&block("wide"));
    for name in ["FIRST", "SHELF", "END", "LAST"] {
        let before = wide.number(&format!("get {name}"));
        assert_eq!(wide.number(&format!("add {name}")), before + 1, "{name}");
        assert_eq!(wide_again.number(&format!("add {name}")), before + 2, "{name}");
    }
    assert_eq!(get(&mut old, ["FIRST", "SECOND"]), [3, 20]);
    let mut old_again = folder.start(&block("old"));
    assert_eq!(get(&mut old_again, ["FIRST", "SECOND"]), [3, 20]);
    for tenant in [old, wide, wide_again, old_again] {
        tenant.end().quietly();
    }
}

#[test]
fn two_blocks_that_grew_differently_do_not_share() {
    let folder = Folder::new();
    let mut new = folder.start(&block("new"));
    new.ask("add THIRD");
    let ended = folder.run(&block("wide"));
    let message = ended.refused();
    assert!(message.contains("THIRD") && message.contains("SHELVES"), "{message}");
    // Nor did the attempt change anything.
    assert_eq!(get(&mut new, ["FIRST", "SECOND", "THIRD"]), [1, 2, 4]);
}
