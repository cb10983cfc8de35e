//! Blocks of a console, run by a shell: those of one page in their order, with segments and a folder of their own.
//!
//! ```text
//! $ cotenant get acme.jobs done      run, and must succeed
//! 41                                 shown below it: what it prints, but for numbers and blanks
//! ...                                and whatever else
//! ```
//!
//! What looks at others is tried again until it shows what it should: a program that was started in the background (`&`)
//! takes its time. They are all ended at the end of the page.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Block, all_blocks, blocks, pages};

/// Far longer than anything here takes on the slowest machine.
const WATCHDOG: Duration = Duration::from_secs(240);
/// What the pages call the folder of segments.
const SHOWN_FOLDER: &str = "/dev/shm/cotenant-1000";

/// A command, and what is shown below it.
struct Call {
    command: String,
    shown: Vec<String>,
}

fn calls(block: &Block) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), calls.last_mut()) {
            (Some(command), _) => calls.push(Call { command: command.to_owned(), shown: Vec::new() }),
            (None, Some(call)) => call.shown.push(line.to_owned()),
            (None, None) => panic!("{}: it begins with no command", block.place()),
        }
    }
    calls
}

/// A shell's command in the folder of a page, with our command on the path.
fn shell(command: &str, folder: &Path) -> Command {
    let tool = Path::new(env!("CARGO_BIN_EXE_cotenant")).parent().expect("a folder");
    let path = format!("{}:{}", tool.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(folder).env("PATH", path).env("COLUMNS", "80");
    shell.env("COTENANT_DIR", folder).env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE");
    shell.stdin(Stdio::null());
    shell
}

/// Programs in the background; their groups are ended when this is dropped.
#[derive(Default)]
struct Background(Vec<Child>);

impl Drop for Background {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // The group of a child that we have not waited for: nobody else's.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-9", "--", &group]).status();
            let _ = child.wait();
        }
    }
}

/// Without numbers and blanks, of which each run differs.
fn shape(line: &str) -> String {
    let is_id = |word: &str| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = line.split_whitespace().map(|word| {
        let inside = word.trim_matches(['(', ')']);
        let word = if is_id(inside) { word.replace(inside, "ID") } else { word.to_owned() };
        let mut shape = String::new();
        for character in word.chars() {
            match character.is_ascii_digit() {
                true if shape.ends_with('0') => {}
                true => shape.push('0'),
                false => shape.push(character),
            }
        }
        shape
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether lines are those that are shown; `...` stands for any, and at the end of a line for any end of it.
fn is_as_shown(shown: &[String], lines: &[&str]) -> bool {
    let Some((first, rest)) = shown.split_first() else { return lines.is_empty() };
    if first == "..." {
        return (0..=lines.len()).any(|skipped| is_as_shown(rest, &lines[skipped..]));
    }
    let Some((line, others)) = lines.split_first() else { return false };
    let is_it = match first.strip_suffix("...") {
        Some(start) => shape(line).starts_with(&shape(start)),
        None => shape(line) == shape(first),
    };
    is_it && is_as_shown(rest, others)
}

fn run(call: &Call, folder: &Path, place: &str, background: &mut Background) {
    if let Some(command) = call.command.trim_end().strip_suffix('&') {
        let mut command = shell(command, folder);
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        background.0.push(command.spawn().expect("a shell"));
        return;
    }
    let deadline = Instant::now() + WATCHDOG;
    loop {
        let output = shell(&call.command, folder).output().expect("a shell");
        let out = String::from_utf8_lossy(&output.stdout).replace(&folder.display().to_string(), SHOWN_FOLDER);
        let is_fine = output.status.success()
            && (call.shown.is_empty() || is_as_shown(&call.shown, &out.lines().collect::<Vec<_>>()));
        if is_fine {
            return;
        }
        let err = String::from_utf8_lossy(&output.stderr);
        let says = format!("{place}: {}: {}\n{out}{err}", call.command, output.status);
        assert!(Instant::now() < deadline && !background.0.is_empty(), "{says}\nshown:\n{}", call.shown.join("\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn consoles_are_run_and_print_what_is_shown() {
    let mut count = 0;
    for page in pages() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut background = Background::default();
        for block in blocks(&page).iter().filter(|it| it.language == "console" && it.excuse().is_none()) {
            for call in calls(block) {
                count += 1;
                run(&call, folder.path(), &block.place(), &mut background);
            }
        }
    }
    assert!(count >= 10, "{count} commands are run");
}

/// The call of our command in a line, as a shell reads it.
fn call_of(command: &str) -> Option<String> {
    // What a shell would put in the place of `$(...)`, say a process id.
    let command = match (command.find("$("), command.rfind(')')) {
        (Some(start), Some(end)) => format!("{}1{}", &command[..start], &command[end + 1..]),
        _ => command.to_owned(),
    };
    let call = command[command.find("cotenant ")?..].split([';', '|', '>', '<', '&', '#']).next()?;
    Some(call.to_owned())
}

#[test]
fn every_line_of_a_console_is_one_that_the_command_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut count = 0;
    for block in all_blocks().iter().filter(|block| block.language == "console") {
        for call in calls(block).iter().filter_map(|call| call_of(&call.command)) {
            count += 1;
            // Wrong words are found before help is given.
            let output = shell(&format!("{call} --help"), folder.path()).output().expect("a shell");
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: {call}: {says}", block.place());
        }
    }
    assert!(count >= 10, "{count} commands are found");
}

#[test]
fn lines_are_compared_by_their_shapes() {
    let shown = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(is_as_shown(&shown(&["a 12  b", "...", "z 1"]), &["a 7 b", "c", "d", "z 22"]));
    assert!(is_as_shown(&shown(&["x (6f3a1c2b) 3 d...", "..."]), &["x (00c0ffee) 1 d and more"]));
    assert!(!is_as_shown(&shown(&["a", "b"]), &["a"]) && !is_as_shown(&shown(&["a"]), &["a", "b"]));
    assert!(!is_as_shown(&shown(&["lost: 0"]), &["found: 0"]));
}
