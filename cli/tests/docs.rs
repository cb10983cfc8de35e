//! The book in `docs/`: every page is in its table of contents, every code block has a language, every Rust block is in a
//! page that rustdoc runs, and every line of a console that calls `cotenant` is one that the command takes. Those of
//! `start.md` are run.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Languages of blocks; those that are no program's are not run.
const LANGUAGES: [&str; 11] =
    ["rust", "text", "console", "toml", "ini", "c", "cpp", "cmake", "json", "python", "compile_fail"];

struct Block {
    page: String,
    line: usize,
    language: String,
    text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn pages() -> Vec<String> {
    let names = std::fs::read_dir(folder()).expect("docs/").map(|entry| entry.expect("a file").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect();
    pages.sort();
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(folder().join(page)).expect("a page");
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (nth, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let (page, language) = (page.to_owned(), language.to_owned());
                open = Some(Block { page, line: nth + 1, language, text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    found
}

fn all_blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks(page)).collect()
}

/// The words of lines such as `$ cotenant ls --json`, as far as they are one command's.
fn commands(block: &Block) -> Vec<Vec<String>> {
    let lines = block.text.lines().filter_map(|line| line.strip_prefix("$ "));
    // What a shell would put in the place of `$(...)`, say a process id.
    let lines = lines.map(|line| match (line.find("$("), line.rfind(')')) {
        (Some(start), Some(end)) => format!("{}1{}", &line[..start], &line[end + 1..]),
        _ => line.to_owned(),
    });
    let calls = lines.filter_map(|line| line.find("cotenant ").map(|at| line[at..].to_owned()));
    let words = |call: String| {
        let call = call.split(" | ").next().unwrap_or_default();
        call.split_whitespace().map(str::to_owned).collect()
    };
    calls.map(words).collect()
}

fn run(words: &[String], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
    command.args(&words[1..]).env("COTENANT_DIR", folder).env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE");
    command.output().expect("it starts")
}

#[test]
fn every_page_is_in_the_table_of_contents_and_every_entry_is_a_page() {
    let summary = std::fs::read_to_string(folder().join("SUMMARY.md")).expect("a table of contents");
    for page in pages() {
        assert!(summary.contains(&format!("]({page})")), "{page} is not in docs/SUMMARY.md");
    }
    let entries = summary.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    for (entry, _) in entries {
        assert!(folder().join(entry).exists(), "docs/SUMMARY.md: no {entry}");
    }
    let book = std::fs::read_to_string(folder().join("book.toml")).expect("a book");
    assert!(book.contains("src = \".\""), "{book}");
}

#[test]
fn every_block_has_a_language_and_rust_is_run() {
    let library = std::fs::read_to_string(folder().join("../src/lib.rs")).expect("the library");
    for block in all_blocks() {
        let place = format!("docs/{}:{}", block.page, block.line);
        let language = block.language.split(',').next().unwrap_or_default();
        assert!(LANGUAGES.contains(&language), "{place}: a block in `{language}`");
        if language == "rust" {
            let included = format!("include_str!(\"../docs/{}\")", block.page);
            assert!(library.contains(&included), "{place}: src/lib.rs does not have rustdoc run the page");
            assert!(!block.language.contains("ignore"), "{place}: not run");
        }
    }
}

#[test]
fn every_line_of_a_console_is_one_that_the_command_takes() {
    let empty = tempfile::tempdir().expect("a folder");
    let mut count = 0;
    for block in all_blocks().iter().filter(|block| block.language == "console") {
        for mut words in commands(block) {
            count += 1;
            // Wrong words are found before help is given.
            words.push("--help".to_owned());
            let output = run(&words, empty.path());
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "docs/{}:{}: {words:?}: {says}", block.page, block.line);
        }
    }
    assert!(count >= 3, "{count} commands are found");
}

#[test]
fn lines_of_the_first_page_do_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    for block in blocks("start.md").iter().filter(|block| block.language == "console") {
        for words in commands(block) {
            let output = run(&words, folder.path());
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            match words[1].as_str() {
                // It needs a terminal: cli/tests/live/top.rs.
                "top" => assert!(err.contains("needs a terminal"), "{err}"),
                "demo" => assert!(output.status.success() && out.contains("lost: 0"), "{out}{err}"),
                _ => assert!(output.status.success(), "{words:?}: {err}"),
            }
        }
    }
}
