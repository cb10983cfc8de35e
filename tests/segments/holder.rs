//! A process that opens, closes and uses a segment with the options that a test names, or only reads it.

use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use cotenant::sync::Mutex;
use cotenant::{Backing, Keep, PruneOptions, Segment, SegmentOptions, SegmentReader, SysVKey};

use crate::actor::said;
use crate::support::serve;

/// Half of what a page-wise reservation could hide behind.
const PART_BYTES: usize = 64 << 10;
/// An object of zeros.
const ZEROS_BYTES: usize = 12 << 20;

#[derive(Default)]
struct Holder {
    segment: Option<Segment>,
    reader: Option<SegmentReader>,
}

pub(crate) fn play() {
    let mut holder = Holder::default();
    serve::stdin(move |line| holder.answer(line));
}

/// `mode=660 keep max=1048576 ...` as options.
pub(crate) fn options(words: &[&str]) -> SegmentOptions {
    let mut options = Segment::options().max_bytes(16 << 20);
    for word in words {
        let (word, value) = word.split_once('=').unwrap_or((word, ""));
        options = match word {
            "mode" => options.mode(u32::from_str_radix(value, 8).expect("an octal number")),
            "group" => options.group(value),
            "user" => options.user(value.parse().expect("a number")),
            "scope" => options.scope(value),
            "folder" => options.folder(value),
            "max" => options.max_bytes(value.parse().expect("a number")),
            "participants" => options.max_participants(value.parse().expect("a number")),
            "keep" => options.keep(Keep::UntilRemoved),
            "file" => options.backing(Backing::File),
            "anonymous" => options.backing(Backing::Anonymous),
            "memfd" => options.backing(Backing::Memfd),
            "private" => options.backing(Backing::SysV(SysVKey::Private)),
            "sysv" => options.backing(Backing::SysV(SysVKey::Number(value.parse().expect("a key")))),
            "prefault" => options.prefault(true),
            "huge" => options.huge_pages(true),
            other => panic!("no such option: {other}"),
        };
    }
    options
}

impl Holder {
    fn segment(&self) -> &Segment {
        self.segment.as_ref().expect("an open segment")
    }

    /// `VERB NAME OPTION...`; the answer is one line.
    fn answer(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let (verb, name, rest) = (words[0], words.get(1).copied().unwrap_or_default(), words.get(2..).unwrap_or(&[]));
        match verb {
            "create" => self.take(options(rest).create(name)),
            "open" => self.take(options(rest).open(name)),
            "open-or-create" => self.take(options(rest).open_or_create(name)),
            "close" => {
                (self.segment, self.reader) = (None, None);
                "closed".into()
            }
            "cycle" => cycle(name, rest),
            "unlink" => options(rest).unlink(name).map_or_else(|error| said(&error), |()| "unlinked".into()),
            "is-unlinked" => self.segment().is_unlinked().to_string(),
            "participants" => self.segment().participants().len().to_string(),
            "prune" => Segment::prune(&PruneOptions::default())
                .map_or_else(|error| said(&error), |pruned| pruned.len().to_string()),
            "add" => match self.segment().get_or_init(name, || AtomicU64::new(0)) {
                Ok(value) => (value.fetch_add(1, Relaxed) + 1).to_string(),
                Err(error) => said(&error),
            },
            "lock" => match self.segment().get_or_init(name, || Mutex::new(0_u64)) {
                Ok(mutex) => self.lock(mutex),
                Err(error) => said(&error),
            },
            "hold" => match self.segment().get_or_init(name, || Mutex::new(0_u64)) {
                Ok(mutex) => {
                    std::mem::forget(mutex.lock());
                    "held".into()
                }
                Err(error) => said(&error),
            },
            "zeros" => match self.segment().get_or_zeroed::<[AtomicU8; ZEROS_BYTES]>(name) {
                Ok(_) => "zeroed".into(),
                Err(error) => said(&error),
            },
            "fill" => self.fill(name),
            "read" => match options(rest).open_reader(name) {
                Ok(reader) => {
                    self.reader = Some(reader);
                    "reading".into()
                }
                Err(error) => said(&error),
            },
            "look" => match self.reader.as_ref().expect("a reader").get::<AtomicU64>(name) {
                Ok(value) => value.map_or_else(|| "none".into(), |it| it.snapshot().into_inner().to_string()),
                Err(error) => said(&error),
            },
            "hold-every-byte" => hold_every_byte(name),
            "become" => become_user(name.parse().expect("a user id")),
            other => format!("no such command: {other}"),
        }
    }

    fn take(&mut self, opened: cotenant::Result<Segment>) -> String {
        match opened {
            Ok(segment) => {
                let answer = if segment.is_created() { "created" } else { "opened" };
                self.segment = Some(segment);
                answer.into()
            }
            Err(error) => said(&error),
        }
    }

    /// Counts under the lock; says whether its owner had died.
    fn lock(&self, mutex: &Mutex<u64>) -> String {
        let mut repaired = "";
        let mut guard = mutex.lock_or_repair(|_| repaired = " repaired");
        *guard += 1;
        format!("{}{repaired}", *guard)
    }

    /// Makes objects and writes to each of their pages until there is no room; gives how many, and why no more.
    fn fill(&self, who: &str) -> String {
        for number in 0_u64.. {
            let part =
                self.segment().get_or_init(&format!("{who}-{number}"), || [const { AtomicU8::new(0) }; PART_BYTES]);
            match part {
                Ok(part) => part.iter().step_by(4096).for_each(|byte| byte.store(1, Relaxed)),
                Err(error) => return format!("{number} {}", said(&error)),
            }
        }
        String::new()
    }
}

/// Opens, counts and closes again and again; nobody must end on a segment without a name.
fn cycle(name: &str, rest: &[&str]) -> String {
    let times: u32 = rest[0].parse().expect("a number");
    let mut made = 0;
    for _ in 0..times {
        let segment = match options(&rest[1..]).open_or_create(name) {
            Ok(segment) => segment,
            Err(error) => return said(&error),
        };
        made += u32::from(segment.is_created());
        let count = match segment.get_or_init("count", || AtomicU64::new(0)) {
            Ok(count) => count,
            Err(error) => return said(&error),
        };
        count.fetch_add(1, Relaxed);
        if segment.is_unlinked() {
            return "attached to a segment without a name".into();
        }
    }
    format!("made {made}")
}

/// Read-locks all that there is of a file and behind it, as a hostile reader may.
fn hold_every_byte(path: &str) -> String {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) => return error.to_string(),
    };
    // SAFETY: all zeros is a value of the structure.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_RDLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    // SAFETY: the structure outlives the call; a length of 0 means "to the end of all offsets".
    let result = unsafe { libc::fcntl(file.into_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if result == 0 { "held".into() } else { std::io::Error::last_os_error().to_string() }
}

fn become_user(uid: u32) -> String {
    // SAFETY: no pointer.
    let result = unsafe { libc::setuid(uid) };
    if result == 0 { "changed".into() } else { std::io::Error::last_os_error().to_string() }
}
