//! What `compare` prints and writes. Its figures are nobody's concern.

#![cfg(target_os = "linux")]

use std::process::Command;

/// Every way that the project offers, and two of the system's own to compare with.
const WAYS: [&str; 13] = [
    "image variable",
    "mmap + fork",
    "segment, POSIX",
    "segment, System V",
    "segment, memfd",
    "segment, file",
    "pipe",
    "pipe, messages",
    "FIFO",
    "queue",
    "queue, any number of ends",
    "Unix socket",
    "System V message queue",
];
/// What a table of the page begins a row with.
const ROW: &str = "<tr><td>";

#[test]
fn comparison_is_one_document_of_a_version_and_a_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
    let output = command.args(["compare", "--quick", "--json", "--html"]).arg(&page).output().expect("running it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
    assert_eq!((&document["schema"], &document["quick"]), (&1.into(), &true.into()));
    let sizes = document["message_bytes"].as_array().expect("sizes");
    assert_eq!((&sizes[0], &sizes[sizes.len() - 1]), (&8.into(), &(1 << 20).into()));
    let ways = document["ways"].as_array().expect("ways");
    assert_eq!(ways.iter().map(|way| way["name"].as_str().expect("a name")).collect::<Vec<_>>(), WAYS);
    for way in ways {
        for fact in ["unrelated", "survives", "protected_by", "kill"] {
            assert!(way[fact].as_str().is_some_and(|it| !it.is_empty()), "{fact}: {way}");
        }
        for figure in ["set_up_us", "round_trip_ns", "one_way_ns"] {
            assert!(way[figure].as_f64() > Some(0.0), "{figure}: {way}");
        }
        let rates = way["messages_per_second"].as_array().expect("a rate for each size");
        assert_eq!(rates.len(), sizes.len(), "{way}");
        // What lies in the program's file is no place for a megabyte; what a message queue of the system takes, it says.
        let measured = rates.iter().take_while(|rate| rate.as_f64() > Some(0.0)).count();
        let least = if way["name"] == WAYS[0] {
            4
        } else if way["name"] == WAYS[12] {
            3
        } else {
            5
        };
        assert!(measured >= least, "{way}");
    }
    let answers = document["answers"].as_array().expect("answers");
    assert!(answers.iter().all(|answer| answer["question"].is_string() && answer["way"].is_string()));
    check_page(&std::fs::read_to_string(&page).expect("the page"));
}

/// It is sent to a colleague: all of it is in the file.
fn check_page(page: &str) {
    let rows: Vec<_> = page.split(ROW).skip(1).map(|rest| rest.split('<').next().expect("a cell")).collect();
    assert_eq!(rows, WAYS);
    assert_eq!(page.matches("<svg").count(), 3, "charts");
    for answer in ["Which to take", "no message lost by a kill:", "quick run"] {
        assert!(page.contains(answer), "{answer}");
    }
    let names = page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "");
    for elsewhere in ["http:", "https:", "src=", "href=", "url(", "@import", "<link", "<script", "<iframe"] {
        assert!(!names.contains(elsewhere), "{elsewhere}");
    }
}

/// In the process that measures the variables are attached once: what that takes another one tells, each time anew.
#[test]
fn set_up_of_the_image_variable_is_measured_where_it_is_not_attached() {
    let tells = |folder: &std::path::Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
        let output = command.arg("attach-image").env("COTENANT_DIR", folder).output().expect("running it");
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse::<f64>().unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let folder = tempfile::tempdir().expect("a folder");
    assert!(tells(folder.path()) > 0.0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
    let closed = command.arg("attach-image").env("COTENANT_DIR", "/proc/none").output().expect("running it");
    assert!(!closed.status.success(), "it did attach");
}

#[test]
fn page_that_cannot_be_written_is_told_before_anything_is_measured() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant-bench"));
    let output = command.args(["compare", "--html", "/proc/none/page.html"]).output().expect("running it");
    assert!(!output.status.success() && output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("write /proc/none/page.html"), "{told}");
}
