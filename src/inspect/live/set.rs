//! Changes a live value as its own programs would: under the locks that guard it, by stores of which each leaves a
//! valid value.
//!
//! ```text
//! join  ->  take the locks on the way, the outermost first  ->  is the part there?  ->  store  ->  let go
//! killed while it stores: a dead owner, whom the next one finds as any other
//! ```
//!
//! What no lock guards is changed only where programs access it atomically: of all else they believe that it stays.

#![allow(unsafe_code)]

use std::path::Path;
use std::sync::atomic::Ordering::{Release, SeqCst};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, compiler_fence};
use std::time::Duration;

use super::mend::address_of;
use super::objects::LiveObject;
use super::segment::LiveSegment;
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::layout::Guard;
use crate::inspect::stores::Store;
use crate::inspect::{Part, Typed, printable};
use crate::lock::{Locked, NotLocked, RawLock, Ticket};
use crate::schema::Kind;
use crate::schema::decode::Node;
use crate::sync::patience::Patience;
use crate::sync::raw_rwlock::{Head, Write};
use crate::sys::visit::{self, Visit};

/// Where the cells of an RwLock lie, behind its head.
const READERS_AT: u64 = size_of::<Head>() as u64;

/// A lock that is held; let go of when it is dropped.
enum Held<'a> {
    Mutex(&'a RawLock, Ticket),
    RwLock(&'a Head, Ticket),
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        match self {
            Held::Mutex(lock, ticket) => lock.unlock(*ticket),
            Held::RwLock(head, ticket) => head.leave_writing(*ticket, true),
        }
    }
}

impl LiveSegment {
    /// Changes a part of an object of this segment, whose file is at `path`; gives the value before. This process
    /// becomes a participant for that time. Waits at most `timeout` for each lock on the way.
    ///
    /// Fields of a struct that `value` does not name stay as they are. Atomics that no lock guards are stored each by
    /// itself. Killed meanwhile, the next one who takes the lock is told that its owner died.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the value does not suit the type, or if the part is one that programs believe
    /// constant; [`ErrorKind::TimedOut`] if a lock is held for so long; [`ErrorKind::OwnerDied`] if the value was left
    /// half changed; [`ErrorKind::NotFound`] as for [`typed`](LiveSegment::typed), and if nobody is attached to a
    /// segment that lives only as long as somebody is.
    pub fn set(
        &self,
        path: &Path,
        object: &LiveObject,
        part: &Part,
        value: &Typed,
        timeout: Duration,
    ) -> Result<Typed> {
        let stores = part.layout.stores(value)?;
        check_may_change(object, part, &stores)?;
        self.check_is_there(object, part)?;
        let visit = visit::join(path)?;
        if visit.instance() != self.header.instance {
            return Err(Error::new(ErrorKind::Busy, format!("{} is another segment by now", path.display())));
        }
        let mut held = Vec::new();
        for guard in &part.guards {
            held.push(take(&visit, object, guard, timeout)?);
        }
        // Under the locks: a list may have become shorter while we waited.
        self.check_is_there(object, part)?;
        let mut before = self.part_bytes(object, part)?;
        for store in &stores {
            let at = object.at.saturating_add(part.at).saturating_add(store.at);
            let old = put(&visit, at, store).ok_or_else(|| self.damaged("the value lies outside of what is mapped"))?;
            if store.is_atomic && stores.len() == 1 && store.bytes().len() == before.len() {
                // Of one atomic exactly what was exchanged.
                before.copy_from_slice(&old[..store.bytes().len()]);
            }
        }
        // The innermost first.
        while held.pop().is_some() {}
        part.layout.typed(&before)
    }
}

/// Refuses what programs believe constant.
fn check_may_change(object: &LiveObject, part: &Part, stores: &[Store]) -> Result<()> {
    let refused = |why: &str| {
        let what = format!("{} cannot be set: {why}", printable(object.name()));
        Err(Error::new(ErrorKind::InvalidInput, what))
    };
    if part.guards.iter().any(|guard| guard.node.kind() == Some(Kind::OnceCell)) {
        return refused("what a OnceCell holds is set once, by its own programs");
    }
    let is_locked = !part.guards.is_empty();
    if !is_locked && stores.iter().any(|store| !store.is_atomic) {
        return refused("no lock guards it and it is no atomic, so its programs believe that it never changes");
    }
    Ok(())
}

fn take<'a>(visit: &'a Visit, object: &LiveObject, guard: &Guard, timeout: Duration) -> Result<Held<'a>> {
    let name = printable(object.name());
    let damaged = || Error::new(ErrorKind::Corrupt, format!("the lock of {name} lies where none can be"));
    let at = object.at.saturating_add(guard.at);
    let patience = Patience::of(timeout);
    if guard.node.kind() == Some(Kind::RwLock) {
        let head: &Head = at_offset(visit, at).ok_or_else(damaged)?;
        let cells = cells(visit, &guard.node, at).ok_or_else(damaged)?;
        return match head.write(cells, patience) {
            Ok(Write::In(ticket)) => Ok(Held::RwLock(head, ticket)),
            Ok(Write::WriterDied(ticket, owner_half)) => {
                head.writer.leave(ticket, owner_half);
                Err(owner_died(&name))
            }
            Err(why) => Err(not_locked(&name, &head.writer, why)),
        };
    }
    let word = guard.node.children.iter().find(|part| part.name == "lock").ok_or_else(damaged)?;
    let lock: &RawLock = at_offset(visit, at.saturating_add(word.at)).ok_or_else(damaged)?;
    match patience.lock(lock) {
        Ok((ticket, Locked::Clean)) => Ok(Held::Mutex(lock, ticket)),
        Ok((ticket, Locked::Inconsistent(owner_half))) => {
            lock.leave(ticket, owner_half);
            Err(owner_died(&name))
        }
        Err(why) => Err(not_locked(&name, lock, why)),
    }
}

/// The readers' cells, if they lie where this version puts them.
fn cells<'a>(visit: &'a Visit, lock: &Node, at: u64) -> Option<&'a [RawLock]> {
    let readers = lock.children.iter().find(|part| part.name == "readers" && part.at == READERS_AT)?;
    let count = usize::try_from(readers.count).ok()?;
    let bytes = count.checked_mul(size_of::<RawLock>())?;
    let first = address_of(visit, at.checked_add(READERS_AT)?, bytes, align_of::<RawLock>())?;
    // SAFETY: mapped shared, writable and aligned (checked by `address_of`) while the visit lasts. A lock word is an
    // atomic, of which every value is one.
    Some(unsafe { std::slice::from_raw_parts(first.cast::<RawLock>(), count) })
}

/// A word, or some, of the segment, if it is all mapped.
fn at_offset<T: OfAtomics>(visit: &Visit, at: u64) -> Option<&T> {
    let address = address_of(visit, at, size_of::<T>(), align_of::<T>())?;
    // SAFETY: as in `cells`; `OfAtomics` says that every byte pattern is a value, and that shared changes are sound.
    Some(unsafe { &*address.cast::<T>() })
}

/// Types that are made of atomics alone.
///
/// # Safety
/// Every byte pattern is a value, and others may change the bytes at any time.
unsafe trait OfAtomics {}
// SAFETY: one atomic each, or a struct of them.
unsafe impl OfAtomics for AtomicU8 {}
// SAFETY: as above.
unsafe impl OfAtomics for AtomicU16 {}
// SAFETY: as above.
unsafe impl OfAtomics for AtomicU32 {}
// SAFETY: as above.
unsafe impl OfAtomics for AtomicU64 {}
// SAFETY: as above.
unsafe impl OfAtomics for RawLock {}
// SAFETY: atomics, and words that nobody reads.
unsafe impl OfAtomics for Head {}

/// Makes one store; gives the bytes before. `None`: not all of it is mapped.
fn put(visit: &Visit, at: u64, store: &Store) -> Option<[u8; 16]> {
    let mut old = [0; 16];
    let bytes = store.bytes();
    match bytes.len() {
        // SeqCst: a store that nothing passes, whichever ordering its programs load it with.
        1 => old[0] = at_offset::<AtomicU8>(visit, at)?.swap(bytes[0], SeqCst),
        2 => {
            let new = u16::from_ne_bytes(bytes.try_into().ok()?);
            old[..2].copy_from_slice(&at_offset::<AtomicU16>(visit, at)?.swap(new, SeqCst).to_ne_bytes());
        }
        4 => {
            let new = u32::from_ne_bytes(bytes.try_into().ok()?);
            old[..4].copy_from_slice(&at_offset::<AtomicU32>(visit, at)?.swap(new, SeqCst).to_ne_bytes());
        }
        8 => {
            let new = u64::from_ne_bytes(bytes.try_into().ok()?);
            old[..8].copy_from_slice(&at_offset::<AtomicU64>(visit, at)?.swap(new, SeqCst).to_ne_bytes());
        }
        _ => {
            // Of 128 bits, and so under a lock: half and half.
            for (at, half) in (at..).step_by(8).zip(bytes.chunks_exact(8)) {
                at_offset::<AtomicU64>(visit, at)?.store(u64::from_ne_bytes(half.try_into().ok()?), Release);
            }
        }
    }
    // In this order, so that a death between two of them leaves a value.
    compiler_fence(SeqCst);
    Some(old)
}

fn owner_died(name: &str) -> Error {
    let what = format!("{name} was not set: whoever held its lock died, or panicked, and left it half changed");
    Error::new(ErrorKind::OwnerDied, what)
        .hint("look at it, and have a program repair it, or call it whole with `cotenant reset`")
}

fn not_locked(name: &str, lock: &RawLock, why: NotLocked) -> Error {
    let owner = lock.owner().and_then(|half| lock.describe_owner(half));
    let owner = owner.map_or_else(|| "somebody".to_owned(), |(pid, program)| format!("{pid} {}", printable(&program)));
    let (kind, why) = match why {
        NotLocked::TimedOut | NotLocked::WouldBlock => (
            ErrorKind::TimedOut,
            format!("{owner} holds its lock, and did not let go of it in time; `cotenant show` says who else waits"),
        ),
        NotLocked::WouldDeadlock => (ErrorKind::WouldDeadlock, "it lies behind one lock twice".to_owned()),
        NotLocked::NotRecoverable => (
            ErrorKind::OwnerDied,
            "a repairer gave its lock up; look at it, then call it whole with `cotenant reset`".to_owned(),
        ),
        NotLocked::NoSlot(error) => return *error,
    };
    Error::new(kind, format!("{name} was not set: {why}"))
}
