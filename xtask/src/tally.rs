//! Counting: what passed, what failed, what was left out.
//!
//! Test programs may start themselves again, and such a child prints a `test result:` line of its own into the same
//! stream. So the stream is cut at the headers that cargo prints before each program, and of each piece only the
//! last line counts: the program's own, which it prints after its children's. A `Doc-tests` piece may rightly have
//! several: rustdoc runs the examples in groups.
//!
//! After a program that failed cargo prints a line, which also tells of one that was killed before its result.
//!
//! libtest knows no test that finds out while it runs that it cannot be tried: such a test passes, and says
//! `!!! SKIPPED by NAME: why` past the harness (tests/support/skip.rs). It counts as skipped.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use crate::workshop::Workshop;

/// How many checks ended which way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One check that passed.
    pub(crate) const PASS: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
    /// One check that failed.
    pub(crate) const FAIL: Tally = Tally { passed: 0, failed: 1, skipped: 0 };

    /// One check, and its error said.
    pub(crate) fn of(result: anyhow::Result<()>) -> Tally {
        match result {
            Ok(()) => Tally::PASS,
            Err(error) => {
                eprintln!("error: {error:#}");
                Tally::FAIL
            }
        }
    }

    /// One part that cannot run here, said loudly. In CI it is a failure.
    pub(crate) fn skip(workshop: &Workshop, what: &str, why: &str) -> Tally {
        eprintln!("\n!!! SKIPPED: {what}\n!!! {}\n", why.replace('\n', "\n!!! "));
        if workshop.ci {
            eprintln!("!!! CI=true: a skipped part is a failure\n");
            return Tally::FAIL;
        }
        Tally { skipped: 1, ..Tally::default() }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Counts the tests in the merged output of one `cargo test`, line by line.
#[derive(Default)]
pub(crate) struct TestOutput {
    total: Tally,
    piece: Piece,
}

/// What one program, or the documentation of one library, printed.
#[derive(Default)]
enum Piece {
    /// Before the first header.
    #[default]
    None,
    Program {
        last_result: Option<Tally>,
        is_failed: bool,
        /// The names of the tests that said so.
        skipped: BTreeSet<String>,
    },
    Documentation {
        sum: Tally,
    },
}

impl TestOutput {
    pub(crate) fn line(&mut self, line: &str) {
        let header = line.trim_start();
        let is_indented = header.len() < line.len();
        if is_indented && header.starts_with("Doc-tests ") {
            self.next_piece(Piece::Documentation { sum: Tally::default() });
        } else if is_indented && header.starts_with("Running ") && header.ends_with(')') {
            self.next_piece(Piece::Program { last_result: None, is_failed: false, skipped: BTreeSet::new() });
        }
        if let (Piece::Program { skipped, .. }, Some(test)) = (&mut self.piece, parse_skipped(line)) {
            skipped.insert(test.to_owned());
        }
        match (&mut self.piece, parse_result(line)) {
            (Piece::Program { last_result, .. }, Some(result)) => *last_result = Some(result),
            (Piece::Documentation { sum }, Some(result)) => *sum += result,
            (Piece::Program { is_failed, .. }, None) => *is_failed |= line.starts_with("error: test failed, to rerun"),
            _ => {}
        }
    }

    /// The whole run. A run that failed without a failed test, for instance because it did not build, counts as one.
    pub(crate) fn finish(mut self, success: bool) -> Tally {
        self.next_piece(Piece::None);
        if !success && self.total.failed == 0 {
            self.total.failed = 1;
        }
        self.total
    }

    fn next_piece(&mut self, next: Piece) {
        match std::mem::replace(&mut self.piece, next) {
            Piece::None => {}
            // A program without libtest (`harness = false`) is one test.
            Piece::Program { last_result: None, is_failed: false, .. } => self.total += Tally::PASS,
            Piece::Program { last_result, is_failed, skipped } => {
                let mut result = last_result.unwrap_or_default();
                let skipped = result.passed.min(skipped.len() as u64);
                result.passed -= skipped;
                result.skipped += skipped;
                if is_failed && result.failed == 0 {
                    result.failed = 1;
                }
                self.total += result;
            }
            Piece::Documentation { sum } => self.total += sum,
        }
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s`
fn parse_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        match part.split_once(' ') {
            Some((count, "passed")) => tally.passed = count.parse().ok()?,
            Some((count, "failed")) => tally.failed = count.parse().ok()?,
            Some((count, "ignored")) => tally.skipped = count.parse().ok()?,
            _ => {}
        }
    }
    Some(tally)
}

/// `!!! SKIPPED by debuggers::valgrind_is_content: `valgrind` is not installed`
fn parse_skipped(line: &str) -> Option<&str> {
    Some(line.strip_prefix("!!! SKIPPED by ")?.split_once(": ")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str, success: bool) -> Tally {
        let mut output = TestOutput::default();
        text.lines().for_each(|line| output.line(line));
        output.finish(success)
    }

    #[test]
    fn results_of_all_programs_are_added() {
        let text = "     Running unittests src/lib.rs (target/debug/deps/a-1)
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s
     Running tests/many.rs (target/debug/deps/b-1)
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.21s";
        assert_eq!(count(text, false), Tally { passed: 4, failed: 2, skipped: 1 });
    }

    #[test]
    fn results_of_children_are_not_counted() {
        let text = "     Running tests/many.rs (target/debug/deps/b-1)
running 2 tests
running 1 test
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.01s
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.21s";
        assert_eq!(count(text, true).passed, 2);
    }

    #[test]
    fn all_groups_of_documentation_examples_are_counted() {
        let text = "   Doc-tests cotenant
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s
   Doc-tests cotenant_macros
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(count(text, true), Tally { passed: 9, failed: 0, skipped: 1 });
    }

    #[test]
    fn tests_that_say_that_they_are_skipped_have_not_passed() {
        let text = "     Running tests/images/main.rs (target/debug/deps/images-1)
running 4 tests
test linkers::all_agree ... ok

!!! SKIPPED by linkers::more: `ld.gold` is not installed


!!! SKIPPED by linkers::more: `mold` is not installed

test linkers::more ... ok

!!! SKIPPED by debuggers::valgrind: `valgrind` is not installed

!!! SKIPPED: as_root needs root (mount namespaces, other users)
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.21s
     Running tests/next.rs (target/debug/deps/next-1)
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(count(text, true), Tally { passed: 3, failed: 0, skipped: 3 });
    }

    #[test]
    fn program_without_a_result_is_one_test() {
        let text = "     Running tests/killed.rs (target/debug/deps/a-1)
running 2 tests
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.01s
error: test failed, to rerun pass `--test killed`
     Running tests/aborts.rs (target/debug/deps/b-1)
error: test failed, to rerun pass `--test aborts`
     Running tests/own_harness.rs (target/debug/deps/c-1)
all is well";
        assert_eq!(count(text, false), Tally { passed: 2, failed: 2, skipped: 0 });
    }

    #[test]
    fn run_that_does_not_build_is_one_failure() {
        assert_eq!(count("error[E0425]: cannot find value", false), Tally::FAIL);
    }
}
