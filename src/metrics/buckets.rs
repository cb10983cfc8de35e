//! `Buckets`: log-linear ranges, each a fixed part of its size wide.
//!
//! ```text
//!  min                2 min                       4 min             max
//!   |    |    |    |    |      |      |      |      |   ...           |
//!   below   2^k equal parts of each doubling                            above
//! ```
//!
//! The number of a bucket is what remains of the bits of the value when the low ones are cut off: the exponent and the
//! first `k` bits behind it. No logarithm and no table.

/// Bits of an `f64` behind the exponent.
const MANTISSA_BITS: u32 = 52;

/// Which ranges a histogram tells apart: from `min` to `max`, powers of two, `2^k` equal parts of each doubling.
///
/// A value is known to within half of its range: an eighth of itself for `k` of 2, a sixteenth for 3.
///
/// ```
/// use cotenant::metrics::Buckets;
///
/// const LATENCY: Buckets = Buckets::new(); // seconds: 1 us to 1024 s, to an eighth
/// const SIZES: Buckets = Buckets::between(1.0, 1e9).parts(1); // bytes: up to 1 GB, to a quarter
/// assert_eq!((LATENCY.count(), SIZES.count()), (120, 60));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Buckets {
    min_exponent: i16,
    max_exponent: i16,
    part_bits: u8,
}

impl Buckets {
    /// For seconds: from a microsecond (2^-20 s) to 1,024 s, to an eighth.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Buckets {
        Buckets { min_exponent: -20, max_exponent: 10, part_bits: 2 }
    }

    /// From the power of two at or below `min` to that at or above `max`, to an eighth.
    ///
    /// # Panics
    /// If not 0 < `min` < `max`, or one is not a normal number; in a constant, that is an error while compiling.
    pub const fn between(min: f64, max: f64) -> Buckets {
        assert!(min.is_normal() && max.is_normal() && 0.0 < min && min < max, "0 < min < max");
        let min_exponent = (min.to_bits() >> MANTISSA_BITS) as i16 - 1023;
        let is_whole = max.to_bits() << 12 == 0;
        let max_exponent = (max.to_bits() >> MANTISSA_BITS) as i16 - 1023 + if is_whole { 0 } else { 1 };
        assert!(max_exponent <= 1023, "the largest f64 has no power of two above it");
        Buckets { min_exponent, max_exponent, part_bits: 2 }
    }

    /// `2^bits` parts of each doubling: 0 to 7.
    ///
    /// # Panics
    /// If `bits` is over 7; in a constant, that is an error while compiling.
    pub const fn parts(self, bits: u8) -> Buckets {
        assert!(bits <= 7, "at most 128 parts");
        Buckets { part_bits: bits, ..self }
    }

    /// How many ranges there are between `min` and `max`.
    #[inline]
    pub const fn count(&self) -> usize {
        (self.max_exponent.wrapping_sub(self.min_exponent) as u16 as usize) << self.part_bits
    }

    /// Words of a histogram's cell: the sum, what is not above `min`, the ranges, what is above `max`, the second sum.
    pub(crate) const fn words(&self) -> usize {
        self.count() + 4
    }

    /// The word that counts `value`, which is no NaN. A range holds its upper end, as `le` says.
    #[inline]
    pub(crate) fn word_of(&self, value: f64) -> usize {
        let shift = MANTISSA_BITS - u32::from(self.part_bits);
        let min_bits = ((i64::from(self.min_exponent) + 1023) as u64) << MANTISSA_BITS;
        if value <= f64::from_bits(min_bits) {
            return 1;
        }
        // Positive: the bits are in the order of the numbers, and one less is the number before.
        let nth = (value.to_bits().wrapping_sub(1) >> shift).wrapping_sub(min_bits >> shift);
        (nth as usize).min(self.count()) + 2
    }

    /// What a thread keeps that counts often.
    pub(crate) fn ranges(&self) -> Ranges {
        let shift = MANTISSA_BITS - u32::from(self.part_bits);
        let min_bits = ((i64::from(self.min_exponent) + 1023) as u64) << MANTISSA_BITS;
        Ranges { min: f64::from_bits(min_bits), first: min_bits >> shift, shift, count: self.count() }
    }

    /// The upper end of the range that word `index` counts; infinite for the last.
    pub(crate) fn upper_end(&self, index: usize) -> f64 {
        let nth = index - 1;
        if nth > self.count() {
            return f64::INFINITY;
        }
        let shift = MANTISSA_BITS - u32::from(self.part_bits);
        let min = ((i64::from(self.min_exponent) + 1023) as u64) << u32::from(self.part_bits);
        f64::from_bits((min + nth as u64) << shift)
    }

    /// As 64 bits, never 0.
    pub(crate) const fn to_word(self) -> u64 {
        1 << 63
            | (self.part_bits as u64) << 32
            | (self.max_exponent as u16 as u64) << 16
            | self.min_exponent as u16 as u64
    }

    /// What [`to_word`](Buckets::to_word) gave; of any other word, buckets of which `word_of` gives any number.
    #[inline]
    pub(crate) fn of_any_word(word: u64) -> Buckets {
        let (min_exponent, max_exponent) = (word as u16 as i16, (word >> 16) as u16 as i16);
        Buckets { min_exponent, max_exponent, part_bits: (word >> 32) as u8 & 7 }
    }

    /// What [`to_word`](Buckets::to_word) gave; `None` for anything else.
    pub(crate) fn from_word(word: u64) -> Option<Buckets> {
        let buckets = Buckets::of_any_word(word);
        let (min_exponent, max_exponent) = (buckets.min_exponent, buckets.max_exponent);
        let is_valid = (-1022..max_exponent).contains(&min_exponent) && max_exponent <= 1023 && buckets.part_bits <= 7;
        (is_valid && buckets.to_word() == word).then_some(buckets)
    }
}

// What a histogram that C declares has if nothing is said.
const _: () = assert!(Buckets::new().to_word() == crate::schema::tables::SECONDS);

/// [`Buckets`] with their numbers made ready, so that a value's bucket is a comparison, a shift and a subtraction.
#[derive(Clone, Copy)]
pub(crate) struct Ranges {
    min: f64,
    /// The bits of `min`, cut off as those of values are.
    first: u64,
    shift: u32,
    count: usize,
}

impl Ranges {
    /// As [`Buckets::word_of`]; `None` for a NaN.
    #[inline]
    pub(crate) fn word_of(&self, value: f64) -> Option<usize> {
        if value > self.min {
            let nth = (value.to_bits().wrapping_sub(1) >> self.shift).wrapping_sub(self.first);
            return Some((nth as usize).min(self.count) + 2);
        }
        (!value.is_nan()).then_some(1)
    }

    /// The word of the second sum.
    #[inline]
    pub(crate) fn second_sum(&self) -> usize {
        self.count + 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Buckets; 4] = [
        Buckets::new(),
        Buckets::between(1.0, 1e9).parts(0),
        Buckets::between(1e-300, 1e300).parts(7),
        Buckets::between(0.75, 0.8).parts(3),
    ];

    #[test]
    fn every_value_lies_in_its_bucket_up_to_the_upper_end() {
        for buckets in ALL {
            let last = buckets.words() - 2;
            assert_eq!(buckets.upper_end(last), f64::INFINITY);
            for word in 1..last {
                let end = buckets.upper_end(word);
                assert_eq!(buckets.word_of(end), word, "{buckets:?}: the end {end} itself");
                assert_eq!(
                    buckets.word_of(f64::from_bits(end.to_bits() + 1)),
                    word + 1,
                    "{buckets:?}: just above {end}"
                );
                if word > 1 {
                    let begin = buckets.upper_end(word - 1);
                    let error = (end - begin) / 2.0 / begin;
                    assert!(error <= 0.5 / f64::from(1 << buckets.part_bits), "{buckets:?}: {begin} to {end}");
                }
            }
            for below in [f64::NEG_INFINITY, -1.0, -0.0, 0.0, f64::MIN_POSITIVE] {
                assert_eq!(buckets.word_of(below), 1);
            }
            assert_eq!(buckets.word_of(f64::INFINITY), last);
            assert_eq!(buckets.word_of(f64::MAX), last);
            let ranges = buckets.ranges();
            for word in 1..=last {
                let end = buckets.upper_end(word);
                for value in [end, -end, end * 1.01, end * 0.99] {
                    assert_eq!(ranges.word_of(value), Some(buckets.word_of(value)), "{buckets:?}: {value}");
                }
            }
            assert_eq!((ranges.word_of(f64::NAN), ranges.second_sum()), (None, buckets.words() - 1));
        }
    }

    #[test]
    fn a_word_holds_buckets_and_nothing_else_is_believed() {
        for buckets in ALL {
            assert_eq!(Buckets::from_word(buckets.to_word()), Some(buckets));
            for bit in 0..64 {
                if let Some(other) = Buckets::from_word(buckets.to_word() ^ 1 << bit) {
                    assert!(other != buckets && other.count() <= 2046 << 7 && other.count() > 0);
                }
            }
        }
        for word in [0, 1, 1 << 63, u64::MAX, 1 << 63 | 5 << 16 | 5] {
            assert_eq!(Buckets::from_word(word), None, "{word:#x}");
        }
    }
}
