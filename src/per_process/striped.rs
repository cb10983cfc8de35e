//! `Striped`: a few words in each of many stripes, found by who asks.
//!
//! ```text
//!                   shared stripes (2^n)                own stripes (as many)
//! first ->  | a b c .. | a b c .. | a b c .. |   | a b c .. | a b c .. | a b c .. |
//!            <- stride ->
//! ```
//!
//! The insides of [`PerProcess`](super::PerProcess) for words whose number and place are known at run time only. A
//! stripe has whole cache lines to itself; the words of one stripe are changed by the same threads.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use super::PerProcess;
use crate::lock::atomic::AtomicU32;
use crate::lock::{RawLock, Ticket, owner};
use crate::sync::cells::{Claimed, claim_or_take_over};

/// Who may have the own stripes.
#[derive(Clone, Copy)]
pub(crate) struct Owners<'a> {
    pub(crate) words: &'a [RawLock],
    /// The word from which on owners are asked about next.
    pub(crate) asked: &'a AtomicU32,
}

/// The same words of every stripe.
#[derive(Clone, Copy)]
pub(crate) struct Striped<'a> {
    first: NonNull<AtomicU64>,
    /// From the first word of a stripe to that of the next, in words.
    stride: usize,
    /// Words of each stripe.
    words: usize,
    /// One less than the number of shared stripes, which is a power of two.
    mask: u32,
    owners: Owners<'a>,
}

// SAFETY: all access goes through atomics.
unsafe impl Send for Striped<'_> {}
// SAFETY: as above.
unsafe impl Sync for Striped<'_> {}

/// The words of one stripe.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    first: NonNull<AtomicU64>,
    count: usize,
    lifetime: PhantomData<&'a AtomicU64>,
}

impl<'a> Deref for Words<'a> {
    type Target = [AtomicU64];

    #[inline]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: so many atomics are there, as `Striped::new` was promised.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl<'a> Striped<'a> {
    /// # Safety
    /// From `first` on lie `2 * shared` stripes, one every `stride` words, of which the first `words` are this one's:
    /// all mapped for `'a`, aligned, and only ever used as atomics. `shared` is a power of two.
    pub(crate) unsafe fn new(
        first: NonNull<AtomicU64>,
        (stride, words): (usize, usize),
        shared: u32,
        owners: Owners<'a>,
    ) -> Striped<'a> {
        Striped { first, stride, words, mask: shared - 1, owners }
    }

    fn shared(&self) -> usize {
        self.mask as usize + 1
    }

    /// # Safety
    /// `index` is below the number of stripes.
    #[inline]
    unsafe fn stripe(&self, index: usize) -> Words<'a> {
        // SAFETY: the caller's promise, and that of `new`.
        let first = unsafe { self.first.add(index * self.stride) };
        Words { first, count: self.words, lifetime: PhantomData }
    }

    /// The stripe for this thread to change by atomic additions.
    #[inline]
    pub(crate) fn here(&self) -> Words<'a> {
        // SAFETY: at most the mask.
        unsafe { self.stripe((owner::thread_number() & self.mask) as usize) }
    }

    /// Every stripe, shared and own.
    pub(crate) fn all(self) -> impl Iterator<Item = Words<'a>> {
        // SAFETY: below their number.
        (0..2 * self.shared()).map(move |index| unsafe { self.stripe(index) })
    }

    /// The own stripe that was claimed as `index`; `None` for one of a larger set of stripes.
    fn own(&self, index: u32) -> Option<Words<'a>> {
        let index = index as usize;
        // SAFETY: the own ones follow the shared ones, and are as many.
        (index < self.shared()).then(|| unsafe { self.stripe(self.shared() + index) })
    }
}

impl<const W: usize, const N: usize> PerProcess<[AtomicU64; W], N> {
    /// The words of all cells.
    #[inline]
    pub(crate) fn striped(&self) -> Striped<'_> {
        let stride = size_of::<super::Line<[AtomicU64; W]>>() / 8;
        const { assert!(std::mem::offset_of!(Self, own) == Self::SHARED_AT + N * size_of::<super::Line<[u64; W]>>()) };
        // SAFETY: inside `self`.
        let first = unsafe { NonNull::from(self).cast::<AtomicU64>().add(Self::SHARED_AT / 8) };
        let owners = Owners { words: &self.owners, asked: &self.asked };
        // SAFETY: `shared`, and `own` right behind it, are `N` lines of `W` atomics each; `N` is a power of two.
        unsafe { Striped::new(first, (stride, W), N as u32, owners) }
    }
}

/// An own stripe that a thread has claimed, for all words of it; or none, where all are taken.
pub(crate) struct Claim<'a> {
    owners: Owners<'a>,
    claimed: Option<Claimed>,
}

impl<'a> Claim<'a> {
    /// Waits for nobody.
    pub(crate) fn new(owners: Owners<'a>) -> Rc<Claim<'a>> {
        Rc::new(Claim { owners, claimed: claim_or_take_over(owners.words, owners.asked) })
    }

    pub(crate) fn is_held(&self) -> bool {
        self.claimed.is_some_and(|claimed| claimed.ticket.still_this_process())
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed {
            // Release pairs with the Acquire of the next one's claim: it sees the values to add on to.
            self.owners.words[claimed.index as usize].release(claimed.ticket);
        }
    }
}

/// Words that only one thread stores to, while it is in the process that claimed them. Not `Send`: the claim is of the
/// whole stripe, and other handles of this thread may use the same words.
pub(crate) struct OwnWords<'a> {
    own: Option<(Words<'a>, Ticket)>,
    pub(crate) striped: Striped<'a>,
    /// Held as long as the words are used.
    _claim: Rc<Claim<'a>>,
}

impl<'a> OwnWords<'a> {
    pub(crate) fn new(striped: Striped<'a>, claim: &Rc<Claim<'a>>) -> OwnWords<'a> {
        // A claim of other words' stripes says nothing of these.
        let claimed = claim.claimed.filter(|_| std::ptr::eq(claim.owners.words, striped.owners.words));
        let own = claimed.and_then(|claimed| Some((striped.own(claimed.index)?, claimed.ticket)));
        OwnWords { own, striped, _claim: Rc::clone(claim) }
    }

    /// Of a claim that is for these words alone.
    pub(crate) fn claim(striped: Striped<'a>) -> OwnWords<'a> {
        OwnWords::new(striped, &Claim::new(striped.owners))
    }

    /// The words, if nobody else stores to them: not in a child of a fork, and not if no stripe was free.
    #[inline]
    pub(crate) fn own(&self) -> Option<Words<'a>> {
        let (words, ticket) = self.own.as_ref()?;
        ticket.still_this_process().then_some(*words)
    }
}
