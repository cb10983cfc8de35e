//! What the dynamic loader does to an ELF image: found through the dynamic segment, as the loader finds it, so that
//! files without section headers are read, too.

use object::elf::{self, PT_DYNAMIC};
use object::endian::Endianness;
use object::pod::{Pod, slice_from_bytes};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Rel, Rela, RelrIterator, Sym};

use super::elf::Headers;
use super::memory::Memory;
use super::report::{CopiedVariable, Image, SectionRole, slice_at, text_at};

/// The dynamic segment's entries that matter here.
#[derive(Default)]
pub(super) struct Dynamic<'a> {
    rela: &'a [u8],
    rel: &'a [u8],
    relr: &'a [u8],
    strings: &'a [u8],
    symbols_at: Option<u64>,
    /// Marked as a program (DF_1_PIE).
    pub(super) is_program: bool,
    /// Has a name that programs ask for (DT_SONAME).
    pub(super) has_library_name: bool,
}

/// Address ranges, with the index of their section.
type Ranges = Vec<(usize, u64, u64)>;

impl<'a> Dynamic<'a> {
    pub(super) fn find<Elf: FileHeader<Endian = Endianness>>(
        headers: &Headers<'a, Elf>,
        memory: &Memory<'a>,
    ) -> Option<Dynamic<'a>> {
        let endian = headers.endian;
        let segment = headers.segments.iter().find(|segment| segment.p_type(endian) == PT_DYNAMIC)?;
        let (at, bytes) = segment.file_range(endian);
        let entries: &[Elf::Dyn] = all_of(slice_at(headers.file, at, bytes)?);
        let value = |tag| entries.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
        let table = |at, bytes| memory.bytes(value(at)?, value(bytes)?);
        Some(Dynamic {
            rela: table(elf::DT_RELA, elf::DT_RELASZ).unwrap_or_default(),
            rel: table(elf::DT_REL, elf::DT_RELSZ).unwrap_or_default(),
            relr: table(elf::DT_RELR, elf::DT_RELRSZ).unwrap_or_default(),
            strings: table(elf::DT_STRTAB, elf::DT_STRSZ).unwrap_or_default(),
            symbols_at: value(elf::DT_SYMTAB),
            is_program: value(elf::DT_FLAGS_1).is_some_and(|flags| flags & elf::DF_1_PIE.0 != 0),
            has_library_name: value(elf::DT_SONAME).is_some(),
        })
    }

    /// Goes through the relocations: keeps what they do to descriptors, and tells of pointers in shared sections and of
    /// copied variables.
    pub(super) fn relocate<Elf: FileHeader<Endian = Endianness>>(
        &self,
        headers: &Headers<'a, Elf>,
        memory: &mut Memory<'a>,
        image: &mut Image<'a>,
    ) {
        let ranges = |role| -> Ranges {
            let sections = image.sections.iter().enumerate().filter(|(_, section)| section.role == role);
            sections.map(|(index, section)| (index, section.address, section.size)).take(SECTIONS_MAX).collect()
        };
        let mut sink = Sink {
            symbols_at: self.symbols_at,
            strings: self.strings,
            shared: ranges(SectionRole::Blocks),
            descriptors: ranges(SectionRole::Descriptors),
            // Without section headers the descriptors may lie anywhere.
            keeps_all: image.sections.is_empty(),
            copy_type: copy_type(headers.header.e_machine(headers.endian)),
        };
        let (endian, is_mips64el) = (headers.endian, headers.header.is_mips64el(headers.endian));
        for rela in all_of::<Elf::Rela>(self.rela) {
            let kind = rela.r_type(endian, is_mips64el);
            let addend: i64 = rela.r_addend(endian).into();
            let at = rela.r_offset(endian).into();
            sink.take::<Elf>(endian, memory, image, (at, kind, rela.r_sym(endian, is_mips64el), Some(addend)));
        }
        for rel in all_of::<Elf::Rel>(self.rel) {
            let at = rel.r_offset(endian).into();
            sink.take::<Elf>(endian, memory, image, (at, rel.r_type(endian), rel.r_sym(endian), None));
        }
        for at in RelrIterator::<Elf>::new(endian, all_of::<Elf::Relr>(self.relr)) {
            sink.note_pointer(image, at.into());
        }
    }
}

/// More sections of one name than this are not looked through for each relocation.
const SECTIONS_MAX: usize = 16;

struct Sink<'a> {
    symbols_at: Option<u64>,
    strings: &'a [u8],
    shared: Ranges,
    descriptors: Ranges,
    keeps_all: bool,
    copy_type: Option<u32>,
}

impl<'a> Sink<'a> {
    /// Takes one relocation: place, type, symbol, and the addend where it is not in the place itself.
    fn take<Elf: FileHeader<Endian = Endianness>>(
        &mut self,
        endian: Endianness,
        memory: &mut Memory<'a>,
        image: &mut Image<'a>,
        (at, kind, symbol, addend): (u64, elf::RelocationType, u32, Option<i64>),
    ) {
        let symbol = || -> Option<&'a Elf::Sym> {
            let offset = u64::from(symbol).checked_mul(size_of::<Elf::Sym>() as u64)?;
            let bytes = memory.bytes(self.symbols_at?.checked_add(offset)?, size_of::<Elf::Sym>() as u64)?;
            all_of::<Elf::Sym>(bytes).first().filter(|_| symbol != 0)
        };
        if kind.0 == 0 {
            return; // R_*_NONE of every processor
        }
        if Some(kind.0) == self.copy_type {
            let name = symbol().and_then(|symbol| text_at(self.strings, symbol.st_name(endian).into()));
            image.copies.push(CopiedVariable { name: name.unwrap_or_default(), address: at });
            return;
        }
        self.note_pointer(image, at);
        if self.keeps_all || range_with(&self.descriptors, at).is_some() {
            let symbol = symbol().map(|symbol| symbol.st_value(endian).into());
            let addend = match (addend, symbol) {
                (Some(addend), _) => addend as u64,
                (None, None) => return, // The place holds the address.
                (None, Some(_)) => memory.pointer(at).unwrap_or_default(),
            };
            let value = addend.wrapping_add(symbol.unwrap_or_default());
            let mask = if memory.pointer_bytes == 4 { u64::from(u32::MAX) } else { u64::MAX };
            memory.relocate(at, value & mask);
        }
    }

    fn note_pointer(&self, image: &mut Image<'a>, at: u64) {
        if let Some((index, start)) = range_with(&self.shared, at) {
            image.facts.pointers.add(index, at - start, false);
        }
    }
}

fn range_with(ranges: &Ranges, at: u64) -> Option<(usize, u64)> {
    let range = ranges.iter().find(|(_, start, size)| at.wrapping_sub(*start) < *size);
    range.map(|(index, start, _)| (*index, *start))
}

/// As many entries as there are whole ones.
fn all_of<T: Pod>(bytes: &[u8]) -> &[T] {
    slice_from_bytes(bytes, bytes.len() / size_of::<T>()).map_or(&[], |(entries, _)| entries)
}

/// The number of the COPY relocation.
fn copy_type(machine: elf::Machine) -> Option<u32> {
    Some(match machine {
        elf::EM_X86_64 => elf::R_X86_64_COPY.0,
        elf::EM_386 => elf::R_386_COPY.0,
        elf::EM_AARCH64 => elf::R_AARCH64_COPY.0,
        elf::EM_ARM => elf::R_ARM_COPY.0,
        elf::EM_RISCV => elf::R_RISCV_COPY.0,
        elf::EM_PPC => elf::R_PPC_COPY.0,
        elf::EM_PPC64 => elf::R_PPC64_COPY.0,
        elf::EM_S390 => elf::R_390_COPY.0,
        elf::EM_LOONGARCH => elf::R_LARCH_COPY.0,
        elf::EM_SPARC | elf::EM_SPARCV9 => elf::R_SPARC_COPY.0,
        elf::EM_MIPS => elf::R_MIPS_COPY.0,
        _ => return None,
    })
}
