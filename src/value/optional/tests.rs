use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, crate::process_sync::ProcessSync)]
#[process_sync(crate = "crate")]
#[repr(u8)]
enum Level {
    Low = 1,
    High = 2,
}

#[test]
fn a_flag_that_is_neither_0_nor_1_is_some() {
    for is_some in [1, 7, 0xff] {
        let mut optional = Optional { is_some, value: 5u32 };
        assert_eq!(optional, Some(5));
        assert_eq!(optional, Optional::some(5));
        assert_eq!(optional.take(), Some(5));
        assert_eq!(optional.is_some, 0);
    }
}

#[test]
fn optional_behaves_as_option() {
    let mut optional = Optional::none();
    assert_eq!(optional.replace((1u8, 'a')), None);
    assert_eq!(optional.replace((2, 'b')), Some((1, 'a')));
    assert_eq!(format!("{optional:?} {:?}", Optional::<u8>::none()), "Some((2, 'b')) None");
    optional.set(None);
    assert_eq!(optional, None);
    assert_eq!(Option::from(Optional::from(Some(3))), Some(3));
    assert_eq!(Option::<u8>::from(Optional::from(None)), None);
}

#[test]
fn none_is_less_than_some_and_equal_to_none() {
    assert!(Optional::none() < Optional::some(0));
    assert!(Optional::some(1) < Optional::some(2));
    assert_eq!(Optional::none_with(1), Optional::none_with(2));
    assert_eq!(Optional::<u8>::default(), Optional::none());
}

#[test]
fn types_that_cannot_be_zero_have_a_filler() {
    let mut optional = Optional::none_with(Level::Low);
    assert_eq!(optional.get(), None);
    optional.set(Some(Level::High));
    assert_eq!(optional.take(), Some(Level::High));
}

#[test]
fn the_value_need_not_be_copy() {
    static OPTIONAL: Optional<AtomicU32> = Optional::some(AtomicU32::new(1));
    assert_eq!(OPTIONAL.as_ref().map(|value| value.fetch_add(1, Relaxed)), Some(1));
}

#[test]
fn optional_is_made_of_a_value_and_iterated_as_option() {
    let some: Optional<u8> = 5.into();
    assert_eq!(some, Some(5));
    assert_eq!(Optional::from(6u64), Some(6));
    let all = [Optional::some(1), Optional::none(), Optional::some(3)];
    assert_eq!(all.iter().flatten().sum::<u32>(), 4);
}
