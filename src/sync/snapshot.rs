//! What a reader sees of a value behind a lock: the value without the lock.
//!
//! A reader of a segment cannot take the lock (that is a store), so what it sees may be half changed.

#![allow(unsafe_code)]

use crate::process_sync::ProcessSync;
use crate::schema::Schema;
use crate::segment::object::holds_lock;
use crate::segment::reader::ReadOnly;
use crate::sync::{Mutex, RwLock};

impl<T: ProcessSync + Send> ReadOnly<'_, Mutex<T>> {
    /// The guarded value as it is, copied as by [`snapshot`](ReadOnly::snapshot), whoever holds the lock: if somebody
    /// does, fields may be old and new ones. What must fit together belongs into one number, or is asked of a
    /// participant.
    ///
    /// ```
    /// use cotenant::{Segment, sync::Mutex};
    ///
    /// # if cfg!(target_os = "linux") {
    /// # let name = &format!("example.snapshot.{}", std::process::id());
    /// let segment = Segment::options().max_bytes(1 << 20).create(name)?;
    /// segment.get_or_init("total", || Mutex::new(5_u64))?;
    ///
    /// let reader = Segment::options().open_reader(name)?;
    /// let total = reader.get::<Mutex<u64>>("total")?.expect("made above");
    /// assert_eq!(total.snapshot_value(), 5);
    /// # }
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn snapshot_value(&self) -> T {
        const { assert!(!holds_lock(T::SCHEMA, 0), "a lock within a lock: its copy would mean nothing") };
        // SAFETY: by its schema, a `Mutex<T>` has its `T` there.
        unsafe { self.part(const { place_of_value(Mutex::<T>::SCHEMA) }) }
    }
}

impl<T: ProcessSync + Send, const READERS: usize> ReadOnly<'_, RwLock<T, READERS>> {
    /// As of a [`Mutex`].
    pub fn snapshot_value(&self) -> T {
        const { assert!(!holds_lock(T::SCHEMA, 0), "a lock within a lock: its copy would mean nothing") };
        // SAFETY: by its schema, a `RwLock<T>` has its `T` there.
        unsafe { self.part(const { place_of_value(RwLock::<T, READERS>::SCHEMA) }) }
    }
}

/// Where the part `value` of a lock lies: its last one.
const fn place_of_value(lock: &Schema) -> usize {
    let value = &lock.parts[lock.parts.len() - 1];
    assert!(matches!(value.name.as_bytes(), b"value"), "the value of a lock is its last part");
    value.at as usize
}
