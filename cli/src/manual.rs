//! Manual pages and completions of shells, made from the same descriptions as `--help`: for who packages the command.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use crate::output::finish;

const EXAMPLES: &str = "\
Examples:
  cotenant completions bash > ~/.local/share/bash-completion/completions/cotenant
  cotenant completions zsh > ~/.zfunc/_cotenant
  cotenant completions fish > ~/.config/fish/completions/cotenant.fish
  cotenant completions man --to /usr/local/share/man/man1     cotenant.1 and a page for each command

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// Arguments of `cotenant completions`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// For which shell; or the manual pages
    #[arg(value_enum)]
    what: What,
    /// Folder for the manual pages; without it, that of the command itself goes to standard output
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    /// Manual pages
    Man,
}

/// Commands for one kind of thing, which the help does not list among the others.
const OF_ONE_KIND: [&str; 3] = ["cache", "metrics", "published"];

impl Completions {
    /// `command` is the whole command, as clap knows it.
    pub(crate) fn run(&self, command: Command) -> Result<ExitCode> {
        // What the help names at its end only is a command like any other.
        let mut command = OF_ONE_KIND.iter().fold(command, |all, name| all.mut_subcommand(name, |it| it.hide(false)));
        let shell = match self.what {
            What::Bash => Shell::Bash,
            What::Elvish => Shell::Elvish,
            What::Fish => Shell::Fish,
            What::Powershell => Shell::PowerShell,
            What::Zsh => Shell::Zsh,
            What::Man => return self.manual(command),
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "cotenant", &mut script);
        finish(std::io::stdout().lock().write_all(&script))?;
        Ok(ExitCode::SUCCESS)
    }

    fn manual(&self, mut command: Command) -> Result<ExitCode> {
        command.build();
        let Some(folder) = &self.to else {
            finish(std::io::stdout().lock().write_all(&page(&command)?))?;
            return Ok(ExitCode::SUCCESS);
        };
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        write(folder, "cotenant.1", &page(&command)?)?;
        for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help" && !it.is_hide_set()) {
            write(folder, &format!("cotenant-{}.1", subcommand.get_name()), &page(subcommand)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // The template of `--help` is for terminals; a manual page has sections of its own. And clap's would have filled
    // the lines of examples to one paragraph.
    let nothing = None::<&'static str>;
    let command = command.clone().help_template("{about}").after_help(nothing).after_long_help(nothing);
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).context("cannot make the manual page")?;
    page.extend(sections(&examples).into_bytes());
    Ok(page)
}

/// What stands below the options of `--help`, line by line: a section for each heading, and for what has none.
fn sections(text: &str) -> String {
    let mut page = String::new();
    for paragraph in text.split("\n\n") {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        let heading = first.strip_suffix(':').filter(|heading| heading.len() < 30 && !rest.is_empty());
        let lines = if heading.is_some() { rest } else { paragraph };
        if let Some(heading) = heading {
            page.push_str(&format!(".SH \"{}\"\n", heading.to_uppercase()));
        } else if page.is_empty() {
            page.push_str(".SH NOTES\n");
        } else {
            page.push_str(".PP\n");
        }
        page.push_str(".nf\n");
        for line in lines.lines() {
            let line = line.replace('\\', "\\e").replace('-', "\\-");
            // A line that begins so would be a request.
            let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
            page.push_str(&format!("{guard}{line}\n"));
        }
        page.push_str(".fi\n");
    }
    page
}

fn write(folder: &Path, name: &str, page: &[u8]) -> Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}
