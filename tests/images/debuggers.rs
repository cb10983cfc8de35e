//! Tools that run or look into a program.

use std::path::Path;

use crate::process::{Folder, Tenant};
use crate::programs::{Program, happen_to_have, have, output};

/// What gdb says to `commands` where the program is about to serve.
fn gdb(folder: &Folder, program: &Path, commands: &[&str]) -> String {
    let mut gdb = folder.command(Path::new("gdb"));
    gdb.args(["--nx", "--batch", "-iex", "set debuginfod enabled off", "-ex", "set startup-with-shell off"]);
    gdb.args(["-ex", "break debugger_stops_here", "-ex", "run"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    output(gdb.args(["-ex", "kill"]).arg(program).env("LC_ALL", "C").stdin(std::process::Stdio::null()))
}

#[test]
fn gdb_shows_and_sets_a_shared_value_by_its_name_in_nm_in_a_program_without_debugging_information() {
    if !have("gdb") {
        return;
    }
    let folder = Folder::new();
    let program = Program::new("counter").build();
    let mut running = folder.start(&program);
    running.ask("set COUNT 4321");
    running.ask("set INNER 1234");
    let first = "print *(unsigned long*)&'counter::COUNT'";
    let second = "print {unsigned long}&'counter::inner::COUNT'";
    let set = "set var {unsigned long}&'counter::COUNT' = 99";
    let said = gdb(&folder, &program, &["set language c", first, second, set]);
    assert!(said.contains("$1 = 4321") && said.contains("$2 = 1234"), "{said}");
    assert_eq!(running.number("get COUNT"), 99, "{said}");
    assert_eq!(running.ask("participants"), "1");
}

#[test]
fn gdb_shows_the_shared_values_of_a_module_by_its_block_in_a_program_with_debugging_information() {
    if !have("gdb") {
        return;
    }
    let folder = Folder::new();
    let program = Program::new("counter").flags(&["-g"]).build();
    let mut running = folder.start(&program);
    running.ask("set COUNT 4321");
    let value = "print counter::_::__BLOCK.block.value.COUNT.v.value";
    let said = gdb(&folder, &program, &[value, "print counter::_::__BLOCK"]);
    assert!(said.contains("$1 = 4321"), "{said}");
    assert!(said.contains("COUNT: ") && said.contains("LIMIT: ") && said.contains("24301"), "{said}");
}

#[test]
fn program_under_valgrind_shares_with_one_that_is_not() {
    if !happen_to_have("valgrind") {
        return;
    }
    let folder = Folder::new();
    let program = Program::new("counter").build();
    let mut plain = folder.start(&program);
    assert_eq!(plain.number("add COUNT"), 1);
    let mut valgrind = folder.command(Path::new("valgrind"));
    let mut watched = Tenant::start(valgrind.args(["--quiet", "--error-exitcode=9"]).arg(&program));
    assert_eq!((watched.number("add COUNT"), plain.number("add COUNT")), (2, 3));
    assert_eq!(plain.ask("participants"), "2");
    let ended = watched.end();
    assert!(ended.status.success(), "{}", ended.errors);
}
