//! Bytes and messages from process to process: queues in shared memory, pipes, FIFOs.
//!
//! docs/channels.md says what each is for and what a death leaves.

mod doorbell;
mod end;
mod errors;
mod fifo;
mod frame;
mod head;
mod pipe;
mod pipe_error;
mod places;
#[cfg(any(test, cotenant_model))]
#[allow(unreachable_pub)] // `__private` exports it.
pub mod private;
mod queue;
mod receiver;
mod record;
mod ring;
mod sender;
mod wait_any;
mod waiting;

#[cfg(test)]
mod tests;

pub use errors::{SendAllError, SendError};
pub use fifo::Fifo;
pub(crate) use fifo::Opened;
pub use frame::{MessageReader, MessageWriter, PIPE_MESSAGE_MAX_BYTES};
pub use pipe::{PIPE_ATOMIC_BYTES, PipeReader, PipeWriter, pipe};
pub use queue::{Delivery, Queue, QueueOptions};
#[doc(hidden)]
pub use receiver::MessageNumbers;
pub use receiver::{Message, Receiver};
pub use sender::{Reservation, Sender};
pub use wait_any::wait_any;
