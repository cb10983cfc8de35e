//! Where the tasks work: the repository, its build folder, and what they may do to this machine.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{install, windows};

/// The repository and the permissions of this run.
pub(crate) struct Workshop {
    /// The folder of the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// The build folder: target/, or CARGO_TARGET_DIR.
    pub(crate) target: PathBuf,
    /// CI=true: a part that cannot run is a failure, and a command that hangs is killed.
    pub(crate) ci: bool,
    /// Missing tools are installed: asked for, or root on Debian or Ubuntu.
    pub(crate) may_install: bool,
    /// The package manager has to be called through sudo.
    pub(crate) needs_sudo: bool,
    /// Which toolchain for Windows was asked for.
    pub(crate) windows_origin: windows::Origin,
    /// The toolchain for Windows, or why there is none: looked for once.
    pub(crate) windows_toolchain: OnceCell<Result<windows::Toolchain, String>>,
    /// Tools that are missing and could not be installed: looked for once.
    pub(crate) tools_missing: OnceCell<Vec<&'static install::Tool>>,
}

impl Workshop {
    pub(crate) fn new(install_asked: bool, windows_origin: windows::Origin) -> Result<Workshop> {
        let manifest = std::env::var("CARGO_MANIFEST_DIR").context("start this as `cargo xtask`")?;
        let root = Path::new(&manifest).parent().context("xtask/ has no parent folder")?.to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(folder)?,
            None => root.join("target"),
        };
        let is_root = is_root();
        let has_apt = Path::new("/etc/debian_version").exists();
        Ok(Workshop {
            root,
            target,
            ci: std::env::var_os("CI").is_some_and(|value| value == "true"),
            may_install: install_asked || (is_root && has_apt),
            needs_sudo: !is_root,
            windows_origin,
            windows_toolchain: OnceCell::new(),
            tools_missing: OnceCell::new(),
        })
    }

    /// `cargo` of the toolchain that runs us, as it would be called from a shell.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.command(cargo)
    }

    /// A command in the repository's root, without what `cargo run` put into our environment: with it, packages
    /// whose build scripts watch these variables would be built again, and other toolchains find our libraries.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|p| text.starts_with(p)) {
                command.env_remove(&name);
            }
        }
        command.env_remove("LD_LIBRARY_PATH").env_remove("OUT_DIR").env_remove("CARGO");
        command
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
