//! Libraries with blocks, in programs that know nothing of them: loaded, unloaded, twice, and at the end.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Folder, Tenant};
use crate::programs::{self, Program, cc, have, rustc, skip, sources};

fn library() -> PathBuf {
    Program::cdylib("library").build()
}

fn c_host(folder: &Folder) -> PathBuf {
    let path = folder.path().join("host");
    if path.exists() { path } else { cc("host.c", &path, &["-ldl"]) }
}

/// A C program that has loaded `library`.
fn host(folder: &Folder, library: &Path) -> Tenant {
    let mut host = folder.start(&c_host(folder));
    assert_eq!(host.ask(&format!("open {}", library.display())), "0");
    host
}

#[test]
fn library_in_a_c_program_shares_with_the_same_library_in_another() {
    let folder = Folder::new();
    let (mut one, mut other) = (host(&folder, &library()), host(&folder, &library()));
    assert_eq!((one.number("call 0 library_add"), other.number("call 0 library_add")), (1, 2));
    assert_eq!(one.number("call 0 library_participants"), 2);
    one.end().quietly();
    other.end().quietly();
}

#[test]
fn library_in_python_shares_with_the_same_library_in_c() {
    if !have("python3") {
        return;
    }
    let folder = Folder::new();
    let mut python = folder.command(Path::new("python3"));
    let mut python = Tenant::start(python.arg(sources().join("host.py")));
    assert_eq!(python.ask(&format!("open {}", library().display())), "0");
    let mut c = host(&folder, &library());
    assert_eq!((c.number("call 0 library_add"), python.number("call 0 library_add")), (1, 2));
    assert_eq!(c.number("call 0 library_participants"), 2);
    python.end().quietly();
    assert_eq!(c.number("call 0 library_participants"), 1);
}

#[test]
fn library_exports_its_own_functions_and_nothing_of_its_blocks() {
    let exported = programs::output(Command::new("nm").args(["--dynamic", "--defined-only"]).arg(library()));
    let mut names: Vec<_> = exported.lines().filter_map(|line| line.split(' ').next_back()).collect();
    names.retain(|name| !name.starts_with("library_"));
    assert_eq!(names, Vec::<&str>::new());
}

#[test]
fn library_that_is_linked_into_a_c_program_shares() {
    let folder = Folder::new();
    let archive = Program::new("library").named("liblibrary.a").flags(&["--crate-type", "staticlib"]).build();
    // The names are looked up while running: nothing else of the program asks the archive for them.
    let mut flags = vec!["-rdynamic", archive.to_str().unwrap(), "-ldl", "-lpthread", "-lm", "-lgcc_s"];
    flags.extend(["-Wl,-u,library_add", "-Wl,-u,library_hold", "-Wl,-u,library_try_lock"]);
    let program = cc("host.c", &folder.path().join("whole"), &flags);
    let (mut one, mut other) = (folder.start(&program), folder.start(&program));
    assert_eq!((one.number("call -1 library_add"), other.number("call -1 library_add")), (1, 2));
    assert_eq!((one.number("call -1 library_hold"), other.number("call -1 library_try_lock")), (1, 1));
    one.end().quietly();
    assert_eq!(other.number("call -1 library_try_lock"), 2);
}

#[test]
fn library_that_is_unloaded_and_loaded_again_gives_its_slot_back() {
    let folder = Folder::new();
    let mut keeper = host(&folder, &library());
    let mut host = folder.start(&c_host(&folder));
    let rounds = |name| format!("rounds {} {name} 300", library().display());
    let largest = host.number(&rounds("library_slot"));
    assert!(largest != -203, "this C library does not unload it");
    assert_eq!(largest, 2, "the largest of 300 slots");
    // Values live on, because the keeper does; the 300th adds to what the others did.
    assert_eq!(host.number(&rounds("library_add")), 300);
    assert_eq!(keeper.number("call 0 library_add"), 301);
    assert_eq!(keeper.number("call 0 library_participants"), 1);
    host.end().quietly();
}

#[test]
fn library_that_is_unloaded_by_everybody_starts_afresh() {
    let folder = Folder::new();
    let mut host = host(&folder, &library());
    assert_eq!(host.number("call 0 library_add"), 1);
    assert_eq!(host.number("close 0"), 0);
    let open_again = format!("open {}", library().display());
    assert_eq!(host.ask(&open_again), "1");
    assert_eq!(host.number("call 1 library_add"), 1);
}

#[test]
fn library_that_is_unloaded_leaves_others_as_they_are() {
    let folder = Folder::new();
    let (mut one, mut other) = (host(&folder, &library()), host(&folder, &library()));
    one.number("call 0 library_add");
    assert_eq!(other.number("call 0 library_try_lock"), 0);
    assert_eq!(one.number("close 0"), 0);
    assert_eq!(other.number("call 0 library_add"), 2);
    assert_eq!(other.number("call 0 library_participants"), 1);
    assert_eq!(other.number("call 0 library_try_lock"), 0);
    one.end().quietly();
}

/// One thread of a process has the lock, another ends the process; end handlers run, and the lock stays until death.
fn lock_stays_held_while_its_process_ends(folder: &Folder, mut ending: Tenant, load: Option<&Path>) {
    let handle = match load {
        Some(library) => ending.ask(&format!("open {}", library.display())),
        None => "-1".to_owned(),
    };
    assert_eq!(ending.number(&format!("call {handle} library_hold")), 1);
    let mut other = host(folder, &library());
    assert_eq!(other.number("call 0 library_try_lock"), 1, "somebody has it");
    ending.tell("exit 0");
    assert_eq!(ending.line(), "ending");
    assert_eq!(other.number("call 0 library_participants"), 2);
    assert_eq!(other.number("call 0 library_try_lock"), 1, "its owner lives still");
    ending.tell("go on");
    ending.end().quietly();
    assert_eq!(other.number("call 0 library_try_lock"), 2, "its owner has died");
    assert_eq!(other.number("call 0 library_try_lock"), 0, "repaired");
}

/// To be preloaded: waits behind the last end handler.
fn late(folder: &Folder) -> PathBuf {
    cc("late.c", &folder.path().join("liblate.so"), &["-shared", "-fPIC"])
}

#[test]
fn process_that_ends_with_a_loaded_library_keeps_its_lock_until_it_is_dead() {
    let folder = Folder::new();
    let ending = Tenant::start(folder.command(&c_host(&folder)).env("LD_PRELOAD", late(&folder)));
    lock_stays_held_while_its_process_ends(&folder, ending, Some(&library()));
}

#[test]
fn process_that_ends_with_a_library_that_it_is_linked_to_keeps_its_lock_until_it_is_dead() {
    let folder = Folder::new();
    let library = library();
    let search = format!("-Wl,-rpath,{}", library.parent().unwrap().display());
    let flags = ["-Wl,--no-as-needed", library.to_str().unwrap(), &search, "-ldl"];
    let linked = cc("host.c", &folder.path().join("linked"), &flags);
    let ending = Tenant::start(folder.command(&linked).env("LD_PRELOAD", late(&folder)));
    lock_stays_held_while_its_process_ends(&folder, ending, None);
}

#[test]
fn program_and_library_of_one_process_have_blocks_of_their_own() {
    let folder = Folder::new();
    let program = Program::new("loads_library").build();
    let start = || Tenant::start(folder.command(&program).arg(library()));
    let (mut one, mut other) = (start(), start());
    assert_eq!((one.number("add COUNT"), other.number("add COUNT")), (1001, 1002));
    assert_eq!((one.number("call library_add"), other.number("call library_add")), (1, 2));
    let mut c = host(&folder, &library());
    assert_eq!(c.number("call 0 library_add"), 3);
    assert_eq!(one.number("call library_participants"), 3);
    one.end().quietly();
    other.end().quietly();
}

#[test]
fn program_and_library_of_one_process_share_a_named_block_that_both_declare() {
    let folder = Folder::new();
    let program = Program::new("loads_library").build();
    let mut process = Tenant::start(folder.command(&program).arg(library()));
    assert_eq!((process.number("add COMMON"), process.number("call library_add_common")), (501, 502));
    let mut c = host(&folder, &library());
    assert_eq!((c.number("call 0 library_add_common"), process.number("get COMMON")), (503, 503));
    process.end().quietly();
}

#[test]
fn two_copies_of_a_library_in_one_process_share_with_a_slot_each() {
    let folder = Folder::new();
    let copy = folder.path().join("libcopy.so");
    programs::copy(&library(), &copy);
    let mut host = host(&folder, &library());
    assert_eq!(host.ask(&format!("open {}", copy.display())), "1");
    assert_eq!((host.number("call 0 library_add"), host.number("call 1 library_add")), (1, 2));
    assert_eq!((host.number("call 0 library_slot"), host.number("call 1 library_slot")), (1, 2));
    assert_eq!((host.number("call 0 library_hold"), host.number("call 1 library_try_lock")), (1, 1));
    host.end().quietly();
}

#[test]
fn variable_of_a_rust_dylib_is_shared_inside_and_outside_of_it() {
    let folder = Folder::new();
    let (program, _) = with_dylib(&[]).unwrap_or_else(|message| panic!("{message}"));
    let (mut one, mut other) = (start_with_dylib(&folder, &program), start_with_dylib(&folder, &program));
    assert_eq!((one.number("add COUNT"), one.number("inside")), (1, 2));
    assert_eq!((other.number("inside"), other.number("add COUNT")), (3, 4));
    one.end().quietly();
    other.end().quietly();
}

#[test]
fn program_that_does_not_move_shares_the_variable_of_a_rust_dylib_or_is_refused() {
    let folder = Folder::new();
    let (program, _) = with_dylib(&["-Crelocation-model=static"]).unwrap_or_else(|message| panic!("{message}"));
    let mut one = start_with_dylib(&folder, &program);
    if crate::elf::relocations(&program).contains("R_X86_64_COPY") {
        assert!(one.end().refused().contains("COPY relocation"));
        return;
    }
    let mut other = start_with_dylib(&folder, &program);
    assert_eq!((one.number("add COUNT"), other.number("inside")), (1, 2));
}

/// A program that uses a Rust `dylib`, and the latter.
pub(crate) fn with_dylib(flags: &[&str]) -> Result<(PathBuf, PathBuf), String> {
    let dylib = dylib();
    let external = format!("dynamic={}", dylib.display());
    let folder = dylib.parent().unwrap().display();
    let mut all =
        vec!["-Cprefer-dynamic".to_owned(), "--extern".into(), external, format!("-Clink-arg=-Wl,-rpath,{folder}")];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    Ok((Program::new("uses_dynamic").flags(&all).try_build()?, dylib))
}

pub(crate) fn dylib() -> PathBuf {
    let dylib = Program::new("dynamic").named("libdynamic.so");
    dylib.flags(&["--crate-type", "dylib", "-Cprefer-dynamic"]).build()
}

/// Where Rust's own standard library for such programs lies.
pub(crate) fn rust_libraries() -> PathBuf {
    let libraries = programs::output(rustc().args(["--print", "target-libdir"]));
    PathBuf::from(libraries.trim())
}

fn start_with_dylib(folder: &Folder, program: &Path) -> Tenant {
    if !rust_libraries().is_dir() {
        skip("the compiler has no folder of libraries");
    }
    Tenant::start(folder.command(program).env("LD_LIBRARY_PATH", rust_libraries()))
}
