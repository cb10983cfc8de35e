//! The keyed hash of keys: fast, and not to be foreseen by who chooses keys without knowing the seed.
//!
//! Folded multiplication, as in [wyhash](https://github.com/wangyi-fudan/wyhash): the two halves of a 128-bit product
//! are the next state. The seed is random for each cache and lies in its memory, so that all processes agree. It keeps
//! keys from being made to collide by outsiders; whoever can read the segment can read the seed.

use super::words::as_words;

/// Odd, with as many ones as zeros: the fraction of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Copy)]
pub(super) struct Seed(pub(super) [u64; 2]);

impl Seed {
    /// The hash of bytes.
    #[inline]
    pub(super) fn hash_bytes(self, bytes: &[u8]) -> u64 {
        let (whole, last) = as_words(bytes);
        let state = whole.fold(self.start(bytes.len()), |state, word| self.mix(state, word));
        self.end(last.map_or(state, |word| self.mix(state, word)))
    }

    /// The hash of bytes that are laid out as `words`.
    pub(super) fn hash_words(self, byte_count: usize, words: impl Iterator<Item = u64>) -> u64 {
        self.end(words.fold(self.start(byte_count), |state, word| self.mix(state, word)))
    }

    #[inline]
    fn start(self, byte_count: usize) -> u64 {
        self.0[0] ^ (byte_count as u64).wrapping_mul(GOLDEN)
    }

    /// A seed of few ones would make a poor factor.
    #[inline]
    fn multiplier(self) -> u64 {
        (self.0[1] ^ GOLDEN) | 1
    }

    #[inline]
    fn mix(self, state: u64, word: u64) -> u64 {
        // The state before a word is added again behind the product: a zero factor forgets nothing.
        fold(state ^ word, self.multiplier()).wrapping_add(state.rotate_left(23))
    }

    #[inline]
    fn end(self, state: u64) -> u64 {
        fold(state ^ self.multiplier(), self.0[0].rotate_left(32) ^ GOLDEN | 1) ^ state
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(seed: [u64; 2], key: &[u8]) -> u64 {
        Seed(seed).hash_bytes(key)
    }

    #[test]
    fn keys_that_differ_in_a_bit_or_in_length_differ_in_half_of_the_bits() {
        let seed = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
        for length in [1_usize, 7, 8, 9, 16, 40] {
            let key: Vec<u8> = (0..length as u8).collect();
            let of_key = hash(seed, &key);
            let mut changed = 0;
            for bit in 0..length * 8 {
                let mut other = key.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let distance = (hash(seed, &other) ^ of_key).count_ones();
                assert!((12..=52).contains(&distance), "bit {bit} of {length}: {distance}");
                changed += distance;
            }
            let mean = changed as usize / (length * 8);
            assert!((28..=36).contains(&mean), "{length} bytes: {mean} bits");
            let mut longer = key.clone();
            longer.push(0);
            assert_ne!(hash(seed, &longer), of_key);
        }
    }

    #[test]
    fn buckets_of_numbered_keys_are_filled_evenly_in_every_part_of_the_hash() {
        let seed = [77, 78];
        for shift in [0, 12, 32, 44, 56] {
            let mut counts = [0_u32; 256];
            for number in 0..25_600_u64 {
                let key = format!("key:{number}");
                counts[(hash(seed, key.as_bytes()) >> shift) as usize & 255] += 1;
            }
            // Poisson with a mean of 100.
            assert!(counts.iter().all(|count| (50..160).contains(count)), "at {shift}: {counts:?}");
        }
    }

    #[test]
    fn another_seed_is_another_hash() {
        assert_ne!(hash([1, 2], b"key"), hash([2, 2], b"key"));
        assert_ne!(hash([1, 2], b"key"), hash([1, 4], b"key"));
    }
}
