//! One variable of a block: `#[attributes] visibility static NAME: Type = initial value;`.

use proc_macro::{Delimiter, Ident, Span, TokenTree};

use crate::block::take_inner_attribute;
use crate::error::{Error, Result};
use crate::tokens::{Attribute, Cursor, doc_line, group, ident, is_punct, plain_name};

/// A bound, so that tables of a segment have one.
const MAX_VARIABLES: usize = 512;

/// Attributes that a variable keeps.
const KEPT_ATTRIBUTES: [&str; 5] = ["doc", "allow", "expect", "deprecated", "must_use"];

pub(crate) struct Variable {
    pub(crate) attributes: Vec<TokenTree>,
    pub(crate) visibility: Vec<TokenTree>,
    pub(crate) name: Ident,
    pub(crate) type_tokens: Vec<TokenTree>,
    pub(crate) init: Vec<TokenTree>,
    /// The first line of its documentation.
    pub(crate) doc: String,
}

/// Takes all variables; the mistakes go to `errors`. Stops at one after which it is unclear what the tokens mean.
pub(crate) fn take_variables(cursor: &mut Cursor, errors: &mut Vec<Error>) -> Vec<Variable> {
    let mut variables: Vec<Variable> = Vec::new();
    if cursor.is_at_end() {
        errors.push(Error::at(
            Span::call_site(),
            "this block holds no variable: declare one, such as `static REQUESTS: AtomicU64 = AtomicU64::new(0);`",
        ));
    }
    while !cursor.is_at_end() {
        let variable = match take_variable(cursor, errors) {
            Ok(variable) => variable,
            Err(error) => {
                errors.push(error);
                break;
            }
        };
        if variables.iter().any(|other| plain_name(&other.name) == plain_name(&variable.name)) {
            let message = format!("this block has two variables `{}`: give one of them another name", variable.name);
            errors.push(Error::at(variable.name.span(), message));
            continue;
        }
        if variables.len() == MAX_VARIABLES {
            let message = format!(
                "a block holds at most {MAX_VARIABLES} variables: begin another `shared!`, or put values that belong \
                 together into an array or a struct"
            );
            errors.push(Error::at(variable.name.span(), message));
            break;
        }
        variables.push(variable);
    }
    variables
}

fn take_variable(cursor: &mut Cursor, errors: &mut Vec<Error>) -> Result<Variable> {
    if let Some(inner) = take_inner_attribute(cursor) {
        return Err(Error::over(
            &inner,
            "an attribute with `#!` is about the whole block: it must stand first in it, before every variable and its \
             documentation",
        ));
    }
    let attributes = cursor.take_attributes()?;
    // Documentation above `#![shared(..)]` would belong to the block, which has none.
    if let Some(inner) = take_inner_attribute(cursor) {
        return Err(Error::over(
            &inner,
            "`#![shared(..)]` must stand first in the block, before documentation as well",
        ));
    }
    check_attributes(&attributes, errors);
    let visibility = cursor.take_visibility();
    take_keyword(cursor, &attributes, errors)?;
    let name = take_name(cursor)?;
    let type_tokens = take_type(cursor, &name)?;
    let init = take_init(cursor, &name)?;
    Ok(Variable {
        doc: doc_line(&attributes),
        attributes: attributes
            .into_iter()
            .filter(|attribute| KEPT_ATTRIBUTES.contains(&attribute.path.as_str()))
            .flat_map(|attribute| attribute.tokens)
            .collect(),
        visibility,
        name,
        type_tokens,
        init,
    })
}

fn check_attributes(attributes: &[Attribute], errors: &mut Vec<Error>) {
    for attribute in attributes {
        let message = match attribute.path.as_str() {
            path if KEPT_ATTRIBUTES.contains(&path) => continue,
            "cfg" | "cfg_attr" => format!(
                "`#[{0}]` on one variable would give the block another layout in another build: put the variable into \
                 a `shared!` of its own and write `#[cfg(..)]` above that",
                attribute.path
            ),
            "shared" => {
                "`#[shared(..)]` is about the whole block: write `#![shared(..)]`, with `!`, first in the block"
                    .to_owned()
            }
            path => format!(
                "`#[{path}]` cannot stand on a shared variable: it keeps {} only. The library itself places the \
                 variable and names its symbol",
                KEPT_ATTRIBUTES.map(|kept| format!("`{kept}`")).join(", ")
            ),
        };
        errors.push(Error::over(&attribute.tokens, message));
    }
}

/// Takes `static`. After it, `mut` and `ref` are mistakes that can be passed over.
fn take_keyword(cursor: &mut Cursor, attributes: &[Attribute], errors: &mut Vec<Error>) -> Result<()> {
    cursor.open();
    if cursor.is_at_end() {
        let tokens: Vec<TokenTree> = attributes.iter().flat_map(|attribute| attribute.tokens.clone()).collect();
        return Err(Error::over(&tokens, "a variable must follow: `static NAME: Type = value;`"));
    }
    if cursor.take_word("static").is_none() {
        let found = cursor.peek(0).map(ToString::to_string).unwrap_or_default();
        let message = match found.as_str() {
            "const" => {
                "a `const` has no place in memory to share: write `static`, or move the `const` out of the block"
            }
            "let" => "a block declares variables for the whole program: write `static` instead of `let`",
            "use" | "fn" | "struct" | "enum" | "type" | "mod" | "impl" | "trait" | "macro_rules" | "extern"
            | "unsafe" | "async" | "union" => {
                return Err(Error::at(
                    cursor.span(),
                    format!("a block holds `static` variables only: move the `{found}` out of `shared!`"),
                ));
            }
            "mut" => "write `static` and no `mut`: for a value that changes use an atomic or `cotenant::sync::Mutex`",
            ";" => "a `;` without a variable before it: remove it",
            _ => "expected `static NAME: Type = value;`",
        };
        return Err(Error::at(cursor.span(), message));
    }
    if let Some(word) = cursor.take_word("mut") {
        errors.push(Error::at(
            word.span(),
            "a shared variable cannot be `static mut`: other processes change it at the same time. Use an atomic or \
             `cotenant::sync::Mutex`",
        ));
    }
    if let Some(word) = cursor.take_word("ref") {
        errors.push(Error::at(word.span(), "a shared variable is declared like a plain static: remove `ref`"));
    }
    Ok(())
}

fn take_name(cursor: &mut Cursor) -> Result<Ident> {
    let span = cursor.span();
    let name = cursor.take_ident().filter(|name| name.to_string() != "_");
    name.ok_or_else(|| Error::at(span, "expected the variable's name: `static NAME: Type = value;`"))
}

/// Takes `: Type =`.
fn take_type(cursor: &mut Cursor, name: &Ident) -> Result<Vec<TokenTree>> {
    let missing = || {
        Error::at(
            name.span(),
            format!(
                "`{name}` needs a type: `static {name}: Type = value;`. It is part of what processes must agree on, so \
                 it is not inferred"
            ),
        )
    };
    if !cursor.take_punct(':') {
        return Err(missing());
    }
    let type_tokens = cursor.take_until(|token, open_angles| {
        is_punct(token, ';') || is_static(token) || open_angles == 0 && is_punct(token, '=')
    });
    let is_inferred = matches!(type_tokens.as_slice(), [TokenTree::Ident(only)] if only.to_string() == "_");
    if type_tokens.is_empty() || is_inferred {
        return Err(missing());
    }
    if !cursor.take_punct('=') {
        return Err(no_initial_value(name));
    }
    Ok(type_tokens)
}

/// Takes the initial value and `;`.
fn take_init(cursor: &mut Cursor, name: &Ident) -> Result<Vec<TokenTree>> {
    let init = cursor.take_until(|token, _| is_punct(token, ';') || is_static(token));
    let has_end = cursor.take_punct(';');
    if init.is_empty() {
        return Err(no_initial_value(name));
    }
    if has_end {
        return Ok(init);
    }
    let written = without_next_item(&init);
    Err(Error::at(
        written.last().map_or(name.span(), TokenTree::span),
        format!("`;` is missing after the initial value of `{name}`"),
    ))
}

fn no_initial_value(name: &Ident) -> Error {
    Error::at(
        name.span(),
        format!(
            "`{name}` needs an initial value: `static {name}: Type = value;`. The first process starts from it, and so \
             does a process that cannot share"
        ),
    )
}

fn is_static(token: &TokenTree) -> bool {
    ident(token).is_some_and(|word| word.to_string() == "static")
}

/// Where `;` is missing, `init` ends with the attributes and visibility of the next variable: cuts them off.
fn without_next_item(init: &[TokenTree]) -> &[TokenTree] {
    let is_start = |i: usize| {
        let is_attribute =
            is_punct(&init[i], '#') && init.get(i + 1).is_some_and(|next| group(next, Delimiter::Bracket).is_some());
        is_attribute || ident(&init[i]).is_some_and(|word| word.to_string() == "pub")
    };
    let end = (1..init.len()).find(|&i| is_start(i)).unwrap_or(init.len());
    &init[..end]
}
