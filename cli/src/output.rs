//! What commands write: whole lines, each in one call so that those of many processes on one terminal do not mix;
//! tables; and what becomes of an output that nobody reads any more.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    /// The other end is closed (`| head -3`): nobody wants any more, and that is no failure.
    NobodyReads,
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) -> Result<Written> {
    let whole = format!("{text}\n");
    // Standard output holds back nothing that ends a line: an empty buffer passes it on as it is.
    match io::stdout().lock().write_all(whole.as_bytes()) {
        Ok(()) => Ok(Written::Yes),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Written::NobodyReads),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}

/// Writes a line to standard error, under this command's name.
pub(crate) fn complain(message: &str) {
    let whole = format!("cotenant: {message}\n");
    // Where even this cannot be written there is nobody to tell.
    let _ = io::stderr().lock().write_all(whole.as_bytes());
}

/// A closed pipe (`| head`) is no failure: nobody wants any more.
pub(crate) fn finish(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}
