//! Help for tests that compile programs in C and C++ and run them.
//!
//! ```text
//! cargo build -p cotenant-capi --> stage: lib/libcotenant.so.0.1, libcotenant.a, as an installation has them
//!                              --> cc, with every warning an error --> a program in a folder of its own
//! ```

#![allow(dead_code)] // Each test program uses its part.

pub(crate) mod program;
#[path = "../../../tests/support/skip.rs"]
pub(crate) mod skipped;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// What every program must bear.
pub(crate) const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("capi lies in the repository")
}

/// capi/tests/c.
pub(crate) fn sources() -> PathBuf {
    root().join("capi/tests/c")
}

/// A compiler, and a way to link: those that all programs are tried with.
#[derive(Clone, Copy)]
pub(crate) struct Compiler {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    pub(crate) flags: &'static [&'static str],
    pub(crate) is_static: bool,
}

const fn shared(name: &'static str, program: &'static str, flags: &'static [&'static str]) -> Compiler {
    Compiler { name, program, flags, is_static: false }
}

pub(crate) const GCC: Compiler = shared("gcc", "gcc", &["-std=c11"]);
pub(crate) const GXX: Compiler = shared("g++", "g++", &["-std=c++17", "-x", "c++"]);
pub(crate) const COMPILERS: [Compiler; 8] = [
    GCC,
    shared("gcc O3 LTO", "gcc", &["-std=c11", "-O3", "-flto"]),
    Compiler { name: "gcc static", program: "gcc", flags: &["-std=c11", "-O2"], is_static: true },
    GXX,
    shared("g++ O3 LTO", "g++", &["-std=c++20", "-x", "c++", "-O3", "-flto"]),
    shared("clang", "clang", &["-std=c11"]),
    shared("clang O3 LTO", "clang", &["-std=c17", "-O3", "-flto", "-fuse-ld=lld"]),
    shared("clang++", "clang++", &["-std=c++17", "-x", "c++"]),
];

impl Compiler {
    /// Whether it is there; a missing clang is loudly skipped, and in CI a failure.
    pub(crate) fn is_installed(self) -> bool {
        let found = is_installed(self.program);
        if !found {
            skipped::skip(&format!("`{}` is not installed", self.program));
        }
        found
    }

    /// Compiles and links a program; gives its path. Fails the test with what the compiler says.
    pub(crate) fn compile(self, sources: &[&Path], out: &Path, more: &[&str]) -> PathBuf {
        let mut command = Command::new(self.program);
        command.args(self.flags).args(WARNINGS).arg("-I").arg(root().join("capi/include"));
        command.arg("-I").arg(crate::support::sources());
        if self.is_static {
            command.arg("-DCOTENANT_STATIC");
        }
        command.args(sources).arg("-o").arg(out);
        // `-x c++` is for sources, not for libraries, which stand behind them.
        command.args(["-x", "none"]).args(more);
        let stage = stage();
        if self.is_static {
            command.arg(stage.join("libcotenant.a")).args(["-lpthread", "-ldl", "-lm"]);
        } else {
            command.arg("-L").arg(stage).arg(format!("-Wl,-rpath,{}", stage.display())).arg("-lcotenant");
        }
        output(&mut command);
        out.to_owned()
    }
}

pub(crate) fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Runs a command to its end; gives its output, or fails the test with it.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The folder with the libraries under the names that an installation gives them.
pub(crate) fn stage() -> &'static Path {
    static STAGE: OnceLock<TempDir> = OnceLock::new();
    STAGE
        .get_or_init(|| {
            let built = target_folder();
            let stage = TempDir::with_prefix("cotenant-capi-").expect("a folder");
            let link = |from: PathBuf, name: &str| {
                std::os::unix::fs::symlink(from, stage.path().join(name)).expect("a link");
            };
            link(built.join("libcotenant.so"), &soname());
            link(PathBuf::from(soname()), "libcotenant.so");
            link(built.join("libcotenant.a"), "libcotenant.a");
            stage
        })
        .path()
}

/// `libcotenant.so.0.1`: docs/c.md.
pub(crate) fn soname() -> String {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    format!("libcotenant.so.{}", if major == "0" { format!("0.{minor}") } else { major.to_owned() })
}

/// Builds the libraries, once; gives the folder that they lie in. Cargo does not build a cdylib for tests.
pub(crate) fn target_folder() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--package", "cotenant-capi", "--manifest-path"]);
            cargo.arg(root().join("Cargo.toml"));
            if !cfg!(debug_assertions) {
                cargo.arg("--release");
            }
            output(&mut cargo);
            let this = std::env::current_exe().expect("this test's own path");
            // TARGET/debug/deps/this
            this.ancestors().nth(2).expect("a folder").to_owned()
        })
        .clone()
}
