//! `Snapshot`: what a load gives.

use std::ops::Deref;
use std::time::SystemTime;

use super::stamp::Publisher;

/// A value as it was published, and when in the order of publishes. Dereferences to the value.
///
/// ```
/// use cotenant::published::Published;
///
/// let threshold = Published::new(0.5);
/// let snapshot = threshold.load()?;
/// assert_eq!((*snapshot, snapshot.sequence, snapshot.repeats), (0.5, 0, 0));
/// # Ok::<(), cotenant::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot<T> {
    /// What was published.
    pub value: T,
    /// Its number: 0 is the initial value, 1 the first publish.
    pub sequence: u64,
    /// How often it was copied anew, because as many publishes as there are buffers happened during one copy.
    pub repeats: u32,
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A snapshot that is still whole, and who published it when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry<T> {
    /// What was published.
    pub value: T,
    /// Its number: 0 is the initial value, 1 the first publish.
    pub sequence: u64,
    /// When, to some milliseconds, by the publisher's clock; `None`: the initial value.
    pub published_at: Option<SystemTime>,
    /// Who; `None`: the initial value.
    pub publisher: Option<Publisher>,
}
