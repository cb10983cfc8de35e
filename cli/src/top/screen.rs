//! Draws the state: a line of facts, the tabs, a table, a line of keys. Usable at 80 columns and 24 lines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::page::{Column, Line, Mood, Page, Tab};
use super::state::State;

const HELP: [&str; 12] = [
    "1-8, Tab    pages: segments, people, locks, queues,",
    "            caches, counters, published, events",
    "Up, Down    choose a row (j, k, PgUp, PgDn, Home, End)",
    "Enter       into the segment, down to its live values",
    "Esc         back; forget the filter",
    "< >         sort by the column before or behind",
    "r           the other way round",
    "/           filter: rows that have this text",
    "p           pause",
    "+ -         look less or more often",
    "q           quit",
    "            Nothing is locked or written.",
];

/// No colours where they are not wanted (<https://no-color.org>).
fn has_colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn colored(style: Style, color: Color) -> Style {
    if has_colors() { style.fg(color) } else { style }
}

pub(super) fn draw(frame: &mut Frame<'_>, state: &State) {
    let page = state.shown();
    let title_lines = u16::try_from(page.title.len()).unwrap_or(0).min(6);
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(title_lines),
        Constraint::Min(1),
        Constraint::Length(1),
    ]);
    let [facts, tabs, title, table, keys] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(facts_line(state, &page)), facts);
    frame.render_widget(Paragraph::new(tabs_line(state)), tabs);
    let lines: Vec<_> = page.title.iter().map(|line| Text::raw(line.clone())).collect();
    frame.render_widget(Paragraph::new(lines), title);
    draw_table(frame, table, state, &page);
    frame.render_widget(Paragraph::new(keys_line(state)), keys);
    if state.has_help {
        draw_help(frame);
    }
}

fn facts_line(state: &State, page: &Page) -> Text<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let every = humantime::format_duration(state.interval).to_string();
    let pace = if state.is_paused { "paused".to_owned() } else { format!("every {every}") };
    Text::from(vec![Span::styled("cotenant top", bold), Span::raw(format!("  {}  {pace}", page.summary))])
}

fn tabs_line(state: &State) -> Text<'static> {
    let mut spans = Vec::new();
    for (nth, tab) in Tab::ALL.iter().enumerate() {
        let is_shown = *tab == state.tab;
        let style = if is_shown { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        spans.push(Span::styled(format!("{} {}", nth + 1, tab.name()), style));
        spans.push(Span::raw(" "));
    }
    Text::from(spans)
}

fn keys_line(state: &State) -> Text<'static> {
    if state.is_typing {
        return Text::from(format!("filter: {}_   Enter: done  Esc: none", state.filter));
    }
    let filter = if state.filter.is_empty() { String::new() } else { format!("  filter: {}", state.filter) };
    let enter = if state.inside.is_some() { "Esc back" } else { "Enter look inside" };
    Text::from(format!("{enter}  < > sort  r reverse  / filter  p pause  ? help  q quit{filter}"))
}

/// Columns as wide as what is in them, up to their bounds; the last one has what is left.
fn widths(page: &Page, whole: usize) -> Vec<usize> {
    let wide = |(nth, column): (usize, &Column)| {
        let cells = page.lines.iter().filter_map(|line| line.cells.get(nth));
        let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
        widest.max(column.heading.chars().count() + 1).min(column.width_max)
    };
    let mut widths: Vec<_> = page.columns.iter().enumerate().map(wide).collect();
    let all_but_last: usize = widths.iter().rev().skip(1).map(|width| width + 1).sum();
    if let Some(last) = widths.last_mut() {
        *last = whole.saturating_sub(all_but_last);
    }
    widths
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, state: &State, page: &Page) {
    let widths = widths(page, area.width.into());
    let mut lines = vec![heading(page, &widths, state)];
    if page.lines.is_empty() {
        let why = if state.filter.is_empty() { page.empty } else { "no row has this text" };
        lines.push(Text::raw(format!("  {why}")));
    }
    let room = usize::from(area.height).saturating_sub(1).max(1);
    let first = (state.selected + 1).saturating_sub(room);
    for (nth, line) in page.lines.iter().enumerate().skip(first).take(room) {
        lines.push(row(line, page, &widths, nth == state.selected));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn heading(page: &Page, widths: &[usize], state: &State) -> Text<'static> {
    let style = Style::new().add_modifier(Modifier::UNDERLINED);
    let cells = page.columns.iter().zip(widths).enumerate().map(|(nth, (column, width))| {
        let mark = if state.sort == Some(nth) { if state.is_reversed { "^" } else { "v" } } else { "" };
        fitted(&format!("{}{mark}", column.heading), *width, column.is_right)
    });
    Text::styled(cells.collect::<Vec<_>>().join(" "), style)
}

fn row(line: &Line, page: &Page, widths: &[usize], is_selected: bool) -> Text<'static> {
    let style = match line.mood {
        Mood::Plain => Style::new(),
        Mood::Faint => Style::new().add_modifier(Modifier::DIM),
        Mood::Warning => colored(Style::new().add_modifier(Modifier::BOLD), Color::Yellow),
        Mood::Problem => colored(Style::new().add_modifier(Modifier::BOLD), Color::Red),
    };
    let style = if is_selected { style.add_modifier(Modifier::REVERSED) } else { style };
    let empty = String::new();
    let cells = page.columns.iter().zip(widths).enumerate().map(|(nth, (column, width))| {
        fitted(line.cells.get(nth).map_or(&empty, |cell| &cell.text), *width, column.is_right)
    });
    Text::styled(cells.collect::<Vec<_>>().join(" "), style)
}

/// Cut or filled to a width.
fn fitted(text: &str, width: usize, is_right: bool) -> String {
    let count = text.chars().count();
    if count > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        return if width == 0 { String::new() } else { format!("{kept}…") };
    }
    let fill = " ".repeat(width - count);
    if is_right { fill + text } else { text.to_owned() + &fill }
}

fn draw_help(frame: &mut Frame<'_>) {
    let whole = frame.area();
    let (width, height) = (60.min(whole.width), (HELP.len() as u16 + 2).min(whole.height));
    let area = Rect::new((whole.width - width) / 2, (whole.height - height) / 2, width, height);
    frame.render_widget(Clear, area);
    let lines: Vec<_> = HELP.iter().map(|line| Text::raw(*line)).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("keys")), area);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_or_filled() {
        assert_eq!(fitted("abc", 5, false), "abc  ");
        assert_eq!(fitted("abc", 5, true), "  abc");
        assert_eq!(fitted("abcdef", 4, false), "abc…");
        assert_eq!(fitted("abc", 0, false), "");
    }
}
