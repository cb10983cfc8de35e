//! Small binaries, made byte by byte: of every format, word size and byte order, right and wrong.

#![allow(dead_code, unreachable_pub)] // Each test program uses its part.

pub mod block;
pub mod elf;
pub mod pe;

use elf::Elf;

/// Bytes in a byte order and word size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    pub bits: u8,
    pub is_big: bool,
}

pub const TARGETS: [Target; 4] = [
    Target { bits: 64, is_big: false },
    Target { bits: 64, is_big: true },
    Target { bits: 32, is_big: false },
    Target { bits: 32, is_big: true },
];

impl Target {
    pub fn name(self) -> String {
        format!("{}{}", self.bits, if self.is_big { "be" } else { "le" })
    }

    /// Bytes of a pointer.
    pub fn word(self) -> u64 {
        u64::from(self.bits / 8)
    }
}

/// Growing bytes.
#[derive(Clone, Debug)]
pub struct Bytes {
    pub target: Target,
    pub bytes: Vec<u8>,
}

impl Bytes {
    pub fn new(target: Target) -> Bytes {
        Bytes { target, bytes: Vec::new() }
    }

    pub fn at(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        let bytes = if self.target.is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.raw(&bytes)
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        let bytes = if self.target.is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.raw(&bytes)
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        let bytes = if self.target.is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        self.raw(&bytes)
    }

    pub fn word(&mut self, value: u64) -> &mut Self {
        if self.target.bits == 64 { self.u64(value) } else { self.u32(value as u32) }
    }

    /// Zeros up to an offset that is a multiple.
    pub fn align(&mut self, to: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
        self
    }

    pub fn pad_to(&mut self, len: usize) -> &mut Self {
        assert!(self.bytes.len() <= len, "no room: {} bytes of {len}", self.bytes.len());
        self.bytes.resize(len, 0);
        self
    }
}

/// An archive as `ar` makes it.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let name = format!("{name}/");
        out.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, bytes.len()).bytes());
        out.extend_from_slice(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// One of each: names and bytes.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = Vec::new();
    for target in TARGETS {
        let name = target.name();
        samples.push((format!("elf{name}-plain"), Elf::plain(target).build()));
        samples.push((format!("elf{name}-blocks-fixed"), block::elf(target, false, &block::VARIABLES).build()));
        samples.push((format!("elf{name}-blocks-pie"), block::elf(target, true, &block::VARIABLES).build()));
        samples.push((format!("elf{name}-object"), elf::object_with_pointers(target).build()));
        samples.push((format!("elf{name}-copies"), elf::program_with_copy(target, "shared_variable").build()));
        samples.push((format!("elf{name}-exports"), elf::library_with_export(target, "shared_variable").build()));
    }
    for bits in [32, 64] {
        samples.push((format!("pe{bits}-classic"), pe::classic(bits).build()));
        samples.push((format!("pe{bits}-blocks"), block::pe(bits).build()));
        samples.push((format!("pe{bits}-relocated"), pe::with_relocation(bits).build()));
    }
    samples.push(("coff-wish".to_owned(), pe::object_with_empty_section()));
    samples.push(("coff-big".to_owned(), pe::big_object()));
    samples.push(("coff-import".to_owned(), pe::import_stub()));
    let members: Vec<_> =
        samples.iter().take(5).map(|(name, bytes)| (&name[..name.len().min(15)], &bytes[..])).collect();
    samples.push(("archive".to_owned(), archive(&members)));
    samples
}
