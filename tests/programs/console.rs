//! The inside of every test program: answers one line on standard input with one line on standard output, so that a
//! test decides what happens when, and nothing is timed.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Answers `add NAME`, `get NAME`, `set NAME VALUE` and `address NAME` itself, asks `more` about other lines, and ends
/// at `quit` or at the end of the input.
pub fn serve(variables: &[(&str, &AtomicU64)], more: impl Fn(&str) -> Option<String>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if line == "quit" {
            return;
        }
        let answer = own_answer(variables, &line).or_else(|| more(&line));
        let answer = answer.unwrap_or_else(|| format!("no answer to `{line}`"));
        if writeln!(std::io::stdout(), "{answer}").is_err() {
            return;
        }
    }
}

fn own_answer(variables: &[(&str, &AtomicU64)], line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let verb = words.next()?;
    let name = words.next()?;
    let (_, variable) = variables.iter().find(|(known, _)| *known == name)?;
    match verb {
        "add" => Some((variable.fetch_add(1, SeqCst) + 1).to_string()),
        "get" => Some(variable.load(SeqCst).to_string()),
        "set" => Some(variable.swap(words.next()?.parse().ok()?, SeqCst).to_string()),
        "address" => Some((*variable as *const AtomicU64 as usize).to_string()),
        _ => None,
    }
}
