//! `MessageNumbers`: a message for C, which has no lifetimes, and may keep copies of what it gets.
//!
//! ```text
//! recv -> Message -> numbers, in a struct of C   ...   is it still held? -> Message -> ack, or drop
//! ```

use super::{Message, Receiver, Taken};
use crate::channel::record::{HEADER_BYTES, UNIT_BYTES};
use crate::lock::atomic::Ordering::Relaxed;

/// What [`Message::into_numbers`] gives.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct MessageNumbers {
    pub position: u64,
    pub bytes: u64,
    pub deliveries: u32,
}

impl Message<'_, '_> {
    /// Its bytes stay where they are until it is made a message again and left.
    #[doc(hidden)]
    pub fn into_numbers(self) -> MessageNumbers {
        let Taken { position, bytes, deliveries } = self.taken;
        std::mem::forget(self);
        MessageNumbers { position, bytes, deliveries }
    }
}

impl<'q> Receiver<'q> {
    /// The message again, of this very receiver. `None`: it does not hold it, since it was left before, or taken by the
    /// process that this one was forked from. Numbers that were made up make a queue that is damaged, and no more.
    #[doc(hidden)]
    pub fn message_of(&self, numbers: MessageNumbers) -> Option<Message<'_, 'q>> {
        let MessageNumbers { position, bytes, deliveries } = numbers;
        let head = self.end.ring.head();
        let (from, to) = match self.end.is_sole {
            true => (self.head.get(), self.next.get()),
            false => (head.head.load(Relaxed), head.next.load(Relaxed)),
        };
        // Positions only grow, so one that was left and whose place another message has is behind `head`.
        let was_taken = position.wrapping_sub(from) < to.wrapping_sub(from);
        let is_held = was_taken && self.end.ring.mark(position).load(Relaxed) == self.taken_mark();
        if !self.end.is_ours() || !is_held {
            return None;
        }
        let bytes = bytes.min(self.end.ring.units_to_end(position) * UNIT_BYTES - HEADER_BYTES);
        Some(Message { receiver: self, taken: Taken { position, bytes, deliveries } })
    }
}
