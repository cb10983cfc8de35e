//! Ways from process to process that are not Cotenant's.

mod limits;

use crate::channels::way::Cores;
use crate::channels::{BLOCKED, Cases, FUTEX, LINE, ROUND_TRIP};

pub(crate) fn add_ways(cases: &mut Cases<'_>) {
    cases.round_trip::<limits::Line>(ROUND_TRIP, LINE, 8, 150, Cores::Two);
    cases.round_trip::<limits::Futex>(BLOCKED, FUTEX, 8, 5000, Cores::One);
}
