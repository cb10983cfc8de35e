//! How much memory metrics take whose size nobody has chosen.

use cotenant::metrics::Metrics;
use cotenant::{Backing, Segment};

use crate::actor::tests;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, in_mount_namespace, mount_tmpfs};

tests! { size_that_nobody_chose_grows_with_the_cells_and_fits_its_segment }

pub(crate) const ROOT_TESTS: &[Named] =
    &[("size_that_nobody_chose_fits_a_small_file_system", size_that_nobody_chose_fits_a_small_file_system)];

const MIB: u64 = 1 << 20;

fn size_that_nobody_chose_grows_with_the_cells_and_fits_its_segment() {
    for (cells, max_mib, taken_mib) in [(8, 64, 8), (2, 64, 8), (16, 64, 16), (64, 64, 32), (64, 16, 8), (64, 9, 8)] {
        let segment = Segment::options().backing(Backing::Memfd).max_bytes(max_mib * MIB).create("room");
        let segment = segment.expect("a segment");
        Metrics::options().cells(cells).open_or_create(&segment, "metrics").expect("it fits");
        assert_eq!(segment.used_bytes() / MIB, taken_mib, "{cells} cells in {max_mib} MiB");
    }
    let segment = Segment::options().backing(Backing::Memfd).max_bytes(4 * MIB).create("room").expect("a segment");
    let error =
        Metrics::options().cells(8).open_or_create(&segment, "metrics").expect_err("eight do not fit into four");
    assert_eq!(error.kind(), cotenant::ErrorKind::NoSpace, "{error}");
}

/// Answers how many MiB metrics for 64 cells have taken.
pub(crate) fn take() -> String {
    let segment = Segment::options().max_bytes(200 * MIB).open_or_create("test.room").expect("a segment").leak();
    match Metrics::options().cells(64).open_or_create(segment, "metrics") {
        Ok(metrics) => {
            metrics.counter("jobs", &[]).expect("room").increment();
            format!("{} MiB", segment.used_bytes() / MIB)
        }
        Err(error) => format!("{:?}: {error}", error.kind()).replace('\n', " "),
    }
}

fn size_that_nobody_chose_fits_a_small_file_system() {
    let copied = Copied::new();
    for (size, expected) in [("size=200m", "64 MiB"), ("size=24m", "16 MiB"), ("size=4m", "NoSpace: ")] {
        in_mount_namespace(|| {
            mount_tmpfs("/dev/shm", &format!("{size},mode=1777"));
            let mut peer = Peer::start(&mut copied.command("actor", None));
            let said = peer.ask("room");
            assert!(said.starts_with(expected), "{size}: {said}");
        });
    }
}
