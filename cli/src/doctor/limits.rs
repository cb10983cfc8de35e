//! Limits of a process, and of System V shared memory.

use super::Check;
use crate::look::{View, bytes};

/// Files of named blocks are about this long, mostly holes.
const FILE_BYTES_USUAL: u64 = 600 << 10;
/// A limit of which more than this part is used is nearly met.
const USED_PERCENT_MAX: u64 = 90;

pub(super) fn checks(view: &View) -> Vec<Check> {
    let process = view.process.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let mut checks = vec![file_size(&limits), locked_memory(&limits), core_dumps(&limits, &process)];
    if view.is_elsewhere() {
        checks.push(Check::unknown(
            "sysv",
            "System V limits are those of an IPC namespace: run this in that of the process",
        ));
    } else {
        checks.push(sysv());
    }
    checks
}

/// The soft limit of a line of `/proc/PID/limits`; `None` for unlimited.
fn soft(limits: &str, name: &str) -> Option<Option<u64>> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let value = rest.split_whitespace().next()?;
    if value == "unlimited" { Some(None) } else { value.parse().ok().map(Some) }
}

fn file_size(limits: &str) -> Check {
    const NAME: &str = "file-size";
    let cure = "raise it: ulimit -f unlimited; LimitFSIZE=infinity in the unit; /etc/security/limits.conf";
    match soft(limits, "Max file size") {
        Some(None) => Check::ok(NAME, "files, and so segments, may be of any length (ulimit -f)"),
        Some(Some(limit)) if limit < FILE_BYTES_USUAL => {
            Check::problem(NAME, format!("files may be {} long: less than a segment (ulimit -f)", bytes(limit)), cure)
        }
        Some(Some(limit)) => {
            Check::warning(NAME, format!("segments end at {} (ulimit -f), holes included", bytes(limit)), cure)
        }
        None => Check::unknown(NAME, "the limits of the process cannot be read"),
    }
}

fn locked_memory(limits: &str) -> Check {
    const NAME: &str = "memlock";
    match soft(limits, "Max locked memory") {
        Some(None) => Check::ok(NAME, "any amount of memory may be locked (ulimit -l)"),
        Some(Some(limit)) => Check::ok(
            NAME,
            format!(
                "{} may be locked (ulimit -l); segments are not, they may be swapped like any memory",
                bytes(limit)
            ),
        ),
        None => Check::unknown(NAME, "the limits of the process cannot be read"),
    }
}

/// Bit 3 of the filter puts shared pages of files into core dumps.
fn core_dumps(limits: &str, process: &str) -> Check {
    const NAME: &str = "core-dumps";
    const SHARED_FILES: u32 = 1 << 3;
    let filter = std::fs::read_to_string(format!("/proc/{process}/coredump_filter")).ok();
    let Some(filter) = filter.and_then(|text| u32::from_str_radix(text.trim(), 16).ok()) else {
        return Check::unknown(NAME, "coredump_filter cannot be read");
    };
    if filter & SHARED_FILES != 0 {
        return Check::ok(NAME, format!("coredump_filter is {filter:#x}: core dumps hold the shared values"));
    }
    let found = format!(
        "coredump_filter is {filter:#x}: core dumps leave shared values out, and a debugger shows the live ones"
    );
    let cure = format!(
        "echo {:#x} > /proc/PID/coredump_filter, or for /proc/self in the start script; CoredumpFilter= in the unit",
        filter | SHARED_FILES
    );
    match soft(limits, "Max core file size") {
        // No dumps, no harm.
        Some(Some(0)) => {
            Check::ok(NAME, format!("{found}; there are none here anyway (ulimit -c 0), with them: {cure}"))
        }
        _ => Check::warning(NAME, found, cure),
    }
}

fn sysv() -> Check {
    const NAME: &str = "sysv";
    let limit = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let (Some(largest), Some(pages), Some(count)) = (limit("shmmax"), limit("shmall"), limit("shmmni")) else {
        return Check::ok(NAME, "the kernel has no System V shared memory: Backing::SysV is refused");
    };
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let sizes = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let sizes: Vec<_> = sizes.collect();
    let page = rustix::param::page_size() as u64;
    let used_pages: u64 = sizes.iter().map(|size| size.div_ceil(page)).sum();
    let is_nearly = |used: u64, limit: u64| used.saturating_mul(100) > limit.saturating_mul(USED_PERCENT_MAX);
    let all = bytes(pages.saturating_mul(page));
    let says = format!(
        "{} of {count} segments (shmmni), {} of {all} (shmall), one at most {} (shmmax)",
        sizes.len(),
        bytes(used_pages.saturating_mul(page)),
        bytes(largest)
    );
    let cure = "remove what nobody uses (ipcs -m, ipcrm -m ID), or raise kernel.shmmni, kernel.shmall, kernel.shmmax \
                with sysctl";
    if is_nearly(sizes.len() as u64, count) || is_nearly(used_pages, pages) || largest < 64 << 20 {
        return Check::warning(NAME, says, cure);
    }
    Check::ok(NAME, says)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_is_the_first_number() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     
\
                      Max file size             1048576              unlimited            bytes     
\
                      Max core file size        unlimited            unlimited            bytes     
";
        assert_eq!(soft(limits, "Max file size"), Some(Some(1 << 20)));
        assert_eq!(soft(limits, "Max core file size"), Some(None));
        assert_eq!(soft(limits, "Max locked memory"), None);
    }
}
