//! Links in Markdown pages to files of the repository, and to headings in them, lead somewhere.

use std::collections::BTreeSet;

use super::{Complaint, File};

pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, target) in links(&file.text) {
            if let Some(why) = broken(files, file, &target) {
                complaints.push(format!("{}:{line}: link to `{target}`: {why}", file.path));
            }
        }
    }
    complaints
}

fn broken(files: &[File], from: &File, target: &str) -> Option<&'static str> {
    let has_scheme = target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric));
    if has_scheme || target.is_empty() {
        return None;
    }
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let Some(path) = resolve(&from.path, path) else { return Some("outside the repository") };
    let file = files.iter().find(|file| file.path == path);
    let folder = format!("{path}/");
    if file.is_none() && !path.is_empty() && !files.iter().any(|file| file.path.starts_with(&folder)) {
        return Some("no such file");
    }
    match (file, heading) {
        (Some(file), Some(heading)) if file.path.ends_with(".md") && !headings(&file.text).contains(heading) => {
            Some("no such heading")
        }
        _ => None,
    }
}

/// A link's path from the repository's root, or nothing if it leads out of it.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Line numbers and targets of `[text](target)` and `[name]: target`, outside of code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let code_removed: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (at, _) in code_removed.match_indices("](") {
            let rest = &code_removed[at + 2..];
            if let Some(end) = rest.find([')', ' ']) {
                links.push((number, rest[..end].trim_matches(['<', '>']).to_owned()));
            }
        }
        let definition = code_removed.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            links.push((number, target.split(' ').next().unwrap_or_default().to_owned()));
        }
    }
    links
}

/// The headings of a page as links name them: lower case, dashes for spaces, no other signs; -1, -2 when repeated.
fn headings(text: &str) -> BTreeSet<String> {
    let mut headings = BTreeSet::new();
    for (_, line) in prose(text) {
        let Some(heading) = line.strip_prefix('#') else { continue };
        let slug: String = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let repeated = (1..).map(|count| format!("{slug}-{count}"));
        let free = std::iter::once(slug.clone()).chain(repeated).find(|slug| !headings.contains(slug));
        headings.extend(free);
    }
    headings
}

/// Numbered lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            return None;
        }
        (!is_code).then_some((index + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use crate::tidy::file;

    fn complaints(page: &str) -> Vec<String> {
        let other = "# Format\n## The life byte: \"alive\"\n## Header\n## Header\n";
        super::check(&[file("docs/page.md", page), file("docs/format.md", other), file("src/lib.rs", "")])
    }

    #[test]
    fn broken_links_are_found() {
        assert_eq!(complaints("[a](formats.md) and [b](../src/main.rs)").len(), 2);
        assert_eq!(complaints("[a](../../elsewhere.md)").len(), 1);
        assert_eq!(complaints("[a](format.md#no-such)").len(), 1);
        assert_eq!(complaints("see [a]\n\n[a]: nowhere.md").len(), 1);
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let page = "# Page
[a](format.md#the-life-byte-alive) [b](#page) [c](../src) [d](https://docs.rs/x)
[e](<../src/lib.rs>) [f](format.md#header-1 \"title\") `[g](x.md)`
```
[h](x.md)
```
[i]: ../src/lib.rs
";
        assert_eq!(complaints(page), [""; 0]);
    }
}
