//! `Area`: an object with a typed head, and as many bytes behind it as its maker chose.
//!
//! ```text
//! | head: H | to a multiple of 64 | bytes: as many as the object has |
//! ```
//!
//! For what has its size at run time: a cache's budget, a queue's ring. The head is of a type that only this crate
//! makes, with a kind of its own ([`Kind::is_area`](crate::schema::Kind::is_area)). The number of bytes is the
//! directory's word, checked to lie in the segment and in reserved memory; what they hold is for the area's owner to
//! distrust. Who comes later finds the maker's size, whatever it asked for itself.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::make::{Claim, Ready};
use super::object::TypeLayout;
use super::reader::SegmentReader;
use super::segment::Segment;
use crate::error::{Error, ErrorKind, Result};
use crate::process_sync::ProcessSync;

/// An area of a segment, which `'a` borrows.
pub(crate) struct Area<'a, H> {
    pub(crate) head: &'a H,
    /// The first byte behind the head, on a multiple of 64 in the segment.
    pub(crate) bytes: NonNull<u8>,
    pub(crate) byte_count: usize,
    /// Whether this call made it.
    pub(crate) is_made: bool,
}

impl Segment {
    /// The area of that name; if there is none, it is made: `init` gets its bytes, all zero, and gives its head. As
    /// [`get_or_init`](Segment::get_or_init) in all else. Looks through the table each time.
    pub(crate) fn get_or_init_area<H: ProcessSync>(
        &self,
        name: &str,
        byte_count: u64,
        init: impl FnOnce(NonNull<u8>, usize) -> H,
    ) -> Result<Area<'_, H>> {
        let layout = TypeLayout::area_of::<H>(byte_count);
        let making = match self.maker().get_or_claim(name, &layout, None)? {
            // SAFETY: found by this layout, in this segment's mapping.
            Claim::Ready(ready) => return Ok(unsafe { area(ready, &layout, false) }),
            Claim::Make(making) => making,
        };
        let ready = making.ready;
        let object_bytes = ready.bytes as usize;
        if making.is_taken_over {
            // SAFETY: the object's own bytes, reserved; nobody has a reference before it is ready.
            unsafe { ready.address.write_bytes(0, object_bytes) };
        }
        let head_bytes = layout.head_bytes() as usize;
        // SAFETY: `admits_bytes` was checked: the head lies inside the object.
        let bytes = unsafe { ready.address.add(head_bytes) };
        // A panic drops `making`, which leaves it to the next one.
        let head = init(bytes, object_bytes - head_bytes);
        // SAFETY: aligned and large enough for `H`; nobody refers to it.
        unsafe { ready.address.cast::<H>().write(head) };
        // If its name was taken from it meanwhile, it is this caller's alone.
        let _has_name = making.finish();
        // SAFETY: just made, by this layout.
        Ok(unsafe { area(ready, &layout, true) })
    }

    /// Why a segment that was there has no area of so many bytes: it may have been made for something else, and have no
    /// room beside that. `what` and `name` are those of what was to be in it.
    #[cold]
    pub(crate) fn why_not_made(&self, what: &str, name: &str, byte_count: u64, error: Error) -> Error {
        let is_too_small = self.used_bytes().saturating_add(byte_count) > self.max_bytes();
        let others: Vec<_> = self.objects().map(|object| object.name).collect();
        let is_others = !others.is_empty() && !others.iter().any(|other| other == name);
        if self.is_created() || error.kind() != ErrorKind::NoSpace || !is_too_small || !is_others {
            return error;
        }
        let path = self.path();
        let named: Vec<_> = others.iter().take(3).map(|other| format!("`{other}`")).collect();
        let more = if others.len() > named.len() { " and others" } else { "" };
        let told =
            format!("the segment {path} holds {}{more}, and no {what}, for which it has no room", named.join(", "));
        Error::new(ErrorKind::Mismatch, told)
            .hint(format!("choose another name for the {what}, or have that segment removed by those who use it"))
    }

    /// The area of that name; `None` if there is none, or if it is being made.
    pub(crate) fn get_area<H: ProcessSync>(&self, name: &str) -> Result<Option<Area<'_, H>>> {
        let layout = TypeLayout::area_of::<H>(0);
        // SAFETY: found by this layout, in this segment's mapping.
        Ok(self.maker().get(name, &layout)?.map(|ready| unsafe { area(ready, &layout, false) }))
    }
}

impl SegmentReader {
    /// The area of that name; `None` if there is none, or if it is being made. Its memory can only be read: a store
    /// through the head or the bytes is a signal.
    pub(crate) fn get_area<H: ProcessSync>(&self, name: &str) -> Result<Option<Area<'_, H>>> {
        let layout = TypeLayout::area_of::<H>(0);
        let found = self.find(name, &layout)?;
        // SAFETY: found by this layout, in this segment's mapping.
        Ok(found.map(|(address, bytes)| unsafe { area(Ready { index: 0, address, bytes }, &layout, false) }))
    }
}

/// # Safety
/// `ready` is an object of this layout, which is `H`'s, mapped as long as `'a`.
unsafe fn area<'a, H: ProcessSync>(ready: Ready, layout: &TypeLayout, is_made: bool) -> Area<'a, H> {
    let head_bytes = layout.head_bytes() as usize;
    // SAFETY: the head, and the padding behind it, lie inside the object (`TypeLayout::admits_bytes`).
    let bytes = unsafe { ready.address.add(head_bytes) };
    // SAFETY: mapped, aligned, and an `H` by its fingerprint; `H: ProcessSync` may be shared.
    let head = unsafe { ready.address.cast::<H>().as_ref() };
    Area { head, bytes, byte_count: ready.bytes as usize - head_bytes, is_made }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::error::ErrorKind;
    use crate::schema::{Kind, Part, Schema};

    #[repr(C)]
    struct Head {
        count: AtomicU64,
    }

    // SAFETY: one atomic, as the schema says.
    unsafe impl ProcessSync for Head {
        const SCHEMA: &'static Schema = {
            let parts: &[Part] = &[Part { name: "count", at: 0, doc: "", schema: Some(AtomicU64::SCHEMA) }];
            &Schema::compound::<Head>("Head", Kind::Cache, parts)
        };
        const ZERO_IS_VALID: bool = true;
        const IS_STABLE_LAYOUT: bool = true;
    }

    fn segment() -> Segment {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test.area.{}.{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        Segment::options().max_bytes(1 << 20).create(&name).expect("a segment")
    }

    #[test]
    fn an_area_has_the_size_that_its_maker_chose() {
        let segment = segment();
        assert!(segment.get_area::<Head>("ring").expect("no error").is_none());
        let made = segment.get_or_init_area("ring", 1000, |bytes, count| {
            assert_eq!(count, 1000);
            // SAFETY: as many bytes are there.
            unsafe { bytes.write_bytes(7, count) };
            Head { count: AtomicU64::new(5) }
        });
        let made = made.expect("room");
        assert!(made.is_made && made.byte_count == 1000);
        let found = segment.get_or_init_area::<Head>("ring", 50, |_, _| panic!("it is there")).expect("no error");
        assert!(!found.is_made);
        assert_eq!((found.byte_count, found.bytes, found.head.count.load(Relaxed)), (1000, made.bytes, 5));
        assert_eq!(made.bytes.as_ptr() as usize % 64, 0);
        // SAFETY: as many bytes are there.
        let last = unsafe { found.bytes.add(999) };
        // SAFETY: inside the area, and nobody writes it.
        assert_eq!(unsafe { last.read() }, 7);
        // What follows lies behind it.
        let next = segment.get_or_init_area("next", 64, |_, _| Head { count: AtomicU64::new(0) }).expect("room");
        assert!(std::ptr::from_ref(next.head).addr() >= made.bytes.as_ptr() as usize + 1000);
        let found = segment.get_area::<Head>("ring").expect("no error").expect("it is there");
        assert_eq!(found.byte_count, 1000);
    }

    #[test]
    fn what_a_maker_left_half_done_is_zero_for_the_next() {
        let segment = segment();
        let made = catch_unwind(AssertUnwindSafe(|| {
            segment.get_or_init_area::<Head>("ring", 200, |bytes, count| {
                // SAFETY: as many bytes are there.
                unsafe { bytes.write_bytes(7, count) };
                panic!("half-way")
            })
        }));
        assert!(made.is_err());
        assert!(segment.get_area::<Head>("ring").expect("no error").is_none());
        let area = segment.get_or_init_area("ring", 4000, |bytes, count| {
            // The first maker's entry stays, and with it its size.
            assert_eq!(count, 200);
            // SAFETY: as many bytes are there, and nobody writes them.
            assert!(unsafe { std::slice::from_raw_parts(bytes.as_ptr(), count) }.iter().all(|byte| *byte == 0));
            Head { count: AtomicU64::new(1) }
        });
        assert!(area.expect("room").is_made);
    }

    #[test]
    fn an_area_that_does_not_fit_is_refused() {
        let segment = segment();
        for bytes in [2 << 20, u64::MAX] {
            let refused = segment.get_or_init_area("ring", bytes, |_, _| Head { count: AtomicU64::new(0) });
            assert_eq!(refused.map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::NoSpace));
        }
        segment.get_or_init("n", || AtomicU64::new(0)).expect("room");
        let other = segment.get_area::<Head>("n").map(|_| ());
        assert_eq!(other.map_err(|error| error.kind()), Err(ErrorKind::Mismatch));
    }
}
