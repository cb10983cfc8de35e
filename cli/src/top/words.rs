//! Words and numbers in the little room of a cell.

use std::collections::VecDeque;

use cotenant::inspect::live::{Lock, LockOwner, LockState};
use cotenant::inspect::printable;

use super::page::Cell;
use crate::look::{Row, bytes};

pub(super) fn word(lock: &Lock) -> &'static str {
    match lock.state {
        LockState::Free if lock.is_inconsistent => "half changed",
        LockState::Free => "free",
        LockState::Held => "held",
        LockState::OwnerDied => "OwnerDied",
        LockState::NotRecoverable => "NotRecoverable",
        _ => "?",
    }
}

pub(super) fn owner_name(row: &Row, owner: &LockOwner) -> String {
    let member = row.members.iter().find(|it| it.said.slot == owner.slot && it.said.generation == owner.generation);
    match (member, &owner.participant) {
        (Some(member), _) => format!("{} {}", member.id(), printable(&member.said.program)),
        (None, Some(it)) => format!("{} {} (dead)", it.pid, printable(&it.program)),
        (None, None) => format!("slot {} (gone)", owner.slot),
    }
}

/// The end of a variable's path: there is little room.
pub(super) fn name_of(name: &str) -> String {
    printable(name.rsplit("::").next().unwrap_or(name))
}

/// Nothing where there is none, so that what is not zero stands out.
pub(super) fn count(number: u64) -> Cell {
    Cell::number(if number == 0 { String::new() } else { number.to_string() }, number as f64)
}

pub(super) fn per_second(rate: Option<f64>) -> Cell {
    rate.map(|rate| Cell::number(short(rate), rate)).unwrap_or_default()
}

pub(super) fn per_second_bytes(rate: Option<f64>) -> Cell {
    rate.map(|rate| Cell::number(bytes(rate.max(0.0) as u64), rate)).unwrap_or_default()
}

/// `0`, `3.5`, `120`, `45.2k`, `1.3M`.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        size if size < 0.05 => "0".to_owned(),
        size if size < 99.95 => format!("{number:.1}"),
        size if size < 9999.5 => format!("{number:.0}"),
        size if size < 999_950.0 => format!("{:.1}k", number / 1e3),
        size if size < 999_950_000.0 => format!("{:.1}M", number / 1e6),
        _ => format!("{:.1}G", number / 1e9),
    }
}

/// The rates as a line of bars, the greatest one full.
pub(super) fn spark(rates: &VecDeque<f64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let max = rates.iter().copied().fold(0.0, f64::max);
    let bar = |rate: &f64| {
        let nth = if max > 0.0 { (rate.max(0.0) / max * 7.0).round() as usize } else { 0 };
        BARS[nth.min(7)]
    };
    rates.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short_and_drawn_to_the_greatest() {
        let texts = [0.0, 3.47, 120.4, 45_210.0, 1_300_000.0, -2.0].map(short);
        assert_eq!(texts, ["0", "3.5", "120", "45.2k", "1.3M", "-2.0"]);
        assert_eq!(spark(&VecDeque::from([0.0, 5.0, 10.0, -3.0])), "▁▅█▁");
        assert_eq!(spark(&VecDeque::from([0.0, 0.0])), "▁▁");
    }
}
