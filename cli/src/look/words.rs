//! Numbers as people read them: sizes, ages, ids.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `0`, `512 B`, `16 KiB`, `1.5 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return if bytes == 0 { "0".to_owned() } else { format!("{bytes} B") };
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

/// `1 reader`, `2 readers`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The largest unit alone: `3 s`, `5 min`, `2 h`, `8 d`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A wait: `12 ms`, `3.4 s`, then as [`age`].
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1000..=59_999 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => age(Duration::from_millis(ms)),
    }
}

/// How long ago; `None` for a time to come.
pub(crate) fn since_unix(unix_ns: u64) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(Duration::from_nanos(unix_ns))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `root (0)`, or the number alone where `/etc/passwd` has no name for it.
pub(crate) fn user(uid: u32) -> String {
    user_name(uid).map_or_else(|| uid.to_string(), |name| format!("{name} ({uid})"))
}

/// As `/etc/passwd` names it.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    static USERS: OnceLock<HashMap<u32, String>> = OnceLock::new();
    let users = USERS.get_or_init(|| {
        let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let parse = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            Some((fields.nth(1)?.parse().ok()?, name))
        };
        // Of two names of one user the first counts.
        table.lines().rev().filter_map(parse).collect()
    });
    users.get(&uid).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        let cases = [(0, "0"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB")];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(bytes((1 << 20) - 1), "1 MiB");
        assert_eq!(bytes(u64::MAX), "16 EiB");
    }

    #[test]
    fn ages_and_waits_have_one_unit() {
        assert_eq!(age(Duration::from_secs(119)), "119 s");
        assert_eq!(age(Duration::from_secs(120)), "2 min");
        assert_eq!(age(Duration::from_secs(7200)), "2 h");
        assert_eq!(age(Duration::from_secs(86_400 * 3)), "3 d");
        assert_eq!((duration(999), duration(1500), duration(60_000)), ("999 ms".into(), "1.5 s".into(), "60 s".into()));
    }
}
