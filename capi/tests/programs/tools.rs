//! What tools say of programs in C: `cotenant`, valgrind, a disassembler.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::refused::folder;
use crate::support::program::Place;
use crate::support::{Compiler, GCC, is_installed, output, root, skipped, sources};
use crate::tests;

/// The command `cotenant`.
fn cotenant() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "cotenant-cli", "--manifest-path"]);
        output(cargo.arg(root().join("Cargo.toml")));
        let this = std::env::current_exe().expect("this test's own path");
        // TARGET/PROFILE/deps/this; cargo built without --release.
        this.ancestors().nth(3).expect("a folder").join("debug/cotenant")
    })
}

fn actor(folder: &Path) -> PathBuf {
    GCC.compile(&[&sources().join("programs/actor.c")], &folder.join("actor"), &["-g", "-O1"])
}

fn inspect_names_the_blocks_and_variables_of_a_program_in_c() {
    let folder = folder();
    let said = output(Command::new(cotenant()).arg("inspect").arg(actor(folder.path())));
    let has = |parts: &[&str]| said.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["block \"capi.both\"", "both"]), "{said}");
    for variable in [
        ["hits", "AtomicU64", "0"],
        ["rate", "AtomicU32", "100"],
        ["balance", "AtomicI16", "-5"],
        ["limits", "Mutex<limits>", "Idle"],
        ["workers", "Semaphore", ""],
        ["counts", "[AtomicU64; 4]", ""],
    ] {
        assert!(has(&variable), "{variable:?} in\n{said}");
    }
    // In the library that the program is linked with are none.
    let said = output(Command::new(cotenant()).arg("inspect").arg(crate::support::stage().join("libcotenant.so")));
    assert!(!said.contains("block "), "{said}");
}

fn show_prints_live_values_with_their_fields() {
    let folder = folder();
    let place = Place::new();
    let mut running = place.start(actor(folder.path()), &[]);
    assert_eq!((running.line().as_str(), running.ask("change").as_str()), ("ready", "ok"));
    let said = output(place.command(cotenant()).args(["show", "capi.both"]));
    for part in ["hits", "motd", "from_C", "burst: 1", "state: Busy", "samples: [0"] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
}

fn metrics_of_a_block_in_c_are_scraped_under_their_names() {
    let folder = folder();
    let place = Place::new();
    let mut running = place.start(actor(folder.path()), &[]);
    assert_eq!((running.line().as_str(), running.ask("count").as_str()), ("ready", "ok"));
    let said = output(place.command(cotenant()).args(["metrics", "capi.both"]));
    for line in ["served_total 2", "busy 1.5", "seconds_count 1", "seconds_sum 0.25"] {
        assert!(said.lines().any(|said| said == line), "no `{line}` in\n{said}");
    }
    let said = output(place.command(cotenant()).args(["published", "capi.both", "--object", "rates", "get"]));
    assert_eq!(said.trim(), r#"{"rate":7,"burst":8,"state":"Busy"}"#);
    let value = r#"{"burst": 9}"#;
    output(place.command(cotenant()).args(["published", "capi.both", "--object", "rates", "set", value]));
    assert_eq!(running.ask("published"), "7 9 7 1");
}

/// Hostile bytes where the tables of C lie: an answer, whatever it is, and soon.
fn damaged_tables_are_refused() {
    use cotenant::inspect::{Contents, inspect};

    let folder = folder();
    let whole = std::fs::read(actor(folder.path())).expect("the program");
    let magic = whole.windows(8).position(|bytes| bytes == b"COTCDECL").expect("a declaration");
    // The tables lie around it in their section.
    let (start, end) = (magic.saturating_sub(4096), (magic + 4096).min(whole.len()));
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (random >> 33) as usize
    };
    let mut found = 0;
    for _ in 0..1000 {
        let mut damaged = whole.clone();
        for _ in 0..1 + next() % 4 {
            damaged[start + next() % (end - start)] = next() as u8;
        }
        let Ok(Contents::Image(image)) = inspect(&damaged) else { continue };
        // Also what is read only when it is asked for.
        for variable in image.blocks.iter().flat_map(|block| &block.variables) {
            found += variable.type_text().len() + variable.initial(80).map_or(0, |text| text.len());
        }
    }
    assert!(found > 0);
}

fn valgrind_finds_nothing_in_plain_use() {
    if !is_installed("valgrind") {
        return skipped::say_skipped("`valgrind` is not installed");
    }
    let folder = folder();
    for name in ["variables.c", "segment.c", "by_call.c"] {
        let program = GCC.compile(&[&sources().join(name)], &folder.path().join("program"), &["-g", "-pthread"]);
        let place = Place::new();
        let mut valgrind = place.command("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
        let ended = crate::support::program::Program::start(valgrind.arg(program)).end();
        assert!(ended.status.success(), "{name}:\n{}", ended.stderr);
    }
}

const SHARED_AND_PLAIN: &str = r#"
#include "cotenant.h"
#include <stdatomic.h>
#define B(F) F(u64, hits) F(bool, open)
COTENANT_SHARED(b, B);
static _Atomic uint64_t plain_hits;
static _Atomic _Bool plain_open;
#define KEEP __attribute__((noinline, used))
KEEP uint64_t shared_load(void) { return cotenant_u64_load(&b()->hits); }
KEEP uint64_t plain_load(void) { return atomic_load_explicit(&plain_hits, memory_order_acquire); }
KEEP void shared_store(uint64_t to) { cotenant_u64_store(&b()->hits, to); }
KEEP void plain_store(uint64_t to) { atomic_store_explicit(&plain_hits, to, memory_order_release); }
KEEP uint64_t shared_add(void) { return cotenant_u64_add(&b()->hits, 3); }
KEEP uint64_t plain_add(void) { return atomic_fetch_add_explicit(&plain_hits, 3, memory_order_acq_rel); }
KEEP void shared_count(void) { cotenant_u64_add(&b()->hits, 1); }
KEEP void plain_count(void) { atomic_fetch_add_explicit(&plain_hits, 1, memory_order_acq_rel); }
KEEP bool shared_flag(void) { return cotenant_bool_load(&b()->open); }
KEEP bool plain_flag(void) { return atomic_load_explicit(&plain_open, memory_order_acquire); }
int main(int argc, char **argv)
{
    (void)argv;
    cotenant_bool_store(&b()->open, argc > 1);
    atomic_store_explicit(&plain_open, argc > 1, memory_order_release);
    shared_store(1), plain_store(1), shared_count(), plain_count();
    return (int)(shared_load() + plain_load() + shared_add() + plain_add() + shared_flag() + plain_flag());
}
"#;

/// The instructions of a function, without addresses.
fn instructions(disassembly: &str, function: &str) -> Vec<String> {
    let start = disassembly.find(&format!("<{function}>:")).unwrap_or_else(|| panic!("no {function}"));
    let body = disassembly[start..].lines().skip(1).take_while(|line| !line.trim().is_empty());
    // `    1139:\tlock addq $0x1,0x3ebf(%rip)        # 5000 <b_shared>`
    let operation = |line: &str| line.rsplit('\t').next().unwrap_or_default().split('#').next().map(str::to_owned);
    let without_addresses = |line: String| {
        let hex = |part: &str| part.find("0x").filter(|_| line.contains("(%rip)")).map(|at| part[..at].to_owned());
        hex(&line).unwrap_or(line.clone()).trim().to_owned()
    };
    let padding =
        |line: &String| line.contains("nop") || line == "int3" || line.starts_with("cs ") || line.starts_with("data16");
    body.filter_map(operation).map(without_addresses).filter(|line| !padding(line)).collect()
}

fn access_to_a_shared_variable_is_that_to_a_plain_one() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let folder = folder();
    let source = folder.path().join("access.c");
    std::fs::write(&source, SHARED_AND_PLAIN).expect("a file");
    let compiler = |program, flags| Compiler { name: program, program, flags, is_static: false };
    for compiler in [
        compiler("gcc", &["-std=c11", "-O2"]),
        compiler("gcc", &["-std=c11", "-O3", "-flto"]),
        compiler("clang", &["-std=c11", "-O3", "-flto", "-fuse-ld=lld"]),
    ] {
        if !compiler.is_installed() {
            continue;
        }
        let program = compiler.compile(&[&source], &folder.path().join("access"), &[]);
        let disassembly = output(Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(program));
        for what in ["load", "store", "add", "count", "flag"] {
            let (shared, plain) = (
                instructions(&disassembly, &format!("shared_{what}")),
                instructions(&disassembly, &format!("plain_{what}")),
            );
            assert!(!shared.is_empty() && shared.len() <= 4, "{}: {what}: {shared:?}", compiler.name);
            assert_eq!(shared.len(), plain.len(), "{}: {what}: {shared:?} {plain:?}", compiler.name);
            assert_eq!(shared, plain, "{}: {what}", compiler.name);
        }
    }
}

tests! {
    inspect_names_the_blocks_and_variables_of_a_program_in_c,
    damaged_tables_are_refused,
    show_prints_live_values_with_their_fields,
    metrics_of_a_block_in_c_are_scraped_under_their_names,
    valgrind_finds_nothing_in_plain_use,
    access_to_a_shared_variable_is_that_to_a_plain_one,
}
