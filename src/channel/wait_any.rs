//! Waiting for several queues at a time.

use std::time::{Duration, Instant};

use super::receiver::Receiver;
use crate::lock::{barrier, futex};

/// Who cannot be woken, or watches for deaths, looks again after so long.
const LONGEST_SLEEP: Duration = if cfg!(test) { Duration::from_secs(3600) } else { Duration::from_millis(20) };

/// Waits until one of the receivers has something to take; gives its index, the lowest if there are several. `None`:
/// not within `timeout`.
///
/// Then [`try_recv`](Receiver::try_recv): another receiver of that queue may have been quicker. What a dead receiver
/// had comes to light here within some 20 ms, too. Sleeps until a message comes (Linux 5.16 or newer; elsewhere it
/// looks every millisecond).
///
/// ```
/// use cotenant::channel::{Queue, wait_any};
/// use cotenant::{Backing, Segment};
/// use std::time::Duration;
///
/// let queue = || Queue::options().segment(Segment::options().backing(Backing::Anonymous)).create("example");
/// let (one, other) = (queue()?, queue()?);
/// other.sender()?.send(b"here")?;
/// let receivers = [one.receiver()?, other.receiver()?];
/// assert_eq!(wait_any(&[&receivers[0], &receivers[1]], Duration::from_secs(1)), Some(1));
/// # Ok::<(), cotenant::Error>(())
/// ```
pub fn wait_any(receivers: &[&Receiver<'_>], timeout: Duration) -> Option<usize> {
    let deadline = Instant::now().checked_add(timeout);
    let ready = || receivers.iter().position(|receiver| receiver.is_ready());
    loop {
        if let Some(ready) = ready() {
            return Some(ready);
        }
        let heard: Vec<_> = receivers.iter().map(|receiver| receiver.bell().listen()).collect();
        barrier::pass_in_all();
        if let Some(ready) = ready() {
            return Some(ready);
        }
        let left = deadline.map_or(LONGEST_SLEEP, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return None;
        }
        let words: Vec<_> = receivers.iter().zip(heard).map(|(it, heard)| (it.bell().word(), heard)).collect();
        futex::wait_any32(&words, left.min(LONGEST_SLEEP));
    }
}
