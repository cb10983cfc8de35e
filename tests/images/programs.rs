//! Builds the programs of tests/programs.
//!
//! The packages there are built by cargo, once, in a target folder of their own; that also makes the library that
//! single files (alone/) are compiled against, by the compiler itself: a cargo run for each of these many small
//! programs would cost more than the program. What a later run can use again stays in the target folder.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

#[path = "../support/skip.rs"]
mod not_tried;

pub(crate) use not_tried::{say_skipped, skip};

/// tests/programs.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

fn target_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs")
}

/// The compiler that cargo uses.
pub(crate) fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Runs a command to its end; gives its output, or fails the test with it.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Whether a tool is there. Without it the test says so and counts as skipped; in CI it fails.
pub(crate) fn have(tool: &str) -> bool {
    let found = is_installed(tool);
    if !found {
        skip(&format!("`{tool}` is not installed"));
    }
    found
}

/// As [`have`], for a tool that no machine must have, CI's neither.
pub(crate) fn happen_to_have(tool: &str) -> bool {
    let found = is_installed(tool);
    if !found {
        say_skipped(&format!("`{tool}` is not installed"));
    }
    found
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn cargo_build(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").args(arguments).arg("--message-format=json-render-diagnostics");
    cargo.arg("--manifest-path").arg(sources().join("Cargo.toml")).arg("--target-dir").arg(target_folder());
    output(&mut cargo)
}

/// A program of the packages.
pub(crate) fn package(name: &str) -> PathBuf {
    library();
    target_folder().join("debug").join(name)
}

/// `reader`, with everything that the optimiser can do.
pub(crate) fn optimised_reader() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| drop(cargo_build(&["--profile", "fat", "--package", "reader"])));
    target_folder().join("fat/reader")
}

/// A version of the named block of alone/block.rs.
pub(crate) fn block(version: &str) -> PathBuf {
    Program::new("block").named(version).flags(&["--cfg", &format!("block=\"{version}\"")]).build()
}

/// The library itself, `libcotenant-*.rlib`.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let messages = cargo_build(&["--workspace"]);
        let is_path = |text: &&str| text.contains("/libcotenant-") && text.ends_with(".rlib");
        messages.split('"').find(is_path).expect("cargo tells where the library lies").into()
    })
}

/// What is compiled from one file.
#[derive(Clone, Hash)]
pub(crate) struct Program {
    source: &'static str,
    name: String,
    edition: &'static str,
    flags: Vec<String>,
}

impl Program {
    /// The program alone/`source`.rs.
    pub(crate) fn new(source: &'static str) -> Program {
        Program { source, name: source.to_owned(), edition: "2024", flags: Vec::new() }
    }

    /// The library for C alone/`source`.rs.
    pub(crate) fn cdylib(source: &'static str) -> Program {
        Program { name: format!("lib{source}.so"), ..Program::new(source) }.flags(&["--crate-type", "cdylib"])
    }

    pub(crate) fn flags(mut self, flags: &[&str]) -> Program {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    pub(crate) fn named(mut self, name: &str) -> Program {
        name.clone_into(&mut self.name);
        self
    }

    pub(crate) fn edition(mut self, edition: &'static str) -> Program {
        self.edition = edition;
        self
    }

    /// Compiles it, unless a test or an earlier run did. Every set of options has a file of its own.
    pub(crate) fn build(&self) -> PathBuf {
        self.try_build().unwrap_or_else(|message| panic!("{message}"))
    }

    /// As [`Program::build`]; the error is what the compiler or the linker said.
    pub(crate) fn try_build(&self) -> Result<PathBuf, String> {
        type Built = Arc<OnceLock<Result<PathBuf, String>>>;
        static BUILT: Mutex<Option<HashMap<u64, Built>>> = Mutex::new(None);
        let key = hash(self);
        let mut all = BUILT.lock().unwrap();
        let built = all.get_or_insert_default().entry(key).or_default().clone();
        drop(all);
        built.get_or_init(|| self.compile(key)).clone()
    }

    fn compile(&self, key: u64) -> Result<PathBuf, String> {
        let source = sources().join("alone").join(self.source).with_extension("rs");
        let folder = target_folder().join(format!("alone/{}-{key:016x}", self.source));
        let (program, stamp) = (folder.join(&self.name), folder.join("stamp"));
        let read = |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let modules = ["console.rs", "tenancy.rs"].map(|name| read(&sources().join(name)));
        let made = std::fs::metadata(library()).and_then(|library| library.modified()).unwrap();
        let inputs = hash(&(read(&source), modules, made, library())).to_string();
        if program.exists() && std::fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == inputs) {
            return Ok(program);
        }
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut rustc = rustc();
        rustc.arg(&source).args(["--edition", self.edition, "--crate-name", self.source]).args(&self.flags);
        rustc.arg("--cap-lints=allow").arg("-L").arg(dependencies()).arg("--extern").arg(cotenant());
        rustc.arg("-o").arg(&program);
        let compiled = rustc.output().unwrap_or_else(|error| panic!("cannot start {rustc:?}: {error}"));
        if !compiled.status.success() {
            return Err(format!("{rustc:?}\n{}", String::from_utf8_lossy(&compiled.stderr)));
        }
        std::fs::write(stamp, inputs).unwrap();
        Ok(program)
    }
}

/// For `-L`: where the library's own dependencies lie.
pub(crate) fn dependencies() -> String {
    format!("dependency={}", library().parent().unwrap().display())
}

/// For `--extern`.
pub(crate) fn cotenant() -> String {
    format!("cotenant={}", library().display())
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Compiles a C file of tests/programs into a folder of the test's own.
pub(crate) fn cc(source: &str, to: &Path, flags: &[&str]) -> PathBuf {
    let mut cc = Command::new("cc");
    cc.arg(sources().join(source)).args(["-Wall", "-Werror", "-o"]).arg(to).args(flags);
    output(&mut cc);
    to.to_owned()
}

/// Copies a program. By a child: an open descriptor of our own could be inherited by a program that another test starts
/// just now, and the copy could not be started while it lives ("text file busy").
pub(crate) fn copy(program: &Path, to: &Path) {
    output(Command::new("cp").arg(program).arg(to));
}
