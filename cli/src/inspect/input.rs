//! Reading a file that anybody may have put there.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// All bytes of a regular file; else why not, to be read after its name.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| format!("cannot be read: {error}");
    // Asked first: opening a FIFO would wait for somebody who writes.
    let kind = std::fs::metadata(path).map_err(text)?;
    if !kind.is_file() {
        return Err(if kind.is_dir() { "is a directory".to_owned() } else { "is no regular file".to_owned() });
    }
    let file = File::open(path).map_err(text)?;
    let len = file.metadata().map_err(text)?.len();
    let mut bytes = Vec::new();
    let fits = usize::try_from(len).is_ok_and(|len| bytes.try_reserve_exact(len).is_ok());
    if !fits {
        return Err(format!("is too large for this machine's memory ({len} bytes)"));
    }
    // No more than was asked for room for, should it grow meanwhile.
    file.take(len).read_to_end(&mut bytes).map_err(text)?;
    Ok(bytes)
}

/// A path on a line for people.
pub(super) fn shown(path: &Path) -> String {
    cotenant::inspect::printable(&path.to_string_lossy())
}
