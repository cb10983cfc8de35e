//! Pipes and FIFOs: named pipes of Windows, a FIFO's under the name that its user gives, a `pipe()`'s under one that
//! nobody else knows ([`CreateNamedPipe`](https://learn.microsoft.com/windows/win32/api/namedpipeapi/)).
//!
//! ```text
//! FIFO   reader: | instance, waits for a writer | instance of a writer | instance of a writer | ...
//!        Fifo that made it: an instance that is taken by itself: the name is there, and nobody reads
//! ```
//!
//! A named pipe has one writer for each of the reader's instances, so a reader asks all of them, and has another one
//! made when one is taken; some are to spare. They are of the message type: what is written at once is read at once,
//! and a write that does not wait is there whole or not at all. Windows tells nobody when a pipe becomes readable, so
//! who waits asks again and again, after 50 us, doubling to 5 ms.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_MORE_DATA, ERROR_NO_DATA, ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED,
    ERROR_PIPE_NOT_CONNECTED, ERROR_SEM_TIMEOUT, ERROR_TOO_MANY_OPEN_FILES, GENERIC_WRITE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_TYPE_PIPE, GetFileType, OPEN_EXISTING, PIPE_ACCESS_INBOUND,
    ReadFile, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, GetNamedPipeInfo, PIPE_NOWAIT, PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT, PeekNamedPipe,
    SetNamedPipeHandleState, WaitNamedPipeW,
};

use super::security::{for_user_only, owner_of, this_user};
use crate::channel::{Opened, PipeReader, PipeWriter};

pub(crate) const ATOMIC_BYTES: usize = 4096;
pub(crate) const NO_FIFOS: Option<&str> = None;
const BUFFER_BYTES: u32 = 64 << 10;
/// How a FIFO's instances read, and wait for writers: not at all.
const OF_MANY: u32 = PIPE_READMODE_MESSAGE | PIPE_NOWAIT;
/// So many writers may come between two looks; more of them wait.
const SPARE: usize = 8;
const PREFIX: &str = r"\\.\pipe\";
const FIRST_NAP: Duration = Duration::from_micros(50);
const LONGEST_NAP: Duration = Duration::from_millis(5);

fn wide(path: &Path) -> io::Result<Vec<u16>> {
    // Windows would look for what is named with `..` elsewhere.
    let is_name = |name: &str| !name.is_empty() && !name.contains(['\\', '/', '\0']);
    if !path.to_str().and_then(|text| text.strip_prefix(PREFIX)).is_some_and(is_name) {
        let why = format!("{} is no name of a pipe: that is {PREFIX} and a word", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(path.as_os_str().encode_wide().chain([0]).collect())
}

fn is_os(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code as i32)
}

/// A reading end of that name, which waits for a writer; this user's alone. `flags`: more of them. How it reads cannot
/// be changed later: it may only read.
fn instance(name: &[u16], flags: u32, reads: u32) -> io::Result<File> {
    let user = this_user().map_err(io::Error::other)?;
    let mode = PIPE_TYPE_MESSAGE | PIPE_REJECT_REMOTE_CLIENTS | reads;
    let most = PIPE_UNLIMITED_INSTANCES;
    let handle = for_user_only(&user, |attributes| {
        let open = PIPE_ACCESS_INBOUND | flags;
        // SAFETY: a name that ends with 0, and attributes that outlive the call.
        unsafe { CreateNamedPipeW(name.as_ptr(), open, mode, most, 0, BUFFER_BYTES, 0, attributes) }
    })?;
    file(handle)
}

/// A writing end of that name. Whoever reads may learn who writes, but not act as that user.
fn client(name: &[u16]) -> io::Result<File> {
    let flags = SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    // SAFETY: a name that ends with 0; no attributes, and no template.
    file(unsafe { CreateFileW(name.as_ptr(), GENERIC_WRITE, 0, null(), OPEN_EXISTING, flags, null_mut()) })
}

/// Whose the pipe is, if not this user's: anybody can take a name first. One pipe has one owner, whoever made the
/// instance.
fn planted_by(end: &File) -> io::Result<Option<String>> {
    let user = this_user().map_err(io::Error::other)?;
    let owner = owner_of(end.as_raw_handle())?;
    let is_theirs = owner.as_ref() == Some(&user);
    Ok((!is_theirs).then(|| {
        let whose = owner.map_or_else(|| "nobody".to_owned(), |owner| owner.text());
        format!("{whose}, not to {}", user.text())
    }))
}

fn file(handle: windows_sys::Win32::Foundation::HANDLE) -> io::Result<File> {
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Sets how writes of this end wait.
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    // SAFETY: one mode; the rest stays.
    match unsafe { SetNamedPipeHandleState(file.as_raw_handle(), &raw const mode, null(), null()) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Both ends of a new pipe, the reading one first; children do not inherit them by themselves.
pub(crate) fn pipe() -> io::Result<(File, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = COUNT.fetch_add(1, Relaxed);
        let now = Instant::now();
        let drawn = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), (number, now));
        let name = wide(Path::new(&format!("{PREFIX}cotenant-{}-{number}-{drawn:x}", std::process::id())))?;
        // As others who are handed this end expect it.
        match instance(&name, FILE_FLAG_FIRST_PIPE_INSTANCE, PIPE_READMODE_BYTE | PIPE_WAIT) {
            Ok(reader) => return Ok((reader, client(&name)?)),
            Err(error) if is_os(&error, ERROR_ACCESS_DENIED) => {} // The name is taken.
            Err(error) => return Err(error),
        }
    }
}

/// What keeps a FIFO's name: an end that this process has taken from itself.
#[derive(Debug)]
pub(crate) struct Name {
    _reader: File,
    _writer: File,
}

/// Makes a FIFO for this user.
pub(crate) fn make_fifo(path: &Path, mode: u32) -> io::Result<Name> {
    if mode & 0o077 != 0 {
        return unsupported("a FIFO of Windows is its user's alone: use the mode 0o600");
    }
    let name = wide(path)?;
    // Wine does not know the flag below.
    if is_fifo(path).is_ok_and(|is_there| is_there) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut reader = instance(&name, FILE_FLAG_FIRST_PIPE_INSTANCE, OF_MANY).map_err(|error| {
        let is_there = is_os(&error, ERROR_ACCESS_DENIED) || is_os(&error, ERROR_PIPE_BUSY);
        if is_there { io::ErrorKind::AlreadyExists.into() } else { error }
    })?;
    loop {
        match client(&name) {
            Ok(writer) => return Ok(Name { _reader: reader, _writer: writer }),
            // A writer that waited for the name was quicker. It loses its reader again: this one reads nothing. The
            // name stays, by the next instance.
            Err(error) if has_no_reader(&error) => reader = instance(&name, 0, OF_MANY)?,
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn is_fifo(path: &Path) -> io::Result<bool> {
    let name = wide(path)?;
    // SAFETY: a name that ends with 0.
    if unsafe { WaitNamedPipeW(name.as_ptr(), 1) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if is_os(&error, ERROR_SEM_TIMEOUT) { Ok(true) } else { Err(error) }
}

/// The name goes with the last one who has the FIFO.
pub(crate) fn unlink_fifo(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens the reading end.
pub(crate) fn open_reader(path: &Path) -> io::Result<Opened<ReadEnd>> {
    let name = wide(path)?;
    is_fifo(path)?;
    let listening = (0..SPARE).map(|_| instance(&name, 0, OF_MANY)).collect::<io::Result<Vec<_>>>()?;
    if let Some(whose) = planted_by(&listening[0])? {
        return Ok(Opened::Planted(whose));
    }
    let instances = Instances { name, listening, connected: Vec::new(), unfinished: false, had_writer: false };
    Ok(Opened::End(ReadEnd::Fifo(Mutex::new(instances))))
}

/// Opens the writing end, if somebody reads.
pub(crate) fn open_writer(path: &Path) -> io::Result<Opened<File>> {
    let writer = client(&wide(path)?)?;
    Ok(match planted_by(&writer)? {
        Some(whose) => Opened::Planted(whose),
        None => Opened::End(writer),
    })
}

/// The error of a process that may not open more files.
pub(crate) const TOO_MANY_FILES: i32 = ERROR_TOO_MANY_OPEN_FILES as i32;
/// Why there is no end to write, where [`has_no_reader`].
pub(crate) const NO_READER: &str = "nobody reads it, or its reader has not looked since eight writers came";

/// Whether nobody has the FIFO open for reading.
pub(crate) fn has_no_reader(error: &io::Error) -> bool {
    is_os(error, ERROR_PIPE_BUSY)
}

/// What a reader has: the one end of a pipe, or the instances of a FIFO.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    Pipe(File),
    Fifo(Mutex<Instances>),
}

#[derive(Debug)]
pub(crate) struct Instances {
    name: Vec<u16>,
    /// For writers that come before this one looks again.
    listening: Vec<File>,
    /// The first one is asked first.
    connected: Vec<File>,
    /// Of the first one a part was read only.
    unfinished: bool,
    had_writer: bool,
}

/// What there is to read.
enum Found {
    /// At the first of those connected.
    Bytes,
    Nothing,
    /// Every writer is gone.
    End,
}

impl Instances {
    fn look(&mut self) -> io::Result<Found> {
        self.accept()?;
        let mut at = 0;
        while at < self.connected.len() {
            match available(&self.connected[at]) {
                Ok(0) if !self.unfinished => at += 1,
                Ok(_) => {
                    self.connected[..=at].rotate_right(1);
                    return Ok(Found::Bytes);
                }
                Err(error) if is_closed(&error) => {
                    self.connected.remove(at);
                    self.unfinished = false;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(if self.connected.is_empty() && self.had_writer { Found::End } else { Found::Nothing })
    }

    /// Writers that have come meanwhile.
    fn accept(&mut self) -> io::Result<()> {
        for place in &mut self.listening {
            // SAFETY: an end of a pipe; without an overlapped operation.
            let is_new = unsafe { ConnectNamedPipe(place.as_raw_handle(), null_mut()) } != 0;
            let error = io::Error::last_os_error();
            // One that has come and gone again may have written.
            if !is_new && (is_os(&error, ERROR_PIPE_CONNECTED) || is_os(&error, ERROR_NO_DATA)) {
                let next = instance(&self.name, 0, OF_MANY)?;
                self.connected.push(std::mem::replace(place, next));
                self.had_writer = true;
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, is_more) = read_message(&self.connected[0], buffer)?;
        self.unfinished = is_more;
        if !is_more {
            // The others' turn.
            self.connected.rotate_left(1);
        }
        Ok(bytes)
    }
}

/// Reads a message, or the part of one that there is room for, and whether there is more of it.
fn read_message(file: &File, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let (mut read, room) = (0, buffer.len().min(u32::MAX as usize) as u32);
    // SAFETY: the buffer has so much room; no overlapped operation.
    let done = unsafe { ReadFile(file.as_raw_handle(), buffer.as_mut_ptr(), room, &raw mut read, null_mut()) };
    if done != 0 {
        return Ok((read as usize, false));
    }
    let error = io::Error::last_os_error();
    if is_os(&error, ERROR_MORE_DATA) { Ok((read as usize, true)) } else { Err(error) }
}

/// Bytes that can be read now.
#[doc(alias = "PeekNamedPipe")]
fn available(file: &File) -> io::Result<u32> {
    let mut bytes = 0;
    // SAFETY: a place for one number; nothing is read.
    let done = unsafe { PeekNamedPipe(file.as_raw_handle(), null_mut(), 0, null_mut(), &raw mut bytes, null_mut()) };
    if done != 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

fn is_closed(error: &io::Error) -> bool {
    [ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_NO_DATA].iter().any(|code| is_os(error, *code))
}

impl ReadEnd {
    pub(crate) fn of_pipe(file: File) -> ReadEnd {
        ReadEnd::Pipe(file)
    }

    fn look(&self) -> io::Result<Found> {
        match self {
            ReadEnd::Pipe(file) => match available(file) {
                Ok(0) => Ok(Found::Nothing),
                Ok(_) => Ok(Found::Bytes),
                Err(error) if is_closed(&error) => Ok(Found::End),
                Err(error) => Err(error),
            },
            ReadEnd::Fifo(instances) => instances.lock().unwrap_or_else(PoisonError::into_inner).look(),
        }
    }

    /// Waits for bytes or the end of the stream. `false`: not within `timeout`.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let begin = Instant::now();
        let mut nap = FIRST_NAP;
        while let Found::Nothing = self.look()? {
            let left = timeout.map(|timeout| timeout.saturating_sub(begin.elapsed()));
            if left == Some(Duration::ZERO) {
                return Ok(false);
            }
            std::thread::sleep(left.map_or(nap, |left| left.min(nap)));
            nap = (nap * 2).min(LONGEST_NAP);
        }
        Ok(true)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8], is_nonblocking: bool) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.wait(is_nonblocking.then_some(Duration::ZERO))? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let read = match (self.look()?, &mut *self) {
                (Found::Bytes, ReadEnd::Pipe(file)) => read_message(file, buffer).map(|(bytes, _)| bytes),
                (Found::Bytes, ReadEnd::Fifo(instances)) => {
                    instances.get_mut().unwrap_or_else(PoisonError::into_inner).read(buffer)
                }
                _ => return Ok(0),
            };
            match read {
                // Somebody wrote no bytes: here that is a message of its own, and no end.
                Ok(0) => {}
                // Of this writer; the next look tells whether there are others.
                Err(error) if is_closed(&error) => {}
                read => return read,
            }
        }
    }

    /// Reads never block here by themselves: `read` is told.
    pub(crate) fn set_nonblocking(&self, _on: bool) -> io::Result<()> {
        Ok(())
    }
}

/// Writes never wait by themselves, or always do: [`write`] is told.
pub(crate) fn set_nonblocking(_file: &File, _on: bool) -> io::Result<()> {
    Ok(())
}

/// The handles on one writing end share how it waits, which is changed for each write that does not: one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Arc<Mutex<()>>);

/// Writes what there is room for now: of a pipe of messages all bytes or none.
fn write_at_once(mut file: &File, turn: &Turn, bytes: &[u8]) -> io::Result<usize> {
    let _turn = turn.0.lock().unwrap_or_else(PoisonError::into_inner);
    set_mode(file, PIPE_READMODE_BYTE | PIPE_NOWAIT)?;
    let written = file.write(bytes);
    set_mode(file, PIPE_READMODE_BYTE | PIPE_WAIT)?;
    written
}

/// Writes; waits for room unless the end was made non-blocking.
pub(crate) fn write(mut file: &File, turn: &Turn, bytes: &[u8], is_nonblocking: bool) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0); // Here it would be a message without bytes, which looks like the end.
    }
    if is_nonblocking {
        // More than the system keeps never has room as a whole.
        for part in [bytes, &bytes[..bytes.len().min(ATOMIC_BYTES)]] {
            let written = write_at_once(file, turn, part).map_err(broken)?;
            if written > 0 {
                return Ok(written);
            }
        }
        return Err(io::ErrorKind::WouldBlock.into());
    }
    loop {
        match file.write(bytes).map_err(broken)? {
            // Another thread does not wait just now, through another handle on this end.
            0 => std::thread::sleep(FIRST_NAP),
            written => return Ok(written),
        }
    }
}

/// Writes without waiting, whoever else writes: up to [`ATOMIC_BYTES`] whole, or `WouldBlock`.
pub(crate) fn write_now(file: &File, turn: &Turn, bytes: &[u8]) -> io::Result<usize> {
    let mut flags = 0;
    // SAFETY: a place for one number; the others are not asked for.
    let done = unsafe { GetNamedPipeInfo(file.as_raw_handle(), &raw mut flags, null_mut(), null_mut(), null_mut()) };
    if done != 0 && flags & PIPE_TYPE_MESSAGE == 0 {
        return unsupported("a pipe of bytes, as CreatePipe makes it, may cut a write that does not wait");
    }
    match write_at_once(file, turn, bytes).map_err(broken)? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        written => Ok(written),
    }
}

/// How many writes of [`ATOMIC_BYTES`] an empty pipe has room for: how much of it is taken nobody who writes is told.
pub(crate) fn room(file: &File) -> io::Result<Option<usize>> {
    let (mut out, mut into) = (0, 0);
    let (flags, most) = (null_mut(), null_mut());
    // SAFETY: places for two numbers; the others are not asked for.
    let done = unsafe { GetNamedPipeInfo(file.as_raw_handle(), flags, &raw mut out, &raw mut into, most) };
    // Whose side each of them is of is told otherwise by some.
    let bytes = out.max(into) as usize;
    Ok((done != 0 && bytes > 0).then_some(bytes / ATOMIC_BYTES))
}

fn broken(error: io::Error) -> io::Error {
    if is_closed(&error) { io::Error::from_raw_os_error(ERROR_NO_DATA as i32) } else { error }
}

/// Whether it pays to try to write again. `false`: the time is over.
pub(crate) fn wait_for_room(_file: &File, timeout: Option<Duration>) -> io::Result<bool> {
    if timeout == Some(Duration::ZERO) {
        return Ok(false);
    }
    let nap = Duration::from_millis(1);
    std::thread::sleep(timeout.map_or(nap, |timeout| timeout.min(nap)));
    Ok(true)
}

fn unsupported<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// The pipe that this handle is. Windows tells of a handle's rights when it is used.
///
/// # Safety
/// The caller gives the handle away if this succeeds.
pub unsafe fn pipe_end(handle: isize, _writes: bool) -> io::Result<OwnedHandle> {
    let handle = std::ptr::without_provenance_mut(handle as usize);
    // SAFETY: any number may be asked about.
    if unsafe { GetFileType(handle) } != FILE_TYPE_PIPE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the handle is no pipe"));
    }
    // SAFETY: open, and given to us.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Takes over an inherited handle.
impl From<OwnedHandle> for PipeReader {
    fn from(handle: OwnedHandle) -> PipeReader {
        PipeReader::from_file(handle.into())
    }
}

/// Takes over an inherited handle.
impl From<OwnedHandle> for PipeWriter {
    fn from(handle: OwnedHandle) -> PipeWriter {
        PipeWriter::from_file(handle.into())
    }
}

impl AsHandle for PipeWriter {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.file().as_handle()
    }
}

impl From<PipeWriter> for OwnedHandle {
    fn from(end: PipeWriter) -> OwnedHandle {
        end.into_file().into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::security::{MAX_SID_BYTES, Sid};
    use super::*;

    fn path(test: &str) -> std::path::PathBuf {
        format!("{PREFIX}cotenant-unit-{test}-{}", std::process::id()).into()
    }

    #[test]
    fn a_fifo_is_made_although_writers_wait_for_its_name() {
        let path = path("made");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut taken = Vec::new();
                    while !stop.load(Relaxed) {
                        taken.extend(client(&wide(&path).expect("a name")));
                        taken.truncate(4);
                    }
                });
            }
            for _ in 0..200 {
                let made = make_fifo(&path, 0o600);
                if made.is_err() {
                    stop.store(true, Relaxed);
                }
                drop(made.expect("a FIFO"));
            }
            stop.store(true, Relaxed);
        });
    }

    /// Made as its owner would make it whose identifier is not ours; Windows itself lets only the privileged do that.
    #[test]
    fn a_pipe_of_another_user_is_left_alone() {
        let path = path("planted");
        let name = wide(&path).expect("a name");
        // S-1-5-32-544, the administrators.
        let mut bytes = [0; MAX_SID_BYTES];
        bytes[..16].copy_from_slice(&[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0]);
        let somebody = Sid::from_bytes(&bytes, 16).expect("a whole one");
        let mode = PIPE_TYPE_MESSAGE | OF_MANY;
        let made = for_user_only(&somebody, |attributes| {
            let (open, most) = (PIPE_ACCESS_INBOUND, PIPE_UNLIMITED_INSTANCES);
            // SAFETY: a name that ends with 0, and attributes that outlive the call.
            unsafe { CreateNamedPipeW(name.as_ptr(), open, mode, most, 0, BUFFER_BYTES, 0, attributes) }
        });
        let Ok(planted) = made.and_then(file) else { return };
        let is_planted = |writer| matches!(writer, Ok(Opened::Planted(whose)) if whose.contains("S-1-5-32-544"));
        match open_writer(&path) {
            // Where the access list counts.
            Err(error) => assert!(is_os(&error, ERROR_ACCESS_DENIED), "{error}"),
            writer => assert!(is_planted(writer.map(|it| it.map(drop))), "a writer of somebody's pipe"),
        }
        match open_reader(&path) {
            Err(error) => assert!(is_os(&error, ERROR_ACCESS_DENIED), "{error}"),
            reader => assert!(is_planted(reader.map(|it| it.map(drop))), "a reader of somebody's pipe"),
        }
        drop(planted);
    }
}
