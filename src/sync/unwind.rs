//! Panics: what guards a value may be used after one that was caught, as std's locks may.
//!
//! `catch_unwind` asks for types of which a panic leaves nothing half changed unseen. A value behind `Mutex` or
//! `RwLock` changes only under a guard; a guard that is dropped by a panic marks the lock, and whoever takes it next
//! gets `OwnerDied`, with the value, before anything else (std: poisoned). `OnceCell` gives its value out only when it
//! was made whole: a panic in `init` leaves it without one. Guards hold a reference to their lock and follow from it.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::{Mutex, OnceCell, RwLock};

impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}

impl<T, const READERS: usize> UnwindSafe for RwLock<T, READERS> {}
impl<T, const READERS: usize> RefUnwindSafe for RwLock<T, READERS> {}

// The value can be reached without a lock, so it must bear a panic itself; as std has it for `OnceLock`.
impl<T: UnwindSafe> UnwindSafe for OnceCell<T> {}
impl<T: UnwindSafe + RefUnwindSafe> RefUnwindSafe for OnceCell<T> {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::catch_unwind;

    use super::*;
    use crate::sync::{
        Barrier, Condvar, Event, Leader, Leadership, LockError, MutexGuard, Once, OwnerDied, Permit, RwLockReadGuard,
        RwLockWriteGuard, Semaphore, WriterDied,
    };

    fn bears_panics<T: UnwindSafe + RefUnwindSafe>() {}

    #[test]
    fn locks_and_guards_bear_panics_as_stds_do() {
        // A `Cell` does not by itself.
        bears_panics::<Mutex<Cell<u32>>>();
        bears_panics::<MutexGuard<'static, Cell<u32>>>();
        bears_panics::<OwnerDied<'static, Cell<u32>>>();
        bears_panics::<RwLock<Cell<u32>, 3>>();
        bears_panics::<RwLockReadGuard<'static, Cell<u32>, 3>>();
        bears_panics::<RwLockWriteGuard<'static, Cell<u32>, 3>>();
        bears_panics::<WriterDied<'static, Cell<u32>, 3>>();
        bears_panics::<OnceCell<u32>>();
        bears_panics::<(Once, Event, Condvar, Barrier<3>, Semaphore<3>, Leader)>();
        bears_panics::<(Permit<'static, 3>, Leadership<'static>)>();
    }

    #[test]
    fn after_a_caught_panic_the_lock_tells_of_it() {
        let (total, table, cell) = (Mutex::new(1), RwLock::<_, 3>::new(1), OnceCell::<u32>::new());
        let caught = catch_unwind(|| {
            let mut value = total.lock().expect("clean");
            *value = 2;
            panic!("half-way");
        });
        assert!(caught.is_err() && matches!(total.lock(), Err(LockError::OwnerDied(died)) if *died.value() == 2));
        let caught = catch_unwind(|| {
            let _value = table.write().expect("clean");
            panic!("half-way");
        });
        assert!(caught.is_err() && matches!(table.read(), Err(LockError::OwnerDied(_))));
        assert!(catch_unwind(|| cell.get_or_init(|| panic!("half-way")).map(|_| ())).is_err());
        assert_eq!(cell.get(), None);
    }
}
