//! Caches and maps in private memory: what a process has for itself, or its threads between them.

use super::workload::{ENTRIES, Key, Store, Value, Workload};

pub(crate) struct QuickCache(quick_cache::sync::Cache<Key, Value>);
pub(crate) struct Moka(moka::sync::Cache<Key, Value>);
pub(crate) struct DashMap(dashmap::DashMap<Key, Value>);

pub(crate) fn quick_cache(workload: &Workload) -> QuickCache {
    let cache = QuickCache(quick_cache::sync::Cache::new(ENTRIES * 2));
    workload.fill(&cache);
    cache
}

pub(crate) fn moka(workload: &Workload) -> Moka {
    let cache = Moka(moka::sync::Cache::new(ENTRIES as u64 * 2));
    workload.fill(&cache);
    cache.0.run_pending_tasks();
    cache
}

pub(crate) fn dashmap(workload: &Workload) -> DashMap {
    let map = DashMap(dashmap::DashMap::with_capacity(ENTRIES));
    workload.fill(&map);
    map
}

fn copy(found: Option<&Value>, value: &mut Vec<u8>) -> bool {
    value.clear();
    found.inspect(|found| value.extend_from_slice(*found)).is_some()
}

impl Store for QuickCache {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        copy(self.0.get(key).as_ref(), value)
    }

    fn set(&self, key: &Key, value: &Value) {
        self.0.insert(*key, *value);
    }
}

impl Store for Moka {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        copy(self.0.get(key).as_ref(), value)
    }

    fn set(&self, key: &Key, value: &Value) {
        self.0.insert(*key, *value);
    }
}

impl Store for DashMap {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        copy(self.0.get(key).as_deref(), value)
    }

    fn set(&self, key: &Key, value: &Value) {
        self.0.insert(*key, *value);
    }
}
