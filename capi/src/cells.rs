//! Cells per process: values in parts that each thread changes for itself, and whoever reads adds up.

use std::slice;
use std::sync::atomic::AtomicU32;

use cotenant_rust::__c;
use cotenant_rust::per_process::PerProcess;

use crate::locks::{cotenant_kept, kept};
use crate::mutex::not_owner;
use crate::status::cotenant_status::{self, *};
use crate::status::{Failure, call, invalid};

/// The head of cells, which COTENANT_PER_PROCESS(type) declares; all zero at first. 32 cells for all threads follow it,
/// and 32 that are claimed.
#[repr(C)]
pub struct cotenant_cells {
    /// For the functions below alone.
    pub owners: [u64; 32],
    /// For the functions below alone.
    pub asked: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<PerProcess<u64>>() == size_of::<cotenant_cells>().next_multiple_of(64) + 64 * 64);

/// A number that threads which run at the same time, of whatever process, rarely share, and that spreads them over
/// cells. Some loads, no system call from the second time on; also for signal handlers and children of a fork.
#[unsafe(no_mangle)]
pub extern "C" fn cotenant_thread_number() -> u32 {
    __c::thread_number()
}

/// Called by what COTENANT_PER_PROCESS declares: claims one of the 32 own cells, which nobody else changes until
/// cotenant_cells_release, or until the process ends. `kept` says which, for that call. Asks, if all are taken, whether
/// their owners live (of 32 processes at most); waits for nobody. COTENANT_WOULD_BLOCK: the living have them all; use
/// the cell that _local gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cells_claim(cells: *mut cotenant_cells, kept: *mut cotenant_kept) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes a place.
        let place = unsafe { kept.as_mut() }.ok_or_else(|| invalid("the place for what is kept is a null pointer"))?;
        // SAFETY: the caller passes cells.
        let (owners, asked) = unsafe { parts(cells) }?;
        let taken = || Failure {
            status: COTENANT_WOULD_BLOCK,
            message: "threads that live have all cells, or this process can have none".to_owned(),
        };
        let claimed = __c::claim_cell(owners, asked).ok_or_else(taken)?;
        *place = cotenant_kept { word: claimed.word, term: 0, index: claimed.index, unused: 0 };
        Ok(())
    })
}

/// Called by what COTENANT_PER_PROCESS declares: whether what was kept is a claim of this process, so that no other one
/// changes its cell. false in a child of a fork, after cotenant_cells_release, and of null pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cells_is_own(cells: *const cotenant_cells, kept: *const cotenant_kept) -> bool {
    // SAFETY: the caller passes what it kept.
    let Ok(kept) = (unsafe { self::kept(kept) }) else { return false };
    // SAFETY: the caller passes cells; their words are only read here.
    unsafe { parts(cells.cast_mut()) }.is_ok_and(|(owners, _)| __c::is_own_cell(owners, kept))
}

/// Called by what COTENANT_PER_PROCESS declares: lets the next one claim the cell, who adds on to what is there.
/// COTENANT_NOT_OWNER: this process does not have it. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotenant_cells_release(
    cells: *mut cotenant_cells,
    kept: *const cotenant_kept,
) -> cotenant_status {
    call(|| {
        // SAFETY: the caller passes what it kept.
        let kept = unsafe { self::kept(kept) }?;
        // SAFETY: the caller passes cells.
        let (owners, _) = unsafe { parts(cells) }?;
        __c::release_cell(owners, kept).map_err(not_owner)
    })
}

/// # Safety
/// Null, or cells that stay mapped during the call.
unsafe fn parts<'a>(cells: *mut cotenant_cells) -> crate::status::Result<(&'a [__c::UnguardedMutex], &'a AtomicU32)> {
    if cells.is_null() {
        return Err(invalid("the cells are a null pointer"));
    }
    // SAFETY: 32 lock words are at the beginning, only ever changed by atomic operations.
    let owners = unsafe { slice::from_raw_parts(cells.cast::<__c::UnguardedMutex>(), 32) };
    let asked = cells.wrapping_byte_add(std::mem::offset_of!(cotenant_cells, asked));
    // SAFETY: behind them, and as they are.
    Ok((owners, unsafe { AtomicU32::from_ptr(asked.cast()) }))
}
