//! Cotenant's queue, in each of its forms.

use anyhow::Context;
use cotenant::channel::{Delivery, Queue, Receiver, Sender};
use cotenant::{Backing, Segment};

use super::way::{PATIENCE, Way};

const RING_BYTES: usize = 1 << 18;

fn ring_bytes(bytes: usize) -> usize {
    RING_BYTES.max(bytes * 8).next_power_of_two()
}

/// `SOLE`: the only sender and the only receiver. `LEAST_ONCE`: each message is acknowledged.
pub(crate) struct Ours<const SOLE: bool, const LEAST_ONCE: bool> {
    queue: &'static Queue<'static>,
    sender: Option<Sender<'static>>,
    receiver: Option<Receiver<'static>>,
}

impl<const SOLE: bool, const LEAST_ONCE: bool> Way for Ours<SOLE, LEAST_ONCE> {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        let delivery = if LEAST_ONCE { Delivery::AtLeastOnce } else { Delivery::AtMostOnce };
        let capacity = ring_bytes(bytes) as u64;
        let options = Queue::options().capacity_bytes(capacity).delivery(delivery);
        let queue = options.segment(Segment::options().backing(Backing::Anonymous).prefault(true)).create("bench")?;
        Ok(Ours { queue: Box::leak(Box::new(queue)), sender: None, receiver: None })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        self.sender = Some(if SOLE { self.queue.sole_sender()? } else { self.queue.sender()? });
        Ok(())
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        self.receiver = Some(if SOLE { self.queue.sole_receiver()? } else { self.queue.receiver()? });
        Ok(())
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let sender = self.sender.as_ref().context("a sender")?;
        sender.send(message).map_err(cotenant::Error::from)?;
        Ok(())
    }

    #[inline]
    fn receive(&mut self) -> anyhow::Result<u64> {
        let receiver = self.receiver.as_ref().context("a receiver")?;
        let message = receiver.recv()?;
        let (number, _) = message.split_first_chunk::<8>().context("eight bytes")?;
        let number = u64::from_ne_bytes(*number);
        if LEAST_ONCE {
            message.ack();
        }
        Ok(number)
    }

    /// Some times round the ring: pages that a process has not touched cost it a fault each.
    fn warm_up(bytes: usize) -> u64 {
        5 * (ring_bytes(bytes) / (bytes + 16).next_multiple_of(64)) as u64
    }
}

/// In place: the sender writes eight bytes of a large message, and the receiver reads them where they are.
pub(crate) struct InPlace(Ours<true, false>);

impl Way for InPlace {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        Ours::make(bytes).map(InPlace)
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        self.0.begin_sending()
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        self.0.begin_receiving()
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let sender = self.0.sender.as_mut().context("a sender")?;
        let mut place = sender.reserve_timeout(message.len(), PATIENCE)?.context("no room for a long time")?;
        place[..8].copy_from_slice(&message[..8]);
        place.commit();
        Ok(())
    }

    #[inline]
    fn receive(&mut self) -> anyhow::Result<u64> {
        self.0.receive()
    }
}
