//! Seals the pages of its block before it attaches it.

use std::sync::atomic::AtomicU64;

#[path = "../console.rs"]
mod console;
#[path = "../tenancy.rs"]
mod tenancy;

cotenant::shared! {
    #![shared(attach = by_call)]
    static COUNT: AtomicU64 = AtomicU64::new(0);
}

unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
}

/// mseal(2), the same number on every architecture.
const MSEAL: i64 = 462;

fn main() {
    let page: *const AtomicU64 = &*COUNT;
    console::serve(&[("COUNT", &COUNT)], |line| match line {
        // SAFETY: sealing takes nothing away that this program does; the page is its own.
        "seal" => Some(unsafe { syscall(MSEAL, page, 4096_usize, 0_usize) }.to_string()),
        _ => tenancy::answer(line),
    });
}
