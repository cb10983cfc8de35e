//! Images in words: a headline, a table of sections, what is to be said against them, and the blocks.

use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};
use cotenant::inspect::{Block, ByteOrder, Finding, Format, Image, ImageKind, Section, SectionRole, printable};

use super::{View, input};

const BOLD: Style = Style::new().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FAINT: Style = Style::new().dimmed();
/// Characters of an initial value and of a doc line.
const VALUE_CHARS_MAX: usize = 80;
/// Rows that are aligned together. A table holds all of its text: one of a hostile file's sections would hold many
/// times the file.
const ROWS_MAX: usize = 500;
/// Names of copied variables that are listed.
const COPIES_MAX: usize = 200;

pub(super) struct Human<W> {
    out: W,
    shows_all: bool,
    has_written: bool,
    quiet_members: u64,
    other_members: u64,
}

impl<W: Write> Human<W> {
    pub(super) fn new(out: W, shows_all: bool) -> Human<W> {
        Human { out, shows_all, has_written: false, quiet_members: 0, other_members: 0 }
    }

    fn part(&mut self) -> io::Result<()> {
        if self.has_written {
            writeln!(self.out)?;
        }
        self.has_written = true;
        Ok(())
    }

    fn show(&mut self, title: &str, image: &Image<'_>) -> io::Result<()> {
        self.part()?;
        writeln!(self.out, "{BOLD}{title}{BOLD:#}: {}", headline(image))?;
        for line in identity(image) {
            writeln!(self.out, "  {line}")?;
        }
        self.sections(image)?;
        for finding in &image.findings {
            self.finding(image, finding)?;
        }
        if self.shows_all && !image.copies.is_empty() {
            let names = image.copies.iter().take(COPIES_MAX).map(|copy| name(copy.name));
            let names: Vec<_> = names.collect();
            writeln!(self.out, "\n  copied from libraries (COPY relocations): {}", names.join(", "))?;
        }
        for block in &image.blocks {
            self.block(image, block)?;
        }
        Ok(())
    }

    fn sections(&mut self, image: &Image<'_>) -> io::Result<()> {
        let shown = image.sections.iter().enumerate();
        let is_named = |index| image.findings.iter().any(|finding| names(finding, index));
        let shown = shown.filter(|(index, section)| self.shows_all || matters(section) || is_named(*index));
        let shown: Vec<_> = shown.map(|(_, section)| section).collect();
        if !shown.is_empty() {
            for (index, part) in shown.chunks(ROWS_MAX).enumerate() {
                self.table(&sections_table(part, self.shows_all), index == 0)?;
            }
        }
        let hidden = image.sections.len() - shown.len();
        match (image.sections.len(), hidden) {
            (0, _) => writeln!(self.out, "  no sections"),
            (_, 0) => Ok(()),
            (all, hidden) => {
                let more = if all == hidden { "" } else { " more" };
                let (noun, them) = if hidden == 1 { ("section", "it") } else { ("sections", "them") };
                writeln!(self.out, "  {hidden}{more} {noun}, private to each process (--all shows {them})")
            }
        }
    }

    fn finding(&mut self, image: &Image<'_>, finding: &Finding) -> io::Result<()> {
        let kind = finding.kind.name();
        writeln!(self.out, "\n  {WARNING}{kind}{WARNING:#}: {}", finding.what)?;
        writeln!(self.out, "    {}", finding.kind.consequence())?;
        writeln!(self.out, "    {}", finding.kind.remedy(image.format))
    }

    fn block(&mut self, image: &Image<'_>, block: &Block<'_>) -> io::Result<()> {
        let title = match block.name {
            "" => format!("{BOLD}block without a name{BOLD:#} of {}", printable(block.module)),
            name => format!("{BOLD}block \"{}\"{BOLD:#} of {}", printable(name), printable(block.module)),
        };
        writeln!(self.out, "\n  {title}")?;
        let section = block.section.and_then(|index| image.sections.get(index));
        let place = section.map(|section| format!(" in {}", section.name_text())).unwrap_or_default();
        let differs = match block.fingerprint == block.computed_fingerprint {
            true => String::new(),
            false => format!(" {WARNING}(the schema's is {:016x}){WARNING:#}", block.computed_fingerprint),
        };
        writeln!(self.out, "    fingerprint {:016x}{differs}, {}", block.fingerprint, words(block))?;
        let (used, padded) = (block.used_bytes, block.padded_bytes);
        writeln!(self.out, "    at {:#x}{place}, {used} of {padded} bytes used", block.address)?;
        for (index, part) in block.variables.chunks(ROWS_MAX).enumerate() {
            let mut table = table(&["variable", "type", "offset", "initially", ""], &[2]);
            for variable in part {
                table.add_row([
                    printable(variable.name()),
                    variable.type_text(),
                    variable.offset().to_string(),
                    variable.initial(VALUE_CHARS_MAX).unwrap_or_else(|| "?".to_owned()),
                    printable(variable.doc().trim()),
                ]);
            }
            self.table(&table, index == 0)?;
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, with_headings: bool) -> io::Result<()> {
        for (index, line) in table.lines().enumerate() {
            let line = line.trim_end();
            match index {
                0 if !with_headings => {}
                0 => writeln!(self.out, "  {FAINT}{line}{FAINT:#}")?,
                _ => writeln!(self.out, "  {line}")?,
            }
        }
        Ok(())
    }
}

impl<W: Write> View for Human<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn image(&mut self, path: &Path, image: &Image<'_>) -> io::Result<()> {
        self.show(&input::shown(path), image)?;
        // What standard error says about the next file comes after this one.
        self.out.flush()
    }

    fn archive_begins(&mut self, path: &Path, is_thin: bool) -> io::Result<()> {
        self.part()?;
        (self.quiet_members, self.other_members) = (0, 0);
        let sort = if is_thin { "thin archive: its members are files of their own" } else { "archive" };
        writeln!(self.out, "{BOLD}{}{BOLD:#}: {sort}", input::shown(path))
    }

    fn member(&mut self, path: &Path, name: &str, image: Option<&Image<'_>>) -> io::Result<()> {
        let title = format!("{}({})", input::shown(path), printable(name));
        match image {
            Some(image) if self.shows_all || !image.findings.is_empty() || has_shared(image) => {
                self.show(&title, image)
            }
            Some(_) => {
                self.quiet_members += 1;
                Ok(())
            }
            None if self.shows_all => {
                self.part()?;
                writeln!(self.out, "{BOLD}{title}{BOLD:#}: no image")
            }
            None => {
                self.other_members += 1;
                Ok(())
            }
        }
    }

    fn bad_member(&mut self, _: &str, _: &str) -> io::Result<()> {
        self.out.flush()
    }

    fn archive_ends(&mut self) -> io::Result<()> {
        let (quiet, other) = (self.quiet_members, self.other_members);
        if quiet + other > 0 {
            writeln!(self.out, "  {quiet} members that share nothing, {other} that are no images (--all shows them)")?;
        }
        self.out.flush()
    }

    fn bad_file(&mut self, _: &Path, _: &str) -> io::Result<()> {
        Ok(()) // Said on standard error.
    }

    fn end(&mut self) -> io::Result<()> {
        super::flush(&mut self.out)
    }
}

/// With `is_full` also how much of each section lies in the file.
fn sections_table(sections: &[&Section<'_>], is_full: bool) -> Table {
    let mut headings = vec!["section", "address", "size", "file offset"];
    if is_full {
        headings.push("in file");
    }
    headings.extend(["rights", "flags", ""]);
    let numbers = if is_full { &[1, 2, 3, 4][..] } else { &[1, 2, 3] };
    let mut table = table(&headings, numbers);
    for section in sections {
        let mut row = vec![section.name_text()];
        row.extend([section.address, section.size, section.file_offset].map(|number| format!("{number:#x}")));
        if is_full {
            row.push(format!("{:#x}", section.file_bytes));
        }
        row.extend([section.rights.to_string(), section.flag_names().join(" "), note(section).to_owned()]);
        table.add_row(row);
    }
    table
}

/// A table without lines, with columns of numbers to the right.
fn table(headings: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(headings);
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn has_shared(image: &Image<'_>) -> bool {
    image.sections.iter().any(Section::is_shared)
}

/// Whether a section is shown without being asked for.
fn matters(section: &Section<'_>) -> bool {
    let is_alterable_code = section.rights.write && section.rights.execute;
    section.rights.shared || section.role != SectionRole::None || is_alterable_code
}

/// Whether a finding is about the section of this index.
fn names(finding: &Finding, index: usize) -> bool {
    finding.places.iter().any(|place| place.section == Some(index))
}

fn note(section: &Section<'_>) -> &'static str {
    match (section.role, section.rights.shared) {
        (SectionRole::Blocks, false) => "Cotenant's blocks: mapped shared at load",
        (SectionRole::Blocks, true) => "Cotenant's blocks: shared by the loader",
        (SectionRole::Descriptors, _) => "Cotenant's descriptors",
        (SectionRole::None, true) if section.rights.write => "shared with everybody who loads it",
        (SectionRole::None, _) => "",
    }
}

fn name(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes))
}

/// `ELF 64-bit little-endian, x86-64, program`.
fn headline(image: &Image<'_>) -> String {
    let format = match image.format {
        Format::Elf => "ELF",
        Format::Pe => "PE",
        Format::Coff => "COFF",
    };
    let order = match (image.format, image.byte_order) {
        (Format::Elf, ByteOrder::Little) => " little-endian",
        (Format::Elf, ByteOrder::Big) => " big-endian",
        _ => "",
    };
    let bits = if image.bits == 0 { String::new() } else { format!(" {}-bit", image.bits) };
    format!("{format}{bits}{order}, {}, {}", image.machine, kind(image.kind))
}

fn kind(kind: ImageKind) -> &'static str {
    match kind {
        ImageKind::Program => "program",
        ImageKind::RelocatableProgram => "position-independent program",
        ImageKind::Library => "shared library",
        ImageKind::Object => "object file",
        ImageKind::ImportStub => "entry of an import library",
        ImageKind::Core => "core dump",
        ImageKind::Other => "file of an unknown kind",
    }
}

/// What tells this build from others.
fn identity(image: &Image<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if !image.build_id.is_empty() {
        let text: String = image.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("build id {text}"));
    }
    if let Some(stamp) = image.time_stamp.filter(|stamp| *stamp != 0) {
        lines.push(format!("time stamp {stamp:#010x} ({}, if it is a time and no hash)", time(stamp)));
    }
    if let Some(base) = image.image_base {
        lines.push(format!("image base {base:#x}"));
    }
    lines
}

fn time(seconds: u32) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.into());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The words of a block that are not the default, and its mode.
fn words(block: &Block<'_>) -> String {
    let mut words = Vec::new();
    if !block.name.is_empty() {
        words.push(format!("mode {:o}", block.mode));
    }
    if !block.group.is_empty() {
        words.push(format!("group {}", printable(block.group)));
    }
    words.push(format!("keep = {}", if block.keep_until_removed { "until_removed" } else { "while_attached" }));
    words.push(format!("attach = {}", if block.attach_by_call { "by_call" } else { "at_load" }));
    let others = [
        (block.private_on_failure, "on_failure = private"),
        (block.separate_on_mismatch, "on_mismatch = separate"),
        (block.share_when_privileged, "when_privileged = share"),
    ];
    words.extend(others.iter().filter(|(holds, _)| *holds).map(|(_, word)| (*word).to_owned()));
    words.join(", ")
}
