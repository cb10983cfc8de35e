//! ipc-channel: bytes over a Unix socket, large ones in shared memory.

use anyhow::Context;
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

use crate::channels::way::Way;

pub(super) struct IpcChannel {
    sender: IpcBytesSender,
    receiver: IpcBytesReceiver,
}

impl Way for IpcChannel {
    fn make(_bytes: usize) -> anyhow::Result<Self> {
        let (sender, receiver) = bytes_channel().context("make a channel")?;
        Ok(IpcChannel { sender, receiver })
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.sender.send(message).context("send")
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        let message = self.receiver.recv().map_err(|error| anyhow::anyhow!("receive: {error:?}"))?;
        let first = message.first_chunk::<8>().context("eight bytes")?;
        Ok(u64::from_ne_bytes(*first))
    }
}
