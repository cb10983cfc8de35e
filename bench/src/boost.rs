//! Boost.Interprocess: a small C++ program, compiled when it is wanted, that measures itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, bail, ensure};

const SOURCE: &str = include_str!("boost.cpp");
const HEADER: &str = "boost/interprocess/managed_shared_memory.hpp";

/// The program, or why there is none.
pub(crate) struct Boost {
    program: Result<PathBuf, String>,
    /// The library's name, with its version if it is there.
    pub(crate) name: String,
}

static BOOST: OnceLock<Boost> = OnceLock::new();

/// Compiles it into `folder`, the first time.
pub(crate) fn get(folder: &Path) -> &'static Boost {
    BOOST.get_or_init(|| {
        let built = build(folder);
        let version = built.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"));
        let name = match version.and_then(|program| output(program, "version", 0)) {
            Ok(version) => format!("Boost.Interprocess {version}"),
            Err(_) => "Boost.Interprocess".into(),
        };
        Boost { program: built.map_err(|error| format!("{error:#}")), name }
    })
}

impl Boost {
    /// Has the program measure `case`.
    pub(crate) fn measure(&self, case: &str, number: u64) -> anyhow::Result<f64> {
        let program = self.program.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
        let text = output(program, case, number)?;
        text.parse().with_context(|| format!("the program for Boost wrote {text:?}"))
    }
}

fn build(folder: &Path) -> anyhow::Result<PathBuf> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let has = |include: &str| {
        let mut command = Command::new(&compiler);
        command.args(["-E", "-x", "c++", "-include", include, "/dev/null"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    let status = has(HEADER).with_context(|| format!("no C++ compiler ({})", compiler.to_string_lossy()))?;
    if !status.success() {
        bail!("its headers are not installed");
    }
    let (source, program) = (folder.join("boost.cpp"), folder.join("boost"));
    std::fs::write(&source, SOURCE).context("write the program for Boost")?;
    let mut command = Command::new(&compiler);
    command.args(["-O2", "-std=c++17", "-pthread", "-o"]).arg(&program).arg(&source).arg("-lrt");
    let output = command.output().context("compile the program for Boost")?;
    ensure!(output.status.success(), "cannot be compiled: {}", String::from_utf8_lossy(&output.stderr));
    Ok(program)
}

fn output(program: &Path, case: &str, number: u64) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    let output = command.arg(case).arg(number.to_string()).output().context("run the program for Boost")?;
    ensure!(output.status.success(), "the program for Boost ended with {} in {case}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
