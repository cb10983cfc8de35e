//! ARCHITECTURE.md names every file (`mutex.rs`) and every folder (`sync/`) of src/. A `mod.rs` goes by its folder.

use std::collections::BTreeSet;

use super::{Complaint, File};

const PAGE: &str = "ARCHITECTURE.md";

pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![format!("{PAGE} is missing")];
    };
    let mut wanted = BTreeSet::new();
    for path in files.iter().filter(|file| file.is_rust()).filter_map(|file| file.path.strip_prefix("src/")) {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        wanted.extend(folders.split('/').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/")));
        if name != "mod.rs" {
            wanted.insert(name.to_owned());
        }
    }
    let named = |name: &&String| !has_word(&page.text, name);
    wanted.iter().filter(named).map(|name| format!("{PAGE}: does not name `{name}` of src/")).collect()
}

/// Whether `text` has `word`, and not as the end of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use crate::tidy::file;

    #[test]
    fn file_and_folder_that_are_not_named_are_found() {
        let page = file("ARCHITECTURE.md", "sync/ mutex.rs once_rwlock.rs; not a resync/");
        let named = [file("src/sync/mod.rs", ""), file("src/sync/mutex.rs", "")];
        let missing = [file("src/sync/rwlock.rs", ""), file("src/value/mod.rs", ""), file("tests/other.rs", "")];
        let files: Vec<_> = std::iter::once(page).chain(named).chain(missing).collect();
        let complaints = super::check(&files);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(complaints[0].contains("`rwlock.rs`") && complaints[1].contains("`value/`"));
    }

    #[test]
    fn missing_page_is_found() {
        assert_eq!(super::check(&[]).len(), 1);
    }
}
