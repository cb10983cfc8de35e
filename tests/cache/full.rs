//! A cache that cannot grow says whether it was made too small, or the system has no room.

use cotenant::ErrorKind;
use cotenant::cache::Cache;

use crate::support::Named;
use crate::support::root::{in_mount_namespace, mount_tmpfs};
use crate::support::sandbox::Sandbox;

pub(crate) const ROOT_TESTS: &[Named] =
    &[("who_cannot_grow_is_told_which_limit_was_met", who_cannot_grow_is_told_which_limit_was_met)];

fn who_cannot_grow_is_told_which_limit_was_met() {
    let sandbox = Sandbox::new();
    in_mount_namespace(|| {
        mount_tmpfs(sandbox.path().to_str().expect("UTF-8"), "size=4m,mode=700");
        let options = Cache::options().capacity_bytes(1 << 20).max_capacity_bytes(16 << 20).folder(sandbox.path());
        let cache = options.create("grows").expect("room");
        for (capacity_bytes, its_limit) in [(12 << 20, false), (64 << 20, true)] {
            let error = cache.grow(capacity_bytes).expect_err("no room");
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{text}");
            assert_eq!(text.contains("`max_capacity_bytes`"), its_limit, "{text}");
            assert_eq!(text.contains("its file system has"), !its_limit, "{text}");
        }
    });
}
