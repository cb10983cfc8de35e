//! Values of types of Rust, as JSON: behind the feature `json`.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cache::Cache;
use crate::error::{Error, ErrorKind, Result};

/// With the feature `json`: values that [serde](https://docs.rs/serde) can write, as JSON. All programs that agree on
/// the JSON can share them, of whatever language and version.
impl Cache {
    /// Puts a value into the cache, as [`insert`](Cache::insert).
    ///
    /// ```
    /// # use cotenant::cache::Cache;
    /// # let name = &format!("example.json.cache.{}", std::process::id());
    /// let cache = Cache::options().capacity_bytes(1 << 20).open_or_create(name)?;
    /// cache.insert_json("rates", &[("EUR", 1.0), ("USD", 1.08)], None)?;
    /// let rates: Option<Vec<(String, f64)>> = cache.get_json("rates")?;
    /// assert_eq!(rates.expect("just inserted")[1].1, 1.08);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput`: the value cannot be written as JSON. Else as of `insert`.
    pub fn insert_json<T: Serialize + ?Sized>(
        &self,
        key: impl AsRef<[u8]>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<()> {
        self.insert(key, written(value)?, ttl)
    }

    /// The value of an entry that has not expired, as [`get`](Cache::get).
    ///
    /// # Errors
    ///
    /// `Mismatch`: what is there is no JSON of a `T`.
    pub fn get_json<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>> {
        self.get(key).map(|json| read(&json)).transpose()
    }

    /// The value of a key; if there is none, `make` computes it in single flight, as
    /// [`get_or_insert_with`](Cache::get_or_insert_with).
    ///
    /// # Errors
    ///
    /// As of `get_or_insert_with`, [`insert_json`](Cache::insert_json) and [`get_json`](Cache::get_json).
    pub fn get_or_insert_json_with<T: Serialize + DeserializeOwned>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
        make: impl FnOnce() -> T,
    ) -> Result<T> {
        let json = self.try_get_or_insert_with(key, ttl, || written(&make()))?;
        read(&json)
    }
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|why| Error::new(ErrorKind::InvalidInput, format!("cannot write a value of the cache as JSON: {why}")))
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|why| {
        let what = format!("a value of the cache is no JSON of a `{}`: {why}", std::any::type_name::<T>());
        Error::new(ErrorKind::Mismatch, what).hint("have programs that differ in the type use different keys")
    })
}
