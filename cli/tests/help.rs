//! What the command says of itself: `--help` as it is written down in `golden/`, manual pages, completions.
//!
//! `COTENANT_UPDATE_GOLDEN=1 cargo test -p cotenant-cli --test help` writes the files anew.

#![cfg(target_os = "linux")]

#[path = "../../tests/support/skip.rs"]
mod not_tried;

use std::path::Path;
use std::process::{Command, Output};

/// The commands that people are shown.
const COMMANDS: [&str; 15] = [
    "ls", "show", "get", "top", "watch", "trace", "snapshot", "diff", "set", "reset", "prune", "rm", "inspect",
    "doctor", "demo",
];

/// Those that are for one kind of thing, and named at the end of the help.
const OF_ONE_KIND: [&str; 3] = ["cache", "metrics", "published"];

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
    command.args(arguments).env("COLUMNS", "100").env_remove("CLICOLOR_FORCE").output().expect("it starts")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn check(name: &str, says: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("COTENANT_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, says).expect("it can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(says, golden, "{} differs; see the top of this file", path.display());
}

#[test]
fn help_of_every_command_is_as_written_down() {
    check("cotenant", &text(&run(&["--help"])));
    for command in COMMANDS.into_iter().chain(OF_ONE_KIND) {
        let output = run(&[command, "--help"]);
        assert!(output.status.success(), "{command}");
        let says = text(&output);
        assert!(command == "demo" || says.contains("Examples:") && says.contains("Exit status"), "{says}");
        check(command, &says);
    }
}

#[test]
fn wrong_commands_are_told_the_right_one() {
    for (wrong, right) in [("lss", "ls"), ("inspcet", "inspect"), ("tracee", "trace"), ("snapshto", "snapshot")] {
        let output = run(&[wrong]);
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{says}");
        assert!(says.contains("similar") && says.contains(&format!("'{right}'")), "{says}");
    }
    let output = run(&["ls", "--jsno"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--json"));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = text(&run(&["completions", shell]));
        for command in COMMANDS.into_iter().chain(OF_ONE_KIND) {
            assert!(script.contains(command), "{shell}: no {command}");
        }
    }
}

/// Loads the completions in a shell, and asks what it makes of `cotenant sn`.
fn completed(shell: &str, arguments: &[&str], extension: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(extension);
    std::fs::write(&file, run(&["completions", shell]).stdout).expect("it can be written");
    let ran = Command::new(shell).args(arguments).current_dir(folder.path()).env("HOME", folder.path()).output();
    let Ok(ran) = ran else {
        not_tried::say_skipped(&format!("no {shell} here to load completions"));
        return None;
    };
    let says = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{shell}: {ran:?}");
    Some(says)
}

#[test]
fn shells_load_the_completions_and_complete_with_them() {
    let bash = "source ./it && COMP_WORDS=(cotenant sn) COMP_CWORD=1 && _cotenant cotenant sn cotenant; \
                echo \"${COMPREPLY[@]}\"";
    let says = completed("bash", &["--norc", "-c", bash], "it").unwrap_or_default();
    assert_eq!(says.trim(), "snapshot");
    if let Some(says) = completed("fish", &["--no-config", "-c", "source ./it; complete -C 'cotenant sn'"], "it") {
        assert!(says.starts_with("snapshot\t"), "{says}");
    }
    let zsh = "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; print ${_comps[cotenant]}; \
               autoload +X _cotenant && whence -w _cotenant";
    if let Some(says) = completed("zsh", &["-f", "-c", zsh], "_cotenant") {
        assert_eq!(says.trim(), "_cotenant\n_cotenant: function");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let output = run(&["completions", "man", "--to", path]);
    assert!(output.status.success(), "{output:?}");
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    assert!(page("cotenant.1").contains(".TH cotenant 1"), "{}", page("cotenant.1"));
    for command in COMMANDS.into_iter().chain(OF_ONE_KIND) {
        let page = page(&format!("cotenant-{command}.1"));
        assert!(page.contains(&format!(".TH cotenant-{command} 1")), "{command}: {page}");
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{command}: {page}");
        assert!(!page.contains("EXTRA"), "a heading with nothing below it: {page}");
        // Line by line, as in `--help`.
        assert!(command == "demo" || page.contains(".SH \"EXAMPLES\"\n.nf\n  cotenant "), "{command}: {page}");
    }
    assert!(text(&run(&["completions", "man"])).contains(".TH cotenant 1"));
}
