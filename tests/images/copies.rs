//! COPY relocations: a program that names a library's block itself would have a copy of it, silently private.

use crate::elf;
use crate::libraries::{dylib, rust_libraries};
use crate::process::{Folder, Tenant};
use crate::programs::{cc, skip};

/// The block's symbol as the compiler calls it.
fn symbol() -> Option<String> {
    let is_block = |name: &String| name.contains("__BLOCK") && name.contains("dynamic");
    elf::symbols(&dylib()).into_iter().map(|symbol| symbol.name).find(is_block)
}

fn is_refused(flags: &[&str]) {
    let Some(symbol) = symbol() else {
        return skip("the block of a Rust dylib has no symbol: nobody could name it");
    };
    let folder = Folder::new();
    let dylib = dylib();
    let path = folder.path().join("copies");
    let (define, rust) = (format!("-DBLOCK=\"{symbol}\""), rust_libraries());
    let run_path = |of: &std::path::Path| format!("-Wl,-rpath,{}", of.display());
    let (own, std) = (run_path(dylib.parent().unwrap()), run_path(&rust));
    let all = [flags, &[&define, dylib.to_str().unwrap(), &own, &std]].concat();
    let program = cc("copies.c", &path, &all);
    let relocations = elf::relocations(&program);
    if cfg!(target_arch = "x86_64") {
        assert!(relocations.contains("R_X86_64_COPY"), "{relocations}");
    }
    let ended = Tenant::start(&mut folder.command(&program)).end();
    if !relocations.contains("_COPY") {
        return ended.quietly();
    }
    let message = ended.refused();
    for part in ["COPY relocation", "dynamic", "do not export the variable"] {
        assert!(message.contains(part), "no `{part}` in:\n{message}");
    }
}

#[test]
fn program_at_a_fixed_address_with_a_copy_of_the_block_is_refused() {
    is_refused(&["-no-pie", "-fno-pic"]);
}

#[test]
fn position_independent_program_with_a_copy_of_the_block_is_refused() {
    is_refused(&["-pie", "-fpie"]);
}
