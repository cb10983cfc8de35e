//! A value that comes on standard input, in the place of `-`.

use std::io::Read;

use anyhow::{Context, Result, bail};

/// More than any segment's value has.
const BYTES_MAX: u64 = 1 << 30;

/// All of standard input, as bytes.
pub(crate) fn bytes() -> Result<Vec<u8>> {
    all_of(std::io::stdin().lock(), BYTES_MAX)
}

/// All of standard input, which must be text.
pub(crate) fn text() -> Result<String> {
    String::from_utf8(bytes()?).context("the value on standard input is no UTF-8")
}

/// Nothing is cut: what is too long is refused.
fn all_of(input: impl Read, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(most + 1).read_to_end(&mut bytes).context("cannot read the value from standard input")?;
    if bytes.len() as u64 > most {
        bail!("the value on standard input has more than {most} bytes: nothing is changed");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        assert_eq!(all_of(b"1234".as_slice(), 4).expect("four bytes"), b"1234");
        let refused = all_of(b"12345".as_slice(), 4).expect_err("one too many");
        assert!(refused.to_string().contains("more than 4 bytes"), "{refused}");
    }
}
