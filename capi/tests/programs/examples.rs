//! examples/c, built as its README says against an installed library, by make and by CMake, and run.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::refused::folder;
use crate::support::program::{Place, Program};
use crate::support::{is_installed, output, root, skipped, soname};
use crate::tests;

/// The folder that `cargo xtask install-c` installed into.
fn installed() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let prefix = folder();
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["run", "--quiet", "--package", "xtask", "--", "install-c", "--profile", "dev", "--prefix"]);
            output(cargo.arg(prefix.path()).current_dir(root()));
            prefix
        })
        .path()
}

fn examples() -> std::path::PathBuf {
    root().join("examples/c")
}

/// What `make` built.
fn made() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let build = folder();
            let mut make = Command::new("make");
            make.arg("-C").arg(examples()).arg(format!("BUILD={}", build.path().display()));
            make.arg(format!("PKG_CONFIG_PATH={}/lib/pkgconfig", installed().display()));
            output(make.env_remove("MAKEFLAGS"));
            build
        })
        .path()
}

fn installation_has_what_programs_look_for() {
    let prefix = installed();
    for file in ["include/cotenant.h", "include/cotenant.hpp", "lib/libcotenant.so", "lib/libcotenant.a"] {
        assert!(prefix.join(file).exists(), "{file}");
    }
    let link = std::fs::read_link(prefix.join("lib/libcotenant.so")).expect("a link");
    assert_eq!(link.to_str(), Some(soname().as_str()));
    // What is in the archive, beside the functions, is nobody else's business.
    let names =
        output(Command::new("nm").args(["--extern-only", "--defined-only"]).arg(prefix.join("lib/libcotenant.a")));
    let names = names.lines().filter_map(|line| line.split_whitespace().nth(2));
    let others: Vec<_> = names.filter(|name| !name.starts_with("cotenant_")).collect();
    assert!(others.is_empty(), "{others:?}");
}

fn cmake_builds_the_examples() {
    if !is_installed("cmake") {
        return skipped::skip("`cmake` is not installed");
    }
    let build = folder();
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(examples()).arg("-B").arg(build.path());
    output(cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", installed().display())));
    output(Command::new("cmake").arg("--build").arg(build.path()));
    let place = Place::new();
    counts_in_turn(&place, &build.path().join("counter"));
    // Of another minor version before 1.0 it wants nothing.
    std::fs::write(build.path().join("CMakeLists.txt"), "find_package(cotenant 0.7 REQUIRED)\n").expect("a file");
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(build.path()).arg("-B").arg(build.path().join("other"));
    let refused = cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", installed().display())).output().expect("cmake");
    assert!(!refused.status.success());
}

/// For packagers. No machine must have it: it takes as long to build as all of this.
fn cargo_c_installs_what_programs_are_linked_with() {
    // `cargo-c 0.10.24+cargo-0.98.0`. One that is older than 0.10 knows no edition 2024, nor says what it is.
    let version = Command::new(env!("CARGO")).args(["cinstall", "--version"]).output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let is_new = version.strip_prefix("cargo-c ").is_some_and(|version| !version.starts_with("0.9."));
    if !is_new {
        return skipped::say_skipped("no cargo-c of 0.10 or later is installed: cargo install cargo-c");
    }
    let prefix = folder();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["cinstall", "--package", "cotenant-capi", "--profile", "dev", "--libdir", "lib"]);
    cargo.arg("--target-dir").arg(root().join("target/cargo-c")).arg("--prefix").arg(prefix.path());
    output(cargo.current_dir(root()));
    let lib = prefix.path().join("lib");
    assert!(lib.join("libcotenant.a").exists() && prefix.path().join("include/cotenant.hpp").exists());
    let headers = output(Command::new("readelf").arg("-dW").arg(lib.join("libcotenant.so")));
    assert!(headers.contains(&format!("[{}]", soname())) && lib.join(soname()).exists(), "{headers}");
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(["--cflags", "--libs", "cotenant"]).env("PKG_CONFIG_PATH", lib.join("pkgconfig"));
    let flags = output(&mut pkg_config);
    let program = prefix.path().join("counter");
    let mut cc = Command::new("gcc");
    cc.arg(examples().join("counter.c")).args(flags.split_whitespace()).arg("-o").arg(&program);
    output(cc.arg(format!("-Wl,-rpath,{}", lib.display())));
    counts_in_turn(&Place::new(), &program);
}

fn counts_in_turn(place: &Place, counter: &Path) {
    let (mut one, mut other) = (place.start(counter, &[]), place.start(counter, &[]));
    for round in 0..3 {
        assert_eq!(one.ask(""), format!("g_sharedCounter = {}", 2 * round + 1));
        assert_eq!(other.ask(""), format!("g_sharedCounter = {}", 2 * round + 2));
    }
}

fn counter_of_two_processes_is_one() {
    counts_in_turn(&Place::new(), &made().join("counter"));
}

fn mmap_and_fork_bear_a_killed_child() {
    let said = Place::new().run(made().join("mmap_fork"), &[]);
    assert!(said.contains("repairs") && said.contains("3500 and 3500"), "{said}");
}

fn killed_workers_lose_no_job() {
    const JOBS: usize = 60;
    let (place, jobs) = (Place::new(), made().join("jobs"));
    let refused = place.start(&jobs, &["work", "hard"]).end();
    assert!(!refused.status.success() && refused.stderr.contains("usage: jobs add N"), "{}", refused.stderr);
    place.run(&jobs, &["add", &JOBS.to_string()]);
    let (killed, last) = (place.start(&jobs, &["work"]), place.start(&jobs, &["work"]));
    let mut done = std::collections::BTreeSet::new();
    let number_of = |line: &str| line["job ".len()..].trim_end_matches(", again").parse::<usize>().expect("a number");
    for _ in 0..5 {
        done.insert(number_of(&killed.line()));
    }
    output(Command::new("kill").args(["-KILL", &killed.id().to_string()]));
    // What was acknowledged was printed before.
    done.extend(killed.end().stdout.lines().map(number_of));
    let ended = last.end();
    assert!(ended.status.success(), "{}", ended.stderr);
    done.extend(ended.stdout.lines().map(number_of));
    assert_eq!(done.into_iter().collect::<Vec<_>>(), (0..JOBS).collect::<Vec<_>>());
}

fn system_v_programs_find_each_other() {
    let (place, key) = (Place::new(), folder());
    let key = key.path().to_str().expect("a path");
    let program = made().join("sysv");
    let (tells, buys) = (place.start(&program, &["tell", key]), place.start(&program, &["buy", key]));
    let (tells, buys) = (tells.end(), buys.end());
    assert!(tells.status.success() && buys.status.success(), "{}{}", tells.stderr, buys.stderr);
    assert!(buys.stdout.contains("loaf 10 for"), "{}", buys.stdout);
}

/// The four applications, in any order.
fn start(place: &Place, language: &str, orders: &str) -> Program {
    let library = made().join("liborders.so");
    match language {
        "C" => place.start(made().join("till"), &[orders]),
        "C++" => place.start(made().join("report"), &[orders]),
        "Rust" => place.start(made().join("kiosk"), &[orders]),
        _ => {
            let market = examples().join("two_apps/market.py");
            place.start("python3", &[market.to_str().expect("a path"), library.to_str().expect("a path"), orders])
        }
    }
}

fn applications_in_four_languages_share_the_variables_of_one_library() {
    let languages = ["C", "C++", "Rust", "Python"];
    for first in 0..languages.len() {
        let place = Place::new();
        let mut number = 0;
        let mut running = Vec::new();
        // One after the other, so that the numbers are known; none ends before the last one has begun.
        for language in languages.iter().cycle().skip(first).take(languages.len()) {
            let application = start(&place, language, "3");
            for _ in 0..3 {
                number += 1;
                assert_eq!(application.line(), format!("{language}: order {number}"));
            }
            running.push(application);
        }
        // Killed in the middle of an order, which the next one takes back.
        let died = place.start(made().join("till"), &["1", "die"]).end();
        assert!(!died.status.success() && died.stdout.contains("C: order 13"), "{}", died.stdout);
        running.remove(0).kill();
        let report = start(&place, "C++", "0").end().stdout;
        assert_eq!(report, "total: 13 orders, 1300 cents, 14 calls, 1 repairs\n");
    }
}

fn applications_at_the_same_time_lose_no_order() {
    let place = Place::new();
    let running: Vec<_> = ["C", "C++", "Rust", "Python"].map(|language| start(&place, language, "200")).into();
    for application in &running {
        for _ in 0..200 {
            assert!(application.line().contains(": order "));
        }
    }
    let report = start(&place, "C++", "0").end().stdout;
    assert_eq!(report, "total: 800 orders, 80000 cents, 800 calls, 0 repairs\n");
}

tests! {
    installation_has_what_programs_look_for,
    cmake_builds_the_examples,
    cargo_c_installs_what_programs_are_linked_with,
    counter_of_two_processes_is_one,
    mmap_and_fork_bear_a_killed_child,
    killed_workers_lose_no_job,
    system_v_programs_find_each_other,
    applications_in_four_languages_share_the_variables_of_one_library,
    applications_at_the_same_time_lose_no_order,
}
