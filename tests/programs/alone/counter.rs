//! A counter, another in a module, and a block that nobody uses.

use std::sync::atomic::AtomicU64;

#[path = "../console.rs"]
mod console;
#[path = "../tenancy.rs"]
mod tenancy;

cotenant::shared! {
    /// How often.
    pub static COUNT: AtomicU64 = AtomicU64::new(0);
    pub static LIMIT: AtomicU64 = AtomicU64::new(0x5eed);
}

mod inner {
    use std::sync::atomic::AtomicU64;

    cotenant::shared! {
        pub(crate) static COUNT: AtomicU64 = AtomicU64::new(10);
    }

    cotenant::shared! {
        static NOBODY_USES_THIS: AtomicU64 = AtomicU64::new(0);
    }
}

#[cfg(second_build)]
const BUILD: &str = "second";
#[cfg(not(second_build))]
const BUILD: &str = "first";

/// Where a debugger stops.
#[cfg_attr(not(edition_2018), unsafe(no_mangle))]
#[cfg_attr(edition_2018, no_mangle)]
#[inline(never)]
pub extern "C" fn debugger_stops_here() {
    std::hint::black_box(&COUNT);
}

fn main() {
    let variables: [(&str, &AtomicU64); 3] = [("COUNT", &COUNT), ("LIMIT", &LIMIT), ("INNER", &inner::COUNT)];
    debugger_stops_here();
    console::serve(&variables, |line| if line == "build" { Some(BUILD.to_owned()) } else { tenancy::answer(line) });
}
