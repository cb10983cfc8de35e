//! The item under `#[derive(ProcessSync)]`: a struct or a field-less enum.

use proc_macro::{Delimiter, Ident, Literal, TokenStream, TokenTree};

use crate::error::{Error, Result};
use crate::tokens::{Attribute, Cursor, doc_line, group, is_punct, plain_name, split_at_commas};

pub(crate) struct TypeItem {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) parameters: Vec<Parameter>,
    /// What stands after `where`.
    pub(crate) predicates: Vec<TokenTree>,
    pub(crate) body: Body,
}

/// A type or const parameter.
pub(crate) struct Parameter {
    /// `T: Copy` or `const N: usize`: without a default.
    pub(crate) declaration: Vec<TokenTree>,
    pub(crate) name: Ident,
    pub(crate) is_type: bool,
}

pub(crate) enum Body {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

pub(crate) struct Field {
    /// `name`, or `0` in a tuple struct.
    pub(crate) member: TokenTree,
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) type_tokens: TokenStream,
}

pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) doc: String,
}

impl TypeItem {
    pub(crate) fn parse(item: TokenStream) -> Result<TypeItem> {
        let mut cursor = Cursor::new(item);
        let attributes = cursor.take_attributes()?;
        cursor.take_visibility();
        let keyword = cursor.take_ident().ok_or_else(|| Error::at(cursor.span(), "expected `struct` or `enum`"))?;
        if keyword.to_string() == "union" {
            return Err(Error::at(
                keyword.span(),
                "a union cannot be shared between processes: nothing says which of its fields holds the value. Use a \
                 struct with all of the fields, and a field-less enum that says which one counts",
            ));
        }
        let name = cursor.take_ident().ok_or_else(|| Error::at(cursor.span(), "expected the name of the type"))?;
        let parameters = take_parameters(&mut cursor)?;
        let (predicates, body) =
            if keyword.to_string() == "enum" { take_enum(&mut cursor, &name)? } else { take_struct(&mut cursor)? };
        Ok(TypeItem { attributes, name, parameters, predicates, body })
    }
}

fn take_parameters(cursor: &mut Cursor) -> Result<Vec<Parameter>> {
    if !cursor.take_punct('<') {
        return Ok(Vec::new());
    }
    let mut parameters = Vec::new();
    loop {
        let is_end =
            |token: &TokenTree, open_angles| open_angles == 0 && (is_punct(token, ',') || is_punct(token, '>'));
        let piece = cursor.take_until(is_end);
        if !piece.is_empty() {
            parameters.push(parse_parameter(piece)?);
        }
        if !cursor.take_punct(',') {
            cursor.take_punct('>');
            return Ok(parameters);
        }
    }
}

fn parse_parameter(piece: Vec<TokenTree>) -> Result<Parameter> {
    let mut cursor = Cursor::new(piece);
    cursor.take_attributes()?;
    if cursor.peek(0).is_some_and(|token| is_punct(token, '\'')) {
        return Err(Error::at(
            cursor.span(),
            "a type with a lifetime cannot be shared between processes: what it borrows lies in one process only. Hold \
             the value itself, or an index",
        ));
    }
    cursor.open();
    let declaration = cursor.take_until(|token, open_angles| open_angles == 0 && is_punct(token, '='));
    let mut inside = Cursor::new(declaration.clone());
    let is_type = inside.take_word("const").is_none();
    let name = inside.take_ident().ok_or_else(|| Error::over(&declaration, "expected the name of a type parameter"))?;
    Ok(Parameter { declaration, name, is_type })
}

/// `where ..` up to the body, or up to the semicolon of a tuple or unit struct.
fn take_predicates(cursor: &mut Cursor) -> Vec<TokenTree> {
    if cursor.take_word("where").is_none() {
        return Vec::new();
    }
    let mut predicates = Vec::new();
    // The body is the last group in braces: there may be others, such as `Array<{ N }>: Copy`.
    while let Some(token) = cursor.peek(0) {
        let is_body = cursor.peek(1).is_none() && group(token, Delimiter::Brace).is_some();
        if is_body || is_punct(token, ';') {
            break;
        }
        predicates.extend(cursor.next());
    }
    predicates
}

fn take_struct(cursor: &mut Cursor) -> Result<(Vec<TokenTree>, Body)> {
    if let Some(tuple) = cursor.peek(0).and_then(|token| group(token, Delimiter::Parenthesis)).cloned() {
        cursor.next();
        let fields = split_at_commas(tuple.stream()).into_iter().enumerate().map(|(i, piece)| {
            let mut field = Cursor::new(piece);
            let attributes = field.take_attributes()?;
            field.take_visibility();
            Ok(Field {
                member: Literal::usize_unsuffixed(i).into(),
                name: i.to_string(),
                doc: doc_line(&attributes),
                type_tokens: field.take_until(|_, _| false).into_iter().collect(),
            })
        });
        let fields = fields.collect::<Result<_>>()?;
        return Ok((take_predicates(cursor), Body::Struct(fields)));
    }
    let predicates = take_predicates(cursor);
    let braces = cursor.peek(0).and_then(|token| group(token, Delimiter::Brace));
    let inside = braces.map(proc_macro::Group::stream).unwrap_or_default();
    let fields = split_at_commas(inside).into_iter().map(|piece| {
        let mut field = Cursor::new(piece);
        let attributes = field.take_attributes()?;
        field.take_visibility();
        let ident = field.take_ident().ok_or_else(|| Error::at(field.span(), "expected the name of a field"))?;
        field.take_punct(':');
        Ok(Field {
            name: plain_name(&ident),
            member: ident.into(),
            doc: doc_line(&attributes),
            type_tokens: field.take_until(|_, _| false).into_iter().collect(),
        })
    });
    Ok((predicates, Body::Struct(fields.collect::<Result<_>>()?)))
}

fn take_enum(cursor: &mut Cursor, name: &Ident) -> Result<(Vec<TokenTree>, Body)> {
    let predicates = take_predicates(cursor);
    let braces = cursor.peek(0).and_then(|token| group(token, Delimiter::Brace));
    let mut inside = Cursor::new(braces.map(proc_macro::Group::stream).unwrap_or_default());
    let mut variants = Vec::new();
    while !inside.is_at_end() {
        variants.push(take_variant(&mut inside)?);
    }
    if variants.is_empty() {
        return Err(Error::at(name.span(), "an enum without variants has no value that processes could share"));
    }
    Ok((predicates, Body::Enum(variants)))
}

fn take_variant(cursor: &mut Cursor) -> Result<Variant> {
    let attributes = cursor.take_attributes()?;
    let ident = cursor.take_ident().ok_or_else(|| Error::at(cursor.span(), "expected the name of a variant"))?;
    cursor.open();
    if let Some(TokenTree::Group(_)) = cursor.peek(0) {
        return Err(Error::at(
            ident.span(),
            format!(
                "the variant `{ident}` carries data, so this enum cannot be shared between processes: a writer killed \
                 between the tag and the data leaves an invalid value. Use a struct with a field-less enum, for the \
                 tag, beside a `cotenant::value::Optional<T>` for the data"
            ),
        ));
    }
    skip_discriminant(cursor);
    Ok(Variant { ident, doc: doc_line(&attributes) })
}

/// Skips `= expression` and the comma. `<` opens only where a path does (`::<`, `= <`), else it compares or shifts.
fn skip_discriminant(cursor: &mut Cursor) {
    let mut open_angles = 0_usize;
    let mut previous: Option<TokenTree> = None;
    while let Some(token) = cursor.next() {
        let follows = |character| previous.as_ref().is_some_and(|token| is_punct(token, character));
        if is_punct(&token, ',') && open_angles == 0 {
            return;
        } else if is_punct(&token, '<') && (open_angles > 0 || follows(':') || follows('=')) {
            open_angles += 1;
        } else if is_punct(&token, '>') && !follows('-') {
            open_angles = open_angles.saturating_sub(1);
        }
        previous = Some(token);
    }
}
