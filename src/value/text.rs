//! `Text<N>`: a `String` of at most `N` bytes that lies where it is put.
//!
//! ```text
//! 0          4                 4 + len_bytes        4 + N
//! | len_bytes | UTF-8 ......... | whatever was there |
//! ```
//!
//! Every byte pattern is a value, so nothing that a killed or foolish writer leaves is undefined behaviour: a length
//! over `N` counts as `N`, and the text ends where the bytes cease to be UTF-8. Reading therefore checks the bytes
//! each time, which costs about what comparing them costs.
#![allow(unsafe_code)] // the implementation of `ProcessSync`

#[cfg(test)]
mod tests;
mod traits;

use crate::process_sync::ProcessSync;
use crate::schema::{Kind, Schema};
use crate::value::TooLong;
use crate::value::write::{capacity_fits, publish_len, retract_len};

/// UTF-8 text of at most `N` bytes, for use instead of `String` in shared memory.
///
/// Never blocks and never allocates. A process killed inside a change leaves text: [`set`](Text::set) the old, none or
/// the new one, [`push_str`](Text::push_str) the old or the new one.
///
/// There is no `Extend` and no `FromIterator`: they have no way to say that it does not fit. `write!` has one.
///
/// ```
/// use cotenant::value::Text;
///
/// static GREETING: Text<16> = Text::from_static("hello");
/// assert_eq!(GREETING, "hello");
///
/// let mut name = Text::<8>::new();
/// name.set("émile")?;
/// assert_eq!(name.to_uppercase(), "ÉMILE"); // all methods of `str`
/// assert!(name.set("maximilian").is_err());
/// assert_eq!(name, "émile");
/// # Ok::<(), cotenant::value::TooLong>(())
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Text<const N: usize> {
    /// Bytes in use. Anything may stand here; read as at most `N`.
    len_bytes: u32,
    /// The first `len_bytes` are UTF-8, unless a writer was killed or did not play by the rules.
    bytes: [u8; N],
}

const _: () = assert!(size_of::<Text<12>>() == 16 && std::mem::offset_of!(Text<12>, bytes) == 4);

// SAFETY: no pointers and no destructor; every byte pattern is a value, so is whatever a killed writer leaves. Four
// bytes of length and `N` of text are what `Kind::Text` describes (`docs/format.md`, "Schema node").
unsafe impl<const N: usize> ProcessSync for Text<N> {
    const SCHEMA: &'static Schema = &{
        let mut schema = Schema::leaf::<Text<N>>("Text", Kind::Text);
        schema.array_len = N;
        schema
    };
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

impl<const N: usize> Text<N> {
    /// An empty text.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Text::<8>::new(), "");
    /// ```
    pub const fn new() -> Text<N> {
        capacity_fits::<N>();
        Text { len_bytes: 0, bytes: [0; N] }
    }

    /// The text of a literal; for the initial value of a static.
    ///
    /// # Panics
    ///
    /// If it has more than `N` bytes: while compiling, where it is used in a constant or static.
    ///
    /// ```
    /// use cotenant::value::Text;
    /// static STAGE: Text<12> = Text::from_static("starting");
    /// assert_eq!(STAGE.as_str(), "starting");
    /// ```
    ///
    /// ```compile_fail
    /// static STAGE: cotenant::value::Text<4> = cotenant::value::Text::from_static("starting");
    /// # let _ = &STAGE;
    /// ```
    pub const fn from_static(text: &'static str) -> Text<N> {
        assert!(text.len() <= N, "this text has more bytes than `Text<N>` has room for: choose a larger `N`");
        Text::filled_from(text.as_bytes(), text.len())
    }

    /// As much of `text` as fits, cut between two characters.
    ///
    /// ```
    /// use cotenant::value::Text;
    /// assert_eq!(Text::<6>::truncating("crème"), "crème");
    /// assert_eq!(Text::<3>::truncating("crème"), "cr"); // not half of the è
    /// ```
    pub const fn truncating(text: &str) -> Text<N> {
        let bytes = text.as_bytes();
        let mut len_bytes = if bytes.len() < N { bytes.len() } else { N };
        // A byte 0b10xxxxxx goes on with a character, so a cut before it would be inside one.
        while len_bytes < bytes.len() && bytes[len_bytes] & 0xc0 == 0x80 {
            len_bytes -= 1;
        }
        Text::filled_from(bytes, len_bytes)
    }

    const fn filled_from(bytes: &[u8], len_bytes: usize) -> Text<N> {
        let mut text = Text::new();
        let mut i = 0;
        while i < len_bytes {
            text.bytes[i] = bytes[i];
            i += 1;
        }
        text.len_bytes = len_bytes as u32;
        text
    }

    /// The text. Of bytes that no sound writer leaves: the longest part from the start that is UTF-8.
    ///
    /// ```
    /// let text = cotenant::value::Text::<8>::from_static("ready");
    /// assert_eq!(text.as_str(), "ready");
    /// ```
    pub const fn as_str(&self) -> &str {
        let (used, _) = self.bytes.split_at(self.used_bytes());
        match std::str::from_utf8(used) {
            Ok(text) => text,
            Err(error) => match std::str::from_utf8(used.split_at(error.valid_up_to()).0) {
                Ok(text) => text,
                Err(_) => "",
            },
        }
    }

    /// Whether the bytes are as a sound writer leaves them: the length within the capacity, all of it UTF-8.
    ///
    /// ```
    /// assert!(cotenant::value::Text::<8>::from_static("ready").is_intact());
    /// ```
    pub const fn is_intact(&self) -> bool {
        self.as_str().len() == self.len_bytes as usize
    }

    /// The bytes that there is room for, used or not.
    ///
    /// ```
    /// assert_eq!(cotenant::value::Text::<8>::new().capacity(), 8);
    /// ```
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Replaces the text. A process killed meanwhile leaves the old, none, or the new one.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if it does not fit; the old text stays.
    ///
    /// ```
    /// let mut stage = cotenant::value::Text::<8>::from_static("ready");
    /// assert!(stage.set("on fire").is_ok());
    /// assert!(stage.set("extinguished").is_err());
    /// assert_eq!(stage, "on fire");
    /// ```
    pub fn set(&mut self, text: &str) -> Result<(), TooLong> {
        let Some(room) = self.bytes.get_mut(..text.len()) else {
            return Err(TooLong { len: text.len(), capacity: N });
        };
        retract_len(&mut self.len_bytes);
        room.copy_from_slice(text.as_bytes());
        publish_len(&mut self.len_bytes, text.len());
        Ok(())
    }

    /// Adds `text` at the end. A process killed meanwhile leaves the old text or the new one.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if it does not fit as a whole; nothing is added.
    ///
    /// ```
    /// let mut path = cotenant::value::Text::<8>::from_static("/tmp");
    /// assert!(path.push_str("/x").is_ok());
    /// assert!(path.push_str("/long").is_err());
    /// assert_eq!(path, "/tmp/x");
    /// ```
    pub fn push_str(&mut self, text: &str) -> Result<(), TooLong> {
        let start = self.as_str().len();
        let end = start.saturating_add(text.len());
        if end > N {
            return Err(TooLong { len: end, capacity: N });
        }
        if !self.is_intact() {
            // The length is wrong: set right first, or the new bytes would appear one by one under it.
            retract_len(&mut self.len_bytes);
        }
        self.bytes[start..end].copy_from_slice(text.as_bytes());
        publish_len(&mut self.len_bytes, end);
        Ok(())
    }

    /// Adds a character at the end.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if it does not fit; nothing is added.
    ///
    /// ```
    /// let mut text = cotenant::value::Text::<3>::from_static("a");
    /// assert!(text.push('é').is_ok());
    /// assert!(text.push('!').is_err());
    /// ```
    pub fn push(&mut self, character: char) -> Result<(), TooLong> {
        self.push_str(character.encode_utf8(&mut [0; 4]))
    }

    /// Takes the last character off.
    ///
    /// ```
    /// let mut text = cotenant::value::Text::<8>::from_static("né");
    /// assert_eq!(text.pop(), Some('é'));
    /// assert_eq!(text.pop(), Some('n'));
    /// assert_eq!(text.pop(), None);
    /// ```
    pub fn pop(&mut self) -> Option<char> {
        let text = self.as_str();
        let last = text.chars().next_back()?;
        let len_bytes = text.len() - last.len_utf8();
        publish_len(&mut self.len_bytes, len_bytes);
        Some(last)
    }

    /// Shortens the text to `len_bytes`; does nothing if it is not longer.
    ///
    /// # Panics
    ///
    /// If `len_bytes` lies inside a character, as `String::truncate` does.
    ///
    /// ```
    /// let mut text = cotenant::value::Text::<8>::from_static("shorter");
    /// text.truncate(5);
    /// assert_eq!(text, "short");
    /// ```
    pub fn truncate(&mut self, len_bytes: usize) {
        let text = self.as_str();
        if len_bytes < text.len() {
            assert!(text.is_char_boundary(len_bytes), "the new end of the text lies inside a character");
            publish_len(&mut self.len_bytes, len_bytes);
        }
    }

    /// Makes the text empty.
    ///
    /// ```
    /// let mut text = cotenant::value::Text::<8>::from_static("x");
    /// text.clear();
    /// assert!(text.is_empty());
    /// ```
    pub fn clear(&mut self) {
        publish_len(&mut self.len_bytes, 0);
    }

    /// The length as it may be used, whatever stands in memory.
    const fn used_bytes(&self) -> usize {
        let len_bytes = self.len_bytes as usize;
        if len_bytes < N { len_bytes } else { N }
    }
}
