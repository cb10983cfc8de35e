//! What the tools of binutils say of a program.

use std::path::Path;
use std::process::Command;

use crate::programs::output;

/// A symbol, as `nm` tells it.
pub(crate) struct Symbol {
    pub address: u64,
    pub name: String,
}

fn tool(name: &str, arguments: &[&str], program: &Path) -> String {
    output(Command::new(name).args(arguments).arg(program).env("LC_ALL", "C"))
}

/// All symbols; of those without an address, none.
pub(crate) fn symbols(program: &Path) -> Vec<Symbol> {
    let parse = |line: &str| {
        let (address, rest) = line.split_once(' ')?;
        let (_, name) = rest.split_once(' ')?;
        Some(Symbol { address: u64::from_str_radix(address, 16).ok()?, name: name.to_owned() })
    };
    tool("nm", &[], program).lines().filter_map(parse).collect()
}

/// The address of the only symbol of this name.
pub(crate) fn address_of(program: &Path, name: &str) -> u64 {
    let found: Vec<_> = symbols(program).into_iter().filter(|symbol| symbol.name == name).collect();
    assert_eq!(found.len(), 1, "symbols named {name}");
    found[0].address
}

/// Address, size and alignment of the sections named `name`.
pub(crate) fn sections(program: &Path, name: &str) -> Vec<(u64, u64, u64)> {
    let parse = |line: &str| {
        let (_, fields) = line.split_once(']')?;
        let fields: Vec<_> = fields.split_ascii_whitespace().collect();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        (fields.first() == Some(&name)).then(|| (hex(fields[2]), hex(fields[4]), fields[9].parse().unwrap()))
    };
    tool("readelf", &["--section-headers", "--wide"], program).lines().filter_map(parse).collect()
}

/// The symbols that are defined in the sections named `section`: by its number, as an empty section may lie where another
/// one begins. Also those that name its end.
pub(crate) fn symbols_in(program: &Path, section: &str) -> Vec<Symbol> {
    let headers = tool("readelf", &["--section-headers", "--wide"], program);
    let number_of = |line: &str| {
        let (number, fields) = line.trim_start().strip_prefix('[')?.split_once(']')?;
        (fields.split_ascii_whitespace().next() == Some(section)).then(|| number.trim().to_owned())
    };
    let numbers: Vec<_> = headers.lines().filter_map(number_of).collect();
    let parse = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [_, address, _, kind, _, _, number, name, ..] = fields[..] else { return None };
        let address = u64::from_str_radix(address, 16).ok()?;
        let is_one = kind != "SECTION" && numbers.iter().any(|it| it == number);
        is_one.then(|| Symbol { address, name: name.to_owned() })
    };
    tool("readelf", &["--symbols", "--wide"], program).lines().filter_map(parse).collect()
}

pub(crate) fn build_id(program: &Path) -> Option<String> {
    let notes = tool("readelf", &["--notes"], program);
    notes.lines().find_map(|line| Some(line.trim().strip_prefix("Build ID: ")?.to_owned()))
}

pub(crate) fn relocations(program: &Path) -> String {
    tool("readelf", &["--relocs", "--wide"], program)
}

/// The instructions of a function, without padding behind it.
pub(crate) fn instructions(program: &Path, function: &str) -> Vec<String> {
    let text = tool("objdump", &["--no-show-raw-insn", &format!("--disassemble={function}")], program);
    let (_, body) = text.split_once(&format!("<{function}>:\n")).expect("the function is there");
    let instruction = |line: &str| Some(line.split_once(":\t")?.1.trim().to_owned());
    let mut all: Vec<_> = body.lines().map_while(instruction).collect();
    let is_padding = |text: &String| ["nop", "int3", "data16", "cs nop", "xchg"].iter().any(|it| text.starts_with(it));
    while all.last().is_some_and(is_padding) {
        all.pop();
    }
    assert!(!all.is_empty(), "no instruction of {function}:\n{text}");
    all
}

/// Where the process `id` has the start of `program` in its memory; 0 for one that lies where its file says.
pub(crate) fn base_in(id: u32, program: &Path) -> u64 {
    if tool("readelf", &["--file-header"], program).contains("EXEC (Executable file)") {
        return 0;
    }
    let path = program.canonicalize().unwrap();
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let first = maps.lines().find(|line| line.ends_with(path.to_str().unwrap())).expect("it maps its program");
    u64::from_str_radix(first.split('-').next().unwrap(), 16).unwrap()
}
