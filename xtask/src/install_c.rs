//! `cargo xtask install-c --prefix DIR`: libcotenant, its headers, and what pkg-config and CMake want to know of it.
//!
//! ```text
//! PREFIX/include/   cotenant.h cotenant.hpp
//! PREFIX/lib/       libcotenant.so -> libcotenant.so.0.1 -> libcotenant.so.0.1.0   libcotenant.a
//!                   pkgconfig/cotenant.pc   cmake/cotenant/cotenantConfig.cmake, ...Version.cmake
//! ```
//!
//! `DESTDIR` stands before the prefix, as packagers have it; the files name the prefix without it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::header;
use crate::run::check;
use crate::tally::Tally;
use crate::workshop::Workshop;

pub(crate) fn run(workshop: &Workshop, prefix: &Path, profile: &str) -> Result<Tally> {
    let prefix = std::path::absolute(prefix)?;
    let root = match std::env::var_os("DESTDIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => std::path::absolute(folder)?.join(prefix.strip_prefix("/").unwrap_or(&prefix)),
        None => prefix.clone(),
    };
    let mut cargo = workshop.cargo();
    check(workshop, cargo.args(["build", "--profile", profile, "--locked", "--package", "cotenant-capi"]))?;
    let version = Version::of(workshop)?;
    let (include, lib) = (root.join("include"), root.join("lib"));
    for name in ["cotenant.h", "cotenant.hpp"] {
        put(&workshop.root.join("capi/include").join(name), &include.join(name), 0o644)?;
    }
    let built = workshop.target.join(if profile == "dev" { "debug" } else { profile });
    put(&archive(workshop, &built)?, &lib.join("libcotenant.a"), 0o644)?;
    put(&built.join("libcotenant.so"), &lib.join(version.file()), 0o755)?;
    link(&version.file(), &lib.join(version.soname()))?;
    link(&version.soname(), &lib.join("libcotenant.so"))?;

    let words = version.words(&prefix);
    let cmake = lib.join("cmake/cotenant");
    for (name, to) in [
        ("cotenant.pc", lib.join("pkgconfig/cotenant.pc")),
        ("cotenantConfig.cmake", cmake.join("cotenantConfig.cmake")),
        ("cotenantConfigVersion.cmake", cmake.join("cotenantConfigVersion.cmake")),
    ] {
        write(workshop, &format!("{name}.in"), &to, &words)?;
    }
    println!("installed libcotenant {} in {}", version.whole, root.display());
    Ok(Tally::PASS)
}

/// The archive as one object whose only names are the functions of the header. Linked into two plug-ins as it comes
/// from the compiler, one's copy of Rust's standard library would answer for the other's.
fn archive(workshop: &Workshop, built: &Path) -> Result<PathBuf> {
    let folder = workshop.target.join(format!("install-c/{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (object, archive) = (folder.join("cotenant.o"), folder.join("libcotenant.a"));
    let mut ld = workshop.command("ld");
    ld.args(["-r", "-o"]).arg(&object).arg("--whole-archive").arg(built.join("libcotenant.a"));
    check(workshop, &mut ld)?;
    let mut objcopy = workshop.command("objcopy");
    objcopy.args(["--wildcard", "--keep-global-symbol", "cotenant_*"]);
    // Bitcode that the standard library has in its objects: a linker's plugin for another LLVM would stumble over it.
    check(workshop, objcopy.args(["--remove-section", ".llvmbc", "--remove-section", ".llvmcmd"]).arg(&object))?;
    let _ = std::fs::remove_file(&archive);
    check(workshop, workshop.command("ar").arg("rcs").arg(&archive).arg(&object))?;
    Ok(archive)
}

/// What the library's version means for its names.
struct Version {
    whole: String,
    major: String,
    minor: String,
}

/// What a program that is linked with libcotenant.a needs besides, on Linux.
const STATIC_LIBS: [&str; 3] = ["-lpthread", "-ldl", "-lm"];

impl Version {
    fn of(workshop: &Workshop) -> Result<Version> {
        let whole = header::version(workshop)?;
        let mut parts = whole.split('.').map(str::to_owned);
        let (major, minor) = (parts.next(), parts.next());
        Ok(Version { major: major.context("a major version")?, minor: minor.context("a minor version")?, whole })
    }

    /// As capi/build.rs has it.
    fn soname(&self) -> String {
        match self.major.as_str() {
            "0" => format!("libcotenant.so.0.{}", self.minor),
            major => format!("libcotenant.so.{major}"),
        }
    }

    fn file(&self) -> String {
        format!("libcotenant.so.{}", self.whole)
    }

    fn words(&self, prefix: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("@PREFIX@", prefix.display().to_string()),
            ("@VERSION@", self.whole.clone()),
            ("@MAJOR@", self.major.clone()),
            ("@MINOR@", self.minor.clone()),
            ("@SONAME@", self.soname()),
            ("@SHARED_FILE@", self.file()),
        ]
    }
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_folder_of(to)?;
    // Anew, not over the file: a running program may have it mapped.
    let _ = std::fs::remove_file(to);
    std::fs::copy(from, to).with_context(|| from.display().to_string())?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).with_context(|| to.display().to_string())
}

fn link(target: &str, at: &Path) -> Result<()> {
    let _ = std::fs::remove_file(at);
    symlink(target, at).with_context(|| at.display().to_string())
}

fn write(workshop: &Workshop, template: &str, to: &Path, words: &[(&str, String)]) -> Result<()> {
    make_folder_of(to)?;
    let from: PathBuf = workshop.root.join("capi/install").join(template);
    let text = std::fs::read_to_string(&from).with_context(|| from.display().to_string())?;
    let separator = if template.contains("cmake") { ";" } else { " " };
    let text = text.replace("@STATIC_LIBS@", &STATIC_LIBS.join(separator));
    let text = words.iter().fold(text, |text, (word, value)| text.replace(word, value));
    std::fs::write(to, text).with_context(|| to.display().to_string())
}

fn make_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}
