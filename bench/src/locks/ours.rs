//! Cotenant's locks, in shared variables of this program and in a segment.

use std::hint::black_box;
use std::sync::OnceLock;

use anyhow::bail;
use cotenant::sync::{Mutex, RwLock};
use cotenant::{Backing, BlockState, Segment};

use super::hold::{Lock, Read};

// Each on pages of its own.
cotenant::shared! {
    #![shared(on_failure = private)]
    static MUTEX: Mutex<u64> = Mutex::new(0);
}

cotenant::shared! {
    #![shared(on_failure = private)]
    static RW_LOCK: RwLock<u64> = RwLock::new(0);
}

/// `cotenant::sync::RwLock`
pub(super) struct OursRw(&'static RwLock<u64>);

pub(super) fn rw_lock() -> anyhow::Result<OursRw> {
    cotenant::__private::use_robust_list(true);
    Ok(OursRw(black_box(&*RW_LOCK)))
}

impl Read for OursRw {
    #[inline]
    fn read(&self) -> u64 {
        *self.0.read().expect("nobody dies under it")
    }
}

/// `cotenant::sync::Mutex`
pub(super) struct Ours(&'static Mutex<u64>);

pub(super) fn mutex() -> anyhow::Result<Ours> {
    cotenant::__private::use_robust_list(true);
    Ok(Ours(black_box(&*MUTEX)))
}

/// The same in a segment, which children of this process share.
pub(super) fn mutex_in_segment() -> anyhow::Result<Ours> {
    static FOUND: OnceLock<Result<&Mutex<u64>, String>> = OnceLock::new();
    cotenant::__private::use_robust_list(true);
    let find = || {
        let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("bench")?.leak();
        segment.get_or_init("mutex", || Mutex::new(0))
    };
    let found = FOUND.get_or_init(|| find().map_err(|error| error.to_string()));
    found.clone().map(|mutex| Ours(black_box(mutex))).map_err(anyhow::Error::msg)
}

/// What the kernel's robust list costs.
pub(super) fn mutex_without_robust_list() -> anyhow::Result<Ours> {
    cotenant::__private::use_robust_list(false);
    Ok(Ours(black_box(&*MUTEX)))
}

impl Lock for Ours {
    #[inline]
    fn add(&self) {
        *self.0.lock().expect("nobody dies under it") += 1;
    }

    #[inline]
    fn try_add(&self) -> bool {
        self.0.try_lock().map(|mut count| *count += 1).is_ok()
    }

    fn count(&self) -> u64 {
        *self.0.lock_or_repair(|_| {})
    }
}

/// Refuses to go on with private values: their figures would be no figures.
pub(super) fn must_be_shared() -> anyhow::Result<()> {
    for block in cotenant::attachment().blocks {
        if let BlockState::Private { .. } = block.state {
            bail!("a block is not shared: {:?}", block.state);
        }
    }
    Ok(())
}
