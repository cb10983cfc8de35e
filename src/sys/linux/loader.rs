//! What the dynamic loader knows of the image that holds an address.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::os::unix::fs::MetadataExt;

use super::mapping::page_bytes;
use crate::error::{Error, ErrorKind, Result};
use crate::image::block::Descriptor;
use crate::segment::header::MAX_BUILD_ID_BYTES;

/// A loaded program or library.
pub(crate) struct Image {
    /// The loader's name for it; empty for the program itself.
    pub(crate) path: String,
    is_program: bool,
    /// The linker's build id; without one, device and inode of the mapped file.
    pub(crate) build_id: Vec<u8>,
    segments: Vec<(usize, usize)>,
}

impl Image {
    /// Whether it is the program itself, not a library.
    pub(crate) fn is_program(&self) -> bool {
        self.is_program
    }

    /// A name for people.
    pub(crate) fn program_name(&self) -> String {
        let path = std::path::Path::new(&self.path).file_name();
        let comm = || {
            let comm = super::process::program_name();
            String::from_utf8_lossy(comm.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
        };
        path.map_or_else(comm, |name| name.to_string_lossy().into_owned())
    }

    /// Whether the address range lies in this image's loaded segments.
    pub(crate) fn holds(&self, address: usize, bytes: usize) -> bool {
        self.segments.iter().any(|&(start, end)| start <= address && address + bytes <= end)
    }
}

/// The image that declares `block`: the one that holds its descriptor.
pub(crate) fn image_of(block: &'static Descriptor) -> Result<Image> {
    image_at(block.declared_at()).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "this image has no build id, and /proc does not tell which file it is")
            .hint("link with `-Wl,--build-id` (cc) or `-C link-arg=-Wl,--build-id` (rustc)")
    })
}

/// Refuses a block that cannot be mapped over: one that the code sees in another image, or across a page's border.
pub(crate) fn check_block(block: &'static Descriptor, image: &Image) -> Result<()> {
    let address = block.block as usize;
    if !image.holds(address, block.used_bytes) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the block `{}` of {} was moved to another image: a program names the library's variable itself, and \
                 its linker made a copy (a COPY relocation)",
                block.label(),
                if image.path.is_empty() { "this program" } else { &image.path },
            ),
        )
        .hint("do not export the variable: let the library export a function that gives its address"));
    }
    if block.target.is_none() && address % page_bytes() != 0 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the block `{}` does not start on a page of {} bytes of this kernel", block.label(), page_bytes()),
        )
        .hint("link the program for that page size: `-z max-page-size=65536`"));
    }
    if !image.is_program {
        super::process::watch_for_end();
    }
    Ok(())
}

struct Search {
    address: usize,
    found: Option<Image>,
}

/// The image that holds `address`
/// ([`dl_iterate_phdr(3)`](https://man7.org/linux/man-pages/man3/dl_iterate_phdr.3.html)).
#[doc(alias = "dl_iterate_phdr")]
pub(crate) fn image_at(address: usize) -> Option<Image> {
    let mut search = Search { address, found: None };
    // SAFETY: the callback gets back the pointer to `search`, which outlives the call, and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    let mut image = search.found?;
    if image.build_id.is_empty() {
        image.build_id = file_identity(address)?;
    }
    Some(image)
}

unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _bytes: usize, search: *mut c_void) -> c_int {
    // SAFETY: `image_at` passed it, and nobody else has it now.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: the loader passes a valid structure.
    let info = unsafe { &*info };
    // SAFETY: the loader's table of this image's program headers, with its own count.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let base = info.dlpi_addr as usize;
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let segments: Vec<_> = loaded
        .map(|header| {
            let start = base.wrapping_add(header.p_vaddr as usize);
            (start, start.wrapping_add(header.p_memsz as usize))
        })
        .collect();
    if !segments.iter().any(|&(start, end)| (start..end).contains(&search.address)) {
        return 0;
    }
    let mut build_id = Vec::new();
    for header in headers.iter().filter(|header| header.p_type == libc::PT_NOTE) {
        let start = base.wrapping_add(header.p_vaddr as usize);
        let is_loaded = |&(first, end): &(usize, usize)| first <= start && start + header.p_memsz as usize <= end;
        if !segments.iter().any(is_loaded) {
            continue;
        }
        // SAFETY: the loader mapped the image's notes there.
        let notes = unsafe { std::slice::from_raw_parts(start as *const u8, header.p_memsz as usize) };
        if let Some(id) = gnu_build_id(notes, header.p_align as usize) {
            build_id = id;
        }
    }
    // SAFETY: not null, so a C string of the loader's.
    let path = (!info.dlpi_name.is_null()).then(|| unsafe { CStr::from_ptr(info.dlpi_name) });
    // SAFETY: no pointer.
    let program_headers = unsafe { libc::getauxval(libc::AT_PHDR) };
    search.found = Some(Image {
        path: path.map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        is_program: program_headers as usize == info.dlpi_phdr as usize,
        build_id,
        segments,
    });
    1
}

/// Finds the note named GNU of type 3 (`NT_GNU_BUILD_ID`, elf(5)).
fn gnu_build_id(mut notes: &[u8], align: usize) -> Option<Vec<u8>> {
    let align = if align == 8 { 8 } else { 4 };
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes).map(|word| word as usize)
    };
    while notes.len() >= 12 {
        let (name_bytes, id_bytes, kind) = (word(notes, 0)?, word(notes, 4)?, word(notes, 8)?);
        let name = notes.get(12..12usize.checked_add(name_bytes)?)?;
        let id_at = (12 + name_bytes).next_multiple_of(align);
        let id = notes.get(id_at..id_at.checked_add(id_bytes)?)?;
        if kind == 3 && name == b"GNU\0" {
            return Some(id[..id.len().min(MAX_BUILD_ID_BYTES)].to_vec());
        }
        notes = notes.get((id_at + id_bytes).next_multiple_of(align)..)?;
    }
    None
}

/// Device and inode of the file mapped at `address`: of the mapping, because the path may hold another file by now.
/// Modification time and size go in too: a file overwritten in place keeps its inode.
fn file_identity(address: usize) -> Option<Vec<u8>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        if !range.contains(&address) {
            continue;
        }
        let (device, inode) = (fields.nth(2)?, fields.next()?.parse::<u64>().ok()?);
        let (major, minor) = device.split_once(':')?;
        let device = u64::from_str_radix(major, 16).ok()? << 32 | u64::from_str_radix(minor, 16).ok()?;
        if inode == 0 {
            return None;
        }
        let mut identity = [device.to_le_bytes(), inode.to_le_bytes()].concat();
        // All that is left of the line behind the padding: a path may have spaces.
        let path = line.splitn(6, ' ').nth(5).unwrap_or_default().trim_start_matches(' ');
        if let Some(file) = std::fs::metadata(path).ok().filter(|file| file.ino() == inode) {
            identity.extend(file.mtime().to_le_bytes());
            identity.extend((file.mtime_nsec() as u64 ^ file.size() << 32).to_le_bytes());
        }
        return Some(identity);
    }
    None
}
