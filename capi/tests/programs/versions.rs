//! Two copies of the library in one process, of different versions: two plug-ins, each linked with its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::refused::{folder, host, library};
use crate::support::program::Place;
use crate::support::{GCC, output, root, sources};
use crate::tests;

const OTHER: &str = "0.2.0";

/// The workspace as a later version of it, built: the folder of its libraries.
fn other_version() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    static SOURCES: OnceLock<TempDir> = OnceLock::new();
    BUILT.get_or_init(|| {
        let copy = SOURCES.get_or_init(folder).path();
        let mut tar = Command::new("sh");
        let pack = "git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - ";
        output(tar.arg("-c").arg(format!("{pack} | tar -xf - -C '{}'", copy.display())).current_dir(root()));
        for manifest in ["Cargo.toml", "cli/Cargo.toml", "capi/Cargo.toml", "bench/Cargo.toml", "Cargo.lock"] {
            let path = copy.join(manifest);
            let text = std::fs::read_to_string(&path).expect("a manifest");
            std::fs::write(&path, text.replace("\"0.1.0\"", "\"0.2.0\"").replace("\"=0.1.0\"", "\"=0.2.0\""))
                .expect("it");
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other-version");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "cotenant-capi", "--manifest-path"]).arg(copy.join("Cargo.toml"));
        output(cargo.arg("--target-dir").arg(&target).arg("--offline"));
        let lib = target.join("debug");
        let _ = std::fs::remove_file(lib.join("libcotenant.so.0.2"));
        std::os::unix::fs::symlink("libcotenant.so", lib.join("libcotenant.so.0.2")).expect("a link");
        lib
    })
}

/// A plug-in that is linked with the other version's shared library.
fn other_plugin(folder: &Path) -> PathBuf {
    let (out, lib) = (folder.join("other.so"), other_version());
    let mut cc = Command::new("gcc");
    cc.args(["-std=c11", "-shared", "-fPIC", "-DWORDS=on_failure(exit),name(\"capi.plugin\")", "-I"]);
    cc.arg(root().join("capi/include")).arg(sources().join("programs/library.c")).arg("-o").arg(&out);
    output(cc.arg("-L").arg(lib).arg(format!("-Wl,-rpath,{}", lib.display())).arg("-lcotenant"));
    out
}

/// A plug-in with the other version's static library in it.
/// Without its other symbols: an installed archive has none of them (see `examples`).
fn other_static_plugin(folder: &Path) -> PathBuf {
    let out = folder.join("other-static.so");
    let mut cc = Command::new("gcc");
    cc.args([
        "-std=c11",
        "-shared",
        "-fPIC",
        "-DCOTENANT_STATIC",
        "-DWORDS=on_failure(exit),name(\"capi.plugin\")",
        "-I",
    ]);
    cc.arg(root().join("capi/include")).arg(sources().join("programs/library.c")).arg("-o").arg(&out);
    output(cc.arg(other_version().join("libcotenant.a")).args(["-Wl,--exclude-libs,ALL", "-lpthread", "-ldl", "-lm"]));
    out
}

/// What the host prints of each plug-in that it loads, when it has unloaded them again.
fn loaded(place: &Place, host: &Path, plugins: &[&Path]) -> Vec<String> {
    let arguments: Vec<_> = plugins.iter().map(|path| path.to_str().expect("a path")).collect();
    let mut running = place.start(host, &arguments);
    let lines: Vec<_> = plugins.iter().map(|_| running.line()).collect();
    assert_eq!(running.ask(""), "unloaded", "{lines:?}");
    lines
}

fn two_versions_in_one_process_share_the_block_and_keep_their_names_apart() {
    let folder = folder();
    let host = host(folder.path());
    let ours = library(folder.path(), "on_failure(exit),name(\"capi.plugin\")", &[]);
    let (theirs, in_them) = (other_plugin(folder.path()), other_static_plugin(folder.path()));
    let place = Place::new();
    let now = env!("CARGO_PKG_VERSION");
    let line = |version: &str, before: u32| format!("{version} status 0, {before} before");
    // Each order: the one that is loaded first must not answer for the other.
    for plugins in [[&ours, &theirs, &in_them], [&in_them, &theirs, &ours], [&theirs, &ours, &in_them]] {
        let version = |plugin: &PathBuf| if *plugin == ours { now } else { OTHER };
        let expected: Vec<_> = plugins.iter().zip(0..).map(|(plugin, before)| line(version(plugin), before)).collect();
        assert_eq!(loaded(&place, &host, &plugins.map(PathBuf::as_path)), expected);
    }
}

fn static_plugins_export_nothing_of_the_library() {
    let folder = folder();
    let plugin = other_static_plugin(folder.path());
    let names = output(Command::new("nm").args(["-D", "--defined-only"]).arg(plugin));
    assert!(names.contains("plugin_hit") && !names.contains("cotenant_"), "{names}");
}

fn plugin_that_is_unloaded_gives_its_slot_back() {
    let folder = folder();
    let host = host(folder.path());
    let ours = library(folder.path(), "on_failure(exit),name(\"capi.plugin\")", &[]);
    let place = Place::new();
    let path = ours.to_str().expect("a path");
    let mut first = place.start(&host, &[path]);
    assert!(first.line().ends_with(" 0 before"));
    let mut second = place.start(&host, &[path]);
    assert!(second.line().ends_with(" 1 before"));
    // Both unload and go on: nobody is attached any more, and the next one starts afresh.
    assert_eq!((first.ask(""), second.ask("")), ("unloaded".to_owned(), "unloaded".to_owned()));
    let third = place.start(&host, &[path]);
    assert!(third.line().ends_with(" 0 before"));
}

/// The library stays, and with it what it knew of the addresses that the plug-in had, and now has again.
fn plugin_that_is_loaded_again_can_lock() {
    let folder = folder();
    let plugin = library(folder.path(), "on_failure(exit),name(\"capi.plugin\")", &[]);
    let again = GCC.compile(&[&sources().join("programs/again.c")], &folder.path().join("again"), &["-ldl"]);
    let said = Place::new().run(again, &[plugin.to_str().expect("a path")]);
    assert_eq!(said.matches(": 0 before").count(), 3, "{said}");
}

const NEVER_ATTACHED: &str = r#"
#include "cotenant.h"
#define PLUGIN(F) F(u64, hits) F(mutex, lock)
COTENANT_SHARED_BY_CALL(plugin, PLUGIN, name("capi.plugin"), on_failure(private));
"#;

/// The library stays, as `again` is linked with it.
fn plugin_that_never_attached_leaves_no_memory_behind() {
    let folder = folder();
    let (source, plugin) = (folder.path().join("plugin.c"), folder.path().join("libplugin.so"));
    std::fs::write(&source, NEVER_ATTACHED).expect("a file");
    GCC.compile(&[&source], &plugin, &["-shared", "-fPIC"]);
    let linked = ["-Wl,--no-as-needed", "-ldl"];
    let unloads = GCC.compile(&[&sources().join("programs/unloads.c")], &folder.path().join("unloads"), &linked);
    let said = Place::new().run(unloads, &[plugin.to_str().expect("a path")]);
    let grown: i64 = said.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(grown < 1000, "{said}");
}

tests! {
    two_versions_in_one_process_share_the_block_and_keep_their_names_apart,
    static_plugins_export_nothing_of_the_library,
    plugin_that_is_unloaded_gives_its_slot_back,
    plugin_that_is_loaded_again_can_lock,
    plugin_that_never_attached_leaves_no_memory_behind,
}
