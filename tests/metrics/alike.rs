//! Metrics whose names come out the same: told apart, or refused, and never added up.

use cotenant::metrics::{Across, Counter, Gauge};
use cotenant::{ProcessSync, shared};

use crate::actor::{actors, tests};

mod inner {
    use super::{Counter, shared};

    shared! {
        pub(super) static HITS: Counter<1> = Counter::new();
        pub(super) static PARTS_TAKEN: Counter<1> = Counter::new();
    }
}

#[derive(ProcessSync)]
#[repr(C)]
struct Parts {
    taken: Counter<1>,
}

shared! {
    /// Hits.
    static HITS_TOTAL: Counter<1> = Counter::new();
    static PARTS: Parts = Parts { taken: Counter::new() };
    static PARTS_TAKEN: Counter<1> = Counter::new();
    static MEMORY: Counter<1> = Counter::new();
    static MEMORY_TOTAL: Gauge<64> = Gauge::new(Across::Last);
}

fn here() -> &'static Counter<1> {
    shared! {
        static TWICE: Counter<1> = Counter::new();
    }
    &TWICE
}

fn there() -> &'static Counter<1> {
    shared! {
        static TWICE: Counter<1> = Counter::new();
        static COTENANT_PARTICIPANTS: Counter<1> = Counter::new();
    }
    COTENANT_PARTICIPANTS.add(256);
    &TWICE
}

tests! {
    variables_of_two_functions_are_told_apart,
    variable_that_is_called_like_what_segments_tell_displaces_nothing,
    variables_of_one_name_in_two_modules_are_told_apart,
    variables_of_one_name_in_one_module_are_told_apart,
    gauge_that_ends_like_a_counter_s_line_is_told_apart,
    names_whose_lines_scrapers_could_not_tell_apart_are_refused,
    descriptions_find_their_metrics_in_either_order,
    names_of_our_own_are_refused,
    labels_of_our_own_leave_those_of_the_user,
}

/// What the actor does for these tests.
pub(crate) fn count() -> String {
    HITS_TOTAL.add(1);
    inner::HITS.add(2);
    PARTS.taken.add(4);
    PARTS_TAKEN.add(8);
    inner::PARTS_TAKEN.add(16);
    MEMORY.add(32);
    MEMORY_TOTAL.set(64.0);
    here().add(128);
    there().add(512);
    "counted".into()
}

#[track_caller]
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(format!("|{text}").contains(&format!("|{line}|")), "no {line} in {text}");
    }
}

fn variables_of_one_name_in_two_modules_are_told_apart() {
    let (_sandbox, [mut peer]) = actors();
    peer.ask("alike");
    let text = peer.ask("statics");
    let here = module_path!();
    has(&text, &[&format!("hits_total{{module=\"{here}\"}} 1"), &format!("hits_total{{module=\"{here}::inner\"}} 2")]);
    has(&text, &["# HELP hits Hits.", "requests_total 0"]);
}

fn variables_of_one_name_in_one_module_are_told_apart() {
    let (_sandbox, [mut peer]) = actors();
    peer.ask("alike");
    let text = peer.ask("statics");
    let here = module_path!();
    has(
        &text,
        &[
            &format!("parts_taken_total{{variable=\"{here}::PARTS.taken\"}} 4"),
            &format!("parts_taken_total{{variable=\"{here}::PARTS_TAKEN\"}} 8"),
            &format!("parts_taken_total{{variable=\"{here}::inner::PARTS_TAKEN\"}} 16"),
        ],
    );
}

fn variables_of_two_functions_are_told_apart() {
    let (_sandbox, [mut peer]) = actors();
    peer.ask("alike");
    let text = peer.ask("statics");
    let told: Vec<&str> = text.split('|').filter(|line| line.starts_with("twice_total{")).collect();
    let [first, second] = told[..] else { panic!("two were counted: {told:?}") };
    assert!(first.contains("::TWICE\"} ") && second.contains("::TWICE#2\"} "), "{told:?}");
    let mut totals = [first, second].map(|line| line.rsplit(' ').next());
    totals.sort_unstable();
    assert_eq!(totals, [Some("128"), Some("512")]);
}

fn variable_that_is_called_like_what_segments_tell_displaces_nothing() {
    let (_sandbox, [mut peer]) = actors();
    peer.ask("alike");
    let text = peer.ask("statics");
    has(&text, &["exported_cotenant_participants_total 256", "# TYPE cotenant_participants gauge"]);
}

fn gauge_that_ends_like_a_counter_s_line_is_told_apart() {
    let (_sandbox, [mut peer]) = actors();
    peer.ask("alike");
    has(&peer.ask("statics"), &["memory_total 32", "# TYPE memory_total_2 gauge", "memory_total_2 64.0"]);
}

fn names_whose_lines_scrapers_could_not_tell_apart_are_refused() {
    let (_sandbox, [mut a, mut b]) = actors();
    a.ask("named counter jobs 1");
    a.ask("named histogram size 3");
    a.ask("named gauge free_total 3");
    for (command, line) in [
        ("named gauge jobs_total 1", "jobs_total"),
        ("named histogram jobs_total 1", "jobs_total"),
        ("named gauge size_count 1", "size_count"),
        ("named counter size_sum 1", "size_sum"),
        ("named counter free 1", "free_total"),
        // OpenMetrics keeps it, though nobody writes it.
        ("named gauge jobs_created 1", "jobs_created"),
        ("named counter size_created 1", "size_created"),
    ] {
        let said = b.ask(command);
        assert!(said.starts_with("Mismatch: ") && said.contains(&format!("begin with `{line}`")), "{command}: {said}");
    }
    assert_eq!(b.ask("named gauge free_total 1"), "Some(4.0)", "what is there is found");
    assert_eq!(b.ask("named gauge size_total 1"), "Some(1.0)", "no histogram has such a line");
}

fn descriptions_find_their_metrics_in_either_order() {
    let (_sandbox, [mut a]) = actors();
    a.ask("named describe free_total Bytes.");
    a.ask("named gauge free_total 3");
    a.ask("named counter jobs 3");
    a.ask("named describe jobs_total Jobs.");
    a.ask("named describe nobody Nothing.");
    let text = a.ask("named render");
    has(&text, &["# HELP jobs_total Jobs."]);
    assert!(text.contains("# HELP free_total Bytes.|# TYPE free_total gauge|free_total 3.0|"), "{text}");
    assert!(!text.contains("nobody"), "{text}");
}

fn names_of_our_own_are_refused() {
    let (_sandbox, [mut a]) = actors();
    let said = a.ask("named counter cotenant_metrics_refused 1");
    assert!(said.starts_with("InvalidInput: ") && said.contains("begins with `cotenant_`"), "{said}");
}

fn labels_of_our_own_leave_those_of_the_user() {
    let (_sandbox, [mut a, mut b]) = actors();
    for peer in [&mut a, &mut b] {
        peer.ask("named each of_each slot x 1");
    }
    let text = a.ask("named render");
    for pid in [a.pid, b.pid] {
        assert!(text.contains(&format!("of_each{{exported_slot=\"x\",pid=\"{pid}\",slot=\"")), "{text}");
    }
}
