//! Cotenant's locks, in shared variables of this program.

use std::hint::black_box;

use anyhow::bail;
use cotenant::BlockState;
use cotenant::sync::Mutex;

use super::hold::Lock;

// Each on pages of its own.
cotenant::shared! {
    #![shared(on_failure = private)]
    static MUTEX: Mutex<u64> = Mutex::new(0);
}

/// `cotenant::sync::Mutex`
pub(super) struct Ours(&'static Mutex<u64>);

pub(super) fn mutex() -> anyhow::Result<Ours> {
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
