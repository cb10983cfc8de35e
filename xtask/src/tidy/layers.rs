//! Inside src/ arrows point downwards: a file names only modules of its own layer or of a lower one.
//!
//! Names are `crate::X`, `$crate::X` and `super::` as far as it leads out of the file's top module, also in groups
//! (`use crate::{a, b::c}`). What lib.rs re-exports has no layer: inside the crate, things are named by their module.

use super::tokens::{Token, are, closing, tokens};
use super::{Complaint, File};

/// The modules of src/, lowest first. lib.rs is above all of them.
const LAYERS: &[&[&str]] = &[
    &["sys"],
    &["error", "process_sync", "schema", "value"],
    &["lock"],
    &["segment", "image"],
    &["sync", "attachment"],
    &["per_process"],
    &["limit", "metrics", "cache", "published", "channel"],
    &["inspect"],
];

/// Arrows that point upwards all the same: from a module to a module, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    // A system call's failure becomes an `Error` where it happens: there the call, its object and errno are known.
    ("sys", "error"),
    // The formats only: `#[repr(C)]` structs of shared bytes that an attaching process reads before it maps them.
    ("sys", "segment"),
    // The ends of pipes as descriptors, which are traits of one system.
    ("sys", "channel"),
    // The format of a block's descriptor, which attaching takes apart.
    ("sys", "image"),
];

pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(module_path) = file.module_path() else { continue };
        let Some(module) = module_path.first() else { continue };
        if layer(module).is_none() {
            complaints.push(format!("{}: module `{module}` has no layer in xtask/src/tidy/layers.rs", file.path));
            continue;
        }
        match tokens(file) {
            Ok(tokens) => check_tokens(file, module, &names(&tokens, module_path.len()), &mut complaints),
            Err(complaint) => complaints.push(complaint),
        }
    }
    complaints
}

fn check_tokens(file: &File, from: &str, names: &[Name], complaints: &mut Vec<Complaint>) {
    for Name { text: to, line, is_macro, is_exported } in names {
        let place = format!("{}:{line}", file.path);
        match layer(to) {
            Some(layer_to) => {
                let is_downwards = layer(from).is_some_and(|layer_from| layer_to <= layer_from);
                if !is_downwards && !EXCEPTIONS.contains(&(from, to)) {
                    complaints.push(format!("{place}: `{from}` names `{to}`, which is above it"));
                }
            }
            // An exported macro's expansion lies in another crate and sees what lib.rs shows.
            None if *is_macro || *is_exported => {}
            None => complaints.push(format!("{place}: `crate::{to}` is no module of the crate: name it by its module")),
        }
    }
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// What a path names directly under the crate's root.
struct Name {
    text: String,
    line: usize,
    is_macro: bool,
    is_exported: bool,
}

/// All such names in a file whose module lies `depth` below the root.
fn names(tokens: &[Token], depth: usize) -> Vec<Name> {
    let mut names = Vec::new();
    // Where the inline modules around a token end.
    let mut module_ends = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        module_ends.retain(|end| *end > index);
        if tokens[index].text == "mod" && are(tokens, index + 2, &["{"]) {
            module_ends.push(closing(tokens, index + 2));
        }
        let is_exported = index > 0 && tokens[index - 1].text == "$";
        let starts_path = index == 0 || tokens[index - 1].text != ":";
        if tokens[index].text == "crate" && are(tokens, index + 1, &[":", ":"]) {
            first_names(tokens, index + 3, is_exported, &mut names);
        } else if tokens[index].text == "super" && starts_path {
            let mut supers = 1;
            while are(tokens, index + 1, &[":", ":", "super"]) {
                supers += 1;
                index += 3;
            }
            if supers == depth + module_ends.len() && are(tokens, index + 1, &[":", ":"]) {
                first_names(tokens, index + 3, false, &mut names);
            }
        }
        index += 1;
    }
    names
}

/// The name at `at`, or the first name of each member of a group there.
fn first_names(tokens: &[Token], at: usize, is_exported: bool, names: &mut Vec<Name>) {
    if !are(tokens, at, &["{"]) {
        let Some(token) = tokens.get(at) else { return };
        let is_macro = are(tokens, at + 1, &["!"]);
        names.push(Name { text: token.text.clone(), line: token.line, is_macro, is_exported });
        return;
    }
    let end = closing(tokens, at);
    let mut index = at + 1;
    while index < end {
        first_names(tokens, index, is_exported, names);
        // To the comma that ends this member.
        while index < end && tokens[index].text != "," {
            index = if tokens[index].text == "{" { closing(tokens, index) } else { index + 1 };
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::file;

    fn count(path: &str, text: &str) -> usize {
        super::check(&[file(path, text)]).len()
    }

    #[test]
    fn arrow_upwards_is_found() {
        assert_eq!(count("src/segment/mod.rs", "use crate::sync::Mutex;"), 1);
        assert_eq!(count("src/sys/linux/wait.rs", "fn f() { crate::sync::lock(); }"), 1);
        assert_eq!(count("src/error.rs", "use crate::{sys::Errno, segment::{Segment, header}, schema};"), 1);
        assert_eq!(count("src/value/text.rs", "macro_rules! m { () => { $crate::cache::get() } }"), 1);
    }

    #[test]
    fn arrow_upwards_through_super_is_found() {
        assert_eq!(count("src/error.rs", "use super::segment::Segment;"), 1);
        assert_eq!(count("src/value/text.rs", "mod tests { use super::super::super::sync::Mutex; }"), 1);
        assert_eq!(count("src/value/text.rs", "use super::sync;"), 0, "a sibling of that name in value/");
    }

    #[test]
    fn name_without_a_layer_is_found() {
        assert_eq!(count("src/sync/mutex.rs", "use crate::Error;"), 1);
        assert_eq!(count("src/gadget.rs", ""), 1);
    }

    #[test]
    fn arrows_downwards_and_exceptions_pass() {
        assert_eq!(count("src/sync/mutex.rs", "use crate::{error::Error, sys, segment::Segment, sync::word};"), 0);
        assert_eq!(count("src/sys/linux/wait.rs", "use crate::error::Error; use crate::segment::header::Header;"), 0);
        assert_eq!(count("src/lib.rs", "pub use crate::inspect::Image; use crate::anything;"), 0);
        assert_eq!(
            count("src/image/mod.rs", "crate::shared! {} macro_rules! m { () => { $crate::__private::f() } }"),
            0
        );
        assert_eq!(count("src/error.rs", "/// See [crate::inspect].\nstruct Error;"), 0);
    }
}
