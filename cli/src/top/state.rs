//! Which page is shown, and how: what keys change.

use std::time::Duration;

use super::page::{Page, Tab};

/// What top shows.
pub(crate) struct State {
    pub(crate) tab: Tab,
    /// The path of the segment that is looked into; then the tab is what Esc leads back to.
    pub(crate) inside: Option<String>,
    pub(crate) filter: String,
    /// The filter is being typed.
    pub(crate) is_typing: bool,
    /// The column that is sorted by; None: as they come.
    pub(crate) sort: Option<usize>,
    pub(crate) is_reversed: bool,
    pub(crate) selected: usize,
    pub(crate) is_paused: bool,
    pub(crate) has_help: bool,
    pub(crate) is_over: bool,
    pub(crate) interval: Duration,
    /// A key asks for another page: not only at the next look.
    pub(crate) wants_look: bool,
    /// As it was looked at; what is shown of it is in `shown`.
    pub(crate) page: Page,
}

impl State {
    pub(crate) fn new(tab: Tab, filter: Option<String>, interval: Duration) -> State {
        State {
            tab,
            inside: None,
            filter: filter.unwrap_or_default(),
            is_typing: false,
            sort: None,
            is_reversed: false,
            selected: 0,
            is_paused: false,
            has_help: false,
            is_over: false,
            interval,
            wants_look: false,
            page: Page::default(),
        }
    }

    /// Takes over what was looked at.
    pub(crate) fn show(&mut self, page: Page) {
        self.page = page;
        self.selected = self.selected.min(self.shown().lines.len().saturating_sub(1));
    }

    /// Filtered and sorted.
    pub(crate) fn shown(&self) -> Page {
        let mut page = self.page.clone();
        page.arrange(&self.filter, self.sort, self.is_reversed);
        page
    }

    pub(crate) fn go_to(&mut self, tab: Tab) {
        self.tab = tab;
        self.inside = None;
        self.begin_page();
    }

    pub(crate) fn enter(&mut self) {
        let path = self.shown().lines.get(self.selected).map(|line| line.segment.clone()).unwrap_or_default();
        if self.inside.is_none() && !path.is_empty() {
            self.inside = Some(path);
            self.filter.clear();
            self.begin_page();
        }
    }

    pub(crate) fn leave(&mut self) {
        if self.has_help {
            self.has_help = false;
        } else if self.inside.take().is_some() {
            self.begin_page();
        } else if !self.filter.is_empty() {
            self.filter.clear();
        }
    }

    fn begin_page(&mut self) {
        (self.sort, self.is_reversed, self.selected) = (None, false, 0);
        self.wants_look = true;
    }

    pub(crate) fn sort_by_next(&mut self, step: isize) {
        // -1 stands for "as they come".
        let count = self.page.columns.len() as isize + 1;
        let now = self.sort.map_or(-1, |column| column as isize);
        let next = (now + 1 + step).rem_euclid(count) - 1;
        self.sort = usize::try_from(next).ok();
    }

    pub(crate) fn select(&mut self, step: isize) {
        let last = self.shown().lines.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(step).min(last);
    }
}
