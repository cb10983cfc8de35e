use std::borrow::BorrowMut;
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use crate::value::{Array, Full, TooLong};

fn hostile(len: u32) -> Array<u32, 4> {
    Array { len, items: [1, 2, 3, 4] }
}

#[test]
fn length_over_the_capacity_counts_as_the_capacity() {
    let mut array = hostile(u32::MAX);
    assert_eq!(array, [1, 2, 3, 4]);
    assert!(array.is_full() && !array.is_intact());
    assert_eq!(array.push(5), Err(Full(5)));
    assert_eq!(array.pop(), Some(4));
    assert!(array.is_intact());
    assert_eq!(array, [1, 2, 3]);
}

#[test]
fn every_change_of_a_damaged_length_leaves_it_intact() {
    let changes: [fn(&mut Array<u32, 4>); 5] = [
        |array| array.clear(),
        |array| array.truncate(2),
        |array| array.retain(|item| *item > 1),
        |array| assert_eq!(array.remove(3), 4),
        |array| assert_eq!(array.swap_remove(0), 1),
    ];
    for change in changes {
        let mut array = hostile(0x8000_0000);
        change(&mut array);
        assert!(array.is_intact(), "{array:?}");
    }
}

#[test]
fn array_changes_as_vec_does() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let (mut array, mut vec) = (Array::<(u8, char), 6>::new(), Vec::<(u8, char)>::new());
    for step in 0..5_000u32 {
        let item = (step as u8, char::from_u32(step).unwrap());
        let len = vec.len();
        match random(8) {
            0 | 1 => assert_eq!(
                array.push(item).is_ok(),
                len < 6 && {
                    vec.push(item);
                    true
                }
            ),
            2 => {
                let index = random(len + 1);
                assert_eq!(
                    array.insert(index, item).is_ok(),
                    len < 6 && {
                        vec.insert(index, item);
                        true
                    }
                );
            }
            3 => assert_eq!(array.pop(), vec.pop()),
            4 if len > 0 => assert_eq!(array.remove(step as usize % len), vec.remove(step as usize % len)),
            5 if len > 0 => assert_eq!(array.swap_remove(step as usize % len), vec.swap_remove(step as usize % len)),
            6 => {
                let fits = array.extend_from_slice(&[item, item]).is_ok();
                assert_eq!(
                    fits,
                    len + 2 <= 6 && {
                        vec.extend([item, item]);
                        true
                    }
                );
            }
            _ => {
                let odd = step as u8 % 5;
                array.retain(|item| item.0 % 5 != odd);
                vec.retain(|item| item.0 % 5 != odd);
            }
        }
        assert_eq!(array.as_slice(), vec.as_slice());
    }
}

#[derive(Clone, Copy, Debug, PartialEq, crate::process_sync::ProcessSync)]
#[process_sync(crate = "crate")]
#[repr(u8)]
enum Level {
    Low = 1,
    High = 2,
}

#[test]
fn types_that_cannot_be_zero_have_a_filler() {
    let mut array = Array::<Level, 2>::empty_with(Level::High);
    assert!(array.is_empty());
    array.push(Level::Low).unwrap();
    assert_eq!(array[..], [Level::Low]);
    assert_eq!(Array::<Level, 3>::from_array([Level::Low]).len(), 1);
}

#[test]
fn items_need_not_be_copy() {
    static COUNTS: Array<AtomicU64, 4> = Array::new();
    assert!(COUNTS.iter().next().is_none());
}

#[test]
fn arrays_nest_and_may_have_no_room() {
    let mut rows = Array::<Array<u8, 2>, 2>::new();
    rows.push(Array::from_array([1])).unwrap();
    rows[0].push(2).unwrap();
    assert_eq!(format!("{rows:?}"), "[[1, 2]]");
    assert_eq!(Array::<u8, 0>::new().push(1), Err(Full(1)));
}

#[test]
fn places_that_hold_nothing_are_not_compared_or_hashed() {
    let mut array = hostile(4);
    array.truncate(2);
    assert_eq!(array, Array::from_array([1, 2]));
    assert_eq!(HashSet::from([array, Array::from_array([1, 2])]).len(), 1);
    assert!(array < Array::from_array([1, 2, 0]));
}

#[test]
fn a_panic_while_retaining_loses_nothing_that_was_to_stay() {
    let mut array = hostile(4);
    let calls = Cell::new(0);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        array.retain(|item| {
            calls.set(calls.get() + 1);
            assert!(calls.get() < 4, "expected by the test");
            *item != 1
        });
    }));
    assert!(outcome.is_err());
    for kept in [2, 3, 4] {
        assert!(array.contains(&kept));
    }
}

#[test]
#[should_panic(expected = "cannot insert at 3: the array has 2 items")]
fn insert_past_the_end_panics() {
    let _ = Array::<u8, 4>::from_array([1, 2]).insert(3, 0);
}

#[test]
fn a_slice_that_is_too_long_is_refused() {
    assert_eq!(Array::<u8, 2>::try_from(&[1, 2, 3][..]), Err(TooLong { len: 3, capacity: 2 }));
    assert_eq!(Array::<u8, 2>::try_from(&[1, 2][..]).unwrap(), [1, 2]);
}

#[test]
fn array_is_made_of_items_and_gives_them_back() {
    let mut array = Array::from([3, 1, 2]);
    assert!(array.is_full());
    AsMut::<[i32]>::as_mut(&mut array).sort_unstable();
    BorrowMut::<[i32]>::borrow_mut(&mut array)[0] = 0;
    assert_eq!(array.pop(), Some(3));
    assert_eq!(array.into_iter().collect::<Vec<i32>>(), [0, 2], "only what counts");
    assert_eq!(hostile(u32::MAX).into_iter().count(), 4);
}
