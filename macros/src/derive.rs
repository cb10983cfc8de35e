//! `#[derive(ProcessSync)]`: the layout facts of a type, and the refusal of what cannot be shared.
//!
//! Each field's type is asked for its own facts, so the trait bound is checked by the compiler at the field. That the
//! type has no destructor is checked beside the `impl`; for a generic type, where its schema is first used. The check
//! looks at the schema first: where a field's type is refused already, a second message about it would only confuse.

use proc_macro::{Delimiter, Literal, Span, TokenStream, TokenTree};

use crate::error::{Error, Result};
use crate::literal::string_text;
use crate::tokens::{Attribute, fill, group, ident, is_punct, plain_name, split_at_commas};
use crate::type_item::{Body, Field, TypeItem, Variant};

/// Integers that may stand in the `#[repr]` of an enum: the same size for every program.
const ENUM_REPRS: [&str; 8] = ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"];

const IMPL: &str = "
    #[automatically_derived]
    unsafe impl<$declarations> $path::ProcessSync for $name<$arguments> where $predicates {
        const SCHEMA: &'static $path::schema::Schema = {
            $check_in_schema
            &$path::schema::Schema::compound::<Self>($type_name, $path::schema::Kind::$kind, &[$parts])
        };
        const ZERO_IS_VALID: bool = $zero_is_valid;
        const IS_STABLE_LAYOUT: bool = $is_stable_layout;
    }
    $check
";

const FIELD: &str = "$path::schema::Part {
    name: $name,
    at: ::core::mem::offset_of!(Self, $member) as u64,
    doc: $doc,
    schema: ::core::option::Option::Some(<$type_tokens as $path::ProcessSync>::SCHEMA),
},";

const VARIANT: &str = "$path::schema::Part {
    name: $name,
    at: Self::$ident as i64 as u64,
    doc: $doc,
    schema: ::core::option::Option::None,
},";

const CHECK: &str = "
    const _: () = {
        let _ = <$name as $path::ProcessSync>::SCHEMA;
        $path::__private::assert_shareable::<$name>()
    };
";

const WIDE_ENUM_CHECK: &str = r#"
    const _: () = ::core::assert!(
        ::core::mem::size_of::<usize>() >= 8,
        "an enum of 64 bits cannot be shared on this platform: it is written in two steps, and a writer killed between \
         them leaves an invalid value. Use a smaller `#[repr]`"
    );
"#;

pub(crate) fn expand(item: TokenStream) -> Result<TokenStream> {
    let item = TypeItem::parse(item)?;
    let path = library_path(&item.attributes)?;
    let reprs = Reprs::parse(&item.attributes)?;
    // The macro's hygiene, which hides `unsafe` from the user's lints, at the place of the type's name.
    let span = Span::mixed_site().located_at(item.name.span());

    let facts = match &item.body {
        Body::Struct(fields) => struct_facts(fields, reprs.has_stable_layout, &path, span),
        Body::Enum(variants) => {
            reprs.require_integer(&item)?;
            enum_facts(variants, &path, span)
        }
    };

    let name = TokenStream::from(TokenTree::from(item.name.clone()));
    let (declarations, arguments, predicates) = generics(&item, &path, span);
    let (check, check_in_schema) = if item.parameters.is_empty() {
        (fill(CHECK, span, &[("path", path.clone()), ("name", name.clone())]), TokenStream::new())
    } else {
        let part = [("path", path.clone())];
        (TokenStream::new(), fill("$path::__private::assert_shareable::<Self>();", span, &part))
    };
    let mut out = fill(
        IMPL,
        span,
        &[
            ("path", path),
            ("name", name),
            ("declarations", declarations),
            ("arguments", arguments),
            ("predicates", predicates),
            ("type_name", text(&plain_name(&item.name))),
            ("kind", facts.kind),
            ("parts", facts.parts),
            ("zero_is_valid", facts.zero_is_valid),
            ("is_stable_layout", facts.is_stable_layout),
            ("check", check),
            ("check_in_schema", check_in_schema),
        ],
    );
    if matches!(reprs.integer.as_deref(), Some("u64" | "i64")) {
        out.extend(fill(WIDE_ENUM_CHECK, span, &[]));
    }
    Ok(out)
}

/// What goes into the `impl` and depends on what the type is made of.
struct Facts {
    kind: TokenStream,
    parts: TokenStream,
    zero_is_valid: TokenStream,
    is_stable_layout: TokenStream,
}

fn struct_facts(fields: &[Field], has_stable_layout: bool, path: &TokenStream, span: Span) -> Facts {
    let mut parts = TokenStream::new();
    let mut zero_is_valid = fill("true", span, &[]);
    let mut is_stable_layout = fill(if has_stable_layout { "true" } else { "false" }, span, &[]);
    for field in fields {
        let part = [
            ("path", path.clone()),
            ("name", text(&field.name)),
            ("member", TokenStream::from(field.member.clone())),
            ("doc", text(&field.doc)),
            ("type_tokens", field.type_tokens.clone()),
        ];
        parts.extend(fill(FIELD, span, &part));
        zero_is_valid.extend(fill("&& <$type_tokens as $path::ProcessSync>::ZERO_IS_VALID", span, &part));
        is_stable_layout.extend(fill("&& <$type_tokens as $path::ProcessSync>::IS_STABLE_LAYOUT", span, &part));
    }
    Facts { kind: fill("Struct", span, &[]), parts, zero_is_valid, is_stable_layout }
}

fn enum_facts(variants: &[Variant], path: &TokenStream, span: Span) -> Facts {
    let mut parts = TokenStream::new();
    let mut zero_is_valid = fill("false", span, &[]);
    for variant in variants {
        let part = [
            ("path", path.clone()),
            ("name", text(&plain_name(&variant.ident))),
            ("ident", TokenStream::from(TokenTree::from(variant.ident.clone()))),
            ("doc", text(&variant.doc)),
        ];
        parts.extend(fill(VARIANT, span, &part));
        zero_is_valid.extend(fill("|| Self::$ident as i64 == 0", span, &part));
    }
    Facts { kind: fill("Enum", span, &[]), parts, zero_is_valid, is_stable_layout: fill("true", span, &[]) }
}

/// The parameters as declared, as used, and the predicates: the user's, and `T: ProcessSync` for each type parameter.
fn generics(item: &TypeItem, path: &TokenStream, span: Span) -> (TokenStream, TokenStream, TokenStream) {
    let comma = || fill(",", span, &[]);
    let mut declarations = TokenStream::new();
    let mut arguments = TokenStream::new();
    let mut predicates: TokenStream = item.predicates.iter().cloned().collect();
    if item.predicates.last().is_some_and(|token| !is_punct(token, ',')) {
        predicates.extend(comma());
    }
    for parameter in &item.parameters {
        let name = TokenStream::from(TokenTree::from(parameter.name.clone()));
        declarations.extend(parameter.declaration.iter().cloned());
        declarations.extend(comma());
        arguments.extend(name.clone());
        arguments.extend(comma());
        if parameter.is_type {
            predicates.extend(fill("$name: $path::ProcessSync,", span, &[("name", name), ("path", path.clone())]));
        }
    }
    (declarations, arguments, predicates)
}

fn text(value: &str) -> TokenStream {
    TokenTree::from(Literal::string(value)).into()
}

/// `::cotenant`, or what `#[process_sync(crate = "path")]` says.
fn library_path(attributes: &[Attribute]) -> Result<TokenStream> {
    let mut path = fill("::cotenant", Span::mixed_site(), &[]);
    for attribute in attributes.iter().filter(|attribute| attribute.path == "process_sync") {
        let misuse = || {
            Error::over(
                &attribute.tokens,
                "the one thing that `process_sync` can say is where the library is: \
                 `#[process_sync(crate = \"path::to::cotenant\")]`",
            )
        };
        let [arguments] = attribute.arguments.as_slice() else { return Err(misuse()) };
        let arguments = group(arguments, Delimiter::Parenthesis).ok_or_else(misuse)?;
        let arguments: Vec<TokenTree> = arguments.stream().into_iter().collect();
        let [key, equals, value] = arguments.as_slice() else { return Err(misuse()) };
        let is_crate = ident(key).is_some_and(|key| key.to_string() == "crate");
        let written = string_text(value).filter(|_| is_crate && is_punct(equals, '=')).ok_or_else(misuse)?;
        let parsed: TokenStream = written.parse().map_err(|_| misuse())?;
        if parsed.is_empty() {
            return Err(misuse());
        }
        // The path is the user's: it resolves, and is complained about, where the user wrote it.
        path = parsed
            .into_iter()
            .map(|mut token| {
                token.set_span(Span::mixed_site().located_at(value.span()));
                token
            })
            .collect();
    }
    Ok(path)
}

/// What the `#[repr(..)]` of the type say.
struct Reprs {
    has_stable_layout: bool,
    integer: Option<String>,
    /// The word of an integer that an enum cannot have: `usize`, `u128`.
    other_integer: Option<Span>,
}

impl Reprs {
    fn parse(attributes: &[Attribute]) -> Result<Reprs> {
        let mut reprs = Reprs { has_stable_layout: false, integer: None, other_integer: None };
        for attribute in attributes.iter().filter(|attribute| attribute.path == "repr") {
            let inside = attribute.arguments.first().and_then(|token| group(token, Delimiter::Parenthesis));
            for piece in split_at_commas(inside.map(proc_macro::Group::stream).unwrap_or_default()) {
                let Some(word) = piece.first() else { continue };
                match word.to_string().as_str() {
                    "C" | "transparent" => reprs.has_stable_layout = true,
                    "packed" => {
                        return Err(Error::over(
                            &piece,
                            "a packed type cannot be shared between processes: its fields lie at addresses where a \
                             store is not one access, so a killed writer leaves half a value. Remove `packed`; to have \
                             no padding, order the fields from large to small",
                        ));
                    }
                    integer if ENUM_REPRS.contains(&integer) => reprs.integer = Some(integer.to_owned()),
                    "usize" | "isize" | "u128" | "i128" => reprs.other_integer = Some(word.span()),
                    _ => {}
                }
            }
        }
        Ok(reprs)
    }

    /// An enum's integer must be said: without it the compiler chooses, and may choose anew.
    fn require_integer(&self, item: &TypeItem) -> Result<()> {
        if self.integer.is_some() {
            return Ok(());
        }
        if let Some(span) = self.other_integer {
            return Err(Error::at(
                span,
                format!(
                    "a shared enum needs an integer that has the same size everywhere and is written in one step: \
                     one of {}",
                    ENUM_REPRS.join(", ")
                ),
            ));
        }
        Err(Error::at(
            item.name.span(),
            format!(
                "the enum `{}` does not say which integer it is stored as, so two builds could differ: add \
                 `#[repr(u8)]` (or another of {})",
                item.name,
                ENUM_REPRS.join(", ")
            ),
        ))
    }
}
