//! The tools that the tasks need: which are missing, and getting them from the distribution.

use anyhow::Result;

use crate::run::check;
use crate::tally::Tally;
use crate::workshop::Workshop;
use crate::{debian, msrv, windows};

/// Who needs a tool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// The tests on this machine: linkers, compilers, debuggers that must get on with shared statics.
    Linux,
    /// The Windows tests under Wine.
    Windows,
    /// More tests if it is there; nobody misses it otherwise.
    Choice,
}

/// A program, and the Debian package that has it.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    needed_for: For,
}

const TOOLS: &[Tool] = &[
    Tool { program: "gcc", package: "gcc", needed_for: For::Linux },
    Tool { program: "g++", package: "g++", needed_for: For::Linux },
    Tool { program: "clang", package: "clang", needed_for: For::Linux },
    Tool { program: "objdump", package: "binutils", needed_for: For::Linux },
    Tool { program: "ld.lld", package: "lld", needed_for: For::Linux },
    Tool { program: "mold", package: "mold", needed_for: For::Linux },
    Tool { program: "gdb", package: "gdb", needed_for: For::Linux },
    Tool { program: "make", package: "make", needed_for: For::Linux },
    Tool { program: "cmake", package: "cmake", needed_for: For::Linux },
    Tool { program: "pkg-config", package: "pkgconf", needed_for: For::Linux },
    Tool { program: "python3", package: "python3", needed_for: For::Linux },
    Tool { program: "x86_64-w64-mingw32-gcc", package: "gcc-mingw-w64-x86-64", needed_for: For::Windows },
    Tool { program: "x86_64-w64-mingw32-g++", package: "g++-mingw-w64-x86-64", needed_for: For::Windows },
    Tool { program: "wine", package: "wine", needed_for: For::Windows },
    // The folder of its 64-bit part is not in PATH.
    Tool { program: "/usr/lib/wine/wine64", package: "wine64", needed_for: For::Windows },
    Tool { program: "valgrind", package: "valgrind", needed_for: For::Choice },
];

/// The task `install`: everything that any task needs.
pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let mut tally = Tally::default();
    for (what, needed_for) in [("tools for Linux", For::Linux), ("tools for Windows", For::Windows)] {
        let missing = missing(workshop, needed_for);
        tally += if missing.is_empty() {
            println!("{what}: installed");
            Tally::PASS
        } else {
            Tally::skip(workshop, what, &how_to_get(&missing))
        };
    }
    tally += match windows::toolchain(workshop) {
        Ok(toolchain) => {
            println!("Rust for Windows: {toolchain}");
            Tally::PASS
        }
        Err(why) => Tally::skip(workshop, "Rust for Windows", &why),
    };
    tally += match msrv::toolchain(workshop) {
        Ok(toolchain) => {
            println!("oldest Rust: {toolchain}");
            Tally::PASS
        }
        Err(why) => Tally::skip(workshop, "oldest Rust", &format!("{why:#}")),
    };
    Ok(tally)
}

/// Gets what it can before the first task. What stays missing is reported by the task that needs it.
pub(crate) fn prepare(workshop: &Workshop) {
    tools_missing(workshop);
    let _ = windows::toolchain(workshop);
}

/// Tools for `needed_for` that are missing, after an attempt to install them where that is allowed.
pub(crate) fn missing(workshop: &Workshop, needed_for: For) -> Vec<&'static Tool> {
    tools_missing(workshop).iter().copied().filter(|tool| tool.needed_for == needed_for).collect()
}

/// What to tell a person who has to install `missing`.
pub(crate) fn how_to_get(missing: &[&Tool]) -> String {
    let programs: Vec<_> = missing.iter().map(|tool| tool.program).collect();
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    format!("missing: {}\nget it: cargo xtask install, or: apt-get install {}", programs.join(" "), packages.join(" "))
}

fn tools_missing(workshop: &Workshop) -> &[&'static Tool] {
    workshop.tools_missing.get_or_init(|| {
        let missing = look();
        if !workshop.may_install || missing.iter().all(|tool| tool.needed_for == For::Choice) {
            return missing;
        }
        let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
        // An update first: an image's package lists are empty or old.
        let installed = debian::update(workshop).and_then(|()| {
            let mut install = debian::apt_get(workshop);
            check(workshop, install.args(["install", "--yes", "--no-install-recommends"]).args(packages))
        });
        if let Err(error) = installed {
            eprintln!("error: {error:#}");
        }
        look()
    })
}

fn look() -> Vec<&'static Tool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    // Joining an absolute path gives that path.
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).exists());
    TOOLS.iter().filter(|tool| !is_there(tool.program)).collect()
}
