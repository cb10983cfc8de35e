//! What `shared!` and the derive refuse, and what they say: each program in tests/refused must not compile, and the
//! compiler's message must contain the texts of its first lines, `//~ text`.
//!
//! The compiler is called directly, once for each, and writes no code: a run of cargo for each would take minutes.
#![cfg(target_os = "linux")]

#[path = "../images/programs.rs"]
#[allow(dead_code)]
mod programs;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use programs::{cotenant, dependencies, rustc};

/// What is wrong with a case, if something is.
fn complaint(case: &Path) -> Option<String> {
    let source = std::fs::read_to_string(case).unwrap();
    let expected: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//~ ")).collect();
    if expected.is_empty() {
        return Some("its first line does not tell what the message must contain (`//~ text`)".to_owned());
    }
    let mut rustc = rustc();
    // A file for each: the compiler renames what it wrote to its place, and as root would do so over a device, too.
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(case.with_extension("rmeta").file_name().unwrap_or_default());
    rustc.args(["--edition=2024", "--emit=metadata", "--crate-type=bin", "--cap-lints=allow", "-o"]).arg(out);
    rustc.arg("-L").arg(dependencies()).arg("--extern").arg(cotenant()).arg(case);
    let output = rustc.output().unwrap_or_else(|error| panic!("cannot start {rustc:?}: {error}"));
    let message = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Some("it compiles".to_owned());
    }
    if output.status.code() != Some(1) || message.contains("internal compiler error") {
        return Some(format!("the compiler broke down:\n{message}"));
    }
    let missing: Vec<_> = expected.iter().filter(|text| !message.contains(**text)).collect();
    (!missing.is_empty()).then(|| format!("{missing:?} is not in:\n{message}"))
}

#[test]
fn everything_that_cannot_be_shared_is_refused_with_a_message_that_helps() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect();
    cases.sort();
    assert!(cases.len() > 80, "{} cases", cases.len());
    programs::library();
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
                    if let Some(complaint) = complaint(case) {
                        let name = case.file_name().unwrap_or_default().display().to_string();
                        complaints.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {complaint}"));
                    }
                }
            });
        }
    });
    let mut complaints = complaints.into_inner().unwrap();
    complaints.sort();
    assert!(complaints.is_empty(), "{} of {}:\n\n{}", complaints.len(), cases.len(), complaints.join("\n\n"));
}
