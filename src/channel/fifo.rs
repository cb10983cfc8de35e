//! `Fifo`: a pipe with a name, for processes that nobody forked from one another.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::pipe::{PipeReader, PipeWriter};
use super::pipe_error::PipeName;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::pipe as system;

/// A pipe with a name in the file system ([`fifo(7)`](https://man7.org/linux/man-pages/man7/fifo.7.html)).
///
/// The bytes are in memory and gone when both sides are; the name stays until it is removed. Who may read and write it
/// is said by its permissions. One of another user's in a folder that everybody may write is refused, unless it is the
/// folder's owner's or root's: anybody could have laid it there.
///
/// A reader that is to outlast its writers opens an end to write for itself, and keeps it: then the stream does not end
/// with the last of them.
///
/// On Windows it is a named pipe: the path is `\\.\pipe\NAME`, the mode 0o600, and the name goes with the last process
/// that has the `Fifo` that was created, or an end. Who waits there looks again after 50 us, doubling to 5 ms.
///
/// ```
/// use std::time::Duration;
/// use cotenant::channel::Fifo;
///
/// # if cfg!(target_os = "linux") {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("events");
/// let fifo = Fifo::create(&path, 0o600)?;
/// let mut reader = fifo.reader()?.messages();
/// // In another program:
/// let mut writer = Fifo::open(&path)?.writer_timeout(Duration::from_secs(5))?.messages();
/// writer.send(b"started").unwrap();
/// assert_eq!(reader.recv().unwrap().as_deref(), Some(&b"started"[..]));
/// # }
/// # Ok::<(), cotenant::Error>(())
/// ```
pub struct Fifo {
    path: PathBuf,
    _name: Option<system::Name>,
}

/// What opening an end of a FIFO came to.
pub(crate) enum Opened<T> {
    End(T),
    /// Something else has that name.
    #[allow(dead_code)] // Not on every system.
    NoFifo,
    /// One of another user's, who may have taken the name first; in words who.
    #[allow(dead_code)] // Not on every system.
    Planted(String),
}

impl<T> Opened<T> {
    #[allow(dead_code)] // Not on every system.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Opened<U> {
        match self {
            Opened::End(end) => Opened::End(change(end)),
            Opened::NoFifo => Opened::NoFifo,
            Opened::Planted(whose) => Opened::Planted(whose),
        }
    }

    fn end(self, path: &Path) -> Result<T> {
        match self {
            Opened::End(end) => Ok(end),
            Opened::NoFifo => Err(foreign(path)),
            Opened::Planted(whose) => {
                let what = format!("the FIFO {} belongs to {whose}; it was left alone", path.display());
                Err(Error::new(ErrorKind::Foreign, what)
                    .hint("use a name that only programs to be trusted can take, such as one in a folder of their own"))
            }
        }
    }
}

/// How long a writer sleeps at most before it looks again for a reader.
const LONGEST_NAP: Duration = Duration::from_millis(20);

impl Fifo {
    /// Makes a FIFO with these permission bits, whatever the process's mask is: `0o600`, or `0o660` and the like.
    ///
    /// # Errors
    /// `AlreadyExists`: something has that name. What the system says of the folder.
    pub fn create(path: impl AsRef<Path>, mode: u32) -> Result<Fifo> {
        let path = path.as_ref();
        supported()?;
        if mode & !0o666 != 0 {
            let what = format!("cannot make the FIFO {}: it cannot have the mode {mode:o}", path.display());
            return Err(Error::new(ErrorKind::InvalidInput, what).hint("use read and write bits, such as 0o600"));
        }
        let name = system::make_fifo(path, mode).map_err(|error| refusal(path, "make", &error))?;
        Ok(Fifo { path: path.to_owned(), _name: Some(name) })
    }

    /// A FIFO that is there.
    ///
    /// # Errors
    /// `NotFound`; `Foreign`: it is something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Fifo> {
        let path = path.as_ref();
        supported()?;
        match system::is_fifo(path) {
            Ok(true) => Ok(Fifo { path: path.to_owned(), _name: None }),
            Ok(false) => Err(foreign(path)),
            Err(error) => Err(refusal(path, "open", &error)),
        }
    }

    /// Its reading end. Does not wait: the first read does, until there is a writer.
    ///
    /// # Errors
    /// What the system says, for example that this user may not read it. `Foreign`: it is no FIFO any more, or another
    /// user's, who may have taken the name first (in a folder that everybody may write, or of a Windows pipe).
    pub fn reader(&self) -> Result<PipeReader> {
        let opened = system::open_reader(&self.path).map_err(|error| refusal(&self.path, "read", &error))?;
        Ok(PipeReader::of(opened.end(&self.path)?, PipeName::of_fifo(&self.path)))
    }

    /// Its writing end; waits until somebody reads.
    ///
    /// # Errors
    /// What the system says, for example that this user may not write it; `Foreign` as of [`reader`](Fifo::reader).
    pub fn writer(&self) -> Result<PipeWriter> {
        self.writer_until(None)
    }

    /// Its writing end, if somebody reads.
    ///
    /// # Errors
    /// `WouldBlock`: nobody does. Else as [`writer`](Fifo::writer).
    pub fn try_writer(&self) -> Result<PipeWriter> {
        self.writer_until(Some(Instant::now())).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => error.of_kind(ErrorKind::WouldBlock),
            _ => error,
        })
    }

    /// Its writing end; waits at most `timeout` until somebody reads.
    ///
    /// # Errors
    /// `TimedOut`: nobody did. Else as [`writer`](Fifo::writer).
    pub fn writer_timeout(&self, timeout: Duration) -> Result<PipeWriter> {
        self.writer_until(Instant::now().checked_add(timeout))
    }

    fn writer_until(&self, deadline: Option<Instant>) -> Result<PipeWriter> {
        let mut nap = Duration::from_millis(1);
        loop {
            match system::open_writer(&self.path) {
                Ok(opened) => {
                    return Ok(PipeWriter::of(opened.end(&self.path)?, PipeName::of_fifo(&self.path)));
                }
                Err(error) if !system::has_no_reader(&error) => return Err(refusal(&self.path, "write", &error)),
                Err(_) => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                let what = format!("cannot open the FIFO {} to write it: {}", self.path.display(), system::NO_READER);
                return Err(Error::new(ErrorKind::TimedOut, what).hint("start the program that reads it"));
            }
            std::thread::sleep(left.map_or(nap, |left| left.min(nap)));
            nap = (nap * 2).min(LONGEST_NAP);
        }
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the name; who has an end goes on. (On Windows it goes by itself.)
    ///
    /// # Errors
    /// What the system says; `Foreign`: it is no FIFO any more, and was left alone.
    pub fn unlink(&self) -> Result<()> {
        match system::is_fifo(&self.path) {
            Ok(true) => system::unlink_fifo(&self.path).map_err(|error| refusal(&self.path, "remove", &error)),
            Ok(false) => Err(foreign(&self.path)),
            Err(error) => Err(refusal(&self.path, "remove", &error)),
        }
    }
}

fn supported() -> Result<()> {
    system::NO_FIFOS.map_or(Ok(()), |why| Err(Error::new(ErrorKind::Unsupported, why)))
}

fn foreign(path: &Path) -> Error {
    Error::new(ErrorKind::Foreign, format!("{} is no FIFO; it was left alone", path.display()))
        .hint("choose another path, or remove it")
}

fn refusal(path: &Path, doing: &str, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::InvalidInput => Some(ErrorKind::InvalidInput),
        io::ErrorKind::Unsupported => Some(ErrorKind::Unsupported),
        io::ErrorKind::NotFound => Some(ErrorKind::NotFound),
        io::ErrorKind::AlreadyExists => Some(ErrorKind::AlreadyExists),
        _ => None,
    };
    let refusal = Error::system(format_args!("{doing} the FIFO {}", path.display()), error);
    let refusal = match kind {
        Some(kind) => refusal.of_kind(kind),
        None => refusal,
    };
    match (doing, refusal.kind()) {
        ("make", ErrorKind::AlreadyExists) => refusal.hint("open it, or remove it if nobody uses it"),
        ("make", ErrorKind::NotFound) => refusal.hint("make its folder first"),
        ("make" | "remove", ErrorKind::PermissionDenied) => refusal.hint("choose a folder that this user may write"),
        (_, ErrorKind::NotFound) => refusal.hint("start the program that makes it"),
        (_, ErrorKind::PermissionDenied) => refusal.hint("whoever made it said who may, by its mode"),
        _ => refusal,
    }
}

impl fmt::Debug for Fifo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fifo").field(&self.path).finish()
    }
}
