//! A published value as those see it who map its segment read-only.

#![allow(unsafe_code)]

use std::time::Duration;

use super::flag::Flag;
use super::published::Published;
use super::snapshot::{HistoryEntry, Snapshot};
use crate::error::Result;
use crate::process_sync::ProcessSync;
use crate::segment::reader::ReadOnly;

/// For readers: processes without write permission, which hold no slot and store nothing.
impl<T: ProcessSync + Copy + Send, const BUFFERS: usize> ReadOnly<'_, Published<T, BUFFERS>> {
    /// As [`Published::load`]: the newest snapshot, whole, for the same price.
    ///
    /// ```
    /// use cotenant::{Segment, published::Published};
    ///
    /// # if cfg!(target_os = "linux") {
    /// # let name = &format!("example.published.{}", std::process::id());
    /// let segment = Segment::options().max_bytes(1 << 20).create(name)?; // in one process
    /// let limit = segment.get_or_init("limit", || Published::<u32>::new(100))?;
    ///
    /// let reader = Segment::options().open_reader(name)?; // in another
    /// let seen = reader.get::<Published<u32>>("limit")?.expect("made above");
    /// limit.publish(&200)?;
    /// assert_eq!(*seen.load()?, 200);
    /// # }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Published::load`].
    #[inline]
    pub fn load(&self) -> Result<Snapshot<T>> {
        self.published().load()
    }

    /// As [`Published::load_if_newer`].
    ///
    /// # Errors
    /// As [`Published::load`].
    #[inline]
    pub fn load_if_newer(&self, seen: u64) -> Result<Option<Snapshot<T>>> {
        self.published().load_if_newer(seen)
    }

    /// As [`Published::sequence`].
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.published().sequence()
    }

    /// As [`Published::wait_newer`]. A reader cannot say that it waits, so it looks: after 50 us, doubling to 10 ms.
    ///
    /// # Errors
    /// As [`Published::load`].
    pub fn wait_newer(&self, seen: u64, timeout: Duration) -> Result<Option<Snapshot<T>>> {
        let published = self.published();
        if published.ring().look_for_newer(seen, timeout) { published.load().map(Some) } else { Ok(None) }
    }

    /// As [`Published::history`].
    pub fn history(&self) -> Vec<HistoryEntry<T>> {
        self.published().history()
    }

    /// What is called through it must store nothing.
    #[inline]
    fn published(&self) -> &Published<T, BUFFERS> {
        // SAFETY: an object of this type, by its fingerprint, mapped as long as the reader; all of it is in cells, so
        // that others may write it. This module calls only what loads.
        unsafe { self.address().cast().as_ref() }
    }
}

/// For readers, who ask as participants do.
impl ReadOnly<'_, Flag> {
    /// As [`Flag::is_on_for`].
    pub fn is_on_for(&self, key: impl AsRef<[u8]>) -> bool {
        self.flag().is_on_for(key)
    }

    /// As [`Flag::is_on`].
    pub fn is_on(&self) -> bool {
        self.flag().is_on()
    }

    /// As [`Flag::percent`].
    pub fn percent(&self) -> f64 {
        self.flag().percent()
    }

    /// What is called through it must store nothing.
    fn flag(&self) -> &Flag {
        // SAFETY: as of `published` above.
        unsafe { self.address().cast().as_ref() }
    }
}
