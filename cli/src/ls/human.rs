//! Segments as a table: a row each, below the folder they lie in; what could not be seen below.

use std::io::{self, Write};

use anstyle::Style;
use cotenant::inspect::printable;

use super::foreign::Foreign;
use crate::look::{Member, Row, State, Survey, age, bytes, counted, since_unix, user};
use crate::table::{Around, BOLD, FAINT, PLAIN, WARNING, WHO_MIN, Who, table, width, write_with_who};

/// Members that are named at most, on however wide a terminal.
const NAMED_MAX: usize = 12;
/// On a narrower terminal lengths with holes are left out: what memory is taken matters more.
const WIDE: usize = 100;
/// Columns of state, memory and age, and of the length with holes.
const FACTS: usize = 28;
const LENGTH: usize = 10;

pub(super) fn write(
    mut out: impl Write,
    survey: &Survey,
    foreign: &[Foreign],
    is_read_by_people: bool,
) -> io::Result<()> {
    let width = width();
    if survey.rows.is_empty() {
        writeln!(out, "no segments")?;
    } else {
        segments(&mut out, &survey.rows, width)?;
    }
    for row in &survey.rows {
        if row.error.is_some() {
            writeln!(out, "{WARNING}{}{WARNING:#}: {}", row.state.word(), row.complaint())?;
        }
    }
    if !foreign.is_empty() {
        writeln!(out, "\nshared memory that is not Cotenant's:")?;
        others(&mut out, foreign, width)?;
    }
    for line in &survey.unseen {
        writeln!(out, "{FAINT}not seen: {}{FAINT:#}", printable(line))?;
    }
    if is_read_by_people {
        advise(&mut out, &survey.rows)?;
    }
    out.flush()
}

fn segments(out: &mut impl Write, rows: &[Row], width: Option<usize>) -> io::Result<()> {
    let has_lengths = width.is_none_or(|width| width >= WIDE);
    let lengths = if has_lengths { LENGTH } else { 0 };
    let name_max = width.map_or(usize::MAX, |width| width.saturating_sub(FACTS + lengths + WHO_MIN + 2));
    let mut headings = vec!["name", "state", "size", "used", "age"];
    let mut to_the_right = vec![2, 3, 4];
    if !has_lengths {
        headings.remove(2);
        to_the_right.pop();
    }
    let mut table = table(&headings, &to_the_right);
    let mut around = Vec::new();
    let mut group = None;
    for row in rows {
        let name = row.label_with_scope();
        let mut above = Vec::new();
        let its_group = heading(row);
        if group.as_ref() != Some(&its_group) {
            above.push(format!("{BOLD}{its_group}{BOLD:#}"));
            group = Some(its_group);
        }
        // A long name is not cut, so that it can be copied: it has a line of its own.
        let is_long = name.chars().count() > name_max;
        above.extend(is_long.then(|| name.clone()));
        let mut cells = vec![if is_long { String::new() } else { name }, row.state.word().to_owned()];
        cells.extend(has_lengths.then(|| length(row)));
        cells.push(row.facts.map(|facts| bytes(facts.allocated_bytes)).unwrap_or_default());
        let made = row.description().and_then(|it| since_unix(it.created_unix_ns));
        cells.push(made.map(age).unwrap_or_default());
        table.add_row(cells);
        around.push(Around { above, style: style(row.state), who: who(row) });
    }
    write_with_who(out, &table, "participants", &around, width)
}

/// Where it lies; and what it is made of, if that is not what segments are usually made of.
fn heading(row: &Row) -> String {
    let folder = match row.folder.as_os_str().is_empty() {
        true => "in no folder".to_owned(),
        false => printable(&row.folder.display().to_string()),
    };
    match row.made_of() {
        None | Some("posix") => folder,
        Some(backing) => format!("{folder} ({backing})"),
    }
}

fn style(state: State) -> Style {
    match state {
        State::Dead => FAINT,
        State::Unlinked | State::Damaged => WARNING,
        _ => PLAIN,
    }
}

fn length(row: &Row) -> String {
    match (row.facts, row.description()) {
        (Some(facts), _) => bytes(facts.bytes),
        (None, Some(description)) => bytes(description.max_bytes),
        (None, None) => String::new(),
    }
}

fn who(row: &Row) -> Who {
    let (readers, children) = (row.readers.len(), row.children.len());
    let mut also = Vec::new();
    also.extend((children > 0).then(|| format!("{children} without a slot")));
    also.extend((readers > 0).then(|| counted(readers, "reader")));
    also.extend((row.has_unseen && row.has_nobody_known()).then(|| "somebody".to_owned()));
    Who { named: row.members.iter().take(NAMED_MAX).map(member).collect(), count: row.members.len(), also }
}

fn member(member: &Member) -> String {
    let (id, program) = (member.id(), printable(&member.said.program));
    match member.condition() {
        Some(condition) => format!("{id} {program} ({condition})"),
        None => format!("{id} {program}"),
    }
}

fn others(out: &mut impl Write, foreign: &[Foreign], width: Option<usize>) -> io::Result<()> {
    let name_max = width.map_or(usize::MAX, |width| width * 3 / 10);
    let mut table = table(&["kind", "name", "id", "size", "user", "mode"], &[2, 3]);
    let mut around = Vec::new();
    for it in foreign {
        let name = printable(&it.name);
        let is_long = name.chars().count() > name_max;
        let named = it.users.iter().take(NAMED_MAX);
        let named = named.map(|process| format!("{} {}", process.pid, printable(&process.program))).collect();
        let who = Who { named, count: it.users.len().max(it.attached.unwrap_or_default() as usize), also: Vec::new() };
        around.push(Around { above: is_long.then(|| name.clone()).into_iter().collect(), style: PLAIN, who });
        table.add_row([
            it.kind.to_owned(),
            if is_long { String::new() } else { name },
            it.id.map(|id| id.to_string()).unwrap_or_default(),
            bytes(it.bytes),
            user(it.uid),
            format!("{:04o}", it.mode),
        ]);
    }
    write_with_who(out, &table, "used by", &around, width)
}

fn advise(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let dead = count(State::Dead);
    if dead > 0 {
        let them = if dead == 1 { "it" } else { "them" };
        writeln!(out, "{FAINT}{dead} dead: cotenant prune removes {them}{FAINT:#}")?;
    }
    if count(State::Unlinked) > 0 {
        writeln!(out, "{FAINT}unlinked while in use: cotenant doctor says what may have done it{FAINT:#}")?;
    }
    Ok(())
}
