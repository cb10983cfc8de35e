//! Which builds share: the same one, wherever its file lies, and no other.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::elf;
use crate::process::Folder;
use crate::programs::{self, Program, output};

const NO_BUILD_ID: &str = "-Clink-arg=-Wl,--build-id=none";

fn counter() -> PathBuf {
    Program::new("counter").flags(&["-Clink-arg=-Wl,--build-id"]).build()
}

/// The same program with another text in it.
fn second_build() -> PathBuf {
    Program::new("counter").flags(&["-Clink-arg=-Wl,--build-id", "--cfg", "second_build"]).build()
}

fn counter_without_build_id() -> PathBuf {
    let program = Program::new("counter").flags(&[NO_BUILD_ID]).build();
    assert_eq!(elf::build_id(&program), None);
    program
}

/// What the second sees of the first's one step.
fn second_sees(folder: &Folder, first: &Path, second: &Path) -> i64 {
    let mut first = folder.start(first);
    assert_eq!(first.number("add COUNT"), 1);
    let mut second = folder.start(second);
    let seen = second.number("get COUNT");
    assert_eq!(second.number("add COUNT"), seen + 1);
    assert_eq!(first.number("get COUNT"), 1 + seen, "what the first sees of the second's");
    first.end().quietly();
    second.end().quietly();
    seen
}

fn copied(folder: &Folder, program: &Path) -> PathBuf {
    let copy = folder.path().join("copy");
    programs::copy(program, &copy);
    copy
}

#[test]
fn another_build_of_a_program_does_not_share_with_it() {
    assert_ne!(elf::build_id(&counter()), elf::build_id(&second_build()));
    assert_eq!(second_sees(&Folder::new(), &counter(), &second_build()), 0);
}

#[test]
fn rebuilt_program_starts_afresh_while_the_old_one_runs_on() {
    let folder = Folder::new();
    let path = copied(&folder, &counter());
    let mut old = folder.start(&path);
    assert_eq!((old.ask("build"), old.number("add COUNT")), ("first".into(), 1));
    std::fs::remove_file(&path).unwrap();
    programs::copy(&second_build(), &path);
    let mut new = folder.start(&path);
    assert_eq!((new.ask("build"), new.number("get COUNT")), ("second".into(), 0));
    new.ask("add COUNT");
    let mut another_new = folder.start(&path);
    assert_eq!((another_new.number("add COUNT"), old.number("get COUNT")), (2, 1));
}

#[test]
fn copied_program_shares_with_its_original() {
    let folder = Folder::new();
    let copy = copied(&folder, &counter());
    assert_eq!(second_sees(&folder, &counter(), &copy), 1);
}

#[test]
fn stripped_copy_shares_with_its_original() {
    let folder = Folder::new();
    let stripped = folder.path().join("stripped");
    output(Command::new("strip").arg("-o").arg(&stripped).arg(counter()));
    assert_ne!(std::fs::metadata(&stripped).unwrap().len(), std::fs::metadata(counter()).unwrap().len());
    assert_eq!(second_sees(&folder, &counter(), &stripped), 1);
}

#[test]
fn program_without_build_id_shares_with_itself() {
    let program = counter_without_build_id();
    assert_eq!(second_sees(&Folder::new(), &program, &program), 1);
}

#[test]
fn program_without_build_id_shares_with_itself_under_another_name() {
    let folder = Folder::new();
    let program = copied(&folder, &counter_without_build_id());
    let other_name = folder.path().join("hard link");
    std::fs::hard_link(&program, &other_name).unwrap();
    assert_eq!(second_sees(&folder, &program, &other_name), 1);
}

#[test]
fn copy_of_a_program_without_build_id_does_not_share_with_it() {
    let folder = Folder::new();
    let program = counter_without_build_id();
    let copy = copied(&folder, &program);
    assert_eq!(second_sees(&folder, &program, &copy), 0);
}

#[test]
fn rebuilt_program_without_build_id_starts_afresh() {
    let folder = Folder::new();
    let path = copied(&folder, &counter_without_build_id());
    let mut old = folder.start(&path);
    old.ask("add COUNT");
    std::fs::remove_file(&path).unwrap();
    let rebuilt = Program::new("counter").flags(&[NO_BUILD_ID, "--cfg", "second_build"]).build();
    programs::copy(&rebuilt, &path);
    let mut new = folder.start(&path);
    assert_eq!((new.ask("build"), new.number("get COUNT")), ("second".into(), 0));
}
