//! A queue in private memory, for the tests of its insides and the models.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::head::QueueHead;
use super::queue::{Delivery, Queue};
use super::record::UNIT_BYTES;
use super::ring::Ring;

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u64; 8]);

const UNITS_OF_A_LINE: usize = size_of::<Line>() / UNIT_BYTES as usize;

pub(super) struct Memory {
    head: QueueHead,
    lines: Box<[Line]>,
}

impl Memory {
    pub(super) fn ring(&self, name: &str) -> Ring {
        let lines = NonNull::from(&*self.lines).cast();
        // SAFETY: the queue keeps the memory, at this address, and the name.
        unsafe { Ring::new(&self.head, lines, (self.lines.len() * UNITS_OF_A_LINE) as u64, name) }
    }
}

/// A queue of so many units, a power of two from 4 on, for threads.
pub fn queue(units: usize, delivery: Delivery) -> Queue<'static> {
    let number = if delivery == Delivery::AtMostOnce { 1 } else { 2 };
    let lines = vec![Line([0; 8]); units / UNITS_OF_A_LINE].into_boxed_slice();
    let memory = Memory { head: QueueHead::new(number, 0), lines };
    Queue::with_memory(Box::new(memory), delivery)
}
