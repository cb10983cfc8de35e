//! PE programs and COFF objects.

use super::{Bytes, Target};

pub const CODE: u32 = 0x6000_0020;
pub const DATA: u32 = 0xc000_0040;
pub const READ_ONLY: u32 = 0x4000_0040;
pub const BSS: u32 = 0xc000_0080;
pub const SHARED: u32 = 0x1000_0000;
pub const EXECUTE: u32 = 0x2000_0000;

pub const LITTLE: Target = Target { bits: 64, is_big: false };

pub struct Pe {
    pub bits: u8,
    pub is_dll: bool,
    pub base: u64,
    /// Name, flags, RVA, bytes, virtual size.
    pub sections: Vec<(String, u32, u32, Vec<u8>, u32)>,
    /// RVA and size of the relocations.
    pub relocations: (u32, u32),
}

impl Pe {
    pub fn new(bits: u8) -> Pe {
        let base = if bits == 64 { 0x1_4000_0000 } else { 0x40_0000 };
        Pe { bits, is_dll: false, base, sections: Vec::new(), relocations: (0, 0) }
    }

    pub fn section(&mut self, name: &str, flags: u32, rva: u32, bytes: &[u8]) -> &mut Self {
        self.sections.push((name.to_owned(), flags, rva, bytes.to_vec(), bytes.len() as u32));
        self
    }

    pub fn target(&self) -> Target {
        Target { bits: self.bits, is_big: false }
    }

    pub fn build(&self) -> Vec<u8> {
        let mut out = Bytes::new(self.target());
        out.raw(b"MZ").pad_to(60).u32(64).raw(b"PE\0\0");
        let mut strings = Bytes::new(LITTLE);
        strings.u32(0);
        let optional_bytes: u16 = if self.bits == 64 { 112 + 128 } else { 96 + 128 };
        let headers_bytes = (64 + 24 + usize::from(optional_bytes) + 40 * self.sections.len()).next_multiple_of(512);
        let data_bytes: usize = self.sections.iter().map(|section| section.3.len().next_multiple_of(512)).sum();
        let strings_at = (headers_bytes + data_bytes) as u32;
        let machine = if self.bits == 64 { 0x8664 } else { 0x14c };
        let characteristics =
            0x0002 | if self.bits == 64 { 0x20 } else { 0x100 } | if self.is_dll { 0x2000 } else { 0 };
        out.u16(machine).u16(self.sections.len() as u16).u32(0x6553_f100).u32(strings_at).u32(0);
        out.u16(optional_bytes).u16(characteristics);
        self.optional_header(&mut out, headers_bytes as u32);
        let mut at = headers_bytes as u32;
        for (name, flags, rva, bytes, virtual_size) in &self.sections {
            section_name(&mut out, &mut strings, name);
            let raw = (bytes.len() as u32).next_multiple_of(512);
            let raw_at = if bytes.is_empty() { 0 } else { at };
            out.u32(*virtual_size).u32(*rva).u32(raw).u32(raw_at).u32(0).u32(0).u16(0).u16(0).u32(*flags);
            at += raw;
        }
        out.pad_to(headers_bytes);
        for (_, _, _, bytes, _) in &self.sections {
            out.raw(bytes).align(512);
        }
        let len = (strings.at() as u32).to_le_bytes();
        strings.bytes[..4].copy_from_slice(&len);
        out.raw(&strings.bytes).bytes.clone()
    }

    fn optional_header(&self, out: &mut Bytes, headers_bytes: u32) {
        out.u16(if self.bits == 64 { 0x20b } else { 0x10b }).u16(0).u32(0).u32(0).u32(0).u32(0x1000).u32(0x1000);
        if self.bits == 32 {
            out.u32(0);
        }
        out.word(self.base).u32(0x1000).u32(512).u16(4).u16(0).u16(0).u16(0).u16(4).u16(0).u32(0);
        out.u32(0x10_0000).u32(headers_bytes).u32(0).u16(3).u16(0).word(0).word(0).word(0).word(0).u32(0).u32(16);
        for index in 0..16 {
            let (rva, size) = if index == 5 { self.relocations } else { (0, 0) };
            out.u32(rva).u32(size);
        }
    }
}

/// Eight bytes: the name, or where it lies in the table of strings.
fn section_name(out: &mut Bytes, strings: &mut Bytes, name: &str) {
    let end = out.bytes.len() + 8;
    if name.len() > 8 {
        out.raw(format!("/{}", strings.at()).as_bytes());
        strings.raw(name.as_bytes()).raw(b"\0");
    } else {
        out.raw(name.as_bytes());
    }
    out.pad_to(end);
}

/// The classic: `.shared` beside code and data, and a section with a long name.
pub fn classic(bits: u8) -> Pe {
    let mut pe = Pe::new(bits);
    pe.section(".text", CODE, 0x1000, &[0xc3; 16]).section(".data", DATA, 0x2000, &[1; 64]);
    pe.section(".shared", DATA | SHARED, 0x3000, &[0; 16]).section(".debug_information", READ_ONLY, 0x4000, b"words");
    pe
}

/// One with an address in its shared section, told by a relocation.
pub fn with_relocation(bits: u8) -> Pe {
    let mut pe = classic(bits);
    let kind: u16 = if bits == 64 { 0xa000 } else { 0x3000 };
    let mut relocations = Bytes::new(LITTLE);
    relocations.u32(0x3000).u32(12).u16(kind | 8).u16(0);
    relocations.u32(0x2000).u32(12).u16(kind).u16(kind | 16);
    pe.section(".reloc", READ_ONLY, 0x5000, &relocations.bytes);
    pe.relocations = (0x5000, relocations.bytes.len() as u32);
    pe
}

/// One without relocations, whose shared section holds what would be an address of it.
pub fn with_guessed_pointer(bits: u8) -> Pe {
    let mut pe = classic(bits);
    let mut shared = Bytes::new(pe.target());
    shared.word(7).word(pe.base + 0x2008).word(pe.base - 8).word(0);
    pe.sections[2].3 = shared.bytes;
    pe.sections[2].4 = 32;
    pe
}

/// An object file: sections (name, flags, bytes, relocations), symbols (name, value, section, class).
pub fn object(sections: &[(&str, u32, &[u8], u16)], symbols: &[(&str, u32, u16, u8)]) -> Vec<u8> {
    let mut out = Bytes::new(LITTLE);
    let mut strings = Bytes::new(LITTLE);
    strings.u32(0);
    let mut at = 20 + 40 * sections.len() as u32;
    let bodies: u32 = sections.iter().map(|(_, _, bytes, count)| bytes.len() as u32 + 10 * u32::from(*count)).sum();
    out.u16(0x8664).u16(sections.len() as u16).u32(0).u32(at + bodies).u32(symbols.len() as u32).u16(0).u16(0);
    for (name, flags, bytes, relocations) in sections {
        section_name(&mut out, &mut strings, name);
        let len = bytes.len() as u32;
        let is_bss = flags & 0x80 != 0;
        let raw_at = if len == 0 || is_bss { 0 } else { at };
        out.u32(0).u32(0).u32(len).u32(raw_at).u32(at + len).u32(0).u16(*relocations).u16(0).u32(*flags);
        at += len + 10 * u32::from(*relocations);
    }
    for (_, _, bytes, relocations) in sections {
        out.raw(bytes);
        for index in 0..*relocations {
            out.u32(u32::from(index) * 8).u32(0).u16(1);
        }
    }
    for (name, value, section, class) in symbols {
        assert!(name.len() <= 8);
        let end = out.bytes.len() + 8;
        out.raw(name.as_bytes()).pad_to(end).u32(*value).u16(*section).u16(0).raw(&[*class, 0]);
    }
    let len = (strings.at() as u32).to_le_bytes();
    strings.bytes[..4].copy_from_slice(&len);
    out.raw(&strings.bytes).bytes.clone()
}

/// What MSVC makes of `#pragma data_seg(".shared")` around a variable without an initial value.
pub fn object_with_empty_section() -> Vec<u8> {
    let wish = b"/DEFAULTLIB:LIBCMT -section:.shared,RWS ";
    let sections = [
        (".drectve", 0x0010_0a00, &wish[..], 0),
        (".bss", 0xc030_0080, &[0; 8][..], 0),
        (".shared", 0xc030_0040, &[][..], 0),
    ];
    object(&sections, &[(".bss", 0, 2, 3), ("counter", 0, 2, 2), ("printf", 0, 0, 2), ("common", 4, 0, 2)])
}

/// An object file with the header for many sections.
pub fn big_object() -> Vec<u8> {
    let mut out = Bytes::new(LITTLE);
    let class = [0xc7, 0xa1, 0xba, 0xd1, 0xee, 0xba, 0xa9, 0x4b, 0xaf, 0x20, 0xfa, 0xf6, 0x6a, 0xa4, 0xdc, 0xb8];
    out.u16(0).u16(0xffff).u16(2).u16(0x8664).u32(0).raw(&class).u32(0).u32(0).u32(0).u32(0).u32(1).u32(56 + 40).u32(0);
    let end = out.bytes.len() + 8;
    out.raw(b".shared").pad_to(end).u32(0).u32(0).u32(0).u32(0).u32(0).u32(0).u16(0).u16(0).u32(DATA | SHARED);
    out.u32(4).bytes.clone()
}

/// An entry of an import library.
pub fn import_stub() -> Vec<u8> {
    let mut out = Bytes::new(LITTLE);
    out.u16(0).u16(0xffff).u16(0).u16(0x8664).u32(0).u32(13).u16(0).u16(4).raw(b"Name\0DLL.dll\0").bytes.clone()
}
