//! What the peer does in rare situations: guards from before `attach()`, blocks that are almost alike, forks at the
//! wrong moment, a changed root or working folder.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use cotenant::shared;
use cotenant::sync::{LockError, Mutex, MutexGuard, OwnerDied};

shared! {
    #![shared(attach = by_call)]
    static EARLY: Mutex<u64> = Mutex::new(1);
    static EARLY_COUNT: AtomicU64 = AtomicU64::new(1);
}

mod program {
    cotenant::shared! {
        #![shared(name = "processes.twice", attach = by_call)]
        pub(super) static TWICE: cotenant::sync::Mutex<u64> = cotenant::sync::Mutex::new(0);
    }
}

mod plug_in {
    cotenant::shared! {
        #![shared(name = "processes.twice", attach = by_call)]
        pub(super) static TWICE: cotenant::sync::Mutex<u64> = cotenant::sync::Mutex::new(0);
    }
}

/// Each twin is the only block of its words, so nothing else keeps their segments apart.
fn privileged_twin() -> &'static AtomicU64 {
    shared! {
        #![shared(when_privileged = share)]
        static TWIN: AtomicU64 = AtomicU64::new(0);
    }
    &TWIN
}

fn lenient_twin() -> &'static AtomicU64 {
    shared! {
        #![shared(on_failure = private)]
        static TWIN: AtomicU64 = AtomicU64::new(0);
    }
    &TWIN
}

pub(crate) fn answer(command: &str, argument: &str) -> String {
    match command {
        "attach-under-guard" => attach_under_guard(),
        "attach-then-panic" => attach_then_panic(),
        "early" => format!("{} {}", said(EARLY.lock()), EARLY_COUNT.load(Relaxed)),
        "without-list" => {
            cotenant::__private::use_robust_list(false);
            "off".into()
        }
        "hold-early" => hold(EARLY.lock()),
        "set-twins" => {
            privileged_twin().store(1, Relaxed);
            lenient_twin().store(2, Relaxed);
            "set".into()
        }
        "twins" => format!("{} {}", privileged_twin().load(Relaxed), lenient_twin().load(Relaxed)),
        "twice" => {
            let _held = program::TWICE.lock().expect("a clean lock");
            let tried = plug_in::TWICE.try_lock().map_or_else(|error| error.to_string(), |_| "locked".into());
            format!("{} | {tried}", said(plug_in::TWICE.lock()))
        }
        "attach-while-forking" => {
            FORKS.store(true, Relaxed);
            let attached = cotenant::attach();
            FORKS.store(false, Relaxed);
            attached.map_or_else(|error| error.to_string(), |()| "attached".into())
        }
        "unshare-pids" => {
            // SAFETY: no pointer. Children are in the new namespace, not this process.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0, "{}", std::io::Error::last_os_error());
            "unshared".into()
        }
        "chdir" => std::env::set_current_dir(argument).map_or_else(|error| error.to_string(), |()| "changed".into()),
        "chroot" => std::os::unix::fs::chroot(argument)
            .and_then(|()| std::env::set_current_dir("/"))
            .map_or_else(|error| error.to_string(), |()| "changed".into()),
        _ => panic!("no such command: {command}"),
    }
}

fn said(locked: Result<MutexGuard<'_, u64>, LockError<OwnerDied<'_, u64>>>) -> String {
    locked.map_or_else(|error| error.to_string(), |guard| guard.to_string())
}

fn hold(locked: Result<MutexGuard<'static, u64>, LockError<OwnerDied<'static, u64>>>) -> String {
    let guard = locked.expect("a clean lock");
    let held = guard.to_string();
    std::mem::forget(guard);
    held
}

/// Takes a guard and a reference, attaches, changes the values through both pairs, and tells them all.
fn attach_under_guard() -> String {
    let mut guard = EARLY.lock().expect("a clean lock");
    let count: &AtomicU64 = &EARLY_COUNT;
    *guard = 10;
    cotenant::attach().expect("attaching");
    let mut shared = EARLY.try_lock().expect("nobody has locked the shared value");
    *guard += 1;
    count.store(20, Relaxed);
    let private = format!("{} {}", *guard, count.load(Relaxed));
    let found = format!("{} {}", *shared, EARLY_COUNT.load(Relaxed));
    *shared = 100;
    drop(guard);
    let locked = EARLY.try_lock().is_err();
    format!("private {private}; shared {found}; still locked: {locked}")
}

/// Panics under a guard from before `attach()`.
fn attach_then_panic() -> String {
    let guard = EARLY.lock().expect("a clean lock");
    cotenant::attach().expect("attaching");
    let caught = catch_unwind(AssertUnwindSafe(move || {
        let _guard = guard;
        resume_unwind(Box::new("as the test asked"));
    }));
    if caught.is_err() { "panicked".into() } else { "went on".into() }
}

/// Whether [`madvise`] is the moment at which another thread forks.
static FORKS: AtomicBool = AtomicBool::new(false);

/// The C library's, with a fork before a slot's page is kept from children: the child has a copy of the slot's lock.
///
/// # Safety
/// As of madvise(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn madvise(address: *mut libc::c_void, bytes: usize, advice: libc::c_int) -> libc::c_int {
    // SAFETY: this process has one thread; its child does nothing but wait.
    if advice == libc::MADV_DONTFORK && FORKS.load(Relaxed) && unsafe { libc::fork() } == 0 {
        wait_for_the_test();
    }
    // SAFETY: the caller's promise.
    unsafe { libc::syscall(libc::SYS_madvise, address, bytes, advice) as libc::c_int }
}

/// Until the test closes its end of the sandbox's socket, or for ten minutes.
fn wait_for_the_test() -> ! {
    // SAFETY: no pointer.
    unsafe { libc::alarm(600) };
    crate::support::serve::forked(|_| "waiting".into())
}
