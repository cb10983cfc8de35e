//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::INTERVALS;
use super::page::Tab;
use super::state::State;

/// Rows that PgUp and PgDn go.
const PAGE_ROWS: isize = 15;
/// Characters of a filter.
const FILTER_MAX: usize = 64;

pub(super) fn press(state: &mut State, key: KeyEvent) {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        state.is_over = true;
    } else if state.is_typing {
        type_filter(state, key.code);
    } else {
        command(state, key.code);
    }
}

fn type_filter(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Enter => state.is_typing = false,
        KeyCode::Esc => {
            state.is_typing = false;
            state.filter.clear();
        }
        KeyCode::Backspace => drop(state.filter.pop()),
        KeyCode::Char(character) if state.filter.len() < FILTER_MAX => state.filter.push(character),
        _ => {}
    }
    state.selected = 0;
}

fn command(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Char('q') => state.is_over = true,
        KeyCode::Char('?' | 'h') => state.has_help = !state.has_help,
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => state.leave(),
        KeyCode::Enter | KeyCode::Right => state.enter(),
        KeyCode::Up | KeyCode::Char('k') => state.select(-1),
        KeyCode::Down | KeyCode::Char('j') => state.select(1),
        KeyCode::PageUp => state.select(-PAGE_ROWS),
        KeyCode::PageDown => state.select(PAGE_ROWS),
        KeyCode::Home => state.selected = 0,
        KeyCode::End => state.select(isize::MAX),
        KeyCode::Char('/') => state.is_typing = true,
        KeyCode::Char('<') => state.sort_by_next(-1),
        KeyCode::Char('>') => state.sort_by_next(1),
        KeyCode::Char('r') => state.is_reversed = !state.is_reversed,
        KeyCode::Char('p' | ' ') => state.is_paused = !state.is_paused,
        KeyCode::Char('+') => state.interval = (state.interval * 2).min(INTERVALS.1),
        KeyCode::Char('-') => state.interval = (state.interval / 2).max(INTERVALS.0),
        KeyCode::Tab | KeyCode::BackTab => {
            let now = Tab::ALL.iter().position(|tab| *tab == state.tab).unwrap_or(0);
            let step = if code == KeyCode::Tab { 1 } else { Tab::ALL.len() - 1 };
            state.go_to(Tab::ALL[(now + step) % Tab::ALL.len()]);
        }
        KeyCode::Char(digit @ '1'..='8') => {
            let nth = digit as usize - '1' as usize;
            state.go_to(Tab::ALL[nth]);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::top::page::{Line, Page};

    fn state() -> State {
        let mut state = State::new(Tab::Segments, None, Duration::from_secs(1));
        let line = |name: &str| Line { cells: vec![name.into()], segment: format!("/{name}"), ..Line::default() };
        state.page = Page { lines: vec![line("a"), line("b"), line("c")], ..Page::default() };
        state
    }

    fn press_all(state: &mut State, codes: &[KeyCode]) {
        codes.iter().for_each(|code| press(state, KeyEvent::new(*code, KeyModifiers::NONE)));
    }

    #[test]
    fn rows_are_chosen_entered_and_left() {
        let mut state = state();
        press_all(&mut state, &[KeyCode::Down, KeyCode::Down, KeyCode::Down, KeyCode::Up, KeyCode::Enter]);
        assert_eq!((state.inside.as_deref(), state.wants_look), (Some("/b"), true));
        press_all(&mut state, &[KeyCode::Esc]);
        assert_eq!((state.inside.as_deref(), state.selected), (None, 0));
        press_all(&mut state, &[KeyCode::End, KeyCode::PageUp, KeyCode::Tab, KeyCode::BackTab, KeyCode::Char('3')]);
        assert_eq!(state.tab, Tab::Locks);
    }

    #[test]
    fn filter_is_typed_and_its_letters_are_no_commands() {
        let mut state = state();
        press_all(&mut state, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Backspace, KeyCode::Char('c')]);
        assert!(!state.is_over && state.shown().lines.len() == 1);
        press_all(&mut state, &[KeyCode::Enter, KeyCode::Enter]);
        assert_eq!(state.inside.as_deref(), Some("/c"), "of the rows shown");
        press_all(&mut state, &[KeyCode::Char('q')]);
        assert!(state.is_over);
    }

    #[test]
    fn sorting_goes_round_the_columns() {
        let mut state = state();
        state.page.columns = vec![crate::top::page::column("a", 5), crate::top::page::column("b", 5)];
        let mut seen = Vec::new();
        for _ in 0..4 {
            press_all(&mut state, &[KeyCode::Char('>')]);
            seen.push(state.sort);
        }
        assert_eq!(seen, [Some(0), Some(1), None, Some(0)]);
        press_all(&mut state, &[KeyCode::Char('<'), KeyCode::Char('<')]);
        assert_eq!(state.sort, Some(1));
    }
}
