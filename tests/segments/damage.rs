//! A live segment whose own bytes are damaged, and everything that is then tried with it.
//!
//! Shared by the test `hostile` and the fuzz target `segment`: neither may panic, hang, or touch memory that is not
//! there. What is damaged are header, participants, objects and schemas. Values are not: whoever may write a segment is
//! trusted to write values of its types (docs/safety.md).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::Mutex;
use cotenant::{Segment, SegmentOptions, SegmentReader};

/// Eight bytes that are written over the segment's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch {
    pub(crate) at: u64,
    pub(crate) bytes: [u8; 8],
    /// How many of them.
    pub(crate) len: usize,
}

/// What the segments of these tests have room for.
const OBJECTS: u32 = 8;
const PARTICIPANTS: u32 = 4;
/// Where the header names the companion.
pub(crate) const COMPANION_AT: u64 = 184;
/// Where the areas begin that such a segment has, by docs/format.md.
pub(crate) const PARTICIPANTS_AT: u64 = 4096;
pub(crate) const EVENTS_AT: u64 = PARTICIPANTS_AT + PARTICIPANTS as u64 * 64;
pub(crate) const OBJECTS_AT: u64 = (EVENTS_AT + 256 * 64).next_multiple_of(4096);
pub(crate) const SCHEMAS_AT: u64 = OBJECTS_AT + OBJECTS as u64 * 64;
/// Bytes of schemas that are in use.
pub(crate) const SCHEMAS_USED: u64 = 400;
const DIRECTORY_LOCK_AT: u64 = 448;
const INIT_LOCK_AT: u64 = 48;

fn options(folder: &Path) -> SegmentOptions {
    let options = Segment::options().folder(folder).max_bytes(1 << 20);
    options.max_objects(OBJECTS).max_participants(PARTICIPANTS)
}

/// Makes a segment, damages it, and tries everything with it. What comes out does not matter, as long as it comes.
pub(crate) fn try_everything(folder: &Path, patches: &[Patch]) {
    let first = options(folder).create("damaged").expect("a segment");
    first.get_or_init("count", || AtomicU64::new(1)).expect("an object");
    first.get_or_init("guarded", || Mutex::new([1_u32; 5])).expect("an object");
    first.get_or_init("removed", || 1_u8).expect("an object");
    first.remove("removed").expect("removing");
    let file = OpenOptions::new().read(true).write(true).open(first.path()).expect("the segment's file");
    let mut objects_at = [0; 8];
    file.read_exact_at(&mut objects_at, 96).expect("the header");
    assert_eq!(u64::from_le_bytes(objects_at), OBJECTS_AT, "what is damaged is what has a meaning");
    for patch in patches {
        file.write_all_at(&patch.bytes[..patch.len], patch.at).expect("damaging the segment");
    }
    free_locks_of_the_living(&file, &first);
    use_it(&first);
    for opened in [options(folder).open("damaged"), options(folder).open_or_create("damaged")] {
        match opened {
            Ok(segment) => use_it(&segment),
            Err(error) => drop(std::hint::black_box(error.to_string())),
        }
    }
    match options(folder).open_reader("damaged") {
        Ok(reader) => read_it(&reader),
        Err(error) => drop(std::hint::black_box(error.to_string())),
    }
    drop(first);
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
}

fn use_it(segment: &Segment) {
    for object in segment.objects() {
        std::hint::black_box(format!("{object:?}"));
    }
    if let Ok(Some(count)) = segment.get::<AtomicU64>("count") {
        count.fetch_add(1, Relaxed);
    }
    for outcome in [
        segment.get::<Mutex<[u32; 5]>>("guarded").map(drop),
        segment.get::<[u16; 3]>("guarded").map(drop),
        segment.get::<u8>("removed").map(drop),
        segment.get_or_init("more", || AtomicU64::new(2)).map(|more| more.store(3, Relaxed)),
        segment.get_or_init("large", || [7_u64; 1000]).map(|large| assert_eq!(large[999], 7)),
        segment.remove("count").map(drop),
    ] {
        if let Err(error) = outcome {
            std::hint::black_box(error.to_string());
        }
    }
    std::hint::black_box((segment.participants().len(), segment.used_bytes(), segment.is_unlinked()));
}

fn read_it(reader: &SegmentReader) {
    std::hint::black_box((reader.objects().count(), reader.used_bytes(), reader.is_unlinked()));
    if let Ok(Some(count)) = reader.get::<AtomicU64>("count") {
        std::hint::black_box(count.snapshot());
    }
    if let Ok(Some(guarded)) = reader.get::<Mutex<[u32; 5]>>("guarded") {
        std::hint::black_box(guarded.snapshot_value());
    }
    if let Ok(Some(large)) = reader.get::<[u64; 1000]>("large") {
        std::hint::black_box(large.snapshot());
    }
    if let Err(error) = reader.get::<[u16; 3]>("guarded") {
        std::hint::black_box(error.to_string());
    }
}

/// A lock that names a living owner is waited for, by design, and damaged bytes may name us.
fn free_locks_of_the_living(file: &File, segment: &Segment) {
    let slots: Vec<_> = segment.participants().iter().map(|it| it.slot).collect();
    let init_locks = (0..u64::from(OBJECTS)).map(|index| OBJECTS_AT + index * 64 + INIT_LOCK_AT);
    for at in init_locks.chain([DIRECTORY_LOCK_AT]) {
        let mut word = [0; 8];
        let is_read = file.read_exact_at(&mut word, at);
        let slot = (u64::from_le_bytes(word) >> 52) as u32;
        if is_read.is_ok() && (slots.contains(&slot) || slot == 1) {
            file.write_all_at(&[0; 8], at).expect("freeing a lock");
        }
    }
}
