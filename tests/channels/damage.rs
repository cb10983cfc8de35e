//! A queue whose bytes are overwritten, and everything that can be done with it then. Shared with the fuzz target.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cotenant::channel::{Delivery, Queue, Receiver, Sender};
use cotenant::{Backing, ErrorKind, Segment};

/// Before the ring.
pub(crate) const HEAD_BYTES: usize = 768;
const CAPACITY_BYTES: u64 = 1024;
/// No call waits longer, whatever the bytes say, but for a lock that a living process seems to hold.
const SHORT: Duration = Duration::from_millis(1);

/// Puts words over those of a queue in use, each at its place from the head on, and goes on using it. Why those who come
/// later are refused, if they are.
pub(crate) fn try_everything(patches: &[(usize, u64)]) -> Option<ErrorKind> {
    let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 16).create("damaged").expect("memory");
    let options = Queue::options().capacity_bytes(CAPACITY_BYTES).delivery(Delivery::AtLeastOnce);
    let queue = options.open_or_create_in(&segment, "queue").expect("a queue");
    let (mut sender, receiver) = (queue.sender().expect("a sender"), queue.receiver().expect("a receiver"));
    for number in 0..5 {
        sender.try_send([number; 40]).expect("room");
        if number < 2 {
            drop(receiver.try_recv());
        }
    }
    let at = segment.objects().find(|object| object.name == "queue").expect("the object").at as usize;
    // The first object's address, from that of a value beside it.
    let near = segment.get_or_init("near", || AtomicU64::new(0)).expect("room");
    let near_at = segment.objects().find(|object| object.name == "near").expect("the object").at as usize;
    let head = NonNull::from(near).cast::<u8>().as_ptr().wrapping_add(at).wrapping_sub(near_at);
    for (place, word) in patches {
        // SAFETY: inside the queue's object, aligned; everybody uses these words as atomics.
        unsafe { AtomicU64::from_ptr(head.wrapping_add(*place).cast()) }.store(*word, Relaxed);
    }
    use_all(&mut sender, &receiver);
    // As they are found by those who come later.
    let queue = match Queue::options().open_in(&segment, "queue") {
        Ok(queue) => queue,
        Err(error) => return Some(error.kind()),
    };
    let ends = (queue.sole_sender_timeout(SHORT), queue.sole_receiver_timeout(SHORT));
    if let (Ok(mut sender), Ok(receiver)) = ends {
        use_all(&mut sender, &receiver);
    }
    let _ = (queue.used_bytes(), queue.max_message_bytes());
    None
}

fn use_all(sender: &mut Sender<'_>, receiver: &Receiver<'_>) {
    for number in 0..30 {
        let _ = sender.try_send([number; 70]);
        if let Ok(Some(mut place)) = sender.try_reserve(9) {
            place.fill(1);
            if number % 2 == 0 {
                place.commit();
            }
        }
        for _ in 0..2 {
            if let Ok(Some(message)) = receiver.try_recv() {
                let sum: u64 = message.iter().map(|byte| u64::from(*byte)).sum();
                std::hint::black_box(sum);
                if number % 3 == 0 { drop(message) } else { message.ack() }
            }
        }
    }
}
