//! What the kernel and the folder's file system must do for us, tried.

use cotenant::inspect::live::{Feature, file_system_features, kernel_features};

use super::Check;
use crate::look::{Survey, View};

/// What a feature is for: what is missing without it, whether sharing fails then, and what to do.
struct Use {
    name: &'static str,
    what: &'static str,
    is_needed: bool,
    without: &'static str,
}

const USES: [Use; 10] = [
    Use {
        name: "unnamed-files",
        what: "segments are made whole or not at all (O_TMPFILE, linkat)",
        is_needed: false,
        without: "segments are made under temporary names instead; a killed maker's stays until the next one",
    },
    Use {
        name: "description-locks",
        what: "who is alive is known by locks (F_OFD_SETLK)",
        is_needed: true,
        without: "name a folder on a tmpfs with COTENANT_DIR: this file system has no open-file-description locks",
    },
    Use {
        name: "reserve",
        what: "memory is reserved before it is used (fallocate)",
        is_needed: true,
        without: "name a folder on a tmpfs with COTENANT_DIR, and make room there",
    },
    Use {
        name: "wipe-on-fork",
        what: "children of a fork are told from their parents (MADV_WIPEONFORK, Linux 4.14)",
        is_needed: true,
        without: "a newer kernel, or a sandbox that lets madvise through",
    },
    Use {
        name: "futex-wake-op",
        what: "unlocking clears and wakes in one call (FUTEX_WAKE_OP)",
        is_needed: false,
        without: "a killed unlocker's waiters wake up to 20 ms later; let the sandbox pass futex(2) with it",
    },
    Use {
        name: "robust-list",
        what: "the kernel tells of a dead lock owner at once (get_robust_list)",
        is_needed: false,
        without: "deaths are found by locks: 0.3 ms, and 90 ms for each GiB of the owner. musl has no such list",
    },
    Use {
        name: "memfd-seals",
        what: "memory without a name can be kept from being cut off (memfd, seals)",
        is_needed: false,
        without: "Backing::Memfd and Backing::Anonymous are refused; let the sandbox pass memfd_create(2)",
    },
    Use {
        name: "memfd-noexec-seal",
        what: "such memory can be kept from being executed (MFD_NOEXEC_SEAL, Linux 6.3)",
        is_needed: false,
        without: "it works without; where vm.memfd_noexec=2 asks for it, a newer kernel is needed",
    },
    Use {
        name: "populate-write",
        what: "memory can be had before it is touched (MADV_POPULATE_WRITE, Linux 5.14)",
        is_needed: false,
        without: "pages are touched one by one; where a sandbox forbids madvise(2), `prefault` and Anonymous fail",
    },
    Use {
        name: "pid-descriptors",
        what: "processes are told apart without /proc (pidfd_open, Linux 5.3)",
        is_needed: false,
        without: "/proc serves instead; keep it mounted",
    },
];

pub(super) fn checks(view: &View, survey: &Survey) -> Vec<Check> {
    let mut features = kernel_features();
    let ours = survey.folders.iter().find(|folder| view.uid == Some(folder.uid));
    match ours {
        // In another's folder nothing is made, not even for an instant.
        _ if view.is_elsewhere() || view.uid != Some(rustix::process::geteuid().as_raw()) => {}
        Some(folder) => features.extend(file_system_features(&folder.path)),
        None => {
            let place = view.given_folder.as_deref().unwrap_or(view.shm());
            if place.is_dir() {
                features.extend(file_system_features(place));
            }
        }
    }
    let find = |it: &'static Use| features.iter().find(|feature| feature.name == it.name).map(|found| check(it, found));
    USES.iter().filter_map(find).collect()
}

fn check(it: &'static Use, feature: &Feature) -> Check {
    match &feature.result {
        Ok(()) => Check::ok(it.name, it.what),
        Err(error) if it.is_needed => Check::problem(it.name, format!("{}: not here: {error}", it.what), it.without),
        Err(error) => Check::warning(it.name, format!("{}: not here: {error}", it.what), it.without),
    }
}
