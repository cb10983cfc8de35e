//! `Flag`: a feature that is on for so many of a hundred, the same ones in every process.
//!
//! ```text
//! key "user-42" --hash with the flag's seed--> 61.37        on if that is below the percentage
//! ```
//!
//! Each key has a place between 0 and 100 of its own, so raising the percentage only adds keys, and never takes one
//! off. The seed is the flag's name, hashed: another flag is on for others.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::offset_of;

use super::published::Published;
use crate::error::{Error, ErrorKind, Result};
use crate::process_sync::ProcessSync;
use crate::schema::{self, Kind, Part, Schema};

/// A feature flag with a percentage, which all processes see change at once.
///
/// Usable in a [`shared!`](crate::shared!) block and in a segment. Asking costs what
/// [`Published::load`](super::Published::load) costs and hashing the key, and waits for nobody.
///
/// ```
/// use cotenant::{published::Flag, shared};
///
/// shared! {
///     static NEW_CHECKOUT: Flag = Flag::new("new_checkout", 0.0);
/// }
///
/// NEW_CHECKOUT.set(25.0)?; // in any process
/// let some = (0..1000).filter(|user| NEW_CHECKOUT.is_on_for(format!("user-{user}"))).count();
/// assert!((200..300).contains(&some));
/// # Ok::<(), cotenant::Error>(())
/// ```
#[repr(transparent)]
pub struct Flag {
    rollout: Published<Rollout>,
}

/// What a [`Flag`] publishes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
#[non_exhaustive]
pub struct Rollout {
    /// For how many of a hundred keys it is on.
    pub percent: f64,
    /// Which ones: the flag's name, hashed.
    pub seed: u64,
}

const _: () = {
    // Where the first buffer's value lies.
    let value_at = (size_of::<Flag>() - 8 * 128 + super::stamp::STAMP_BYTES) as u64;
    assert!(value_at + offset_of!(Rollout, percent) as u64 == schema::tables::FLAG_PERCENT_AT);
    assert!(value_at + offset_of!(Rollout, seed) as u64 == schema::tables::FLAG_SEED_AT);
};

// SAFETY: two scalars.
unsafe impl ProcessSync for Rollout {
    const SCHEMA: &'static Schema = &Schema::compound::<Self>(
        "Rollout",
        Kind::Struct,
        &[
            Part {
                name: "percent",
                at: offset_of!(Self, percent) as u64,
                doc: "For how many of a hundred keys it is on.",
                schema: Some(f64::SCHEMA),
            },
            Part {
                name: "seed",
                at: offset_of!(Self, seed) as u64,
                doc: "Which ones: the flag's name, hashed.",
                schema: Some(u64::SCHEMA),
            },
        ],
    );
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

// SAFETY: of one field, laid out as that.
unsafe impl ProcessSync for Flag {
    const SCHEMA: &'static Schema = Published::<Rollout>::SCHEMA;
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl Flag {
    /// A flag that is on for `percent` of a hundred keys. The name decides which ones they are.
    ///
    /// # Panics
    /// If `percent` is not from 0 to 100; in a static, the compiler says so.
    pub const fn new(name: &str, percent: f64) -> Flag {
        assert!(percent >= 0.0 && percent <= 100.0, "a flag is on for 0 to 100 per cent");
        let seed = schema::hash(schema::FNV_SEED, name.as_bytes());
        Flag { rollout: Published::new(Rollout { percent, seed }) }
    }

    /// Whether it is on for `key`: a user, a session, a host. The same answer in every process, until the percentage is
    /// changed. `false` if the memory is damaged.
    pub fn is_on_for(&self, key: impl AsRef<[u8]>) -> bool {
        self.rollout.load().is_ok_and(|rollout| place(rollout.seed, key.as_ref()) < rollout.percent)
    }

    /// Whether it is on for every key. `false` if the memory is damaged.
    pub fn is_on(&self) -> bool {
        self.percent() >= 100.0
    }

    /// For how many of a hundred keys it is on; 0 if the memory is damaged.
    pub fn percent(&self) -> f64 {
        self.rollout.load().map_or(0.0, |rollout| rollout.percent)
    }

    /// Has it be on for `percent` of a hundred keys, in all processes from now on. Gives the number of the publish.
    ///
    /// ```
    /// # use cotenant::published::Flag;
    /// let flag = Flag::new("new_checkout", 0.0);
    /// flag.set(100.0)?;
    /// assert!(flag.is_on() && flag.is_on_for("anybody"));
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput`: not from 0 to 100. Else as [`Published::publish`](super::Published::publish).
    pub fn set(&self, percent: f64) -> Result<u64> {
        if !(0.0..=100.0).contains(&percent) {
            let what = format!("a flag cannot be on for {percent} per cent");
            return Err(Error::new(ErrorKind::InvalidInput, what).hint("give 0 to 100"));
        }
        self.rollout.update(|old| Rollout { percent, ..old })
    }

    /// What is published: to wait for a change, and for who changed it when.
    pub fn published(&self) -> &Published<Rollout> {
        &self.rollout
    }
}

impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag").field("percent", &self.percent()).finish()
    }
}

/// Where a key lies between 0 and 100, never 100 itself. The same for ever: it decides who gets what.
fn place(seed: u64, key: &[u8]) -> f64 {
    // FNV-1a is weak in its high bits; the last steps of MurmurHash3 spread all of them.
    let mut hash = schema::hash(seed, key);
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    (hash >> 11) as f64 * (100.0 / (1_u64 << 53) as f64)
}

#[cfg(all(test, not(cotenant_model)))]
mod tests {
    use super::*;

    fn on(flag: &Flag) -> Vec<u32> {
        (0..20_000).filter(|user| flag.is_on_for(format!("user-{user}"))).collect()
    }

    #[test]
    fn so_many_of_a_hundred_and_more_only_adds() {
        let flag = Flag::new("new_checkout", 0.0);
        assert!(on(&flag).is_empty());
        let mut before = Vec::new();
        for percent in [1.0, 10.0, 12.5, 50.0, 99.0, 100.0] {
            flag.set(percent).expect("free");
            let those = on(&flag);
            let expected = 200.0 * percent;
            assert!((those.len() as f64 - expected).abs() < 250.0, "{} at {percent}", those.len());
            assert!(before.iter().all(|user| those.binary_search(user).is_ok()), "taken off at {percent}");
            before = those;
        }
        assert_eq!(before.len(), 20_000);
    }

    #[test]
    fn other_flag_is_on_for_others() {
        let (one, other) = (on(&Flag::new("one", 50.0)), on(&Flag::new("other", 50.0)));
        let both = one.iter().filter(|user| other.contains(user)).count();
        assert!((4_500..5_500).contains(&both), "{both}");
    }

    #[test]
    fn places_stay_what_they_are_for_ever() {
        // By another program's FNV-1a and MurmurHash3.
        let seed = schema::hash(schema::FNV_SEED, b"new_checkout");
        assert_eq!((place(seed, b"user-1") * 1e6) as u64, 17_816_561);
        assert_eq!((place(seed, b"") * 1e6) as u64, 67_017_721);
    }

    #[test]
    fn percentages_that_are_none_are_refused_and_damaged_ones_are_off() {
        let flag = Flag::new("n", 100.0);
        for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(flag.set(percent).map_err(|error| error.kind()), Err(ErrorKind::InvalidInput));
        }
        assert!(flag.is_on());
        flag.published().update(|old| Rollout { percent: f64::NAN, ..old }).expect("free");
        assert!(!flag.is_on() && !flag.is_on_for("anybody"));
    }
}
