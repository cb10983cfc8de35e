//! Any bytes over those of published values: who uses them gets snapshots or errors, and goes on. For the test of
//! hostile bytes, and for the fuzz target `published`.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use cotenant::Segment;
use cotenant::published::{Flag, Published};

/// Bytes to be written into an object.
pub(crate) struct Patch {
    /// Which of [`OBJECTS`].
    pub(crate) object: usize,
    /// Offset in the object, cut to its size.
    pub(crate) at: u64,
    pub(crate) word: u64,
}

pub(crate) const OBJECTS: [&str; 3] = ["value", "bytes", "flag"];
/// What one waits for who may be stopped, or a damaged word.
const NOT_LONG: Duration = Duration::from_millis(2);
const BYTES_MAX: usize = 300;

type Value = Published<[u64; 25], 4>;

/// Applies one patch after the other, and after each uses all that is there.
pub(crate) fn try_everything(folder: &Path, patches: &[Patch]) {
    let options = Segment::options().folder(folder).max_bytes(1 << 20);
    let segment = options.open_or_create("damaged").expect("a segment");
    let value = segment.get_or_init("value", || Value::with_buffers([0; 25])).expect("room");
    let bytes = segment.published_bytes("bytes", BYTES_MAX).expect("room");
    let flag = segment.get_or_init("flag", || Flag::new("flag", 50.0)).expect("room");
    for number in 1..=9 {
        value.publish(&[number; 25]).expect("nothing is damaged yet");
        bytes.publish(&[number as u8; 100]).expect("nothing is damaged yet");
    }
    let reader = options.open_reader("damaged").expect("a reader");
    let seen = reader.get::<Value>("value").expect("its type").expect("it is there");
    let file = OpenOptions::new().write(true).open(segment.path()).expect("its file");
    let places = OBJECTS.map(|name| segment.objects().find(|object| object.name == name).expect("made above"));
    for patch in patches {
        let place = &places[patch.object % OBJECTS.len()];
        let at = place.at + patch.at % (place.bytes / 8) * 8;
        file.write_at(&patch.word.to_le_bytes(), at).expect("writing into the segment");
        let _ = (value.load(), value.load_if_newer(3), value.wait_newer(u64::MAX - 1, NOT_LONG), seen.load());
        let _ = (seen.wait_newer(3, NOT_LONG), flag.is_on_for("somebody"), flag.percent(), format!("{value:?}"));
        assert!(value.history().len() <= 4 && seen.history().len() <= 4);
        assert!(bytes.load().is_ok_and(|it| it.value.len() <= bytes.max_bytes()) || bytes.load().is_err());
        assert!(bytes.history().iter().all(|entry| entry.value.len() <= bytes.max_bytes()));
        let _ = (value.publish_timeout(&[7; 25], NOT_LONG), value.update_timeout(NOT_LONG, |old| old));
        let _ =
            (bytes.publish_timeout(&[7; 300], NOT_LONG), flag.published().publish_timeout(&rollout(flag), NOT_LONG));
        if let Ok(Some(reopened)) = reader.published_bytes("bytes") {
            let _ = (reopened.load(), reopened.history(), reopened.wait_newer(3, NOT_LONG));
        }
        if let Ok(reopened) = segment.published_bytes("bytes", BYTES_MAX) {
            let _ = (reopened.load(), reopened.publish_timeout(b"x", NOT_LONG));
        }
    }
}

fn rollout(flag: &Flag) -> cotenant::published::Rollout {
    flag.published()
        .load()
        .map_or_else(|_| Flag::new("flag", 1.0).published().load().expect("whole").value, |it| it.value)
}
