//! Which key comes how often: the k-th of n with a frequency of 1 / k^s.

/// Numbers from 0 on, the first ones most often. Scattered over the keys, so that neighbours are not alike.
pub(crate) struct Zipf {
    /// Of the first k, all that they have of the whole.
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(keys: usize, skew: f64) -> Zipf {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=keys)
            .map(|rank| {
                sum += (rank as f64).powf(-skew);
                sum
            })
            .collect();
        sums.iter_mut().for_each(|part| *part /= sum);
        Zipf { sums }
    }

    /// The rank at `part` of the whole, from 0 to 1.
    pub(crate) fn rank(&self, part: f64) -> usize {
        self.sums.partition_point(|sum| *sum < part).min(self.sums.len() - 1)
    }
}

/// xorshift64*, as a part of one.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
