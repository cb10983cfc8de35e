//! What people read: 80 columns, the living first, who is stopped, who waits for what is being made.

use std::process::Command;

use crate::actor::Actor;
use crate::place::{Place, Ran, pids, run};

fn run_at_80_columns(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.env("COLUMNS", "80");
    run(command)
}

/// What `ls` lists below the heading of this place.
fn rows_here(place: &Place, text: &str) -> Vec<String> {
    let heading = place.folder().display().to_string();
    let mut lines = text.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "no heading {heading}: {text}");
    let is_other = |line: &str| ["/", "in no folder", "not seen: ", "damaged: "].iter().any(|it| line.starts_with(it));
    lines.take_while(|line| !is_other(line)).map(str::to_owned).collect()
}

#[test]
fn list_fits_80_columns_with_the_folder_above_and_the_living_before_the_dead() {
    let place = Place::new();
    let long = "test.a-name-that-somebody-gave-in-no-hurry-at-all";
    let mut dead = Actor::start(&place);
    dead.act("make posix a.dead").act("make kept b.kept");
    dead.kill();
    let mut actors: Vec<_> = (0..5).map(|_| Actor::start(&place)).collect();
    for actor in &mut actors {
        actor.act("make posix z.alive").act(&format!("make posix {long}")).act("make scope=staging z.alive");
    }
    let text = run_at_80_columns(&place, &["ls"]);
    let heading = place.folder().display().to_string();
    assert_eq!(text.out.lines().nth(1), Some(heading.as_str()), "the folder that was named comes first: {text:#?}");
    let rows = rows_here(&place, &text.out);
    assert!(rows.iter().all(|row| row.chars().count() <= 80), "{rows:#?}");
    let at =
        |name: &str| rows.iter().position(|row| row.starts_with(name)).unwrap_or_else(|| panic!("{name}: {rows:#?}"));
    assert!(at(long) < at("b.kept") && at("z.alive ") < at("b.kept") && at("b.kept") < at("a.dead"), "{rows:#?}");
    assert_eq!(rows[at(long)], long, "a long name has a line of its own");
    assert!(rows[at("z.alive@staging")].contains(" more"), "{rows:#?}");
    assert!(!text.out.contains('\u{1b}'), "no colours where no terminal is: {text:#?}");
    let mut coloured = place.command(&["ls"]);
    coloured.env("CLICOLOR_FORCE", "1");
    let coloured = run(coloured);
    assert!(coloured.out.contains("\u{1b}[2ma.dead"), "{coloured:#?}");
}

#[test]
fn stopped_process_is_said_to_be_stopped() {
    let place = Place::new();
    let mut holder = Actor::start(&place);
    holder.act("make posix acme.jobs").act("lock");
    let mut waiter = Actor::start(&place);
    waiter.act("make posix acme.jobs").act("wait");
    let stop = |actor: &Actor| {
        let stopped = Command::new("kill").args(["-STOP", &actor.pid().to_string()]).status();
        assert!(stopped.is_ok_and(|it| it.success()));
    };
    stop(&holder);
    stop(&waiter);
    let shown = place.run(&["show", "acme.jobs"]);
    let line = |start: &str, middle: &str| shown.out.lines().any(|it| it.contains(start) && it.contains(middle));
    assert!(line("limits: Mutex held by ", "(stopped), thread "), "{shown:#?}");
    assert!(line(&format!("  {} ", waiter.pid()), "(stopped) has waited for "), "{shown:#?}");
    let document = place.json(&["show", "acme.jobs"]);
    let limits = document["objects"].as_array().expect("a list").iter().find(|it| it["name"] == "limits");
    let lock = &limits.expect("it is there")["locks"][0];
    assert_eq!((&lock["owner"]["condition"], &lock["waiters"][0]["condition"]), (&"stopped".into(), &"stopped".into()));
    let row = place.row("acme.jobs");
    assert_eq!(row["participants"][0]["condition"], "stopped", "{row:#}");
    assert!(place.run(&["ls"]).out.contains("(stopped)"));
    let refused = place.run(&["rm", "acme.jobs"]);
    assert!(refused.err.contains(", stopped)"), "{refused:#?}");
}

#[test]
fn who_waits_for_an_object_that_is_being_made_is_named() {
    let place = Place::new();
    let mut maker = Actor::start(&place);
    maker.act("make posix acme.jobs").act("make-for-ever");
    let mut waiter = Actor::start(&place);
    waiter.act("make posix acme.jobs").act("await-made");
    let document = place.json(&["show", "acme.jobs"]);
    let slow = document["objects"].as_array().expect("a list").iter().find(|it| it["name"] == "slow");
    let slow = slow.unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!((&slow["state"], &slow["maker"]["pid"]), (&"being-made".into(), &maker.pid().into()), "{slow:#}");
    assert_eq!(pids(&slow["awaiting"]), [u64::from(waiter.pid())], "{slow:#}");
    let shown = place.run(&["show", "acme.jobs"]);
    let made = format!("slow: being made by {} ", maker.pid());
    let line = shown.out.lines().skip_while(|line| !line.starts_with(&made)).nth(1);
    assert!(line.is_some_and(|it| it.starts_with(&format!("  {} ", waiter.pid()))), "{shown:#?}");
}

#[test]
fn copy_of_a_segment_has_its_own_name() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix test.original").act("count 1");
    std::fs::copy(place.file("test.original"), place.file("test.copy")).expect("a copy");
    let text = place.run(&["ls"]);
    assert!(text.out.contains("test.copy (made as test.original)"), "{text:#?}");
    assert_eq!(place.json(&["show", "test.original"])["segment"]["state"], "alive", "its name means it alone");
    let removed = place.run(&["rm", "test.copy"]);
    assert!(removed.status == Some(0) && place.file("test.original").exists(), "{removed:#?}");
}

#[test]
fn scope_that_cannot_be_is_wrong_usage_and_words_fit_their_numbers() {
    let place = Place::new();
    std::fs::write(place.file("notes"), "mine").expect("a file");
    let notes = place.run(&["rm", "notes"]);
    assert!(notes.err.contains("notes is not a Cotenant segment; left alone"), "one advice, not two: {notes:#?}");
    let refused = place.run(&["ls", "--scope", "a/b"]);
    assert!(refused.status == Some(2) && refused.err.contains("no name for a scope"), "{refused:#?}");
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1");
    let none = place.run(&["reset", "acme.jobs", "done"]);
    assert!(none.status == Some(1) && none.err.contains("is an AtomicU64: it has no lock"), "{none:#?}");
    actor.kill();
    let pruned = place.run(&["prune"]);
    assert!(pruned.out.contains("\nremoved 1 file, "), "{pruned:#?}");
}

#[test]
fn documentation_gives_way_to_values_on_a_narrow_terminal() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1").act("lock");
    let shown = run_at_80_columns(&place, &["show", "acme.jobs"]);
    let row = shown.out.lines().find(|line| line.starts_with("limits ")).unwrap_or_else(|| panic!("{shown:#?}"));
    assert!(row.contains("per_second: 100") && row.chars().count() <= 80, "{shown:#?}");
}
