//! A value of each thread's own, at a fixed distance from the thread pointer also in a shared library.
//!
//! In a program `thread_local!` is one load away. In a shared library each look-up is a call of `__tls_get_addr`, two a
//! lock: more than the lock costs. With the feature `initial-exec` it is the model that the C library takes for itself:
//! the loader gives the library a place in the room that it keeps for such, and writes the distance into a word of the
//! library ([ELF Handling For Thread-Local Storage](https://www.akkadia.org/drepper/tls.pdf), 4.1.6). Linked into a
//! program the linker makes constants of it.
//!
//! The price: *all* thread-local memory of the library (some 900 bytes) lies in that room, of which glibc keeps about
//! 1,600 bytes for all that come by `dlopen`. Where it is used up, `dlopen` fails. So nobody gets the model who did not
//! ask for it. Other C libraries keep no such room, other processors have other words for it: there it is
//! `thread_local!`.

#![allow(unsafe_code)]

/// Declares a function that gives the calling thread's `Cell`. What all zeros are must be as good as the initial value,
/// without a destructor.
#[cfg(all(feature = "initial-exec", target_arch = "x86_64", target_env = "gnu"))]
macro_rules! own_cell {
    (fn $own:ident() -> $value:ty = $initial:expr) => {
        // One of this name in each version: two may be linked into one program.
        std::arch::global_asm!(
            ".pushsection .tbss.cotenant_own, \"awT\", @nobits",
            ".p2align 4",
            concat!(".globl cotenant_own_", env!("CARGO_PKG_VERSION")),
            concat!(".hidden cotenant_own_", env!("CARGO_PKG_VERSION")),
            concat!(".type cotenant_own_", env!("CARGO_PKG_VERSION"), ", @tls_object"),
            concat!(".size cotenant_own_", env!("CARGO_PKG_VERSION"), ", {bytes}"),
            concat!("cotenant_own_", env!("CARGO_PKG_VERSION"), ":"),
            ".zero {bytes}",
            ".popsection",
            bytes = const size_of::<$value>(),
        );

        const _: () = assert!(align_of::<$value>() <= 16 && !std::mem::needs_drop::<$value>());

        #[inline(always)]
        fn $own<'a>() -> &'a std::cell::Cell<$value> {
            let at: *const std::cell::Cell<$value>;
            // SAFETY: the instructions of the initial-exec model, in the form that linkers relax; the first word that
            // the thread pointer leads to is itself (x86-64 psABI). Reads nothing that ever changes in a thread.
            unsafe {
                std::arch::asm!(
                    "mov {at}, qword ptr fs:[0]",
                    concat!("add {at}, qword ptr [rip + cotenant_own_", env!("CARGO_PKG_VERSION"), "@gottpoff]"),
                    at = out(reg) at,
                    options(pure, nomem, nostack),
                );
            }
            // SAFETY: memory of this thread alone, zero at first, which is a value (see above); it lives as long as
            // the thread, and the reference does not leave it, for a `Cell` is not `Sync`.
            unsafe { &*at }
        }
    };
}

#[cfg(not(all(feature = "initial-exec", target_arch = "x86_64", target_env = "gnu")))]
macro_rules! own_cell {
    (fn $own:ident() -> $value:ty = $initial:expr) => {
        #[inline(always)]
        fn $own<'a>() -> &'a std::cell::Cell<$value> {
            thread_local! {
                static OWN: std::cell::Cell<$value> = const { std::cell::Cell::new($initial) };
            }
            OWN.with(|own| {
                // SAFETY: it has no destructor, so it lives as long as the thread, and the reference does not leave
                // it, for a `Cell` is not `Sync`.
                unsafe { &*std::ptr::from_ref(own) }
            })
        }
    };
}

pub(super) use own_cell;
