use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write as _;

use super::*;

fn hostile(len_bytes: u32, bytes: [u8; 4]) -> Text<4> {
    Text { len_bytes, bytes }
}

#[test]
fn length_over_the_capacity_counts_as_the_capacity() {
    let text = hostile(u32::MAX, *b"abcd");
    assert_eq!(text, "abcd");
    assert!(!text.is_intact());
}

#[test]
fn text_ends_where_utf8_ends() {
    for (bytes, expected) in [
        (*b"ab\xffd", "ab"),
        (*b"\xff\xff\xff\xff", ""),
        (*b"abc\xc3", "abc"),       // first half of a character at the end
        (*b"a\xed\xa0\x80", "a"),   // a surrogate
        (*b"\xc0\x80ab", ""),       // an overlong zero
        (*b"\xf4\x90\x80\x80", ""), // over U+10FFFF
    ] {
        let text = hostile(4, bytes);
        assert_eq!(text, expected);
        assert!(!text.is_intact());
    }
}

#[test]
fn damaged_text_can_be_changed_and_is_intact_afterwards() {
    let mut text = hostile(9, *b"a\xffbc");
    assert!(text.push('z').is_ok());
    assert_eq!(text, "az");
    assert!(text.is_intact());

    let mut text = hostile(9, *b"a\xffbc");
    assert_eq!(text.pop(), Some('a'));
    assert!(text.is_intact() && text.is_empty());

    let mut text = hostile(9, *b"\xff\xff\xff\xff");
    text.set("ok").unwrap();
    assert!(text.is_intact());
}

#[test]
fn all_zero_and_all_one_bytes_are_values() {
    assert_eq!(hostile(0, [0; 4]), Text::new());
    assert_eq!(hostile(u32::MAX, [0xff; 4]), "");
    assert_eq!(hostile(2, [0; 4]), "\0\0");
}

#[test]
fn capacity_of_zero_holds_the_empty_text() {
    let mut text = Text::<0>::new();
    assert_eq!(text.push('a'), Err(TooLong { len: 1, capacity: 0 }));
    assert!(text.set("").is_ok());
    assert_eq!(Text::<0>::truncating("abc"), "");
}

#[test]
fn truncating_cuts_between_characters() {
    let text = "aé€😀";
    for (expected, cut) in
        [("", Text::<8>::truncating("")), ("aé€", Text::<8>::truncating(text)), ("aé€", Text::truncating("aé€"))]
    {
        assert_eq!(cut, expected);
    }
    assert_eq!(Text::<9>::truncating(text), "aé€");
    assert_eq!(Text::<10>::truncating(text), text);
    assert_eq!(Text::<5>::truncating(text), "aé");
    assert_eq!(Text::<2>::truncating(text), "a");
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let mut text = Text::<4>::from_static("abc");
    assert_eq!(text.push_str("de"), Err(TooLong { len: 5, capacity: 4 }));
    assert_eq!(text.set("abcde"), Err(TooLong { len: 5, capacity: 4 }));
    assert_eq!("abcde".parse::<Text<4>>(), Err(TooLong { len: 5, capacity: 4 }));
    assert!(write!(text, "{}", 12).is_err());
    assert_eq!(text, "abc");
    write!(text, "{}", 1).unwrap();
    assert_eq!(text, "abc1");
}

#[test]
fn a_text_is_looked_up_by_str() {
    let mut ports = HashMap::new();
    ports.insert(Text::<8>::from_static("http"), 80);
    assert_eq!(ports.get("http"), Some(&80));
}

#[test]
fn bytes_after_the_text_are_not_compared() {
    let long = hostile(2, *b"abcd");
    assert_eq!(long, Text::from_static("ab"));
    assert_eq!(long.cmp(&Text::from_static("ac")), Ordering::Less);
}

#[test]
fn text_prints_as_str_does() {
    let text = Text::<8>::from_static("a\n");
    assert_eq!(format!("{text:?} {text:>4}|"), "\"a\\n\"   a\n|");
}

#[test]
#[should_panic(expected = "inside a character")]
fn truncate_refuses_to_halve_a_character() {
    Text::<4>::from_static("é").truncate(1);
}

#[test]
fn text_compares_with_string_and_gives_its_bytes() {
    let text = Text::<8>::from_static("né");
    let (same, other) = (String::from("né"), String::from("ne"));
    assert_eq!(text, same);
    assert_eq!(same, text);
    assert_ne!(text, other);
    assert_ne!(other, text);
    assert_eq!(AsRef::<[u8]>::as_ref(&text), "né".as_bytes());
    assert_eq!(AsRef::<[u8]>::as_ref(&hostile(4, *b"ab\xffd")), b"ab", "no more than the text");
}
