//! Pages that may not be mapped over any more.

use crate::process::Folder;
use crate::programs::{Program, say_skipped};

#[test]
fn sealed_image_is_refused_with_the_linker_option_that_sealed_it() {
    let folder = Folder::new();
    let mut sealed = folder.start(&Program::new("sealed").build());
    sealed.ask("add COUNT");
    if sealed.number("seal") != 0 {
        return say_skipped("this kernel has no mseal (Linux 6.10)");
    }
    let message = sealed.ask("attach");
    assert!(message.contains("-z memory-seal"), "{message}");
    // Private as before, and the slot is free again.
    assert_eq!(sealed.number("add COUNT"), 2);
    let mut other = folder.start(&Program::new("sealed").build());
    assert_eq!((other.ask("attach"), other.ask("participants")), ("attached".into(), "1".into()));
    assert_eq!((other.number("get COUNT"), other.ask("slots")), (0, "1".into()));
    sealed.end().quietly();
}
