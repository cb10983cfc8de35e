//! Blocks of shared variables in an image: how they are declared, found and attached.

pub(crate) mod attach;
pub(crate) mod block;
#[allow(unreachable_pub)] // `__c` exports it.
pub mod declaration;
mod declare;
pub(crate) mod variable;
