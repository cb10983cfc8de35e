//! Any bytes as a binary: read, judged, printed, and compared with themselves. Nothing may panic or run away.
//!
//! `cargo +nightly fuzz run inspect` from the repository's root; seeds are made by
//! `COTENANT_SEEDS=fuzz/corpus/inspect cargo test --package cotenant --features inspect --test inspect seeds`.

#![no_main]

use cotenant::inspect::{Contents, Image, changes, inspect, printable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match inspect(bytes) {
        Ok(Contents::Image(image)) => look_at(*image),
        Ok(Contents::Archive(archive)) => {
            for member in archive.flatten() {
                std::hint::black_box(printable(&String::from_utf8_lossy(member.name)));
                if let Ok(Some(image)) = member.image {
                    look_at(*image);
                }
            }
        }
        Err(refused) => drop(std::hint::black_box(refused.to_string())),
    }
});

fn look_at(mut image: Image<'_>) {
    image.judge_copies(|name| name.len() % 2 == 1);
    for section in &image.sections {
        std::hint::black_box((section.name_text(), section.flag_names(), section.rights.to_string()));
    }
    for block in &image.blocks {
        assert!(block.section.is_none_or(|index| index < image.sections.len()));
        for variable in &block.variables {
            let initial = variable.initial(60).expect("a variable lies in its block");
            assert!(initial.chars().count() <= 64, "{initial}");
            std::hint::black_box((variable.type_text(), printable(variable.doc())));
        }
    }
    for finding in &image.findings {
        assert!(finding.places.len() as u64 <= finding.places_total);
    }
    std::hint::black_box(changes(&image.blocks, &image.blocks));
}
