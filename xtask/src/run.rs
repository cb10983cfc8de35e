//! Running commands: shown, without input, and in CI with a limit of time.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tally::{Tally, TestOutput};
use crate::workshop::Workshop;

/// A command that runs longer than this in CI hangs. The whole suite has 30 minutes.
const COMMAND_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long output is still read after the command's end, for what a left-over process of it holds open.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Runs a command to its end; an exit status other than 0 is an error.
pub(crate) fn check(workshop: &Workshop, command: &mut Command) -> Result<()> {
    check_within(workshop, command, COMMAND_LIMIT)
}

/// Like [`check`]; in CI the command is killed after `limit`.
pub(crate) fn check_within(workshop: &Workshop, command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = start(workshop, command)?;
    let status = wait(&mut child, workshop.ci.then_some(limit))?;
    if !status.success() {
        bail!("{}: {status}", shown(command));
    }
    Ok(())
}

/// What Wine says, or Windows' own error, where a program could not be started: the new process dies before it is one.
const WINES_ERRORS: [&str; 3] = ["code: 1359", "os error 1359", "wine client error"];

pub(crate) fn is_wines_error(line: &str) -> bool {
    WINES_ERRORS.iter().any(|error| line.contains(error))
}

/// As [`check_within`]; once more, and loudly, where Wine could not start a program.
pub(crate) fn check_under_wine(workshop: &Workshop, start: &dyn Fn() -> Command, limit: Duration) -> Result<()> {
    let mut is_wines = false;
    let status = show_lines(workshop, &mut start(), limit, &mut |line| is_wines |= is_wines_error(line))?;
    if !status.success() && is_wines {
        eprintln!("\n!!! Wine could not start a program ({status}); once more\n");
        return check_within(workshop, &mut start(), limit);
    }
    if !status.success() {
        bail!("{}: {status}", shown(&start()));
    }
    Ok(())
}

/// Runs a `cargo test`, passes its output through line by line and counts.
pub(crate) fn tests(workshop: &Workshop, command: &mut Command) -> Result<Tally> {
    tests_and(workshop, command, &mut |_| ())
}

/// As [`tests`], and shows each line to `see`.
pub(crate) fn tests_and(workshop: &Workshop, command: &mut Command, see: &mut dyn FnMut(&str)) -> Result<Tally> {
    let mut output = TestOutput::default();
    let status = show_lines(workshop, command.env("CARGO_TERM_COLOR", "never"), COMMAND_LIMIT, &mut |line| {
        see(line);
        output.line(line);
    })?;
    Ok(output.finish(status.success()))
}

/// Runs a command to its end, in CI within `limit`; passes its output through line by line, and shows each to `see`.
fn show_lines(
    workshop: &Workshop,
    command: &mut Command,
    limit: Duration,
    see: &mut dyn FnMut(&str),
) -> Result<ExitStatus> {
    // One pipe for both streams: their order tells which program printed a result.
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = start(workshop, command)?;
    // The command keeps the writing ends open as long as it lives.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
            drop(stdout);
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let status = wait(&mut child, workshop.ci.then_some(limit))?;
    while let Ok(line) = receiver.recv_timeout(DRAIN_LIMIT) {
        // Wine's console ends lines as Windows does.
        see(String::from_utf8_lossy(&line).trim_end_matches('\r'));
    }
    Ok(status)
}

/// Runs commands that have nothing to do with each other, as many at a time as there are processors; gives each one's
/// result in its place. What one prints is shown when it has ended.
pub(crate) fn check_all(mut commands: Vec<Command>) -> Vec<Result<()>> {
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let run = |command: &mut Command| -> Result<()> {
        let output = command.stdin(Stdio::null()).output().with_context(|| shown(command))?;
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        print!("$ {}\n{}", shown(command), String::from_utf8_lossy(&text));
        if !output.status.success() {
            bail!("{}: {}", shown(command), output.status);
        }
        Ok(())
    };
    let next = Mutex::new(commands.iter_mut().enumerate());
    let results = Mutex::new(Vec::new());
    let take = || next.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((number, command)) = take() {
                    let result = run(command);
                    results.lock().expect("no panic under it").push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panic under it");
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The standard output of a short command.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| shown(command))?;
    if !output.status.success() {
        bail!("{}: {}\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn start(workshop: &Workshop, command: &mut Command) -> Result<Child> {
    println!("$ {}", shown(command));
    if workshop.ci {
        // A group of its own can be killed whole. Not at a terminal: Ctrl-C would not reach it.
        command.process_group(0);
    }
    command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {}", shown(command)))
}

fn wait(child: &mut Child, limit: Option<Duration>) -> Result<ExitStatus> {
    let Some(limit) = limit else { return Ok(child.wait()?) };
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            eprintln!("killed: still running after {} s", limit.as_secs());
            Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status()?;
            return Ok(child.wait()?);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
