//! `cotenant inspect` as its users meet it: output, exit statuses, what is said of bad files.
//!
//! What it prints for each sample is compared with the files in tests/inspect/golden; `COTENANT_BLESS=1` writes them.

#[path = "../../tests/inspect/make/mod.rs"]
mod make;
#[path = "../../tests/support/skip.rs"]
mod not_tried;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use make::elf::{ALLOC, Elf, PROGBITS, WRITE};
use make::pe::{self, Pe};
use make::{TARGETS, block};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/inspect/golden")
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> &Folder {
        std::fs::write(self.0.path().join(name), bytes).expect("writing a sample");
        self
    }

    /// `cotenant inspect` in this folder.
    fn inspect(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
        let command = command.arg("inspect").args(arguments).current_dir(self.0.path()).env_remove("CLICOLOR_FORCE");
        Ran::from(command.output().expect("starting cotenant"))
    }
}

struct Ran {
    status: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// The samples, and some whose output is worth a look.
fn samples() -> Vec<(String, Vec<u8>)> {
    let mut samples = make::samples();
    samples
        .push(("elf-zero-sections".to_owned(), Elf { has_section_headers: false, ..Elf::plain(TARGETS[0]) }.build()));
    samples.push(("pe-zero-sections".to_owned(), Pe::new(64).build()));
    samples.push(("pe-guessed-pointer".to_owned(), pe::with_guessed_pointer(32).build()));
    samples
}

#[test]
fn output_is_what_it_was() {
    for (name, bytes) in samples() {
        let folder = Folder::new();
        folder.put(&name, &bytes);
        let mut text = String::new();
        for options in [&[][..], &["--all"], &["--json"]] {
            let ran = folder.inspect(&[options, &[name.as_str()]].concat());
            assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{name}");
            text += &format!("$ cotenant inspect {} {name}\n{}\n", options.join(" "), ran.out);
        }
        let path = golden().join(format!("{name}.txt"));
        if std::env::var_os("COTENANT_BLESS").is_some() {
            std::fs::write(&path, &text).expect("writing what is golden");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert!(text == expected, "{name}: expected\n{expected}\nfound\n{text}");
    }
}

#[test]
fn thousands_of_sections_are_all_shown() {
    let mut elf = Elf::new(TARGETS[0], 1);
    for index in 0..20_000 {
        elf.section(&format!(".text.function_number_{index}"), PROGBITS, ALLOC | WRITE, 0, &[]);
    }
    let folder = Folder::new();
    folder.put("many.o", &elf.build());
    let ran = folder.inspect(&["--all", "many.o"]);
    assert_eq!(
        (ran.status, ran.out.lines().filter(|line| line.contains(".text.function_number_")).count()),
        (Some(0), 20_000)
    );
    let ran = folder.inspect(&["many.o"]);
    assert!(ran.out.contains("20001 sections, private to each process"), "{}", ran.out);
    let document: serde_json::Value = serde_json::from_str(&folder.inspect(&["--json", "many.o"]).out).expect("JSON");
    assert_eq!(document["files"][0]["sections"].as_array().map(Vec::len), Some(20_001));
}

/// 60,000 sections that are all shown, within the memory of a small multiple of the file.
#[cfg(unix)]
#[test]
fn memory_is_a_small_multiple_of_the_file() {
    let mut elf = Elf::new(TARGETS[0], 2);
    for _ in 0..60_000 {
        elf.section("cotenant_meta", PROGBITS, ALLOC | WRITE, 0x1000, &[]);
    }
    let (folder, mut bytes) = (Folder::new(), elf.build());
    // The segments, one of each section, would say nothing and do not fit into their count.
    bytes[56..58].fill(0);
    assert!(bytes.len() < 12 << 20);
    folder.put("many", &bytes);
    for option in ["--all", "--json"] {
        let limited = "ulimit -v 81920 && exec \"$0\" inspect \"$1\" many";
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", limited, env!("CARGO_BIN_EXE_cotenant"), option]).current_dir(folder.0.path());
        let ran = Ran::from(shell.output().expect("starting a shell"));
        assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{option}");
        assert!(ran.out.matches("cotenant_meta").count() >= 60_000);
    }
}

#[test]
fn fail_on_makes_it_a_check() {
    let folder = Folder::new();
    let mut alterable = Pe::new(64);
    alterable.section(".jit", pe::DATA | pe::EXECUTE, 0x1000, &[0; 8]);
    folder.put("classic.exe", &pe::classic(64).build()).put("plain", &Elf::plain(TARGETS[0]).build());
    folder.put("pointer.exe", &pe::with_relocation(64).build()).put("alterable.exe", &alterable.build());
    folder.put("empty.obj", &pe::object_with_empty_section());
    let cases = [
        ("shared-writable", "classic.exe", 1),
        ("shared-writable", "plain", 0),
        ("shared-writable", "alterable.exe", 0),
        ("writable-executable", "alterable.exe", 1),
        ("writable-executable", "classic.exe", 0),
        ("pointers", "pointer.exe", 1),
        ("pointers", "classic.exe", 0),
        ("misplaced", "empty.obj", 1),
        ("misplaced", "classic.exe", 0),
        ("pointers,shared-writable", "classic.exe", 1),
    ];
    for (kind, file, status) in cases {
        assert_eq!(folder.inspect(&["--fail-on", kind, file]).status, Some(status), "{kind} {file}");
        assert_eq!(folder.inspect(&["--json", "--fail-on", kind, "plain", file]).status, Some(status), "{kind} {file}");
    }
    assert_eq!(folder.inspect(&["classic.exe"]).status, Some(0), "without --fail-on");
    for arguments in
        [&["--fail-on", "incompatible", "plain"][..], &["--fail-on", "pointers", "--diff", "plain", "plain"]]
    {
        assert_eq!(folder.inspect(arguments).status, Some(2), "a check that could never fail");
    }
}

#[test]
fn bad_file_among_good_ones_is_one_line_and_the_others_are_shown() {
    let folder = Folder::new();
    let good = Elf::plain(TARGETS[1]).build();
    folder.put("good", &good).put("cut", &good[..good.len() - 100]).put("text", b"hello, this is no image\n");
    folder.put("good.exe", &pe::classic(32).build()).put("empty", b"");
    let ran =
        folder.inspect(&["--fail-on", "shared-writable", "good", "cut", "text", "missing", ".", "empty", "good.exe"]);
    assert_eq!(ran.status, Some(2), "a bad file outweighs a finding");
    let missing = std::fs::File::open(folder.0.path().join("missing")).expect_err("it is missing");
    assert_eq!(
        ran.err.lines().collect::<Vec<_>>(),
        [
            "cotenant: cut: is truncated: the table of sections reaches beyond its end",
            "cotenant: text: is no ELF, PE or COFF file and no archive",
            &format!("cotenant: missing: cannot be read: {missing}"),
            "cotenant: .: is a directory",
            "cotenant: empty: is empty",
        ]
    );
    assert!(ran.out.contains("good: ELF 64-bit big-endian") && ran.out.contains("good.exe: PE 32-bit"), "{}", ran.out);
    let ran = folder.inspect(&["--json", "good", "cut", "good.exe"]);
    let document: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((document["schema"].as_u64(), document["files"].as_array().map(Vec::len)), (Some(1), Some(3)));
    assert!(document["files"][1]["error"].as_str().is_some_and(|error| error.starts_with("is truncated")));
}

#[test]
fn copy_is_told_when_program_and_library_are_given() {
    let folder = Folder::new();
    folder.put("program", &make::elf::program_with_copy(TARGETS[0], "requests").build());
    folder.put("lib.so", &make::elf::library_with_export(TARGETS[0], "requests").build());
    let ran = folder.inspect(&["--fail-on", "copies", "program", "lib.so"]);
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.out.contains("takes a private copy of what a library shares (COPY relocation): requests"),
        "{}",
        ran.out
    );
    assert_eq!(folder.inspect(&["--fail-on", "copies", "program"]).status, Some(0));
}

#[test]
fn diff_tells_what_a_rolling_deploy_meets() {
    let folder = Folder::new();
    let build = |variables: &[_]| block::elf(TARGETS[0], true, variables).build();
    folder.put("old", &build(&block::VARIABLES[..9])).put("new", &build(&block::VARIABLES));
    folder.put("other", &build(&block::VARIABLES[1..])).put("text", b"hello, this is no image\n");
    let ran = folder.inspect(&["--diff", "old", "new", "--fail-on", "incompatible"]);
    assert_eq!(ran.status, Some(0), "{}", ran.err);
    assert_eq!(
        ran.out,
        "\"acme.web\": compatible: grown at its end; old and new processes share what the old ones know\n  \
        GUARDED: only in the new build (Mutex<u32> at offset 104)\n  \
        QUEUE: only in the new build (Array<u16, 4> at offset 120)\n"
    );
    let ran = folder.inspect(&["--diff", "new", "other"]);
    assert!(ran.out.contains("not compatible") && ran.out.contains("COUNT: only in the old build"), "{}", ran.out);
    assert_eq!(ran.status, Some(0));
    assert_eq!(folder.inspect(&["--diff", "new", "other", "--fail-on", "incompatible"]).status, Some(1));
    let ran = folder.inspect(&["--diff", "new", "other", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(document["blocks"][0]["verdict"], "incompatible");
    let ran = folder.inspect(&["--diff", "new", "text"]);
    assert_eq!(
        (ran.status, ran.err.as_str()),
        (Some(2), "cotenant: text: is no ELF, PE or COFF file and no archive\n")
    );
}

/// The classic example as people write it today: `.shared` is flagged, and what to use instead is printed.
#[test]
#[cfg_attr(windows, ignore = "the compiler is a program of Linux")]
fn classic_program_built_with_mingw_is_flagged() {
    let folder = Folder::new();
    let source = "#include <stdio.h>\n\
        __attribute__((section(\".shared\"), shared)) volatile long instances = 0;\n\
        int main() { printf(\"%ld\\n\", ++instances); return 0; }\n";
    folder.put("classic.cpp", source.as_bytes());
    let mut compiler = Command::new("x86_64-w64-mingw32-g++");
    let compiler = compiler.args(["-o", "classic.exe", "classic.cpp"]).current_dir(folder.0.path());
    let Ok(output) = compiler.output() else {
        return not_tried::skip("x86_64-w64-mingw32-g++ is not installed");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ran = folder.inspect(&["--fail-on", "shared-writable", "classic.exe"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.out.contains("shared-writable: writable and shared: .shared"), "{}", ran.out);
    assert!(ran.out.contains("Whoever can load this image") && ran.out.contains("a named block"), "{}", ran.out);
}

#[test]
fn colours_only_where_they_are_asked_for() {
    let folder = Folder::new();
    folder.put("classic.exe", &pe::classic(64).build());
    let run = |name: &str, value: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
        let command = command.args(["inspect", "classic.exe"]).current_dir(folder.0.path()).env(name, value);
        Ran::from(command.output().expect("starting cotenant")).out.contains('\x1b')
    };
    assert!(!run("NO_COLOR", "1") && !run("TERM", "xterm-256color"));
    assert!(run("CLICOLOR_FORCE", "1"));
}

/// The linker's own work instead of a hand-made sample: a block that is attached by call lies in `.data` or `.bss`.
#[test]
#[cfg(target_os = "linux")]
fn nothing_is_said_against_this_command_itself() {
    let folder = Folder::new();
    let itself = env!("CARGO_BIN_EXE_cotenant");
    let all = "shared-writable,writable-executable,pointers,misplaced,copies,damaged-block";
    let ran = folder.inspect(&[itself, "--fail-on", all]);
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(ran.out.contains("attach = by_call") && ran.out.contains("ATOMIC"), "{}", ran.out);
}
