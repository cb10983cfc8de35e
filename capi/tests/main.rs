//! Every file of tests/c, compiled by every compiler with every warning an error, and run: a program in C that checks
//! what it expects and ends with status 0.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use support::program::Place;
use support::{COMPILERS, Compiler, sources};
use tempfile::TempDir;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for name in names() {
        let is_cpp = name.ends_with(".cpp");
        for compiler in COMPILERS.into_iter().filter(|compiler| !is_cpp || compiler.program.ends_with("++")) {
            let file = name.clone();
            trials.push(Trial::test(format!("{name}: {}", compiler.name), move || run(&file, compiler)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(sources()).expect("tests/c");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".c") || name.ends_with(".cpp")).collect();
    names.sort();
    names
}

fn run(name: &str, compiler: Compiler) -> Result<(), Failed> {
    if !compiler.is_installed() {
        return Ok(());
    }
    let folder = TempDir::with_prefix("cotenant-capi-")?;
    let program = compiler.compile(&[&sources().join(name)], &folder.path().join("program"), &["-pthread"]);
    Place::new().run(program, &[]);
    Ok(())
}
