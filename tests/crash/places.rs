//! Names for addresses of code: `FILE+OFFSET`, and the function that `FILE`'s symbol table has there.

use std::path::{Path, PathBuf};

/// The code of this process, and of what it forks.
pub(crate) struct Places {
    ranges: Vec<Range>,
}

struct Range {
    start: usize,
    end: usize,
    /// Of `start` in the file as it is loaded.
    offset: usize,
    file: String,
}

impl Places {
    /// From /proc/self/maps: of each file the distance from its lowest mapping, which is what symbol tables count in.
    pub(crate) fn new() -> Places {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mut ranges: Vec<Range> = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (Some(range), Some(file)) = (words.next(), words.nth(4)) else { continue };
            let Some((start, end)) = range.split_once('-') else { continue };
            let (start, end) = (number(start), number(end));
            let base = ranges.iter().find(|known| known.file == file).map_or(start, |known| known.start - known.offset);
            ranges.push(Range { start, end, offset: start - base, file: file.to_owned() });
        }
        Places { ranges }
    }

    pub(crate) fn of(&self, address: usize) -> String {
        let Some(range) = self.ranges.iter().find(|range| (range.start..range.end).contains(&address)) else {
            return format!("{address:#x}");
        };
        format!("{}+{:#x}", range.file, address - range.start + range.offset)
    }
}

fn number(hexadecimal: &str) -> usize {
    usize::from_str_radix(hexadecimal, 16).unwrap_or_default()
}

/// `PLACE`, with the function's name if the file has one for it.
pub(crate) fn with_symbol(place: &str) -> String {
    let symbol = place.rsplit_once("+0x").and_then(|(file, offset)| {
        let (name, distance) = symbol_at(Path::new(file), number(offset))?;
        let file = PathBuf::from(file);
        let short = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Some(format!("{short}+0x{offset} ({name}+{distance:#x})"))
    });
    symbol.unwrap_or_else(|| place.to_owned())
}

/// The symbol of a 64-bit little-endian ELF file that begins last before `address`.
fn symbol_at(file: &Path, address: usize) -> Option<(String, usize)> {
    const SYMTAB: u64 = 2;
    const DYNSYM: u64 = 11;
    let bytes = std::fs::read(file).ok()?;
    let word = |at: usize, size: usize| {
        let mut word = [0; 8];
        word[..size].copy_from_slice(bytes.get(at..at + size)?);
        Some(u64::from_le_bytes(word))
    };
    let sections = word(0x28, 8)? as usize;
    let count = word(0x3c, 2)? as usize;
    let mut best: Option<(usize, usize)> = None;
    for section in (0..count).map(|i| sections + 64 * i) {
        if !matches!(word(section + 4, 4)?, SYMTAB | DYNSYM) {
            continue;
        }
        let (at, size) = (word(section + 24, 8)? as usize, word(section + 32, 8)? as usize);
        let strings = sections + 64 * word(section + 40, 4)? as usize;
        let strings_at = word(strings + 24, 8)? as usize;
        for symbol in (at..at + size).step_by(24) {
            let is_function = word(symbol + 4, 1)? & 0xf == 2;
            let start = word(symbol + 8, 8)? as usize;
            if is_function && start <= address && best.is_none_or(|(known, _)| start > known) {
                best = Some((start, strings_at + word(symbol, 4)? as usize));
            }
        }
    }
    let (start, name) = best?;
    let name: Vec<u8> = bytes.get(name..)?.iter().copied().take_while(|&byte| byte != 0).collect();
    Some((String::from_utf8_lossy(&name).into_owned(), address - start))
}
