//! The first line of a documentation comment: what the schema keeps of it.

use proc_macro::TokenTree;

use crate::literal::string_text;

/// Collects the values of `#[doc = ".."]`, of which there is one per `///` line, and keeps the first line with text.
#[derive(Default)]
pub(crate) struct DocLine(String);

impl DocLine {
    /// A value that is not a string, such as `include_str!(..)`, is passed over.
    pub(crate) fn read(&mut self, value: &TokenTree) {
        if self.0.is_empty() {
            let text = string_text(value).unwrap_or_default();
            let first = text.lines().map(without_border).find(|line| !line.is_empty());
            self.0 = first.unwrap_or_default().to_owned();
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// A `/** .. */` comment has a column of stars.
fn without_border(line: &str) -> &str {
    let line = line.trim();
    if line == "*" { "" } else { line.strip_prefix("* ").unwrap_or(line).trim() }
}
