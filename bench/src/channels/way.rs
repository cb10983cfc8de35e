//! A way from one process to another, and what is measured of it.
//!
//! ```text
//! make, in the parent  ->  fork  ->  begin, in each: one sends, the other receives
//! ```

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::sys;

/// Carries messages one way. Made before the fork, for this process and its child.
pub(crate) trait Way: Sized {
    /// For messages of so many bytes.
    fn make(bytes: usize) -> anyhow::Result<Self>;
    /// In the process that will send.
    fn begin_sending(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
    /// In the process that will receive.
    fn begin_receiving(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
    /// In the process that will receive, when the other one has begun and before it sends.
    fn meet(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
    /// Waits while there is no room.
    fn send(&mut self, message: &[u8]) -> anyhow::Result<()>;
    /// Waits for a message; gives its first eight bytes, as a number.
    fn receive(&mut self) -> anyhow::Result<u64>;
    /// How many messages of so many bytes come before a stream is measured: more than may be under way before their
    /// sender waits.
    fn warm_up(bytes: usize) -> u64 {
        ((4 << 20) / bytes as u64).clamp(10, 100)
    }
}

/// Whether processes share a core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    Two,
    One,
}

fn numbered(message: &mut [u8], n: u64) {
    message[..8].copy_from_slice(&n.to_ne_bytes());
}

/// There and back, in ns; the parent's messages and the child's are alike.
pub(crate) fn round_trip<W: Way>(bytes: usize, passes: u64, cores: Cores) -> anyhow::Result<f64> {
    let parent = std::process::id();
    let ends = std::cell::RefCell::new((W::make(bytes)?, W::make(bytes)?));
    let ns = sys::in_two_processes(&|start| {
        let is_parent = std::process::id() == parent;
        sys::pin(usize::from(cores == Cores::Two && !is_parent));
        let (there, back) = &mut *ends.borrow_mut();
        let (out, into) = if is_parent { (there, back) } else { (back, there) };
        // Both sides of each way are there before the first message is.
        let mut message = vec![0; bytes];
        into.begin_receiving()?;
        out.begin_sending()?;
        start()?;
        let mut run = |passes: u64| -> anyhow::Result<f64> {
            let begin = Instant::now();
            for n in 0..passes {
                if is_parent {
                    numbered(&mut message, n);
                    out.send(&message)?;
                }
                let got = into.receive()?;
                ensure!(got == n, "message {got} in the place of {n}");
                if !is_parent {
                    numbered(&mut message, n);
                    out.send(&message)?;
                }
            }
            Ok(begin.elapsed().as_nanos() as f64 / passes as f64)
        };
        run(passes / 10 + 1)?;
        Ok([run(passes)?, 0.0])
    })?;
    sys::unpin();
    Ok(ns[0][0])
}

/// What the two calls take, in ns, where no line is on its way: hundreds are sent, and then received.
pub(crate) fn alone<W: Way>(bytes: usize, messages: u64) -> anyhow::Result<f64> {
    const AT_A_TIME: u64 = 500;
    sys::pin(0);
    let mut way = W::make(bytes)?;
    way.begin_receiving()?;
    way.begin_sending()?;
    let mut message = vec![0; bytes];
    let mut run = |messages: u64| -> anyhow::Result<f64> {
        let begin = Instant::now();
        for first in (0..messages).step_by(AT_A_TIME as usize) {
            for n in first..first + AT_A_TIME {
                numbered(&mut message, n);
                way.send(&message)?;
            }
            for n in first..first + AT_A_TIME {
                let got = way.receive()?;
                ensure!(got == n, "message {got} in the place of {n}");
            }
        }
        Ok(begin.elapsed().as_nanos() as f64 / messages.next_multiple_of(AT_A_TIME) as f64)
    };
    run(W::warm_up(bytes))?;
    let ns = run(messages);
    sys::unpin();
    ns
}

/// Millions of messages a second, from the child to the parent.
pub(crate) fn stream<W: Way>(bytes: usize, messages: u64) -> anyhow::Result<f64> {
    let parent = std::process::id();
    let way = std::cell::RefCell::new(W::make(bytes)?);
    let answers = sys::in_two_processes(&|start| {
        let is_parent = std::process::id() == parent;
        sys::pin(usize::from(!is_parent));
        let way = &mut *way.borrow_mut();
        if is_parent {
            way.begin_receiving()?
        } else {
            way.begin_sending()?
        }
        start()?;
        if is_parent {
            way.meet()?;
        }
        start()?;
        let rate = if is_parent { receive_all(way, bytes, messages, 1)? } else { send_all(way, bytes, messages)? };
        // What some have sent is lost if they end before it was received.
        start()?;
        Ok([rate, 0.0])
    })?;
    sys::unpin();
    Ok(answers[0][0])
}

fn send_all<W: Way>(way: &mut W, bytes: usize, messages: u64) -> anyhow::Result<f64> {
    let mut message = vec![0; bytes];
    for n in 0..messages + W::warm_up(bytes) {
        numbered(&mut message, n);
        way.send(&message)?;
    }
    Ok(0.0)
}

/// From `senders`, whose numbers each go up.
fn receive_all<W: Way>(way: &mut W, bytes: usize, messages: u64, senders: u64) -> anyhow::Result<f64> {
    let mut sum = 0;
    let warm_up = W::warm_up(bytes);
    for _ in 0..warm_up * senders {
        sum += way.receive()?;
    }
    let begin = Instant::now();
    for _ in 0..messages * senders {
        sum += way.receive()?;
    }
    let rate = (messages * senders) as f64 / begin.elapsed().as_secs_f64() / 1e6;
    let each = messages + warm_up;
    ensure!(sum == senders * (each * (each - 1) / 2), "messages were lost or doubled");
    Ok(rate)
}

/// Millions of messages a second, from two processes to the parent.
pub(crate) fn two_senders<W: Way>(bytes: usize, messages: u64) -> anyhow::Result<f64> {
    let parent = std::process::id();
    let way = std::cell::RefCell::new(W::make(bytes)?);
    let answers = sys::in_two_processes(&|start| {
        if std::process::id() == parent {
            let way = &mut *way.borrow_mut();
            way.begin_receiving()?;
            start()?;
            return Ok([receive_all(way, bytes, messages, 2)?, 0.0]);
        }
        start()?;
        sys::in_two_processes(&|start| {
            let way = &mut *way.borrow_mut();
            way.begin_sending()?;
            start()?;
            Ok([send_all(way, bytes, messages)?, 0.0])
        })
        .map(|answers| answers[0])
    })?;
    Ok(answers[0][0])
}

/// How long to wait for the other process before something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
