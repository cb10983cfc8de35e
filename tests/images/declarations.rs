//! Where blocks may stand, and in which kind of crate.

use crate::process::{Folder, Tenant};
use crate::programs::{Program, package};

fn two(folder: &Folder) -> (Tenant, Tenant) {
    let town = package("town");
    (folder.start(&town), folder.start(&town))
}

/// The one adds, the other sees it.
fn shares(one: &mut Tenant, other: &mut Tenant, name: &str, initial: i64) {
    assert_eq!(other.number(&format!("get {name}")), initial, "{name} before");
    assert_eq!(one.number(&format!("add {name}")), initial + 1, "{name}");
    assert_eq!(other.number(&format!("add {name}")), initial + 2, "{name}");
    assert_eq!(one.number(&format!("get {name}")), initial + 2, "{name}");
}

#[test]
fn variables_of_every_block_in_a_program_that_forbids_unsafe_code_are_shared() {
    let folder = Folder::new();
    let (mut one, mut other) = two(&folder);
    shares(&mut one, &mut other, "PEOPLE", 0);
    shares(&mut one, &mut other, "DEGREES", 20);
    shares(&mut one, &mut other, "WIND", 1);
    shares(&mut one, &mut other, "VISITORS", 0);
    shares(&mut one, &mut other, "HERE", 0);
    one.end().quietly();
    other.end().quietly();
}

#[test]
fn variables_of_a_dependency_are_shared_with_its_modules_apart() {
    let folder = Folder::new();
    let (mut one, mut other) = two(&folder);
    shares(&mut one, &mut other, "BOOKS", 0);
    shares(&mut one, &mut other, "UPPER_BOOKS", 100);
    shares(&mut one, &mut other, "LADDERS", 0);
    shares(&mut one, &mut other, "READERS", 0);
    shares(&mut one, &mut other, "ÜBERFÄLLIG", 3);
    assert_eq!(one.number("get BOOKS"), 2);
}

#[test]
fn generic_code_that_is_compiled_in_another_crate_uses_the_variables_of_its_own() {
    let folder = Folder::new();
    let (mut one, mut other) = two(&folder);
    one.ask("set BOOKS 10");
    assert_eq!(one.number("borrow"), 2);
    assert_eq!(other.number("borrow"), 4);
    assert_eq!(one.number("get BOOKS"), 6);
}

#[test]
fn blocks_in_functions_are_shared_each_for_itself() {
    let folder = Folder::new();
    let (mut one, mut other) = two(&folder);
    assert_eq!((one.number("visit"), other.number("visit"), one.number("visit")), (1, 2, 3));
    assert_eq!((one.number("sweep"), other.number("sweep")), (1, 2));
    assert_eq!((one.number("count"), other.number("count")), (51, 52));
}

#[test]
fn every_edition_can_declare_them() {
    for edition in ["2018", "2021", "2024"] {
        let cfg: &[&str] = if edition == "2024" { &[] } else { &["--cfg", "edition_2018"] };
        let program = Program::new("counter").edition(edition).flags(cfg).build();
        let folder = Folder::new();
        let (mut one, mut other) = (folder.start(&program), folder.start(&program));
        shares(&mut one, &mut other, "COUNT", 0);
        shares(&mut one, &mut other, "INNER", 10);
        one.end().quietly();
    }
}

#[test]
fn all_processes_see_one_segment_for_the_unnamed_blocks_and_count_each_other() {
    let program = Program::new("counter").build();
    let folder = Folder::new();
    let mut one = folder.start(&program);
    assert_eq!(one.ask("participants"), "1");
    let mut other = folder.start(&program);
    assert_eq!((one.ask("slots"), other.ask("slots")), ("1".into(), "2".into()));
    assert_eq!(
        (one.ask("participants"), other.ask("created"), one.ask("created")),
        ("2".into(), "false".into(), "true".into())
    );
    let files = std::fs::read_dir(folder.path().join("segments")).unwrap().count();
    assert_eq!(files, 1, "one file");
}

#[test]
fn values_are_initial_again_when_the_last_process_has_ended() {
    let program = Program::new("counter").build();
    let folder = Folder::new();
    let mut one = folder.start(&program);
    one.ask("add COUNT");
    one.ask("set LIMIT 7");
    let mut other = folder.start(&program);
    assert_eq!(other.number("get COUNT"), 1);
    one.kill();
    assert_eq!((other.number("add COUNT"), other.number("get LIMIT")), (2, 7));
    other.end().quietly();
    let mut afresh = folder.start(&program);
    assert_eq!((afresh.number("get COUNT"), afresh.number("get LIMIT")), (0, 0x5eed));
}
