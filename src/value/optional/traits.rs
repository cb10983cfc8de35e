//! What `Optional` has in common with `Option`: it converts, compares, hashes and prints as one.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::option;

use crate::process_sync::ProcessSync;
use crate::value::Optional;

impl<T: ProcessSync> Default for Optional<T> {
    fn default() -> Optional<T> {
        Optional::none()
    }
}

/// Does not compile where `T` cannot be zero: there, use [`Optional::some`] and [`Optional::none_with`].
impl<T: ProcessSync> From<Option<T>> for Optional<T> {
    fn from(value: Option<T>) -> Optional<T> {
        value.map_or_else(Optional::none, Optional::some)
    }
}

impl<T: ProcessSync> From<T> for Optional<T> {
    fn from(value: T) -> Optional<T> {
        Optional::some(value)
    }
}

impl<T: ProcessSync> From<Optional<T>> for Option<T> {
    fn from(optional: Optional<T>) -> Option<T> {
        if optional.is_some() { Some(optional.value) } else { None }
    }
}

impl<'a, T: ProcessSync> IntoIterator for &'a Optional<T> {
    type Item = &'a T;
    type IntoIter = option::IntoIter<&'a T>;

    fn into_iter(self) -> option::IntoIter<&'a T> {
        self.as_ref().into_iter()
    }
}

impl<T: ProcessSync + fmt::Debug> fmt::Debug for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

impl<T: ProcessSync + Eq> Eq for Optional<T> {}

impl<T: ProcessSync + PartialEq> PartialEq for Optional<T> {
    fn eq(&self, other: &Optional<T>) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl<T: ProcessSync + PartialEq> PartialEq<Option<T>> for Optional<T> {
    fn eq(&self, other: &Option<T>) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl<T: ProcessSync + PartialOrd> PartialOrd for Optional<T> {
    fn partial_cmp(&self, other: &Optional<T>) -> Option<Ordering> {
        self.as_ref().partial_cmp(&other.as_ref())
    }
}

impl<T: ProcessSync + Ord> Ord for Optional<T> {
    fn cmp(&self, other: &Optional<T>) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl<T: ProcessSync + Hash> Hash for Optional<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_ref().hash(hasher);
    }
}
