//! Metrics that are variables: sums over processes, what a death leaves, and what vanishes with it.

use crate::actor::{actors, tests};
use crate::support::peer::Peer;
use crate::support::wait_until;

tests! {
    what_is_acknowledged_is_counted_whoever_is_killed,
    own_cells_are_taken_over_from_the_dead_with_what_is_in_them,
    counter_without_a_free_cell_counts_all_the_same,
    cells_merge_as_their_type_says,
    gauges_of_a_dead_process_vanish_and_the_last_value_stays,
    next_tenant_of_a_slot_does_not_show_the_last_one_s_gauge,
    histogram_of_all_processes_is_one,
    statics_are_rendered_by_their_names,
    #[cfg(target_os = "linux")]
    deaths_are_counted_and_ends_in_good_order_are_not,
}

#[track_caller]
fn expect(peer: &mut Peer, command: &str, answer: &str) {
    assert_eq!(peer.ask(command), answer, "{command}");
}

fn what_is_acknowledged_is_counted_whoever_is_killed() {
    let (sandbox, [mut reader]) = actors();
    for round in 1..=5 {
        let mut peer = sandbox.start("actor");
        peer.ask("add 1000");
        peer.kill();
        expect(&mut reader, "total", &(1000 * round).to_string());
    }
}

fn own_cells_are_taken_over_from_the_dead_with_what_is_in_them() {
    let (sandbox, [mut reader]) = actors();
    let mut own = 0;
    // Two own cells, and ten that come, count and are killed.
    for _ in 0..10 {
        let mut peer = sandbox.start("actor");
        let claimed = peer.ask("few claim");
        own += u64::from(claimed.contains("true"));
        peer.ask("few own 7");
        peer.kill();
    }
    assert_eq!(own, 10, "each found a cell: the dead one's");
    expect(&mut reader, "few total", "70");
}

fn counter_without_a_free_cell_counts_all_the_same() {
    let (_sandbox, [mut a, mut b, mut c]) = actors();
    expect(&mut a, "few claim", "OwnCounter { is_claimed: true }");
    expect(&mut b, "few claim", "OwnCounter { is_claimed: true }");
    expect(&mut c, "few claim", "OwnCounter { is_claimed: false }");
    for peer in [&mut a, &mut b, &mut c] {
        peer.ask("few own 5");
    }
    expect(&mut c, "few total", "15");
    // A cell that was given back is the next one's, and keeps its count.
    a.ask("drop");
    c.ask("drop");
    expect(&mut c, "few claim", "OwnCounter { is_claimed: true }");
    c.ask("few own 5");
    expect(&mut b, "few total", "20");
}

fn cells_merge_as_their_type_says() {
    let (_sandbox, [mut a, mut b]) = actors();
    a.ask("traffic claim");
    a.ask("traffic own 700");
    a.ask("traffic own 30");
    b.ask("traffic local 900");
    a.kill();
    expect(&mut b, "traffic", "(3, 900)");
}

fn gauges_of_a_dead_process_vanish_and_the_last_value_stays() {
    let (_sandbox, [mut a, mut b]) = actors();
    for gauge in ["sum", "min", "max", "last", "each"] {
        expect(&mut b, &format!("gauge {gauge}"), "None 0");
        a.ask(&format!("gauge {gauge} set 5"));
        b.ask(&format!("gauge {gauge} set 3"));
        b.ask(&format!("gauge {gauge} add -1"));
    }
    for (gauge, value) in [("sum", 7), ("min", 2), ("max", 5), ("last", 2), ("each", 7)] {
        expect(&mut b, &format!("gauge {gauge}"), &format!("Some({value}.0) 0"));
    }
    a.ask("gauge last set 9");
    let rendered = b.ask("statics");
    for (name, pid) in [("a", a.pid), ("b", b.pid)] {
        assert!(rendered.contains(&format!("each{{pid=\"{pid}\",slot=")), "{name}: {rendered}");
    }
    a.kill();
    wait_until("the dead one's gauges vanish", || b.ask("gauge sum") == "Some(2.0) 0");
    for (gauge, value) in [("min", 2), ("max", 2), ("last", 9), ("each", 2)] {
        expect(&mut b, &format!("gauge {gauge}"), &format!("Some({value}.0) 0"));
    }
}

fn next_tenant_of_a_slot_does_not_show_the_last_one_s_gauge() {
    let (sandbox, [mut reader]) = actors();
    for _ in 0..3 {
        let mut peer = sandbox.start("actor");
        peer.ask("gauge sum add 5");
        expect(&mut peer, "gauge sum", "Some(5.0) 0");
        assert!(peer.finish().success());
        let mut next = sandbox.start("actor");
        expect(&mut next, "gauge sum", "None 0");
        next.kill();
    }
    expect(&mut reader, "gauge sum", "None 0");
}

fn histogram_of_all_processes_is_one() {
    let (_sandbox, [mut a, mut b]) = actors();
    for value in ["0.25", "0.5", "4"] {
        a.ask(&format!("observe {value}"));
    }
    a.kill();
    for value in ["0.5", "NaN", "1e9", "-1"] {
        b.ask(&format!("observe {value}"));
    }
    expect(&mut b, "observed", "6 1000000004.25 Some(0.46875)");
}

fn statics_are_rendered_by_their_names() {
    let (_sandbox, [mut a, mut b]) = actors();
    a.ask("add 2");
    a.ask("jobs");
    a.ask("observe 0.001");
    let text = b.ask("statics");
    for line in [
        "# HELP requests Requests \\\"served\\\" by all.|# TYPE requests counter|requests_total 2|",
        "# HELP jobs_done Jobs that were done.|# TYPE jobs_done counter|jobs_done_total 3|",
        "|jobs_failed_total 1|",
        "|queues_total{index=\"0\"} 0|queues_total{index=\"1\"} 5|",
        "|latency_seconds_bucket{le=\"+Inf\"} 1|latency_seconds_count 1|latency_seconds_sum 0.001|",
        "|cotenant_participants{segment=\"",
        "\"} 2.0|",
        "|cotenant_unlinked{segment=",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    assert!(text.ends_with("|# EOF|"));
}

#[cfg(target_os = "linux")]
fn deaths_are_counted_and_ends_in_good_order_are_not() {
    let (sandbox, [mut reader]) = actors();
    for round in 1..=3 {
        sandbox.start("actor").kill();
        assert!(sandbox.start("actor").finish().success());
        let text = reader.ask("statics");
        let is_told = |line: &str| line.starts_with("cotenant_deaths_total{") && line.ends_with(&format!(" {round}"));
        assert!(text.split('|').any(is_told), "{round}: {text}");
        assert!(text.contains("|cotenant_recoveries_total{"), "{text}");
    }
}
