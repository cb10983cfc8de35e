//! Programs in C and C++ as processes: beside Rust ones on the same block, killed in locks, refused, looked into.

// Under the name that its macros know: the package's own library, which has it too, is none for Rust.
extern crate cotenant_rust as cotenant;

#[path = "../support/mod.rs"]
mod support;

mod abi;
mod actor;
mod both;
mod cache;
mod examples;
mod queues;
mod refused;
mod tools;
mod versions;

use libtest_mimic::{Arguments, Trial};

/// A test and its name: `tests!` below makes one of each function.
pub(crate) type Test = (&'static str, fn());

/// The table of a file's tests.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use tests;

fn main() {
    // A role: this program as a process of a test.
    if let Some(role) = std::env::var_os("COTENANT_CAPI_ROLE") {
        return if role == queues::ROLE {
            queues::run()
        } else if role == cache::ROLE {
            cache::run()
        } else {
            actor::run()
        };
    }
    let groups = [
        abi::TESTS,
        both::TESTS,
        cache::TESTS,
        examples::TESTS,
        queues::TESTS,
        refused::TESTS,
        tools::TESTS,
        versions::TESTS,
    ];
    let trial = |(name, test): &Test| {
        let test = *test;
        Trial::test(*name, move || {
            test();
            Ok(())
        })
    };
    let trials = groups.into_iter().flatten().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
