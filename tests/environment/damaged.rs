//! Segment files that are garbage: a line and status 78, or a fresh segment; never a crash, never a hang.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use crate::support::Named;
use crate::support::peer::{Ended, run};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("empty_and_foreign_files_are_refused", empty_and_foreign_files_are_refused),
    ("file_with_our_magic_alone_is_replaced_or_refused", file_with_our_magic_alone_is_replaced_or_refused),
    ("damaged_dead_segments_never_crash", || damaged_segments_never_crash(Damage::Dead)),
    ("damaged_live_segments_never_crash", || damaged_segments_never_crash(Damage::Alive)),
];

/// Variants of each kind; `COTENANT_TEST_VARIANTS` says otherwise.
const VARIANTS: u32 = 1200;

#[derive(Clone, Copy, PartialEq)]
enum Damage {
    /// Nobody holds the life byte.
    Dead,
    /// Somebody does, so that the segment is joined as it is.
    Alive,
}

/// xorshift64*: the same variants every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize % bound
    }
}

/// The one named segment and the one unnamed, as a living process has made them.
fn real_segments() -> Vec<(String, Vec<u8>)> {
    let sandbox = Sandbox::new();
    let mut lives = sandbox.start("actor");
    lives.ask("add");
    let read = |name: String| (name.clone(), fs::read(sandbox.path().join(name)).expect("a segment"));
    let segments: Vec<_> = sandbox.files().into_iter().map(read).collect();
    assert_eq!(segments.len(), 2);
    segments
}

/// A read lock on the life byte (docs/format.md), for as long as the file is open.
fn hold_life_byte(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).expect("the segment");
    // SAFETY: a C structure of integers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_RDLCK as i16;
    lock.l_start = 1 << 40;
    lock.l_len = 1;
    // SAFETY: the structure outlives the call.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }, 0);
    file
}

#[track_caller]
fn assert_orderly(ended: &Ended, what: &str) {
    assert_eq!(ended.status.signal(), None, "{what}: killed; it said {}", ended.stderr);
    match ended.status.code() {
        Some(0) => assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr),
        // (The description of a mismatch has further lines.)
        Some(78) => {
            assert!(ended.stderr.starts_with("cotenant: cannot share the variables"), "{what}: {}", ended.stderr)
        }
        other => panic!("{what}: status {other:?}; it said {}", ended.stderr),
    }
}

fn empty_and_foreign_files_are_refused() {
    let text = b"#!/bin/sh\n".repeat(1000);
    for garbage in [&b""[..], b"COTENAN", &text, &[0; 65536], &[0xff; 5000]] {
        for (name, _) in real_segments() {
            let sandbox = Sandbox::new();
            let path = sandbox.path().join(&name);
            fs::write(&path, garbage).expect("garbage");
            crate::support::root::set_mode(&path, 0o600);
            let ended = run(&mut sandbox.command("probe"));
            let line = ended.refusal();
            assert!(line.contains(&name) && line.contains("is not a Cotenant segment"), "{line}");
            assert_eq!(fs::read(&path).expect("the file"), garbage, "left alone");
        }
    }
}

fn file_with_our_magic_alone_is_replaced_or_refused() {
    for damage in [Damage::Dead, Damage::Alive] {
        for (name, whole) in real_segments() {
            let sandbox = Sandbox::new();
            let path = sandbox.path().join(name);
            for bytes in [8, 9, 447, 448, 4095, 4096, 8192, whole.len() - 1] {
                let ended = probe(&sandbox, &path, &whole[..bytes], damage);
                assert_orderly(&ended, &format!("{bytes} bytes"));
                assert_eq!(ended.status.success(), damage == Damage::Dead, "{bytes} bytes: {}", ended.stderr);
            }
        }
    }
}

fn probe(sandbox: &Sandbox, path: &Path, bytes: &[u8], damage: Damage) -> Ended {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).expect("a damaged segment");
    crate::support::root::set_mode(path, 0o600);
    let _life = (damage == Damage::Alive).then(|| hold_life_byte(path));
    run(&mut sandbox.command("probe"))
}

/// One seeded variant of `whole`, and what was done to it.
fn damage(whole: &[u8], seed: u32) -> (Vec<u8>, String) {
    let mut random = Random(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = whole.to_vec();
    let mut what = format!("seed {seed}:");
    for _ in 0..=random.below(4) {
        // Where something stands: header, bitmap, first participants, and the areas behind the table.
        let (from, length) =
            [(8, 440), (8, 440), (512, 512), (4096, 4096), (266_176, whole.len() - 266_176)][random.below(5)];
        let at = (from + random.below(length)).min(bytes.len().saturating_sub(1));
        match random.below(8) {
            0 => {
                bytes.truncate(at.max(8));
                what += &format!(" truncated to {at}");
            }
            1 => {
                let end = (at + 1 + random.below(64)).min(bytes.len());
                bytes[at..end].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
                what += &format!(" random {at}..{end}");
            }
            2 => {
                let (at, value) = (at & !3, [0, 1, u32::MAX, 1 << 31, 4096, 0x7fff_ffff][random.below(6)]);
                if let Some(word) = bytes.get_mut(at..at + 4) {
                    word.copy_from_slice(&value.to_le_bytes());
                }
                what += &format!(" word {at} = {value}");
            }
            _ => {
                let bit = random.below(8);
                bytes[at] ^= 1 << bit;
                what += &format!(" bit {bit} of {at}");
            }
        }
    }
    (bytes, what)
}

fn damaged_segments_never_crash(kind: Damage) {
    let variants = std::env::var("COTENANT_TEST_VARIANTS").map_or(VARIANTS, |text| text.parse().expect("a number"));
    let segments = real_segments();
    let seeds = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let sandbox = Sandbox::new();
                loop {
                    let seed = seeds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= variants {
                        return;
                    }
                    let (name, whole) = &segments[seed as usize % 2];
                    let (bytes, what) = damage(whole, seed);
                    let path = sandbox.path().join(name);
                    let ended = probe(&sandbox, &path, &bytes, kind);
                    assert_orderly(&ended, &what);
                    let _ = fs::remove_file(path);
                }
            });
        }
    });
}
