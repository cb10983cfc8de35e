//! A short kill storm, so that every run of the tests has one. Its figures are nobody's concern; its violations are.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(300);

/// Runs `cotenant-bench stress` with these words; gives its closing object.
fn stress(words: &[&str]) -> serde_json::Value {
    let seed = std::env::var("COTENANT_STRESS_SEED").unwrap_or_else(|_| std::process::id().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
    command.arg("stress").args(words).args(["--json", "--seed", &seed]).stdout(Stdio::piped());
    let mut run = command.spawn().expect("starting the storm");
    let start = Instant::now();
    while run.try_wait().expect("looking at the storm").is_none() {
        if start.elapsed() > PATIENCE {
            run.kill().expect("ending the storm");
            panic!("waited {PATIENCE:?} for {words:?}, seed {seed}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = run.wait_with_output().expect("what the storm said");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "seed {seed}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}: {text}"))
}

#[test]
fn locks_bear_sixty_kills() {
    let closing = stress(&["locks", "--processes", "8", "--kill-every", "20ms", "--kills", "60", "--for", "4m"]);
    assert_eq!((&closing["kills"], &closing["violations"]), (&60.into(), &0.into()), "{closing}");
    assert!(closing["recoveries"].as_u64() > Some(0), "nobody was killed under a lock: {closing}");
}

#[test]
fn locks_bear_sixty_kills_without_the_robust_list() {
    let storm = ["locks", "--processes", "8", "--kill-every", "20ms", "--kills", "60", "--for", "4m"];
    let closing = stress(&[&storm[..], &["--no-robust-list"]].concat());
    assert_eq!((&closing["kills"], &closing["violations"]), (&60.into(), &0.into()), "{closing}");
}

#[test]
fn a_cache_bears_sixty_kills() {
    let closing = stress(&["cache", "--processes", "8", "--kill-every", "20ms", "--kills", "60", "--for", "4m"]);
    assert_eq!((&closing["kills"], &closing["violations"]), (&60.into(), &0.into()), "{closing}");
}

#[test]
fn an_owner_that_is_stopped_is_not_robbed() {
    let closing = stress(&["waiters", "--processes", "24", "--for", "2s"]);
    assert_eq!(closing["violations"], 0, "{closing}");
}

#[test]
fn queue_bears_sixty_kills_of_senders_and_receivers() {
    let closing = stress(&["queue", "--processes", "6", "--kill-every", "20ms", "--kills", "60", "--for", "4m"]);
    assert_eq!((&closing["kills"], &closing["violations"]), (&60.into(), &0.into()), "{closing}");
    both_sides_worked_and_died(&closing);
}

/// Else nothing was shown.
fn both_sides_worked_and_died(closing: &serde_json::Value) {
    for count in ["killed_senders", "killed_receivers", "sent", "came", "came_again"] {
        assert!(closing[count].as_u64() > Some(0), "{count}: {closing}");
    }
}

#[test]
fn queue_of_one_receiver_keeps_each_senders_order() {
    let closing = stress(&["queue", "--processes", "3", "--kill-every", "30ms", "--kills", "30", "--for", "4m"]);
    assert_eq!((&closing["kills"], &closing["violations"]), (&30.into(), &0.into()), "{closing}");
    both_sides_worked_and_died(&closing);
}
