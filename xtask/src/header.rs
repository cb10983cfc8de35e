//! `cotenant.h`: the hand-written parts in capi/header, and between them what cbindgen makes of capi/src.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tally::Tally;
use crate::workshop::Workshop;

/// Writes the header anew, or checks that it is what would be written.
pub(crate) fn run(workshop: &Workshop, check: bool) -> Result<Tally> {
    let path = path(workshop);
    let fresh = text(workshop)?;
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    if check && there != fresh {
        bail!("{} is not what capi/ makes of it\nmake it anew: cargo xtask header", path.display());
    }
    if !check && there != fresh {
        std::fs::write(&path, fresh).with_context(|| path.display().to_string())?;
        println!("{}: written anew", path.display());
    }
    Ok(Tally::PASS)
}

pub(crate) fn path(workshop: &Workshop) -> PathBuf {
    workshop.root.join("capi/include/cotenant.h")
}

fn text(workshop: &Workshop) -> Result<String> {
    let capi = workshop.root.join("capi");
    let part = |name: &str| {
        let path = capi.join("header").join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let config = cbindgen::Config::from_file(capi.join("cbindgen.toml")).map_err(anyhow::Error::msg)?;
    let mut text = part("before.h")?.replace("@VERSION@", &version(workshop)?);
    for source in sources(&capi.join("src"))? {
        text += &declarations(&source, &config)?;
    }
    Ok(text + &part("after.h")?)
}

/// What one file of capi/src declares, under the first line of the file as a title; nothing if it declares nothing.
fn declarations(source: &Path, config: &cbindgen::Config) -> Result<String> {
    let named = || source.display().to_string();
    let rust = std::fs::read_to_string(source).with_context(named)?;
    let title = rust.lines().next().and_then(|line| line.strip_prefix("//! ")).with_context(named)?;
    let title = title.split([':', ',']).next().unwrap_or(title).trim_end_matches('.');
    let mut config = config.clone();
    // Also those that no function names as the type of a parameter.
    let types = rust.lines().filter_map(|line| line.strip_prefix("pub enum ").or(line.strip_prefix("pub struct ")));
    config.export.include.extend(types.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned));
    let builder = cbindgen::Builder::new().with_config(config).with_no_includes().with_src(source);
    let mut declarations = Vec::new();
    builder.generate().with_context(named)?.write(&mut declarations);
    let declarations = String::from_utf8(declarations)?;
    match declarations.trim() {
        "" => Ok(String::new()),
        text => Ok(format!("/* --- {title} --- */\n\n{text}\n\n")),
    }
}

/// The files of capi/src in the order in which lib.rs names their modules: the order of the header.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let lib = std::fs::read_to_string(folder.join("lib.rs"))?;
    let modules = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    Ok(modules.map(|module| folder.join(format!("{module}.rs"))).collect())
}

pub(crate) fn version(workshop: &Workshop) -> Result<String> {
    let manifest = std::fs::read_to_string(workshop.root.join("Cargo.toml"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    Ok(line.context("Cargo.toml has no line `version = `")?.trim().trim_matches('"').to_owned())
}
