//! What a literal says: the text of a string, the value of an integer.

use proc_macro::{Delimiter, TokenTree};

use crate::tokens::group;

/// The text of `"a\n"`, `r"a"` or `r#"a"#`; `None` for everything else, byte and C strings included.
pub(crate) fn string_text(token: &TokenTree) -> Option<String> {
    let source = literal_source(token)?;
    if let Some(raw) = source.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let quoted = raw.get(hashes..raw.len() - hashes)?;
        return Some(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    unescape(source.strip_prefix('"')?.strip_suffix('"')?)
}

/// The value of an integer without a type suffix, and whether it was written in decimal.
pub(crate) fn integer_value(token: &TokenTree) -> Option<(u64, bool)> {
    let source = literal_source(token)?.replace('_', "");
    let (digits, radix) = match source.get(..2) {
        Some("0o") => (&source[2..], 8),
        Some("0x") => (&source[2..], 16),
        Some("0b") => (&source[2..], 2),
        _ => (source.as_str(), 10),
    };
    u64::from_str_radix(digits, radix).ok().map(|value| (value, radix == 10))
}

fn literal_source(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Literal(literal) => Some(literal.to_string()),
        // `$value:literal` of a user's macro.
        _ => {
            let inside: Vec<TokenTree> = group(token, Delimiter::None)?.stream().into_iter().collect();
            if let [only] = inside.as_slice() { literal_source(only) } else { None }
        }
    }
}

fn unescape(source: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = source.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match rest.next()? {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            '0' => text.push('\0'),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                text.push(char::from(u8::from_str_radix(&digits, 16).ok()?));
            }
            'u' => {
                let braces: String = rest.by_ref().take_while(|&c| c != '}').filter(|&c| c != '_').collect();
                text.push(char::from_u32(u32::from_str_radix(braces.strip_prefix('{')?, 16).ok()?)?);
            }
            '\n' => rest = rest.as_str().trim_start().chars(),
            quoted => text.push(quoted),
        }
    }
    Some(text)
}
