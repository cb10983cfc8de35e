//! `cotenant ls` and `show`: what there is, who is in it, what it holds.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::actor::Actor;
use crate::place::{Place, parse, pids, row_of, run};

#[test]
fn living_segment_is_listed_with_its_participants_and_a_dead_one_as_dead() {
    let place = Place::new();
    let mut first = Actor::start(&place);
    first.act("make posix acme.jobs").act("count 42");
    let mut second = Actor::start(&place);
    second.act("make posix acme.jobs");
    let row = place.row("acme.jobs");
    assert_eq!(
        (&row["state"], &row["backing"], &row["used_for"]),
        (&"alive".into(), &"posix".into(), &"objects".into())
    );
    let mut seen = pids(&row["participants"]);
    seen.sort_unstable();
    let mut expected = vec![u64::from(first.pid()), second.pid().into()];
    expected.sort_unstable();
    assert_eq!(seen, expected, "{row:#}");
    let text = place.run(&["ls"]);
    assert!(text.out.contains("acme.jobs") && text.out.contains(&first.pid().to_string()), "{text:#?}");
    assert!(!text.out.contains('\u{1b}'), "no colours in a pipe");
    first.kill();
    assert_eq!(place.row("acme.jobs")["state"], "alive");
    second.kill();
    let row = place.row("acme.jobs");
    assert_eq!((&row["state"], pids(&row["participants"]).len()), (&"dead".into(), 0), "{row:#}");
}

#[test]
fn folder_that_programs_refuse_is_refused() {
    for command in [&["ls"] as &[_], &["doctor"], &["show", "acme.jobs"], &["prune"]] {
        let mut command = Place::new().command(command);
        command.env("COTENANT_DIR", "segments");
        let ran = run(command);
        assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:#?}");
        let is_told = ran.err.contains("relative path `segments`") && ran.err.contains("name an absolute one");
        assert!(is_told && ran.err.lines().count() == 1, "{ran:#?}");
    }
}

#[test]
fn folder_that_is_looked_into_is_nobody_elses_shared_memory() {
    let place = Place::new();
    Actor::start(&place).act("make posix acme.jobs");
    let name = place.folder().file_name().and_then(|name| name.to_str()).expect("UTF-8");
    let elsewhere = tempfile::Builder::new().prefix("acme-").tempdir_in(place.folder().parent().expect("a folder"));
    let elsewhere = elsewhere.expect("a folder");
    let foreign = |folder: &std::path::Path| {
        let mut command = place.command(&["ls", "--all", "--json"]);
        command.env("COTENANT_DIR", folder);
        parse(&run(command).out)["foreign"].clone()
    };
    let has = |foreign: &serde_json::Value, name: &str| {
        foreign.as_array().expect("a list").iter().any(|it| it["name"] == name)
    };
    let its_name = elsewhere.path().file_name().and_then(|name| name.to_str()).expect("UTF-8");
    assert!(!has(&foreign(elsewhere.path()), its_name));
    assert!(!has(&foreign(place.folder()), name));
}

#[test]
fn room_for_data_is_what_was_asked_for() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs");
    assert_eq!(place.row("acme.jobs")["data_max_bytes"], 1 << 20);
    let shown = place.run(&["show", "acme.jobs"]);
    assert!(shown.out.contains("1.0 MiB at most") || shown.out.contains("1 MiB at most"), "{shown:#?}");
}

#[test]
fn segments_are_shown_by_scope() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix plain").act("make scope=staging other");
    let names = |arguments: &[&str]| {
        let document = place.json(arguments);
        let rows = document["segments"].as_array().expect("a list").clone();
        let in_place = rows.into_iter().filter(|row| row["folder"] == place.folder().to_str().expect("UTF-8"));
        in_place.map(|row| row["file"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["ls"]), ["other@staging", "plain"]);
    assert_eq!(names(&["ls", "--scope", "staging"]), ["other@staging"]);
    assert_eq!(names(&["ls", "--scope", ""]), ["plain"]);
    let shown = place.json(&["show", "other@staging"]);
    assert_eq!(shown["segment"]["scope"], "staging");
}

#[test]
fn unlinked_segment_and_memory_without_a_name_are_found_through_their_processes() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix test.unlinked").act("count 5");
    actor.act("make memfd test.memfd").act("count 6").act("make anonymous test.anonymous").act("count 7");
    std::fs::remove_file(place.file("test.unlinked")).expect("it can be removed");
    let document = place.json(&["ls"]);
    for (name, state, value) in
        [("test.unlinked", "unlinked", "5"), ("test.memfd", "alive", "6"), ("test.anonymous", "alive", "7")]
    {
        let row = row_of(&document, name).unwrap_or_else(|| panic!("no {name} in {document:#}"));
        assert_eq!(row["state"], state, "{row:#}");
        assert_eq!(pids(&row["participants"]), [u64::from(actor.pid())], "{row:#}");
        let shown = place.json(&["show", name]);
        assert_eq!(shown["objects"][0]["value"], value, "{shown:#}");
    }
    actor.kill();
    let document = place.json(&["ls"]);
    for name in ["test.unlinked", "test.memfd", "test.anonymous"] {
        assert!(row_of(&document, name).is_none(), "{document:#}");
    }
}

#[test]
fn system_v_segment_is_shown_by_its_companion_and_a_foreign_one_as_such() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    let name = format!("test.sysv{}", std::process::id());
    actor.act(&format!("make sysv {name}")).act("count 11");
    let row = place.row(&name);
    assert_eq!((&row["state"], &row["backing"]), (&"alive".into(), &"sysv".into()), "{row:#}");
    assert_eq!(pids(&row["participants"]), [u64::from(actor.pid())], "{row:#}");
    let number = |key: &str| row[key].as_u64().expect("a number");
    let is_the_memorys = number("bytes") == number("max_bytes") && number("allocated_bytes") > number("max_bytes");
    assert!(is_the_memorys, "all of it is there from the start: {row:#}");
    let shown = place.json(&["show", &name]);
    assert_eq!(shown["objects"][0]["value"], "11", "{shown:#}");
    let all = place.json(&["ls", "--all"]);
    let is_foreign = |it: &&serde_json::Value| it["id"] == row["sysv_id"];
    assert!(!all["foreign"].as_array().expect("a list").iter().any(|it| is_foreign(&it)), "{all:#}");
    // Without its companion it is nobody's that we know.
    let elsewhere = Place::new();
    let all = elsewhere.json(&["ls", "--all"]);
    let listed = all["foreign"].as_array().expect("a list").iter().filter(is_foreign).count();
    let ours = all["segments"].as_array().expect("a list").iter().any(|it| it["sysv_id"] == row["sysv_id"]);
    assert!(listed == 1 || ours, "{all:#}");
    actor.kill();
    let removed = place.run(&["prune"]);
    assert_eq!(removed.status, Some(0), "{removed:#?}");
}

#[test]
fn reader_is_listed_as_one() {
    let place = Place::new();
    let mut writer = Actor::start(&place);
    writer.act("make posix acme.jobs").act("count 1");
    let mut reader = Actor::start(&place);
    reader.act("read-only acme.jobs");
    let row = place.row("acme.jobs");
    assert_eq!(pids(&row["readers"]), [u64::from(reader.pid())], "{row:#}");
    assert_eq!(pids(&row["participants"]), [u64::from(writer.pid())], "{row:#}");
}

#[test]
fn show_has_types_values_and_the_place_of_each() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 42").act("lock");
    let shown = place.json(&["show", "acme.jobs"]);
    let objects = shown["objects"].as_array().expect("a list");
    let find = |name: &str| objects.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{shown:#}"));
    assert_eq!((&find("done")["type"], &find("done")["value"]), (&"AtomicU64".into(), &"42".into()));
    assert_eq!(find("limits")["value"], "Mutex(Limits { per_second: 100, burst: 20 })");
    let text = place.run(&["show", "acme.jobs", "--values"]);
    assert!(text.out.contains("done: AtomicU64") && text.out.contains("  42"), "{text:#?}");
}

#[test]
fn segment_is_named_by_path_by_file_and_by_the_beginning_and_slips_are_told() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix test.unique.jobs").act("make posix test.unique.tasks");
    let path = place.file("test.unique.jobs").display().to_string();
    for name in ["test.unique.jobs", "test.unique.j", path.as_str()] {
        assert_eq!(place.json(&["show", name])["segment"]["name"], "test.unique.jobs", "{name}");
    }
    let several = place.run(&["show", "test.unique"]);
    assert_eq!(several.status, Some(1));
    assert!(several.err.contains("test.unique.jobs, test.unique.tasks"), "{several:#?}");
    let slip = place.run(&["show", "test.unique.jibs"]);
    assert!(slip.status == Some(1) && slip.err.contains("did you mean test.unique.jobs"), "{slip:#?}");
    assert_eq!(slip.err.lines().count(), 1, "{slip:#?}");
    let other = place.file("notes");
    std::fs::write(&other, "of somebody").expect("a file");
    let elsewhere = Place::new();
    let mistyped = elsewhere.run(&["show", &other.display().to_string()]);
    assert!(mistyped.status == Some(1) && mistyped.err.contains("is not a Cotenant segment"), "{mistyped:#?}");
    assert!(!mistyped.err.contains("move it away"), "nobody asked for its folder: {mistyped:#?}");
    // Also outside of any folder of ours, by its path.
    assert_eq!(elsewhere.json(&["show", &path])["segment"]["name"], "test.unique.jobs");
}

#[test]
fn another_users_folder_is_said_not_to_be_seen() {
    if !rustix::process::geteuid().is_root() {
        return crate::not_tried::skip("only root can be two users");
    }
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make posix acme.jobs").act("count 1");
    std::fs::set_permissions(place.folder(), std::fs::Permissions::from_mode(0o700)).expect("a mode");
    let command = place.command(&["ls", "--json"]);
    // Whoever may not run the program (it lies in a closed folder) cannot be tried.
    let copy = std::env::temp_dir().join(format!("cotenant-test-{}", std::process::id()));
    // By another process: one that another test forks meanwhile would keep it open for writing.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_cotenant")).arg(&copy).status();
    assert!(copied.is_ok_and(|it| it.success()), "a copy");
    let mut as_nobody = Command::new("setpriv");
    as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy).args(["ls", "--json"]);
    as_nobody.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if !Command::new("setpriv").arg("--version").output().is_ok_and(|it| it.status.success()) {
        let _ = std::fs::remove_file(&copy);
        return crate::not_tried::skip("setpriv (util-linux) is not there");
    }
    let ran = run(as_nobody);
    let _ = std::fs::remove_file(&copy);
    assert_eq!(ran.status, Some(0), "{ran:#?}");
    let document = crate::place::parse(&ran.out);
    assert!(row_of(&document, "acme.jobs").is_none(), "{document:#}");
    let unseen = document["not_seen"].to_string();
    assert!(unseen.contains(place.folder().to_str().expect("UTF-8")), "{document:#}");
}

#[test]
fn a_thousand_segments_are_listed() {
    let place = Place::new();
    let mut actor = Actor::start(&place);
    actor.act("make kept first").act("count 1");
    actor.kill();
    for index in 1..1024 {
        std::fs::copy(place.file("first"), place.file(&format!("copy{index:04}"))).expect("a copy");
    }
    let document = place.json(&["ls"]);
    let rows = document["segments"].as_array().expect("a list");
    let in_place = rows.iter().filter(|row| row["folder"] == place.folder().to_str().expect("UTF-8"));
    assert_eq!(in_place.filter(|row| row["state"] == "kept").count(), 1024);
}
