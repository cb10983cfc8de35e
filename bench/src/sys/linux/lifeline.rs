//! What many children wait on: a standard input of theirs that ends when this program does.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

/// One descriptor for any number of children. Cutting it, also by dying, ends their input.
pub(crate) struct Lifeline {
    ours: UnixStream,
    theirs: OwnedFd,
}

impl Lifeline {
    pub(crate) fn new() -> io::Result<Lifeline> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Lifeline { ours, theirs: theirs.into() })
    }

    /// The standard input of one more child.
    pub(crate) fn input(&self) -> io::Result<Stdio> {
        self.theirs.try_clone().map(Stdio::from)
    }

    /// Ends the children's input.
    pub(crate) fn cut(&self) {
        // Fails only if it was cut before.
        let _ = self.ours.shutdown(Shutdown::Both);
    }
}
