//! `--diff OLD NEW`: what a rolling deploy would meet, block by block.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use cotenant::inspect::{BlockChange, Contents, Image, Verdict, changes, inspect, printable};
use serde_json::json;

use super::input;
use crate::output::{complain, finish};

const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

pub(super) fn run(old: &Path, new: &Path, is_json: bool, fails_on_incompatible: bool) -> Result<ExitCode> {
    let (old_bytes, new_bytes) = (input::read(old), input::read(new));
    let old_image = old_bytes.as_deref().map_err(Clone::clone).and_then(image);
    let new_image = new_bytes.as_deref().map_err(Clone::clone).and_then(image);
    for (path, image) in [(old, &old_image), (new, &new_image)] {
        if let Err(why) = image {
            complain(&format!("{}: {why}", input::shown(path)));
        }
    }
    let (Ok(old_image), Ok(new_image)) = (old_image, new_image) else { return Ok(ExitCode::from(2)) };
    let changes = changes(&old_image.blocks, &new_image.blocks);
    let written = if is_json {
        write_json(&mut BufWriter::new(io::stdout().lock()), (old, new), &changes)
    } else {
        write_text(&mut BufWriter::new(anstream::stdout().lock()), &old_image, &new_image, &changes)
    };
    finish(written)?;
    let is_bad = |change: &BlockChange| matches!(change.verdict, Verdict::Incompatible | Verdict::Separate);
    Ok(ExitCode::from(u8::from(fails_on_incompatible && changes.iter().any(is_bad))))
}

/// An image all of whose blocks can be read: a verdict over half of them would be none.
fn image(bytes: &[u8]) -> Result<Box<Image<'_>>, String> {
    match inspect(bytes).map_err(|refused| refused.to_string())? {
        Contents::Archive(_) => Err("is an archive: compare the programs made from it".to_owned()),
        Contents::Image(image) => match image.block_faults.first() {
            Some(fault) => Err(format!("is damaged: {fault}")),
            None => Ok(image),
        },
    }
}

fn write_text(out: &mut impl Write, old: &Image<'_>, new: &Image<'_>, changes: &[BlockChange]) -> io::Result<()> {
    for change in changes {
        let is_bad = matches!(change.verdict, Verdict::Incompatible | Verdict::Separate);
        let style = if is_bad { BAD } else { BOLD };
        writeln!(out, "{style}\"{}\"{style:#}: {}", printable(&change.name), change.verdict.meaning())?;
        for line in change.differences.iter().chain(&change.notes) {
            writeln!(out, "  {line}")?;
        }
    }
    let unnamed = |image: &Image<'_>| image.blocks.iter().filter(|block| block.name.is_empty()).count();
    match (changes.len(), unnamed(old) + unnamed(new)) {
        (0, 0) => writeln!(out, "neither file has blocks of Cotenant")?,
        (_, 0) => {}
        (_, _) => writeln!(out, "blocks without a name are shared within one build only: the new one starts afresh")?,
    }
    super::flush(out)
}

fn write_json(out: &mut impl Write, (old, new): (&Path, &Path), changes: &[BlockChange]) -> io::Result<()> {
    let blocks = changes.iter().map(|change| {
        json!({
            "name": change.name,
            "verdict": change.verdict.name(),
            "differences": change.differences,
            "notes": change.notes,
        })
    });
    let document = json!({
        "schema": super::json::SCHEMA,
        "old": old.to_string_lossy(),
        "new": new.to_string_lossy(),
        "blocks": blocks.collect::<Vec<_>>(),
    });
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)?;
    super::flush(out)
}
