//! The page: what the terminal shows, with charts, in one file that needs nothing else.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{LEGEND, Row, answers, chart, columns};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#222;--paper:#fff;--line:#ddd;--shade:#f4f4f4}\
@media(prefers-color-scheme:dark){:root{--ink:#ddd;--paper:#16181b;--line:#3a3d42;--shade:#22252a}}\
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:var(--ink);\
background:var(--paper)}\
table{border-collapse:collapse;font-size:13px}th,td{padding:.3rem .5rem;border-bottom:1px solid var(--line);\
text-align:left;vertical-align:top}th{background:var(--shade)}th.n,td.n{text-align:right}td.n{white-space:nowrap}\
td:first-child{white-space:nowrap;font-weight:600}.wide{overflow-x:auto}\
svg{display:block;max-width:100%;height:auto;margin:1rem 0;background:#fff;border-radius:6px}\
pre{background:var(--shade);padding:.8rem;overflow-x:auto}";

/// Columns of numbers.
const NUMBERS: std::ops::Range<usize> = 1..9;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn class(column: usize) -> &'static str {
    if NUMBERS.contains(&column) { " class=\"n\"" } else { "" }
}

pub(super) fn of(rows: &[Row], machine: &str, quick: bool) -> anyhow::Result<String> {
    let mut page = String::new();
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs() / 86_400);
    let (year, month, day) = date(days as i64);
    writeln!(page, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    writeln!(page, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")?;
    writeln!(page, "<title>Ways of sharing between processes</title><style>{STYLE}</style></head><body>")?;
    writeln!(page, "<h1>Ways of sharing between processes</h1>")?;
    writeln!(page, "<p>{}, measured {year}-{month:02}-{day:02}", escaped(machine))?;
    writeln!(page, "{}.</p>", if quick { " in a quick run: the figures are coarse" } else { "" })?;
    let lines: Vec<_> = answers(rows).iter().map(ToString::to_string).collect();
    writeln!(page, "<h2>Which to take</h2><pre>{}</pre>", escaped(&lines.join("\n")))?;
    writeln!(page, "<h2>Everything</h2><div class=\"wide\"><table><thead><tr>")?;
    for (at, name) in columns().iter().enumerate() {
        write!(page, "<th{}>{}</th>", class(at), escaped(name))?;
    }
    writeln!(page, "</tr></thead><tbody>")?;
    for row in rows {
        write!(page, "<tr>")?;
        for (at, cell) in row.cells().iter().enumerate() {
            write!(page, "<td{}>{}</td>", class(at), escaped(cell))?;
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</tbody></table></div>")?;
    writeln!(page, "<h2>Charts</h2>")?;
    writeln!(page, "{}", chart::bars("Round trip of 8 bytes (logarithmic)", rows, |row| row.round_trip_ns)?)?;
    writeln!(page, "{}", chart::throughput(rows)?)?;
    writeln!(page, "{}", chart::bars("Set-up (logarithmic)", rows, |row| row.set_up_us.map(|us| us * 1e3))?)?;
    writeln!(page, "<p>{}</p>", escaped(LEGEND))?;
    writeln!(page, "</body></html>")?;
    Ok(page)
}

/// Of days since 1970, by Howard Hinnant's `civil_from_days`.
fn date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_are_dates() {
        assert_eq!(super::date(0), (1970, 1, 1));
        assert_eq!(super::date(19_782), (2024, 2, 29));
        assert_eq!(super::date(19_783), (2024, 3, 1));
    }
}
