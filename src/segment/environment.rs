//! What the environment says about sharing, the same for blocks and for segments of objects.

use super::header::MAX_SCOPE_BYTES;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::process;

/// Why this process is to share nothing; `None`: it may. `consent` is the way for a privileged program to share all
/// the same.
pub(crate) fn switched_off(is_allowed_when_privileged: bool, consent: &str) -> Option<Error> {
    if process::privileges_were_raised() && !is_allowed_when_privileged {
        let error = Error::new(ErrorKind::Private, "this program runs with raised privileges, and shares nothing then");
        return Some(error.hint(consent));
    }
    let is_private = process::environment("COTENANT_PRIVATE").is_some_and(|value| value != "0");
    is_private.then(|| Error::new(ErrorKind::Private, "COTENANT_PRIVATE is set: this process shares nothing"))
}

/// `COTENANT_SCOPE`, checked.
pub(crate) fn scope() -> Result<String> {
    match process::environment("COTENANT_SCOPE") {
        None => Ok(String::new()),
        Some(scope) => check_scope(&scope.to_string_lossy(), "COTENANT_SCOPE"),
    }
}

/// A scope that came from `source`, if it can be part of a name.
pub(crate) fn check_scope(scope: &str, source: &str) -> Result<String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if scope.len() <= MAX_SCOPE_BYTES && scope.bytes().all(is_allowed) {
        return Ok(scope.to_owned());
    }
    let shown: String = scope.chars().take(MAX_SCOPE_BYTES).collect();
    Err(Error::new(ErrorKind::InvalidInput, format!("{source} is {shown:?}, which is no name for a scope"))
        .hint(format!("use at most {MAX_SCOPE_BYTES} of A-Z a-z 0-9 . _ -")))
}
