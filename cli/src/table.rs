//! Tables without rules, and the styles of words; colours appear on terminals only (`anstream` sees to it).

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const PROBLEM: Style = AnsiColor::Red.on_default().bold();
pub(crate) const FINE: Style = AnsiColor::Green.on_default();

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
