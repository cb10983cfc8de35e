//! The form of the repository, as a test that fails: what rustfmt and clippy do not see.
//!
//! Looked at: what git has or would have (`git ls-files` and untracked files that are not ignored). Each check takes
//! these files and gives back complaints, so that its tests can hand it files that are wrong.

mod architecture;
mod layers;
mod links;
mod os_code;
mod size;
mod tokens;
mod words;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::run::output;
use crate::tally::Tally;
use crate::workshop::Workshop;

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with slashes.
    path: String,
    text: String,
}

/// One thing to mend: `path:line: what`.
type Complaint = String;
/// What all files are handed to.
type Check = fn(&[File]) -> Vec<Complaint>;

pub(crate) fn run(workshop: &Workshop) -> Result<Tally> {
    let files = files(workshop)?;
    let checks: [(&str, Check); 6] = [
        ("OS code only in src/sys", os_code::check),
        ("arrows point downwards", layers::check),
        ("lines, functions and files have their bounds", size::check),
        ("ARCHITECTURE.md names every file", architecture::check),
        ("no marks, machine paths or package hosts", words::check),
        ("links resolve", links::check),
    ];
    let mut count = 0;
    for (name, check) in checks {
        let complaints = check(&files);
        println!("{} {name}", if complaints.is_empty() { "ok  " } else { "FAIL" });
        complaints.iter().for_each(|complaint| println!("     {complaint}"));
        count += complaints.len();
    }
    if count > 0 {
        bail!("{count} things to tidy");
    }
    Ok(Tally::PASS)
}

fn files(workshop: &Workshop) -> Result<Vec<File>> {
    let mut git = workshop.command("git");
    let list = output(git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        let absolute: PathBuf = workshop.root.join(path);
        // A file deleted and not yet committed is gone; links point at files that are looked at themselves.
        if !absolute.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        // What is not text counts as a file, for links to it.
        let text = String::from_utf8(std::fs::read(absolute)?).unwrap_or_default();
        files.push(File { path: path.to_owned(), text });
    }
    Ok(files)
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// `src/sync/mutex.rs` is `["sync", "mutex"]`, `src/sync/mod.rs` is `["sync"]`; nothing for files elsewhere.
    fn module_path(&self) -> Option<Vec<String>> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
        if names.last().is_some_and(|name| name == "mod" || name == "lib") {
            names.pop();
        }
        Some(names)
    }
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}
