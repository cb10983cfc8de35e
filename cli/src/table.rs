//! Tables without rules, and the styles of words; colours appear on terminals only (`anstream` sees to it).
//!
//! ```text
//! name       state   who                 the table: aligned, never wrapped
//! /a/folder                              a heading above some of its lines
//! acme.jobs  alive   4711 web, 3 more    who: cut to what the terminal leaves
//! ```

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const PROBLEM: Style = AnsiColor::Red.on_default().bold();
pub(crate) const FINE: Style = AnsiColor::Green.on_default();

/// Columns that the last column has at least, so that a pid and a program's name fit.
pub(crate) const WHO_MIN: usize = 20;
/// Characters that are left of a name at least: a process id.
const FIRST_MIN: usize = 8;
/// Participants that are named where no width bounds them; the others are counted.
const NAMED_MAX: usize = 3;

/// Who is in something: some are named, the others counted.
#[derive(Default)]
pub(crate) struct Who {
    pub(crate) named: Vec<String>,
    /// How many there are in all; those named are the first.
    pub(crate) count: usize,
    /// What is said of others: `1 reader`.
    pub(crate) also: Vec<String>,
}

/// What is written above a line of a table, in which style the line is, and what stands at its end.
pub(crate) struct Around {
    pub(crate) above: Vec<String>,
    pub(crate) style: Style,
    pub(crate) who: Who,
}

/// Columns of the terminal, or of `COLUMNS`; `None`: as wide as it takes.
pub(crate) fn width() -> Option<usize> {
    const WIDTH_MIN: usize = 40;
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let out = io::stdout();
    let asked = || {
        let size = rustix::termios::tcgetwinsize(&out).ok().filter(|_| out.is_terminal())?;
        Some(usize::from(size.ws_col))
    };
    said.or_else(asked).filter(|width| *width > 0).map(|width: usize| width.max(WIDTH_MIN))
}

/// A table with these headings, some columns to the right.
pub(crate) fn table(headings: &[&str], to_the_right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if to_the_right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Writes it, the headings faint, and nothing behind the last word of a line.
pub(crate) fn write_table(out: &mut impl Write, table: &Table) -> io::Result<()> {
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        match index {
            0 => writeln!(out, "{FAINT}{line}{FAINT:#}")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

/// Writes it with one more column, `heading`, of those who are in it, within `width`.
pub(crate) fn write_with_who(
    out: &mut impl Write,
    table: &Table,
    heading: &str,
    around: &[Around],
    width: Option<usize>,
) -> io::Result<()> {
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    // All lines are equally wide, and the headings are ASCII.
    let left = width.map(|width| width.saturating_sub(head.len()).max(WHO_MIN));
    writeln!(out, "{FAINT}{}{FAINT:#}", format!("{head}{heading}").trim_end())?;
    for (line, around) in lines.zip(around) {
        around.above.iter().try_for_each(|above| writeln!(out, "{above}"))?;
        let style = around.style;
        let line = format!("{line}{}", around.who.within(left));
        writeln!(out, "{style}{}{style:#}", line.trim_end())?;
    }
    Ok(())
}

impl Who {
    /// `4711 server, 4712 worker, 3 more, 1 reader`: as many as fit; the last resort is to cut.
    fn within(&self, chars_max: Option<usize>) -> String {
        let text = |named: usize| {
            let mut words = self.named[..named].to_vec();
            let more = self.count.saturating_sub(named);
            words.extend((more > 0).then(|| format!("{more} more")));
            words.extend_from_slice(&self.also);
            words.join(", ")
        };
        let Some(chars_max) = chars_max else { return text(self.named.len().min(NAMED_MAX)) };
        let fits = |text: &String| text.chars().count() <= chars_max;
        let few = self.named.len().min(1);
        (few..=self.named.len()).rev().map(text).find(fits).unwrap_or_else(|| {
            let first = self.named.first().map_or("", String::as_str);
            let text = text(few);
            // Of one name its end goes before the number of the others does.
            let rest = &text[first.len()..];
            let left = chars_max.saturating_sub(rest.chars().count() + 1);
            match left >= FIRST_MIN {
                true => first.chars().take(left).chain(['…']).chain(rest.chars()).collect(),
                false => text.chars().take(chars_max - 1).chain(['…']).collect(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_named_as_fit_and_the_others_counted() {
        let named: Vec<_> = ["11 server", "12 worker", "13 worker", "14 worker"].map(str::to_owned).to_vec();
        let who = Who { named, count: 6, also: vec!["1 reader".to_owned()] };
        assert_eq!(who.within(None), "11 server, 12 worker, 13 worker, 3 more, 1 reader");
        assert_eq!(who.within(Some(200)), "11 server, 12 worker, 13 worker, 14 worker, 2 more, 1 reader");
        assert_eq!(who.within(Some(40)), "11 server, 12 worker, 4 more, 1 reader");
        assert_eq!(who.within(Some(20)), "11 server, 5 more, …");
        let one = Who { named: vec!["4711 a-long-program".to_owned()], count: 96, also: Vec::new() };
        assert_eq!(one.within(Some(24)), "4711 a-long-pr…, 95 more");
        assert_eq!(Who::default().within(Some(20)), "");
    }
}
