//! Caches for tests, each with a name of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::cache::{Cache, CacheOptions};

pub(crate) fn name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test.cache.{}.{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}

pub(crate) fn cache(options: CacheOptions) -> Cache {
    options.create(&name()).expect("a cache")
}

/// A cache of one mebibyte.
pub(crate) fn small() -> Cache {
    cache(Cache::options().capacity_bytes(1 << 20))
}

/// A value of so many bytes, which tells of which key and round it is.
pub(crate) fn value(key: u64, round: u64, bytes: usize) -> Vec<u8> {
    let mut state = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round.wrapping_mul(0xd1b5_4a32_d192_ed03) | 1;
    let mut value = Vec::with_capacity(bytes + 8);
    while value.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value.extend_from_slice(&state.to_ne_bytes());
    }
    value.truncate(bytes);
    value
}
