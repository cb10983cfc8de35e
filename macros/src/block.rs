//! The inside of `shared!`: an optional `#![shared(words)]`, then variables.
//!
//! Out comes a call of the library's `__block!` in one form, whatever was left out. After a mistake as much as
//! possible is still put out, so that the user is not also told that the variables do not exist.

use proc_macro::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};

use crate::error::Error;
use crate::tokens::{Cursor, fill, group, is_punct};
use crate::variable::{Variable, take_variables};
use crate::words::Words;

const BLOCK: &str = "$path::__block! { { $words } $variables }";

const VARIABLE: &str = "{ [$attributes] [$visibility] $name [$type_tokens] [$init] $doc }";

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let mut cursor = Cursor::new(input);
    let Some(path) = cursor.next().as_ref().and_then(|token| group(token, Delimiter::Bracket)).map(Group::stream)
    else {
        return Error::at(Span::call_site(), "`shared_impl!` is called by `cotenant::shared!`: use that").into_tokens();
    };
    let mut errors = Vec::new();
    let words = take_words(&mut cursor, &mut errors);
    let variables = take_variables(&mut cursor, &mut errors);

    let mut out = TokenStream::new();
    if !variables.is_empty() {
        let variables = variables.into_iter().map(|variable| variable_tokens(variable, span)).collect();
        out.extend(fill(BLOCK, span, &[("path", path), ("words", words.tokens(span)), ("variables", variables)]));
    }
    out.extend(errors.into_iter().map(Error::into_tokens));
    out
}

fn variable_tokens(variable: Variable, span: Span) -> TokenStream {
    fill(
        VARIABLE,
        span,
        &[
            ("attributes", variable.attributes.into_iter().collect()),
            ("visibility", variable.visibility.into_iter().collect()),
            ("name", TokenTree::from(variable.name).into()),
            ("type_tokens", variable.type_tokens.into_iter().collect()),
            ("init", variable.init.into_iter().collect()),
            ("doc", TokenTree::from(Literal::string(&variable.doc)).into()),
        ],
    )
}

/// Takes the inner attributes at the start of the block.
fn take_words(cursor: &mut Cursor, errors: &mut Vec<Error>) -> Words {
    let mut words = None;
    while let Some(inner) = take_inner_attribute(cursor) {
        let mut inside = Cursor::new(group(&inner[2], Delimiter::Bracket).map(Group::stream).unwrap_or_default());
        let (path, arguments) = inside.take_path_and_arguments();
        match path.as_str() {
            "shared" if words.is_some() => errors.push(Error::over(
                &inner,
                "`#![shared(..)]` stands in this block twice: write all words into the first one, with commas between",
            )),
            "shared" => {
                let parentheses = match arguments.as_slice() {
                    [only] => group(only, Delimiter::Parenthesis).cloned(),
                    _ => None,
                };
                match parentheses {
                    Some(parentheses) => words = Some(Words::parse(parentheses.stream(), errors)),
                    None => errors.push(Error::over(
                        &inner,
                        "the words of a block stand in parentheses: `#![shared(name = \"acme.web\")]`",
                    )),
                }
            }
            "doc" => errors.push(Error::over(
                &inner,
                "a block has no documentation of its own: document the variables with `///`, or use `//`",
            )),
            _ => errors.push(Error::over(
                &inner,
                format!("`#![{path}]` says nothing to a block of shared variables: it knows `#![shared(..)]` only"),
            )),
        }
    }
    words.unwrap_or_else(|| Words::parse(TokenStream::new(), errors))
}

/// Takes `#![..]`, if that is next.
pub(crate) fn take_inner_attribute(cursor: &mut Cursor) -> Option<[TokenTree; 3]> {
    cursor.open();
    let [hash, bang, brackets] = [cursor.peek(0)?.clone(), cursor.peek(1)?.clone(), cursor.peek(2)?.clone()];
    if !is_punct(&hash, '#') || !is_punct(&bang, '!') {
        return None;
    }
    group(&brackets, Delimiter::Bracket)?;
    for _ in 0..3 {
        cursor.next();
    }
    Some([hash, bang, brackets])
}
