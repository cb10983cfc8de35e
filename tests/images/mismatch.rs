//! Named blocks that differ otherwise than by growth. Also on Windows.

use crate::process::Folder;
use crate::programs::block;

/// The message that `second` ends with while `first` runs. It has all that every such message has.
fn message(first: &str, second: &str) -> String {
    let folder = Folder::new();
    let mut running = folder.start(&block(first));
    running.ask("slots");
    let ended = folder.run(&block(second));
    let message = ended.refused().to_owned();
    // Its whole name, which on Windows ends with the scope.
    let segment = if cfg!(windows) { r"Local\cotenant-S-1-5-" } else { "segments/test.block" };
    for part in ["test.block", segment, "on_mismatch = separate", "another name", "only at the end"] {
        assert!(message.contains(part), "no `{part}` in:\n{message}");
    }
    assert_eq!(message.matches("cotenant:").count(), 1, "one message:\n{message}");
    assert_eq!(running.ask("participants"), "1");
    message
}

#[test]
fn changed_type_is_refused_with_both_types() {
    let message = message("old", "retyped");
    for part in ["FIRST", "AtomicU64", "AtomicI64"] {
        assert!(message.contains(part), "no `{part}` in:\n{message}");
    }
}

#[test]
fn changed_order_is_refused_with_the_names_of_both() {
    let message = message("old", "reordered");
    assert!(message.contains("FIRST") && message.contains("SECOND"), "{message}");
}

#[test]
fn removed_variable_is_refused_by_name() {
    let message = message("old", "without_first");
    assert!(message.contains("FIRST"), "{message}");
}

#[test]
fn changed_field_of_a_struct_is_refused_by_its_path() {
    let message = message("struct", "struct_changed");
    for part in ["LIMITS", "rate", "AtomicU32", "AtomicU64"] {
        assert!(message.contains(part), "no `{part}` in:\n{message}");
    }
}

#[test]
fn build_that_lost_its_last_variable_goes_on_sharing() {
    let folder = Folder::new();
    let mut new = folder.start(&block("new"));
    new.ask("add FIRST");
    let mut old = folder.start(&block("old"));
    assert_eq!(old.number("get FIRST"), 2);
}

#[test]
fn block_that_says_separate_shares_with_its_like() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("set FIRST 100");
    let mut one = folder.start(&block("separate"));
    let mut other = folder.start(&block("separate"));
    assert_eq!((one.number("get FIRST"), one.number("add FIRST"), other.number("add FIRST")), (1, 2, 3));
    assert_eq!(old.number("get FIRST"), 100);
    one.end().quietly();
    other.end().quietly();
}

#[test]
fn block_that_says_separate_shares_with_everybody_where_it_can() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("set FIRST 100");
    let mut grown = folder.start(&block("separate_grown"));
    assert_eq!((grown.number("get FIRST"), grown.number("get THIRD")), (100, 3));
}

#[test]
fn other_initial_value_is_told_and_the_first_one_counts() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("slots");
    let mut other = folder.start(&block("other_initial"));
    assert_eq!((other.number("get FIRST"), other.number("add FIRST")), (1, 2));
    let ended = other.end();
    assert!(ended.status.success());
    assert!(ended.errors.contains("another initial value of FIRST"), "{}", ended.errors);
    assert!(!ended.errors.contains("SECOND"), "{}", ended.errors);
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
}

#[test]
fn changed_documentation_parts_nobody() {
    let folder = Folder::new();
    let mut old = folder.start(&block("old"));
    old.ask("set FIRST 100");
    let mut documented = folder.start(&block("documented"));
    assert_eq!(documented.number("get FIRST"), 100);
    documented.end().quietly();
}
