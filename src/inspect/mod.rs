//! A distrustful, read-only view of binaries: which sections are shared, what that means, and what `shared!` put there.
//!
//! ```text
//! bytes of a file --inspect()--> Contents::Image    sections, findings, blocks with variables
//!                                Contents::Archive  the same of each member, one at a time
//! ```
//!
//! For tools; behind the feature `inspect`. ELF (32 and 64 bit, either byte order), PE (.exe, .dll; 32 and 64 bit),
//! COFF objects, import stubs and archives. Nothing is believed before it is checked, and what is kept of a file
//! borrows from its bytes: memory stays within a small multiple of the file, whatever its headers claim. Texts from the
//! file may hold anything: print them with [`printable`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use cotenant::inspect::{Contents, inspect};
//!
//! let bytes = std::fs::read(std::env::current_exe()?)?;
//! if let Contents::Image(image) = inspect(&bytes)? {
//!     for finding in &image.findings {
//!         println!("{}: {}", finding.kind.name(), finding.what);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod alike;
mod archive;
mod block;
mod change;
mod coff;
mod declaration;
mod descriptor;
mod elf;
mod elf_dynamic;
mod flags;
mod judge;
mod layout;
pub mod live;
mod memory;
mod pe;
mod report;
mod stores;
mod typed;
mod value;

pub use archive::{Archive, Member};
pub use block::{Block, Variable};
pub use change::{BlockChange, Verdict, changes};
pub use judge::{Finding, FindingKind, Place};
pub use layout::{Layout, Part};
pub use report::{
    ByteOrder, CopiedVariable, Fault, Format, Image, ImageKind, Refused, Rights, Section, SectionRole, Symbol,
};
pub use typed::Typed;

use object::FileKind;

/// Characters of a name that [`printable`] shows.
const PRINTABLE_CHARS: usize = 200;

/// What a file is.
#[derive(Debug)]
pub enum Contents<'a> {
    /// One program, library or object file. Boxed: an image is large beside an archive.
    Image(Box<Image<'a>>),
    /// A static library.
    Archive(Archive<'a>),
}

/// Reads a file's bytes.
///
/// # Errors
///
/// [`Refused`] if they are no image or archive that this reads, are cut off, or contradict themselves.
pub fn inspect(bytes: &[u8]) -> Result<Contents<'_>, Refused> {
    if archive::is_archive(bytes) {
        return Ok(Contents::Archive(Archive::parse(bytes)?));
    }
    inspect_image(bytes).map(|image| Contents::Image(Box::new(image)))
}

/// Text from a file for people to read: no control characters, nothing that turns the line around, not long.
pub fn printable(text: &str) -> String {
    crate::schema::difference::printable_within(text, PRINTABLE_CHARS)
}

fn inspect_image(bytes: &[u8]) -> Result<Image<'_>, Refused> {
    let mut image = match kind_of(bytes)? {
        FileKind::Elf32 => elf::read::<object::elf::FileHeader32<object::Endianness>>(bytes),
        FileKind::Elf64 => elf::read::<object::elf::FileHeader64<object::Endianness>>(bytes),
        FileKind::Pe32 => pe::read::<object::pe::ImageNtHeaders32>(bytes),
        FileKind::Pe64 => pe::read::<object::pe::ImageNtHeaders64>(bytes),
        FileKind::Coff => coff::read::<object::pe::ImageFileHeader>(bytes),
        FileKind::CoffBig => coff::read::<object::pe::AnonObjectHeaderBigobj>(bytes),
        FileKind::CoffImport => coff::read_import(bytes),
        _ => Err(Refused::not_an_image("is of a format that is not read here")),
    }?;
    judge::judge(&mut image);
    Ok(image)
}

/// What the first bytes say.
fn kind_of(bytes: &[u8]) -> Result<FileKind, Refused> {
    if bytes.is_empty() {
        return Err(Refused::not_an_image("is empty"));
    }
    match FileKind::parse(bytes) {
        Ok(kind) => Ok(kind),
        Err(_) if b"\x7fELF".starts_with(&bytes[..bytes.len().min(4)]) => Err(Refused::truncated("the ELF header")),
        Err(_) if bytes.starts_with(b"\x7fELF") => {
            Err(if bytes.len() < 16 { Refused::truncated("the ELF header") } else { Refused::damaged("the ELF class") })
        }
        Err(_) if bytes.starts_with(b"MZ") => Err(pe::why_not(bytes)),
        Err(_) => Err(Refused::not_an_image("is no ELF, PE or COFF file and no archive")),
    }
}
