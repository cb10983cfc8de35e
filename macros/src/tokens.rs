//! Reading tokens one after the other, and writing them from a template.
//!
//! Input that went through a `macro_rules!` of the user may hold groups without delimiters (`$vis`, `$name`); where
//! the grammar has a say, [`Cursor`] opens them. Inside types and initial values they stay, for there they keep the
//! precedence.

use proc_macro::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};

use crate::doc_line::DocLine;
use crate::error::{Error, Result};

/// A place in a list of tokens.
pub(crate) struct Cursor {
    tokens: Vec<TokenTree>,
    at: usize,
}

/// `#[path arguments]`.
pub(crate) struct Attribute {
    pub(crate) path: String,
    /// What follows the path: `= "text"`, `(words)`, or nothing.
    pub(crate) arguments: Vec<TokenTree>,
    /// The attribute as it was written, `#` included.
    pub(crate) tokens: Vec<TokenTree>,
}

impl Cursor {
    pub(crate) fn new(tokens: impl IntoIterator<Item = TokenTree>) -> Cursor {
        Cursor { tokens: tokens.into_iter().collect(), at: 0 }
    }

    /// The token after `ahead` others.
    pub(crate) fn peek(&self, ahead: usize) -> Option<&TokenTree> {
        self.tokens.get(self.at + ahead)
    }

    pub(crate) fn next(&mut self) -> Option<TokenTree> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The span of the next token; of the last one at the end.
    pub(crate) fn span(&self) -> Span {
        self.peek(0).or(self.tokens.last()).map_or_else(Span::call_site, TokenTree::span)
    }

    /// Replaces the next token by what is in it as long as it is a group without delimiters.
    pub(crate) fn open(&mut self) {
        while let Some(inner) = self.peek(0).and_then(|token| group(token, Delimiter::None)) {
            let inner: Vec<TokenTree> = inner.stream().into_iter().collect();
            self.tokens.splice(self.at..=self.at, inner);
        }
    }

    pub(crate) fn take_ident(&mut self) -> Option<Ident> {
        self.open();
        let ident = self.peek(0).and_then(ident)?;
        self.at += 1;
        Some(ident)
    }

    pub(crate) fn take_word(&mut self, word: &str) -> Option<Ident> {
        self.open();
        let ident = self.peek(0).and_then(ident).filter(|ident| ident.to_string() == word)?;
        self.at += 1;
        Some(ident)
    }

    pub(crate) fn take_punct(&mut self, character: char) -> bool {
        let found = self.peek(0).is_some_and(|token| is_punct(token, character));
        self.at += usize::from(found);
        found
    }

    /// Takes tokens until `stop` says so of the next one; `stop` is also told how many `<` are open. The name of a
    /// lifetime (`'static`) is not asked about.
    pub(crate) fn take_until(&mut self, stop: impl Fn(&TokenTree, usize) -> bool) -> Vec<TokenTree> {
        let mut taken: Vec<TokenTree> = Vec::new();
        let mut open_angles = 0_usize;
        while let Some(token) = self.peek(0) {
            let follows = |character| taken.last().is_some_and(|token| is_punct(token, character));
            if !follows('\'') && stop(token, open_angles) {
                break;
            }
            let is_arrow = follows('-');
            if is_punct(token, '<') {
                open_angles += 1;
            } else if is_punct(token, '>') && !is_arrow {
                open_angles = open_angles.saturating_sub(1);
            }
            taken.push(token.clone());
            self.at += 1;
        }
        taken
    }

    /// Takes the `#[..]` in front of an item; stops at `#![..]`.
    pub(crate) fn take_attributes(&mut self) -> Result<Vec<Attribute>> {
        let mut attributes = Vec::new();
        loop {
            self.open();
            let is_inner = self.peek(1).is_some_and(|token| is_punct(token, '!'));
            let Some(hash) = self.peek(0).filter(|token| is_punct(token, '#') && !is_inner).cloned() else {
                return Ok(attributes);
            };
            let Some(brackets) = self.peek(1).filter(|token| group(token, Delimiter::Bracket).is_some()).cloned()
            else {
                return Err(Error::at(hash.span(), "expected `#[attribute]`"));
            };
            self.at += 2;
            let mut inside = Cursor::new(group(&brackets, Delimiter::Bracket).map(Group::stream).unwrap_or_default());
            let (path, arguments) = inside.take_path_and_arguments();
            attributes.push(Attribute { path, arguments, tokens: vec![hash, brackets] });
        }
    }

    /// Splits the inside of an attribute: `serde(default)` is `serde` and `(default)`.
    pub(crate) fn take_path_and_arguments(&mut self) -> (String, Vec<TokenTree>) {
        self.open();
        let path = self.take_until(|token, _| is_punct(token, '=') || matches!(token, TokenTree::Group(_)));
        let path = path.iter().map(ToString::to_string).collect();
        (path, self.take_until(|_, _| false))
    }

    /// Takes `pub`, `pub(crate)` and the like; nothing is private.
    pub(crate) fn take_visibility(&mut self) -> Vec<TokenTree> {
        let Some(public) = self.take_word("pub") else { return Vec::new() };
        let mut visibility = vec![TokenTree::from(public)];
        let scope = self.peek(0).filter(|token| group(token, Delimiter::Parenthesis).is_some_and(is_scope)).cloned();
        self.at += usize::from(scope.is_some());
        visibility.extend(scope);
        visibility
    }
}

/// Whether `(crate)`, `(super)`, `(self)` or `(in path)`: in a tuple struct, `pub (u8, u8)` is a public tuple.
fn is_scope(parentheses: &Group) -> bool {
    parentheses.stream().into_iter().next().as_ref().and_then(ident).is_some_and(|word| {
        let word = word.to_string();
        let is_alone = parentheses.stream().into_iter().count() == 1;
        word == "in" || is_alone && ["crate", "super", "self"].contains(&word.as_str())
    })
}

/// The first line of the documentation among `attributes`.
pub(crate) fn doc_line(attributes: &[Attribute]) -> String {
    let mut line = DocLine::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path == "doc") {
        if let [equals, value] = attribute.arguments.as_slice() {
            if is_punct(equals, '=') {
                line.read(value);
            }
        }
    }
    line.into_text()
}

/// `tokens` between the commas that are in no `<..>`. A comma at the end adds nothing.
pub(crate) fn split_at_commas(tokens: impl IntoIterator<Item = TokenTree>) -> Vec<Vec<TokenTree>> {
    let mut cursor = Cursor::new(tokens);
    let mut pieces = Vec::new();
    while !cursor.is_at_end() {
        pieces.push(cursor.take_until(|token, open_angles| open_angles == 0 && is_punct(token, ',')));
        cursor.next();
    }
    pieces
}

pub(crate) fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

pub(crate) fn ident(token: &TokenTree) -> Option<Ident> {
    if let TokenTree::Ident(ident) = token { Some(ident.clone()) } else { None }
}

pub(crate) fn group(token: &TokenTree, delimiter: Delimiter) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// The name as people read it: `type` for `r#type`.
pub(crate) fn plain_name(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Reads `template`, puts `span` on its tokens, and puts the parts, as they are, in place of `$name`.
pub(crate) fn fill(template: &str, span: Span, parts: &[(&str, TokenStream)]) -> TokenStream {
    let template: TokenStream = template.parse().expect("a template of this crate is Rust");
    fill_stream(template, span, parts)
}

fn fill_stream(template: TokenStream, span: Span, parts: &[(&str, TokenStream)]) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = template.into_iter();
    while let Some(mut token) = tokens.next() {
        if is_punct(&token, '$') {
            let name = tokens.next().map(|name| name.to_string()).unwrap_or_default();
            let (_, part) = parts.iter().find(|(part, _)| *part == name).expect("a template names its parts");
            out.extend(part.clone());
            continue;
        }
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), fill_stream(group.stream(), span, parts)).into();
        }
        token.set_span(span);
        out.extend([token]);
    }
    out
}
