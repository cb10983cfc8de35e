//! Images as JSON (docs/inspect.md). Written file by file and member by member: nothing is collected.

use std::io::{self, Write};
use std::path::Path;

use cotenant::inspect::{Block, ByteOrder, Finding, Format, Image, ImageKind, Section, SectionRole, Variable};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::View;

/// The version of the document.
pub(super) const SCHEMA: u32 = 1;
/// Characters of an initial value.
const VALUE_CHARS_MAX: usize = 2000;

pub(super) struct Json<W> {
    out: W,
    files: u64,
    members: u64,
    /// The archive that is being written: why it ended early is said in an entry of its own.
    in_archive: bool,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W) -> Json<W> {
        Json { out, files: 0, members: 0, in_archive: false }
    }

    fn next_file(&mut self) -> io::Result<()> {
        self.files += 1;
        self.out.write_all(if self.files == 1 { b"\n" } else { b",\n" })
    }

    fn next_member(&mut self) -> io::Result<()> {
        self.members += 1;
        self.out.write_all(if self.members == 1 { b"\n" } else { b",\n" })
    }

    fn put(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)
    }
}

impl<W: Write> View for Json<W> {
    fn begin(&mut self) -> io::Result<()> {
        write!(self.out, "{{\"schema\":{SCHEMA},\"files\":[")
    }

    fn image(&mut self, path: &Path, image: &Image<'_>) -> io::Result<()> {
        self.next_file()?;
        self.put(&Named { path: Some(path.to_string_lossy().into()), name: None, image: Some(document(image)) })
    }

    fn archive_begins(&mut self, path: &Path, is_thin: bool) -> io::Result<()> {
        self.next_file()?;
        (self.members, self.in_archive) = (0, true);
        write!(self.out, "{{\"path\":")?;
        self.put(&path.to_string_lossy())?;
        write!(self.out, ",\"format\":\"archive\",\"thin\":{is_thin},\"members\":[")
    }

    fn member(&mut self, _: &Path, name: &str, image: Option<&Image<'_>>) -> io::Result<()> {
        self.next_member()?;
        self.put(&Named { path: None, name: Some(name.to_owned()), image: image.map(document) })
    }

    fn bad_member(&mut self, name: &str, why: &str) -> io::Result<()> {
        self.next_member()?;
        self.put(&json!({ "name": name, "error": why }))
    }

    fn archive_ends(&mut self) -> io::Result<()> {
        self.in_archive = false;
        self.out.write_all(b"]}")
    }

    fn bad_file(&mut self, path: &Path, why: &str) -> io::Result<()> {
        self.next_file()?;
        self.put(&json!({ "path": path.to_string_lossy(), "error": why }))
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        super::flush(&mut self.out)
    }
}

/// A file or a member.
#[derive(Serialize)]
struct Named<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(flatten)]
    image: Option<Document<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    kind: &'static str,
    bits: u8,
    byte_order: &'static str,
    machine: &'a str,
    build_id: Option<String>,
    time_stamp: Option<u32>,
    image_base: Option<u64>,
    sections: Each<Sections<'a>>,
    findings: Vec<Value>,
    copies: Each<Copies<'a>>,
    shared_exports: Each<Exports<'a>>,
    blocks: Each<Blocks<'a>>,
}

fn document<'a>(image: &'a Image<'_>) -> Document<'a> {
    let hex: String = image.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    Document {
        format: match image.format {
            Format::Elf => "elf",
            Format::Pe => "pe",
            Format::Coff => "coff",
        },
        kind: match image.kind {
            ImageKind::Program => "program",
            ImageKind::RelocatableProgram => "relocatable-program",
            ImageKind::Library => "library",
            ImageKind::Object => "object",
            ImageKind::ImportStub => "import-stub",
            ImageKind::Core => "core",
            ImageKind::Other => "other",
        },
        bits: image.bits,
        byte_order: if image.byte_order == ByteOrder::Little { "little" } else { "big" },
        machine: &image.machine,
        build_id: Some(hex).filter(|hex| !hex.is_empty()),
        time_stamp: image.time_stamp,
        image_base: image.image_base,
        sections: Each(Sections(image)),
        findings: image.findings.iter().map(|found| finding(image, found)).collect(),
        copies: Each(Copies(image)),
        shared_exports: Each(Exports(image)),
        blocks: Each(Blocks(image)),
    }
}

/// A list that is written one at a time and never held as text: what a hostile file's names add up to is many times the
/// file.
struct Each<L>(L);

trait List {
    fn items(&self) -> impl Iterator<Item = impl Serialize>;
}

impl<L: List> Serialize for Each<L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.items())
    }
}

struct Sections<'a>(&'a Image<'a>);
struct Copies<'a>(&'a Image<'a>);
struct Exports<'a>(&'a Image<'a>);
struct Blocks<'a>(&'a Image<'a>);
struct Variables<'a>(&'a Block<'a>);

impl List for Sections<'_> {
    fn items(&self) -> impl Iterator<Item = impl Serialize> {
        self.0.sections.iter().map(section)
    }
}

impl List for Copies<'_> {
    fn items(&self) -> impl Iterator<Item = impl Serialize> {
        self.0.copies.iter().map(|copy| text(copy.name))
    }
}

impl List for Exports<'_> {
    fn items(&self) -> impl Iterator<Item = impl Serialize> {
        self.0.shared_exports.iter().map(|symbol| text(symbol.name))
    }
}

impl List for Blocks<'_> {
    fn items(&self) -> impl Iterator<Item = impl Serialize> {
        self.0.blocks.iter().map(|found| block(self.0, found))
    }
}

impl List for Variables<'_> {
    fn items(&self) -> impl Iterator<Item = impl Serialize> {
        self.0.variables.iter().map(variable)
    }
}

fn section(section: &Section<'_>) -> Value {
    let role = match section.role {
        SectionRole::None => None,
        SectionRole::Blocks => Some("blocks"),
        SectionRole::Descriptors => Some("descriptors"),
    };
    json!({
        "name": text(section.name),
        "address": section.address,
        "size": section.size,
        "file_offset": section.file_offset,
        "file_bytes": section.file_bytes,
        "rights": section.rights.to_string().replace('-', ""),
        "flags": section.flags,
        "flag_names": section.flag_names(),
        "cotenant": role,
    })
}

fn finding(image: &Image<'_>, finding: &Finding) -> Value {
    let places = finding.places.iter().map(|place| {
        let section = place.section.and_then(|index| image.sections.get(index));
        json!({
            "section": section.map(|section| text(section.name)),
            "offset": place.offset,
            "symbol": place.symbol,
        })
    });
    json!({
        "kind": finding.kind.name(),
        "what": finding.what,
        "consequence": finding.kind.consequence(),
        "remedy": finding.kind.remedy(image.format),
        "places": places.collect::<Vec<_>>(),
        "places_total": finding.places_total,
    })
}

#[derive(Serialize)]
struct BlockDocument<'a> {
    #[serde(flatten)]
    words: Value,
    variables: Each<Variables<'a>>,
}

fn block<'a>(image: &Image<'_>, block: &'a Block<'_>) -> BlockDocument<'a> {
    let section = block.section.and_then(|index| image.sections.get(index));
    let words = json!({
        "name": Some(block.name).filter(|name| !name.is_empty()),
        "module": block.module,
        "group": Some(block.group).filter(|group| !group.is_empty()),
        "mode": format!("{:o}", block.mode),
        "keep": if block.keep_until_removed { "until_removed" } else { "while_attached" },
        "attach": if block.attach_by_call { "by_call" } else { "at_load" },
        "on_failure": if block.private_on_failure { "private" } else { "exit" },
        "on_mismatch": if block.separate_on_mismatch { "separate" } else { "refuse" },
        "when_privileged": if block.share_when_privileged { "share" } else { "private" },
        "address": block.address,
        "section": section.map(|section| text(section.name)),
        "used_bytes": block.used_bytes,
        "padded_bytes": block.padded_bytes,
        "fingerprint": format!("{:016x}", block.fingerprint),
        "computed_fingerprint": format!("{:016x}", block.computed_fingerprint),
    });
    BlockDocument { words, variables: Each(Variables(block)) }
}

fn variable(variable: &Variable<'_>) -> Value {
    json!({
        "name": variable.name(),
        "type": variable.type_text(),
        "offset": variable.offset(),
        "size": variable.size_bytes(),
        "align": variable.align_bytes(),
        "initial": variable.initial(VALUE_CHARS_MAX),
        "doc": variable.doc().trim(),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
