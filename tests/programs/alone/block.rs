//! One named block in many versions: `--cfg 'block="..."'` chooses.

use std::sync::atomic::AtomicU64;

#[path = "../console.rs"]
mod console;
#[path = "../tenancy.rs"]
mod tenancy;

type Variables = Vec<(&'static str, &'static AtomicU64)>;

macro_rules! block {
    ([$($words:tt)*] $(#[doc = $doc:literal] $name:ident = $initial:literal,)*) => {
        cotenant::shared! {
            #![shared(name = "test.block" $($words)*)]
            $(#[doc = $doc] static $name: AtomicU64 = AtomicU64::new($initial);)*
        }

        fn variables() -> Variables {
            vec![$((stringify!($name), &*$name)),*]
        }
    };
}

#[cfg(block = "old")]
block! { [] #[doc = "One."] FIRST = 1, #[doc = "Two."] SECOND = 2, }
#[cfg(block = "documented")]
block! { [] #[doc = "The first of all."] FIRST = 1, #[doc = "What follows."] SECOND = 2, }
#[cfg(block = "new")]
block! { [] #[doc = "One."] FIRST = 1, #[doc = "Two."] SECOND = 2, #[doc = "Three."] THIRD = 3, }
#[cfg(block = "other_initial")]
block! { [] #[doc = "One."] FIRST = 11, #[doc = "Two."] SECOND = 2, }
#[cfg(block = "reordered")]
block! { [] #[doc = "Two."] SECOND = 2, #[doc = "One."] FIRST = 1, }
#[cfg(block = "without_first")]
block! { [] #[doc = "Two."] SECOND = 2, }
#[cfg(block = "separate")]
block! { [, on_mismatch = separate] #[doc = "Two."] SECOND = 2, #[doc = "One."] FIRST = 1, }
#[cfg(block = "separate_grown")]
block! { [, on_mismatch = separate] #[doc = "One."] FIRST = 1, #[doc = "Two."] SECOND = 2, #[doc = "3"] THIRD = 3, }

#[cfg(block = "retyped")]
cotenant::shared! {
    #![shared(name = "test.block")]
    static FIRST: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1);
    static SECOND: AtomicU64 = AtomicU64::new(2);
}
#[cfg(block = "retyped")]
fn variables() -> Variables {
    std::hint::black_box(&*FIRST);
    vec![("SECOND", &*SECOND)]
}

#[cfg(block = "wide")]
cotenant::shared! {
    #![shared(name = "test.block")]
    static FIRST: AtomicU64 = AtomicU64::new(1);
    static SECOND: AtomicU64 = AtomicU64::new(2);
    /// Three pages of 4 KiB and a part of a fourth.
    static SHELVES: [AtomicU64; 1700] = [const { AtomicU64::new(7) }; 1700];
    static LAST: AtomicU64 = AtomicU64::new(9);
}
#[cfg(block = "wide")]
fn variables() -> Variables {
    let [first_shelf, .., last_shelf] = &*SHELVES;
    vec![("FIRST", &*FIRST), ("SECOND", &*SECOND), ("SHELF", first_shelf), ("END", last_shelf), ("LAST", &*LAST)]
}

#[cfg(block = "struct")]
type Rate = std::sync::atomic::AtomicU32;
#[cfg(block = "struct_changed")]
type Rate = AtomicU64;
#[cfg(any(block = "struct", block = "struct_changed"))]
#[derive(cotenant::ProcessSync)]
#[repr(C)]
struct Limits {
    burst: AtomicU64,
    rate: Rate,
}
#[cfg(any(block = "struct", block = "struct_changed"))]
cotenant::shared! {
    #![shared(name = "test.block")]
    static LIMITS: Limits = Limits { burst: AtomicU64::new(1), rate: Rate::new(2) };
}
#[cfg(any(block = "struct", block = "struct_changed"))]
fn variables() -> Variables {
    std::hint::black_box(&LIMITS.rate);
    vec![("BURST", &LIMITS.burst)]
}

fn main() {
    console::serve(&variables(), tenancy::answer);
}
