//! JSON over published bytes, behind the feature `json`: whatever `serde` can write, as one snapshot.
//!
//! JSON, because it names its fields: an old and a new build that run side by side read each other's snapshots as far
//! as `serde`'s defaults allow, and people and the tool can read and write them. A denser format would save bytes that
//! are copied in nanoseconds.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bytes::{BytesReader, PublishedBytes};
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};

impl Snapshot<Vec<u8>> {
    /// The bytes read as JSON. It takes as long as parsing does: once for each snapshot, not for each use.
    ///
    /// ```
    /// use cotenant::Segment;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Config {
    ///     workers: u32,
    ///     #[serde(default)]
    ///     greeting: String, // a build that has this field reads what one without it published
    /// }
    ///
    /// # let name = &format!("example.published.json.{}", std::process::id());
    /// let bytes = Segment::options().max_bytes(1 << 20).published_bytes(name, 4096)?;
    /// bytes.publish_json(&Config { workers: 4, greeting: "hello".to_owned() })?;
    ///
    /// let mut config = bytes.load()?.json::<Config>()?;
    /// // for each request:
    /// if let Some(newer) = bytes.load_if_newer(config.sequence)? {
    ///     config = newer.json()?;
    /// }
    /// assert_eq!(config.workers, 4);
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// - `NotFound`: nothing has been published yet.
    /// - `Mismatch`: it is no `T`; the message says where and why.
    pub fn json<T: DeserializeOwned>(&self) -> Result<Snapshot<T>> {
        let value = parse(self.sequence, &self.value)?;
        Ok(Snapshot { value, sequence: self.sequence, repeats: self.repeats })
    }
}

impl BytesReader<'_> {
    /// The newest snapshot, read as JSON: [`load`](BytesReader::load), then [`json`](Snapshot::json).
    ///
    /// # Errors
    /// As of both.
    pub fn load_json<T: DeserializeOwned>(&self) -> Result<Snapshot<T>> {
        self.load()?.json()
    }
}

impl PublishedBytes<'_> {
    /// Publishes `value` as JSON. Gives its number.
    ///
    /// # Errors
    /// `InvalidInput`: `value` cannot be written as JSON (a map whose keys are no texts). Else as of
    /// [`publish`](PublishedBytes::publish).
    pub fn publish_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<u64> {
        self.publish(&written(value)?)
    }

    /// Publishes what `change` makes of the newest snapshot, as JSON; nobody else publishes in between. Gives its
    /// number. `None`: nothing has been published yet.
    ///
    /// # Errors
    /// `Mismatch`: what is published is no `T`; nothing is published then. Else as of
    /// [`publish_json`](PublishedBytes::publish_json).
    pub fn update_json<T: Serialize + DeserializeOwned>(&self, change: impl FnOnce(Option<T>) -> T) -> Result<u64> {
        self.try_update(|old| {
            let old = if old.is_empty() { None } else { Some(parse(self.sequence(), old)?) };
            written(&change(old))
        })
    }
}

fn parse<T: DeserializeOwned>(sequence: u64, bytes: &[u8]) -> Result<T> {
    if bytes.is_empty() && sequence == 0 {
        let error = Error::new(ErrorKind::NotFound, "nothing has been published yet");
        return Err(error.hint("start the program that publishes it"));
    }
    serde_json::from_slice(bytes).map_err(|why| {
        let what = format!("publish {sequence} is no {}: {why}", std::any::type_name::<T>());
        Error::new(ErrorKind::Mismatch, what).hint("give new fields `#[serde(default)]`, or publish it anew")
    })
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|why| Error::new(ErrorKind::InvalidInput, format!("cannot be written as JSON: {why}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::segment::segment::Segment;

    #[test]
    fn values_go_through_json_and_mismatches_publish_nothing() {
        let name = format!("test.published.json.{}", std::process::id());
        let segment = Segment::options().max_bytes(1 << 20).create(&name).expect("a segment");
        let bytes = segment.published_bytes("config", 100).expect("room");
        let kind = |error: Error| error.kind();
        assert_eq!(bytes.load_json::<u32>().map_err(kind).err(), Some(ErrorKind::NotFound));
        assert_eq!(bytes.update_json::<Vec<u32>>(|old| old.map_or_else(|| vec![1], |_| vec![])).ok(), Some(1));
        assert_eq!(bytes.update_json::<Vec<u32>>(|old| [old.unwrap_or_default(), vec![2]].concat()).ok(), Some(2));
        assert_eq!(bytes.load_json::<Vec<u32>>().expect("numbers").value, [1, 2]);
        assert_eq!(bytes.load_json::<String>().map_err(kind).err(), Some(ErrorKind::Mismatch));
        assert_eq!(bytes.update_json::<String>(|_| String::new()).map_err(kind), Err(ErrorKind::Mismatch));
        let no_json = BTreeMap::from([(vec![1], 2)]);
        assert_eq!(bytes.publish_json(&no_json).map_err(kind), Err(ErrorKind::InvalidInput));
        assert_eq!(bytes.publish_json(&vec![0_u8; 80]).map_err(kind), Err(ErrorKind::NoSpace));
        assert_eq!(bytes.sequence(), 2);
    }

    #[test]
    fn a_number_comes_back_and_not_its_neighbour() {
        let name = format!("test.published.json.exact.{}", std::process::id());
        let segment = Segment::options().max_bytes(1 << 20).create(&name).expect("a segment");
        let bytes = segment.published_bytes("weight", 100).expect("room");
        let exact = 0.029244278000000002_f64;
        bytes.publish_json(&exact).expect("room");
        assert_eq!(bytes.load_json::<f64>().expect("a number").value.to_bits(), exact.to_bits());
    }
}
