//! What `compare --json` prints. Its figures are nobody's concern.

#![cfg(target_os = "linux")]

use std::process::Command;

#[test]
fn comparison_is_one_document_of_a_version() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
    let output = command.args(["compare", "--quick", "--json"]).output().expect("running the comparison");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!((&document["schema"], &document["quick"]), (&1.into(), &true.into()));
    let sizes = document["message_bytes"].as_array().expect("sizes");
    let ways = document["ways"].as_array().expect("ways");
    assert!(ways.iter().any(|way| way["name"] == "queue"));
    for way in ways {
        assert_eq!(way["messages_per_second"].as_array().expect("a rate for each size").len(), sizes.len(), "{way}");
    }
    let answers = document["answers"].as_array().expect("answers");
    assert!(answers.iter().all(|answer| answer["question"].is_string() && answer["way"].is_string()));
}

#[test]
fn page_that_cannot_be_written_is_told_before_anything_is_measured() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
    let output = command.args(["compare", "--html", "/proc/none/page.html"]).output().expect("running it");
    assert!(!output.status.success() && output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("write /proc/none/page.html"), "{told}");
}
