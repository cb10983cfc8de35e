//! PE: programs and DLLs of Windows. Addresses are shown with the image base, as debuggers and objdump show them.

use object::LittleEndian as LE;
use object::pe::{self, ImageSectionHeader};
use object::read::pe::{DataDirectories, ImageNtHeaders, ImageOptionalHeader};

use super::memory::Memory;
use super::report::{Format, Image, ImageKind, Refused, Rights, Section, SectionRole};
use super::report::{slice_at, text_at};
use super::{block, flags};

/// Name of the section of Cotenant's descriptors (`src/sys/place.rs`).
const DESCRIPTORS: &[u8] = b".cotmeta";
/// Bytes of an entry of the table of symbols.
const SYMBOL_BYTES: u64 = 18;

pub(super) fn read<Pe: ImageNtHeaders>(file: &[u8]) -> Result<Image<'_>, Refused> {
    let dos = pe::ImageDosHeader::parse(file).map_err(Refused::by("the DOS header"))?;
    let mut at = dos.nt_headers_offset().into();
    let (nt, directories) = Pe::parse(file, &mut at).map_err(Refused::by("the PE headers"))?;
    let headers = nt.file_header();
    let count = headers.number_of_sections.get(LE);
    let sections = slice_at(file, at, u64::from(count) * size_of::<ImageSectionHeader>() as u64)
        .ok_or(Refused::truncated("the table of sections"))?;
    let sections: &[ImageSectionHeader] = object::pod::slice_from_all_bytes(sections).unwrap_or_default();
    let is_library = headers.characteristics.get(LE).contains(pe::IMAGE_FILE_DLL);
    let mut image = Image::new(Format::Pe, if is_library { ImageKind::Library } else { ImageKind::Program });
    image.bits = if nt.is_type_64() { 64 } else { 32 };
    image.machine = flags::pe_machine(headers.machine.get(LE));
    image.time_stamp = Some(headers.time_date_stamp.get(LE));
    let base = nt.optional_header().image_base();
    image.image_base = Some(base);
    let strings = strings(
        file,
        headers.pointer_to_symbol_table.get(LE).into(),
        u64::from(headers.number_of_symbols.get(LE)) * SYMBOL_BYTES,
    );
    let mut memory = Memory::new(image.bits / 8, image.byte_order);
    for header in sections {
        let section = section(header, base, strings);
        let bytes = slice_at(file, section.file_offset, section.file_bytes);
        let bytes = bytes.ok_or_else(|| Refused::truncated(&format!("section {}", section.name_text())))?;
        // The loader maps whole pages: what is beyond the virtual size is not the section's any more.
        let mapped = bytes.len().min(usize::try_from(section.size).unwrap_or(usize::MAX));
        memory.add(section.address, &bytes[..mapped], section.size);
        image.sections.push(section);
    }
    memory.sort();
    image.build_id = build_id(&directories, &memory, base, file);
    let has_relocations = find_pointers(&directories, &memory, &mut image);
    block::find(&mut image, &memory, file.len() as u64);
    if !has_relocations {
        guess_pointers(&memory, &mut image, file);
    }
    Ok(image)
}

fn section<'a>(header: &'a ImageSectionHeader, base: u64, strings: &'a [u8]) -> Section<'a> {
    let (virtual_size, raw_size) = (header.virtual_size.get(LE), header.size_of_raw_data.get(LE));
    let flags = header.characteristics.get(LE);
    let name = name(header, strings);
    let file_offset = header.pointer_to_raw_data.get(LE);
    Section {
        name,
        address: base.wrapping_add(header.virtual_address.get(LE).into()),
        // Old linkers write no virtual size.
        size: if virtual_size == 0 { raw_size } else { virtual_size }.into(),
        file_offset: file_offset.into(),
        file_bytes: if file_offset == 0 { 0 } else { raw_size.into() },
        rights: rights(flags),
        flags: flags.0.into(),
        elf_type: 0,
        role: if name == DESCRIPTORS { SectionRole::Descriptors } else { SectionRole::None },
        flag_names: flags::Table::Pe,
    }
}

pub(super) fn rights(flags: pe::SectionFlags) -> Rights {
    Rights {
        read: flags.contains(pe::IMAGE_SCN_MEM_READ),
        write: flags.contains(pe::IMAGE_SCN_MEM_WRITE),
        execute: flags.contains(pe::IMAGE_SCN_MEM_EXECUTE),
        shared: flags.contains(pe::IMAGE_SCN_MEM_SHARED),
    }
}

/// A section's name, which may lie in the table of strings. One that cannot be found there is shown as it stands.
pub(super) fn name<'a>(header: &'a ImageSectionHeader, strings: &'a [u8]) -> &'a [u8] {
    match header.name_offset() {
        Ok(Some(at)) if at >= 4 => text_at(strings, at.into()).unwrap_or(header.raw_name()),
        _ => header.raw_name(),
    }
}

/// The strings behind a table of symbols: their length, itself included, then the strings.
pub(super) fn strings(file: &[u8], symbols_at: u64, symbols_bytes: u64) -> &[u8] {
    let Some(at) = symbols_at.checked_add(symbols_bytes).filter(|_| symbols_at > 0) else { return &[] };
    let Some(len) = slice_at(file, at, 4).and_then(|len| len.first_chunk()) else { return &[] };
    slice_at(file, at, u32::from_le_bytes(*len).into()).unwrap_or_default()
}

/// GUID and age of the debug information, by which debuggers find it; or nothing.
fn build_id(directories: &DataDirectories<'_>, memory: &Memory<'_>, base: u64, file: &[u8]) -> Vec<u8> {
    let find = || {
        let directory = directories.get(pe::IMAGE_DIRECTORY_ENTRY_DEBUG)?;
        let (at, bytes) = directory.address_range();
        let entries = memory.bytes(base.wrapping_add(at.into()), bytes.into())?;
        let (entries, _) =
            object::pod::slice_from_bytes::<pe::ImageDebugDirectory>(entries, entries.len() / 28).ok()?;
        entries.iter().find_map(|entry| {
            let bytes = slice_at(file, entry.pointer_to_raw_data.get(LE).into(), 24)?;
            let is_code_view = entry.typ.get(LE) == pe::IMAGE_DEBUG_TYPE_CODEVIEW && bytes.starts_with(b"RSDS");
            is_code_view.then(|| bytes[4..].to_vec())
        })
    };
    find().unwrap_or_default()
}

/// Base relocations inside shared sections. Gives whether the image has any relocations at all.
fn find_pointers(directories: &DataDirectories<'_>, memory: &Memory<'_>, image: &mut Image<'_>) -> bool {
    let base = image.image_base.unwrap_or_default();
    let Some(directory) = directories.get(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC) else { return false };
    let (at, bytes) = directory.address_range();
    if bytes == 0 {
        return false;
    }
    let Some(blocks) = memory.bytes(base.wrapping_add(at.into()), bytes.into()) else { return false };
    let shared: Vec<_> =
        image.sections.iter().enumerate().filter(|(_, section)| section.rights.shared).take(64).collect();
    let shared: Vec<_> = shared.iter().map(|(index, section)| (*index, section.address, section.size)).collect();
    let mut blocks = object::read::pe::RelocationBlockIterator::new(blocks);
    while let Ok(Some(block)) = blocks.next() {
        for place in block.filter(|place| place.typ != pe::IMAGE_REL_BASED_ABSOLUTE) {
            let at = base.wrapping_add(place.virtual_address.into());
            let section = shared.iter().find(|(_, start, size)| at.wrapping_sub(*start) < *size);
            if let Some((index, start, _)) = section {
                image.facts.pointers.add(*index, at - start, false);
            }
        }
    }
    true
}

/// Words in shared sections that would be addresses of the image, where no relocations tell.
///
/// Not in Cotenant's blocks, whose types hold no pointers.
fn guess_pointers(memory: &Memory<'_>, image: &mut Image<'_>, file: &[u8]) {
    let len = usize::from(memory.pointer_bytes);
    for (index, section) in image.sections.iter().enumerate().take(64) {
        if !section.rights.shared || section.role == SectionRole::Blocks {
            continue;
        }
        let bytes = slice_at(file, section.file_offset, section.file_bytes.min(section.size)).unwrap_or_default();
        for (word, bytes) in bytes.chunks_exact(len).enumerate() {
            let value = bytes.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
            if value != 0 && memory.contains(value) {
                image.facts.pointers.add(index, (word * len) as u64, true);
            }
        }
    }
}

/// Why a file that begins with `MZ` is no PE file.
pub(super) fn why_not(file: &[u8]) -> Refused {
    let Ok(dos) = pe::ImageDosHeader::parse(file) else { return Refused::truncated("the DOS header") };
    let at = u64::from(dos.nt_headers_offset());
    match slice_at(file, at, 4) {
        Some(b"PE\0\0") if slice_at(file, at, 26).is_none() => Refused::truncated("the PE header"),
        Some(b"PE\0\0") if slice_at(file, at, size_of::<pe::ImageNtHeaders32>() as u64).is_none() => {
            Refused::truncated("the PE header")
        }
        Some(b"PE\0\0") => Refused::damaged("its optional header is neither PE32 nor PE32+"),
        Some([b'N' | b'L', b'E', ..]) => Refused::not_an_image("is a program for 16-bit Windows or OS/2"),
        Some(_) => Refused::not_an_image("is a program for DOS"),
        None if at >= file.len() as u64 && at != 0 => Refused::truncated("the PE header"),
        None => Refused::not_an_image("is a program for DOS"),
    }
}
