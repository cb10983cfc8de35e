//! Debian's package manager: installing tools, and unpacking Rust toolchains beside the one in use.
//!
//! The toolchains are not installed: they would conflict with the Rust that runs us. `apt-get download` and `dpkg -x`
//! put them into a folder of target/, which needs no root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{check, output};
use crate::workshop::Workshop;

/// A Rust toolchain unpacked from packages.
pub(crate) struct Unpacked {
    folder: PathBuf,
}

impl Unpacked {
    /// Its cargo.
    pub(crate) fn cargo(&self) -> PathBuf {
        self.folder.join("usr/bin/cargo")
    }

    /// What its programs need in their environment.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.display();
        let path = std::env::var("PATH").unwrap_or_default();
        // The second folder is where packages from before the merge of /usr put libraries.
        let libraries = format!("{folder}/usr/lib/x86_64-linux-gnu:{folder}/lib/x86_64-linux-gnu");
        vec![
            ("PATH", format!("{folder}/usr/bin:{path}")),
            ("LD_LIBRARY_PATH", libraries),
            ("RUSTC", format!("{folder}/usr/bin/rustc")),
            ("RUSTDOC", format!("{folder}/usr/bin/rustdoc")),
        ]
    }
}

/// `apt-get`, through sudo if need be.
pub(crate) fn apt_get(workshop: &Workshop) -> Command {
    let mut command = workshop.command(if workshop.needs_sudo { "sudo" } else { "env" });
    if workshop.needs_sudo {
        command.arg("env");
    }
    // Somebody else may be installing at the same time.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300", "--quiet"]);
    command
}

/// Fetches the lists of packages.
pub(crate) fn update(workshop: &Workshop) -> Result<()> {
    check(workshop, apt_get(workshop).arg("update"))
}

/// The newest version of `package` that begins with `prefix`.
pub(crate) fn version(workshop: &Workshop, package: &str, prefix: &str) -> Result<String> {
    let look = || {
        let table = output(workshop.command("apt-cache").args(["madison", package]))?;
        // `rustc-web | 1.85.0+dfsg3-1~deb12u3 | ADDRESS bookworm/main amd64 Packages`, newest first
        let mut versions = table.lines().filter_map(|line| line.split('|').nth(1).map(str::trim));
        let found = versions.find(|version| version.starts_with(prefix)).map(str::to_owned);
        found.with_context(|| format!("no package {package} {prefix}"))
    };
    look().or_else(|_| {
        update(workshop)?;
        look()
    })
}

/// The toolchain in `folder`, if an earlier run unpacked it whole.
pub(crate) fn unpacked(folder: &Path) -> Option<Unpacked> {
    // The folder gets its name when it is whole.
    folder.join("usr/bin/cargo").exists().then(|| Unpacked { folder: folder.to_owned() })
}

/// Unpacks `packages` and what they need and the system lacks into `folder`.
pub(crate) fn unpack(workshop: &Workshop, folder: &Path, packages: &[String]) -> Result<Unpacked> {
    let mut part = folder.as_os_str().to_owned();
    part.push(format!(".part{}", std::process::id()));
    let part = PathBuf::from(part);
    let fetch = || fetch(workshop, &part, packages);
    // Old lists name files that the archive has no more.
    fetch().or_else(|_| {
        update(workshop)?;
        fetch()
    })?;
    for entry in std::fs::read_dir(&part)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            output(workshop.command("dpkg").arg("-x").arg(&path).arg(&part))?;
            std::fs::remove_file(path)?;
        }
    }
    if let Err(error) = std::fs::rename(&part, folder) {
        std::fs::remove_dir_all(&part)?;
        // Somebody else was quicker.
        if unpacked(folder).is_none() {
            return Err(error).with_context(|| folder.display().to_string());
        }
    }
    unpacked(folder).with_context(|| format!("no cargo in {}", packages.join(" ")))
}

fn fetch(workshop: &Workshop, folder: &Path, packages: &[String]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut simulate = workshop.command("apt-get");
    simulate.args(["install", "--simulate", "--no-install-recommends"]).args(packages);
    let wanted = new_packages(&output(&mut simulate)?);
    if wanted.is_empty() {
        bail!("apt-get has nothing to unpack for {}", packages.join(" "));
    }
    println!("fetching into {}", folder.display());
    let mut download = workshop.command("apt-get");
    download.current_dir(folder).args(["-o", "APT::Sandbox::User=root", "--quiet", "download"]).args(wanted);
    check(workshop, &mut download)
}

/// `Inst libgit2-1.5 (1.5.1+ds-1+deb12u2 Debian-Security:12 [amd64])` gives `libgit2-1.5=1.5.1+ds-1+deb12u2`. A line
/// with the installed version in brackets is an upgrade: the installed one will do.
fn new_packages(simulation: &str) -> Vec<String> {
    let new_package = |line: &str| {
        let mut words = line.strip_prefix("Inst ")?.split(' ');
        let name = words.next()?;
        let version = words.next()?.strip_prefix('(')?;
        Some(format!("{name}={version}"))
    };
    simulation.lines().filter_map(new_package).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn upgrades_are_not_unpacked() {
        let simulation = "\
Inst libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
Inst libc6 [2.36-8] (2.36-9 Debian:12.15/oldstable [amd64])
Conf libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/oldstable-security [amd64])";
        assert_eq!(super::new_packages(simulation), ["libllvm22=1:22.1.8-1~deb12u1"]);
    }
}
