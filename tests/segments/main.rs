//! Segments: objects that processes make, find and remove, and what is left when one of them dies.

#![cfg_attr(target_os = "linux", allow(unsafe_code))]

#[cfg(target_os = "linux")]
#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
#[path = "../support/skip.rs"]
mod not_tried;

#[cfg(target_os = "linux")]
mod actor;
#[cfg(target_os = "linux")]
mod cleanup;
#[cfg(target_os = "linux")]
mod damage;
#[cfg(target_os = "linux")]
mod file;
#[cfg(target_os = "linux")]
mod guards;
#[cfg(target_os = "linux")]
mod holder;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod inherited;
#[cfg(target_os = "linux")]
mod kinds;
#[cfg(target_os = "linux")]
mod lifetime;
#[cfg(target_os = "linux")]
mod memfd;
#[cfg(target_os = "linux")]
mod memory_limit;
#[cfg(target_os = "linux")]
mod modes;
#[cfg(target_os = "linux")]
mod objects;
#[cfg(target_os = "linux")]
mod participants;
#[cfg(target_os = "linux")]
mod partner;
#[cfg(target_os = "linux")]
mod permissions;
#[cfg(target_os = "linux")]
mod races;
#[cfg(target_os = "linux")]
mod readers;
#[cfg(target_os = "linux")]
mod readers_api;
#[cfg(target_os = "linux")]
mod reused;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod space;
#[cfg(target_os = "linux")]
mod sysv;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let tests = [objects::TESTS, races::TESTS, readers_api::TESTS, hostile::TESTS, reused::TESTS];
    let backings = [modes::TESTS, inherited::TESTS, memfd::TESTS, socket::TESTS, sysv::TESTS];
    let whole = [
        lifetime::TESTS,
        kinds::TESTS,
        participants::TESTS,
        space::TESTS,
        readers::TESTS,
        permissions::TESTS,
        file::TESTS,
        cleanup::TESTS,
    ];
    let root_tests = [
        socket::ROOT_TESTS,
        sysv::ROOT_TESTS,
        space::ROOT_TESTS,
        memory_limit::ROOT_TESTS,
        readers::ROOT_TESTS,
        permissions::ROOT_TESTS,
        file::ROOT_TESTS,
        cleanup::ROOT_TESTS,
        guards::ROOT_TESTS,
    ];
    let roles: &[support::Named] = &[
        ("actor", actor::play),
        ("holder", holder::play),
        ("few-files", guards::prune_with_few_files),
        ("under-a-timer", guards::reserve_under_a_timer),
        ("kinds", kinds::play),
        ("crowd", participants::play),
        ("block", permissions::play_block),
        ("partner", partner::play),
        ("thief", inherited::steal),
        ("dropper", memfd::make_and_drop),
        ("heir", memfd::inherit),
        ("besieged", socket::be_besieged),
        ("header", hostile::play_header),
        ("participants", hostile::play_participants),
        ("objects", hostile::play_objects),
        ("schemas", hostile::play_schemas),
        ("anywhere", hostile::play_anywhere),
    ];
    let all = [tests.concat(), backings.concat(), whole.concat(), guards::TESTS.to_vec()];
    support::run(&all.concat(), &root_tests.concat(), roles)
}

#[cfg(not(target_os = "linux"))]
fn main() {}
