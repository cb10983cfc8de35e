//! The kernel's robust list as an accelerator: it tells of an owner's death at once, whatever the owner's size.
//!
//! The kernel keeps for each thread the address of a list head, which the C library registers. When the thread dies,
//! before its memory is torn down, the kernel sets OWNER_DIED in the futexes of that list, and in the one that
//! `list_op_pending` names, if they hold the thread's id, and wakes a waiter
//! ([robust-futex-ABI](https://docs.kernel.org/locking/robust-futex-ABI.html)).
//!
//! ```text
//! thread's control block (glibc):   list | futex_offset | list_op_pending ---> lock word - futex_offset
//! ```
//!
//! Only `list_op_pending` is used here: no pointers lie in shared memory, and a lock is nothing but its word. There is
//! room for one lock, the outermost; the locks taken under it are found by the slot lock, as all are where there is no
//! head (musl, a sandbox). glibc's own robust mutexes use the word for an instant each: then the outermost lock is no
//! longer looked after either.
//!
//! A thread that ends with a leaked guard takes its lock's announcement back: the process goes on holding the lock. So
//! does a child that `fork` made, whose thread may have its parent's number in another PID namespace.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, compiler_fence};

use super::{futex, owner};

/// `struct robust_list_head` of linux/futex.h.
#[repr(C)]
struct ListHead {
    list: AtomicUsize,
    futex_offset: AtomicUsize,
    list_op_pending: AtomicUsize,
}

/// The word that no thread may use: never zero.
static NOBODYS: AtomicUsize = AtomicUsize::new(1);
/// What the kernel adds to an entry's address to find the futex: from glibc's list to its mutexes' lock, on all 64-bit
/// systems. Where the list's head says otherwise, it is not used.
const FUTEX_OFFSET: usize = 0_usize.wrapping_sub(32);
static IS_OFF: AtomicBool = AtomicBool::new(false);

/// `list_op_pending` of a thread, or a word that is never free.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pending: *const AtomicUsize,
}

impl Head {
    pub(crate) const OFF: Head = Head { pending: &raw const NOBODYS };

    #[inline(always)]
    fn pending(&self) -> &AtomicUsize {
        // SAFETY: a static, or in the control block of this thread: a value with that stays in its thread (raw
        // pointers are not `Send`), and what could outlive the thread is forgotten in `thread_ends`.
        unsafe { &*self.pending }
    }

    #[inline(always)]
    fn entry_of(word: &AtomicU64) -> usize {
        (futex::low_half(word) as usize).wrapping_sub(FUTEX_OFFSET)
    }

    /// Has the kernel look after `word` until `withdraw`. `false`: it looks after another one, or after none.
    #[inline(always)]
    pub(crate) fn announce(self, word: &AtomicU64) -> bool {
        let pending = self.pending();
        if pending.load(Relaxed) != 0 {
            return false;
        }
        pending.store(Head::entry_of(word), Relaxed);
        // The kernel looks when this very thread dies: only the order of its own instructions counts.
        compiler_fence(SeqCst);
        true
    }

    /// In a child of a fork: what is announced in its copy of its parent's control block is its parent's.
    pub(crate) fn forget(self) {
        if !std::ptr::eq(self.pending, &raw const NOBODYS) {
            self.pending().store(0, Relaxed);
        }
    }

    /// Ends what `announce` began; nothing if another lock, or the C library, has the place.
    #[inline(always)]
    pub(crate) fn withdraw(self, word: &AtomicU64) {
        compiler_fence(SeqCst);
        let pending = self.pending();
        if pending.load(Relaxed) == Head::entry_of(word) {
            pending.store(0, Relaxed);
        }
    }
}

/// The key whose destructor runs when a thread ends, plus one; 0: none.
static KEY: AtomicU32 = AtomicU32::new(0);
/// A word that forks wipe, not zero in a process in which memory may be allocated: one that attached, or a child that
/// the C library's `fork` made. In others, another thread of the parent may have been inside the allocator.
static IS_PREPARED: AtomicPtr<AtomicU64> = AtomicPtr::new(null_mut());

fn is_prepared() -> Option<&'static AtomicU64> {
    // SAFETY: null, or a word of a page that is never unmapped.
    unsafe { IS_PREPARED.load(Acquire).as_ref() }
}

unsafe extern "C" {
    /// Names this library to the C library.
    static __dso_handle: u8;
    // Linux Standard Base, Core 3.1.
    fn __cxa_atexit(run: unsafe extern "C" fn(*mut c_void), argument: *mut c_void, dso: *mut c_void) -> c_int;
}

/// To be called by a process that attaches, before its threads lock.
pub(crate) fn prepare() {
    static FORK_IS_WATCHED: AtomicBool = AtomicBool::new(false);
    if is_prepared().is_none() {
        let Ok(word) = owner::new_owner_word() else { return };
        let fresh = std::ptr::from_ref(word).cast_mut();
        if IS_PREPARED.compare_exchange(null_mut(), fresh, Release, Relaxed).is_err() {
            owner::give_back_owner_word(word);
        }
    }
    let Some(is_prepared) = is_prepared().filter(|word| word.load(Relaxed) == 0) else { return };
    if !FORK_IS_WATCHED.swap(true, AcqRel) {
        // SAFETY: a function of the right type; the C library forgets it when this library is unloaded.
        if unsafe { libc::pthread_atfork(None, None, Some(child_begins)) } != 0 {
            IS_OFF.store(true, Relaxed);
        }
    }
    if KEY.load(Acquire) == 0 {
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: the call writes one key; the destructor is of the right type, and the key is deleted before this
        // library is unloaded.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(thread_ends)) } != 0 {
            IS_OFF.store(true, Relaxed);
            return;
        }
        // SAFETY: a function of the right type, which is run before this library, that the handle names, is gone.
        unsafe { __cxa_atexit(unload, null_mut(), (&raw const __dso_handle).cast_mut().cast()) };
        if KEY.compare_exchange(0, key + 1, Release, Relaxed).is_err() {
            // SAFETY: made above, and used nowhere.
            unsafe { libc::pthread_key_delete(key) };
        }
    }
    is_prepared.store(1, Release);
}

/// This library is being unloaded, or the process ends: what threads leak concerns nobody any more.
unsafe extern "C" fn unload(_: *mut c_void) {
    IS_OFF.store(true, Relaxed);
    let key = KEY.swap(0, AcqRel);
    if key != 0 {
        // SAFETY: a key that `prepare` made, taken by this call alone.
        unsafe { libc::pthread_key_delete(key - 1) };
    }
}

/// The head of this thread, if it may and can be used.
#[doc(alias = "get_robust_list")]
pub(crate) fn of_this_thread() -> Head {
    let key = KEY.load(Acquire);
    if IS_OFF.load(Relaxed) || key == 0 || is_prepared().is_none_or(|word| word.load(Relaxed) == 0) {
        return Head::OFF;
    }
    let mut head: *mut ListHead = null_mut();
    let mut bytes = 0_usize;
    // SAFETY: the call writes a pointer and a size.
    let result = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut bytes) };
    if result != 0 || head.is_null() || bytes != size_of::<ListHead>() {
        return Head::OFF;
    }
    // SAFETY: the C library registered it for this thread, whose control block it lies in.
    let head = unsafe { &*head };
    if head.futex_offset.load(Relaxed) != FUTEX_OFFSET {
        return Head::OFF;
    }
    let pending = &raw const head.list_op_pending;
    // SAFETY: the key exists; the value is only handed to `thread_ends`.
    if unsafe { libc::pthread_setspecific(key - 1, pending.cast()) } != 0 {
        return Head::OFF;
    }
    Head { pending }
}

/// A thread ends while its process lives on: a lock whose guard it leaked stays the process's.
unsafe extern "C" fn thread_ends(pending: *mut c_void) {
    owner::forget_robust_list();
    // SAFETY: set by `of_this_thread` to a word of the control block of this thread, which still runs.
    unsafe { &*pending.cast::<AtomicUsize>() }.store(0, Relaxed);
}

/// In a child of `fork`, before anything else runs there.
unsafe extern "C" fn child_begins() {
    if let Some(is_prepared) = is_prepared() {
        is_prepared.store(1, Relaxed);
    }
    let key = KEY.load(Relaxed);
    if key == 0 {
        return;
    }
    // SAFETY: the key exists. The value is the parent's thread's, whose control block the child's thread has copied.
    let pending = unsafe { libc::pthread_getspecific(key - 1) };
    // SAFETY: null, or set by `of_this_thread`.
    if let Some(pending) = unsafe { pending.cast::<AtomicUsize>().as_ref() } {
        pending.store(0, Relaxed);
    }
}

/// For locks taken from the next epoch on.
pub(super) fn switch(on: bool) {
    IS_OFF.store(!on, Relaxed);
}
