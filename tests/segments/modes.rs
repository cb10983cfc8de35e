//! One name and several modes: what was made with another mode is found, taken as it is, or refused; never doubled.
//!
//! A group's folder (mode 2770) has the folders for the other modes in it, as /dev/shm has.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use cotenant::{ErrorKind, Keep, Segment, SegmentOptions};

use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("mode_left_open_takes_the_segment_as_it_is", mode_left_open_takes_the_segment_as_it_is),
    ("other_mode_than_asked_is_refused_and_nothing_made", other_mode_than_asked_is_refused_and_nothing_made),
    ("group_writes_only_where_that_was_asked_for", group_writes_only_where_that_was_asked_for),
    ("two_of_one_name_are_both_named", two_of_one_name_are_both_named),
    ("name_is_taken_from_a_segment_of_another_mode", name_is_taken_from_a_segment_of_another_mode),
    ("dead_segment_of_another_mode_is_in_nobodys_way", dead_segment_of_another_mode_is_in_nobodys_way),
    ("block_is_not_made_beside_a_segment_of_another_mode", block_is_not_made_beside_a_segment_of_another_mode),
    ("file_of_another_mode_than_asked_is_refused", file_of_another_mode_than_asked_is_refused),
];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o2770)).expect("its mode");
    sandbox
}

fn within(folder: &Path) -> SegmentOptions {
    Segment::options().max_bytes(1 << 16).folder(folder)
}

fn says(result: cotenant::Result<Segment>, kind: ErrorKind, parts: &[&str]) {
    let error = result.map(drop).expect_err("it is refused");
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "no {part:?} in: {error}");
    }
}

fn mode_left_open_takes_the_segment_as_it_is() {
    let sandbox = sandbox();
    let made = within(sandbox.path()).mode(0o644).open_or_create("x").expect("a segment");
    let found = within(sandbox.path()).open_or_create("x").expect("the same");
    assert!(!found.is_created());
    assert_eq!(found.path(), made.path());
    assert_eq!(within(sandbox.path()).open("x").expect("the same").path(), made.path());
    assert_eq!(within(sandbox.path()).mode(0o644).open("x").expect("the same").path(), made.path());
    says(within(sandbox.path()).create("x"), ErrorKind::AlreadyExists, &[made.path(), "0o644"]);
    let own = within(sandbox.path()).create("y").expect("another name");
    assert!(own.is_created() && own.path() != made.path());
}

fn other_mode_than_asked_is_refused_and_nothing_made() {
    let sandbox = sandbox();
    let readable = within(sandbox.path()).mode(0o644).create("x").expect("a segment");
    for mode in [0o600, 0o660] {
        let options = within(sandbox.path()).mode(mode);
        let asked = format!("0o{mode:o}");
        says(options.open_or_create("x"), ErrorKind::Mismatch, &[readable.path(), "0o644", &asked]);
        says(options.open("x"), ErrorKind::Mismatch, &[readable.path(), "0o644", &asked]);
    }
    // In the same folder, too.
    let same_folder = within(sandbox.path()).mode(0o640).open_or_create("x");
    says(same_folder, ErrorKind::Mismatch, &[readable.path(), "0o644", "0o640"]);
    drop(readable);
    let own = within(sandbox.path()).create("x").expect("a segment");
    says(within(sandbox.path()).mode(0o644).open_or_create("x"), ErrorKind::Mismatch, &[own.path(), "0o600", "0o644"]);
    assert_eq!(within(sandbox.path()).mode(0o600).open("x").expect("the same").path(), own.path());
}

fn group_writes_only_where_that_was_asked_for() {
    let sandbox = sandbox();
    let groups = within(sandbox.path()).mode(0o660).create("x").expect("a segment");
    for options in [within(sandbox.path()), within(sandbox.path()).mode(0o644)] {
        says(options.open("x"), ErrorKind::Mismatch, &[groups.path(), "`mode(0o660)"]);
        says(options.open_or_create("x"), ErrorKind::Mismatch, &[groups.path(), "`mode(0o660)"]);
    }
    assert_eq!(within(sandbox.path()).mode(0o660).open("x").expect("the same").path(), groups.path());
}

fn two_of_one_name_are_both_named() {
    let sandbox = sandbox();
    let groups = within(sandbox.path()).mode(0o660).create("elsewhere").expect("a segment");
    let readable = within(sandbox.path()).mode(0o644).create("x").expect("a segment");
    // As two who create at the same moment leave them.
    let second = std::path::Path::new(groups.path()).with_file_name("x");
    std::fs::rename(groups.path(), &second).expect("another name");
    let second = second.to_str().expect("UTF-8");
    let parts = [readable.path(), second, "0o644", "0o660"];
    says(within(sandbox.path()).open("x"), ErrorKind::Mismatch, &parts);
    says(within(sandbox.path()).open_or_create("x"), ErrorKind::Mismatch, &parts);
}

fn name_is_taken_from_a_segment_of_another_mode() {
    let sandbox = sandbox();
    let readable = within(sandbox.path()).mode(0o644).create("x").expect("a segment");
    within(sandbox.path()).unlink("x").expect("it is removed");
    assert!(readable.is_unlinked());
    assert_eq!(within(sandbox.path()).unlink("x").map_err(|error| error.kind()), Err(ErrorKind::NotFound));
}

fn dead_segment_of_another_mode_is_in_nobodys_way() {
    let sandbox = sandbox();
    let mut dies = sandbox.start("holder");
    assert_eq!(dies.ask("create x mode=644"), "created");
    let path = within(sandbox.path()).open("x").expect("the same").path().to_owned();
    dies.kill();
    assert!(Path::new(&path).exists(), "the dead leave their file");
    let made = within(sandbox.path()).mode(0o600).open_or_create("x").expect("a segment");
    assert!(made.is_created());
    // Kept, nobody need be attached.
    drop(within(sandbox.path()).mode(0o644).keep(Keep::UntilRemoved).create("kept").expect("a segment"));
    says(within(sandbox.path()).mode(0o600).open_or_create("kept"), ErrorKind::Mismatch, &["0o644", "0o600"]);
    assert!(!within(sandbox.path()).open_or_create("kept").expect("as it is").is_created());
}

fn block_is_not_made_beside_a_segment_of_another_mode() {
    let sandbox = sandbox();
    let segment = within(sandbox.path()).mode(0o644).create("segments.block").expect("a segment");
    let answer = sandbox.start("block").ask("attach");
    for part in ["Mismatch: ", segment.path(), "0o644", "0o600"] {
        assert!(answer.contains(part), "no {part:?} in: {answer}");
    }
    drop(segment);
    assert_eq!(sandbox.start("block").ask("attach"), "0");
}

fn file_of_another_mode_than_asked_is_refused() {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("values");
    let path = path.to_str().expect("UTF-8");
    let file = || Segment::options().backing(cotenant::Backing::File).max_bytes(1 << 16);
    drop(file().mode(0o640).create(path).expect("a file"));
    says(file().mode(0o600).open(path), ErrorKind::Mismatch, &[path, "0o640", "0o600"]);
    assert!(!file().open_or_create(path).expect("as it is").is_created());
    assert_eq!(std::fs::metadata(path).expect("it").mode() & 0o777, 0o640);
}
