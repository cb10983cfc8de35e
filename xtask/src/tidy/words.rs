//! Words that no committed file has: marks of unfinished work, paths of one machine, hosts that packages come from.

use super::{Complaint, File};

pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let forbidden = forbidden();
    let mut complaints = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for (word, why) in &forbidden {
                if has_word(line, word) {
                    complaints.push(format!("{}:{}: `{word}`: {why}", file.path, index + 1));
                }
            }
        }
    }
    complaints
}

/// The words and what is wrong with them. Put together from parts: this file is looked at, too.
fn forbidden() -> Vec<(String, &'static str)> {
    let unfinished = "unfinished work belongs into an issue";
    let machine = "a path of one machine";
    let host = "where packages come from is the business of the machine";
    let mut forbidden = vec![
        (["TO", "DO"].concat(), unfinished),
        (["FIX", "ME"].concat(), unfinished),
        (["X", "XX"].concat(), unfinished),
        (["to", "do!"].concat(), unfinished),
        (["unimplem", "ented!"].concat(), unfinished),
        (["/", "root"].concat(), machine),
        (["/", "work"].concat(), machine),
    ];
    let hosts: [&[&str]; 10] = [
        &["deb", "debian", "org"],
        &["security", "debian", "org"],
        &["archive", "ubuntu", "com"],
        &["security", "ubuntu", "com"],
        &["static", "rust-lang", "org"],
        &["index", "crates", "io"],
        &["static", "crates", "io"],
        &["pypi", "org"],
        &["files", "pythonhosted", "org"],
        &["registry", "npmjs", "org"],
    ];
    forbidden.extend(hosts.map(|labels| (labels.join("."), host)));
    forbidden
}

/// Whether `line` has `word` by itself. Before a path stands no other part of one: `a/root` is not of this machine.
fn has_word(line: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    let in_path = |c: char| in_name(c) || matches!(c, '.' | '-' | '*' | '}' | ')' | '>');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joined = if word.starts_with('/') { before.is_some_and(in_path) } else { before.is_some_and(in_name) };
        let goes_on = after.is_some_and(|c| in_name(c) || (word.starts_with('/') && c == '-'));
        !joined && (word.ends_with('!') || !goes_on)
    })
}

#[cfg(test)]
mod tests {
    use crate::tidy::file;

    fn count(text: &str) -> usize {
        super::check(&[file("docs/page.md", text)]).len()
    }

    #[test]
    fn every_forbidden_word_is_found() {
        for (word, _) in super::forbidden() {
            assert_eq!(count(&format!("see {word}, please")), 1, "{word}");
            assert_eq!(count(&format!("{word}(x)")), 1, "{word}");
        }
        let path = ["cd /", "root/repository"].concat();
        assert_eq!(count(&path), 1);
    }

    #[test]
    fn longer_words_and_relative_paths_pass() {
        assert_eq!(count("a mkdtemp template ends in XXXXXX"), 0);
        assert_eq!(count("target/root and src/work/mod.rs, $HOME}/root, /workspace, /rootless, /work-around"), 0);
        assert_eq!(count("a todo list and https://docs.rs/x"), 0);
    }
}
