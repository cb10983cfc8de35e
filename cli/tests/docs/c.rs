//! Blocks in C and C++: a compiler takes them, without a warning.
//!
//! A block without a function of its own stands inside of one: `<!-- in C: DECLARATIONS void example(...) -->` above it.

use std::path::Path;
use std::process::Command;

use super::{Block, all_blocks, folder};

#[path = "../../../tests/support/skip.rs"]
mod not_tried;

const HEADERS: &str = "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n";

/// The whole that a compiler reads: what stands around a part of a function is said above it.
fn whole(block: &Block) -> String {
    let (text, place) = (&block.text, block.place());
    match block.comment.as_deref().and_then(|comment| comment.strip_prefix("in C: ")) {
        // A macro is a line of its own.
        Some(around) => {
            let around = around.replace(" / ", "\n");
            format!("{HEADERS}#include \"cotenant.h\"\n{around}\n{{\n#line 1 \"{place}\"\n{text}}}\n")
        }
        None => format!("#line 1 \"{place}\"\n{text}"),
    }
}

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn compile(block: &Block, compiler: &str, standard: &str, file: &str) {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join(file);
    std::fs::write(&path, whole(block)).expect("it can be written");
    let include = folder().join("../capi/include");
    let output = Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(&include)
        .arg(Path::new(&path))
        .output()
        .expect("a compiler");
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {says}", block.place());
}

fn compile_all(language: &str, compiler: &str, standard: &str, file: &str) {
    let blocks: Vec<_> =
        all_blocks().into_iter().filter(|it| it.language == language && it.excuse().is_none()).collect();
    if !blocks.is_empty() && !is_there(compiler) {
        return not_tried::skip(&format!("no {compiler} here to read {} blocks of docs/", blocks.len()));
    }
    blocks.iter().for_each(|block| compile(block, compiler, standard, file));
}

#[test]
fn c_compiles_without_a_warning() {
    assert!(all_blocks().iter().any(|block| block.language == "c" && block.excuse().is_none()), "there is some");
    compile_all("c", "gcc", "-std=c11", "block.c");
}

#[test]
fn cpp_compiles_without_a_warning() {
    compile_all("cpp", "g++", "-std=c++17", "block.cpp");
}
