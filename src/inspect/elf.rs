//! ELF: programs, libraries, object files, of either word size and byte order.

use object::elf::{self, PT_INTERP, PT_LOAD, PT_NOTE};
use object::endian::Endianness;
use object::read::elf::{FileHeader, NoteIterator, ProgramHeader, Rel, Rela, SectionHeader, Sym};

use super::elf_dynamic::Dynamic;
use super::memory::Memory;
use super::report::{ByteOrder, Format, Image, ImageKind, Refused, Rights, Section, SectionRole, Symbol};
use super::report::{slice_at, text_at};
use super::{block, flags};

/// Names of Cotenant's sections (`src/sys/place.rs`).
const BLOCKS: &[u8] = b"cotenant";
const DESCRIPTORS: &[u8] = b"cotenant_meta";

/// Areas that are looked through byte by byte: more of a kind are in no real file, and a hostile one's may overlap.
const AREAS_MAX: usize = 64;

/// A file's headers.
pub(super) struct Headers<'a, Elf: FileHeader<Endian = Endianness>> {
    pub(super) file: &'a [u8],
    pub(super) endian: Endianness,
    pub(super) header: &'a Elf,
    pub(super) sections: &'a [Elf::SectionHeader],
    pub(super) segments: &'a [Elf::ProgramHeader],
}

pub(super) fn read<Elf: FileHeader<Endian = Endianness>>(file: &[u8]) -> Result<Image<'_>, Refused> {
    let headers = Headers::<Elf>::parse(file)?;
    let (header, endian) = (headers.header, headers.endian);
    let mut image = Image::new(Format::Elf, ImageKind::Other);
    image.bits = if header.is_type_64() { 64 } else { 32 };
    image.byte_order = if header.is_big_endian() { ByteOrder::Big } else { ByteOrder::Little };
    image.machine = flags::elf_machine(header.e_machine(endian));
    image.sections = headers.sections()?;
    let mut memory = headers.memory(&mut image)?;
    image.build_id = headers.build_id();
    let dynamic = Dynamic::find(&headers, &memory);
    image.kind = headers.kind(dynamic.as_ref());
    let is_object = image.kind == ImageKind::Object;
    if let Some(dynamic) = &dynamic {
        dynamic.relocate(&headers, &mut memory, &mut image);
    }
    if is_object {
        headers.find_object_pointers(&mut image);
        headers.find_uninitialised(&mut image);
    } else {
        headers.find_shared_exports(&mut image);
        block::find(&mut image, &memory, file.len() as u64);
    }
    Ok(image)
}

impl<'a, Elf: FileHeader<Endian = Endianness>> Headers<'a, Elf> {
    fn parse(file: &'a [u8]) -> Result<Self, Refused> {
        let header = Elf::parse(file).map_err(|error| {
            if file.len() < size_of::<Elf>() {
                Refused::truncated("the ELF header")
            } else {
                Refused::by("the header")(error)
            }
        })?;
        let endian = header.endian().map_err(Refused::by("the header"))?;
        let truncated = |what: &'static str, at: u64, each: u16, count: u64| {
            let end = u64::from(each).checked_mul(count).and_then(|bytes| bytes.checked_add(at));
            move |error| match end {
                Some(end) if end <= file.len() as u64 => Refused::by(what)(error),
                _ => Refused::truncated(what),
            }
        };
        let (at, each, count) = (header.e_shoff(endian).into(), header.e_shentsize(endian), header.e_shnum(endian));
        let wrong = truncated("the table of sections", at, each, count.max(1).into());
        let sections = header.section_headers(endian, file).map_err(wrong)?;
        let (at, each, count) = (header.e_phoff(endian).into(), header.e_phentsize(endian), header.e_phnum(endian));
        let wrong = truncated("the table of segments", at, each, count.into());
        let segments = header.program_headers(endian, file).map_err(wrong)?;
        Ok(Headers { file, endian, header, sections, segments })
    }

    fn sections(&self) -> Result<Vec<Section<'a>>, Refused> {
        let names = match self.header.section_strings_index(self.endian, self.file) {
            Ok(index) if !self.sections.is_empty() => {
                let table = self.sections.get(index.0).ok_or(Refused::damaged("the index of the section names"))?;
                match table.file_range(self.endian) {
                    Some((at, bytes)) => {
                        slice_at(self.file, at, bytes).ok_or(Refused::truncated("the table of section names"))?
                    }
                    None => &[],
                }
            }
            _ => &[][..],
        };
        let machine = self.header.e_machine(self.endian);
        let mut sections = Vec::with_capacity(self.sections.len().saturating_sub(1));
        for section in self.sections.iter().skip(1) {
            let name = match text_at(names, section.sh_name(self.endian).into()) {
                Some(name) => name,
                None if names.is_empty() => b"",
                None => return Err(Refused::damaged("a section's name lies outside of the table of names")),
            };
            let section = self.section(name, section, machine);
            if slice_at(self.file, section.file_offset, section.file_bytes).is_none() {
                return Err(Refused::truncated(&format!("section {}", section.name_text())));
            }
            sections.push(section);
        }
        Ok(sections)
    }

    fn section(&self, name: &'a [u8], section: &Elf::SectionHeader, machine: elf::Machine) -> Section<'a> {
        let endian = self.endian;
        let flags = section.sh_flags(endian);
        let has = |flag| flags.contains(flag);
        let is_loaded = has(elf::SHF_ALLOC);
        let elf_type = section.sh_type(endian);
        let size: u64 = section.sh_size(endian).into();
        let is_empty = matches!(elf_type, elf::SHT_NOBITS | elf::SHT_NULL);
        let role = match name {
            BLOCKS if is_loaded && has(elf::SHF_WRITE) => SectionRole::Blocks,
            DESCRIPTORS if is_loaded => SectionRole::Descriptors,
            _ => SectionRole::None,
        };
        Section {
            name,
            address: section.sh_addr(endian).into(),
            size,
            file_offset: section.sh_offset(endian).into(),
            file_bytes: if is_empty { 0 } else { size },
            rights: Rights {
                read: is_loaded,
                write: is_loaded && has(elf::SHF_WRITE),
                execute: is_loaded && has(elf::SHF_EXECINSTR),
                shared: false,
            },
            flags: flags.0,
            elf_type: elf_type.0,
            role,
            flag_names: flags::Table::Elf(machine),
        }
    }

    /// The segments that are loaded.
    fn memory(&self, image: &mut Image<'a>) -> Result<Memory<'a>, Refused> {
        let mut memory = Memory::new(image.bits / 8, image.byte_order);
        for segment in self.segments.iter().filter(|segment| segment.p_type(self.endian) == PT_LOAD) {
            let (at, bytes) = segment.file_range(self.endian);
            let bytes = slice_at(self.file, at, bytes).ok_or(Refused::truncated("a segment"))?;
            let (start, size) = (segment.p_vaddr(self.endian).into(), segment.p_memsz(self.endian).into());
            memory.add(start, bytes, size);
            let flags = segment.p_flags(self.endian);
            let segments = &mut image.facts.writable_executable_segments;
            if flags.contains(elf::PF_W) && flags.contains(elf::PF_X) {
                segments.push((start, size));
            }
        }
        memory.sort();
        Ok(memory)
    }

    fn kind(&self, dynamic: Option<&Dynamic<'a>>) -> ImageKind {
        let is_program = self.segments.iter().any(|segment| segment.p_type(self.endian) == PT_INTERP)
            && dynamic.is_none_or(|dynamic| !dynamic.has_library_name);
        match self.header.e_type(self.endian) {
            elf::ET_EXEC => ImageKind::Program,
            elf::ET_DYN if is_program || dynamic.is_some_and(|dynamic| dynamic.is_program) => {
                ImageKind::RelocatableProgram
            }
            elf::ET_DYN => ImageKind::Library,
            elf::ET_REL => ImageKind::Object,
            elf::ET_CORE => ImageKind::Core,
            _ => ImageKind::Other,
        }
    }

    fn build_id(&self) -> Vec<u8> {
        let in_sections = self.sections.iter().filter(|section| section.sh_type(self.endian) == elf::SHT_NOTE);
        let in_sections = in_sections.filter_map(|section| {
            let (at, bytes) = section.file_range(self.endian)?;
            Some((slice_at(self.file, at, bytes)?, section.sh_addralign(self.endian)))
        });
        let in_segments = self.segments.iter().filter(|segment| segment.p_type(self.endian) == PT_NOTE);
        let in_segments = in_segments.filter_map(|segment| {
            let (at, bytes) = segment.file_range(self.endian);
            Some((slice_at(self.file, at, bytes)?, segment.p_align(self.endian)))
        });
        for (notes, align) in in_sections.chain(in_segments).take(AREAS_MAX) {
            let Ok(mut notes) = NoteIterator::<Elf>::new(self.endian, align, notes) else { continue };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == elf::ELF_NOTE_GNU && note.n_type(self.endian) == elf::NT_GNU_BUILD_ID {
                    // The longest in use has 64 bytes.
                    return note.desc()[..note.desc().len().min(64)].to_vec();
                }
            }
        }
        Vec::new()
    }

    /// Relocations of an object file against its shared sections.
    fn find_object_pointers(&self, image: &mut Image<'a>) {
        let mut areas = 0;
        for section in self.sections {
            let kind = section.sh_type(self.endian);
            let target = (section.sh_info(self.endian) as usize).wrapping_sub(1);
            if !image.sections.get(target).is_some_and(|section| section.is_shared()) || areas == AREAS_MAX {
                continue;
            }
            areas += 1;
            if kind == elf::SHT_RELA {
                let Ok(Some((rela, _))) = section.rela(self.endian, self.file) else { continue };
                rela.iter().for_each(|rela| image.facts.pointers.add(target, rela.r_offset(self.endian).into(), false));
            } else if kind == elf::SHT_REL {
                let Ok(Some((rel, _))) = section.rel(self.endian, self.file) else { continue };
                rel.iter().for_each(|rel| image.facts.pointers.add(target, rel.r_offset(self.endian).into(), false));
            }
        }
    }

    /// Exported variables that lie in shared sections: whoever names one from another image gets a copy of it.
    fn find_shared_exports(&self, image: &mut Image<'a>) {
        let sections = image.sections.iter().filter(|section| section.is_shared()).take(AREAS_MAX);
        let areas: Vec<_> = sections.map(|section| (section.address, section.size)).collect();
        if areas.is_empty() {
            return;
        }
        let lies_shared = |address: u64| areas.iter().any(|(start, size)| address.wrapping_sub(*start) < *size);
        self.symbols(elf::SHT_DYNSYM, |symbol, name| {
            let address = symbol.st_value(self.endian).into();
            let is_exported = !symbol.is_undefined(self.endian)
                && !symbol.is_local()
                && symbol.st_type() == elf::STT_OBJECT
                && symbol.st_visibility() == elf::STV_DEFAULT;
            if is_exported && lies_shared(address) {
                image.shared_exports.push(Symbol { name, address, size: symbol.st_size(self.endian).into() });
            }
        });
    }

    /// Variables of an object file that lie in `.bss`, for one whose shared section is empty.
    fn find_uninitialised(&self, image: &mut Image<'a>) {
        let is_empty_shared = |section: &Section<'_>| section.role == SectionRole::Blocks && section.size == 0;
        if !image.sections.iter().any(is_empty_shared) {
            return;
        }
        self.symbols(elf::SHT_SYMTAB, |symbol, name| {
            let section = symbol.st_shndx(self.endian).index().map(usize::from).unwrap_or_default();
            let is_bss = section.checked_sub(1).and_then(|index| image.sections.get(index));
            let is_bss =
                is_bss.is_some_and(|section| section.name.starts_with(b".bss")) || symbol.is_common(self.endian);
            if is_bss && symbol.st_type() == elf::STT_OBJECT && image.facts.uninitialised.len() < 16 {
                image.facts.uninitialised.push(name);
            }
        });
    }

    /// The symbols of all tables of a type, with their names.
    fn symbols(&self, kind: elf::SectionType, mut each: impl FnMut(&Elf::Sym, &'a [u8])) {
        // One table of each type is allowed, and a hostile file's many could overlap.
        let Some(table) = self.sections.iter().find(|section| section.sh_type(self.endian) == kind) else { return };
        let Ok(symbols) = table.data_as_array::<Elf::Sym, _>(self.endian, self.file) else { return };
        let strings = self.sections.get(table.sh_link(self.endian) as usize);
        let Some((at, bytes)) = strings.and_then(|strings| strings.file_range(self.endian)) else { return };
        let Some(strings) = slice_at(self.file, at, bytes) else { return };
        for symbol in symbols {
            if let Some(name) = text_at(strings, symbol.st_name(self.endian).into()) {
                each(symbol, name);
            }
        }
    }
}
