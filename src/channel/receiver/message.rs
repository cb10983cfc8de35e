//! `Message`: what a receiver has of a record until it is done with it.

#![allow(unsafe_code)]

use std::ops::Deref;

use super::super::places::Fate;
use super::{Receiver, Taken};

/// A message, where it lies in the queue. It derefs to its bytes.
///
/// In a queue that delivers at least once, [`ack`](Message::ack) says that it was handled; dropped without that, it
/// comes again. Else it is gone when this is dropped. Its memory is used again only then, so do not keep many of them
/// long.
///
/// The bytes are those of the sender as long as whoever may write the queue keeps to its rules. Who does not trust them
/// copies first ([`to_vec`](slice::to_vec)) and then looks.
#[must_use = "a message that is dropped without `ack` comes again, or is gone"]
pub struct Message<'r, 'q> {
    pub(super) receiver: &'r Receiver<'q>,
    pub(super) taken: Taken,
}

impl Message<'_, '_> {
    /// Says that the message was handled: it does not come again.
    ///
    /// Killed before it returns, it may have been acknowledged or come again. In a child of a fork a message that its
    /// parent received is its parent's to acknowledge, and nothing happens.
    #[inline]
    pub fn ack(self) {
        let (receiver, taken) = (self.receiver, self.taken);
        std::mem::forget(self);
        receiver.leave(taken, Fate::Drop);
    }

    /// Whether it may have been handled before: a receiver that had it did not acknowledge it, or died.
    pub fn is_redelivered(&self) -> bool {
        self.taken.deliveries > 0
    }

    /// How often it was handed out before this time.
    pub fn deliveries_before(&self) -> u32 {
        self.taken.deliveries
    }
}

impl Deref for Message<'_, '_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let bytes = self.receiver.end.ring.message(self.taken.position);
        // SAFETY: `Ring::length` checked that so many bytes lie in the ring; nobody writes them before the record is
        // left, if whoever shares the queue keeps to that (docs/safety.md, the second promise).
        unsafe { std::slice::from_raw_parts(bytes.as_ptr(), self.taken.bytes as usize) }
    }
}

impl Drop for Message<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.leave(self.taken, self.receiver.end.fate);
    }
}

impl std::fmt::Debug for Message<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("bytes", &self.taken.bytes).field("deliveries", &self.taken.deliveries).finish()
    }
}
