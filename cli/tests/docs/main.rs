//! The book in `docs/`: every page is in its table of contents, and every code block is run, or says why not.
//!
//! | block | what becomes of it |
//! |---|---|
//! | `rust` | rustdoc runs it: its page is in `src/lib.rs` |
//! | `console` | `console.rs`: a shell runs it, and what it prints is compared with what is shown |
//! | `c`, `cpp` | `c.rs`: a compiler takes it without a warning |
//! | `json` | each line is one document |
//! | `text`, `ini`, `yaml`, `toml`, ... | no programs: pictures, formats, settings of others |
//!
//! A line `<!-- not run: why -->` above a block says that it is not run. Commands of ours in it are read all the same.

#![cfg(target_os = "linux")]

mod c;
mod console;

use std::path::{Path, PathBuf};

/// Languages of blocks; those behind `json` are no programs.
const LANGUAGES: [&str; 12] =
    ["rust", "console", "c", "cpp", "json", "text", "toml", "ini", "yaml", "cmake", "python", "compile_fail"];

struct Block {
    page: String,
    line: usize,
    language: String,
    text: String,
    /// The comment above it: `not run: ...`, or what a compiler is to read before it.
    comment: Option<String>,
}

impl Block {
    fn place(&self) -> String {
        format!("docs/{}:{}", self.page, self.line)
    }

    /// Why it is not run.
    fn excuse(&self) -> Option<&str> {
        self.comment.as_deref()?.strip_prefix("not run: ")
    }
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
    let mut above = "";
    for (nth, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let comment = above.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                let (page, language, comment) = (page.to_owned(), language.to_owned(), comment.map(str::to_owned));
                open = Some(Block { page, line: nth + 1, language, text: String::new(), comment });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
        above = line;
    }
    assert!(open.is_none(), "{page}: a block has no end");
    found
}

fn all_blocks() -> Vec<Block> {
    pages().iter().flat_map(|page| blocks(page)).collect()
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
        let place = block.place();
        let language = block.language.split(',').next().unwrap_or_default();
        assert!(LANGUAGES.contains(&language), "{place}: a block in `{language}`");
        if language == "rust" {
            let included = format!("include_str!(\"../docs/{}\")", block.page);
            assert!(library.contains(&included), "{place}: src/lib.rs does not have rustdoc run the page");
            assert!(!block.language.contains("ignore"), "{place}: not run");
        }
        assert!(block.excuse().is_none_or(|why| why.len() > 10), "{place}: why is it not run?");
        if language == "json" {
            for line in block.text.lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{place}: {error}"));
            }
        }
    }
}

/// What is a command stands in a console, where it is run.
#[test]
fn no_command_hides_in_a_text() {
    for block in all_blocks().iter().filter(|block| block.language == "text") {
        let is_one = |line: &&str| ["$ ", "cotenant ", "cargo "].iter().any(|start| line.starts_with(start));
        let hidden: Vec<_> = block.text.lines().filter(is_one).collect();
        assert!(hidden.is_empty(), "{}: {hidden:?}", block.place());
    }
}
