//! A program that never writes `unsafe`, documents everything, and knows `shared!` from a crate that hands it on.

#![forbid(unsafe_code)]
#![deny(missing_docs, warnings)]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use front::ProcessSync;

#[path = "../../console.rs"]
mod console;

/// Derived without a dependency on cotenant itself.
#[derive(ProcessSync)]
#[process_sync(crate = "front::cotenant")]
pub struct Weather {
    degrees: AtomicU64,
    wind: [AtomicU64; 3],
}

front::shared! {
    /// Counted by everybody.
    pub static PEOPLE: AtomicU64 = AtomicU64::new(0);
    static WEATHER: Weather = Weather { degrees: AtomicU64::new(20), wind: [const { AtomicU64::new(1) }; 3] };
}

front::common! {
    #![shared(name = "test.town", on_mismatch = separate)]
    /// Under the macro's other name.
    static VISITORS: AtomicU64 = AtomicU64::new(0);
}

fn main() {
    let variables: [(&str, &AtomicU64); 10] = [
        ("PEOPLE", &PEOPLE),
        ("DEGREES", &WEATHER.degrees),
        ("WIND", &WEATHER.wind[2]),
        ("VISITORS", &VISITORS),
        ("BOOKS", &shelf::BOOKS),
        ("UPPER_BOOKS", &shelf::upper::BOOKS),
        ("LADDERS", shelf::upper::ladders()),
        ("READERS", &shelf::READERS),
        ("ÜBERFÄLLIG", &shelf::ÜBERFÄLLIG),
        ("HERE", here()),
    ];
    console::serve(&variables, |line| match line {
        "borrow" => Some(shelf::borrow(2_u32).to_string()),
        "visit" => Some(shelf::visit(|number| number.to_string())),
        "sweep" => Some(shelf::sweep().to_string()),
        "count" => Some(shelf::count().to_string()),
        "floor" => Some(attic::FLOOR.to_string()),
        "people" => Some(PEOPLE.load(SeqCst).to_string()),
        _ => None,
    });
}

fn here() -> &'static AtomicU64 {
    front::shared! {
        static HERE: AtomicU64 = AtomicU64::new(0);
    }
    &HERE
}
