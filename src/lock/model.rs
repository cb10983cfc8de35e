//! The world of the model checker, in place of `sys`: atomics, futexes, owners and deaths of tests/models.
//!
//! ```text
//! operation of a lock  ->  World::step: another task runs, or this one dies here  ->  the operation itself
//! ```
//!
//! Only under `--cfg cotenant_model`. The library knows no checker: a test hands in its `World`. Without one, the
//! operations are the plain ones. A dead task unwinds; what its destructors do on the way has no effect, so that others
//! find the words as a killed process leaves them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32 as Plain32, AtomicU64 as Plain64, Ordering::SeqCst};

use super::word::{LOW, OWNER_DIED, THREAD_ID, WAITERS};

/// What the test does: scheduling, sleeping, dying. Tasks are small numbers; each is a process with one thread.
pub trait World: Send + Sync {
    /// Before each operation: others may run. Unwinds if the task dies here; `false`: it has died before.
    fn step(&self) -> bool;
    /// Who runs.
    fn task(&self) -> u32;
    /// One of two, at random.
    fn coin(&self) -> bool;
    /// Puts the task to sleep at `address`, if `is_as_expected` then; `false`: it was not woken.
    fn sleep(&self, address: usize, is_as_expected: &dyn Fn() -> bool) -> bool;
    /// Wakes up to so many who sleep at `address`; gives how many.
    fn wake(&self, address: usize, sleepers: u32) -> u32;
    /// Whether the kernel has said that the task is dead.
    fn is_known_dead(&self, task: u32) -> bool;
    /// Whether this execution's kernel clears and wakes in one call.
    fn has_wake_op(&self) -> bool;
    /// Sets `list_op_pending`, if it is null.
    fn announce(&self, word: &Plain64) -> bool;
    /// Clears `list_op_pending`, if it is this.
    fn withdraw(&self, word: &Plain64);
}

static WORLD: OnceLock<&'static dyn World> = OnceLock::new();

/// Hands in the world. The first one stays.
pub fn enter(world: &'static dyn World) {
    let _ = WORLD.set(world);
}

/// What the kernel does with the word on a dead task's robust list; whether it wakes a sleeper.
pub fn owner_died(word: &Plain64, task: u32) -> bool {
    let seen = word.load(SeqCst);
    if seen & LOW == 0 {
        return true;
    }
    if seen & THREAD_ID != thread_id(task) {
        return false;
    }
    word.store(seen & !THREAD_ID | OWNER_DIED, SeqCst);
    seen & WAITERS != 0
}

fn world() -> Option<&'static dyn World> {
    WORLD.get().copied()
}

/// Whether the operation that follows happens.
fn step() -> bool {
    world().is_none_or(World::step)
}

fn thread_id(task: u32) -> u64 {
    u64::from(task) + 100
}

/// Slot and generation.
fn half(task: u32) -> u32 {
    (task + 1) << 20 | 1 << 1
}

fn task_of(half: u32) -> u32 {
    (half >> 20).wrapping_sub(1)
}

/// The atomics that the algorithms use. Sequentially consistent, whatever they are asked for.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{Ordering, compiler_fence};

    use super::SeqCst;

    /// Orders nothing: there is one order of all operations.
    pub(crate) fn fence(_: Ordering) {}

    macro_rules! atomic {
        ($name:ident, $integer:ident) => {
            #[repr(transparent)]
            pub(crate) struct $name(pub(super) std::sync::atomic::$name);

            #[allow(dead_code)]
            impl $name {
                pub(crate) const fn new(value: $integer) -> $name {
                    $name(std::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, _: Ordering) -> $integer {
                    super::step();
                    self.0.load(SeqCst)
                }

                pub(crate) fn store(&self, value: $integer, _: Ordering) {
                    if super::step() {
                        self.0.store(value, SeqCst);
                    }
                }

                pub(crate) fn compare_exchange(
                    &self,
                    seen: $integer,
                    new: $integer,
                    _: Ordering,
                    _: Ordering,
                ) -> Result<$integer, $integer> {
                    if !super::step() {
                        return Err(self.0.load(SeqCst));
                    }
                    self.0.compare_exchange(seen, new, SeqCst, SeqCst)
                }

                pub(crate) fn fetch_add(&self, value: $integer, _: Ordering) -> $integer {
                    if super::step() { self.0.fetch_add(value, SeqCst) } else { self.0.load(SeqCst) }
                }

                pub(crate) fn fetch_max(&self, value: $integer, _: Ordering) -> $integer {
                    if super::step() { self.0.fetch_max(value, SeqCst) } else { self.0.load(SeqCst) }
                }

                pub(crate) fn fetch_or(&self, bits: $integer, _: Ordering) -> $integer {
                    if super::step() { self.0.fetch_or(bits, SeqCst) } else { self.0.load(SeqCst) }
                }

                pub(crate) fn fetch_and(&self, bits: $integer, _: Ordering) -> $integer {
                    if super::step() { self.0.fetch_and(bits, SeqCst) } else { self.0.load(SeqCst) }
                }

                pub(crate) fn fetch_update(
                    &self,
                    _: Ordering,
                    _: Ordering,
                    mut change: impl FnMut($integer) -> Option<$integer>,
                ) -> Result<$integer, $integer> {
                    let mut seen = self.load(SeqCst);
                    while let Some(new) = change(seen) {
                        match self.compare_exchange(seen, new, SeqCst, SeqCst) {
                            Err(now) if now != seen => seen = now,
                            result => return result,
                        }
                    }
                    Err(seen)
                }
            }
        };
    }

    atomic!(AtomicU32, u32);
    atomic!(AtomicU64, u64);
}

/// As `sys/linux/futex.rs`.
pub(crate) mod futex {
    use std::time::Duration;

    use super::atomic::{AtomicU32, AtomicU64};
    use super::{LOW, Plain32, SeqCst, step, world};

    fn address(word: &AtomicU64) -> usize {
        std::ptr::from_ref(word) as usize
    }

    fn sleep(address: usize, is_as_expected: &dyn Fn() -> bool) -> bool {
        step() && world().is_some_and(|world| world.sleep(address, is_as_expected))
    }

    fn wake(address: usize, sleepers: u32) -> u32 {
        match world() {
            Some(world) if step() => world.wake(address, sleepers),
            _ => sleepers,
        }
    }

    pub(crate) fn wait(word: &AtomicU64, expected: u32, _: Duration) -> bool {
        sleep(address(word), &|| word.0.load(SeqCst) as u32 == expected)
    }

    /// One step, as the kernel does it; or two, where a sandbox forbids the call.
    pub(crate) fn clear_and_wake(word: &AtomicU64, sleepers: u32) {
        if !step() {
            return;
        }
        word.0.fetch_and(!LOW, SeqCst);
        match world() {
            Some(world) if world.has_wake_op() => drop(world.wake(address(word), sleepers)),
            _ => wake_all(word),
        }
    }

    pub(crate) fn wake_all(word: &AtomicU64) {
        wake(address(word), u32::MAX);
    }

    pub(crate) fn wait32(word: &AtomicU32, expected: u32, _: Duration) {
        let plain: &Plain32 = &word.0;
        sleep(std::ptr::from_ref(word) as usize, &|| plain.load(SeqCst) == expected);
    }

    pub(crate) fn wait_any32(words: &[(&AtomicU32, u32)], _: Duration) {
        if let Some((word, expected)) = words.first() {
            wait32(word, *expected, Duration::ZERO);
        }
    }

    pub(crate) fn wake32(word: &AtomicU32, sleepers: u32) -> u32 {
        wake(std::ptr::from_ref(word) as usize, sleepers)
    }

    pub(crate) fn processor() -> u32 {
        0
    }

    /// Spinning is the schedule's business.
    pub(crate) fn has_many_processors() -> bool {
        false
    }
}

/// There is one order of all operations.
pub(crate) mod barrier {
    pub(crate) fn register() -> bool {
        true
    }

    pub(crate) fn pass_in_all() -> bool {
        true
    }
}

/// As `sys/linux/owner.rs`: each task is a process of its own.
pub(crate) mod owner {
    use super::atomic::AtomicU64;
    use super::{half, step, thread_id, world};
    use crate::error::Error;

    #[derive(Clone, Copy)]
    pub(crate) struct Mine {
        task: u32,
        is_announced: bool,
    }

    impl Mine {
        pub(crate) fn word(self) -> u64 {
            u64::from(half(self.task)) << 32 | thread_id(self.task)
        }

        /// The dead do nothing; nor does a child of a fork, which is not modelled.
        pub(crate) fn still_this_process(self) -> bool {
            step()
        }

        pub(crate) fn announce(self, word: &AtomicU64) -> bool {
            self.is_announced && step() && world().is_some_and(|world| world.announce(&word.0))
        }

        pub(crate) fn withdraw(self, word: &AtomicU64) {
            if self.is_announced && step() {
                world().inspect(|world| world.withdraw(&word.0));
            }
        }

        pub(crate) fn unannounced(self) -> Mine {
            Mine { is_announced: false, ..self }
        }

        /// Of callers in C only, of which no model is made.
        pub(crate) fn with_word(self, _word: u64) -> Mine {
            self
        }
    }

    pub(crate) fn thread_number() -> u32 {
        world().map_or(0, |world| world.task())
    }

    pub(crate) fn tenant<T>(_: &T) -> Option<u32> {
        Some(world().map_or(0, |world| half(world.task())))
    }

    pub(crate) fn remembered(_: &AtomicU64) -> Option<Mine> {
        Some(Mine { task: world().map_or(0, |world| world.task()), is_announced: true })
    }

    /// All tasks are one thread, and its names are no part of any model.
    pub(crate) fn current_epoch() -> u32 {
        0
    }

    #[allow(clippy::unnecessary_wraps)] // The system's can fail.
    pub(crate) fn mine(word: &AtomicU64) -> Result<Mine, Box<Error>> {
        remembered(word).ok_or_else(|| unreachable!("every task knows who it is"))
    }
}

/// As `sys/ranges.rs`.
pub(crate) mod ranges {
    use super::atomic::AtomicU64;
    use super::{half, step, task_of, world};

    pub(crate) fn is_dead<T>(_: &T, owner_half: u32, kernel_says_so: bool) -> bool {
        step();
        kernel_says_so || world().is_some_and(|world| world.is_known_dead(task_of(owner_half)))
    }

    /// May have asked just before the death.
    pub(crate) fn is_dead_unless_just_asked(word: &AtomicU64, owner_half: u32) -> bool {
        world().is_some_and(|world| world.coin()) && is_dead(word, owner_half, false)
    }

    pub(crate) fn is_this_process(_: &AtomicU64, owner_half: u32) -> bool {
        world().is_some_and(|world| half(world.task()) == owner_half)
    }

    pub(crate) use crate::sys::ranges::LockEvent;

    pub(crate) fn note(_: &AtomicU64, _: LockEvent) {}

    pub(crate) fn describe<T>(_: &T, _: u32) -> Option<(u32, String)> {
        None
    }

    /// As `sys/crowd.rs`: one of many asks, at random.
    pub(crate) enum Turn {
        Ours,
        Theirs { in_a_crowd: bool },
    }

    pub(crate) fn take_turn<T>(_: &T, _: u32, believed_ms: u32) -> Turn {
        let is_ours = believed_ms == 0 || world().is_none_or(|world| world.coin());
        if is_ours { Turn::Ours } else { Turn::Theirs { in_a_crowd: false } }
    }

    pub(crate) fn note_wait<T>(_: &T, _: &mut Option<u32>) -> bool {
        false
    }

    pub(crate) fn note_end_of_wait<T>(_: &T) {}

    pub(crate) fn uptime_ms() -> u32 {
        0
    }
}
