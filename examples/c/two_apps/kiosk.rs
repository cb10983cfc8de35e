//! The third application, in Rust, linked with the library: kiosk [ORDERS].

use std::io::Read;

#[link(name = "orders")]
unsafe extern "C" {
    fn orders_add(cents: u64) -> u64;
}

fn main() {
    let orders = std::env::args().nth(1).map_or(10, |orders| orders.parse().expect("a number"));
    for _ in 0..orders {
        // SAFETY: orders.h declares it so.
        println!("Rust: order {}", unsafe { orders_add(100) });
    }
    let _ = std::io::stdin().read(&mut [0]);
}
