//! Files that are cut off, contradict themselves, or were made to harm: an error or a view, never a panic, and neither
//! time nor memory out of proportion.

use std::time::{Duration, Instant};

use cotenant::inspect::{Contents, Fault, Image, changes, inspect, printable};

use crate::make::elf::{ALLOC, Elf, NOBITS, PROGBITS, WRITE};
use crate::make::pe::{self, Pe};
use crate::make::{TARGETS, archive, block, samples};

/// Does with an image all that a tool does.
fn look_at(mut image: Image<'_>) {
    image.judge_copies(|name| name.len() % 2 == 1);
    for section in &image.sections {
        let _ = (section.name_text(), section.flag_names());
    }
    for variable in image.blocks.iter().flat_map(|block| &block.variables) {
        let initial = variable.initial(60).expect("a variable lies in its block");
        assert!(initial.chars().count() <= 61, "{initial}");
        let _ = (variable.type_text(), printable(variable.doc()));
    }
    let _ = changes(&image.blocks, &image.blocks);
}

/// Reads it with all members; gives whether it was taken for whole.
fn read(bytes: &[u8]) -> bool {
    match inspect(bytes) {
        Ok(Contents::Image(image)) => {
            look_at(*image);
            true
        }
        Ok(Contents::Archive(archive)) => archive.fold(true, |is_whole, member| match member {
            Ok(member) => match member.image {
                Ok(image) => {
                    image.into_iter().for_each(|image| look_at(*image));
                    is_whole
                }
                Err(_) => false,
            },
            Err(_) => false,
        }),
        Err(refused) => {
            assert!(!refused.to_string().contains('\n'));
            false
        }
    }
}

/// A stream of numbers that is the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Bytes that tend to matter.
const TELLING: [u8; 8] = [0, 1, 0xff, 0x7f, 0x80, 0x40, 0x10, 8];

fn variants(bytes: &[u8], seed: u64, count: usize) {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..count {
        let mut variant = bytes.to_vec();
        for _ in 0..=numbers.below(6) {
            // Headers decide; most of the rest is data.
            let range = if numbers.below(2) == 0 { variant.len() } else { variant.len().min(512) };
            let at = numbers.below(range);
            match numbers.below(4) {
                0 => variant[at] ^= 1 << numbers.below(8),
                1 => variant[at] = TELLING[numbers.below(TELLING.len())],
                2 => {
                    let end = (at + 1 + numbers.below(8)).min(variant.len());
                    variant[at..end].fill(TELLING[numbers.below(TELLING.len())]);
                }
                _ => {
                    let from = numbers.below(variant.len());
                    let len = (1 + numbers.below(16)).min(variant.len() - at.max(from));
                    variant.copy_within(from..from + len, at);
                }
            }
        }
        if numbers.below(8) == 0 {
            variant.truncate(numbers.below(variant.len()));
        }
        read(&variant);
    }
}

#[test]
fn samples_are_whole() {
    for (name, bytes) in samples() {
        assert!(read(&bytes), "{name}: {:?}", inspect(&bytes).err());
    }
}

#[test]
fn thousands_of_broken_variants_do_no_harm() {
    for (index, (_, bytes)) in samples().iter().enumerate() {
        variants(bytes, index as u64 + 1, 1500);
    }
}

#[test]
fn broken_variants_of_real_programs_do_no_harm() {
    let mut files: Vec<_> = std::fs::read_dir("/usr/bin").into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    let small = files.iter().filter_map(|path| std::fs::read(path).ok().filter(|bytes| bytes.starts_with(b"\x7fELF")));
    for (index, bytes) in small.filter(|bytes| bytes.len() < 64 << 10).take(10).enumerate() {
        variants(&bytes, 1000 + index as u64, 300);
    }
    let own = std::fs::read(std::env::current_exe().expect("a path")).expect("this program");
    assert!(read(&own));
    variants(&own, 7, 8);
}

#[test]
fn file_cut_off_anywhere_is_no_harm_and_not_taken_for_whole() {
    for (name, bytes) in samples() {
        let is_archive = name == "archive";
        for len in 0..bytes.len() {
            if len > 1024 && len % 17 != 0 {
                continue;
            }
            let is_whole = read(&bytes[..len]);
            // What ends an ELF file is the table of sections; an archive may end behind any member.
            let must_fail = name.starts_with("elf") && !name.contains("nosections");
            assert!(!(must_fail && is_whole) || is_archive, "{name} at {len} of {}", bytes.len());
        }
    }
}

#[test]
fn cut_off_files_are_called_truncated() {
    let fault = |bytes: &[u8]| inspect(bytes).expect_err("refused").fault();
    let elf = Elf::plain(TARGETS[0]).build();
    assert_eq!(fault(&elf[..40]), Fault::Truncated);
    assert_eq!(fault(&elf[..elf.len() - 1]), Fault::Truncated);
    assert_eq!(fault(b"\x7fEL"), Fault::Truncated);
    let pe = pe::classic(64).build();
    assert_eq!(fault(&pe[..100]), Fault::Truncated);
    assert_eq!(fault(&pe[..0x400]), Fault::Truncated);
    assert_eq!(fault(b"MZ"), Fault::Truncated);
    assert_eq!(fault(b""), Fault::NotAnImage);
    assert_eq!(fault(b"#!/bin/sh\necho hello, world\n"), Fault::NotAnImage);
    let mut dos = b"MZ".to_vec();
    dos.resize(2048, 0);
    assert_eq!(fault(&dos), Fault::NotAnImage);
    let archive = archive(&[("a.o", &elf)]);
    let Ok(Contents::Archive(mut members)) = inspect(&archive[..archive.len() - 9]) else { panic!("no archive") };
    assert!(members.next().expect("an item").is_err());
    assert!(members.next().is_none());
}

#[test]
fn sizes_of_the_whole_address_space_cost_nothing() {
    for target in TARGETS {
        let mut elf = block::elf(target, false, &block::VARIABLES);
        elf.section(".huge", NOBITS, ALLOC | WRITE, 0x50_0000, &[]).size = Some(u64::MAX);
        elf.section(".high", PROGBITS, ALLOC | WRITE, u64::MAX - 8, &[1; 64]);
        look_at(*crate::blocks::image(&elf.build()));
    }
}

#[test]
fn every_kind_of_quadratic_work_is_bounded() {
    let start = Instant::now();
    // Very many sections with one very long name.
    let mut elf = Elf::new(TARGETS[0], 3);
    elf.section(&"x".repeat(1 << 20), PROGBITS, ALLOC | WRITE, 0, &[]);
    for _ in 0..30_000 {
        elf.section("cotenant", PROGBITS, ALLOC | WRITE, 0x1000, &[]).size = Some(1 << 20);
    }
    let mut bytes = elf.build();
    read(&bytes);
    // All names are the long one.
    let table = u64::from_le_bytes(bytes[40..48].try_into().expect("8 bytes")) as usize;
    for header in bytes[table..].chunks_exact_mut(64) {
        header[..4].copy_from_slice(&1u32.to_le_bytes());
    }
    read(&bytes);
    // Very many descriptors of one large schema.
    let mut elf = block::elf(TARGETS[0], false, &block::VARIABLES);
    elf.sections[1].bytes = elf.sections[1].bytes.repeat(20_000);
    elf.sections[1].address = 0x100_0000;
    let bytes = elf.build();
    let image = crate::blocks::image(&bytes);
    assert!(image.block_faults.iter().any(|fault| fault.contains("refers to more than such a file can hold")));
    assert!(image.blocks.len() < 20_000);
    // A generous bound: what is wrong here would take hours.
    assert!(start.elapsed() < Duration::from_secs(600));
}

#[test]
fn names_for_people_turn_no_line_around() {
    let mut pe = Pe::new(64);
    pe.section(".a\nb\x1b[2J\u{202e}c, and much more", pe::DATA | pe::SHARED, 0x1000, &[0; 4]);
    let bytes = pe.build();
    let found = &crate::blocks::image(&bytes).findings[0].what;
    assert_eq!(found, "writable and shared: .a\\nb\\u{1b}[2J\\u{202e}c, and much more");
}
