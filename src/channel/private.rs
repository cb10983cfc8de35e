//! A queue in private memory, for the tests of its insides and the models.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::head::QueueHead;
use super::queue::{Delivery, Queue};
use super::record::LINE_BYTES;
use super::ring::Ring;

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u64; 8]);

pub(super) struct Memory {
    head: QueueHead,
    lines: Box<[Line]>,
}

impl Memory {
    pub(super) fn ring(&self) -> Ring {
        let lines = NonNull::from(&*self.lines).cast();
        // SAFETY: the queue keeps the memory, at this address.
        unsafe { Ring::new(&self.head, lines, self.lines.len() as u64) }
    }
}

/// A queue of so many lines, a power of two, for threads.
pub fn queue(lines: usize, delivery: Delivery) -> Queue<'static> {
    const _: () = assert!(size_of::<Line>() as u64 == LINE_BYTES);
    let number = if delivery == Delivery::AtMostOnce { 1 } else { 2 };
    let memory = Memory { head: QueueHead::new(number, 0), lines: vec![Line([0; 8]); lines].into_boxed_slice() };
    Queue::with_memory(Box::new(memory), delivery)
}
