//! Where each system wants a block and its start-up entries: section names in one table, as macros that put the
//! attributes on the statics of `__block!`.
//!
//! | what | ELF (Linux) | PE (Windows) | others |
//! |---|---|---|---|
//! | unnamed block, attached at load | `cotenant` | twin in `.shared`, IMAGE_SCN_MEM_SHARED | private |
//! | named block, attached at load | `cotenant` | file mapping | private |
//! | attached by call | `.data`, with a pointer to the shared ones | file mapping | private |
//! | private values | the block itself, unmapped | `.data`, with a pointer to the shared ones | `.data` |
//! | descriptor | `cotenant_meta` | `.cotmeta` | - |
//! | registering, then attaching | `.init_array.00101`, `.00102` | `.CRT$XCT`, `.CRT$XCU` | the system's table |
//! | detaching at unload | `.fini_array` | `.CRT$XLC`, in the library | - |

#![allow(unsafe_code)]
#![allow(missing_docs)] // Hidden: only what the macros expand to names these.

use std::cell::UnsafeCell;
use std::sync::atomic::AtomicPtr;
#[cfg(windows)]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;

/// A struct of variables that `__block!` has checked one by one: each is `ProcessSync`.
///
/// # Safety
/// Every field is `ProcessSync`. Only the macro implements it.
#[doc(hidden)]
pub unsafe trait Block {}

/// A block in pages of its own, so that what the linker places behind it is not shared by accident.
///
/// The size of a page is the largest that the target's kernels use.
#[doc(hidden)]
#[repr(C)]
#[cfg_attr(any(target_arch = "aarch64", target_arch = "powerpc64", target_arch = "loongarch64"), repr(align(65536)))]
#[cfg_attr(
    not(any(target_arch = "aarch64", target_arch = "powerpc64", target_arch = "loongarch64")),
    repr(align(4096))
)]
pub struct Pages<T> {
    block: UnsafeCell<T>,
}

// SAFETY: a block's variables are `ProcessSync`, and so `Sync`.
unsafe impl<T: Block> Sync for Pages<T> {}

impl<T> Pages<T> {
    pub const fn new(block: T) -> Self {
        Pages { block: UnsafeCell::new(block) }
    }

    /// The block at its own address: shared memory once it is attached.
    #[inline(always)]
    pub const fn get(&'static self) -> &'static T {
        // SAFETY: never borrowed mutably; what other processes write are values of the same types (docs/safety.md).
        unsafe { &*self.block.get() }
    }

    pub const fn address(&'static self) -> *const u8 {
        self.block.get().cast()
    }

    /// No place for another address: the block is mapped where it is.
    pub const fn target(&'static self) -> Option<&'static AtomicPtr<u8>> {
        None
    }
}

/// A block that cannot be mapped where it lies: its variables are reached through a pointer once it is attached.
///
/// So it is on Linux for `attach = by_call`, too: whoever holds a reference or a guard from before the call keeps it on
/// the private values, which nobody else changes.
#[doc(hidden)]
#[repr(C)]
pub struct Indirect<T> {
    target: AtomicPtr<u8>,
    block: UnsafeCell<T>,
}

// SAFETY: as for `Pages`.
unsafe impl<T: Block> Sync for Indirect<T> {}

impl<T> Indirect<T> {
    pub const fn new(block: T) -> Self {
        Indirect { target: AtomicPtr::new(std::ptr::null_mut()), block: UnsafeCell::new(block) }
    }

    /// The attached block, or the private one.
    #[inline(always)]
    pub fn get(&'static self) -> &'static T {
        // Acquire pairs with the Release of attaching: who sees the pointer sees the mapped values.
        let target = self.target.load(Acquire).cast::<T>();
        // SAFETY: null, or a mapping of a block of this fingerprint that is never unmapped.
        match unsafe { target.as_ref() } {
            Some(block) => block,
            // SAFETY: never borrowed mutably.
            None => unsafe { &*self.block.get() },
        }
    }

    pub const fn address(&'static self) -> *const u8 {
        self.block.get().cast()
    }

    pub const fn target(&'static self) -> Option<&'static AtomicPtr<u8>> {
        Some(&self.target)
    }
}

/// A second copy of a block's initial values, for one that is attached by call: by then the first may have changed.
#[doc(hidden)]
#[repr(transparent)]
pub struct Pristine<T>(UnsafeCell<T>);

// SAFETY: nobody reads it through a reference; attaching copies its bytes.
unsafe impl<T: Block> Sync for Pristine<T> {}

impl<T> Pristine<T> {
    pub const fn new(block: T) -> Self {
        Pristine(UnsafeCell::new(block))
    }

    pub const fn address(&'static self) -> *const u8 {
        self.0.get().cast()
    }
}

/// A block's values in the section that the loader shares; used once the process has attached.
#[cfg(windows)]
#[doc(hidden)]
#[repr(C, align(4096))]
pub struct Twin<T> {
    block: UnsafeCell<T>,
    /// The section's epoch in which the values were last set to the initial ones.
    epoch: AtomicU64,
}

// SAFETY: as for `Pristine`; as shared values it is reached like `Indirect`.
#[cfg(windows)]
unsafe impl<T: Block> Sync for Twin<T> {}

#[cfg(windows)]
impl<T> Twin<T> {
    /// The epoch lies where attaching looks for it: behind the values, on the next multiple of eight.
    const EPOCH_AT: () = assert!(std::mem::offset_of!(Self, epoch) == size_of::<T>().next_multiple_of(8));

    pub const fn new(block: T) -> Self {
        let () = Self::EPOCH_AT;
        Twin { block: UnsafeCell::new(block), epoch: AtomicU64::new(0) }
    }

    pub const fn address(&'static self) -> *const u8 {
        std::ptr::from_ref(self).cast()
    }
}

/// For a block that is attached at load: until then it is its own pristine copy.
#[doc(hidden)]
pub struct NoPristine;

impl NoPristine {
    pub const fn address(&'static self) -> *const u8 {
        std::ptr::null()
    }
}

/// The cell type of a block, by its words.
#[cfg(target_os = "linux")]
#[doc(hidden)]
#[macro_export]
macro_rules! __block_cell {
    (new $name:tt at_load $init:expr) => { $crate::__private::Pages::new($init) };
    (new $name:tt by_call $init:expr) => { $crate::__private::Indirect::new($init) };
    ($name:tt at_load $block:ty) => { $crate::__private::Pages<$block> };
    ($name:tt by_call $block:ty) => { $crate::__private::Indirect<$block> };
}

#[cfg(windows)]
#[doc(hidden)]
#[macro_export]
macro_rules! __block_cell {
    (new $name:tt $attach:ident $init:expr) => { $crate::__private::Indirect::new($init) };
    ($name:tt $attach:ident $block:ty) => { $crate::__private::Indirect<$block> };
}

#[cfg(not(any(target_os = "linux", windows)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __block_cell {
    (new $name:tt $attach:ident $init:expr) => {{
        $crate::__private::shared_values_are_private_on_this_system();
        $crate::__private::Indirect::new($init)
    }};
    ($name:tt $attach:ident $block:ty) => { $crate::__private::Indirect<$block> };
}

/// The type of a block's second copy, by its words.
#[cfg(not(windows))]
#[doc(hidden)]
#[macro_export]
macro_rules! __pristine_cell {
    (new $name:tt at_load $init:expr) => { $crate::__private::NoPristine };
    (new $name:tt by_call $init:expr) => { $crate::__private::Pristine::new($init) };
    ($name:tt at_load $block:ty) => { $crate::__private::NoPristine };
    ($name:tt by_call $block:ty) => { $crate::__private::Pristine<$block> };
}

#[cfg(windows)]
#[doc(hidden)]
#[macro_export]
macro_rules! __pristine_cell {
    (new none at_load $init:expr) => { $crate::__private::Twin::new($init) };
    (new $name:tt at_load $init:expr) => { $crate::__private::NoPristine };
    (new $name:tt by_call $init:expr) => { $crate::__private::Pristine::new($init) };
    (none at_load $block:ty) => { $crate::__private::Twin<$block> };
    ($name:tt at_load $block:ty) => { $crate::__private::NoPristine };
    ($name:tt by_call $block:ty) => { $crate::__private::Pristine<$block> };
}

/// Puts the statics of a block where the system looks for them.
#[cfg(target_os = "linux")]
#[doc(hidden)]
#[macro_export]
macro_rules! __place {
    (block $name:tt at_load { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = "cotenant")]
        $($static)*
    };
    (block $name:tt by_call { $($static:tt)* }) => {
        #[used]
        $($static)*
    };
    (pristine $name:tt $attach:ident { $($static:tt)* }) => { $($static)* };
    (descriptor { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = "cotenant_meta")]
        $($static)*
    };
    (register { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".init_array.00101")]
        $($static)*
    };
    (attach { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".init_array.00102")]
        $($static)*
    };
    (detach { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".fini_array")]
        $($static)*
    };
    // The values of a block that is attached by call have no fixed address.
    (symbols by_call $block:ident $layout:ident { $($variable:ident)* }) => {};
    // A name for each variable in `nm` and the debugger. Local symbols; the module's path keeps two of one name apart,
    // and of two that are alike even so the first one keeps it. Directives only: the function's code stays as it is.
    (symbols at_load $block:ident $layout:ident { $($variable:ident)* }) => {$(
        // SAFETY: no instruction, only names for addresses.
        unsafe {
            ::core::arch::asm!(
                ::core::concat!(".ifndef \"", ::core::module_path!(), "::", ::core::stringify!($variable), "\""),
                ::core::concat!(
                    ".set \"", ::core::module_path!(), "::", ::core::stringify!($variable), "\", {block} + {offset}"
                ),
                ::core::concat!(
                    ".type \"", ::core::module_path!(), "::", ::core::stringify!($variable), "\", %object"
                ),
                ".endif",
                block = sym $block,
                offset = const ::core::mem::offset_of!($layout, $variable),
                options(nomem, nostack, preserves_flags),
            );
        }
    )*};
}

#[cfg(windows)]
#[doc(hidden)]
#[macro_export]
macro_rules! __place {
    (block $name:tt $attach:ident { $($static:tt)* }) => {
        #[used]
        $($static)*
    };
    (pristine none at_load { $($static:tt)* }) => {
        // The library's own part of the section carries the flag IMAGE_SCN_MEM_SHARED; the linker adds it to all.
        #[used]
        #[unsafe(link_section = ".shared")]
        $($static)*
    };
    (pristine $name:tt $attach:ident { $($static:tt)* }) => { $($static)* };
    (descriptor { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".cotmeta")]
        $($static)*
    };
    (register { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".CRT$XCT")]
        $($static)*
    };
    (attach { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".CRT$XCU")]
        $($static)*
    };
    (detach { $($static:tt)* }) => {};
    (symbols $attach:ident $block:ident $layout:ident { $($variable:ident)* }) => {};
}

/// Systems whose start-up tables are known register their blocks, so that `attachment()` tells that nothing is shared.
#[cfg(target_vendor = "apple")]
#[doc(hidden)]
#[macro_export]
macro_rules! __place {
    (register { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs")]
        $($static)*
    };
    (attach { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs")]
        $($static)*
    };
    ($($others:tt)*) => { $crate::__place_privately! { $($others)* } };
}

#[cfg(all(unix, not(target_os = "linux"), not(target_vendor = "apple")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __place {
    (register { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".init_array.00101")]
        $($static)*
    };
    (attach { $($static:tt)* }) => {
        #[used]
        #[unsafe(link_section = ".init_array.00102")]
        $($static)*
    };
    ($($others:tt)*) => { $crate::__place_privately! { $($others)* } };
}

#[cfg(not(any(unix, windows)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __place {
    (register { $($static:tt)* }) => {};
    (attach { $($static:tt)* }) => {};
    ($($others:tt)*) => { $crate::__place_privately! { $($others)* } };
}

#[cfg(not(any(target_os = "linux", windows)))]
#[doc(hidden)]
#[macro_export]
macro_rules! __place_privately {
    (block $name:tt $attach:ident { $($static:tt)* }) => { $($static)* };
    (pristine $name:tt $attach:ident { $($static:tt)* }) => { $($static)* };
    (descriptor { $($static:tt)* }) => { $($static)* };
    (detach { $($static:tt)* }) => {};
    (symbols $attach:ident $block:ident $layout:ident { $($variable:ident)* }) => {};
}

/// Warns where a program is compiled for a system on which nothing is shared.
#[cfg(not(any(target_os = "linux", windows)))]
#[doc(hidden)]
#[deprecated(note = "cotenant shares nothing on this system yet: each process has values of its own")]
pub const fn shared_values_are_private_on_this_system() {}
