//! Agreement with readelf and objdump over the binaries of this machine: names, addresses, sizes, offsets, flags.
//!
//! Without the tools, or without Wine's DLLs, the test says so and counts as skipped; in CI that is a failure.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cotenant::inspect::{Contents, Image, inspect};

use crate::not_tried::skip;

/// Files that are compared of each folder.
const FILES_MAX: usize = 400;

fn run(tool: &str, option: &str, path: &Path) -> Option<String> {
    let output = Command::new(tool).arg(option).arg(path).env("LC_ALL", "C").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn say(text: &str) {
    // Not `println!`, which the test harness hides.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Regular files below `folder` whose bytes `is_wanted`.
fn files(folder: &str, is_wanted: &dyn Fn(&Path, &[u8]) -> bool) -> Vec<(PathBuf, Vec<u8>)> {
    let mut folders = vec![PathBuf::from(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        entries.sort_by_key(|entry| entry.path());
        for entry in entries {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && found.len() < FILES_MAX {
                let Ok(bytes) = std::fs::read(&path) else { continue };
                if bytes.len() < 32 << 20 && is_wanted(&path, &bytes) {
                    found.push((path, bytes));
                }
            }
        }
    }
    found
}

fn image<'a>(path: &Path, bytes: &'a [u8]) -> Box<Image<'a>> {
    match inspect(bytes) {
        Ok(Contents::Image(image)) => image,
        other => panic!("{}: {:?}", path.display(), other.map(|_| "an archive")),
    }
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text:?} is no hexadecimal number"))
}

/// Lines of `readelf -SW`: `  [ 1] .interp  PROGBITS  0000000000000318 000318 00001c 00   A  0   0  1`.
fn elf_lines(text: &str) -> Vec<(String, u64, u64, u64, String)> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix('['));
    let lines = lines.filter_map(|line| line.split_once("] ")).filter(|(index, _)| index.trim().parse::<u32>().is_ok());
    let mut sections = Vec::new();
    for (index, line) in lines.filter(|(index, _)| index.trim() != "0") {
        let fields: Vec<_> = line.split_whitespace().collect();
        let name = if line.starts_with(' ') { "" } else { fields[0] };
        // A name with blanks would need another way to part the line; no linker makes one.
        let rest = &fields[usize::from(!name.is_empty())..];
        assert!(rest.len() >= 8, "{index}: {line}");
        let flags = if rest.len() == 9 { rest[5] } else { "" };
        sections.push((name.to_owned(), hex(rest[1]), hex(rest[2]), hex(rest[3]), flags.to_owned()));
    }
    sections
}

/// readelf's letters from our names.
fn letters(names: &[String]) -> String {
    const LETTERS: [(&str, char); 12] = [
        ("SHF_WRITE", 'W'),
        ("SHF_ALLOC", 'A'),
        ("SHF_EXECINSTR", 'X'),
        ("SHF_MERGE", 'M'),
        ("SHF_STRINGS", 'S'),
        ("SHF_INFO_LINK", 'I'),
        ("SHF_LINK_ORDER", 'L'),
        ("SHF_OS_NONCONFORMING", 'O'),
        ("SHF_GROUP", 'G'),
        ("SHF_TLS", 'T'),
        ("SHF_COMPRESSED", 'C'),
        ("SHF_EXCLUDE", 'E'),
    ];
    let has = |name: &&(&str, char)| names.iter().any(|flag| flag == name.0);
    LETTERS.iter().filter(has).map(|(_, letter)| *letter).collect()
}

fn compare_elf(path: &Path, bytes: &[u8]) -> bool {
    let Some(text) = run("readelf", "-SW", path) else { return false };
    let image = image(path, bytes);
    let theirs = elf_lines(&text);
    assert_eq!(image.sections.len(), theirs.len(), "{}", path.display());
    for (section, (name, address, offset, size, flags)) in image.sections.iter().zip(theirs) {
        let ours =
            (String::from_utf8_lossy(section.name).into_owned(), section.address, section.file_offset, section.size);
        assert_eq!(ours, (name, address, offset, size), "{}", path.display());
        let known: String = flags.chars().filter(|letter| "WAXMSILOGTCE".contains(*letter)).collect();
        assert_eq!(letters(&section.flag_names()), known, "{}: {}", path.display(), section.name_text());
    }
    true
}

#[test]
#[cfg_attr(windows, ignore = "the binaries and the tools are Linux's")]
fn sections_of_elf_files_are_those_of_readelf() {
    if Command::new("readelf").arg("--version").output().is_err() {
        return skip("`readelf` is not installed");
    }
    let mut agreed = 0;
    for folder in ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/gcc"] {
        for (path, bytes) in files(folder, &|_, bytes| bytes.starts_with(b"\x7fELF")) {
            agreed += u32::from(compare_elf(&path, &bytes));
        }
    }
    say(&format!("agreed with readelf on {agreed} ELF files"));
    assert!(agreed >= 200 || !Path::new("/usr/lib/x86_64-linux-gnu").exists(), "only {agreed} files");
}

/// Sections of `objdump -h`, two lines each: `  0 .text  00000abc  0000000180001000  0000000180001000  00000600  2**4`,
/// then flags.
fn pe_lines(text: &str) -> Vec<(String, u64, u64, u64, String)> {
    let mut lines = text.lines();
    let mut sections = Vec::new();
    while let Some(line) = lines.next() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_section = fields.len() == 7 && fields[0].parse::<u32>().is_ok();
        if is_section {
            let flags = lines.next().unwrap_or_default().trim().to_owned();
            sections.push((fields[1].to_owned(), hex(fields[2]), hex(fields[3]), hex(fields[5]), flags));
        }
    }
    sections
}

fn compare_pe(path: &Path, bytes: &[u8]) -> bool {
    let Some(text) = run("objdump", "-h", path) else { return false };
    let image = image(path, bytes);
    let theirs = pe_lines(&text);
    assert_eq!(image.sections.len(), theirs.len(), "{}", path.display());
    for (section, (name, size, address, offset, flags)) in image.sections.iter().zip(theirs) {
        let what = format!("{}: {name}", path.display());
        assert_eq!((String::from_utf8_lossy(section.name).into_owned(), section.address), (name, address), "{what}");
        // objdump shows whichever of the sizes in memory and file is smaller, where there are bytes in the file.
        assert!(size == section.size || size == section.file_bytes, "{what}: {size}, {section:?}");
        if section.file_bytes > 0 {
            assert_eq!(section.file_offset, offset, "{what}");
        }
        let has = |word: &str| flags.split(", ").any(|flag| flag == word);
        assert_eq!(section.rights.shared, has("SHARED"), "{what}: {flags}");
        assert_eq!(!section.rights.write, has("READONLY"), "{what}: {flags}");
        let is_code = section.flag_names().iter().any(|name| name == "IMAGE_SCN_CNT_CODE");
        assert_eq!(is_code || section.rights.execute, has("CODE"), "{what}: {flags}");
    }
    true
}

#[test]
#[cfg_attr(windows, ignore = "the binaries and the tools are Linux's")]
fn sections_of_pe_files_are_those_of_objdump() {
    let knows_pe = Command::new("objdump")
        .arg("-i")
        .output()
        .is_ok_and(|output| output.stdout.windows(10).any(|words| words == b"pei-x86-64"));
    if !knows_pe {
        return skip("no `objdump` that knows PE is installed");
    }
    let folders = [
        "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows",
        "/usr/lib/x86_64-linux-gnu/wine/i386-windows",
        "/usr/lib/i386-linux-gnu/wine",
        "/usr/lib/wine",
        "/usr/x86_64-w64-mingw32",
    ];
    let mut agreed = 0;
    for folder in folders {
        let is_pe = |_: &Path, bytes: &[u8]| bytes.starts_with(b"MZ") && inspect(bytes).is_ok();
        for (path, bytes) in files(folder, &is_pe) {
            agreed += u32::from(compare_pe(&path, &bytes));
        }
    }
    say(&format!("agreed with objdump on {agreed} PE files"));
    if agreed == 0 {
        skip("no PE files (Wine's, or of mingw) are installed");
    }
}
