//! What is asked for, one key after the other.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::cache::zipf::{Dice, Zipf};

const SKEW: f64 = 0.99;
pub(super) const ZIPF: &str = "zipf 0.99";
/// Of a generated trace: values of so many bytes.
const VALUE_BYTES: u32 = 92;
const KEY_BYTES: u32 = 8;
/// In the scan-heavy trace, between two scans.
const SCAN_EVERY: usize = 50_000;

#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) key: u64,
    /// Of key and value together.
    pub(crate) bytes: u32,
}

pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) requests: Vec<Request>,
}

fn request(key: u64) -> Request {
    Request { key, bytes: KEY_BYTES + VALUE_BYTES }
}

impl Trace {
    pub(crate) fn zipf(keys: usize, requests: usize) -> Trace {
        let (zipf, mut dice) = (Zipf::new(keys, SKEW), Dice::new(11));
        let requests = (0..requests).map(|_| request(zipf.rank(dice.part()) as u64)).collect();
        Trace { name: ZIPF.to_owned(), requests }
    }

    /// The same, and again and again somebody reads a tenth of as many keys, one after the other: each once in all, or,
    /// `again`, as many as there are others, over and over.
    pub(crate) fn scan(keys: usize, requests: usize, again: bool) -> Trace {
        let (zipf, mut dice) = (Zipf::new(keys, SKEW), Dice::new(12));
        let mut all = Vec::with_capacity(requests);
        let mut next = keys as u64;
        while all.len() < requests {
            if all.len() % SCAN_EVERY < keys / 10 && all.len() >= SCAN_EVERY {
                all.push(request(next));
                next += 1;
                if again && next > keys as u64 * 2 {
                    next = keys as u64;
                }
            } else {
                all.push(request(zipf.rank(dice.part()) as u64));
            }
        }
        let name = if again { "zipf with a scan that comes again" } else { "zipf with scans" };
        Trace { name: name.to_owned(), requests: all }
    }

    pub(crate) fn read(path: &Path) -> anyhow::Result<Trace> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let mut numbers = HashMap::new();
        let mut requests = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let mut fields = line.split(',').map(str::trim);
            let (_time, key, size) = (fields.next(), fields.next(), fields.next());
            let size = size.and_then(|size| size.parse::<u32>().ok());
            let (Some(key), Some(bytes)) = (key, size) else {
                // The first line may name the columns.
                ensure!(at == 0 || line.is_empty(), "{}, line {}: not time,key,size: {line:?}", path.display(), at + 1);
                continue;
            };
            let next = numbers.len() as u64;
            let key = *numbers.entry(key.to_owned()).or_insert(next);
            requests.push(Request { key, bytes: bytes.max(KEY_BYTES) });
        }
        ensure!(!requests.is_empty(), "{} has no requests", path.display());
        Ok(Trace { name: path.display().to_string(), requests })
    }

    /// Bytes of all keys, each once, as it was last.
    pub(crate) fn footprint_bytes(&self) -> u64 {
        let sizes: HashMap<_, _> = self.requests.iter().map(|request| (request.key, request.bytes)).collect();
        sizes.values().map(|bytes| u64::from(*bytes)).sum()
    }

    pub(crate) fn mean_bytes(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.bytes)).sum::<u64>() / self.requests.len() as u64
    }

    pub(crate) fn longest_bytes(&self) -> u64 {
        self.requests.iter().map(|request| u64::from(request.bytes)).max().unwrap_or(0)
    }
}
