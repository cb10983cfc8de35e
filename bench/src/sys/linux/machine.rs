//! The machine, in one line: figures without it cannot be compared.

use std::fs;
use std::path::PathBuf;

/// Where segments lie by default.
pub(crate) fn memory_folder() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() { shm } else { std::env::temp_dir() }
}

pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let is_virtual = cpus.lines().any(|line| line.starts_with("flags") && line.ends_with(" hypervisor"))
        || cpus.split_ascii_whitespace().any(|flag| flag == "hypervisor");
    let kernel = first_word("/proc/sys/kernel/osrelease");
    let load = first_word("/proc/loadavg");
    let kind = if is_virtual { ", virtual" } else { "" };
    format!("machine: {model}, {count} CPUs{kind}, Linux {kernel}, load {load}")
}

fn first_word(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_ascii_whitespace().next().unwrap_or("unknown").to_owned()
}
