//! What is refused when it is compiled, and what when it is loaded: with one clear line, and status 78.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::program::{Ended, Place};
use crate::support::{Compiler, GCC, GXX, output, root, sources, stage};
use crate::tests;

pub(crate) fn folder() -> TempDir {
    TempDir::with_prefix("cotenant-capi-").expect("a folder")
}

/// A library of library.c with these words.
pub(crate) fn library(folder: &Path, words: &str, more: &[&str]) -> PathBuf {
    let out = folder.join("libplugin.so");
    let words = format!("-DWORDS={words}");
    let mut all = vec!["-shared", "-fPIC"];
    if words != "-DWORDS=" {
        all.push(&words);
    }
    all.extend(more);
    GCC.compile(&[&sources().join("programs/library.c")], &out, &all)
}

pub(crate) fn host(folder: &Path) -> PathBuf {
    let out = folder.join("host");
    let mut cc = Command::new("gcc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]).arg(sources().join("programs/host.c"));
    output(cc.arg("-o").arg(&out).arg("-ldl"));
    out
}

#[track_caller]
fn is_refused(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.status.code(), Some(78), "{}{}", ended.stdout, ended.stderr);
    for part in parts {
        assert!(ended.stderr.contains(part), "no `{part}` in:\n{}", ended.stderr);
    }
}

fn block_that_a_program_copies_is_refused() {
    for flags in [["-no-pie", "-fno-pic"], ["-pie", "-fpie"]] {
        let folder = folder();
        // Exported against the header's will.
        let library =
            library(folder.path(), "on_failure(exit)", &["-DVISIBILITY=\"default\"", "-Wl,-soname,libplugin.so"]);
        let program = folder.path().join("copies");
        let run_path = format!("-Wl,-rpath,{}", folder.path().display());
        let source = sources().join("programs/copies.c");
        let library = library.to_str().expect("a path");
        GCC.compile(&[&source], &program, &[flags[0], flags[1], library, &run_path]);
        let relocations = output(Command::new("readelf").arg("-rW").arg(&program));
        assert!(relocations.contains("_COPY"), "{relocations}");
        let ended = Place::new().start(&program, &[]).end();
        is_refused(&ended, &["COPY relocation", "plugin", "do not export the variable"]);
    }
}

fn block_of_the_header_cannot_be_copied() {
    let folder = folder();
    let library = library(folder.path(), "on_failure(exit)", &[]);
    let names = output(Command::new("nm").arg("-D").arg(library));
    assert!(names.contains(" T plugin_hit") && !names.contains("plugin_shared"), "{names}");
}

fn library_that_does_not_say_what_is_to_happen_on_failure_is_refused() {
    let folder = folder();
    let library = library(folder.path(), "", &[]);
    let ended = Place::new().start(host(folder.path()), &[library.to_str().expect("a path")]).end();
    is_refused(&ended, &["`plugin`", "library", "on_failure(exit) or on_failure(private)"]);
}

fn library_that_says_private_goes_on_alone_and_can_ask_why() {
    let folder = folder();
    let library = library(folder.path(), "on_failure(private)", &[]);
    let library = library.to_str().expect("a path");
    let place = Place::new();
    let mut command = place.command(host(folder.path()));
    // A folder that cannot be.
    command.env("COTENANT_DIR", "/proc/none").arg(library);
    let ended = crate::support::program::Program::start(&mut command).end();
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(!ended.stdout.contains("status 0,") && ended.stdout.contains(", 0 before"), "{}", ended.stdout);
    let ended = place.start(host(folder.path()), &[library]).end();
    assert!(ended.stdout.contains("status 0, 0 before"), "{}", ended.stdout);
}

fn program_that_cannot_share_ends_before_main() {
    let folder = folder();
    let program = GCC.compile(&[&sources().join("programs/odd.c")], &folder.path().join("odd"), &[]);
    let place = Place::new();
    let mut command = place.command(&program);
    let ended = crate::support::program::Program::start(command.env("COTENANT_DIR", "relative")).end();
    is_refused(&ended, &["cannot share the variables of `capi.both`", "COTENANT_DIR"]);
    let ended = crate::support::program::Program::start(place.command(&program).env("COTENANT_PRIVATE", "1")).end();
    assert!(ended.status.success(), "{}", ended.stderr);
}

fn another_layout_of_a_named_block_is_refused_field_by_field() {
    let folder = folder();
    let source = |name: &str| sources().join("programs").join(name);
    let actor = GCC.compile(&[&source("actor.c")], &folder.path().join("actor"), &[]);
    let odd = GCC.compile(&[&source("odd.c")], &folder.path().join("odd"), &[]);
    let place = Place::new();
    let running = place.start(actor, &[]);
    assert_eq!(running.line(), "ready");
    is_refused(&place.start(odd, &[]).end(), &["`capi.both`", "hits", "AtomicI64", "AtomicU64"]);
}

/// Whether a file with this declaration compiles, and what the compiler says if not.
fn compiled(compiler: Compiler, text: &str) -> Result<(), String> {
    let folder = folder();
    let source = folder.path().join("declaration.c");
    std::fs::write(&source, format!("#include \"cotenant.h\"\n{text}\n")).expect("a file");
    let mut cc = Command::new(compiler.program);
    cc.args(compiler.flags).args(crate::support::WARNINGS).arg("-I").arg(root().join("capi/include"));
    let done =
        cc.arg("-c").arg(source).arg("-o").arg(folder.path().join("declaration.o")).output().expect("a compiler");
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

fn what_cannot_be_shared_is_refused_by_the_compiler() {
    let refused = [
        // A pointer means nothing in another process.
        ("typedef char *string;\n#define B(F) F(string, name)\nCOTENANT_SHARED(b, B);", "cotenant_variable_string"),
        ("#define B(F) F(size_t, bytes)\nCOTENANT_SHARED(b, B);", "cotenant_variable_size_t"),
        // Without a lock: half of one value and half of another.
        ("#define B(F) F(f64, mean)\nCOTENANT_SHARED(b, B);", "cotenant_variable_f64"),
        (
            "#define S(F) F(u32, a)\nCOTENANT_STRUCT(s, S);\n#define B(F) F(s, plain)\nCOTENANT_SHARED(b, B);",
            "cotenant_variable_s",
        ),
        ("#define B(F) F(u64, hits)\nCOTENANT_SHARED(b, B, nam(\"x\"));", "COTENANT_WORD_nam"),
        ("#define B(F) F(u64, hits)\nCOTENANT_SHARED(b, B, keep(for_ever));", "COTENANT_X_KEEP_for_ever"),
        ("#define V(X) X(A, A, 0)\nCOTENANT_ENUM(e, f64, V);", "u8 to u64"),
        ("#define V(X) X(A, A, 0)\nCOTENANT_ENUM(e, bool, V);", "u8 to u64"),
        ("#define B(F) F(histogram, h, COTENANT_BUCKETS(0, 40, 2))\nCOTENANT_SHARED(b, B);", "negative"),
        ("COTENANT_SEMAPHORE(pool, 3);", "power of two"),
        ("COTENANT_BARRIER(many, 17);", "1 to 16, 32 or 64"),
        ("#define B(F) F(u64, hits)\nCOTENANT_SHARED(b, B);\nuint64_t f(void) { return b()->hits + 1; }", "operand"),
    ];
    for compiler in [GCC, GXX] {
        for (text, part) in refused {
            let said = compiled(compiler, text).expect_err(text);
            assert!(said.contains(part) || compiler.program == GXX.program, "no `{part}` in:\n{said}");
        }
        compiled(compiler, "#define B(F) F(u64, hits) F(mutex, lock)\nCOTENANT_SHARED(b, B, name(\"x\"));")
            .expect("it is");
    }
}

fn struct_that_was_packed_is_refused() {
    let folder = folder();
    let source = folder.path().join("packed.c");
    let text = "#pragma pack(1)\n#include \"cotenant.h\"\n#define S(F) F(u8, a) F(u32, b)\nCOTENANT_STRUCT(s, S);\n\
                COTENANT_MUTEX(s);\n#define B(F) F(mutex_s, guarded)\nCOTENANT_SHARED(b, B);\n\
                int main(void) { return 0; }\n";
    std::fs::write(&source, text).expect("a file");
    let program = folder.path().join("packed");
    let mut cc = Command::new("gcc");
    cc.arg("-I").arg(root().join("capi/include")).arg(source).arg("-o").arg(&program).arg("-L").arg(stage());
    output(cc.arg(format!("-Wl,-rpath,{}", stage().display())).arg("-lcotenant"));
    is_refused(&Place::new().start(program, &[]).end(), &["#pragma pack"]);
}

/// Of what the compiler of C cannot see: ended when the program is loaded, by a line.
fn what_the_compiler_cannot_see_is_refused_at_load() {
    let folder = folder();
    for (text, part) in [
        (
            "#define S(F) F(atomic_u64, a)\nCOTENANT_STRUCT(s, S);\nCOTENANT_PUBLISHED(s);\n\
             #define B(F) F(published_s, p)",
            "`a`",
        ),
        ("COTENANT_PUBLISHED(mutex);\n#define B(F) F(published_mutex, p)", "Mutex"),
        ("#define B(F) F(flag, dark_mode, COTENANT_PERCENT(250.0))", "`dark_mode` is on for 250 per cent"),
        (
            "COTENANT_VARIABLE_ARRAY(two, flag, 2);\n\
             #define B(F) F(two, modes, {{COTENANT_PERCENT(1.0)}, {COTENANT_PERCENT(250.0)}})",
            "`modes` is on for 250 per cent",
        ),
        // Zero is none of its values, and Rust would look at it.
        (
            "#define V(X) X(A, A, 1)\nCOTENANT_ENUM(e, i16, V);\nCOTENANT_PUBLISHED(e);\n\
             #define B(F) F(published_e, p)",
            "`e`",
        ),
        (
            "#define V(X) X(A, A, 1)\nCOTENANT_ENUM(e, u8, V);\nCOTENANT_MUTEX(e);\n#define B(F) F(mutex_e, m, {0}, 2)",
            "`e`",
        ),
        ("COTENANT_PER_PROCESS(u64);\n#define B(F) F(per_process_u64, sent)", "no atomic"),
    ] {
        let source = folder.path().join("published.c");
        let text = format!("#include \"cotenant.h\"\n{text}\nCOTENANT_SHARED(b, B);\nint main(void) {{ return 0; }}\n");
        std::fs::write(&source, text).expect("a file");
        let program = GCC.compile(&[&source], &folder.path().join("published"), &[]);
        is_refused(&Place::new().start(program, &[]).end(), &[part]);
    }
}

tests! {
    what_the_compiler_cannot_see_is_refused_at_load,
    block_that_a_program_copies_is_refused,
    block_of_the_header_cannot_be_copied,
    library_that_does_not_say_what_is_to_happen_on_failure_is_refused,
    library_that_says_private_goes_on_alone_and_can_ask_why,
    program_that_cannot_share_ends_before_main,
    another_layout_of_a_named_block_is_refused_field_by_field,
    what_cannot_be_shared_is_refused_by_the_compiler,
    struct_that_was_packed_is_refused,
}
