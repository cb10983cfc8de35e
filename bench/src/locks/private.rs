//! Locks between the threads of one process: the limit.

use std::hint::black_box;
use std::sync::PoisonError;

use super::hold::{Lock, Read};

/// Alone on its cache lines, as a shared variable is on its page.
#[repr(align(128))]
struct Apart<T>(T);

static STD: Apart<std::sync::Mutex<u64>> = Apart(std::sync::Mutex::new(0));
static PARKING_LOT: Apart<parking_lot::Mutex<u64>> = Apart(parking_lot::Mutex::new(0));
static STD_RW: Apart<std::sync::RwLock<u64>> = Apart(std::sync::RwLock::new(0));
static PARKING_LOT_RW: Apart<parking_lot::RwLock<u64>> = Apart(parking_lot::RwLock::new(0));

/// `std::sync::Mutex`
pub(super) struct Std(&'static std::sync::Mutex<u64>);
/// `parking_lot::Mutex`
pub(super) struct ParkingLot(&'static parking_lot::Mutex<u64>);
/// `std::sync::RwLock`
pub(super) struct StdRw(&'static std::sync::RwLock<u64>);
/// `parking_lot::RwLock`
pub(super) struct ParkingLotRw(&'static parking_lot::RwLock<u64>);

pub(super) fn std_mutex() -> anyhow::Result<Std> {
    Ok(Std(black_box(&STD.0)))
}

pub(super) fn parking_lot_mutex() -> anyhow::Result<ParkingLot> {
    Ok(ParkingLot(black_box(&PARKING_LOT.0)))
}

pub(super) fn std_rw_lock() -> anyhow::Result<StdRw> {
    Ok(StdRw(black_box(&STD_RW.0)))
}

pub(super) fn parking_lot_rw_lock() -> anyhow::Result<ParkingLotRw> {
    Ok(ParkingLotRw(black_box(&PARKING_LOT_RW.0)))
}

impl Lock for Std {
    #[inline]
    fn add(&self) {
        // What everybody writes: look whether it is poisoned.
        *self.0.lock().expect("nobody panics under it") += 1;
    }

    #[inline]
    fn try_add(&self) -> bool {
        self.0.try_lock().map(|mut count| *count += 1).is_ok()
    }

    fn count(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lock for ParkingLot {
    #[inline]
    fn add(&self) {
        *self.0.lock() += 1;
    }

    #[inline]
    fn try_add(&self) -> bool {
        self.0.try_lock().map(|mut count| *count += 1).is_some()
    }

    fn count(&self) -> u64 {
        *self.0.lock()
    }
}

impl Read for StdRw {
    #[inline]
    fn read(&self) -> u64 {
        *self.0.read().expect("nobody panics under it")
    }
}

impl Read for ParkingLotRw {
    #[inline]
    fn read(&self) -> u64 {
        *self.0.read()
    }
}
