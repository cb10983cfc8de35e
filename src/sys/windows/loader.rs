//! What the loader knows of the image that holds an address: its file, and its headers in memory.

#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::Path;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CreateFileW, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    GetFileInformationByHandle, OPEN_EXISTING,
};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleFileNameW,
    GetModuleHandleExW, GetModuleHandleW,
};

use super::handle::Handle;
use super::section;
use crate::error::{Error, ErrorKind, Result};
use crate::image::block::Descriptor;

/// The longest path that Windows has, in UTF-16 units.
const MAX_PATH_UNITS: usize = 32_768;
/// `IMAGE_SCN_MEM_SHARED`.
const SECTION_IS_SHARED: u32 = 0x1000_0000;
const SECTION_HEADER_BYTES: usize = 40;

/// A loaded program or library.
pub(crate) struct Image {
    pub(crate) path: OsString,
    /// Volume, file index, time and size of the file, and a hash of the headers as they were loaded.
    pub(crate) build_id: Vec<u8>,
    base: usize,
    bytes: usize,
    sections: Vec<Section>,
}

struct Section {
    start: usize,
    bytes: usize,
    flags: u32,
}

impl Image {
    /// Whether it is the program itself, not a DLL.
    pub(crate) fn is_program(&self) -> bool {
        // SAFETY: a null name asks for the program.
        self.base == unsafe { GetModuleHandleW(null()) } as usize
    }

    /// A name for people.
    pub(crate) fn program_name(&self) -> String {
        file_name(&self.path)
    }

    /// Whether the address range lies in this image.
    pub(crate) fn holds(&self, address: usize, bytes: usize) -> bool {
        self.base <= address && address + bytes <= self.base + self.bytes
    }

    /// Whether the loader shares the memory at `address` with every process that maps this image.
    fn shares(&self, address: usize) -> bool {
        let holds = |section: &&Section| address.wrapping_sub(section.start) < section.bytes;
        self.sections.iter().find(holds).is_some_and(|section| section.flags & SECTION_IS_SHARED != 0)
    }
}

fn file_name(path: &OsString) -> String {
    Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The program's file name.
pub(crate) fn program_name() -> String {
    module_path(0).map_or_else(|_| String::new(), |path| file_name(&path))
}

/// The image that declares `block`: the one that holds its descriptor.
pub(crate) fn image_of(block: &'static Descriptor) -> Result<Image> {
    image_at(block.declared_at())
        .map_err(|cause| Error::system("find out which file holds the shared variables", &cause))
}

/// Refuses a block that the linker put where the loader does not share it.
pub(crate) fn check_block(block: &'static Descriptor, image: &Image) -> Result<()> {
    if !section::holds(block) {
        return Ok(());
    }
    let label = block.label();
    if !image.shares(section::values(block) as usize) || !image.shares(section::address()) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("the linker left the flag SHARED off the section `.shared` that holds the block `{label}`"),
        )
        .hint("link with GNU ld, link.exe or lld-link, or give the block a name"));
    }
    Ok(())
}

fn module_path(base: usize) -> io::Result<OsString> {
    let mut path = vec![0_u16; 512];
    loop {
        // SAFETY: a module's handle is its base (or null, for the program); the call writes at most that many units.
        let units = unsafe { GetModuleFileNameW(base as *mut _, path.as_mut_ptr(), path.len() as u32) } as usize;
        if units == 0 {
            return Err(io::Error::last_os_error());
        }
        if units < path.len() || path.len() >= MAX_PATH_UNITS {
            return Ok(OsString::from_wide(&path[..units]));
        }
        path.resize(MAX_PATH_UNITS, 0);
    }
}

/// The image that holds `address`.
#[doc(alias = "GetModuleHandleExW")]
fn image_at(address: usize) -> io::Result<Image> {
    let base = base_of(address)?;
    let path = module_path(base)?;
    let headers = Headers { base };
    let (sections, hash) = headers.sections();
    let build_id = file_identity(&path, hash)?;
    Ok(Image { path, build_id, base, bytes: headers.image_bytes(), sections })
}

/// Whether two addresses lie in one image.
pub(crate) fn is_one_image(first: usize, second: usize) -> bool {
    matches!((base_of(first), base_of(second)), (Ok(first), Ok(second)) if first == second)
}

/// Where the image that holds `address` begins.
fn base_of(address: usize) -> io::Result<usize> {
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut module = null_mut();
    // SAFETY: with this flag the second argument is an address, not a name; the call writes one handle.
    if unsafe { GetModuleHandleExW(flags, address as *const u16, &raw mut module) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(module as usize)
}

/// The headers of a loaded image
/// ([PE format](https://learn.microsoft.com/windows/win32/debug/pe-format)), which the loader has checked.
struct Headers {
    base: usize,
}

impl Headers {
    fn word(&self, at: usize) -> u32 {
        // SAFETY: inside the headers, which are mapped and readable for as long as the image, this one, is loaded.
        unsafe { ((self.base + at) as *const u32).read_unaligned() }
    }

    fn half(&self, at: usize) -> usize {
        // SAFETY: as in `word`.
        usize::from(unsafe { ((self.base + at) as *const u16).read_unaligned() })
    }

    /// Where the file header begins, behind the signature `PE\0\0`.
    fn file_header(&self) -> usize {
        self.word(0x3c) as usize + 4
    }

    fn image_bytes(&self) -> usize {
        // At the same place in both forms of the optional header.
        self.word(self.file_header() + 20 + 56) as usize
    }

    /// The sections, and a hash of all that the linker wrote about the image: time, sizes, check sum.
    fn sections(&self) -> (Vec<Section>, u64) {
        let file_header = self.file_header();
        let (count, optional_bytes) = (self.half(file_header + 2), self.half(file_header + 16));
        let first = file_header + 20 + optional_bytes;
        let section = |at: usize| Section {
            start: self.base + self.word(at + 12) as usize,
            bytes: self.word(at + 8) as usize,
            flags: self.word(at + 36),
        };
        let sections = (0..count).map(|i| section(first + i * SECTION_HEADER_BYTES)).collect();
        // The loader writes the address that the image was moved to over the preferred one.
        let image_base = file_header + 20 + 24..file_header + 20 + 32;
        let words =
            (file_header..first + count * SECTION_HEADER_BYTES).step_by(4).filter(|at| !image_base.contains(at));
        let hash = words.fold(0xcbf2_9ce4_8422_2325_u64, |hash, at| {
            (hash ^ u64::from(self.word(at))).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (sections, hash)
    }
}

/// 32 bytes that tell one build from another. The path may hold another file by now: then the hash of the loaded
/// headers does not go with it, and we share with nobody who should not.
#[doc(alias = "GetFileInformationByHandle")]
fn file_identity(path: &OsString, hash: u64) -> io::Result<Vec<u8>> {
    let wide: Vec<u16> = std::os::windows::ffi::OsStrExt::encode_wide(path.as_os_str()).chain([0]).collect();
    let sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    // SAFETY: the name ends with a zero.
    let file = unsafe { CreateFileW(wide.as_ptr(), 0, sharing, null(), OPEN_EXISTING, 0, null_mut()) };
    // SAFETY: fresh, and used nowhere else.
    let file = unsafe { Handle::new(file) }.ok_or_else(io::Error::last_os_error)?;
    // SAFETY: zero is a value of this C structure.
    let mut about: BY_HANDLE_FILE_INFORMATION = unsafe { std::mem::zeroed() };
    // SAFETY: an open handle and a structure of the call's own type.
    if unsafe { GetFileInformationByHandle(file.raw(), &raw mut about) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut identity = hash.to_le_bytes().to_vec();
    let words = [
        about.dwVolumeSerialNumber,
        about.nFileIndexHigh,
        about.nFileIndexLow,
        about.ftLastWriteTime.dwHighDateTime,
        about.ftLastWriteTime.dwLowDateTime,
        about.nFileSizeLow,
    ];
    identity.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    Ok(identity)
}
