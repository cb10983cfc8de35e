//! Ways from process to process that are not Cotenant's, and the memory that mailboxes lie in.

mod bare_ring;
mod iceoryx;
mod ipc_channel;
pub(crate) mod kernel;
mod limits;

use crate::channels::way::Cores;
use crate::channels::{BLOCKED, Cases, FUTEX, ICEORYX, LINE, RING, ROUND_TRIP};
use kernel::{Framed, MessageQueue, NamedPipe, Pipe, Raw, Socket};

/// Measurements of the kernel's ways: pipe, whole messages through one, FIFO, socket, message queue.
pub(crate) fn kernel_ways(maker: &crate::compare::Maker) -> anyhow::Result<[Vec<crate::compare::Measure>; 5]> {
    Ok([
        maker.of::<Raw<Pipe>>(),
        maker.of::<Framed>(),
        maker.of::<Raw<NamedPipe>>(),
        maker.of::<Raw<Socket>>(),
        maker.of::<MessageQueue>(),
    ])
}

const SLOW_NS: u64 = 60_000;
const CALL_NS: u64 = 500;

pub(crate) fn add_ways(cases: &mut Cases<'_>) {
    cases.round_trip::<limits::Line>(ROUND_TRIP, LINE, 8, 150, Cores::Two);
    cases.streams::<bare_ring::BareRing>(RING, 20);
    cases.round_trip::<limits::Futex>(BLOCKED, FUTEX, 8, 5000, Cores::One);
    cases.way::<iceoryx::Iceoryx<false>>(ICEORYX, 1000, 300);
    cases.round_trip::<iceoryx::Iceoryx<true>>(BLOCKED, "iceoryx2 0.10, events", 8, 20_000, Cores::One);
    cases.way::<Raw<Pipe>>("pipe", SLOW_NS, CALL_NS);
    cases.round_trip::<Raw<Pipe>>(BLOCKED, "pipe", 8, 8000, Cores::One);
    cases.way::<Framed>("cotenant pipe, messages", SLOW_NS, CALL_NS);
    cases.way::<Raw<NamedPipe>>("FIFO", SLOW_NS, CALL_NS);
    cases.way::<Raw<Socket>>("Unix socket pair", SLOW_NS, CALL_NS);
    cases.way::<MessageQueue>("System V message queue", SLOW_NS, CALL_NS);
    cases.way::<ipc_channel::IpcChannel>("ipc-channel 0.23", SLOW_NS, 2000);
}
