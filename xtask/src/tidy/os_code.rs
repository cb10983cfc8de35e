//! `cfg` by operating system, libc and windows-sys stand in src/sys and nowhere else in the library.

use super::tokens::{Token, are, closing, tokens};
use super::{Complaint, File};

/// What a `cfg` may ask only in src/sys.
const OS_PREDICATES: [&str; 5] = ["target_os", "target_family", "target_env", "unix", "windows"];
/// Crates that only src/sys may name.
const OS_CRATES: [&str; 2] = ["libc", "windows_sys"];

pub(crate) fn check(files: &[File]) -> Vec<Complaint> {
    let is_bound = |file: &&File| file.path.starts_with("src/") && !file.path.starts_with("src/sys/");
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()).filter(is_bound) {
        match tokens(file) {
            Ok(tokens) => check_tokens(&file.path, &tokens, &mut complaints),
            Err(complaint) => complaints.push(complaint),
        }
    }
    complaints
}

fn check_tokens(path: &str, tokens: &[Token], complaints: &mut Vec<Complaint>) {
    for (index, token) in tokens.iter().enumerate() {
        let name = token.text.as_str();
        if name == "cfg" || name == "cfg_attr" {
            let open = if are(tokens, index + 1, &["!"]) { index + 2 } else { index + 1 };
            if !are(tokens, open, &["("]) {
                continue;
            }
            for inner in &tokens[open..closing(tokens, open)] {
                if OS_PREDICATES.contains(&inner.text.as_str()) {
                    complaints.push(format!("{path}:{}: cfg({}) outside src/sys", inner.line, inner.text));
                }
            }
        }
        let is_path = are(tokens, index + 1, &[":", ":"]) || (index > 0 && tokens[index - 1].text == "use");
        if OS_CRATES.contains(&name) && is_path {
            complaints.push(format!("{path}:{}: {name} outside src/sys", token.line));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::file;

    fn count(path: &str, text: &str) -> usize {
        super::check(&[file(path, text)]).len()
    }

    #[test]
    fn cfg_by_system_is_found_outside_sys() {
        assert_eq!(count("src/sync/mutex.rs", "#[cfg(any(test, target_os = \"linux\"))] fn f() {}"), 1);
        assert_eq!(count("src/error.rs", "fn f() { if cfg!(windows) {} }"), 1);
        assert_eq!(count("src/error.rs", "#![cfg_attr(unix, allow(dead_code))]"), 1);
        assert_eq!(count("src/image/mod.rs", "macro_rules! m { () => { #[cfg(not(unix))] fn f() {} } }"), 1);
    }

    #[test]
    fn system_crates_are_found_outside_sys() {
        assert_eq!(count("src/lib.rs", "use libc;"), 1);
        assert_eq!(count("src/segment/mod.rs", "fn f() { windows_sys::Win32::call(); }"), 1);
    }

    #[test]
    fn sys_and_prose_are_free() {
        let text = "#[cfg(unix)] fn f() { libc::fork(); }";
        assert_eq!(count("src/sys/linux/wait.rs", text), 0);
        assert_eq!(
            count("src/error.rs", "/// On `cfg(unix)` see libc::fork.\nfn f() { let windows = \"libc::\"; }"),
            0
        );
    }
}
