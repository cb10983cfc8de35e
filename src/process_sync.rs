//! `ProcessSync`: what `Sync` is between threads, between processes.
//!
//! A type is `ProcessSync` when processes that run sound code of the same fingerprint may share a value of it, and
//! when a process killed in the middle of changing one leaves a value that is still valid. The second half is why
//! enums that carry data are not: a writer killed between the tag and the data would leave a tag without its data.
//! The rule: *every change from a valid value to a valid value is made of aligned stores each of which alone leaves a
//! valid value*.

#![allow(unsafe_code)]

use std::sync::atomic;

pub use cotenant_macros::ProcessSync;

use crate::schema::{Kind, Part, Schema};

/// Types that processes may share, as threads share types that are [`Sync`].
///
/// Derive it: `#[derive(ProcessSync)]` checks every field, refuses what cannot be shared, and writes the [`Schema`].
///
/// # Safety
///
/// Who implements this by hand promises:
/// - the type holds no pointer, reference, descriptor or handle, and has no destructor;
/// - a process killed while it changes a value leaves a valid value, at whatever instruction it is killed
///   (docs/safety.md names the one exception that is taken: a byte-wise copy cut inside a `char` or a wide enum);
/// - `SCHEMA` describes the type's layout truly, and `ZERO_IS_VALID` is `true` only if all-zero bytes are a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be shared between processes: it is not `ProcessSync`",
    label = "cannot lie in memory that other processes map",
    note = "instead of `String` or `&str` use `cotenant::value::Text<N>`; instead of `Vec<T>` use \
            `cotenant::value::Array<T, N>`; instead of `Option<T>` use `cotenant::value::Optional<T>`; instead of \
            `std::time::Duration` use `cotenant::value::Duration`; instead of `std::sync::Mutex` use \
            `cotenant::sync::Mutex`; instead of `NonZeroU32` use `u32` or `Optional<u32>`",
    note = "a reference or pointer (`Box`, `Rc`, a function) means nothing in another process: share an index, or the \
            value itself",
    note = "for a struct or a field-less enum of your own: `#[derive(cotenant::ProcessSync)]`"
)]
pub unsafe trait ProcessSync: Sync + Sized + 'static {
    /// The layout and what people read of it: names, kinds, offsets, doc lines.
    const SCHEMA: &'static Schema;
    /// Whether all-zero bytes are a value of this type. [`value::Array`](crate::value::Array) and
    /// [`value::Optional`](crate::value::Optional) need it for the places that hold nothing yet.
    const ZERO_IS_VALID: bool;
    /// Whether two programs lay this type out alike: `true` for plain values, and for a struct that is `#[repr(C)]` or
    /// `#[repr(transparent)]` and made of such types. A named block admits no others.
    const IS_STABLE_LAYOUT: bool;
}

macro_rules! scalar {
    ($($type:ty => $kind:ident $zero:literal),* $(,)?) => {$(
        // SAFETY: plain scalar; each change is one aligned store (or, for 128 bits, every byte pattern is a value).
        unsafe impl ProcessSync for $type {
            const SCHEMA: &'static Schema = &Schema::leaf::<$type>(stringify!($type), Kind::$kind);
            const ZERO_IS_VALID: bool = $zero;
            const IS_STABLE_LAYOUT: bool = true;
        }
    )*};
}

scalar! {
    u8 => Unsigned true, u16 => Unsigned true, u32 => Unsigned true, u64 => Unsigned true, u128 => Unsigned true,
    usize => Unsigned true,
    i8 => Signed true, i16 => Signed true, i32 => Signed true, i64 => Signed true, i128 => Signed true,
    isize => Signed true,
    f32 => Float true, f64 => Float true, bool => Bool true, char => Char true,
}

macro_rules! atomic {
    ($($type:ident => $kind:ident),* $(,)?) => {$(
        // SAFETY: atomics have the layout of their integer; every operation is one access.
        unsafe impl ProcessSync for atomic::$type {
            const SCHEMA: &'static Schema = &Schema::atomic::<atomic::$type>(stringify!($type), Kind::$kind);
            const ZERO_IS_VALID: bool = true;
            const IS_STABLE_LAYOUT: bool = true;
        }
    )*};
}

atomic! {
    AtomicU8 => Unsigned, AtomicU16 => Unsigned, AtomicU32 => Unsigned, AtomicU64 => Unsigned,
    AtomicUsize => Unsigned,
    AtomicI8 => Signed, AtomicI16 => Signed, AtomicI32 => Signed, AtomicI64 => Signed, AtomicIsize => Signed,
    AtomicBool => Bool,
}

// SAFETY: no bytes.
unsafe impl ProcessSync for () {
    const SCHEMA: &'static Schema = &Schema::compound::<()>("()", Kind::Struct, &[]);
    const ZERO_IS_VALID: bool = true;
    const IS_STABLE_LAYOUT: bool = true;
}

// SAFETY: an array changes element by element.
unsafe impl<T: ProcessSync, const N: usize> ProcessSync for [T; N] {
    const SCHEMA: &'static Schema =
        &Schema::array::<[T; N]>("array", N, &[Part { name: "", at: 0, doc: "", schema: Some(T::SCHEMA) }]);
    const ZERO_IS_VALID: bool = T::ZERO_IS_VALID;
    const IS_STABLE_LAYOUT: bool = T::IS_STABLE_LAYOUT;
}

macro_rules! tuple {
    ($($name:ident $index:tt),*) => {
        // SAFETY: a tuple changes field by field. The offsets are asked of the compiler, so the layout that it chose
        // is in the fingerprint; another compiler's other choice is a mismatch, not a misreading.
        unsafe impl<$($name: ProcessSync),*> ProcessSync for ($($name,)*) {
            const SCHEMA: &'static Schema = &Schema::compound::<Self>("tuple", Kind::Struct, &[$(Part {
                name: stringify!($index),
                at: std::mem::offset_of!(Self, $index) as u64,
                doc: "",
                schema: Some($name::SCHEMA),
            }),*]);
            const ZERO_IS_VALID: bool = $($name::ZERO_IS_VALID &&)* true;
            // The compiler may order a tuple's fields as it likes.
            const IS_STABLE_LAYOUT: bool = false;
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);

/// Refuses, while compiling, what the trait bound alone cannot see. Used by the macros for each shared type.
#[doc(hidden)]
pub const fn assert_shareable<T: ProcessSync>() {
    assert!(
        !std::mem::needs_drop::<T>(),
        "a type with a destructor cannot be shared between processes: nobody knows which process should run it. \
         Keep the resource in each process and share plain values"
    );
}
