//! A segment in words: a headline, who is in it, a table of objects, and the locks that are not free and whole.

use std::io::{self, Write};

use cotenant::inspect::live::{Description, Lock, LockOwner, LockState, ObjectState, SegmentUse, Waiter};
use cotenant::inspect::printable;

use super::{Contents, Shown, member_of, not_seen};
use crate::look::{Row, State, age, bytes, duration, hex, since_unix, user};
use crate::table::{BOLD, FAINT, PROBLEM, WARNING, table, width, write_table};

/// Rows that are aligned together: a table holds all of its text.
const ROWS_MAX: usize = 500;

pub(super) fn write(mut out: impl Write, row: &Row, contents: &Contents, in_full: bool) -> io::Result<()> {
    headline(&mut out, row)?;
    people(&mut out, row)?;
    writeln!(out)?;
    let shown: Vec<_> = contents.objects.iter().filter_map(|object| object.as_ref().ok()).collect();
    if contents.objects.is_empty() && contents.error.is_none() {
        writeln!(out, "no objects")?;
    }
    if in_full {
        shown.iter().try_for_each(|shown| in_full_words(&mut out, shown))?;
    } else {
        for part in shown.chunks(ROWS_MAX) {
            let whole = objects(part, true);
            let is_wide =
                width().is_some_and(|width| whole.lines().any(|line| line.trim_end().chars().count() > width));
            write_table(&mut out, &if is_wide { objects(part, false) } else { whole })?;
        }
    }
    for error in contents.objects.iter().filter_map(|object| object.as_ref().err()).chain(&contents.error) {
        writeln!(out, "{PROBLEM}damaged{PROBLEM:#}: {}", printable(error))?;
    }
    locks(&mut out, row, &shown)?;
    if let Some(line) = not_seen(row) {
        writeln!(out, "{FAINT}not seen: {}{FAINT:#}", printable(&line))?;
    }
    out.flush()
}

fn headline(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let Some(it) = row.description() else { return Ok(()) };
    let state = match row.state {
        State::Unlinked => format!("{WARNING}unlinked{WARNING:#}: in use without a name"),
        State::Dead => "dead: nobody is attached, the next program starts afresh".to_owned(),
        State::Kept => "kept: nobody is attached, its values last until it is removed".to_owned(),
        state => state.word().to_owned(),
    };
    writeln!(out, "{BOLD}{}{BOLD:#}: {}, {state}", row.label(), used_for(it))?;
    writeln!(out, "  {}", row.path())?;
    let scope = if it.scope.is_empty() { String::new() } else { format!(", scope {}", printable(&it.scope)) };
    let made = since_unix(it.created_unix_ns).map(|since| format!(", made {} ago", age(since))).unwrap_or_default();
    let keep = if it.is_kept { ", kept until it is removed" } else { "" };
    writeln!(out, "  {}{scope}{made}{keep}", row.made_of().unwrap_or(it.backing))?;
    if let Some(facts) = row.facts {
        let room = format!("{} of data, {} at most", bytes(it.data_bytes), bytes(it.data_max_bytes));
        writeln!(out, "  {} long, {} of memory; {room}", bytes(facts.bytes), bytes(facts.allocated_bytes))?;
        writeln!(out, "  owner {}, mode {:04o}", user(facts.uid), facts.mode)?;
    }
    if !it.build_id.is_empty() {
        writeln!(out, "  build id {}, fingerprint {:016x}", hex(&it.build_id), it.fingerprint)?;
    }
    if it.deaths > 0 {
        let times = if it.deaths == 1 { "once".to_owned() } else { format!("{} times", it.deaths) };
        writeln!(out, "  an owner of a lock was found dead {times}")?;
    }
    if let Some(error) = &row.error {
        writeln!(out, "  {PROBLEM}{}{PROBLEM:#}", printable(error))?;
    }
    Ok(())
}

fn used_for(it: &Description) -> String {
    match it.used_for {
        SegmentUse::Image => "unnamed variables of a program".to_owned(),
        SegmentUse::Block => "a named block".to_owned(),
        SegmentUse::Objects => "a segment of objects".to_owned(),
        SegmentUse::Unknown(number) => format!("a segment of the unknown kind {number}"),
        _ => "a segment".to_owned(),
    }
}

fn people(out: &mut impl Write, row: &Row) -> io::Result<()> {
    if row.has_nobody_known() {
        let who = if row.has_unseen { "somebody is attached" } else { "nobody is attached that can be seen" };
        return writeln!(out, "\n{who}");
    }
    writeln!(out)?;
    let mut table = table(&["pid", "program", "user", "slot", ""], &[0, 3]);
    for member in &row.members {
        let there = match member.pid {
            Some(pid) if pid != member.said.pid => format!("process {} in its own container", member.said.pid),
            Some(_) => String::new(),
            None if member.said.lives.is_none() => "may not be asked: its own word".to_owned(),
            None => "of a container that cannot be seen: its own word".to_owned(),
        };
        let there = [member.condition().unwrap_or_default(), &there].join(" ").trim().to_owned();
        let pid = member.id();
        let (program, slot) = (printable(&member.said.program), member.said.slot.to_string());
        table.add_row([pid, program, user(member.said.uid), slot, there]);
    }
    let others = row.readers.iter().map(|it| (it, "reads only"));
    let others = others.chain(row.children.iter().map(|it| (it, "no slot: a child that has locked nothing yet")));
    for (process, what) in others {
        let (pid, program) = (process.pid.to_string(), printable(&process.program));
        table.add_row([pid, program, user(process.uid), String::new(), what.to_owned()]);
    }
    write_table(out, &table)
}

/// Documentation is left out where the terminal is too narrow; `--values` has it.
fn objects(shown: &[&Shown], has_docs: bool) -> comfy_table::Table {
    let mut table = table(&["object", "type", "value", ""], &[]);
    for shown in shown {
        table.add_row([
            printable(shown.object.name()),
            shown.object.type_text(),
            value(shown),
            if has_docs { printable(shown.object.doc().trim()) } else { String::new() },
        ]);
    }
    table
}

fn in_full_words(out: &mut impl Write, shown: &Shown) -> io::Result<()> {
    let (name, type_text) = (printable(shown.object.name()), shown.object.type_text());
    writeln!(out, "{BOLD}{name}{BOLD:#}: {type_text}")?;
    let doc = shown.object.doc().trim();
    if !doc.is_empty() {
        writeln!(out, "  {FAINT}{}{FAINT:#}", printable(doc))?;
    }
    writeln!(out, "  {}", value(shown))
}

fn value(shown: &Shown) -> String {
    match (shown.object.state, &shown.value) {
        (ObjectState::Removed, _) => "removed".to_owned(),
        (ObjectState::BeingMade, _) if shown.maker.as_ref().is_some_and(|maker| maker.lives != Some(false)) => {
            "being made".to_owned()
        }
        (ObjectState::BeingMade, _) => "not made: whoever made it died".to_owned(),
        (_, Ok(value)) => value.clone(),
        (_, Err(why)) => format!("({})", printable(why)),
    }
}

/// Those that somebody holds or waits for, or that are not whole.
fn locks(out: &mut impl Write, row: &Row, shown: &[&Shown]) -> io::Result<()> {
    let mut told = 0;
    for shown in shown {
        let name = printable(shown.object.name());
        match &shown.locks {
            Ok(locks) => {
                for lock in locks.iter().filter(|lock| is_worth_telling(lock)) {
                    told += 1;
                    if told == 1 {
                        writeln!(out, "\n{FAINT}locks{FAINT:#}")?;
                    }
                    self::lock(out, row, &name, lock)?;
                }
            }
            Err(why) => writeln!(out, "{WARNING}{name}{WARNING:#}: its locks cannot be read: {}", printable(why))?,
        }
        if let Some(maker) = &shown.maker {
            writeln!(out, "{name}: being made by {}", owner(row, maker))?;
            shown.awaiting.iter().try_for_each(|waiter| self::waiter(out, row, waiter))?;
        }
    }
    Ok(())
}

fn is_worth_telling(lock: &Lock) -> bool {
    lock.state != LockState::Free || lock.is_inconsistent || !lock.waiters.is_empty()
}

fn lock(out: &mut impl Write, row: &Row, name: &str, lock: &Lock) -> io::Result<()> {
    let path = printable(&lock.path);
    let part = if matches!(lock.part.as_str(), "lock" | "word") {
        String::new()
    } else {
        format!(" ({})", printable(&lock.part))
    };
    let by = lock.owner.as_ref().map(|owner| format!(" by {}", self::owner(row, owner))).unwrap_or_default();
    let is_arrival = lock.type_name.starts_with("Barrier") && lock.part.starts_with("cells");
    let says = match lock.state {
        LockState::Held if is_arrival => format!("arrived{by}").replacen(" by ", ": ", 1),
        LockState::OwnerDied if is_arrival => format!("arrived, and does not count{by}").replacen(" by ", ": ", 1),
        LockState::Free if lock.part == "word" => "awaited".to_owned(),
        LockState::OwnerDied if matches!(lock.part.as_str(), "reserved" | "taken") => {
            format!("of the oldest message{by}; passed over, or comes again, when somebody asks")
        }
        LockState::Held if lock.part == "reserved" => format!("the oldest message is not sent yet{by}"),
        LockState::Held if lock.part == "taken" => format!("the oldest message is not done with yet{by}"),
        LockState::Free if lock.part == "committed" => "awaited: there is no message".to_owned(),
        LockState::Free if lock.part == "freed" => "awaited: there is no room".to_owned(),
        LockState::Free if lock.is_inconsistent => {
            format!("{WARNING}inconsistent{WARNING:#}: free, but left half changed{by}; the next one gets OwnerDied")
        }
        LockState::Free => "free".to_owned(),
        LockState::Held if lock.is_inconsistent => format!("held{by}, who repairs what a dead owner left"),
        LockState::Held => format!("held{by}"),
        LockState::OwnerDied => {
            format!("{WARNING}OwnerDied{WARNING:#}: still held{by}; the next one takes it over and repairs it")
        }
        LockState::NotRecoverable => {
            format!("{PROBLEM}NotRecoverable{PROBLEM:#}: a repairer gave up; nobody gets it before `cotenant reset`")
        }
        _ => "?".to_owned(),
    };
    writeln!(out, "{name}{path}{part}: {} {says}", printable(&lock.type_name))?;
    lock.waiters.iter().try_for_each(|waiter| self::waiter(out, row, waiter))
}

fn waiter(out: &mut impl Write, row: &Row, waiter: &Waiter) -> io::Result<()> {
    let who = process(row, waiter.participant.slot, waiter.participant.pid, &waiter.participant.program);
    writeln!(out, "  {who} has waited for {}", duration(waiter.waits_ms.into()))
}

fn owner(row: &Row, owner: &LockOwner) -> String {
    let who = match &owner.participant {
        Some(it) => process(row, it.slot, it.pid, &it.program),
        None => format!("slot {}, whose process is gone", owner.slot),
    };
    match owner.lives {
        Some(true) if owner.thread_id == 0 => who,
        Some(true) => format!("{who}, thread {}", owner.thread_id),
        Some(false) => format!("{who} (dead)"),
        None => format!("{who} (whether it lives cannot be asked)"),
    }
}

fn process(row: &Row, slot: u32, pid_there: u32, program: &str) -> String {
    let program = printable(program);
    match member_of(row, slot).map(|member| (member.id(), member.condition())) {
        Some((id, Some(condition))) => format!("{id} {program} ({condition})"),
        Some((id, None)) => format!("{id} {program}"),
        None => format!("?{pid_there} {program}"),
    }
}
