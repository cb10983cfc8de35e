//! COFF: object files of Windows compilers, and the entries of import libraries.

use object::LittleEndian as LE;
use object::pe;
use object::read::coff::{CoffHeader, ImportFile, Symbol as _};

use super::flags;
use super::pe::{name, rights, strings};
use super::report::{Format, Image, ImageKind, Refused, Section, SectionRole};
use super::report::{slice_at, text_at};

pub(super) fn read<Coff: CoffHeader>(file: &[u8]) -> Result<Image<'_>, Refused> {
    let mut at = 0;
    let header = Coff::parse(file, &mut at).map_err(Refused::by("the COFF header"))?;
    let bytes = u64::from(header.number_of_sections()) * size_of::<pe::ImageSectionHeader>() as u64;
    if slice_at(file, at, bytes).is_none() {
        return Err(Refused::truncated("the table of sections"));
    }
    let sections = header.sections(file, at).map_err(Refused::by("the table of sections"))?;
    let mut image = Image::new(Format::Coff, ImageKind::Object);
    image.machine = flags::pe_machine(header.machine());
    image.bits = match header.machine() {
        pe::IMAGE_FILE_MACHINE_AMD64 | pe::IMAGE_FILE_MACHINE_ARM64 | pe::IMAGE_FILE_MACHINE_ARM64EC => 64,
        _ => 32,
    };
    let symbols_bytes = u64::from(header.number_of_symbols()) * size_of::<Coff::SymbolBytes>() as u64;
    let symbols_at = header.pointer_to_symbol_table();
    if symbols_at != 0 && slice_at(file, symbols_at.into(), symbols_bytes).is_none() {
        return Err(Refused::truncated("the table of symbols"));
    }
    let strings = strings(file, symbols_at.into(), symbols_bytes);
    let mut directives = 0; // Hostile ones may overlap: no more than real objects have are read.
    for (index, section) in sections.iter().enumerate() {
        let flags = section.characteristics.get(LE);
        let size = section.size_of_raw_data.get(LE).into();
        let file_offset = section.pointer_to_raw_data.get(LE);
        let has_bytes = file_offset != 0 && !flags.contains(pe::IMAGE_SCN_CNT_UNINITIALIZED_DATA);
        let kept = Section {
            name: name(section, strings),
            address: section.virtual_address.get(LE).into(),
            size,
            file_offset: file_offset.into(),
            file_bytes: if has_bytes { size } else { 0 },
            rights: rights(flags),
            flags: flags.0.into(),
            elf_type: 0,
            role: SectionRole::None,
            flag_names: flags::Table::Pe,
        };
        let bytes = slice_at(file, kept.file_offset, kept.file_bytes);
        let bytes = bytes.ok_or_else(|| Refused::truncated(&format!("section {}", kept.name_text())))?;
        if kept.rights.shared {
            // A hostile file's sections could all have the same relocations: the first few are enough.
            let relocations = section.coff_relocations(file).unwrap_or_default();
            let kept_relocations = &relocations[..relocations.len().min(4096)];
            kept_relocations.iter().for_each(|place| {
                image.facts.pointers.add(index, place.virtual_address.get(LE).into(), false);
            });
        }
        if kept.name == b".drectve" && directives < 64 {
            directives += 1;
            wishes(bytes, &mut image.facts.unmet_wishes);
        }
        image.sections.push(kept);
    }
    let sections = &image.sections;
    let is_met = |wish: &&[u8]| sections.iter().any(|section| section.name == *wish && section.size > 0);
    image.facts.unmet_wishes.retain(|wish| !is_met(wish));
    let has_empty = sections.iter().any(|section| section.rights.shared && section.size == 0);
    if has_empty || !image.facts.unmet_wishes.is_empty() {
        find_uninitialised::<Coff>(header, file, strings, &mut image);
    }
    Ok(image)
}

/// An entry of an import library.
pub(super) fn read_import(file: &[u8]) -> Result<Image<'_>, Refused> {
    let mut at = 0;
    let header = pe::ImportObjectHeader::parse(file, &mut at).map_err(Refused::by("the import"))?;
    ImportFile::parse(file).map_err(Refused::by("the import"))?;
    let mut image = Image::new(Format::Coff, ImageKind::ImportStub);
    image.machine = flags::pe_machine(header.machine.get(LE));
    image.time_stamp = Some(header.time_date_stamp.get(LE));
    Ok(image)
}

/// Sections that the compiler asks the linker to share: `/SECTION:name,RWS` or `-section:name,rws`.
fn wishes<'a>(directives: &'a [u8], out: &mut Vec<&'a [u8]>) {
    const WISHES_MAX: usize = 64;
    for directive in directives.split(|byte| matches!(byte, b' ' | 0 | b'\n')) {
        let Some((head, rest)) = directive.split_at_checked(9) else { continue };
        let is_section = matches!(head[0], b'/' | b'-') && head[1..].eq_ignore_ascii_case(b"section:");
        let Some(comma) = rest.iter().position(|byte| *byte == b',') else { continue };
        let rights = rest[comma + 1..].trim_ascii_end();
        // `!S` takes the right away.
        let is_shared = rights
            .iter()
            .enumerate()
            .any(|(i, right)| right.eq_ignore_ascii_case(&b's') && (i == 0 || rights[i - 1] != b'!'));
        if is_section && is_shared && out.len() < WISHES_MAX {
            out.push(rest[..comma].trim_ascii().strip_prefix(b"\"").unwrap_or(rest[..comma].trim_ascii()));
        }
    }
}

/// The variables in `.bss`, and those that the linker will put there.
fn find_uninitialised<'a, Coff: CoffHeader>(header: &Coff, file: &'a [u8], strings: &'a [u8], image: &mut Image<'a>) {
    const VARIABLES_MAX: usize = 16;
    let Ok(symbols) = header.symbols(file) else { return };
    for (_, symbol) in symbols.iter() {
        let section = symbol.section().and_then(|index| image.sections.get(index.0.wrapping_sub(1)));
        let is_common = symbol.section_number() == pe::IMAGE_SYM_UNDEFINED && symbol.value() > 0;
        let is_bss = section.is_some_and(|section| section.name.starts_with(b".bss"));
        let is_variable = symbol.storage_class() == pe::IMAGE_SYM_CLASS_EXTERNAL
            || symbol.storage_class() == pe::IMAGE_SYM_CLASS_STATIC && symbol.number_of_aux_symbols() == 0;
        if !is_variable || !(is_bss || is_common) {
            continue;
        }
        let raw = symbol.raw_name();
        let name = match raw {
            [0, 0, 0, 0, at @ ..] => text_at(strings, u32::from_le_bytes(*at).into()).unwrap_or_default(),
            _ => raw.split(|byte| *byte == 0).next().unwrap_or_default(),
        };
        if image.facts.uninitialised.len() < VARIABLES_MAX && !name.starts_with(b".bss") {
            image.facts.uninitialised.push(name);
        }
    }
}
