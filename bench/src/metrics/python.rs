//! Python's prometheus_client between processes, which writes a file for each: where it is installed.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::{COUNTER, Cases, HISTOGRAM};
use crate::Effort;
use crate::subject::Subject;

const NAME: &str = "python prometheus_client, multiprocess";

/// Prints nanoseconds for one call of what the first argument names.
const PROGRAM: &str = r#"
import os, sys, tempfile, time
with tempfile.TemporaryDirectory() as folder:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    from prometheus_client import Counter, Histogram
    what, passes = sys.argv[1], int(sys.argv[2])
    act = Counter("a", "A.").inc if what == "counter" else (lambda h: lambda: h.observe(0.0123))(Histogram("b", "B."))
    for _ in range(passes // 10):
        act()
    start = time.perf_counter_ns()
    for _ in range(passes):
        act()
    print((time.perf_counter_ns() - start) / passes)
"#;

pub(super) fn add(cases: &mut Cases<'_>, effort: Effort) {
    let passes = if effort.quick { "1000" } else { "20000" };
    for (case, what) in [(COUNTER, "counter"), (HISTOGRAM, "histogram")] {
        cases.subjects.push(Subject::new(case, NAME, move |_| measure(what, passes)));
    }
}

fn measure(what: &str, passes: &str) -> anyhow::Result<f64> {
    let mut python = Command::new("python3");
    let output = python.args(["-c", PROGRAM, what, passes]).stderr(Stdio::piped()).output().context("python3")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.lines().last().unwrap_or("it failed"));
    String::from_utf8_lossy(&output.stdout).trim().parse().context("its answer")
}
