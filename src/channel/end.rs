//! `End`: what senders and receivers have in common: which queue, whose thread, alone or not, and how it waits.
//!
//! Each side of a queue has a lock. An end that is one of several takes it for some stores; a sole end holds it as long
//! as it lives. Its ticket is that of the process that made it: in a child of a fork an end among several takes part
//! anew, and a sole one is the parent's.

use std::cell::Cell;
use std::marker::PhantomData;

use super::errors;
use super::places::Fate;
use super::ring::Ring;
use super::waiting::Waiting;
use crate::error::Result;
use crate::lock::{RawLock, Ticket};

pub(super) struct End<'q> {
    pub(super) ring: Ring,
    pub(super) fate: Fate,
    /// Of a sole end that of its side's lock.
    ticket: Cell<Ticket>,
    pub(super) is_sole: bool,
    /// A child of a fork took part anew: it may have copies of what its parent received.
    pub(super) has_copies: Cell<bool>,
    pub(super) waiting: Waiting,
    queue: PhantomData<&'q ()>,
}

impl End<'_> {
    pub(super) fn new<'q>(ring: Ring, fate: Fate, ticket: Ticket, is_sole: bool) -> End<'q> {
        let (ticket, has_copies) = (Cell::new(ticket), Cell::new(false));
        End { ring, fate, ticket, is_sole, has_copies, waiting: Waiting::new(), queue: PhantomData }
    }

    #[inline(always)]
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket.get()
    }

    /// Whether this process made it, or took part anew.
    #[inline(always)]
    pub(super) fn is_ours(&self) -> bool {
        self.ticket.get().still_this_process()
    }

    /// In a child of a fork: as a participant of its own, by the lock of its side.
    #[inline]
    pub(super) fn take_part(&self, lock: &RawLock, role: &str) -> Result<()> {
        if !self.is_ours() {
            if self.is_sole {
                return Err(errors::role_is_the_parents(role, &self.ring));
            }
            self.ticket.set(lock.this_thread().map_err(|why| errors::of_lock(&self.ring, why))?);
            self.has_copies.set(true);
        }
        Ok(())
    }
}
