//! Names in `nm`: each variable has one, at the address that the code uses.

use std::path::Path;

use crate::elf;
use crate::process::Folder;
use crate::programs::{Program, optimised_reader, package};

/// Each variable of the pairs (name in the program's answers, name in `nm`) lies where `nm` says.
pub(crate) fn lie_where_nm_says(program: &Path, names: &[(&str, &str)]) {
    let folder = Folder::new();
    let mut running = folder.start(program);
    running.ask("get ready");
    let base = elf::base_in(running.id(), program);
    for (known, symbol) in names {
        let address = running.number(&format!("address {known}")) as u64;
        assert_eq!(base + elf::address_of(program, symbol), address, "{symbol} of {}", program.display());
    }
}

#[test]
fn every_variable_has_its_module_and_name_in_nm_at_the_address_that_the_code_uses() {
    let names = [
        ("PEOPLE", "town::PEOPLE"),
        ("DEGREES", "town::WEATHER"),
        ("VISITORS", "town::VISITORS"),
        ("BOOKS", "shelf::BOOKS"),
        ("UPPER_BOOKS", "shelf::upper::BOOKS"),
        ("READERS", "shelf::READERS"),
        ("ÜBERFÄLLIG", "shelf::ÜBERFÄLLIG"),
        ("HERE", "town::HERE"),
    ];
    lie_where_nm_says(&package("town"), &names);
}

#[test]
fn variable_that_nobody_uses_has_a_name_too() {
    elf::address_of(&package("town"), "shelf::upper::DUST");
    elf::address_of(&Program::new("counter").build(), "counter::inner::NOBODY_USES_THIS");
}

#[test]
fn of_two_variables_with_one_name_in_functions_of_a_module_one_has_it() {
    elf::address_of(&package("town"), "shelf::ROUNDS");
}

#[test]
fn names_survive_the_optimiser() {
    let program = optimised_reader();
    let second = elf::address_of(&program, "reader::SECOND");
    assert_eq!(elf::address_of(&program, "reader::FIRST") + 8, second);
    elf::address_of(&program, "reader::LIMIT");
}
