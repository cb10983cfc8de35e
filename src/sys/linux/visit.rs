//! A tool's visit to a segment that is there: as a participant, whatever is in the segment, to mend a lock.
//!
//! Joined by the steps of `segment_file::join`; nothing is ever made anew, and who finds it dead leaves it to others.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use super::attached::{Attached, Parts};
use super::file::{self, Holder, LockKind, lock_byte};
use super::folder::Folder;
use super::mapping::{Mapping, page_bytes};
use super::reopen::Reopen;
use super::segment_file::{self, OpenSegment};
use super::{attach, segment, sysv, sysv_call};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::header::{BackingKind, HEADER_BYTES, Header};

/// A segment that this process is attached to until the value is dropped.
pub(crate) struct Visit {
    attached: ManuallyDrop<&'static Attached>,
}

impl Visit {
    pub(crate) fn instance(&self) -> [u8; 16] {
        self.attached.header().instance
    }

    /// The segment's first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.attached.base()
    }

    /// How many bytes are mapped from there on.
    pub(crate) fn bytes(&self) -> usize {
        self.attached.mapped_bytes()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        // SAFETY: from `segment::admit`; all borrows of it, and of its memory, are borrows of this value.
        unsafe { segment::close(*self.attached) };
    }
}

/// Joins the segment whose file is at `path`.
pub(crate) fn join(path: &Path) -> Result<Visit> {
    let shown = path.display().to_string();
    let failed = |cause: io::Error| {
        let error = Error::system(format!("join the segment {shown}"), &cause);
        match error.kind() {
            ErrorKind::PermissionDenied => error.hint("who frees a lock must be able to write: be its user, or root"),
            _ => error,
        }
    };
    let parent = File::open(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let folder = Folder { path: path.parent().unwrap_or(Path::new(".")).to_owned(), file: parent };
    let name = file::c_string(path.file_name().unwrap_or_default().as_bytes()).map_err(failed)?;
    let flags = libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let found = file::open_at(Some(&folder.file), &name, flags, 0).map_err(failed)?;
    let mut page = [0; HEADER_BYTES];
    let bytes = segment_file::read_up_to(&found, &mut page).map_err(failed)?;
    let header = Header::check(&page[..bytes], file::stat(&found).map_err(failed)?.bytes, &shown)?;
    // Who merely missed a writer's lock may have met a remover: only who has seen a reader may become one.
    let lives = matches!(file::holder(&found, lock_byte::LIFE).map_err(failed)?, Holder::Reader);
    if !lives && header.keep == 0 {
        let what = format!("nobody is attached to {shown}: the next program starts afresh, with free locks");
        return Err(Error::new(ErrorKind::NotFound, what));
    }
    let is_locked = file::try_lock(&found, LockKind::Read, lock_byte::LIFE).map_err(failed)?;
    let stat = file::stat(&found).map_err(failed)?;
    if !is_locked || stat.links == 0 {
        return Err(Error::new(ErrorKind::Busy, format!("{shown} is being removed")).hint("look again"));
    }
    let companion = segment_file::open_companion(&folder, &header, &shown)?;
    let open = OpenSegment { file: found, header, stat, created: false, companion };
    let attached = if header.backing == BackingKind::SysV as u8 {
        system_v(&folder, &name, open)?
    } else {
        let end = (header.data_at + header.data_bytes).min(stat.bytes) as usize;
        attach::map(&folder, &name, &open, end.next_multiple_of(page_bytes()))?
    };
    Ok(Visit { attached: ManuallyDrop::new(segment::admit(attached)?) })
}

/// The memory that the companion names.
fn system_v(folder: &Folder, name: &CStr, open: OpenSegment) -> Result<Attached> {
    let shown = folder.path_of(name);
    let failed = |cause: io::Error| Error::system(format!("attach the System V segment of {shown}"), &cause);
    let id = open.header.sysv_id as i32;
    let memory = sysv::attach_instance(id, &open.header, &open.stat, true).map_err(failed)?.ok_or_else(|| {
        let what = format!("{shown} names a System V segment that is gone, or is another's");
        Error::new(ErrorKind::Foreign, what)
    })?;
    let header = Header::check(&sysv_call::first_page(&memory), memory.bytes() as u64, &shown)?;
    let reopen = |name: &CStr, stat| {
        let path = file::c_string(folder.path_of(name).as_bytes()).map_err(failed)?;
        Ok::<_, Error>(Reopen::ByPath { path, stat })
    };
    let segment = reopen(name, open.stat)?;
    let locks = match &open.companion {
        Some((companion, stat)) => reopen(companion, *stat)?,
        None => segment.same(),
    };
    let mut attached = Attached::new(Parts { path: shown.clone(), segment, locks, header, memory, created: false })?;
    // The life byte is held by a mapping of the companion.
    let life = Mapping::shared(&open.file, 0, page_bytes(), false).map_err(failed)?;
    attached.keep_views(vec![life]);
    Ok(attached)
}
