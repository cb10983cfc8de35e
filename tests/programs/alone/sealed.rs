//! Seals the pages of its block before it is attached at load, as `-z memory-seal` would have the loader do.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

#[path = "../console.rs"]
mod console;
#[path = "../tenancy.rs"]
mod tenancy;

cotenant::shared! {
    #![shared(on_failure = private)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

cotenant::shared! {
    #![shared(attach = by_call)]
    static CALLED: AtomicU64 = AtomicU64::new(0);
}

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
}

/// mseal(2), the same number on every architecture.
const MSEAL: i64 = 462;

static SEALED: AtomicI64 = AtomicI64::new(-1);

/// Before blocks are attached.
#[used]
#[unsafe(link_section = ".init_array.00100")]
static SEAL: extern "C" fn() = seal;

extern "C" fn seal() {
    let page: *const AtomicU64 = &*COUNT;
    // SAFETY: sealing takes nothing away that this program does; the page is its own.
    SEALED.store(unsafe { syscall(MSEAL, page, 4096_usize, 0_usize) }, Relaxed);
}

fn main() {
    console::serve(&[("COUNT", &COUNT)], |line| match line {
        // Not in the table: a reference from before the call would stay with the private values.
        "call" => Some((CALLED.fetch_add(1, Relaxed) + 1).to_string()),
        "sealed" => Some(SEALED.load(Relaxed).to_string()),
        "reason" => Some(
            cotenant::attachment()
                .blocks
                .into_iter()
                .find_map(|block| match block.state {
                    cotenant::BlockState::Private { reason } => Some(reason),
                    _ => None,
                })
                .unwrap_or_default(),
        ),
        _ => tenancy::answer(line),
    });
}
