//! Metrics by name, in a segment.

use crate::actor::{actors, tests};

tests! {
    processes_find_one_metric_by_its_name_and_labels,
    counts_of_the_dead_stay_and_their_cells_are_taken_over,
    a_full_table_says_which_limit_and_counts,
    names_of_another_kind_are_refused,
    names_and_labels_that_scrapers_do_not_read_are_refused,
    named_metrics_are_rendered_with_labels_and_descriptions,
}

fn processes_find_one_metric_by_its_name_and_labels() {
    let (_sandbox, [mut a, mut b]) = actors();
    assert_eq!(a.ask("named counter jobs 2"), "2");
    assert_eq!(b.ask("named counter jobs_total 3"), "5", "the same with _total");
    assert_eq!(b.ask("named labels jobs queue fast 1"), "1");
    assert_eq!(a.ask("named labels jobs queue fast 1"), "2");
    assert_eq!(a.ask("named histogram sizes 4"), "1 4");
    assert_eq!(b.ask("named histogram sizes 5"), "2 9");
    assert_eq!(a.ask("named gauge load 4"), "Some(4.0)");
    assert_eq!(b.ask("named gauge load 5"), "Some(9.0)");
}

fn counts_of_the_dead_stay_and_their_cells_are_taken_over() {
    let (sandbox, [mut reader]) = actors();
    assert_eq!(reader.ask("named counter jobs 0"), "0", "it keeps the segment");
    for round in 1..=6 {
        let mut peer = sandbox.start("actor");
        assert_eq!(peer.ask("named thread jobs 100"), format!("true {}", 100 * round));
        peer.kill();
    }
    assert_eq!(reader.ask("named counter jobs 0"), "600");
}

fn a_full_table_says_which_limit_and_counts() {
    let (_sandbox, [mut a, mut b]) = actors();
    for number in 0..40 {
        assert_eq!(a.ask(&format!("named labels n i {number} 1")), "1");
    }
    let said = b.ask("named labels n i 40 1");
    assert!(said.starts_with("NoSpace: ") && said.contains("`max_series`"), "{said}");
    assert_eq!(b.ask("named labels n i 39 1"), "2", "what is there goes on");
    assert_eq!(a.ask("named refused"), "1 of 40");
    assert!(a.ask("named render").contains("|cotenant_metrics_refused_total 1|"));
}

fn names_of_another_kind_are_refused() {
    let (_sandbox, [mut a, mut b]) = actors();
    a.ask("named counter jobs 1");
    for command in ["named gauge jobs 1", "named histogram jobs 1"] {
        let said = b.ask(command);
        assert!(said.starts_with("Mismatch: ") && said.contains("`jobs` is a counter"), "{said}");
    }
    a.ask("named labels load host a 1");
    let said = b.ask("named gauge load 1");
    assert!(said.starts_with("Mismatch: "), "also with other labels: {said}");
}

fn names_and_labels_that_scrapers_do_not_read_are_refused() {
    let (_sandbox, [mut a]) = actors();
    for command in [
        "named counter 1a 1",
        "named counter a-b 1",
        "named counter  1",
        "named labels a le x 1",
        "named labels a __x x 1",
        "named labels a é x 1",
    ] {
        assert!(a.ask(command).starts_with("InvalidInput: "), "{command}");
    }
}

fn named_metrics_are_rendered_with_labels_and_descriptions() {
    let (_sandbox, [mut a, mut b]) = actors();
    a.ask("named describe jobs Jobs \"done\" by all.");
    b.ask("named describe jobs Another line.");
    a.ask("named labels jobs queue a\"b 1");
    b.ask("named labels jobs queue c 2");
    b.ask("named histogram sizes 4");
    let text = a.ask("named render");
    for line in [
        "# HELP jobs_total Jobs \"done\" by all.|# TYPE jobs_total counter|jobs_total{queue=\"a\\\"b\"} 1|jobs_total{queue=\"c\"} 2|",
        "|sizes_bucket{le=\"4.0\"} 1|",
        "|cotenant_metrics_series 4.0|",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
}
