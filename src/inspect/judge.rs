//! What is to be said against an image: each with what it means, who can do what, and what to use instead.

use super::block::Block;
use super::report::{Format, Image, ImageKind, SectionRole};

/// Places that a finding names; the others are counted.
const PLACES_MAX: usize = 8;
/// The smallest page of any system.
const PAGE_BYTES: u64 = 4096;

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A section that is writable and shared with everybody.
    SharedWritable,
    /// Memory that is writable and executable.
    WritableExecutable,
    /// Addresses inside a shared section.
    Pointers,
    /// A variable meant to be shared that lies elsewhere.
    Misplaced,
    /// COPY relocations against shared variables.
    Copies,
    /// A block's description that is damaged.
    DamagedBlock,
}

impl FindingKind {
    /// All of them, worst first.
    pub const ALL: [FindingKind; 6] = [
        FindingKind::SharedWritable,
        FindingKind::WritableExecutable,
        FindingKind::Pointers,
        FindingKind::Misplaced,
        FindingKind::Copies,
        FindingKind::DamagedBlock,
    ];

    /// The word for it in options and JSON.
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::SharedWritable => "shared-writable",
            FindingKind::WritableExecutable => "writable-executable",
            FindingKind::Pointers => "pointers",
            FindingKind::Misplaced => "misplaced",
            FindingKind::Copies => "copies",
            FindingKind::DamagedBlock => "damaged-block",
        }
    }

    /// Who can do what because of it.
    pub fn consequence(self) -> &'static str {
        match self {
            FindingKind::SharedWritable => {
                "Whoever can load this image, any user of any session, reads and writes these bytes in every process \
                 that uses them; no access list guards a section."
            }
            FindingKind::WritableExecutable => {
                "Whoever gets the program to write there, by a bug or from another process, runs code of their own in \
                 it."
            }
            FindingKind::Pointers => {
                "An address of one process means nothing in another: whoever follows it crashes, or goes where the \
                 last writer chose."
            }
            FindingKind::Misplaced => {
                "Each process has a value of its own: nobody sees what another writes, and nothing reports it."
            }
            FindingKind::Copies => {
                "A program that has a copy uses private bytes in its own .bss, the library the shared variable: they \
                 never meet."
            }
            FindingKind::DamagedBlock => {
                "The file was changed after it was linked, or is of another version: programs of it may refuse to \
                 start."
            }
        }
    }

    /// What to do in its place.
    pub fn remedy(self, format: Format) -> &'static str {
        match (self, format) {
            (FindingKind::SharedWritable, _) => {
                "Instead: a file mapping with an access list that admits one user. With Cotenant that is a named \
                 block: shared! { #![shared(name = \"...\")] ... }, the same source on Windows and Linux."
            }
            (FindingKind::WritableExecutable, _) => {
                "Instead: code and data in sections of their own; for generated code, write first and then swap the \
                 right (VirtualProtect, mprotect)."
            }
            (FindingKind::Pointers, _) => {
                "Instead: offsets or indices into the shared memory. Cotenant refuses pointers in a shared type while \
                 compiling."
            }
            (FindingKind::Misplaced, Format::Elf) => {
                "Instead: declare the variable in shared! { ... }; a section's name alone shares nothing on \
                 ELF systems."
            }
            (FindingKind::Misplaced, _) => {
                "Instead: give the variable an initial value (without one it goes to .bss), and the section the flag S \
                 (/SECTION:name,RWS). Or declare it in shared! { ... }, which does both."
            }
            (FindingKind::Copies, _) => {
                "Instead: hide the symbol (-fvisibility=hidden) and export a function that gives the address; or build \
                 the program with -fPIC (clang, newer gcc: -mno-direct-extern-access)."
            }
            (FindingKind::DamagedBlock, _) => "Build it again; keep tools that edit binaries off the section.",
        }
    }
}

/// Something to be said against an image.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind it is.
    pub kind: FindingKind,
    /// What was found, in one line.
    pub what: String,
    /// Where.
    pub places: Vec<Place>,
    /// How many places there are in all.
    pub places_total: u64,
}

/// Where a finding lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The section's index in [`Image::sections`].
    pub section: Option<usize>,
    /// An offset in the section.
    pub offset: Option<u64>,
    /// The variable, block or symbol, ready to be printed.
    pub symbol: Option<String>,
}

impl Place {
    fn section(index: usize) -> Place {
        Place { section: Some(index), offset: None, symbol: None }
    }

    fn symbol(name: &[u8]) -> Place {
        let name = super::printable(&String::from_utf8_lossy(name));
        Place { section: None, offset: None, symbol: Some(name) }
    }
}

pub(super) fn judge(image: &mut Image<'_>) {
    let mut findings = Vec::new();
    let section_text = |place: &Place| place.section.map(|i| image.sections[i].name_text()).unwrap_or_default();
    let symbol_text = |place: &Place| place.symbol.clone().unwrap_or_default();
    let all = 0..image.sections.len();

    let is_bad = |i: usize| image.sections[i].rights.shared && image.sections[i].rights.write;
    let has_blocks = image.sections.iter().any(|section| section.rights.shared && section.role == SectionRole::Blocks);
    let whose = if has_blocks { "; Cotenant's blocks without a name lie there" } else { "" };
    add(
        &mut findings,
        FindingKind::SharedWritable,
        all.clone().filter(|i| is_bad(*i)).map(Place::section),
        section_text,
        |names| format!("writable and shared: {names}{whose}"),
    );
    let is_bad = |i: usize| image.sections[i].rights.execute && image.sections[i].rights.write;
    add(
        &mut findings,
        FindingKind::WritableExecutable,
        all.clone().filter(|i| is_bad(*i)).map(Place::section),
        section_text,
        |names| format!("writable and executable: {names}"),
    );
    judge_segments(image, &mut findings);
    judge_pointers(image, &mut findings);
    judge_places(image, &mut findings);
    let is_bad = |i: usize| is_shared_by_name_only(image, i);
    add(
        &mut findings,
        FindingKind::Misplaced,
        all.clone().filter(|i| is_bad(*i)).map(Place::section),
        section_text,
        |names| format!("named as if shared, but each process has its own copy: {names}"),
    );
    let exports = image.shared_exports.iter().map(|symbol| Place::symbol(symbol.name));
    add(&mut findings, FindingKind::Copies, exports, symbol_text, |names| {
        format!("shared and exported, so that a program that names it takes a copy: {names}")
    });
    let broken = image.blocks.iter().filter(|block| block.fingerprint != block.computed_fingerprint);
    let broken = broken.map(|block| Place::symbol(block.label().as_bytes()));
    add(&mut findings, FindingKind::DamagedBlock, broken, symbol_text, |names| {
        format!("the fingerprint is not that of the schema beside it: {names}")
    });
    for fault in &image.block_faults {
        let (what, kind) = (fault.clone(), FindingKind::DamagedBlock);
        findings.push(Finding { kind, what, places: Vec::new(), places_total: 0 });
    }
    findings.sort_by_key(|finding| finding.kind);
    image.findings = findings;
}

/// One finding for all places, if there are any.
fn add(
    findings: &mut Vec<Finding>,
    kind: FindingKind,
    places: impl Iterator<Item = Place>,
    text: impl Fn(&Place) -> String,
    what: impl Fn(&str) -> String,
) {
    let mut kept = Vec::new();
    let mut total = 0;
    for place in places {
        total += 1;
        if kept.len() < PLACES_MAX {
            kept.push(place);
        }
    }
    if total > 0 {
        let what = what(&listed(kept.iter().map(text), total));
        findings.push(Finding { kind, what, places: kept, places_total: total });
    }
}

/// `a, b, c and 5 more`.
fn listed(texts: impl Iterator<Item = String>, total: u64) -> String {
    let texts: Vec<_> = texts.collect();
    let more = total - (texts.len() as u64).min(total);
    let list = texts.join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// Segments of an ELF file that no section accounts for.
fn judge_segments(image: &Image<'_>, findings: &mut Vec<Finding>) {
    let segments = &image.facts.writable_executable_segments;
    if segments.is_empty() || image.sections.iter().any(|section| section.rights.write && section.rights.execute) {
        return;
    }
    let texts = segments.iter().take(PLACES_MAX).map(|(start, size)| format!("{size} bytes at {start:#x}"));
    let total = segments.len() as u64;
    let what = format!("writable and executable segment: {}", listed(texts, total));
    findings.push(Finding { kind: FindingKind::WritableExecutable, what, places: Vec::new(), places_total: total });
}

fn judge_pointers(image: &Image<'_>, findings: &mut Vec<Finding>) {
    let pointers = &image.facts.pointers;
    let is_guess = pointers.first.iter().all(|(_, _, is_guess)| *is_guess);
    let places = pointers.first.iter().map(|(section, offset, _)| Place {
        section: Some(*section),
        offset: Some(*offset),
        symbol: None,
    });
    let places: Vec<_> = places.take(PLACES_MAX).collect();
    if places.is_empty() {
        return;
    }
    let texts = places.iter().map(|place| {
        let section = place.section.and_then(|index| image.sections.get(index));
        format!(
            "{}+{:#x}",
            section.map(|section| section.name_text()).unwrap_or_default(),
            place.offset.unwrap_or_default()
        )
    });
    let sort = if is_guess { "values that look like addresses" } else { "addresses (relocations)" };
    let what = format!("{sort} inside shared memory: {}", listed(texts, pointers.total));
    findings.push(Finding { kind: FindingKind::Pointers, what, places, places_total: pointers.total });
}

/// Shared sections that stayed empty, and blocks that lie where nobody shares them.
fn judge_places(image: &Image<'_>, findings: &mut Vec<Finding>) {
    let facts = &image.facts;
    let empty = image.sections.iter().filter(|section| section.is_shared() && section.size == 0);
    let empty: Vec<_> = empty.map(|section| section.name).chain(facts.unmet_wishes.iter().copied()).collect();
    if !empty.is_empty() {
        let texts = empty.iter().take(PLACES_MAX).map(|name| super::printable(&String::from_utf8_lossy(name)));
        let mut what = format!("meant to be shared, but empty: {}", listed(texts, empty.len() as u64));
        let places: Vec<_> = facts.uninitialised.iter().take(PLACES_MAX).map(|name| Place::symbol(name)).collect();
        if !places.is_empty() {
            let names = places.iter().filter_map(|place| place.symbol.clone());
            what += &format!(
                "; without an initial value, and so in .bss: {}",
                listed(names, facts.uninitialised.len() as u64)
            );
        }
        let places_total = places.len() as u64;
        findings.push(Finding { kind: FindingKind::Misplaced, what, places, places_total });
    }
    let symbol_text = |place: &Place| place.symbol.clone().unwrap_or_default();
    let blocks = |holds: fn(&Image<'_>, &Block<'_>) -> bool| {
        let blocks = image.blocks.iter().filter(move |block| holds(image, block));
        blocks.map(|block| Place::symbol(block.label().as_bytes()))
    };
    add(findings, FindingKind::Misplaced, blocks(lies_elsewhere), symbol_text, |names| {
        format!("blocks that lie outside of the shared section: {names}")
    });
    add(findings, FindingKind::Misplaced, blocks(shares_a_page), symbol_text, |names| {
        format!("blocks that do not have pages of their own: {names}")
    });
}

/// On ELF a block is mapped where it lies, unless it is reached through a pointer; on Windows the linker must have kept
/// the flag of the section of its twin.
fn lies_elsewhere(image: &Image<'_>, block: &Block<'_>) -> bool {
    match image.format {
        _ if image.sections.is_empty() => false,
        Format::Elf if block.is_indirect => false,
        Format::Elf => {
            let section = block.section.map(|index| &image.sections[index]);
            section.is_none_or(|section| section.role != SectionRole::Blocks)
        }
        _ => block.is_mapped_by_loader(image.format) && !image.sections.iter().any(|section| section.rights.shared),
    }
}

fn shares_a_page(image: &Image<'_>, block: &Block<'_>) -> bool {
    let is_mapped_in_place = !block.is_indirect;
    let is_whole = block.address % PAGE_BYTES == 0
        && block.padded_bytes % PAGE_BYTES == 0
        && block.padded_bytes >= block.used_bytes;
    image.format == Format::Elf && is_mapped_in_place && !is_whole
}

/// A writable section that is called shared and is not.
fn is_shared_by_name_only(image: &Image<'_>, index: usize) -> bool {
    let section = &image.sections[index];
    let name = section.name.strip_prefix(b".").unwrap_or(section.name);
    let is_meant = [&b"shared"[..], b"share", b"shr", b"shrd", b"shdata", b"shareddata", b"shared_data"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word));
    // In an object file the linker may yet be told to share it.
    let is_final = image.format == Format::Elf || image.kind != ImageKind::Object;
    is_meant && is_final && section.rights.write && !section.is_shared()
}

/// Copies of variables that another inspected image shares.
pub(super) fn judge_copies(image: &mut Image<'_>, is_shared: impl Fn(&[u8]) -> bool) {
    let copies = image.copies.iter().filter(|copy| is_shared(copy.name)).map(|copy| Place::symbol(copy.name));
    let symbol_text = |place: &Place| place.symbol.clone().unwrap_or_default();
    add(&mut image.findings, FindingKind::Copies, copies, symbol_text, |names| {
        format!("takes a private copy of what a library shares (COPY relocation): {names}")
    });
    image.findings.sort_by_key(|finding| finding.kind);
}
