//! `attachment()`: how this process is attached, to what, and with whom.

use crate::image::attach::{attaching, blocks};
use crate::image::block::{Descriptor, Outcome};
use crate::segment::participant::Participant;
use crate::sys;

/// The blocks of this program or library, as this process sees them.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// One entry for each block, in no particular order.
    pub blocks: Vec<BlockInfo>,
}

/// One block of shared variables.
#[derive(Debug, Clone)]
pub struct BlockInfo {
    /// Its shared name; `None` for an unnamed block.
    pub name: Option<&'static str>,
    /// The module that declares it.
    pub module: &'static str,
    /// Whether it is shared, and how.
    pub state: BlockState,
}

/// Whether a block is shared.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BlockState {
    /// Other processes see its values.
    Shared {
        /// Where the segment lies: a path on Linux, an object's name on Windows.
        segment: String,
        /// Whether this process made the segment, and so started from the initial values.
        created: bool,
        /// Whether the segment's name is gone (removed by hand, or by systemd's `RemoveIPC`): processes that start now
        /// share with each other, and not with this one.
        unlinked: bool,
        /// This process's slot; `None` in a child of a fork that has not needed one yet.
        slot: Option<u32>,
        /// The processes that hold slots now, this one included.
        participants: Vec<Participant>,
    },
    /// It waits for [`attach`](crate::attach()); the values are this process's own.
    Waiting,
    /// The values are this process's own, and why.
    Private {
        /// What kept it from being shared.
        reason: String,
    },
}

/// How this process is attached. Asks the system; for diagnostics, not for hot paths.
///
/// It speaks of the image that the caller is linked into: a library with its own shared variables has an attachment of
/// its own. Children of a fork are listed from the first time that they lock something.
///
/// ```
/// use std::sync::atomic::AtomicU64;
///
/// cotenant::shared! {
///     static JOBS: AtomicU64 = AtomicU64::new(0);
/// }
///
/// for block in cotenant::attachment().blocks {
///     match block.state {
///         cotenant::BlockState::Shared { segment, participants, .. } => {
///             println!("{}: {} processes share {segment}", block.module, participants.len());
///         }
///         other => println!("{}: {other:?}", block.module),
///     }
/// }
/// ```
pub fn attachment() -> Attachment {
    let _unchanged = attaching();
    Attachment { blocks: blocks().map(block_info).collect() }
}

impl Attachment {
    /// Whether every block is shared, under a name that others can find.
    pub fn is_shared(&self) -> bool {
        self.blocks.iter().all(|block| matches!(block.state, BlockState::Shared { unlinked: false, .. }))
    }
}

fn block_info(block: &'static Descriptor) -> BlockInfo {
    let state = match block.status.outcome.get() {
        None => BlockState::Waiting,
        Some(Outcome::Private(error)) => BlockState::Private { reason: error.to_string() },
        Some(Outcome::Attached(segment)) => shared_state(segment),
    };
    BlockInfo { name: block.is_named().then_some(block.name.as_str()), module: block.module.as_str(), state }
}

fn shared_state(segment: &sys::Attached) -> BlockState {
    BlockState::Shared {
        segment: segment.path.clone(),
        created: segment.created,
        unlinked: segment.is_unlinked(),
        slot: Some(segment.slot()).filter(|slot| *slot != 0),
        participants: segment.participants(),
    }
}
