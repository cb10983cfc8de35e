//! Figures for people: a row for each subject, with its ratio to the case's limit and to its best peer.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::figure::{Figure, Measured, Outcome};
use crate::subject::Role;

const HEADINGS: [&str; 8] = ["case", "subject", "median", "min", "max", "unit", "to limit", "to best peer"];

pub(crate) fn of(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(HEADINGS);
    for figure in figures {
        let mut cells = vec![Cell::new(&figure.case), Cell::new(&figure.subject)];
        match &figure.outcome {
            Outcome::Skipped { why } => cells.push(Cell::new(format!("skipped: {why}"))),
            Outcome::Measured(Measured { median, min, max, unit, .. }) => {
                cells.extend([median, min, max].map(|value| right(&number(*value))));
                cells.push(Cell::new(unit));
                cells.push(right(&ratio(figures, figure, Role::Limit)));
                cells.push(right(&ratio(figures, figure, Role::Peer)));
            }
        }
        table.add_row(cells);
    }
    table
}

fn right(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn number(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 { 0 } else { 2 };
    format!("{value:.decimals$}")
}

/// Ratio of the medians to the best of that role in the same case: the smallest, of rates the largest.
fn ratio(figures: &[Figure], figure: &Figure, to: Role) -> String {
    let Some(Measured { median, unit, .. }) = figure.measured() else { return "-".into() };
    let others = figures.iter().filter(|it| it.case == figure.case && Role::of(&it.subject) == to);
    let medians = others.filter_map(Figure::measured).map(|measured| measured.median);
    let best = if unit.ends_with("/s") { medians.reduce(f64::max) } else { medians.reduce(f64::min) };
    match best {
        Some(best) if best > 0.0 && !figure.is_difference => format!("{:.2}", median / best),
        _ => "-".into(),
    }
}
