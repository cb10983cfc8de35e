//! What is said against an image, and that nothing is said against one that is right.

use cotenant::inspect::{Contents, Finding, FindingKind, SectionRole, inspect};

use crate::blocks::image;
use crate::make::block::{self, VARIABLES};
use crate::make::elf::{self, ALLOC, EXEC, Elf, PROGBITS, WRITE};
use crate::make::pe::{self, Pe};
use crate::make::{TARGETS, archive};

fn findings(bytes: &[u8]) -> Vec<Finding> {
    image(bytes).findings
}

fn kinds(bytes: &[u8]) -> Vec<FindingKind> {
    findings(bytes).iter().map(|finding| finding.kind).collect()
}

#[test]
fn nothing_is_said_of_ordinary_images() {
    for target in TARGETS {
        assert_eq!(kinds(&Elf::plain(target).build()), []);
        assert_eq!(kinds(&elf::program_with_copy(target, "environ").build()), []);
        for is_pie in [false, true] {
            assert_eq!(kinds(&block::elf(target, is_pie, &VARIABLES).build()), []);
        }
    }
    for bits in [32, 64] {
        let mut pe = pe::classic(bits);
        pe.sections.remove(2);
        assert_eq!(kinds(&pe.build()), []);
    }
    assert_eq!(kinds(&pe::import_stub()), []);
}

#[test]
fn shared_and_writable_section_is_told_with_what_to_use_instead() {
    for bits in [32, 64] {
        let found = findings(&pe::classic(bits).build());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, &*found[0].what), (FindingKind::SharedWritable, "writable and shared: .shared"));
        assert!(found[0].kind.remedy(cotenant::inspect::Format::Pe).contains("named block"));
        // Shared and read-only is what every image's pages are.
        let mut pe = pe::classic(bits);
        pe.sections[2].1 &= !0x8000_0000;
        assert_eq!(kinds(&pe.build()), []);
    }
    // The header for many sections; its section is empty, too.
    assert_eq!(kinds(&pe::big_object()), [FindingKind::SharedWritable, FindingKind::Misplaced]);
}

#[test]
fn writable_and_executable_memory_is_told() {
    for target in TARGETS {
        let mut elf = Elf::plain(target);
        elf.section(".jit", PROGBITS, ALLOC | WRITE | EXEC, 0x409000, &[0; 8]);
        let found = findings(&elf.build());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "writable and executable: .jit");
        // Told by the segment where there are no sections.
        let found = findings(&Elf { has_section_headers: false, ..elf }.build());
        assert_eq!(found[0].what, "writable and executable segment: 8 bytes at 0x409000");
    }
    let mut pe = pe::classic(64);
    pe.sections[2].1 |= pe::EXECUTE;
    assert_eq!(kinds(&pe.build()), [FindingKind::SharedWritable, FindingKind::WritableExecutable]);
}

#[test]
fn addresses_in_shared_memory_are_told() {
    let pointers = |bytes: &[u8]| findings(bytes).into_iter().find(|found| found.kind == FindingKind::Pointers);
    for bits in [32, 64] {
        let found = pointers(&pe::with_relocation(bits).build()).expect("a finding");
        assert_eq!((found.places_total, found.places[0].offset), (1, Some(8)));
        let found = pointers(&pe::with_guessed_pointer(bits).build()).expect("a finding");
        assert!(
            found.what.starts_with("values that look like addresses inside shared memory: .shared+"),
            "{}",
            found.what
        );
        assert_eq!((found.places_total, found.places[0].offset), (1, Some(u64::from(bits) / 8)));
        assert!(pointers(&pe::classic(bits).build()).is_none());
    }
    for target in TARGETS {
        let found = pointers(&elf::object_with_pointers(target).build()).expect("a finding");
        assert_eq!(found.what, "addresses (relocations) inside shared memory: cotenant+0x8, cotenant+0x10");
        // In a linked image.
        let mut elf = block::elf(target, true, &VARIABLES);
        let mut relas = crate::make::Bytes::new(target);
        elf::rela(&mut relas, block::PLACES.block + 24, 0, elf::relocation_types(target).0, 0x40_1000);
        elf.sections.truncate(3);
        elf::add_dynamic(&mut elf, &relas.bytes, None, 0, 0);
        assert!(pointers(&elf.build()).is_some());
    }
    let object = pe::object(&[(".shared", pe::DATA | pe::SHARED, &[0; 32], 2)], &[]);
    assert_eq!(pointers(&object).expect("a finding").places_total, 2);
}

#[test]
fn uninitialised_variable_beside_an_empty_section_is_told() {
    let misplaced = |bytes: &[u8]| findings(bytes).into_iter().find(|found| found.kind == FindingKind::Misplaced);
    let found = misplaced(&pe::object_with_empty_section()).expect("a finding");
    assert_eq!(
        found.what,
        "meant to be shared, but empty: .shared; without an initial value, and so in .bss: counter, common"
    );
    // With a value it is there.
    let wish = b"/section:.shared,rws";
    let data = (".shared", pe::DATA, &[0; 8][..], 0);
    assert!(misplaced(&pe::object(&[(".drectve", 0x0010_0a00, wish, 0), data], &[])).is_none());
    // A wish for another right.
    let wish = b"/section:.shared,rw!s /section:.other,r";
    assert!(misplaced(&pe::object(&[(".drectve", 0x0010_0a00, wish, 0)], &[])).is_none());
}

#[test]
fn section_that_is_shared_by_name_only_is_told() {
    let mut pe = pe::classic(64);
    pe.sections[2].1 &= !pe::SHARED;
    let found = findings(&pe.build());
    assert_eq!(found[0].what, "named as if shared, but each process has its own copy: .shared");
    let mut elf = Elf::plain(TARGETS[0]);
    elf.section(".shared", PROGBITS, ALLOC | WRITE, 0x409000, &[0; 8]);
    assert_eq!(kinds(&elf.build()), [FindingKind::Misplaced]);
}

#[test]
fn blocks_where_nobody_shares_them_are_told() {
    let mut elf = block::elf(TARGETS[0], false, &VARIABLES);
    elf.sections[0].name = ".data".to_owned();
    assert_eq!(findings(&elf.build())[0].what, "blocks that lie outside of the shared section: acme.web");
    let mut elf = block::elf(TARGETS[0], false, &VARIABLES);
    elf.sections[1].bytes[104..112].copy_from_slice(&200u64.to_le_bytes());
    assert_eq!(findings(&elf.build())[0].what, "blocks that do not have pages of their own: acme.web");
    // Windows: a linker that lost the flag.
    let mut pe = block::pe(64);
    pe.sections[0].1 &= !pe::SHARED;
    assert!(kinds(&pe.build()).contains(&FindingKind::Misplaced));
    let bytes = block::pe(64).build();
    let right = image(&bytes);
    assert_eq!(right.sections[0].role, SectionRole::Blocks);
    assert_eq!(right.findings.len(), 1, "shared and writable it is all the same");
}

#[test]
fn copy_of_a_shared_variable_is_told() {
    for target in TARGETS {
        let (library, program) =
            (elf::library_with_export(target, "requests").build(), elf::program_with_copy(target, "requests").build());
        let library = image(&library);
        assert_eq!(library.findings[0].kind, FindingKind::Copies);
        assert_eq!(library.shared_exports[0].name, b"requests");
        let mut program = image(&program);
        assert_eq!(program.copies[0].name, b"requests");
        assert!(program.findings.is_empty());
        program.judge_copies(|name| library.shared_exports.iter().any(|export| export.name == name));
        assert_eq!(
            program.findings[0].what,
            "takes a private copy of what a library shares (COPY relocation): requests"
        );
    }
}

#[test]
fn many_places_are_counted_and_a_few_named() {
    let mut pe = Pe::new(64);
    for index in 0..20 {
        pe.section(&format!(".s{index}"), pe::DATA | pe::SHARED, 0x1000 * (index + 1), &[0; 4]);
    }
    let found = findings(&pe.build());
    assert_eq!((found[0].places.len(), found[0].places_total), (8, 20));
    assert!(found[0].what.ends_with(".s7 and 12 more"), "{}", found[0].what);
}

#[test]
fn members_of_archives_are_judged() {
    let (classic, plain) = (pe::classic(32).build(), Elf::plain(TARGETS[3]).build());
    let bytes = archive(&[("a.o", &plain), ("b.txt", b"no image"), ("c.exe", &classic)]);
    let Ok(Contents::Archive(members)) = inspect(&bytes) else { panic!("no archive") };
    let members: Vec<_> = members.map(|member| member.expect("a member")).collect();
    let names: Vec<_> = members.iter().map(|member| String::from_utf8_lossy(member.name)).collect();
    assert_eq!(names, ["a.o", "b.txt", "c.exe"]);
    let found = |index: usize| members[index].image.as_ref().expect("read").as_ref().map(|image| image.findings.len());
    assert_eq!((found(0), found(1), found(2)), (Some(0), None, Some(1)));
}
