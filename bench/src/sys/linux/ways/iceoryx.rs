//! iceoryx2: samples that are loaned, written and sent; polled for, or waited for by an event.

use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use crate::channels::way::{PATIENCE, Way};

type Shared = ipc::Service;
type Sending = (Publisher<Shared, [u8], ()>, Notifier<Shared>);
type Receiving = (Subscriber<Shared, [u8], ()>, Listener<Shared>);

/// `BLOCKS`: an event for each sample, and a wait for it.
pub(super) struct Iceoryx<const BLOCKS: bool> {
    name: String,
    bytes: usize,
    publisher: Option<Sending>,
    subscriber: Option<Receiving>,
    /// Must outlive its ports.
    node: Option<Node<Shared>>,
}

fn told(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow!("iceoryx2: {error:?}")
}

impl<const BLOCKS: bool> Iceoryx<BLOCKS> {
    /// A node of this process: none crosses a fork.
    fn node(&mut self) -> anyhow::Result<&Node<Shared>> {
        if self.node.is_none() {
            set_log_level(LogLevel::Fatal);
            self.node = Some(NodeBuilder::new().create::<Shared>().map_err(told)?);
        }
        self.node.as_ref().context("a node")
    }
}

macro_rules! services {
    ($this:expr) => {{
        let name = $this.name.clone();
        let node = $this.node()?;
        let samples = node.service_builder(&name.as_str().try_into().map_err(told)?);
        let samples = samples.publish_subscribe::<[u8]>().enable_safe_overflow(false).subscriber_max_buffer_size(1024);
        let samples = samples.open_or_create().map_err(told)?;
        let events = node.service_builder(&format!("{name}-event").as_str().try_into().map_err(told)?);
        (samples, events.event().open_or_create().map_err(told)?)
    }};
}

impl<const BLOCKS: bool> Way for Iceoryx<BLOCKS> {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        static MADE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("cotenant-bench-{}-{number}", std::process::id());
        Ok(Iceoryx { name, bytes, publisher: None, subscriber: None, node: None })
    }

    fn begin_sending(&mut self) -> anyhow::Result<()> {
        let (samples, events) = services!(self);
        let publisher = samples.publisher_builder().initial_max_slice_len(self.bytes);
        let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
        let publisher = publisher.create().map_err(told)?;
        self.publisher = Some((publisher, events.notifier_builder().create().map_err(told)?));
        Ok(())
    }

    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        let (samples, events) = services!(self);
        let subscriber = samples.subscriber_builder().create().map_err(told)?;
        self.subscriber = Some((subscriber, events.listener_builder().create().map_err(told)?));
        Ok(())
    }

    /// Until its subscriber has connected, a publisher drops what exceeds the buffer, whatever its strategy.
    fn meet(&mut self) -> anyhow::Result<()> {
        let (subscriber, _) = self.subscriber.as_ref().context("a subscriber")?;
        subscriber.has_samples().map_err(told).map(drop)
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let (publisher, notifier) = self.publisher.as_ref().context("a publisher")?;
        let sample = publisher.loan_slice_uninit(message.len()).map_err(told)?;
        sample.write_from_slice(message).send().map_err(told)?;
        if BLOCKS {
            notifier.notify().map_err(told)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        let (subscriber, listener) = self.subscriber.as_ref().context("a subscriber")?;
        let mut looks: u32 = 0;
        let mut begin = None;
        loop {
            if let Some(sample) = subscriber.receive().map_err(told)? {
                let first = sample.payload().first_chunk::<8>().context("eight bytes")?;
                return Ok(u64::from_ne_bytes(*first));
            }
            looks = looks.wrapping_add(1);
            if looks % 1024 == 0 {
                ensure!(
                    begin.get_or_insert_with(Instant::now).elapsed() < PATIENCE,
                    "waited {PATIENCE:?} for a sample"
                );
            }
            if BLOCKS {
                listener.timed_wait(|_| {}, std::time::Duration::from_millis(10)).map_err(told)?;
            } else {
                std::hint::spin_loop();
            }
        }
    }
}
