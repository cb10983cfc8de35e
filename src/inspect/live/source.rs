//! Where a segment's bytes come from: its file, or the memory of a process that maps it.
//!
//! ```text
//! file                0 ................................ bytes      has locks to ask about
//! /proc/PID/mem          [part 0]     [part 1]                      what the process maps of a file without a name
//! System V            0 ................................ bytes      attached for each read; locks in its companion
//! ```

use std::fs::File;
use std::io;
use std::path::Path;

use crate::sys::survey;

/// A part of a segment in a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedPart {
    /// Where it begins in the segment.
    pub at: u64,
    /// Where it begins in the process.
    pub address: u64,
    /// How long it is.
    pub bytes: u64,
}

impl MappedPart {
    fn end(&self) -> u64 {
        self.at.saturating_add(self.bytes)
    }
}

pub(super) enum Source {
    File(File),
    /// `/proc/PID/mem`, and what of the segment lies where in it.
    Process(File, Vec<MappedPart>),
    /// The id that the system gave it.
    SysV(u32),
}

impl Source {
    pub(super) fn of_file(file: File) -> Source {
        Source::File(file)
    }

    pub(super) fn of_process(pid: u32, parts: Vec<MappedPart>) -> io::Result<Source> {
        let file = survey::open_of_process(Path::new(&format!("/proc/{pid}/mem")))?;
        Ok(Source::Process(file, parts))
    }

    /// The file, if it is one that locks can be asked of.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Source::File(file) => Some(file),
            Source::Process(..) | Source::SysV(_) => None,
        }
    }

    /// The end of what can be read.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        match self {
            Source::File(file) => Ok(survey::look(file)?.bytes),
            Source::Process(_, parts) => Ok(parts.iter().map(MappedPart::end).max().unwrap_or(0)),
            Source::SysV(shmid) => survey::sysv_bytes(*shmid),
        }
    }

    /// Reads as much as there is; gives how much.
    pub(super) fn read_up_to(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_some(&mut buffer[done..], at.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(done)
    }

    /// Reads all of it, or fails.
    pub(super) fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        if self.read_up_to(buffer, at)? == buffer.len() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before that"))
    }

    fn read_some(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        // Beyond what the system's call can be asked for there is nothing.
        if i64::try_from(at).is_err() {
            return Ok(0);
        }
        let (memory, parts) = match self {
            Source::File(file) => return survey::read_at(file, buffer, at),
            Source::SysV(shmid) => return survey::read_sysv(*shmid, buffer, at),
            Source::Process(memory, parts) => (memory, parts),
        };
        let Some(part) = parts.iter().find(|part| (part.at..part.end()).contains(&at)) else { return Ok(0) };
        let len = usize::try_from(part.end() - at).unwrap_or(usize::MAX).min(buffer.len());
        survey::read_at(memory, &mut buffer[..len], part.address.saturating_add(at - part.at))
    }
}
