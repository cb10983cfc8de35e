//! What is on the screen: headings and rows, whatever they are about.

use clap::ValueEnum;

/// The pages, in the order of their keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Tab {
    Segments,
    #[value(alias = "people")]
    Participants,
    Locks,
    Queues,
    Caches,
    Counters,
    Published,
    Events,
}

impl Tab {
    pub(crate) const ALL: [Tab; 8] = [
        Tab::Segments,
        Tab::Participants,
        Tab::Locks,
        Tab::Queues,
        Tab::Caches,
        Tab::Counters,
        Tab::Published,
        Tab::Events,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Tab::Segments => "segments",
            Tab::Participants => "people",
            Tab::Locks => "locks",
            Tab::Queues => "queues",
            Tab::Caches => "caches",
            Tab::Counters => "counters",
            Tab::Published => "published",
            Tab::Events => "events",
        }
    }
}

/// How much attention a row asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Mood {
    #[default]
    Plain,
    /// Over, or not of interest.
    Faint,
    Warning,
    Problem,
}

/// What stands in one place, and what it is sorted by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) rank: Option<f64>,
}

impl Cell {
    pub(crate) fn number(text: impl Into<String>, rank: f64) -> Cell {
        Cell { text: text.into(), rank: Some(rank) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell { text: text.into(), rank: None }
    }
}

/// A row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) cells: Vec<Cell>,
    pub(crate) mood: Mood,
    /// Where Enter leads: the path of a segment.
    pub(crate) segment: String,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    pub(crate) is_right: bool,
    /// Characters that it has at least; the last column has what is left.
    pub(crate) width_max: usize,
}

/// `name` to the left, at most so wide; `#name` to the right.
pub(crate) const fn column(heading: &'static str, width_max: usize) -> Column {
    Column { heading, is_right: false, width_max }
}

pub(crate) const fn number(heading: &'static str, width_max: usize) -> Column {
    Column { heading, is_right: true, width_max }
}

/// All that is shown below the bar.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) columns: Vec<Column>,
    pub(crate) lines: Vec<Line>,
    /// Said above the table: of a segment what it is.
    pub(crate) title: Vec<String>,
    /// Said where there are no rows.
    pub(crate) empty: &'static str,
    /// In all: for the first line of the screen.
    pub(crate) summary: String,
}

impl Page {
    /// Rows that have the text, by a column; those without a number there come last.
    pub(crate) fn arrange(&mut self, filter: &str, sort: Option<usize>, is_reversed: bool) {
        let filter = filter.to_lowercase();
        if !filter.is_empty() {
            let has = |line: &Line| line.cells.iter().any(|cell| cell.text.to_lowercase().contains(&filter));
            self.lines.retain(has);
        }
        let Some(column) = sort else {
            if is_reversed {
                self.lines.reverse();
            }
            return;
        };
        let empty = Cell::default();
        self.lines.sort_by(|a, b| {
            let (a, b) = (a.cells.get(column).unwrap_or(&empty), b.cells.get(column).unwrap_or(&empty));
            // Numbers: the greatest first, as who looks for what is busy wants it. Names: from A on.
            let order = match (a.rank, b.rank) {
                (Some(a), Some(b)) => b.total_cmp(&a),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => a.text.cmp(&b.text),
            };
            if is_reversed { order.reverse() } else { order }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let line = |name: &str, number: Option<f64>| Line {
            cells: vec![name.into(), Cell { text: "n".into(), rank: number }],
            ..Line::default()
        };
        let lines = vec![line("beta", Some(1.0)), line("alpha", None), line("Gamma", Some(9.0))];
        Page { lines, ..Page::default() }
    }

    fn names(page: &Page) -> Vec<&str> {
        page.lines.iter().map(|line| line.cells[0].text.as_str()).collect()
    }

    #[test]
    fn rows_are_filtered_and_sorted() {
        let arranged = |filter: &str, sort, is_reversed| {
            let mut page = page();
            page.arrange(filter, sort, is_reversed);
            page
        };
        assert_eq!(names(&arranged("", None, false)), ["beta", "alpha", "Gamma"]);
        assert_eq!(names(&arranged("GA", None, false)), ["Gamma"]);
        assert_eq!(names(&arranged("", Some(1), false)), ["Gamma", "beta", "alpha"]);
        assert_eq!(names(&arranged("", Some(0), true)), ["beta", "alpha", "Gamma"]);
        assert_eq!(names(&arranged("a", Some(7), false)), ["beta", "alpha", "Gamma"]);
    }
}
