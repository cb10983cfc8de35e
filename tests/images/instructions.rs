//! An access to a shared variable is as many instructions as one to a plain static.

use std::path::Path;

use crate::elf;
use crate::programs::Program;

fn are_alike(program: &Path) {
    for what in ["add", "load"] {
        let shared = elf::instructions(program, &format!("{what}_shared"));
        let plain = elf::instructions(program, &format!("{what}_plain"));
        assert_eq!(shared.len(), plain.len(), "{}:\n{shared:#?}\n{plain:#?}", program.display());
        // A load and a return are two; whoever counts more has counted something else.
        assert!(shared.len() < 12, "{shared:#?}");
    }
}

#[test]
fn access_in_a_program_costs_what_a_plain_static_costs() {
    are_alike(&Program::new("twins").flags(&["-Copt-level=3"]).build());
}

#[test]
fn access_in_a_library_costs_what_a_plain_static_costs() {
    are_alike(&Program::cdylib("twins").flags(&["-Copt-level=3"]).build());
}
