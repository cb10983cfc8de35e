//! Blocks of `shared!`: found, resolved, read and printed, whatever the word size and byte order.

use cotenant::inspect::{Contents, FindingKind, Image, Verdict, changes, inspect};

use crate::make::block::{self, INITIAL, VARIABLES};
use crate::make::elf::Elf;
use crate::make::{TARGETS, Target};

pub(crate) fn image(bytes: &[u8]) -> Box<Image<'_>> {
    match inspect(bytes).expect("an image") {
        Contents::Image(image) => image,
        Contents::Archive(_) => panic!("an archive"),
    }
}

fn check(bytes: &[u8], name: &str) {
    let image = image(bytes);
    assert_eq!(image.block_faults, Vec::<String>::new());
    let [block] = &image.blocks[..] else { panic!("{} blocks", image.blocks.len()) };
    assert_eq!((block.name, block.module, block.mode), (name, "made::by_hand", 0o600));
    assert_eq!((block.used_bytes, block.padded_bytes), (132, 4096));
    assert_eq!(block.fingerprint, block.computed_fingerprint);
    assert_eq!(block.variables.len(), VARIABLES.len());
    for ((variable, expected), initial) in block.variables.iter().zip(&VARIABLES).zip(INITIAL) {
        assert_eq!((variable.name(), variable.offset()), (expected.name, expected.at));
        assert_eq!(variable.initial(100).as_deref(), Some(initial), "{}", expected.name);
        assert_eq!(variable.doc(), expected.doc);
    }
    assert_eq!(block.variables[9].type_text(), "Mutex<u32>");
}

#[test]
fn blocks_are_read_on_every_word_size_and_byte_order() {
    for target in TARGETS {
        check(&block::elf(target, false, &VARIABLES).build(), "acme.web");
    }
}

#[test]
fn addresses_come_from_relocations_in_a_program_that_may_be_loaded_anywhere() {
    for target in TARGETS {
        check(&block::elf(target, true, &VARIABLES).build(), "acme.web");
    }
}

#[test]
fn blocks_are_found_without_section_headers() {
    for target in TARGETS {
        for is_pie in [false, true] {
            let elf = Elf { has_section_headers: false, ..block::elf(target, is_pie, &VARIABLES) };
            check(&elf.build(), "acme.web");
        }
    }
}

#[test]
fn blocks_of_windows_programs_are_read() {
    for bits in [32, 64] {
        check(&block::pe(bits).build(), "");
    }
}

#[test]
fn initial_values_are_cut_at_the_limit() {
    let bytes = block::elf(TARGETS[0], false, &VARIABLES).build();
    let image = image(&bytes);
    for (variable, initial) in image.blocks[0].variables.iter().zip(INITIAL) {
        for limit in 0..40 {
            let shown = variable.initial(limit).expect("a value");
            assert!(shown.chars().count() <= limit + 1, "{shown} of {initial}");
        }
    }
}

#[test]
fn fingerprint_that_is_not_the_schemas_is_told() {
    let mut elf = block::elf(TARGETS[0], false, &VARIABLES);
    elf.sections[1].bytes[112] ^= 1;
    let bytes = elf.build();
    let image = image(&bytes);
    assert_ne!(image.blocks[0].fingerprint, image.blocks[0].computed_fingerprint);
    assert_eq!(image.findings[0].kind, FindingKind::DamagedBlock);
}

fn spoiled(target: Target, spoil: impl Fn(&mut Elf)) -> String {
    let mut elf = block::elf(target, false, &VARIABLES);
    spoil(&mut elf);
    let bytes = elf.build();
    let image = image(&bytes);
    assert!(image.blocks.is_empty());
    assert_eq!(image.findings.iter().filter(|finding| finding.kind == FindingKind::DamagedBlock).count(), 1);
    image.block_faults[0].clone()
}

#[test]
fn damaged_descriptors_are_told() {
    let put = |at: usize, value: u64| {
        move |elf: &mut Elf| elf.sections[1].bytes[at..at + 8].copy_from_slice(&value.to_le_bytes())
    };
    let faults = [
        (8, 0x1_0000_00a9, "has 169 bytes: it is of another version of Cotenant"),
        (8, 0x2_0000_00a8, "counts its variables twice, as 11 and 2"),
        (16, 2, "has a word that is neither 0 nor 1"),
        (32, 0x99_0000, "has a name that lies outside of the image"),
        (40, u64::MAX, "has a name of 18446744073709551615 bytes"),
        (80, 0x99_0000, "has its block outside of the image"),
        (96, 8, "has a variable number 1 that lies outside of its block"),
        (96, u64::MAX, "has its block outside of the image"),
        (128, u64::MAX, "counts its variables twice, as 18446744073709551615 and 11"),
        (136, 0x99_0000, "has schemas outside of the image"),
        (144, u64::MAX, "refers to more than such a file can hold"),
        (144, 3, "has a variable number 0 that has a schema that is not there"),
    ];
    for (at, value, fault) in faults {
        let told = spoiled(TARGETS[0], put(at, value));
        assert_eq!(told, format!("the descriptor at 0x403000 {fault}"));
    }
}

#[test]
fn grown_block_is_compatible_and_every_other_change_is_not() {
    let build = |variables: &[cotenant::schema::Part]| block::elf(TARGETS[0], true, variables).build();
    let (all, fewer, without_first) = (build(&VARIABLES), build(&VARIABLES[..9]), build(&VARIABLES[1..]));
    let (all, fewer, without_first) = (image(&all), image(&fewer), image(&without_first));
    let verdict = |old: &Image<'_>, new: &Image<'_>| {
        let changes = changes(&old.blocks, &new.blocks);
        assert_eq!((changes.len(), &*changes[0].name), (1, "acme.web"));
        (changes[0].verdict, changes[0].differences.clone())
    };
    assert_eq!(verdict(&all, &all), (Verdict::Same, vec![]));
    let (grown, lines) = verdict(&fewer, &all);
    assert_eq!(grown, Verdict::Grown);
    assert_eq!(
        lines,
        [
            "GUARDED: only in the new build (Mutex<u32> at offset 104)",
            "QUEUE: only in the new build (Array<u16, 4> at offset 120)"
        ]
    );
    assert_eq!(verdict(&all, &fewer).0, Verdict::Shortened);
    let (other, lines) = verdict(&all, &without_first);
    assert_eq!(other, Verdict::Incompatible);
    assert_eq!(lines, ["COUNT: only in the old build (AtomicU64 at offset 0)"]);
    assert_eq!(changes(&all.blocks, &[])[0].verdict, Verdict::OnlyOld);
    assert_eq!(changes(&[], &all.blocks)[0].verdict, Verdict::OnlyNew);
}
