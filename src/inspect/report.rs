//! What is told of an image: plain data that borrows names and bytes from the file.

use std::fmt;

use super::block::Block;
use super::flags;
use super::judge::Finding;

/// Bytes of a name that are kept; longer ones are cut.
pub(super) const NAME_BYTES_MAX: usize = 1024;

/// A program, library or object file.
#[derive(Debug)]
pub struct Image<'a> {
    /// Which format the file has.
    pub format: Format,
    /// What it is in that format.
    pub kind: ImageKind,
    /// 32 or 64; 0 where the format does not say.
    pub bits: u8,
    /// Byte order of its numbers.
    pub byte_order: ByteOrder,
    /// The processor: `x86-64`, or the format's own name or number.
    pub machine: String,
    /// The linker's build id (ELF), or GUID and age of the debug information (PE).
    pub build_id: Vec<u8>,
    /// When it was linked, in seconds since 1970, or a hash of the content (PE, COFF).
    pub time_stamp: Option<u32>,
    /// Address that the file was linked for (PE).
    pub image_base: Option<u64>,
    /// Sections in the order of the file, the null section of ELF left out.
    pub sections: Vec<Section<'a>>,
    /// Variables of libraries that the program takes a copy of.
    pub copies: Vec<CopiedVariable<'a>>,
    /// Variables in shared memory that other images can name.
    pub shared_exports: Vec<Symbol<'a>>,
    /// What is to be said against it, worst first.
    pub findings: Vec<Finding>,
    /// The blocks of `shared!`.
    pub blocks: Vec<Block<'a>>,
    /// What could not be read of the blocks, a line each.
    pub block_faults: Vec<String>,
    pub(super) facts: Facts<'a>,
}

/// What the reader of a format found out for the judgement.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    /// Relocations and pointers inside shared sections.
    pub(super) pointers: Pointers,
    /// Sections that were to be shared (`/SECTION:name,...S`) and are not there or empty.
    pub(super) unmet_wishes: Vec<&'a [u8]>,
    /// Uninitialised variables of an object file, which lie in `.bss`.
    pub(super) uninitialised: Vec<&'a [u8]>,
    /// Segments of an ELF file that are writable and executable: address and size.
    pub(super) writable_executable_segments: Vec<(u64, u64)>,
}

/// Places inside shared sections that hold an address.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    pub(super) total: u64,
    /// The first of them: index of the section, offset in it, and whether it is only a guess from the value.
    pub(super) first: Vec<(usize, u64, bool)>,
}

impl Pointers {
    const KEPT_MAX: usize = 16;

    pub(super) fn add(&mut self, section: usize, offset: u64, is_guess: bool) {
        self.total += 1;
        if self.first.len() < Pointers::KEPT_MAX {
            self.first.push((section, offset, is_guess));
        }
    }
}

impl<'a> Image<'a> {
    pub(super) fn new(format: Format, kind: ImageKind) -> Image<'a> {
        Image {
            format,
            kind,
            bits: 0,
            byte_order: ByteOrder::Little,
            machine: String::new(),
            build_id: Vec::new(),
            time_stamp: None,
            image_base: None,
            sections: Vec::new(),
            copies: Vec::new(),
            shared_exports: Vec::new(),
            findings: Vec::new(),
            blocks: Vec::new(),
            block_faults: Vec::new(),
            facts: Facts::default(),
        }
    }

    /// The findings that this image has because of others that were inspected with it: copies of their shared
    /// variables. `shared` holds the names of those that are exported.
    pub fn judge_copies(&mut self, is_shared: impl Fn(&[u8]) -> bool) {
        super::judge::judge_copies(self, is_shared);
    }
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Executable and Linkable Format: Linux and others.
    Elf,
    /// Portable Executable: Windows programs and libraries.
    Pe,
    /// Object files of Windows, with or without the header for many sections.
    Coff,
}

/// What an image is in its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// A program at a fixed address (ELF), or any .exe.
    Program,
    /// A program that can be loaded anywhere (ELF).
    RelocatableProgram,
    /// A shared library or DLL.
    Library,
    /// An object file.
    Object,
    /// An entry of an import library: a name and a DLL.
    ImportStub,
    /// A core dump.
    Core,
    /// Something else of that format.
    Other,
}

/// Byte order of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// A section.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Its name, at most 1,024 bytes of it.
    pub name: &'a [u8],
    /// Where it is loaded, in PE files with the image base; 0 for what is not loaded.
    pub address: u64,
    /// Bytes in memory; for what is not loaded, in the file.
    pub size: u64,
    /// Where its bytes lie in the file.
    pub file_offset: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// What the loader lets a process do with it.
    pub rights: Rights,
    /// The format's own flags.
    pub flags: u64,
    /// ELF's section type; 0 in other formats.
    pub elf_type: u32,
    /// What it is to Cotenant.
    pub role: SectionRole,
    pub(super) flag_names: flags::Table,
}

impl Section<'_> {
    /// The flags by the format's own names; what has no name as one number in hexadecimal.
    pub fn flag_names(&self) -> Vec<String> {
        self.flag_names.names(self.flags)
    }

    /// The name for people: see [`printable`](super::printable).
    pub fn name_text(&self) -> String {
        super::printable(&String::from_utf8_lossy(self.name))
    }

    /// Whether other processes see what one writes here: the loader maps it shared, or Cotenant does.
    pub fn is_shared(&self) -> bool {
        self.rights.shared || self.role == SectionRole::Blocks
    }
}

/// What a section is to Cotenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionRole {
    /// Nothing.
    None,
    /// The blocks of `shared!`.
    Blocks,
    /// Their descriptors.
    Descriptors,
}

/// Rights of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
    /// All processes that load the image share the memory (`IMAGE_SCN_MEM_SHARED`).
    pub shared: bool,
}

impl fmt::Display for Rights {
    /// Letters in fixed columns: `R W X S`, a hyphen for what is missing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.read, 'R'), (self.write, 'W'), (self.execute, 'X'), (self.shared, 'S')];
        let text: String = letters.iter().map(|&(holds, letter)| if holds { letter } else { '-' }).collect();
        f.pad(&text)
    }
}

/// A variable of a library that a program has a copy of (COPY relocation).
#[derive(Debug, Clone, Copy)]
pub struct CopiedVariable<'a> {
    /// The symbol's name.
    pub name: &'a [u8],
    /// Where the copy lies.
    pub address: u64,
}

/// A variable that other images can name.
#[derive(Debug, Clone, Copy)]
pub struct Symbol<'a> {
    /// The symbol's name.
    pub name: &'a [u8],
    /// Its address in the image.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a file cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    fault: Fault,
    what: String,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is something else.
    NotAnImage,
    /// Its end is missing.
    Truncated,
    /// It contradicts itself.
    Damaged,
}

impl Refused {
    /// What is wrong.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    pub(super) fn not_an_image(what: &str) -> Refused {
        Refused { fault: Fault::NotAnImage, what: what.to_owned() }
    }

    /// `what` reaches beyond the end.
    pub(super) fn truncated(what: &str) -> Refused {
        Refused { fault: Fault::Truncated, what: what.to_owned() }
    }

    pub(super) fn damaged(what: &str) -> Refused {
        Refused { fault: Fault::Damaged, what: what.to_owned() }
    }

    /// For the errors of the library that reads the formats.
    pub(super) fn by(what: &'static str) -> impl Fn(object::read::Error) -> Refused {
        move |error| Refused::damaged(&format!("{what}: {error}"))
    }
}

impl fmt::Display for Refused {
    /// To be read after the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match self.fault {
            Fault::NotAnImage => f.write_str(what),
            Fault::Truncated => write!(f, "is truncated: {what} reaches beyond its end"),
            Fault::Damaged => write!(f, "is damaged: {what}"),
        }
    }
}

impl std::error::Error for Refused {}

/// The text at `at` in a table of zero-terminated ones; `None` if it begins outside. Cut at [`NAME_BYTES_MAX`].
///
/// Looks at no more bytes than that: with a table's worth for each of many sections a small file could keep us busy.
pub(super) fn text_at(table: &[u8], at: u64) -> Option<&[u8]> {
    let rest = table.get(usize::try_from(at).ok()?..)?;
    let rest = &rest[..rest.len().min(NAME_BYTES_MAX)];
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// `bytes` long from `at` on; `None` if that is not all there.
pub(super) fn slice_at(file: &[u8], at: u64, bytes: u64) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    let end = at.checked_add(usize::try_from(bytes).ok()?)?;
    file.get(at..end)
}
