//! Fixed-layout stand-ins for std's types that keep their bytes elsewhere, or lay them out as they please.
//!
//! A `String` is a pointer, and a pointer means nothing in another process; an `Option<T>` has no layout that two
//! builds agree on, and a writer killed between its tag and its value leaves a tag without a value. These types are
//! `#[repr(C)]`, hold their bytes in place, and are a value after a kill at any instruction:
//!
//! | instead of | use | a writer killed inside a change leaves |
//! |---|---|---|
//! | `String`, `&str` | [`Text<N>`](Text) | always readable text, in [`Text::set`] the old, none or the new one |
//! | `Vec<T>` | [`Array<T, N>`](Array) | valid items; none lost that the change was to keep, one perhaps twice |
//! | `Option<T>` | [`Optional<T>`](Optional) | the old value, none, or the new one, never a mixture |
//! | `std::time::Duration` | [`Duration`] | a duration |
//! | `std::time::SystemTime` | [`UnixTime`] | a time |
//!
//! All are plain values: put them under a [`Mutex`](crate::sync::Mutex), as you would put their twins.

mod array;
mod duration;
mod full;
mod optional;
mod text;
mod unix_time;
mod write;

pub use array::Array;
pub use duration::Duration;
pub use full::{Full, TooLong};
pub use optional::Optional;
pub use text::Text;
pub use unix_time::UnixTime;
