//! A slow function whose results all processes of this program share, also those that run later within the hour.

use std::time::{Duration, Instant};

use cotenant::Result;
use cotenant::cache::Cache;

/// How many steps 3n+1 takes from `n` to 1, summed up to `n`: something slow.
fn collatz_sum(n: u64) -> u64 {
    let steps = |mut n: u64| {
        let mut count = 0;
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            count += 1;
        }
        count
    };
    (1..=n).map(steps).sum()
}

/// As `collatz_sum`, but each sum is computed once, by one of all processes.
fn memoized(cache: &Cache, n: u64) -> Result<u64> {
    let key = [b"collatz ".as_slice(), &n.to_le_bytes()].concat();
    let hour = Duration::from_secs(3600);
    let value = cache.get_or_insert_with(key, hour, || collatz_sum(n).to_le_bytes().to_vec())?;
    Ok(u64::from_le_bytes(value.try_into().expect("eight bytes")))
}

fn main() -> Result<()> {
    let cache = Cache::options().capacity_bytes(1 << 20).open_or_create("example.memoize")?;
    for _ in 0..2 {
        let start = Instant::now();
        let sum = memoized(&cache, 300_000)?;
        println!("{sum} in {:?}", start.elapsed());
    }
    println!("{:?}", cache.stats().activity);
    Ok(())
}
