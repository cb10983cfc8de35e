//! C and C++ on Windows: the programs of capi/tests/c, built by mingw and run under Wine, linked with the DLL and with
//! the static library; the classic counter, and a process that is killed in a lock.
//!
//! Under Wine is no compiler, so what `cargo test -p cotenant-capi` does on Linux is done here from outside.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::run::{check, check_all, check_under_wine};
use crate::tally::Tally;
use crate::windows::{Toolchain, wine_environment};
use crate::workshop::Workshop;

const PROGRAM_LIMIT: Duration = Duration::from_secs(120);
/// What the static library needs of Windows.
const SYSTEM_LIBRARIES: [&str; 5] = ["-lws2_32", "-luserenv", "-lntdll", "-lbcrypt", "-ladvapi32"];
/// Compiler, its flags, and whether the static library is linked.
const FORMS: [(&str, &[&str], bool); 4] = [
    ("x86_64-w64-mingw32-gcc", &["-std=c11"], true),
    ("x86_64-w64-mingw32-gcc", &["-std=c11", "-O3"], false),
    ("x86_64-w64-mingw32-g++", &["-std=c++17", "-x", "c++"], true),
    ("x86_64-w64-mingw32-g++", &["-std=c++17", "-x", "c++", "-O2"], false),
];

pub(crate) fn run(workshop: &Workshop, toolchain: &Toolchain) -> Result<Tally> {
    check(workshop, toolchain.cargo(workshop, "build").args(["--package", "cotenant-capi"]))?;
    let built = toolchain.built(workshop);
    let folder = workshop.target.join("windows/c");
    std::fs::create_dir_all(&folder)?;
    // Beside the programs, where Windows looks for it.
    std::fs::copy(built.join("cotenant.dll"), folder.join("cotenant.dll"))?;
    let place = Place { workshop, built, folder };
    let (mut programs, mut compilers) = (Vec::new(), Vec::new());
    for source in sources(workshop)? {
        for (number, form) in FORMS.iter().enumerate() {
            if source.extension().is_some_and(|it| it == "cpp") && !form.0.ends_with("g++") {
                continue;
            }
            let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let program = place.folder.join(format!("{stem}-{number}.exe"));
            compilers.push(place.compiler(&source, &program, form));
            programs.push(program);
        }
    }
    let mut tally = Tally::default();
    // One after the other: those of one source share what they name.
    for (program, compiled) in programs.iter().zip(check_all(compilers)) {
        tally += Tally::of(compiled.and_then(|()| check_under_wine(workshop, &|| place.wine(program), PROGRAM_LIMIT)));
    }
    tally += Tally::of(place.counter_of_two_processes_is_one());
    tally += Tally::of(place.killed_owner_is_told_to_the_next_one());
    Ok(tally)
}

/// The programs of capi/tests/c that check themselves.
fn sources(workshop: &Workshop) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(workshop.root.join("capi/tests/c"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c" || extension == "cpp") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

struct Place<'a> {
    workshop: &'a Workshop,
    built: PathBuf,
    folder: PathBuf,
}

impl Place<'_> {
    fn compiler(&self, source: &Path, program: &Path, form: &(&str, &[&str], bool)) -> Command {
        let (compiler, flags, is_static) = *form;
        let mut cc = self.workshop.command(compiler);
        cc.args(flags).args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-Icapi/include", "-Icapi/tests/c"]);
        if is_static {
            cc.arg("-DCOTENANT_STATIC");
        }
        cc.arg(source).arg("-o").arg(program).args(["-x", "none", "-static", "-pthread"]);
        if is_static {
            cc.arg(self.built.join("libcotenant.a")).args(SYSTEM_LIBRARIES);
        } else {
            cc.arg(self.built.join("libcotenant.dll.a"));
        }
        cc
    }

    fn compile(&self, source: &Path, name: &str, form: &(&str, &[&str], bool)) -> Result<PathBuf> {
        let program = self.folder.join(name);
        check(self.workshop, &mut self.compiler(source, &program, form))?;
        Ok(program)
    }

    fn wine(&self, program: &Path) -> Command {
        let mut wine = self.workshop.command("wine");
        wine.arg(program).envs(wine_environment(self.workshop)).current_dir(&self.folder);
        wine
    }

    fn counter_of_two_processes_is_one(&self) -> Result<()> {
        let counter = self.workshop.root.join("examples/c/counter.c");
        for form in [&FORMS[0], &FORMS[1]] {
            let program = self.compile(&counter, &format!("counter-{}.exe", form.2), form)?;
            let (mut one, mut other) = (Talk::start(self.wine(&program))?, Talk::start(self.wine(&program))?);
            for round in 0..2 {
                one.ask("", &format!("g_sharedCounter = {}", 2 * round + 1))?;
                other.ask("", &format!("g_sharedCounter = {}", 2 * round + 2))?;
            }
        }
        Ok(())
    }

    fn killed_owner_is_told_to_the_next_one(&self) -> Result<()> {
        let actor = self.workshop.root.join("capi/tests/c/programs/actor.c");
        let program = self.compile(&actor, "actor.exe", &FORMS[1])?;
        let start = || -> Result<Talk> {
            let actor = Talk::start(self.wine(&program))?;
            ensure!(actor.line()? == "ready", "the actor is not ready");
            Ok(actor)
        };
        let (mut one, mut other) = (start()?, start()?);
        one.ask("mutex", "ok")?;
        other.ask("mutex-try", "busy")?;
        drop(one);
        other.ask("mutex", "died")?;
        other.ask("mutex-repair", "ok")?;
        other.ask("mutex-end", "ok")?;
        let mut third = start()?;
        third.ask("change", "ok")?;
        other.ask("values", "1 100 -6 1 from_C 10 1 7 0.5 C")
    }
}

/// A program under Wine that is spoken to in lines; killed when it is dropped.
struct Talk {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Talk {
    fn start(mut command: Command) -> Result<Talk> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("wine")?;
        let input = child.stdin.take().context("its input")?;
        let stdout = child.stdout.take().context("its output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line.trim_end_matches('\r').to_owned()).is_err() {
                    return;
                }
            }
        });
        Ok(Talk { child, input, lines })
    }

    fn line(&self) -> Result<String> {
        self.lines.recv_timeout(PROGRAM_LIMIT).context("a program under Wine says nothing")
    }

    fn ask(&mut self, what: &str, answer: &str) -> Result<()> {
        writeln!(self.input, "{what}")?;
        let said = self.line()?;
        if said != answer {
            bail!("a program under Wine answered {said:?} to {what:?}, not {answer:?}");
        }
        Ok(())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
