//! A block's descriptor, read from an image of any word size and byte order (`docs/format.md`, "In the image").
//!
//! ```text
//!          magic bytes count words  name group module block pristine  used padded  fingerprint  objects schemas target
//! 64 bit       0     8    12    16    32    48     64    80       88    96    104          112      120     136    152
//! 32 bit       0     8    12    16    28    36     44    52       56    60     64     68 or 72      then + 8, 8, 8
//! ```
//!
//! On 32-bit systems the C rules place the fingerprint at a multiple of 4 or of 8: the size of the whole tells.

use super::memory::{Memory, Value};

pub(super) const MAGIC: [u8; 8] = *b"COTBLOCK";
/// The magic and the size: enough to tell how much more there is.
pub(super) const HEAD_BYTES: u64 = 16;
/// A longer text in a descriptor is none of ours: a name has at most 128 bytes, a module's path a few hundred.
const TEXT_BYTES_MAX: u64 = 4096;

/// What a descriptor says. Addresses are the image's own; nothing of it is checked.
pub(super) struct Descriptor<'a> {
    pub(super) keep_until_removed: bool,
    pub(super) attach_by_call: bool,
    pub(super) private_on_failure: bool,
    pub(super) separate_on_mismatch: bool,
    pub(super) share_when_privileged: bool,
    pub(super) mode: u32,
    pub(super) name: &'a str,
    pub(super) group: &'a str,
    pub(super) module: &'a str,
    pub(super) block: u64,
    pub(super) pristine: u64,
    pub(super) used_bytes: u64,
    pub(super) padded_bytes: u64,
    pub(super) fingerprint: u64,
    pub(super) objects: (u64, u64),
    pub(super) schemas: (u64, u64),
    pub(super) object_count: u64,
    pub(super) has_target: bool,
}

/// The size that a descriptor at `head` claims; `None` if there is none.
pub(super) fn size_at(head: &Value<'_>) -> Option<u64> {
    let has_magic = head.bytes.starts_with(&MAGIC);
    has_magic.then(|| head.unsigned(8, 4)).flatten().map(|bytes| bytes as u64)
}

/// Reads the descriptor at `at`, which [`size_at`] said has `bytes`.
pub(super) fn read<'a>(memory: &Memory<'a>, at: u64, bytes: u64) -> Result<Descriptor<'a>, String> {
    let width = u64::from(memory.pointer_bytes);
    let fingerprint_at = match (width, bytes) {
        (8, 168) => 112,
        (4, 100) => 68,
        (4, 104) => 72,
        _ => return Err(format!("has {bytes} bytes: it is of another version of Cotenant")),
    };
    let fixed = memory.value(at, bytes).ok_or("is cut off")?;
    let byte = |offset: u64| fixed.bytes.get(offset as usize).copied().unwrap_or_default();
    for offset in 16..21 {
        if byte(offset) > 1 {
            return Err("has a word that is neither 0 nor 1".to_owned());
        }
    }
    // Offsets in units of pointers: the head takes 32 bytes or 28.
    let pointers_at = if width == 8 { 32 } else { 28 };
    let pointer = |index: u64| memory.pointer(at + pointers_at + index * width).ok_or("is cut off");
    let tail = |index: u64| memory.pointer(at + fingerprint_at + 8 + index * width).ok_or("is cut off");
    let text = |index: u64, what: &str| -> Result<&'a str, String> {
        let (start, len) = (pointer(index)?, pointer(index + 1)?);
        if len > TEXT_BYTES_MAX {
            return Err(format!("has a {what} of {len} bytes"));
        }
        let bytes = memory.bytes(start, len).ok_or_else(|| format!("has a {what} that lies outside of the image"))?;
        std::str::from_utf8(bytes).map_err(|_| format!("has a {what} that is not UTF-8"))
    };
    Ok(Descriptor {
        keep_until_removed: byte(16) == 1,
        attach_by_call: byte(17) == 1,
        private_on_failure: byte(18) == 1,
        separate_on_mismatch: byte(19) == 1,
        share_when_privileged: byte(20) == 1,
        mode: fixed.unsigned(24, 4).unwrap_or_default() as u32,
        name: text(0, "name")?,
        group: text(2, "group")?,
        module: text(4, "module")?,
        block: pointer(6)?,
        pristine: pointer(7)?,
        used_bytes: pointer(8)?,
        padded_bytes: pointer(9)?,
        fingerprint: fixed.unsigned(fingerprint_at, 8).unwrap_or_default() as u64,
        objects: (tail(0)?, tail(1)?),
        schemas: (tail(2)?, tail(3)?),
        object_count: fixed.unsigned(12, 4).unwrap_or_default() as u64,
        has_target: tail(4)? != 0,
    })
}
