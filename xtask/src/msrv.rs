//! The library builds with the oldest Rust that Cargo.toml promises (`rust-version`).

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{self, Unpacked};
use crate::run::{check, output};
use crate::tally::Tally;
use crate::workshop::Workshop;

/// Where the old Rust is from.
pub(crate) enum Toolchain {
    /// The name of a rustup toolchain.
    Rustup(String),
    /// Debian's packages.
    Debian(Unpacked),
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Toolchain::Rustup(name) => write!(f, "rustup toolchain {name}"),
            Toolchain::Debian(_) => f.write_str("Debian's packages, unpacked"),
        }
    }
}

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let toolchain = match toolchain(workshop) {
        Ok(toolchain) => toolchain,
        Err(why) => return Ok(Tally::skip(workshop, "the build with the oldest Rust", &format!("{why:#}"))),
    };
    let mut cargo = cargo(workshop, &toolchain);
    cargo.arg("--version");
    println!("{}", output(&mut cargo)?.trim());
    check(workshop, &mut build(workshop, &toolchain))?;
    Ok(Tally::PASS)
}

/// The build, to be made ahead; `None` without a toolchain.
pub(crate) fn build_ahead(workshop: &Workshop) -> Option<Command> {
    toolchain(workshop).ok().map(|toolchain| build(workshop, &toolchain))
}

fn build(workshop: &Workshop, toolchain: &Toolchain) -> Command {
    let mut cargo = cargo(workshop, toolchain);
    cargo.env("CARGO_TARGET_DIR", workshop.target.join("msrv"));
    cargo.args(["build", "--package", "cotenant-macros", "--package", "cotenant"]);
    cargo
}

/// The toolchain of the promised version, fetched if that is allowed.
pub(crate) fn toolchain(workshop: &Workshop) -> Result<Toolchain> {
    let version = promised_version(workshop)?;
    if let Some(name) = rustup_toolchain(workshop, &version) {
        return Ok(Toolchain::Rustup(name));
    }
    let folder = workshop.target.join("toolchains").join(&version);
    if let Some(unpacked) = debian::unpacked(&folder) {
        return Ok(Toolchain::Debian(unpacked));
    }
    if !workshop.may_install {
        bail!("missing: Rust {version}\nget it: cargo xtask install, or: rustup toolchain install {version}");
    }
    let debian = unpack(workshop, &folder, &version);
    let Err(error) = debian else { return debian.map(Toolchain::Debian) };
    // Last, because where it cannot be had rustup tries for long.
    let mut rustup = workshop.command("rustup");
    check(workshop, rustup.args(["toolchain", "install", "--profile", "minimal", &version]))
        .with_context(|| format!("Rust {version} is not among Debian's packages ({error:#})"))?;
    rustup_toolchain(workshop, &version).map(Toolchain::Rustup).context("rustup installed it and does not list it")
}

fn unpack(workshop: &Workshop, folder: &std::path::Path, version: &str) -> Result<Unpacked> {
    let full = debian::version(workshop, "rustc-web", &format!("{version}."))?;
    let packages = ["rustc-web", "cargo-web", "libstd-rust-web-dev"].map(|name| format!("{name}={full}"));
    debian::unpack(workshop, folder, &packages)
}

fn cargo(workshop: &Workshop, toolchain: &Toolchain) -> Command {
    match toolchain {
        Toolchain::Rustup(name) => {
            let mut command = workshop.command("rustup");
            command.env_remove("RUSTUP_TOOLCHAIN").args(["run", name, "cargo"]);
            command
        }
        Toolchain::Debian(unpacked) => {
            let mut command = workshop.command(unpacked.cargo());
            command.envs(unpacked.environment());
            command
        }
    }
}

/// `rust-version = "1.85"` of the workspace.
fn promised_version(workshop: &Workshop) -> Result<String> {
    let manifest = std::fs::read_to_string(workshop.root.join("Cargo.toml"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    Ok(line.context("Cargo.toml has no line `rust-version = `")?.trim().trim_matches('"').to_owned())
}

/// A toolchain of rustup with this version: `1.85-x86_64-unknown-linux-gnu`, `1.85.1-...`.
fn rustup_toolchain(workshop: &Workshop, version: &str) -> Option<String> {
    let list = output(workshop.command("rustup").args(["toolchain", "list"])).ok()?;
    let mut names = list.lines().filter_map(|line| line.split(' ').next());
    let rest = |name: &str| name.strip_prefix(version).map(str::to_owned);
    names.find(|name| rest(name).is_some_and(|rest| rest.starts_with(['-', '.']))).map(str::to_owned)
}
