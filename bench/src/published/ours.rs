//! Cotenant's, in a segment.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::Context;
use cotenant::Segment;
use cotenant::published::{Named, NamedReader};

use super::{Hold, Value};

/// Loads through the mapping that is also published through.
pub(super) struct Writable(&'static Named<Value>);
/// Loads through a mapping of its own, which cannot be written.
pub(super) struct ReadOnly(&'static Named<Value>, &'static NamedReader<Value>);

fn named(folder: &Path) -> anyhow::Result<&'static Named<Value>> {
    static NAMED: OnceLock<Named<Value>> = OnceLock::new();
    if NAMED.get().is_none() {
        let options = Segment::options().folder(folder).max_bytes(1 << 20);
        let _ = NAMED.set(options.published("published", || [0; 25]).context("make it")?);
    }
    NAMED.get().context("made above")
}

pub(super) fn writable(folder: &Path) -> anyhow::Result<Writable> {
    named(folder).map(Writable)
}

pub(super) fn read_only(folder: &Path) -> anyhow::Result<ReadOnly> {
    static READER: OnceLock<NamedReader<Value>> = OnceLock::new();
    let named = named(folder)?;
    if READER.get().is_none() {
        let options = Segment::options().folder(folder);
        let _ = READER.set(options.published_reader("published").context("read it")?);
    }
    Ok(ReadOnly(named, READER.get().context("opened above")?))
}

impl Hold for Writable {
    #[inline]
    fn load(&mut self) -> (u64, u64) {
        let snapshot = self.0.load().expect("nobody damages it");
        (snapshot[0], snapshot[24])
    }

    #[inline]
    fn publish(&mut self, number: u64) {
        self.0.publish(&[number; 25]).expect("nobody damages it");
    }
}

impl Hold for ReadOnly {
    #[inline]
    fn load(&mut self) -> (u64, u64) {
        let snapshot = self.1.value().load().expect("nobody damages it");
        (snapshot[0], snapshot[24])
    }

    #[inline]
    fn publish(&mut self, number: u64) {
        self.0.publish(&[number; 25]).expect("nobody damages it");
    }
}
