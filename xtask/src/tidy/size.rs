//! Bounds: a line has 120 columns, a function 70 lines, a file 600.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::{Complaint, File};

const LINE_MAX_COLUMNS: usize = 120;
const FUNCTION_MAX_LINES: usize = 70;
const FILE_MAX_LINES: usize = 600;
/// Tests in tests/ and examples/ are bound by their reader's patience alone.
const FOLDERS: [&str; 5] = ["src/", "macros/src/", "cli/src/", "bench/src/", "xtask/src/"];

pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && FOLDERS.iter().any(|folder| file.path.starts_with(folder)))
    {
        let path = &file.path;
        let lines = file.text.lines().count();
        if lines > FILE_MAX_LINES {
            complaints.push(format!("{path}: {lines} lines; {FILE_MAX_LINES} at most"));
        }
        for (index, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_MAX_COLUMNS {
                complaints.push(format!("{path}:{}: {columns} columns; {LINE_MAX_COLUMNS} at most", index + 1));
            }
        }
        match syn::parse_file(&file.text) {
            Ok(syntax) => Functions { path, complaints: &mut complaints }.visit_file(&syntax),
            Err(error) => complaints.push(format!("{path}: not Rust: {error}")),
        }
    }
    complaints
}

struct Functions<'a> {
    path: &'a str,
    complaints: &'a mut Vec<Complaint>,
}

impl Functions<'_> {
    /// From `fn` to the closing brace: documentation does not count.
    fn measure(&mut self, signature: &syn::Signature, end: Span) {
        let first = signature.span().start().line;
        let lines = end.end().line + 1 - first;
        if lines > FUNCTION_MAX_LINES {
            let name = &signature.ident;
            let path = self.path;
            self.complaints.push(format!("{path}:{first}: {name} has {lines} lines; {FUNCTION_MAX_LINES} at most"));
        }
    }
}

impl<'syntax> Visit<'syntax> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'syntax syn::ItemFn) {
        self.measure(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'syntax syn::ImplItemFn) {
        self.measure(&function.sig, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'syntax syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.measure(&function.sig, block.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::file;

    fn count(path: &str, text: &str) -> usize {
        super::check(&[file(path, text)]).len()
    }

    #[test]
    fn long_line_is_found() {
        let comment = |columns: usize| format!("//{}\n", "-".repeat(columns - 2));
        assert_eq!(count("src/lib.rs", &comment(121)), 1);
        assert_eq!(count("src/lib.rs", &comment(120)), 0);
        assert_eq!(count("tests/locks.rs", &comment(121)), 0);
    }

    #[test]
    fn long_file_is_found() {
        assert_eq!(count("cli/src/main.rs", &"\n".repeat(601)), 1);
        assert_eq!(count("cli/src/main.rs", &"\n".repeat(600)), 0);
    }

    #[test]
    fn long_function_is_found() {
        let body = |lines: usize| format!("/// Documented.\nfn f() {{\n{}}}\n", "g();\n".repeat(lines - 2));
        assert_eq!(count("src/error.rs", &body(71)), 1);
        assert_eq!(count("src/error.rs", &body(70)), 0);
        assert_eq!(count("src/error.rs", &format!("impl E {{\n{}\n}}", body(71))), 1);
        assert_eq!(count("src/error.rs", &format!("trait T {{\n{}\n}}", body(71))), 1);
    }
}
