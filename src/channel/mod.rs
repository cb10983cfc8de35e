//! Bytes and messages from process to process: queues in shared memory, pipes, FIFOs.
//!
//! docs/channels.md says what each is for and what a death leaves.

mod errors;
mod head;
mod places;
#[cfg(any(test, cotenant_model))]
#[allow(unreachable_pub)] // `__private` exports it.
pub mod private;
mod queue;
mod receiver;
mod record;
mod ring;
mod sender;
mod waiting;

#[cfg(test)]
mod tests;

pub use errors::{SendAllError, SendError};
pub use queue::{Delivery, Queue, QueueOptions};
pub use receiver::{Message, Receiver};
pub use sender::{Reservation, Sender};
