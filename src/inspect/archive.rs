//! Archives (`.a`, `.lib`, `.rlib`): their members one at a time, so that none is kept while another is looked at.
//!
//! Members do not overlap, so all of them together are no longer than the file. An archive inside an archive is named
//! and not looked into.

use object::FileKind;
use object::read::archive::{ArchiveFile, ArchiveMemberIterator};

use super::report::{Image, Refused};

/// A static library.
#[derive(Debug)]
pub struct Archive<'a> {
    file: &'a [u8],
    members: ArchiveMemberIterator<'a>,
    /// Its members lie in files of their own; only their names are here.
    pub is_thin: bool,
    has_failed: bool,
}

/// A member of an archive.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What it is; `None` for something that is no image: a text, an archive, or a member of a thin archive.
    pub image: Result<Option<Box<Image<'a>>>, Refused>,
}

pub(super) fn is_archive(file: &[u8]) -> bool {
    file.starts_with(b"!<arch>\n") || file.starts_with(b"!<thin>\n")
}

impl<'a> Archive<'a> {
    pub(super) fn parse(file: &'a [u8]) -> Result<Archive<'a>, Refused> {
        let archive = ArchiveFile::parse(file).map_err(Refused::by("the archive"))?;
        Ok(Archive { file, members: archive.members(), is_thin: archive.is_thin(), has_failed: false })
    }
}

impl<'a> Iterator for Archive<'a> {
    type Item = Result<Member<'a>, Refused>;

    /// The next member; an error if the archive itself goes on with something that is no member.
    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let member = match self.members.next()? {
            Ok(member) => member,
            Err(error) => {
                self.has_failed = true;
                return Some(Err(Refused::by("a member of the archive")(error)));
            }
        };
        let name = member.name();
        let name = &name[..name.len().min(super::report::NAME_BYTES_MAX)];
        if self.is_thin {
            return Some(Ok(Member { name, image: Ok(None) }));
        }
        let Ok(bytes) = member.data(self.file) else {
            self.has_failed = true;
            return Some(Err(Refused::truncated("a member of the archive")));
        };
        let is_image = bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"MZ") || is_object(bytes);
        let image = if is_image { super::inspect_image(bytes).map(|image| Some(Box::new(image))) } else { Ok(None) };
        Some(Ok(Member { name, image }))
    }
}

fn is_object(bytes: &[u8]) -> bool {
    matches!(FileKind::parse(bytes), Ok(FileKind::Coff | FileKind::CoffBig | FileKind::CoffImport))
}
