//! Names and labels of metrics: what is allowed, and the text by which a metric is found.
//!
//! `name 0xff label 0xff value 0xff label 0xff value`, the labels in the order of their names. UTF-8 has no byte 0xff.

use crate::error::{Error, ErrorKind, Result};
use crate::schema::difference::printable;

use super::table::MAX_TEXT_BYTES;

pub(super) const SEPARATOR: u8 = 0xff;
/// Labels of one metric.
const MAX_LABELS: usize = 32;

/// The text of a metric; refuses names that scrapers do not read.
pub(super) fn of(name: &str, labels: &[(&str, &str)]) -> Result<Vec<u8>> {
    check_name(name)?;
    if labels.len() > MAX_LABELS {
        return Err(refused(format!("`{}` has {} labels; at most {MAX_LABELS} are possible", name, labels.len())));
    }
    let mut text = Vec::with_capacity(128);
    text.extend_from_slice(name.as_bytes());
    let mut sorted: [(&str, &str); MAX_LABELS] = [("", ""); MAX_LABELS];
    let sorted = &mut sorted[..labels.len()];
    sorted.copy_from_slice(labels);
    sorted.sort_unstable();
    for (index, (label, value)) in sorted.iter().enumerate() {
        check_label(label)?;
        if index > 0 && sorted[index - 1].0 == *label {
            return Err(refused(format!("`{name}` has the label `{label}` twice")));
        }
        for part in [label, value] {
            text.push(SEPARATOR);
            text.extend_from_slice(part.as_bytes());
        }
    }
    check_length(name, &text)?;
    Ok(text)
}

/// The text of a line that describes metrics.
pub(super) fn of_description(name: &str, line: &str) -> Result<Vec<u8>> {
    check_name(name)?;
    let mut text = description_begin(name);
    text.extend_from_slice(line.as_bytes());
    check_length(name, &text)?;
    Ok(text)
}

/// No metric has such a text: a label has a name.
pub(super) fn description_begin(name: &str) -> Vec<u8> {
    let mut text = name.as_bytes().to_vec();
    text.extend_from_slice(&[SEPARATOR, SEPARATOR]);
    text
}

fn check_length(name: &str, text: &[u8]) -> Result<()> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(refused(format!("`{name}` has {} bytes with its labels; at most {MAX_TEXT_BYTES} are possible", text.len())))
}

/// Name and labels of a text, as far as they are UTF-8.
pub(super) fn parts(text: &[u8]) -> Option<(&str, Vec<(&str, &str)>)> {
    let mut parts = text.split(|byte| *byte == SEPARATOR).map(std::str::from_utf8);
    let name = parts.next()?.ok()?;
    let mut labels = Vec::new();
    while let Some(label) = parts.next() {
        labels.push((label.ok()?, parts.next()?.ok()?));
    }
    Some((name, labels))
}

/// Whether scrapers read metrics of that name.
pub(super) fn is_name(name: &str) -> bool {
    let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    name.as_bytes().first().is_some_and(|first| begins(*first))
        && name.bytes().all(|it| begins(it) || it.is_ascii_digit())
}

/// Whether scrapers read labels of that name, and none of theirs has it.
pub(super) fn is_label(label: &str) -> bool {
    let begins = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_name = label.as_bytes().first().is_some_and(|first| begins(*first))
        && label.bytes().all(|it| begins(it) || it.is_ascii_digit());
    is_name && !label.starts_with("__") && !matches!(label, "le" | "quantile")
}

/// Whether the name is kept for what segments and metrics know of themselves.
pub(super) fn is_kept(name: &str) -> bool {
    name.starts_with("cotenant_")
}

fn check_name(name: &str) -> Result<()> {
    if is_kept(name) {
        return Err(refused(format!(
            "a metric cannot be named `{}`: what begins with `cotenant_` is what segments tell of themselves",
            printable(name)
        )));
    }
    if is_name(name) {
        return Ok(());
    }
    let shown = printable(name);
    Err(refused(format!(
        "a metric cannot be named `{shown}`: its name is made of a-z, A-Z, 0-9, `_` and `:`, and begins with no digit"
    )))
}

fn check_label(label: &str) -> Result<()> {
    if is_label(label) {
        return Ok(());
    }
    let shown = printable(label);
    Err(refused(format!(
        "a label cannot be named `{shown}`: its name is made of a-z, A-Z, 0-9 and `_`, begins with no \
         digit and not with `__`, and is not `le` or `quantile`"
    )))
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what)
}

/// A name that scrapers read, made of any: `http.requests` becomes `http_requests`.
pub(super) fn name_of(any: &str) -> String {
    let mut name: String =
        any.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':') {
        name.insert(0, '_');
    }
    name
}

/// The same of a label's name, which has no colon, and is none that scrapers keep for themselves.
#[cfg(feature = "metrics")]
pub(super) fn label_of(any: &str) -> String {
    let name = name_of(any).replace(':', "_");
    if is_label(&name) { name } else { format!("label_{}", name.trim_start_matches('_')) }
}

/// Eight bytes at a time, so that a look-up by name takes a few nanoseconds; nobody who can write the table is kept
/// from filling it.
pub(super) fn hash(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word).wrapping_mul(u128::from(FACTOR));
        (product as u64) ^ (product >> 64) as u64
    };
    let (words, rest) = text.split_at(text.len() / 8 * 8);
    let mut hash = 0x2545_f491_4f6c_dd1d ^ text.len() as u64;
    for word in words.chunks_exact(8) {
        hash = mix(hash, u64::from_le_bytes(word.try_into().unwrap_or_default()));
    }
    hash = mix(hash, rest.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    mix(hash, FACTOR)
}
