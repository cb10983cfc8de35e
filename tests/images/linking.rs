//! Ways to compile and link a program.

use std::path::Path;

use crate::elf;
use crate::names;
use crate::process::Folder;
use crate::programs::{Program, block, optimised_reader};

/// Two processes share, and the variables have their names.
pub(crate) fn works(program: &Path) {
    let folder = Folder::new();
    let (mut one, mut other) = (folder.start(program), folder.start(program));
    assert_eq!((one.number("add COUNT"), other.number("add COUNT")), (1, 2));
    assert_eq!((one.number("add INNER"), other.number("add INNER")), (11, 12));
    one.end().quietly();
    other.end().quietly();
    let names = [("COUNT", "counter::COUNT"), ("LIMIT", "counter::LIMIT"), ("INNER", "counter::inner::COUNT")];
    names::lie_where_nm_says(program, &names);
}

/// The section consists of the three blocks of alone/counter.rs, whole pages each, and of nothing else.
pub(crate) fn section_is_whole_pages(program: &Path) {
    let page = if cfg!(target_arch = "x86_64") { 4096 } else { 65536 };
    let sections = elf::sections(program, "cotenant");
    let [(address, bytes, alignment)] = sections[..] else { panic!("sections: {sections:?}") };
    assert_eq!((address % page, bytes, alignment), (0, 3 * page, page), "{}", program.display());
    let inside = elf::symbols_in(program, "cotenant").into_iter().filter(|it| it.address < address + bytes);
    let names: Vec<_> = inside.map(|symbol| symbol.name).collect();
    assert!(names.iter().any(|name| name.contains("counter::COUNT")), "{names:?}");
    for name in names {
        let is_ours = ["counter::", "__BLOCK", "__start_cotenant"].iter().any(|part| name.contains(part));
        assert!(is_ours, "{name} lies in the section");
    }
}

#[test]
fn static_program_shares() {
    let program = Program::new("counter").flags(&["-Ctarget-feature=+crt-static"]).build();
    assert!(elf::relocations(&program).contains("RELATIV"), "it moves");
    works(&program);
    section_is_whole_pages(&program);
}

#[test]
fn static_program_at_a_fixed_address_shares() {
    works(&Program::new("counter").flags(&["-Ctarget-feature=+crt-static", "-Crelocation-model=static"]).build());
}

#[test]
fn program_at_a_fixed_address_shares() {
    works(&Program::new("counter").flags(&["-Crelocation-model=static"]).build());
}

#[test]
fn program_that_aborts_on_panic_shares() {
    works(&Program::new("counter").flags(&["-Cpanic=abort"]).build());
}

#[test]
fn program_in_many_codegen_units_compiled_incrementally_shares() {
    let folder = Folder::new();
    let incremental = format!("-Cincremental={}", folder.path().join("incremental").display());
    works(&Program::new("counter").flags(&["-Ccodegen-units=16", &incremental]).build());
}

#[test]
fn optimised_program_in_many_codegen_units_shares() {
    works(&Program::new("counter").flags(&["-Copt-level=3", "-Ccodegen-units=16"]).build());
}

#[test]
fn optimised_program_that_only_reads_a_variable_loads_it() {
    let program = optimised_reader();
    for (function, variable) in [("read_limit", "reader::LIMIT"), ("read_second", "reader::SECOND")] {
        let code = elf::instructions(&program, function).join("\n");
        assert!(!code.contains("$0x5eed") && !code.contains("$0x2,"), "the initial value:\n{code}");
        if cfg!(target_arch = "x86_64") {
            assert!(code.starts_with("mov") && code.contains("(%rip)"), "no load:\n{code}");
            let address = format!("# {:x} <", elf::address_of(&program, variable));
            assert!(code.contains(&address), "not from {variable} ({address}):\n{code}");
        }
    }
}

#[test]
fn optimised_program_that_only_reads_sees_what_others_write() {
    let folder = Folder::new();
    let mut reader = folder.start(&optimised_reader());
    assert_eq!((reader.number("limit"), reader.number("first"), reader.number("second")), (0x5eed, 1, 2));
    let mut writer = folder.start(&block("old"));
    writer.ask("set SECOND 200");
    writer.ask("set FIRST 100");
    assert_eq!((reader.number("first"), reader.number("second")), (100, 200));
}
