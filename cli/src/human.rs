//! Sizes and spans of time as people write them: `64MiB`, `1.5 GiB`, `500ms`, `1.5s`, `2h 30m`.

use std::time::Duration;

/// What is said of a size that is none.
const SIZES: &str = "a size is a number and B, KiB, MiB, GiB, TiB (or kB, MB, GB, TB), such as 64MiB";
const SPANS: &str = "a span of time is a number and ns, us, ms, s, m, h, d, such as 500ms or 1.5s";

/// Bytes by their unit; the longer names first.
const BYTES: [(&str, u64); 13] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("B", 1),
];

/// A span of time, with a unit: `500ms`, `1.5s`, `2h 30m`; `0` needs none.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if let Ok(duration) = humantime::parse_duration(text) {
        return Ok(duration);
    }
    // Fractions of one unit.
    let (number, unit) = split(text);
    let whole = format!("1{unit}");
    let (Ok(number), Ok(unit)) = (number.parse::<f64>(), humantime::parse_duration(&whole)) else {
        let advice =
            if text.parse::<f64>().is_ok() { format!("did you mean {text}s or {text}ms? ") } else { String::new() };
        return Err(format!("{advice}{SPANS}"));
    };
    Duration::try_from_secs_f64(unit.as_secs_f64() * number).map_err(|_| SPANS.to_owned())
}

/// A number of bytes: `4096`, `64MiB`, `1.5 GiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim().replace('_', "");
    let (number, unit) = split(&text);
    let factor = match BYTES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return Err(SIZES.to_owned()),
    };
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"));
    }
    let bytes = number.parse::<f64>().map_err(|_| SIZES.to_owned())? * factor as f64;
    // 2^64 itself is the first that is too large.
    if bytes.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(&bytes) {
        return Ok(bytes as u64);
    }
    Err(format!("{text} is no whole number of bytes; {SIZES}"))
}

/// The number, and what stands behind it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_may_have_fractions() {
        let cases =
            [("500ms", 500), ("1.5s", 1500), ("2h 30m", 9_000_000), ("0.25 h", 900_000), ("0", 0), ("1m30s", 90_000)];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5", "1..5s", "5 parsecs", "1e400s", ".s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("5").is_err_and(|why| why.contains("5s or 5ms")));
    }

    #[test]
    fn sizes_are_bytes() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("1_000", 1000),
            ("64MiB", 64 << 20),
            ("1.5 GiB", 3 << 29),
            ("2kb", 2000),
            ("7 B", 7),
            ("4k", 4096),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1.0000001KiB", "-1", "16777216TiB", "5 apples", "0x10"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
