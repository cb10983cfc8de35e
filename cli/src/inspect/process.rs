//! `inspect --process PID`: which images of a running process hold shared blocks, and what they are attached to.
//!
//! ```text
//! /proc/PID/maps   images (files mapped to run), each read as `inspect` reads a file: its blocks
//!                  what lies over a block's pages: a segment, or still the image's own private pages
//! survey           segments that the process maps, by slot or as a reader
//! ```

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use cotenant::inspect::live::SegmentUse;
use cotenant::inspect::{Block, Contents, Image, inspect, printable};
use serde_json::{Value, json};

use super::input;
use crate::look::{Census, From, Row, Survey, View, Wanted};
use crate::output::finish;
use crate::table::{BOLD, WARNING};

/// The version of the document.
const SCHEMA: u32 = 1;
/// Images of one process that are looked into.
const IMAGES_MAX: usize = 4096;

/// A line of `/proc/PID/maps`.
struct Mapping {
    start: u64,
    end: u64,
    is_shared: bool,
    is_executable: bool,
    offset: u64,
    inode: u64,
    path: String,
}

pub(super) fn run(pid: u32, json: bool) -> Result<ExitCode> {
    let maps = std::fs::read(format!("/proc/{pid}/maps")).with_context(|| {
        format!("cannot look into process {pid}: it has ended, or is another user's (root sees it)")
    })?;
    // A file's name may hold any bytes.
    let maps: Vec<_> = String::from_utf8_lossy(&maps).lines().filter_map(parse).collect();
    // Our folders, and those of its user and its COTENANT_DIR.
    let (wanted, census) = (Wanted { all: true, elsewhere: true }, Rc::new(Census::take()));
    let ours = Survey::by(&View::new(&From::default())?, wanted, Rc::clone(&census))?;
    let its = Survey::by(&View::new(&From::process(pid))?, wanted, census)?;
    let segments = segments_of(pid, ours.rows.iter().chain(&its.rows));
    let mut images = Vec::new();
    for (path, base) in image_files(&maps) {
        let Ok(bytes) = read(pid, &path, &maps) else { continue };
        let Ok(Contents::Image(image)) = inspect(&bytes) else { continue };
        if image.blocks.is_empty() && image.block_faults.is_empty() {
            continue;
        }
        let blocks: Vec<_> = image.blocks.iter().map(|it| block(&image, it, base, &maps, &segments)).collect();
        images.push(json!({ "path": path, "blocks": blocks, "faults": image.block_faults }));
    }
    let program = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let program = String::from_utf8_lossy(&program);
    let document = json!({
        "schema": SCHEMA,
        "pid": pid,
        "program": program.trim_end(),
        "images": images,
        "segments": segments.iter().map(|(row, role)| json!({
            "path": row.path(), "label": row.label_with_scope(), "as": role, "used_for": used_for(row),
        })).collect::<Vec<_>>(),
    });
    finish(if json {
        writeln!(io::stdout().lock(), "{document}")
    } else {
        words(BufWriter::new(anstream::stdout().lock()), &document)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What the process is in, and how; of what is seen twice, what a folder lists: there it has its name.
fn segments_of<'a>(pid: u32, rows: impl Iterator<Item = &'a Row>) -> Vec<(&'a Row, String)> {
    let mut segments: Vec<(&Row, String)> = Vec::new();
    for (row, role) in rows.filter_map(|row| Some((row, role(row, pid)?))) {
        match segments.iter().position(|(known, _)| is_same(known, row)) {
            Some(at) if segments[at].0.home.is_none() && row.home.is_some() => segments[at] = (row, role),
            Some(_) => {}
            None => segments.push((row, role)),
        }
    }
    segments
}

fn is_same(a: &Row, b: &Row) -> bool {
    let file = |row: &Row| row.facts.map(|facts| (facts.device, facts.inode));
    if file(a).is_some() { file(a) == file(b) } else { a.path() == b.path() }
}

/// How the process is in a segment: `slot 3`, `reader`, `child`; `None`: it is not.
fn role(row: &Row, pid: u32) -> Option<String> {
    let member = row.members.iter().find(|it| it.pid == Some(pid));
    let slot = member.map(|it| format!("slot {}", it.said.slot));
    let reads = || row.readers.iter().any(|it| it.pid == pid).then(|| "reader".to_owned());
    let child = || row.children.iter().any(|it| it.pid == pid).then(|| "child without a slot".to_owned());
    slot.or_else(reads).or_else(child)
}

fn used_for(row: &Row) -> &'static str {
    match row.description().map(|it| it.used_for) {
        Some(SegmentUse::Image) => "unnamed variables of a program",
        Some(SegmentUse::Block) => "a named block",
        Some(SegmentUse::Objects) => "objects",
        _ => "unknown",
    }
}

/// A block, and what lies at its place.
fn block(image: &Image<'_>, it: &Block<'_>, base: u64, maps: &[Mapping], segments: &[(&Row, String)]) -> Value {
    let address = base.saturating_add(it.address.saturating_sub(first_address(image)));
    let there = maps.iter().find(|map| (map.start..map.end).contains(&address) && map.is_shared);
    let by_name = |row: &Row| {
        row.description().is_some_and(|segment| match it.name {
            "" => segment.used_for == SegmentUse::Image && segment.build_id == image.build_id,
            name => segment.used_for == SegmentUse::Block && segment.name == name,
        })
    };
    // In place: what the system maps there. By pointer: the segment of its name that the process is in.
    let is_in_place = !it.is_indirect && !it.attach_by_call;
    let at = |row: &Row| there.is_some_and(|map| row.facts.is_some_and(|facts| facts.inode == map.inode));
    let attached = segments.iter().find(|(row, _)| if is_in_place { at(row) } else { by_name(row) });
    json!({
        "name": it.name,
        "module": it.module,
        "address": format!("{address:#x}"),
        "is_in_place": is_in_place,
        "attached_to": attached.map(|(row, _)| row.path()).or(there.map(|map| map.path.clone())),
        "label": attached.map(|(row, _)| row.label_with_scope()),
        "as": attached.map(|(_, role)| role),
        "variables": it.variables.iter().map(|variable| json!({
            "name": variable.name(), "type": variable.type_text(),
        })).collect::<Vec<_>>(),
    })
}

/// The address that the image's first byte is meant for: 0 unless it is not relocatable.
fn first_address(image: &Image<'_>) -> u64 {
    let loaded = image.sections.iter().filter(|section| section.address != 0);
    loaded.min_by_key(|section| section.address).map_or(0, |it| it.address.saturating_sub(it.file_offset))
}

/// Files that are mapped to run, each with its lowest address.
fn image_files(maps: &[Mapping]) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    for map in maps.iter().filter(|map| map.is_executable && map.inode != 0 && !map.is_shared) {
        if files.len() < IMAGES_MAX {
            let of_file = maps.iter().filter(|it| it.path == map.path && it.offset == 0 && !it.is_shared);
            let base = of_file.map(|it| it.start).min().unwrap_or(map.start);
            files.entry(map.path.clone()).or_insert(base);
        }
    }
    files
}

/// The file as the process sees it: by the system's link to it, which works when its name is gone, else by its path.
fn read(pid: u32, path: &str, maps: &[Mapping]) -> Result<Vec<u8>, String> {
    let map = maps.iter().find(|map| map.path == path && map.is_executable).ok_or("it is not mapped")?;
    let link = PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{:x}", map.start, map.end));
    input::read(&link).or_else(|_| {
        let inside = path.trim_start_matches('/').trim_end_matches(" (deleted)");
        input::read(&Path::new(&format!("/proc/{pid}/root")).join(inside))
    })
}

/// `55e0-55f0 r-xp 00001000 08:01 4711   /usr/bin/web`.
fn parse(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after.trim_start();
        field
    };
    let (range, rights, offset, _device, inode) = (field(), field(), field(), field(), field());
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = range.split_once('-')?;
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        is_shared: rights.ends_with('s'),
        is_executable: rights.contains('x'),
        offset: hex(offset)?,
        inode: inode.parse().ok()?,
        path: rest.to_owned(),
    })
}

fn words(mut out: impl Write, document: &Value) -> io::Result<()> {
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    writeln!(out, "{BOLD}{} {}{BOLD:#}", document["pid"], text(&document["program"]))?;
    if list(&document["images"]).is_empty() {
        writeln!(out, "  no image of it declares shared variables")?;
    }
    for image in list(&document["images"]) {
        writeln!(out, "\n{}", text(&image["path"]))?;
        for block in list(&image["blocks"]) {
            let name = match block["name"].as_str() {
                None | Some("") => format!("unnamed variables of {}", text(&block["module"])),
                Some(name) => format!("block {}", printable(name)),
            };
            match block["attached_to"].as_str() {
                Some(path) => {
                    let role = text(&block["as"]);
                    let role = if role.is_empty() { String::new() } else { format!(", {role}") };
                    writeln!(out, "  {name}: attached to {}{role}", printable(path))?;
                }
                None => writeln!(out, "  {name}: {WARNING}private{WARNING:#}: attached to nothing")?,
            }
            for variable in list(&block["variables"]) {
                writeln!(out, "    {}: {}", text(&variable["name"]), text(&variable["type"]))?;
            }
        }
        for fault in list(&image["faults"]) {
            writeln!(out, "  {WARNING}damaged{WARNING:#}: {}", text(&fault))?;
        }
    }
    let segments = list(&document["segments"]);
    if !segments.is_empty() {
        writeln!(out, "\nsegments that it is attached to")?;
    }
    for segment in segments {
        let (path, role, used_for) = (text(&segment["path"]), text(&segment["as"]), text(&segment["used_for"]));
        writeln!(out, "  {path}: {used_for}, {role}")?;
    }
    out.flush()
}
