//! This process.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

/// Nothing is shared, so nobody can misuse it.
pub(crate) fn privileges_were_raised() -> bool {
    false
}

/// An environment variable.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Milliseconds since this process first asked: nothing is shared with others.
pub(crate) fn milliseconds_since_start() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed().as_millis() as u64 + 1
}

/// Since when one waits for a lock that nobody shares interests nobody.
pub(crate) fn uptime_ms() -> u32 {
    0
}

/// Nanoseconds since 1970.
pub(crate) fn unix_ns_coarse() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// Nanoseconds since the first call: nobody shares what is compared with it.
pub(crate) fn boottime_ns() -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Nothing is shared, so nothing needs a number that others cannot guess.
pub(crate) fn random() -> io::Result<[u8; 16]> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes one line to standard error and ends the process.
pub(crate) fn end(message: &str, status: i32) -> ! {
    complain(message);
    std::process::exit(status)
}

/// Writes one line to standard error.
pub(crate) fn complain(message: &str) {
    let _ = io::stderr().write_all(format!("{message}\n").as_bytes());
}

/// Nothing to watch: nothing is shared.
pub(crate) fn watch_for_end() {}

/// Nothing is to be done at the end.
pub(crate) fn is_ending() -> bool {
    true
}
