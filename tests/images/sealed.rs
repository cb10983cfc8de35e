//! Pages that may not be mapped over any more.

use crate::process::Folder;
use crate::programs::{Program, say_skipped};

#[test]
fn sealed_image_is_refused_with_the_linker_option_that_sealed_it() {
    let folder = Folder::new();
    let mut sealed = folder.start(&Program::new("sealed").build());
    if sealed.number("sealed") != 0 {
        return say_skipped("this kernel has no mseal (Linux 6.10)");
    }
    let reason = sealed.ask("reason");
    assert!(reason.contains("-z memory-seal"), "{reason}");
    // Private, and each process for itself.
    assert_eq!(sealed.number("add COUNT"), 1);
    let mut other = folder.start(&Program::new("sealed").build());
    assert_eq!(other.number("get COUNT"), 0);
    // What is attached by call is not mapped over the image, so it can be shared all the same.
    assert_eq!((sealed.ask("attach"), other.ask("attach")), ("attached".into(), "attached".into()));
    assert_eq!((sealed.number("call"), other.number("call")), (1, 2));
    sealed.end().quietly();
}
