//! ELF files.

use super::{Bytes, Target};

pub const ALLOC: u64 = 2;
pub const WRITE: u64 = 1;
pub const EXEC: u64 = 4;
pub const PROGBITS: u32 = 1;
pub const SYMTAB: u32 = 2;
pub const STRTAB: u32 = 3;
pub const RELA: u32 = 4;
pub const DYNAMIC: u32 = 6;
pub const NOTE: u32 = 7;
pub const NOBITS: u32 = 8;
pub const DYNSYM: u32 = 11;

pub const ET_REL: u16 = 1;
pub const ET_EXEC: u16 = 2;
pub const ET_DYN: u16 = 3;

#[derive(Clone, Debug, Default)]
pub struct Section {
    pub name: String,
    pub kind: u32,
    pub flags: u64,
    pub address: u64,
    pub bytes: Vec<u8>,
    /// Instead of the length of `bytes`.
    pub size: Option<u64>,
    pub link: u32,
    pub info: u32,
    pub entry: u64,
}

#[derive(Clone, Debug)]
pub struct Elf {
    pub target: Target,
    pub kind: u16,
    pub sections: Vec<Section>,
    pub has_section_headers: bool,
}

impl Elf {
    pub fn new(target: Target, kind: u16) -> Elf {
        Elf { target, kind, sections: Vec::new(), has_section_headers: true }
    }

    pub fn section(&mut self, name: &str, kind: u32, flags: u64, address: u64, bytes: &[u8]) -> &mut Section {
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        self.sections.push(Section { name, kind, flags, address, bytes, ..Section::default() });
        self.sections.last_mut().expect("just pushed")
    }

    /// Code, data, bss and a build id.
    pub fn plain(target: Target) -> Elf {
        let mut elf = Elf::new(target, ET_EXEC);
        let mut note = Bytes::new(target);
        note.u32(4).u32(4).u32(3).raw(b"GNU\0").raw(&[0xde, 0xad, 0xbe, 0xef]);
        elf.section(".note.gnu.build-id", NOTE, ALLOC, 0x400200, &note.bytes);
        elf.section(".text", PROGBITS, ALLOC | EXEC, 0x401000, &[0x90; 16]);
        elf.section(".data", PROGBITS, ALLOC | WRITE, 0x402000, &[1; 32]);
        elf.section(".bss", NOBITS, ALLOC | WRITE, 0x403000, &[]).size = Some(0x2000);
        elf.section(".comment", PROGBITS, 0x30, 0, b"made by hand\0");
        elf
    }

    /// x86 and x86-64 where the byte order fits, else processors that have it.
    fn machine(&self) -> u16 {
        match (self.target.bits, self.target.is_big) {
            (64, false) => 62,
            (64, true) => 21,
            (_, false) => 3,
            (_, true) => 20,
        }
    }

    pub fn build(&self) -> Vec<u8> {
        let is_64 = self.target.bits == 64;
        let (header, segment, section) = if is_64 { (64, 56, 64) } else { (52, 32, 40) };
        let mut names = vec![0];
        let mut loaded: Vec<_> = self.sections.iter().filter(|section| section.flags & ALLOC != 0).collect();
        if self.kind == ET_REL {
            loaded.clear();
        }
        let dynamic = self.sections.iter().position(|section| section.kind == DYNAMIC);
        let segments = loaded.len() + usize::from(dynamic.is_some());
        let mut body = Bytes::new(self.target);
        body.pad_to(header + segments * segment);
        let mut places = Vec::new();
        for section in &self.sections {
            body.align(16);
            places.push(body.at());
            if section.kind != NOBITS {
                body.raw(&section.bytes);
            }
        }
        let mut name_places = Vec::new();
        for name in self.sections.iter().map(|section| section.name.as_str()).chain([".shstrtab"]) {
            name_places.push(names.len() as u32);
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        let names_at = body.at();
        body.raw(&names).align(8);
        let table_at = if self.has_section_headers { body.at() } else { 0 };
        if self.has_section_headers {
            let names = Section { kind: STRTAB, size: Some(names.len() as u64), ..Section::default() };
            body.raw(&vec![0; section]);
            let all = self.sections.iter().zip(&places).chain([(&names, &names_at)]);
            for ((section, at), name) in all.zip(name_places) {
                section_header(&mut body, section, *at, name);
            }
        }
        let count = if self.has_section_headers { self.sections.len() as u16 + 2 } else { 0 };
        let mut head = Bytes::new(self.target);
        head.raw(b"\x7fELF").raw(&[if is_64 { 2 } else { 1 }, if self.target.is_big { 2 } else { 1 }, 1]).pad_to(16);
        head.u16(self.kind).u16(self.machine()).u32(1).word(0);
        head.word(if segments > 0 { header as u64 } else { 0 }).word(table_at).u32(0);
        head.u16(header as u16).u16(segment as u16).u16(segments.min(0xfffe) as u16);
        head.u16(section as u16).u16(count).u16(count.saturating_sub(1));
        for (section, at) in
            self.sections.iter().zip(&places).filter(|(s, _)| s.flags & ALLOC != 0 && !loaded.is_empty())
        {
            segment_header(&mut head, 1, section, *at);
        }
        if let Some(index) = dynamic {
            segment_header(&mut head, 2, &self.sections[index], places[index]);
        }
        body.bytes[..head.bytes.len()].copy_from_slice(&head.bytes);
        body.bytes
    }
}

fn section_header(out: &mut Bytes, section: &Section, at: u64, name: u32) {
    let size = section.size.unwrap_or(section.bytes.len() as u64);
    out.u32(name).u32(section.kind).word(section.flags).word(section.address).word(at).word(size);
    out.u32(section.link).u32(section.info).word(8).word(section.entry);
}

fn segment_header(out: &mut Bytes, kind: u32, section: &Section, at: u64) {
    let size = section.size.unwrap_or(section.bytes.len() as u64);
    let in_file = if section.kind == NOBITS { 0 } else { size };
    let has = |flag| section.flags & flag != 0;
    let flags = 4 | if has(WRITE) { 2 } else { 0 } | if has(EXEC) { 1 } else { 0 };
    out.u32(kind);
    if out.target.bits == 64 {
        out.u32(flags);
    }
    out.word(at).word(section.address).word(section.address).word(in_file).word(size);
    if out.target.bits == 32 {
        out.u32(flags);
    }
    out.word(16);
}

/// A relocation entry with an addend.
pub fn rela(out: &mut Bytes, at: u64, symbol: u64, kind: u64, addend: u64) {
    let info = if out.target.bits == 64 { symbol << 32 | kind } else { symbol << 8 | kind };
    out.word(at).word(info).word(addend);
}

/// The processor's numbers of the RELATIVE and COPY relocations.
pub fn relocation_types(target: Target) -> (u64, u64) {
    match (target.bits, target.is_big) {
        (64, false) => (8, 5),  // x86-64
        (64, true) => (22, 19), // powerpc64
        (_, false) => (8, 5),   // x86
        (_, true) => (22, 19),  // powerpc
    }
}

pub fn symbol(out: &mut Bytes, name: u32, address: u64, size: u64, info: u8, section: u16) {
    if out.target.bits == 64 {
        out.u32(name).raw(&[info, 0]).u16(section).u64(address).u64(size);
    } else {
        out.u32(name).u32(address as u32).u32(size as u32).raw(&[info, 0]).u16(section);
    }
}

pub const GLOBAL_OBJECT: u8 = 0x11;
const LOCAL_OBJECT: u8 = 0x01;

fn dynamic(target: Target, entries: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Bytes::new(target);
    for (tag, value) in entries.iter().chain([&(0, 0)]) {
        out.word(*tag).word(*value);
    }
    out.bytes
}

/// Adds `.rela.dyn` and what the loader finds it by.
pub fn add_dynamic(elf: &mut Elf, relas: &[u8], symbol_name: Option<&str>, symbol_address: u64, symbol_section: u16) {
    let target = elf.target;
    let mut strings = vec![0];
    let mut symbols = Bytes::new(target);
    symbol(&mut symbols, 0, 0, 0, 0, 0);
    if let Some(name) = symbol_name {
        symbol(&mut symbols, strings.len() as u32, symbol_address, 8, GLOBAL_OBJECT, symbol_section);
        strings.extend(name.bytes());
        strings.push(0);
    }
    let link = elf.sections.len() as u32 + 2;
    let entry = if target.bits == 64 { 24 } else { 16 };
    let dynsym = elf.section(".dynsym", DYNSYM, ALLOC, 0x500000, &symbols.bytes);
    (dynsym.link, dynsym.info, dynsym.entry) = (link, 1, entry);
    elf.section(".dynstr", STRTAB, ALLOC, 0x501000, &strings);
    elf.section(".rela.dyn", RELA, ALLOC, 0x502000, relas).entry = if target.bits == 64 { 24 } else { 12 };
    let entries = [(7, 0x502000), (8, relas.len() as u64), (6, 0x500000), (5, 0x501000), (10, strings.len() as u64)];
    elf.section(".dynamic", DYNAMIC, ALLOC | WRITE, 0x503000, &dynamic(target, &entries)).entry = target.word() * 2;
}

/// A program that has a copy of a library's variable.
pub fn program_with_copy(target: Target, name: &str) -> Elf {
    let mut elf = Elf::plain(target);
    let mut relas = Bytes::new(target);
    rela(&mut relas, 0x403000, 1, relocation_types(target).1, 0);
    add_dynamic(&mut elf, &relas.bytes, Some(name), 0x403000, 4);
    elf
}

/// A library that exports a variable of its shared section.
pub fn library_with_export(target: Target, name: &str) -> Elf {
    let mut elf = Elf::new(target, ET_DYN);
    elf.section("cotenant", PROGBITS, ALLOC | WRITE, 0x401000, &[0; 4096]);
    elf.section(".data", PROGBITS, ALLOC | WRITE, 0x402000, &[0; 16]);
    add_dynamic(&mut elf, &[], Some(name), 0x401008, 1);
    elf
}

/// An object file with two relocations against its shared section and one against another.
pub fn object_with_pointers(target: Target) -> Elf {
    let mut elf = Elf::new(target, ET_REL);
    elf.section(".data", PROGBITS, ALLOC | WRITE, 0, &[0; 16]);
    elf.section("cotenant", PROGBITS, ALLOC | WRITE, 0, &[0; 64]);
    let mut symbols = Bytes::new(target);
    symbol(&mut symbols, 0, 0, 0, 0, 0);
    symbol(&mut symbols, 0, 0, 8, LOCAL_OBJECT, 1);
    for (name, info, places) in [(".rela.data", 1, &[0u64][..]), (".relacotenant", 2, &[8, 16])] {
        let mut relas = Bytes::new(target);
        places.iter().for_each(|at| rela(&mut relas, *at, 1, 1, 0));
        let section = elf.section(name, RELA, 0x40, 0, &relas.bytes);
        (section.link, section.info, section.entry) = (5, info, if target.bits == 64 { 24 } else { 12 });
    }
    let symtab = elf.section(".symtab", SYMTAB, 0, 0, &symbols.bytes);
    (symtab.link, symtab.info, symtab.entry) = (6, 2, if target.bits == 64 { 24 } else { 16 });
    elf.section(".strtab", STRTAB, 0, 0, b"\0");
    elf
}
