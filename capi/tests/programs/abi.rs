//! What the library promises to programs that are compiled: the symbols, the header, the layouts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{WARNINGS, is_installed, output, root, skipped, soname, stage, target_folder};
use crate::tests;

fn header() -> String {
    std::fs::read_to_string(root().join("capi/include/cotenant.h")).expect("the header")
}

/// The functions that the header declares, each with whether a comment stands before it.
fn declared() -> Vec<(String, bool)> {
    let header = header();
    let starts = header.match_indices("\nCOTENANT_API").map(|(at, _)| at);
    starts
        .map(|at| {
            let before_parameters = header[at..].split('(').next().unwrap_or_default();
            let name = before_parameters.rsplit([' ', '*', '\n']).next().unwrap_or_default();
            (name.to_owned(), header[..at].ends_with("*/"))
        })
        .collect()
}

fn exported_symbols_are_exactly_the_documented_functions() {
    let declared = declared();
    assert!(declared.len() > 40, "{declared:?}");
    let undocumented: Vec<_> = declared.iter().filter(|(_, documented)| !documented).collect();
    assert!(undocumented.is_empty(), "without a comment: {undocumented:?}");
    let wanted: BTreeSet<_> = declared.into_iter().map(|(name, _)| name).collect();
    let table = output(Command::new("nm").args(["-D", "--defined-only"]).arg(target_folder().join("libcotenant.so")));
    let exported: BTreeSet<_> =
        table.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    assert_eq!(exported, wanted);
}

fn shared_library_has_its_soname() {
    let dynamic = output(Command::new("readelf").arg("-d").arg(stage().join("libcotenant.so")));
    assert!(dynamic.contains(&format!("Library soname: [{}]", soname())), "{dynamic}");
}

fn header_is_what_is_generated() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--package", "xtask", "--manifest-path"]).arg(root().join("Cargo.toml"));
    output(cargo.args(["--", "header", "--check"]).current_dir(root()));
}

/// What is compiled into programs: the header as the compiler sees it, without comments, one declaration a line.
fn abi() -> String {
    let mut cc = Command::new("gcc");
    cc.args(["-std=c11", "-E", "-P", "-I"]).arg(root().join("capi/include"));
    cc.arg("-include").arg("cotenant.h").args(["-x", "c", "/dev/null"]);
    let text = output(&mut cc);
    let ours = &text[text.find("struct cotenant_type;").expect("the first of ours")..];
    let mut lines = String::new();
    let mut depth = 0;
    for token in ours.split_whitespace() {
        lines.push_str(token);
        depth += token.matches(['{', '(']).count();
        depth -= token.matches(['}', ')']).count();
        let ends = depth == 0 && token.ends_with([';', '}']);
        lines.push(if ends { '\n' } else { ' ' });
    }
    lines
}

fn snapshot() -> PathBuf {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    root().join(format!("capi/abi/{}.txt", if major == "0" { format!("0.{minor}") } else { major.to_owned() }))
}

/// Lines are added in versions of one SONAME, and none is changed or taken away.
fn abi_is_that_of_the_snapshot() {
    let (abi, path) = (abi(), snapshot());
    if std::env::var_os("COTENANT_ACCEPT_ABI").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &abi).expect("the snapshot");
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    let (now, before): (BTreeSet<&str>, BTreeSet<&str>) = (abi.lines().collect(), accepted.lines().collect());
    let gone: Vec<_> = before.difference(&now).collect();
    let fresh: Vec<_> = now.difference(&before).collect();
    assert!(
        gone.is_empty() && fresh.is_empty(),
        "the ABI differs from {}\nchanged or gone (a program that was compiled before would break; from the first \
         release on that takes another SONAME): {gone:#?}\nadded: {fresh:#?}\nto accept it: COTENANT_ACCEPT_ABI=1 \
         cargo test -p cotenant-capi --test programs abi",
        path.display(),
    );
}

/// Of Windows's own compiler there is clang's mode; its C library is not here, so the header stands alone.
fn header_is_taken_in_the_mode_of_microsofts_compiler() {
    if !is_installed("clang") {
        return skipped::skip("`clang` is not installed");
    }
    let folder = crate::refused::folder();
    let source = folder.path().join("declaration.c");
    let text = "#include \"cotenant.h\"\n#define S(F) F(u32, a) F(f64, b)\nCOTENANT_STRUCT(s, S);\nCOTENANT_MUTEX(s);\n\
                #define B(F) F(u64, hits) F(mutex_s, guarded) F(text64, motd)\n\
                COTENANT_SHARED(b, B, name(\"x\"), on_failure(private));\nCOTENANT_SHARED_BY_CALL(c, B);\n";
    std::fs::write(&source, text).expect("a file");
    for language in [["-std=c11", "-xc"], ["-std=c++17", "-xc++"]] {
        let mut clang = Command::new("clang");
        clang.args(["--target=x86_64-pc-windows-msvc", "-ffreestanding", "-fsyntax-only", "-I"]);
        clang.arg(root().join("capi/include")).args(WARNINGS).args(language).arg(&source);
        output(&mut clang);
    }
}

tests! {
    header_is_taken_in_the_mode_of_microsofts_compiler,
    exported_symbols_are_exactly_the_documented_functions,
    shared_library_has_its_soname,
    header_is_what_is_generated,
    abi_is_that_of_the_snapshot,
}
