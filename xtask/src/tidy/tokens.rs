//! Rust source as a flat list of words and signs, so that comments, documentation and strings are out of sight and
//! the bodies of macros are not.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A word, a sign, or the opening or closing of brackets.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// All tokens of a file; the error is a complaint.
pub(crate) fn tokens(file: &super::File) -> Result<Vec<Token>, super::Complaint> {
    let stream: TokenStream = file.text.parse().map_err(|error| format!("{}: not Rust: {error}", file.path))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Literal(_) => tokens.push(Token { text: "\"\"".to_owned(), line }),
            other => tokens.push(Token { text: other.to_string(), line }),
        }
    }
}

/// Whether the tokens from `at` on are these, one by one.
pub(crate) fn are(tokens: &[Token], at: usize, texts: &[&str]) -> bool {
    texts.iter().enumerate().all(|(offset, text)| tokens.get(at + offset).is_some_and(|token| token.text == *text))
}

/// The index of the bracket that closes the one at `open`.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}
