//! Tests and examples for x86_64-pc-windows-gnu, built with mingw and run under Wine.
//!
//! The standard library for that target comes from rustup or the distribution. Where neither has it, Debian's packages
//! of the Rust sources and their compiler build it (`-Zbuild-std`, 45 s once).

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::debian::{self, Unpacked};
use crate::run::{check, check_under_wine, check_within, is_wines_error, output, tests, tests_and};
use crate::tally::Tally;
use crate::workshop::Workshop;
use crate::{examples, install, windows_c};

/// The packages that exist on Windows, as arguments of cargo.
pub(crate) const PACKAGES: [&str; 4] = ["--package", "cotenant", "--package", "cotenant-cli"];

pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";
/// Unwinding as well: libtest's `should_panic` and our tests catch panics.
const STANDARD_CRATES: &str = "std,panic_unwind,test";
/// `rustup target add` takes seconds or, where the server is out of reach, minutes.
const RUSTUP_LIMIT_SECONDS: &str = "90";
/// What tests/programs/alone/block.rs can be.
const BLOCK_VERSIONS: [&str; 12] = [
    "old",
    "documented",
    "new",
    "other_initial",
    "reordered",
    "without_first",
    "separate",
    "separate_grown",
    "retyped",
    "wide",
    "struct",
    "struct_changed",
];
/// The first start of a new prefix takes about 10 s.
const WINE_LIMIT: Duration = Duration::from_secs(180);

/// Which toolchain to use.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Origin {
    /// The installed Rust if it has or gets the target, else Debian's packages
    Any,
    /// The Rust that runs this command
    Installed,
    /// Debian's packages, which build the standard library
    Debian,
}

/// A Rust toolchain that builds for Windows.
pub(crate) enum Toolchain {
    /// The Rust that runs us has the target's standard library.
    Installed,
    /// Debian's packages, which build it.
    Debian(Unpacked),
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Toolchain::Installed => "the installed Rust with the target's standard library",
            Toolchain::Debian(_) => "Debian's packages, unpacked",
        })
    }
}

pub(crate) fn run(workshop: &Workshop, arguments: &[String]) -> Result<Tally> {
    let what = "the Windows tests";
    let missing = install::missing(workshop, install::For::Windows);
    if !missing.is_empty() {
        return Ok(Tally::skip(workshop, what, &install::how_to_get(&missing)));
    }
    let toolchain = match toolchain(workshop) {
        Ok(toolchain) => toolchain,
        Err(why) => return Ok(Tally::skip(workshop, what, &why)),
    };
    println!("{toolchain}");
    prepare_wine(workshop)?;
    build_companions(workshop, toolchain)?;
    let mut test = toolchain.cargo(workshop, "test");
    test.arg("--no-fail-fast");
    if !arguments.is_empty() {
        return tests(workshop, test.args(arguments));
    }
    let mut tally = tests_again(workshop, toolchain, test.args(PACKAGES).arg("--tests"))?;
    let built = toolchain.built(workshop).join("examples");
    let start = |name: &str| {
        let mut wine = workshop.command("wine");
        wine.envs(wine_environment(workshop)).arg(built.join(format!("{name}.exe")));
        wine
    };
    tally += examples::run(workshop, &mut toolchain.cargo(workshop, "build"), &|name| {
        check_under_wine(workshop, &|| start(name), examples::LIMIT)
    })?;
    tally += windows_c::run(workshop, toolchain)?;
    Ok(tally)
}

/// Wine cannot start one of some hundred programs: the new process dies before it is one (ERROR_INTERNAL_ERROR). If
/// that accounts for all that failed, those targets run again, and loudly, as long as it accounts for all.
fn tests_again(workshop: &Workshop, toolchain: &Toolchain, test: &mut Command) -> Result<Tally> {
    const MORE_TRIES: usize = 3;
    let mut targets = Vec::new();
    let (first, are_wines) = tests_of_wine(workshop, test, &mut targets)?;
    if first.failed == 0 || !are_wines || targets.is_empty() {
        return Ok(first);
    }
    eprintln!("\n!!! Wine could not start {} programs; again: {}\n", first.failed, targets.join(", "));
    for target in &targets {
        for tries in 1.. {
            let mut again = toolchain.cargo(workshop, "test");
            again.arg("--no-fail-fast").args(target.split(' '));
            let (tally, are_wines) = tests_of_wine(workshop, &mut again, &mut Vec::new())?;
            if tally.failed == 0 {
                break;
            }
            if !are_wines || tries == MORE_TRIES {
                return Ok(first);
            }
        }
    }
    Ok(Tally { passed: first.passed + first.failed, failed: 0, skipped: first.skipped })
}

/// Runs tests, and adds what is to be passed to cargo to run the failed targets again. Whether for each test that
/// failed there was a program that Wine could not start.
fn tests_of_wine(workshop: &Workshop, test: &mut Command, targets: &mut Vec<String>) -> Result<(Tally, bool)> {
    let mut failed_starts = 0;
    let tally = tests_and(workshop, test, &mut |line| {
        failed_starts += u64::from(is_wines_error(line));
        let target = line.strip_prefix("error: test failed, to rerun pass `").and_then(|rest| rest.strip_suffix('`'));
        targets.extend(target.map(str::to_owned));
    })?;
    Ok((tally, tally.failed <= failed_starts))
}

/// The programs in C and C++ alone.
pub(crate) fn run_c(workshop: &Workshop) -> Result<Tally> {
    let missing = install::missing(workshop, install::For::Windows);
    if !missing.is_empty() {
        return Ok(Tally::skip(workshop, "C and C++ on Windows", &install::how_to_get(&missing)));
    }
    match toolchain(workshop) {
        Ok(toolchain) => {
            prepare_wine(workshop)?;
            windows_c::run(workshop, toolchain)
        }
        Err(why) => Ok(Tally::skip(workshop, "C and C++ on Windows", &why)),
    }
}

/// Prints the environment in which `cargo test` builds and runs Windows programs.
pub(crate) fn print_env(workshop: &Workshop) -> Result<()> {
    // Nothing may be fetched or built below: standard output is for the shell that evaluates it.
    if !prefix(workshop).join("system.reg").exists() {
        bail!("no Wine prefix yet; make it with: cargo xtask windows");
    }
    let toolchain = match toolchain(workshop) {
        Ok(toolchain) => toolchain,
        Err(why) => bail!("{why}"),
    };
    for (name, value) in toolchain.environment(workshop) {
        println!("export {name}='{}'", value.replace('\'', r"'\''"));
    }
    Ok(())
}

/// The toolchain, fetched if that is allowed; or what is missing and how to get it.
pub(crate) fn toolchain(workshop: &Workshop) -> Result<&Toolchain, String> {
    let found = workshop.windows_toolchain.get_or_init(|| find(workshop).map_err(|error| format!("{error:#}")));
    found.as_ref().map_err(String::clone)
}

impl Toolchain {
    /// `cargo SUBCOMMAND` for Windows.
    pub(crate) fn cargo(&self, workshop: &Workshop, subcommand: &str) -> Command {
        let mut command = match self {
            Toolchain::Installed => workshop.cargo(),
            Toolchain::Debian(unpacked) => workshop.command(unpacked.cargo()),
        };
        command.envs(self.environment(workshop)).arg(subcommand);
        command
    }

    /// The build folder: what this machine's own builds run, such as build scripts, is the same. Another compiler
    /// would build everything there again.
    fn target(&self, workshop: &Workshop) -> PathBuf {
        match self {
            Toolchain::Installed => workshop.target.clone(),
            Toolchain::Debian(_) => workshop.target.join("windows"),
        }
    }

    /// Where programs and libraries lie that were built.
    pub(crate) fn built(&self, workshop: &Workshop) -> PathBuf {
        self.target(workshop).join(TARGET).join("debug")
    }

    fn environment(&self, workshop: &Workshop) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("CARGO_BUILD_TARGET", TARGET.to_owned()),
            ("CARGO_TARGET_DIR", self.target(workshop).display().to_string()),
            ("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", "x86_64-w64-mingw32-gcc".to_owned()),
            ("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine".to_owned()),
        ];
        environment.extend(wine_environment(workshop));
        if let Toolchain::Debian(unpacked) = self {
            environment.extend(unpacked.environment());
            environment.push(("RUSTC_BOOTSTRAP", "1".to_owned()));
            environment.push(("CARGO_UNSTABLE_BUILD_STD", STANDARD_CRATES.to_owned()));
        }
        environment
    }
}

fn find(workshop: &Workshop) -> Result<Toolchain> {
    let folder = workshop.target.join("toolchains/windows");
    if workshop.windows_origin != Origin::Debian {
        if has_target(workshop) {
            return Ok(Toolchain::Installed);
        }
        // Not if Debian's packages are there: then rustup was tried in vain.
        if workshop.may_install && debian::unpacked(&folder).is_none() {
            let mut rustup = workshop.command("timeout");
            rustup.args([RUSTUP_LIMIT_SECONDS, "rustup", "target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "0");
            if check(workshop, &mut rustup).is_ok() && has_target(workshop) {
                return Ok(Toolchain::Installed);
            }
        }
    }
    if workshop.windows_origin == Origin::Installed {
        bail!("missing: Rust's standard library for {TARGET}\nget it: rustup target add {TARGET}");
    }
    if let Some(unpacked) = debian::unpacked(&folder) {
        return Ok(Toolchain::Debian(unpacked));
    }
    if !workshop.may_install {
        bail!(
            "missing: Rust's standard library for {TARGET}\nget it: cargo xtask install, or: rustup target add {TARGET}"
        );
    }
    let version = debian::version(workshop, "rust-web-src", "")?;
    let names = ["rustc-web", "cargo-web", "libstd-rust-web-dev", "rust-web-src", "rust-web-clippy"];
    let packages = names.map(|name| format!("{name}={version}"));
    debian::unpack(workshop, &folder, &packages).map(Toolchain::Debian)
}

/// The Rust that runs us can build for Windows.
fn has_target(workshop: &Workshop) -> bool {
    let folder = output(workshop.command("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    let files = folder.ok().and_then(|folder| std::fs::read_dir(folder.trim()).ok());
    files.is_some_and(|files| files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
}

/// Builds what tests run beside their own program: under Wine they have neither cargo nor a compiler.
fn build_companions(workshop: &Workshop, toolchain: &Toolchain) -> Result<()> {
    let mut build = toolchain.cargo(workshop, "build");
    build.args(["--package", "cotenant", "--package", "cotenant-example-library", "--lib", "--bins", "--examples"]);
    check(workshop, &mut build)?;
    let folder = toolchain.built(workshop);
    let mut compile = workshop.command("x86_64-w64-mingw32-gcc");
    compile.args(["-Wall", "-Wextra", "-Werror", "examples/library/count.c", "-o"]).arg(folder.join("count-c.exe"));
    check(workshop, compile.arg("-L").arg(&folder).arg("-lvisits"))?;

    check(workshop, &mut optimised_reader(workshop, toolchain))?;
    let blocks = folder.join("blocks");
    std::fs::create_dir_all(&blocks)?;
    for version in BLOCK_VERSIONS {
        let mut build = reader(workshop, toolchain, "rustc");
        build.args(["--features", "block", "--bin", "block", "--", "--cap-lints=allow", "--cfg"]);
        check(workshop, build.arg(format!("block=\"{version}\"")))?;
        std::fs::copy(folder.join("block.exe"), blocks.join(format!("{version}.exe")))?;
    }
    Ok(())
}

/// A companion whose build takes long and needs nothing of the others; `None` without a toolchain.
pub(crate) fn build_ahead(workshop: &Workshop) -> Option<Command> {
    toolchain(workshop).ok().map(|toolchain| optimised_reader(workshop, toolchain))
}

fn optimised_reader(workshop: &Workshop, toolchain: &Toolchain) -> Command {
    let mut cargo = reader(workshop, toolchain, "build");
    cargo.args(["--profile", "fat"]);
    cargo
}

fn reader(workshop: &Workshop, toolchain: &Toolchain, subcommand: &str) -> Command {
    let mut cargo = toolchain.cargo(workshop, subcommand);
    cargo.args(["--quiet", "--manifest-path", "tests/programs/Cargo.toml", "--package", "reader"]);
    cargo
}

fn prefix(workshop: &Workshop) -> PathBuf {
    workshop.target.join("wine")
}

pub(crate) fn wine_environment(workshop: &Workshop) -> [(&'static str, String); 2] {
    [("WINEPREFIX", prefix(workshop).display().to_string()), ("WINEDEBUG", "-all".to_owned())]
}

/// Makes the Wine prefix, and in it the library that Rust's standard library needs and Wine 8 lacks.
fn prepare_wine(workshop: &Workshop) -> Result<()> {
    std::fs::create_dir_all(&workshop.target)?;
    if !prefix(workshop).join("system.reg").exists() {
        let mut wineboot = workshop.command("wineboot");
        // Without .NET and HTML, which it would offer to download.
        wineboot.arg("--init").envs(wine_environment(workshop)).env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        check_within(workshop, &mut wineboot, WINE_LIMIT)?;
        // It writes the registry when the last program has ended.
        check_within(workshop, workshop.command("wineserver").arg("-w").envs(wine_environment(workshop)), WINE_LIMIT)?;
    }
    let library = prefix(workshop).join("drive_c/windows/system32/bcryptprimitives.dll");
    if !library.exists() {
        // In the system folder, where also a child with an empty environment finds it.
        let mut compile = workshop.command("x86_64-w64-mingw32-gcc");
        compile.args(["-shared", "-O", "-o"]).arg(&library).args(["xtask/src/process_prng.c", "-ladvapi32"]);
        check(workshop, &mut compile).context("bcryptprimitives.dll for Wine")?;
    }
    Ok(())
}
