//! Segments as a table: a row each, the folders above them, what could not be seen below.

use std::io::{self, Write};

use cotenant::inspect::printable;

use super::foreign::Foreign;
use crate::look::{Member, Process, Row, State, Survey, age, bytes, since_unix, user};
use crate::table::{FAINT, WARNING, table, write_table};

/// Participants that are named; the others are counted.
const NAMED_MAX: usize = 3;

pub(super) fn write(
    mut out: impl Write,
    survey: &Survey,
    foreign: &[Foreign],
    is_read_by_people: bool,
) -> io::Result<()> {
    if survey.rows.is_empty() {
        writeln!(out, "no segments")?;
    } else {
        write_table(&mut out, &segments(&survey.rows))?;
    }
    for row in &survey.rows {
        if let Some(error) = &row.error {
            writeln!(out, "{WARNING}{}{WARNING:#}: {}", printable(&row.file_name), printable(error))?;
        }
    }
    if !foreign.is_empty() {
        writeln!(out, "\nshared memory that is not Cotenant's:")?;
        write_table(&mut out, &others(foreign))?;
    }
    for line in &survey.unseen {
        writeln!(out, "{FAINT}not seen: {}{FAINT:#}", printable(line))?;
    }
    if is_read_by_people {
        advise(&mut out, &survey.rows)?;
    }
    out.flush()
}

fn segments(rows: &[Row]) -> comfy_table::Table {
    let has_folders = rows.iter().any(|row| row.folder != rows[0].folder);
    let mut headings = vec!["name", "scope", "state", "backing", "size", "used", "age", "readers", "participants"];
    if has_folders {
        headings.push("folder");
    }
    let mut table = table(&headings, &[4, 5, 6, 7]);
    for row in rows {
        let mut cells = cells(row);
        if has_folders {
            cells.push(printable(&row.folder.display().to_string()));
        }
        table.add_row(cells);
    }
    table
}

fn cells(row: &Row) -> Vec<String> {
    let description = row.description();
    let of = |text: &dyn Fn(&cotenant::inspect::live::Description) -> String| description.map(text).unwrap_or_default();
    vec![
        row.label(),
        of(&|it| printable(&it.scope)),
        row.state.word().to_owned(),
        of(&|it| it.backing.to_owned()),
        match row.facts {
            Some(facts) => bytes(facts.bytes),
            None => of(&|it| bytes(it.max_bytes)),
        },
        row.facts.map(|facts| bytes(facts.allocated_bytes)).unwrap_or_default(),
        of(&|it| since_unix(it.created_unix_ns).map(age).unwrap_or_default()),
        if description.is_some() { row.readers.len().to_string() } else { String::new() },
        people(row),
    ]
}

/// `4711 server, 4712 worker, 3 more, 1 child`
fn people(row: &Row) -> String {
    let mut words: Vec<_> = row.members.iter().take(NAMED_MAX).map(member).collect();
    let more = row.members.len().saturating_sub(NAMED_MAX);
    words.extend((more > 0).then(|| format!("{more} more")));
    let children = row.children.len();
    words.extend((children > 0).then(|| format!("{children} without a slot")));
    words.extend((row.has_unseen && row.has_nobody_known()).then(|| "somebody".to_owned()));
    words.join(", ")
}

fn member(member: &Member) -> String {
    let program = printable(&member.said.program);
    match member.pid {
        Some(pid) => format!("{pid} {program}"),
        // A process that we cannot see: its own word for its id, marked.
        None => format!("?{} {program}", member.said.pid),
    }
}

fn others(foreign: &[Foreign]) -> comfy_table::Table {
    let mut table = table(&["kind", "name", "id", "size", "user", "mode", "used by"], &[2, 3]);
    for it in foreign {
        let mut users: Vec<_> = it.users.iter().take(NAMED_MAX).map(|process| process_text(process)).collect();
        let seen = it.users.len().max(it.attached.unwrap_or_default() as usize);
        let more = seen.saturating_sub(users.len());
        users.extend((more > 0).then(|| format!("{more} more")));
        table.add_row([
            it.kind.to_owned(),
            printable(&it.name),
            it.id.map(|id| id.to_string()).unwrap_or_default(),
            bytes(it.bytes),
            user(it.uid),
            format!("{:04o}", it.mode),
            users.join(", "),
        ]);
    }
    table
}

fn process_text(process: &Process) -> String {
    format!("{} {}", process.pid, printable(&process.program))
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
