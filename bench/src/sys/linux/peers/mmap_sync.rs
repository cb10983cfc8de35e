//! `mmap-sync`: two files that are written in turn, and a third one that says which; readers count themselves in it.

#![allow(unsafe_code)]

use std::path::Path;
use std::time::Duration;

use mmap_sync::locks::LockDisabled;
use mmap_sync::synchronizer::Synchronizer;
use rkyv::{Archive, Deserialize, Serialize};

use crate::published::{Cases, Hold, Value};

/// How long a writer waits for readers of what it is to write over.
const GRACE: Duration = Duration::from_millis(1);

#[derive(Archive, Deserialize, Serialize)]
#[archive_attr(derive(bytecheck::CheckBytes))]
struct Words {
    words: Value,
}

/// The one with the shortest sleep between two looks at the readers, for the time of a publish.
struct Mapped(Synchronizer<wyhash::WyHash, LockDisabled, 1024, 1>);

pub(crate) fn add_publishers(cases: &mut Cases<'_>) {
    cases.add("mmap-sync 2", make);
}

fn make(folder: &Path) -> anyhow::Result<Mapped> {
    let mut made = Mapped(Synchronizer::with_params(folder.join("mmap-sync").as_os_str()));
    made.publish(0);
    Ok(made)
}

impl Hold for Mapped {
    #[inline]
    fn load(&mut self) -> (u64, u64) {
        // SAFETY: what is written is of that type; that it may be torn is what it asks one to bear.
        let value = unsafe { self.0.read::<Words>(false) }.expect("it is written");
        (value.words[0], value.words[24])
    }

    #[inline]
    fn publish(&mut self, number: u64) {
        self.0.write(&Words { words: [number; 25] }, GRACE).expect("there is room");
    }
}
