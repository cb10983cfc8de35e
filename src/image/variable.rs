//! What a name declared by `shared!` is: nothing but the way to its value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A variable of a [`shared!`](crate::shared!) block. It dereferences to the value, and takes no space.
///
/// `V` only tells the variables apart; it has the variable's own name.
///
/// What a `const` or another `static` is initialised with cannot go through it: `static R: &AtomicU64 = &REQUESTS` is
/// not possible. Otherwise use it like the value: `&*REQUESTS` is a `&'static AtomicU64`.
pub struct SharedStatic<V: Declared>(PhantomData<fn() -> V>);

/// The link from a variable's name to its value. Implemented by `shared!` alone.
#[doc(hidden)]
pub trait Declared: 'static {
    type Value: 'static;

    fn get() -> &'static Self::Value;
}

impl<V: Declared> SharedStatic<V> {
    #[doc(hidden)]
    #[allow(clippy::new_without_default)]
    pub const fn __new() -> Self {
        SharedStatic(PhantomData)
    }
}

impl<V: Declared> Deref for SharedStatic<V> {
    type Target = V::Value;

    #[inline(always)]
    fn deref(&self) -> &V::Value {
        V::get()
    }
}

impl<V: Declared<Value: fmt::Debug>> fmt::Debug for SharedStatic<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        V::get().fmt(f)
    }
}

impl<V: Declared<Value: fmt::Display>> fmt::Display for SharedStatic<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        V::get().fmt(f)
    }
}

impl<V: Declared> IntoIterator for &SharedStatic<V>
where
    &'static V::Value: IntoIterator,
{
    type Item = <&'static V::Value as IntoIterator>::Item;
    type IntoIter = <&'static V::Value as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        V::get().into_iter()
    }
}
