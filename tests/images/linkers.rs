//! Linkers: each puts the blocks into one section of whole pages. (gold goes away: it is tried where it still is.)

use std::path::Path;
use std::process::Command;

use crate::linking::{section_is_whole_pages, works};
use crate::programs::{Program, happen_to_have, have, output};

/// `trace`: what a program has that this linker made, in its comments or notes; none for bfd, which leaves no trace.
fn with_linker(linker: &str, tool: &str, trace: Option<&str>) {
    let is_there = if linker == "gold" { happen_to_have(tool) } else { have(tool) };
    if !is_there {
        return;
    }
    let fuse = format!("-Clink-arg=-fuse-ld={linker}");
    let program = Program::new("counter").flags(&[&fuse, "-Clink-arg=-Wl,--gc-sections"]).build();
    is_made_by(&program, trace);
    works(&program);
    section_is_whole_pages(&program);
    works(&Program::new("counter").flags(&[&fuse, "-Clink-dead-code"]).build());
}

fn is_made_by(program: &Path, trace: Option<&str>) {
    let text = output(Command::new("readelf").args(["--string-dump=.comment", "--sections", "--wide"]).arg(program));
    for known in ["Linker: LLD", "mold", "gnu.gold-version"] {
        assert_eq!(text.contains(known), trace == Some(known), "{known} in:\n{text}");
    }
}

#[test]
fn folding_of_identical_code_keeps_blocks_apart() {
    for (linker, tool) in [("lld", "ld.lld"), ("mold", "mold")] {
        if have(tool) {
            let fuse = format!("-Clink-arg=-fuse-ld={linker}");
            works(&Program::new("counter").flags(&[&fuse, "-Clink-arg=-Wl,--icf=all", "-Copt-level=3"]).build());
        }
    }
}

#[test]
fn program_linked_for_larger_pages_shares() {
    works(&Program::new("counter").flags(&["-Clink-arg=-Wl,-z,max-page-size=65536"]).build());
}

#[test]
fn bfd_links_blocks_that_are_shared() {
    with_linker("bfd", "ld.bfd", None);
}

#[test]
fn lld_links_blocks_that_are_shared() {
    with_linker("lld", "ld.lld", Some("Linker: LLD"));
}

#[test]
fn mold_links_blocks_that_are_shared() {
    with_linker("mold", "mold", Some("mold"));
}

#[test]
fn gold_links_blocks_that_are_shared() {
    with_linker("gold", "ld.gold", Some("gnu.gold-version"));
}
