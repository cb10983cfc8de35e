//! Attaching: which of the two kinds of shared memory a block lives in.
//!
//! An unnamed block that is attached at load lies in the image's section, which the loader has shared already; with a
//! scope, and in all other cases, values live in a file mapping that only this user can open.

use std::sync::atomic::Ordering::Release;

use super::attached::Attached;
use super::{file_mapping, section};
use crate::error::{Error, ErrorKind, Result};
use crate::image::block::Descriptor;
use crate::segment::plan::Plan;

/// A block, how many bytes of whole pages it covers, and where in the segment's data they lie.
pub(crate) struct Place<'a> {
    pub(crate) block: &'a Descriptor,
    pub(crate) bytes: usize,
    pub(crate) data_at: u64,
}

impl Place<'_> {
    /// From here on the variables are those at `values`.
    pub(crate) fn set_target(&self, values: *mut u8) {
        if let Some(target) = self.block.target {
            // Release pairs with the Acquire in `Indirect::get`.
            target.store(values, Release);
        }
    }
}

/// Attaches this process to the segment `file_name`, made after `plan` if there is none, and has the variables of
/// `places` be the segment's.
pub(crate) fn attach(plan: &Plan, file_name: &str, places: &[Place<'_>]) -> Result<&'static Attached> {
    refuse_what_windows_lacks(plan)?;
    if plan.scope.is_empty() && places.iter().all(|place| section::holds(place.block)) {
        return section::attach(plan, places);
    }
    file_mapping::attach(plan, file_name, places)
}

fn refuse_what_windows_lacks(plan: &Plan) -> Result<()> {
    let refused = |what: &str, hint: &str| {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("the block `{}` wants {what}, which Windows does not have", plan.name),
        )
        .hint(hint))
    };
    if plan.keep_until_removed {
        return refused(
            "`keep = until_removed`",
            "values live here as long as a process is attached; leave the word out",
        );
    }
    if plan.mode != 0o600 || plan.group.is_some() {
        return refused(
            "a `mode` or `group` of its own",
            "only the user who runs it can share it here; leave the words out",
        );
    }
    Ok(())
}
