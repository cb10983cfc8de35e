//! `cotenant::cache`.

use std::path::Path;

use cotenant::Backing;
use cotenant::cache::Cache;

use super::workload::{ENTRIES, KEY_BYTES, Key, Store, VALUE_BYTES, Value, Workload, value_of};

/// With room for all entries, and some of what writing needs.
const CAPACITY_BYTES: u64 = (ENTRIES * 260) as u64;

pub(crate) struct Ours(pub(crate) Cache);

impl Ours {
    pub(crate) fn new(folder: &Path, workload: &Workload) -> anyhow::Result<Ours> {
        let options = Cache::options().capacity_bytes(CAPACITY_BYTES);
        let mean = (KEY_BYTES + VALUE_BYTES) as u64;
        let ours = Ours(options.mean_entry_bytes(mean).folder(folder).create("bench")?);
        workload.fill(&ours);
        Ok(ours)
    }
}

impl Store for Ours {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        self.0.get_into(key, value)
    }

    fn set(&self, key: &Key, value: &Value) {
        self.0.insert(key, value, None).expect("room for an entry");
    }
}

/// Bytes of a full cache that are neither key nor value, for each entry.
pub(crate) fn overhead_bytes(workload: &Workload) -> anyhow::Result<f64> {
    let mean = (KEY_BYTES + VALUE_BYTES) as u64;
    let options = Cache::options().capacity_bytes((ENTRIES * 80) as u64).mean_entry_bytes(mean);
    let cache = options.backing(Backing::Anonymous).create("overhead")?;
    for key in &workload.keys {
        cache.insert(key, value_of(key, 0), None)?;
    }
    let stats = cache.stats();
    Ok((stats.capacity_bytes - stats.bytes) as f64 / stats.entries as f64)
}
