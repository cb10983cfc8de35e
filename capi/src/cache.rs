//! Caches: entries of bytes that all processes share, within a fixed budget.
//!
//! ```text
//! cache          open, close, statistics          cache_read       copies, pins, iteration
//! cache_write    insert and its kin               cache_compute    single flight
//! ```

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use cotenant_rust::cache::{Cache, CacheActivity, CacheOptions, CacheReader};

use crate::segment::{at, cotenant_segment, cotenant_segment_options, options, out, some_text, text};
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, Result, call, invalid};

/// A cache that all processes share: keys and values are bytes. Opaque: made by cotenant_cache_open_or_create and its
/// kin, freed by cotenant_cache_close. Threads may share it. Rust's Cache of the same name is the same. A process that
/// is killed in any call leaves a cache that the others go on with; what it was writing is there or not, whole.
///
/// Nothing stays for sure: an entry may be thrown out at any time to make room for others. COTENANT_NOT_FOUND of the
/// calls here is an answer, not a failure: it leaves cotenant_error_message alone.
pub struct cotenant_cache {
    cache: Handle,
}

pub(crate) enum Handle {
    Writable(Cache),
    ReadOnly(CacheReader),
}

/// How a cache is to be. All zero are the defaults, so set what you want of `cotenant_cache_options options = {0};` (in
/// C++ `{}`), or pass a null pointer. What describes the cache counts for the one who creates it; who finds it gets it
/// as it is. docs/cache.md says more of each.
#[repr(C)]
pub struct cotenant_cache_options {
    /// The budget: bytes for entries, their index and the cache's own words. 0: 64 MiB.
    pub capacity_bytes: u64,
    /// What cotenant_cache_grow may come to make of it: address space, not memory. 0: it cannot grow.
    pub max_capacity_bytes: u64,
    /// Key and value of the longest entry, together. 0: a 400th to an 800th of the capacity, more of a small cache.
    pub max_entry_bytes: u64,
    /// Key and value of an entry on average, which the index is made for. 0: 256.
    pub mean_entry_bytes: u64,
    /// How many entries may be pinned at once, by all processes. 0: 256.
    pub max_pins: u32,
    /// How many processes may be attached at once, up to 4,095. 0: 1,024.
    pub max_participants: u32,
    /// What it is called among the objects of its segment; null: "cache". Of cotenant_cache_open_in its name.
    pub object: *const c_char,
    /// How its segment is to be: backing, mode, keep_until_removed and so on; null: the defaults. Its max_bytes,
    /// max_objects and max_participants are not looked at.
    pub segment: *const cotenant_segment_options,
    /// Zero: for options of later versions.
    pub reserved: [u64; 4],
}

/// What happened in a cache, and what is in it: cotenant_cache_get_stats.
#[repr(C)]
#[derive(Default)]
pub struct cotenant_cache_stats {
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that found none, or one whose time was over.
    pub misses: u64,
    /// Reads that were content with an entry whose time was over, and found one.
    pub stale_hits: u64,
    /// Entries that were inserted, in the place of others or not.
    pub inserts: u64,
    /// Entries that were computed in single flight.
    pub computed: u64,
    /// How often somebody waited for another one's computation.
    pub awaited: u64,
    /// Entries, those that have expired and are still there included.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// The budget.
    pub capacity_bytes: u64,
    /// Entries that were thrown out to make room.
    pub evicted_for_space: u64,
    /// Entries whose time was over when their room was taken.
    pub evicted_expired: u64,
    /// Entries that were thrown out because the index was full around them: they are much shorter than
    /// mean_entry_bytes says.
    pub evicted_by_index: u64,
    /// Entries that were removed, cotenant_cache_clear not counted.
    pub removed: u64,
    /// How often a part was put right after the death of a writer.
    pub repairs: u64,
    /// Zero.
    pub reserved: [u64; 2],
}

/// # Safety
/// Null, or a handle that is not closed during the call.
pub(crate) unsafe fn handle<'a>(cache: *const cotenant_cache) -> Result<&'a Handle> {
    // SAFETY: the caller's promise.
    let cache = unsafe { cache.as_ref() }.ok_or_else(|| invalid("the cache is a null pointer"))?;
    Ok(&cache.cache)
}

/// # Safety
/// As of [`handle`].
pub(crate) unsafe fn writable<'a>(cache: *const cotenant_cache) -> Result<&'a Cache> {
    // SAFETY: the caller's promise.
    match unsafe { handle(cache) }? {
        Handle::Writable(cache) => Ok(cache),
        Handle::ReadOnly(_) => {
            let message = "a cache that is only read can be asked for copies, entries and statistics alone".to_owned();
            Err(Failure { status: COTENANT_UNSUPPORTED, message })
        }
    }
}

/// A time to live, as C says it: 0 is none.
pub(crate) fn ttl(ttl_ms: u64) -> Option<Duration> {
    (ttl_ms != 0).then(|| Duration::from_millis(ttl_ms))
}

pub(crate) fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// As [`call`], with an answer: whether what was asked for is there.
pub(crate) fn found(body: impl FnOnce() -> Result<bool>) -> cotenant_status {
    let mut is_there = false;
    let status = call(|| {
        is_there = body()?;
        Ok(())
    });
    if status == COTENANT_OK && !is_there { COTENANT_NOT_FOUND } else { status }
}

/// # Safety
/// Null, or options whose texts are C strings, and whose segment options are such, that stay during the call.
unsafe fn cache_options(given: *const cotenant_cache_options) -> Result<CacheOptions> {
    let mut all = Cache::options();
    // SAFETY: the caller's promise.
    let Some(given) = (unsafe { given.as_ref() }) else { return Ok(all) };
    if given.reserved != [0; 4] {
        let what = "the options say something that this version of the library does not know: begin with {0}";
        return Err(invalid(what));
    }
    // SAFETY: the caller's promise.
    all = all.segment(unsafe { options(given.segment) }?);
    // What is 0 or null is not said.
    all = if given.capacity_bytes == 0 { all } else { all.capacity_bytes(given.capacity_bytes) };
    all = if given.max_capacity_bytes == 0 { all } else { all.max_capacity_bytes(given.max_capacity_bytes) };
    all = if given.max_entry_bytes == 0 { all } else { all.max_entry_bytes(given.max_entry_bytes) };
    all = if given.mean_entry_bytes == 0 { all } else { all.mean_entry_bytes(given.mean_entry_bytes) };
    all = if given.max_pins == 0 { all } else { all.max_pins(given.max_pins) };
    all = if given.max_participants == 0 { all } else { all.max_participants(given.max_participants) };
    // SAFETY: the caller's promise.
    let object = unsafe { some_text(given.object, "the name of the object") }?;
    Ok(object.map_or(all.clone(), |object| all.object(object)))
}

/// # Safety
/// What each argument is to be, or null.
unsafe fn open_with(
    name: *const c_char,
    options: *const cotenant_cache_options,
    cache: *mut *mut cotenant_cache,
    open: impl FnOnce(&CacheOptions, &str) -> cotenant_rust::Result<Handle>,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller's promise.
        let place = unsafe { out(cache) }?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "the name of the cache") }?;
        // SAFETY: the caller's promise.
        let options = unsafe { cache_options(options) }?;
        *place = Box::into_raw(Box::new(cotenant_cache { cache: open(&options, name)? }));
        Ok(())
    })
}

/// Attaches to the cache of that name, and makes it, in a segment of that name, if there is none. Its memory is reserved
/// then: COTENANT_NO_SPACE. COTENANT_INVALID_INPUT: sizes that do not go together. COTENANT_MISMATCH: an object of that
/// name is no cache, or the segment was made for something else. Else as cotenant_segment_open_or_create; blocks as that
/// does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_open_or_create(
    name: *const c_char,
    options: *const cotenant_cache_options,
    cache: *mut *mut cotenant_cache,
) -> cotenant_status {
    let open = |options: &CacheOptions, name: &str| options.open_or_create(name).map(Handle::Writable);
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, cache, open) }
}

/// Makes a cache, and attaches to it: COTENANT_ALREADY_EXISTS if there is one. With COTENANT_BACKING_ANONYMOUS or
/// COTENANT_BACKING_MEMFD the name is a label, and children of a fork inherit it. As cotenant_cache_open_or_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_create(
    name: *const c_char,
    options: *const cotenant_cache_options,
    cache: *mut *mut cotenant_cache,
) -> cotenant_status {
    let open = |options: &CacheOptions, name: &str| options.create(name).map(Handle::Writable);
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, cache, open) }
}

/// Attaches to a cache that is there: COTENANT_NOT_FOUND if there is none, with a message. As
/// cotenant_cache_open_or_create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_open(
    name: *const c_char,
    options: *const cotenant_cache_options,
    cache: *mut *mut cotenant_cache,
) -> cotenant_status {
    let open = |options: &CacheOptions, name: &str| options.open(name).map(Handle::Writable);
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, cache, open) }
}

/// Attaches to a cache to read it, as cotenant_reader_open: without permission to write, without a slot, and without a
/// store. What writes or pins gives COTENANT_UNSUPPORTED then; reads do not count in the statistics.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_open_reader(
    name: *const c_char,
    options: *const cotenant_cache_options,
    cache: *mut *mut cotenant_cache,
) -> cotenant_status {
    let open = |options: &CacheOptions, name: &str| options.open_reader(name).map(Handle::ReadOnly);
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, cache, open) }
}

/// The cache of that name among the objects of a segment, with others; makes it if there is none. The segment's
/// max_bytes must have room for the capacity, 64 bytes for each of max_participants, and a few KiB more. The options'
/// object and segment are not looked at. It keeps the segment attached; the two may be closed in any order.
/// COTENANT_NO_SPACE, COTENANT_MISMATCH, COTENANT_INVALID_INPUT, COTENANT_BUSY, COTENANT_CORRUPT. Blocks while another
/// one makes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_open_in(
    segment: *const cotenant_segment,
    name: *const c_char,
    options: *const cotenant_cache_options,
    cache: *mut *mut cotenant_cache,
) -> cotenant_status {
    // SAFETY: the caller passes a segment, or null.
    let segment = unsafe { segment.as_ref() }.map(|segment| Arc::clone(&segment.segment));
    let Some(segment) = segment else {
        // SAFETY: a null pointer.
        return call(|| unsafe { at(std::ptr::null()) }.map(drop));
    };
    let open = |options: &CacheOptions, name: &str| options.in_segment(segment, name).map(Handle::Writable);
    // SAFETY: the caller passes a name, options and a place.
    unsafe { open_with(name, options, cache, open) }
}

/// Detaches, and frees the handle: no thread may use it any more, and no pin of it. Of a null pointer it does nothing.
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_close(cache: *mut cotenant_cache) {
    call(|| {
        if !cache.is_null() {
            // SAFETY: made by this file, and freed here alone.
            drop(unsafe { Box::from_raw(cache) });
        }
        Ok(())
    });
}

/// Takes the name from a cache, in use or not, as cotenant_segment_unlink: of its segment. Of the options only those of
/// the segment are looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_unlink(
    name: *const c_char,
    options: *const cotenant_cache_options,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a name.
        let name = unsafe { text(name, "the name of the cache") }?;
        // SAFETY: the caller passes options, or null.
        Ok(unsafe { cache_options(options) }?.unlink(name)?)
    })
}

/// Whether the call that gave this handle made the cache. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_is_created(cache: *const cotenant_cache) -> bool {
    // SAFETY: the caller passes a cache.
    unsafe { handle(cache) }.is_ok_and(|cache| match cache {
        Handle::Writable(cache) => cache.is_created(),
        Handle::ReadOnly(_) => false,
    })
}

/// Key and value of the longest entry that the cache takes, together, in bytes. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_max_entry_bytes(cache: *const cotenant_cache) -> usize {
    // SAFETY: the caller passes a cache.
    unsafe { handle(cache) }.map_or(0, |cache| match cache {
        Handle::Writable(cache) => cache.max_entry_bytes(),
        Handle::ReadOnly(cache) => cache.max_entry_bytes(),
    })
}

/// The budget in bytes, as far as the cache has grown. 0 of a null pointer. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_capacity_bytes(cache: *const cotenant_cache) -> u64 {
    // SAFETY: the caller passes a cache.
    unsafe { handle(cache) }.map_or(0, |cache| match cache {
        Handle::Writable(cache) => cache.capacity_bytes(),
        Handle::ReadOnly(cache) => cache.capacity_bytes(),
    })
}

/// What happened in the cache, by all processes, and what is in it. Each thread of another process tells every 64th of
/// what it did. Reads some kilobytes; waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get_stats(
    cache: *const cotenant_cache,
    stats: *mut cotenant_cache_stats,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a cache.
        let all = match unsafe { handle(cache) }? {
            Handle::Writable(cache) => cache.stats(),
            Handle::ReadOnly(cache) => cache.stats(),
        };
        let told = cotenant_cache_stats {
            entries: all.entries,
            bytes: all.bytes,
            capacity_bytes: all.capacity_bytes,
            evicted_for_space: all.evicted_for_space,
            evicted_expired: all.evicted_expired,
            evicted_by_index: all.evicted_by_index,
            removed: all.removed,
            repairs: all.repairs,
            ..activity(all.activity)
        };
        // SAFETY: the caller passes a place.
        unsafe { tell(stats, told) }
    })
}

/// What this process did with the cache since it opened it: hits, misses, stale_hits, inserts, computed and awaited; the
/// rest is 0. Waits for nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cache_get_process_stats(
    cache: *const cotenant_cache,
    stats: *mut cotenant_cache_stats,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a cache.
        let told = activity(unsafe { writable(cache) }?.process_stats());
        // SAFETY: the caller passes a place.
        unsafe { tell(stats, told) }
    })
}

fn activity(of: CacheActivity) -> cotenant_cache_stats {
    cotenant_cache_stats {
        hits: of.hits,
        misses: of.misses,
        stale_hits: of.stale_hits,
        inserts: of.inserts,
        computed: of.computed,
        awaited: of.awaited,
        ..cotenant_cache_stats::default()
    }
}

/// # Safety
/// Null, or a place for statistics, which is written only.
unsafe fn tell(place: *mut cotenant_cache_stats, stats: cotenant_cache_stats) -> Result<()> {
    if place.is_null() {
        return Err(invalid("the place for the statistics is a null pointer"));
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(stats) };
    Ok(())
}
