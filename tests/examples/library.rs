//! The library example: programs in C, Python and Rust that load it share its counter. On Windows the two `.exe` do,
//! which have the DLL loaded at the same time.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{library, library_user};
use crate::not_tried::skip;
use crate::numbers_after;
use crate::run::{Place, Running};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/library");

/// Whether a tool can be started. Without it a part is skipped loudly, and in CI that is a failure.
fn have(tool: &str) -> bool {
    let is_there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        skip(&format!("the library's user that needs `{tool}`, which is not in PATH"));
    }
    is_there
}

fn c_user(library: &Path, place: &Place) -> Option<PathBuf> {
    if cfg!(windows) {
        // Linked with the DLL before the tests began.
        return Some(library_user("count-c"));
    }
    if !have("cc") {
        return None;
    }
    let folder = library.parent().expect("a folder").display();
    let program = place.path().join("count-c");
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-Werror", &format!("{SOURCES}/count.c"), "-o"]).arg(&program);
    cc.args([format!("-L{folder}"), "-lvisits".to_owned(), format!("-Wl,-rpath,{folder}")]);
    let output = cc.output().expect("cc can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

#[test]
fn programs_in_c_python_and_rust_share_the_counter_of_the_library() {
    // Two seconds together; under Wine programs need longer to start.
    const TICKS: u64 = if cfg!(windows) { 25 } else { 10 };
    let ticks = TICKS.to_string();
    let place = Place::new();
    // Programs and segments apart: a program in the folder of segments would be a foreign file there.
    let programs = Place::new();
    let library = library();
    let library_path = library.to_str().expect("a path in UTF-8");
    let script = format!("{SOURCES}/count.py");
    // All is built before the first is started, so that they run at the same time.
    let mut users = vec![("Rust", library_user("count"), vec![library_path, &ticks])];
    if let Some(program) = c_user(&library, &programs) {
        users.push(("C", program, vec![&ticks]));
    }
    if cfg!(unix) && have("python3") {
        users.push(("Python", PathBuf::from("python3"), vec![&script, library_path, &ticks]));
    }
    let start = |(language, program, arguments): (&'static str, PathBuf, Vec<&str>)| {
        (language, place.start(program, &arguments))
    };
    let users: Vec<(&str, Running)> = users.into_iter().map(start).collect();
    let all = users.len() as u64 * TICKS;
    let mut lines = Vec::new();
    for (language, user) in users {
        let of_user = user.end_well();
        assert!(of_user.iter().all(|line| line.contains(&format!("] {language}: visits = "))), "{of_user:#?}");
        lines.extend(of_user);
    }
    assert_eq!(numbers_after(&lines, "visits = "), (1..=all).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn variable_of_the_library_is_not_exported() {
    if !have("nm") {
        return;
    }
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output();
    let names = String::from_utf8(output.expect("nm can be started").stdout).expect("names");
    assert!(names.contains(" T visits_add"), "{names}");
    assert!(!names.contains("VISITS"), "{names}");
}
