//! Cotenant's mutex through its C ABI: `libcotenant.so` loaded beside this program, called through pointers, which
//! costs what a call through the procedure linkage table does.

use std::ffi::{CStr, c_char, c_void};
use std::hint::black_box;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::AtomicPtr;

use anyhow::{Context, ensure};
use cotenant::__c::{PartTable, TypeTable};
use cotenant::schema::Kind;

use crate::locks::hold::Lock;

type Create = unsafe extern "C" fn(*const c_char, *const c_void, *mut *mut c_void) -> i32;
type GetOrInit = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    *const TypeTable,
    *const c_void,
    *mut c_void,
    *mut *mut c_void,
) -> i32;
type OfMutex = unsafe extern "C" fn(*mut c_void) -> i32;

/// The lock word, and the counter behind it.
#[derive(Clone, Copy)]
pub(super) struct ThroughC {
    lock: OfMutex,
    try_lock: OfMutex,
    unlock: OfMutex,
    words: *mut u64,
}

// SAFETY: functions and memory of the whole process; the counter is changed under the lock.
unsafe impl Send for ThroughC {}
// SAFETY: as above.
unsafe impl Sync for ThroughC {}

static WORD: TypeTable = table(c"u64", null(), 0, 0, 8, Kind::Unsigned);
static PARTS: [PartTable; 1] = [PartTable { name: c"".as_ptr(), at: 0, schema: &WORD }];
static WORDS: TypeTable = table(c"array", PARTS.as_ptr(), 1, 2, 16, Kind::Array);

const fn table(
    name: &'static CStr,
    parts: *const PartTable,
    part_count: u32,
    array_len: u32,
    size_bytes: u64,
    kind: Kind,
) -> TypeTable {
    TypeTable {
        name: name.as_ptr(),
        parts,
        size_bytes,
        align_bytes: 8,
        part_count,
        array_len,
        kind: kind as u8,
        is_atomic: 0,
        reserved: [0; 2],
        known: AtomicPtr::new(null_mut()),
    }
}

/// In a segment that children of this process share, as Rust's beside it.
pub(super) fn mutex() -> anyhow::Result<ThroughC> {
    static FOUND: OnceLock<Result<ThroughC, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    found.clone().map(black_box).map_err(anyhow::Error::msg)
}

fn find() -> anyhow::Result<ThroughC> {
    let path = std::env::current_exe()?.with_file_name("libcotenant.so");
    ensure!(path.exists(), "build it: cargo build --release -p cotenant-capi");
    let path = std::ffi::CString::new(path.into_os_string().into_encoded_bytes())?;
    // SAFETY: a C string; loading the library makes nothing known and attaches nothing.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    ensure!(!library.is_null(), "libcotenant.so cannot be loaded");
    let symbol = |name: &CStr| -> anyhow::Result<*mut c_void> {
        // SAFETY: a library that is never unloaded, and a C string.
        let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
        (!symbol.is_null()).then_some(symbol).with_context(|| format!("no {name:?} in libcotenant.so"))
    };
    // SAFETY: cotenant.h declares it so.
    let create = unsafe { std::mem::transmute::<*mut c_void, Create>(symbol(c"cotenant_segment_create")?) };
    // SAFETY: as above.
    let get = unsafe { std::mem::transmute::<*mut c_void, GetOrInit>(symbol(c"cotenant_segment_get_or_init")?) };
    let of_mutex = |name: &CStr| -> anyhow::Result<OfMutex> {
        // SAFETY: as above.
        Ok(unsafe { std::mem::transmute::<*mut c_void, OfMutex>(symbol(name)?) })
    };
    let (mut segment, mut words) = (null_mut(), null_mut());
    // The backing, COTENANT_BACKING_ANONYMOUS; all else as it is by itself, but for the size.
    let mut options = [0_u64; 16];
    (options[0], options[1]) = (1, 1 << 20);
    // SAFETY: a name, options of 120 bytes, and a place.
    let status = unsafe { create(c"bench-c".as_ptr(), options.as_ptr().cast(), &raw mut segment) };
    ensure!(status == 0, "cotenant_segment_create gives {status}");
    // SAFETY: a segment, a name, a type, nothing to call, and a place.
    let status = unsafe { get(segment, c"mutex".as_ptr(), &WORDS, null(), null_mut(), &raw mut words) };
    ensure!(status == 0, "cotenant_segment_get_or_init gives {status}");
    Ok(ThroughC {
        lock: of_mutex(c"cotenant_mutex_lock")?,
        try_lock: of_mutex(c"cotenant_mutex_try_lock")?,
        unlock: of_mutex(c"cotenant_mutex_unlock")?,
        words: words.cast(),
    })
}

impl ThroughC {
    #[inline]
    fn count_and_unlock(&self) {
        let count = self.words.wrapping_add(1);
        // SAFETY: the second word of the object, under the lock.
        unsafe { *count += 1 };
        // SAFETY: a mutex that this thread holds.
        unsafe { (self.unlock)(self.words.cast()) };
    }
}

impl Lock for ThroughC {
    #[inline]
    fn add(&self) {
        // SAFETY: a mutex, in a segment that stays attached.
        assert_eq!(unsafe { (self.lock)(self.words.cast()) }, 0, "nobody dies under it");
        self.count_and_unlock();
    }

    #[inline]
    fn try_add(&self) -> bool {
        // SAFETY: as above.
        let is_locked = unsafe { (self.try_lock)(self.words.cast()) } == 0;
        if is_locked {
            self.count_and_unlock();
        }
        is_locked
    }

    fn count(&self) -> u64 {
        let count = self.words.wrapping_add(1);
        // SAFETY: the second word of the object, which nobody changes now.
        unsafe { *count }
    }
}
