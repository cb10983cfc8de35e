//! A mistake in the input: where it is, and what to do about it.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// A message and the tokens that it is about, from the first to the last.
pub(crate) struct Error {
    first: Span,
    last: Span,
    message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Error {
        Error { first: span, last: span, message: message.into() }
    }

    /// About all of `tokens`; about the whole macro call if there are none.
    pub(crate) fn over(tokens: &[TokenTree], message: impl Into<String>) -> Error {
        let first = tokens.first().map_or_else(Span::call_site, TokenTree::span);
        let last = tokens.last().map_or(first, TokenTree::span);
        Error { first, last, message: message.into() }
    }

    /// `::core::compile_error! { "message" }`: the compiler underlines from its first token to its last.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let punct = |character, spacing| {
            let mut punct = Punct::new(character, spacing);
            punct.set_span(self.first);
            TokenTree::from(punct)
        };
        let message = TokenTree::from(Literal::string(&self.message));
        let mut braces = Group::new(Delimiter::Brace, TokenStream::from(message));
        braces.set_span(self.last);
        TokenStream::from_iter([
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            Ident::new("core", self.first).into(),
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            Ident::new("compile_error", self.first).into(),
            punct('!', Spacing::Alone),
            braces.into(),
        ])
    }
}
