//! The macros of [cotenant](https://docs.rs/cotenant), which re-exports them: use them from there.
//!
//! No dependencies: the two inputs are small enough to be read by hand, and every program that shares a variable would
//! build syn. The way of an input: `tokens` (a cursor) → `type_item`, or `words` and `variable` → the output, filled
//! into a template. A mistake is an `Error` at the token where it is.
//!
//! What is written here carries spans of the macro, so that the lint `unsafe_code` of a user's crate does not see the
//! `unsafe impl`; what the user wrote (types, initial values, names) keeps the user's spans, so that the compiler's
//! messages point at it.

use proc_macro::TokenStream;

mod block;
mod derive;
mod doc_line;
mod error;
mod literal;
mod tokens;
mod type_item;
mod variable;
mod words;

/// Implements `cotenant::ProcessSync` for a struct, or for a field-less enum with an integer `#[repr]`.
///
/// Every field must be `ProcessSync`, and the type must have no destructor. Type parameters get the bound
/// `ProcessSync`. The first line of the documentation of a field or variant becomes part of the schema, which
/// `cotenant show` prints.
///
/// ```ignore
/// use cotenant::ProcessSync;
///
/// #[derive(ProcessSync)]
/// #[repr(C)] // two programs lay it out alike: needed for a block with a name
/// struct Limits {
///     /// Requests that one client may make in a second.
///     requests_per_second: u32,
///     burst: u32,
/// }
///
/// #[derive(ProcessSync)]
/// #[repr(u8)]
/// enum Mode {
///     Normal,
///     Maintenance,
/// }
/// ```
///
/// A crate that re-exports cotenant says where it is: `#[process_sync(crate = "my_crate::cotenant")]`.
///
/// # Errors
///
/// Refused while compiling: a variant that carries data (a writer killed between the tag and the data would leave a
/// value that is neither), an enum without `#[repr(u8)]` or the like, unions, `#[repr(packed)]`, lifetimes.
#[proc_macro_derive(ProcessSync, attributes(process_sync))]
pub fn derive_process_sync(item: TokenStream) -> TokenStream {
    derive::expand(item).unwrap_or_else(error::Error::into_tokens)
}

/// Reads the inside of `cotenant::shared!` and calls the library's `__block!` with it, every word written out.
#[doc(hidden)]
#[proc_macro]
pub fn shared_impl(input: TokenStream) -> TokenStream {
    block::expand(input)
}
