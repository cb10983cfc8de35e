//! This process, and whether another one lives.

#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::Security::Authentication::Identity::RtlGenRandom;
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, GetTickCount64, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentProcessId, GetCurrentThreadId, GetProcessTimes, OpenProcess,
    PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, TerminateProcess, WaitForSingleObject,
};

use super::handle::Handle;

pub(crate) fn pid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { GetCurrentProcessId() }
}

pub(crate) fn thread_id() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { GetCurrentThreadId() }
}

/// The page size of this machine, in bytes.
#[doc(alias = "GetSystemInfo")]
pub(crate) fn page_bytes() -> usize {
    // SAFETY: zero is a value of this C structure.
    let mut info: SYSTEM_INFO = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the call's own type.
    unsafe { GetSystemInfo(&raw mut info) };
    info.dwPageSize as usize
}

/// How many processors this machine has.
#[doc(alias = "GetSystemInfo")]
pub(crate) fn processors() -> u32 {
    // SAFETY: zero is a value of this C structure.
    let mut info: SYSTEM_INFO = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the call's own type.
    unsafe { GetSystemInfo(&raw mut info) };
    info.dwNumberOfProcessors.max(1)
}

/// Milliseconds since the system started.
#[doc(alias = "GetTickCount64")]
pub(crate) fn milliseconds_since_start() -> u64 {
    // SAFETY: no arguments, cannot fail.
    unsafe { GetTickCount64() }
}

/// Milliseconds since the system started, their low half.
pub(crate) fn uptime_ms() -> u32 {
    milliseconds_since_start() as u32
}

/// Nanoseconds since the system started, the same for all processes.
#[doc(alias = "QueryPerformanceCounter")]
pub(crate) fn boottime_ns() -> u64 {
    static FREQUENCY: AtomicI64 = AtomicI64::new(0);
    let mut frequency = FREQUENCY.load(Relaxed);
    if frequency == 0 {
        // SAFETY: a place for the number; it does not change while the system runs.
        unsafe { QueryPerformanceFrequency(&raw mut frequency) };
        frequency = frequency.max(1);
        FREQUENCY.store(frequency, Relaxed);
    }
    let mut count = 0_i64;
    // SAFETY: a place for the number.
    unsafe { QueryPerformanceCounter(&raw mut count) };
    (i128::from(count.max(0)) * 1_000_000_000 / i128::from(frequency)) as u64
}

/// Windows has no set-uid programs: whoever starts a process "as administrator" is the one who runs it.
pub(crate) fn privileges_were_raised() -> bool {
    false
}

/// An environment variable.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// When a process was created, in 100 ns since 1601: with its id it names the process for ever.
#[doc(alias = "GetProcessTimes")]
fn creation_time_of(process: HANDLE) -> Option<u64> {
    let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: an open handle, and four structures of the call's own type.
    if unsafe { GetProcessTimes(process, created, exited, kernel, user) } == 0 {
        return None;
    }
    Some(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

/// When this process was created.
pub(crate) fn creation_time() -> Option<u64> {
    // SAFETY: no arguments; a pseudo-handle that needs no closing.
    creation_time_of(unsafe { GetCurrentProcess() })
}

/// A handle of a process, for asking whether it lives and waiting until it does not.
#[doc(alias = "OpenProcess")]
pub(crate) fn open(pid: u32) -> Option<Handle> {
    // SAFETY: no pointer.
    let handle = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE, 0, pid) };
    // SAFETY: fresh, and used nowhere else.
    unsafe { Handle::new(handle) }
}

/// As [`open`], unless a later process has the id.
pub(crate) fn open_created(pid: u32, created: u64) -> Option<Handle> {
    open(pid).filter(|handle| creation_time_of(handle.raw()).is_none_or(|time| time == created))
}

/// Whether the process with this id and time of creation lives. Who cannot be asked about counts as alive.
pub(crate) fn is_alive(pid: u32, created: u64) -> bool {
    if pid == 0 {
        return false;
    }
    let Some(handle) = open(pid) else {
        // So says the system of a process that is not there.
        return io::Error::last_os_error().raw_os_error() != Some(ERROR_INVALID_PARAMETER as i32);
    };
    if creation_time_of(handle.raw()).is_some_and(|time| time != created) {
        return false; // A later process has its id.
    }
    // SAFETY: an open handle. It is signalled when the last thread has ended.
    unsafe { WaitForSingleObject(handle.raw(), 0) != WAIT_OBJECT_0 }
}

/// Nanoseconds since 1970; 0 on a clock before it.
pub(crate) fn unix_time_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}

/// As [`unix_time_ns`].
pub(crate) fn unix_ns_coarse() -> u64 {
    unix_time_ns()
}

/// Random bytes (`SystemFunction036` of advapi32).
#[doc(alias = "RtlGenRandom")]
pub(crate) fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0_u8; 16];
    // SAFETY: the call writes that many bytes.
    if unsafe { RtlGenRandom(bytes.as_mut_ptr().cast(), bytes.len() as u32) } {
        Ok(bytes)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Writes one line to standard error and ends the process at once: `ExitProcess` would run the other libraries'
/// `DllMain`, which must not happen inside one.
#[doc(alias = "TerminateProcess")]
pub(crate) fn end(message: &str, status: i32) -> ! {
    complain(message);
    // SAFETY: no arguments; a pseudo-handle.
    let this = unsafe { GetCurrentProcess() };
    loop {
        // SAFETY: no pointer; of the own process it does not return.
        unsafe { TerminateProcess(this, status as u32) };
    }
}

/// Writes one line to standard error in one call. Nobody is to be told when that fails.
pub(crate) fn complain(message: &str) {
    let _ = io::stderr().write_all(format!("{message}\n").as_bytes());
}

/// Nothing to watch: see [`is_ending`].
pub(crate) fn watch_for_end() {}

/// Asked where an image in C says that its end handlers run: here only when it is unloaded. (For one in
/// Rust `unload` does their work.)
pub(crate) fn is_ending() -> bool {
    false
}
