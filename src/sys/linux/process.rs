//! This process: who it is, as whom it runs, what it was told.

#![allow(unsafe_code)]

use std::ffi::{CStr, OsString, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64};

use super::file;

/// Effective user id.
#[doc(alias = "geteuid")]
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() }
}

/// Effective group id.
#[doc(alias = "getegid")]
pub(crate) fn effective_gid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::getegid() }
}

/// Process id, as this process's own PID namespace counts.
pub(crate) fn pid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    (unsafe { libc::getpid() }) as u32
}

/// Thread id ([`gettid(2)`](https://man7.org/linux/man-pages/man2/gettid.2.html)).
pub(crate) fn thread_id() -> u32 {
    // SAFETY: no arguments, cannot fail. (By number: older C libraries lack the function.)
    (unsafe { libc::syscall(libc::SYS_gettid) }) as u32
}

/// Whether the program runs with raised privileges (set-uid, set-gid, file capabilities): then its starter must not
/// choose where it shares ([`AT_SECURE`](https://man7.org/linux/man-pages/man3/getauxval.3.html)).
#[doc(alias = "getauxval")]
pub(crate) fn privileges_were_raised() -> bool {
    // SAFETY: no pointer.
    (unsafe { libc::getauxval(libc::AT_SECURE) }) != 0
}

/// An environment variable; none for a program with raised privileges.
pub(crate) fn environment(name: &str) -> Option<OsString> {
    if privileges_were_raised() { None } else { std::env::var_os(name).filter(|value| !value.is_empty()) }
}

/// CLOCK_BOOTTIME in nanoseconds.
#[doc(alias = "clock_gettime")]
pub(crate) fn boottime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is the call's own type; the clock exists since Linux 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since 1970, as of the last tick of the clock: some milliseconds old, for a quarter of the price.
#[doc(alias = "CLOCK_REALTIME_COARSE")]
pub(crate) fn unix_ns_coarse() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is the call's own type; the clock exists since Linux 2.6.32.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// CLOCK_BOOTTIME in milliseconds.
pub(crate) fn milliseconds_since_start() -> u64 {
    boottime_ns() / 1_000_000
}

/// CLOCK_BOOTTIME in milliseconds, its low half.
pub(crate) fn uptime_ms() -> u32 {
    milliseconds_since_start() as u32
}

/// Where this process keeps the inode of its PID namespace. Forks wipe it: a child may be in another namespace, and
/// even have its parent's process id there.
static PID_NAMESPACE: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

/// Asks for the PID namespace while `/proc` is there to tell: after chroot(2) it cannot be asked any more.
/// Called by one thread at a time.
pub(crate) fn remember_pid_namespace() -> io::Result<()> {
    if PID_NAMESPACE.load(Relaxed).is_null() {
        PID_NAMESPACE.store(std::ptr::from_ref(super::owner::new_owner_word()?).cast_mut(), Release);
    }
    pid_namespace();
    Ok(())
}

/// Inode of the PID namespace; 0 where the system does not tell and never told this process.
pub(crate) fn pid_namespace() -> u64 {
    // SAFETY: null, or a word of a page that is never unmapped.
    let told = unsafe { PID_NAMESPACE.load(Acquire).as_ref() };
    let known = told.map_or(0, |told| told.load(Relaxed));
    if known != 0 {
        return known;
    }
    let Some(inode) = pid_namespace_by_descriptor().or_else(pid_namespace_by_path) else { return 0 };
    told.inspect(|told| told.store(inode, Relaxed));
    inode
}

/// Linux 6.11 and later give the namespace of a process descriptor
/// ([`pidfd_open(2)`](https://man7.org/linux/man-pages/man2/pidfd_open.2.html)): without `/proc`, and five times as
/// fast as its entry, which is made anew for each process.
#[doc(alias = "pidfd_open")]
fn pid_namespace_by_descriptor() -> Option<u64> {
    /// `_IO(PIDFS_IOCTL_MAGIC, 5)` of linux/pidfd.h.
    const PIDFD_GET_PID_NAMESPACE: libc::c_ulong = 0xff05;
    // SAFETY: no pointer.
    let process = descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid(), 0) })?;
    // SAFETY: no pointer.
    let namespace = unsafe { libc::ioctl(process.as_raw_fd(), PIDFD_GET_PID_NAMESPACE as _, 0) };
    file::stat(&descriptor(namespace.into())?).ok().map(|stat| stat.inode)
}

/// Owns what a system call gave, unless it failed.
fn descriptor(result: libc::c_long) -> Option<File> {
    let fd = c_int::try_from(result).ok().filter(|fd| *fd >= 0)?;
    // SAFETY: the call just made this descriptor and nobody else knows it.
    Some(unsafe { File::from_raw_fd(fd) })
}

fn pid_namespace_by_path() -> Option<u64> {
    inode_of(c"/proc/self/ns/pid").ok()
}

/// Inode of what stands at a path, links followed ([`stat(2)`](https://man7.org/linux/man-pages/man2/stat.2.html)).
fn inode_of(path: &CStr) -> io::Result<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a C string and a buffer of the call's own type.
    if unsafe { libc::stat(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and has filled it.
    Ok(unsafe { stat.assume_init() }.st_ino)
}

/// `/proc/PID/NAME` in `buffer`: allocates nothing. `None`: it does not fit.
fn proc_path<'a>(buffer: &'a mut [u8; 40], pid: u32, name: &str) -> Option<&'a CStr> {
    let mut writer = io::Cursor::new(&mut buffer[..]);
    io::Write::write_fmt(&mut writer, format_args!("/proc/{pid}/{name}\0")).ok()?;
    CStr::from_bytes_until_nul(buffer).ok()
}

/// Whether there is no process of this id. Asked before `/proc`, which may hide other users' processes (hidepid).
fn is_missing(pid: u32) -> bool {
    // SAFETY: no pointer; signal 0 is sent to nobody.
    let found = unsafe { libc::kill(pid as libc::pid_t, 0) };
    found == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// The program's name, at most 15 bytes: what its first thread is called, which no thread that it starts changes.
#[doc(alias = "PR_GET_NAME")]
pub(crate) fn program_name() -> [u8; 16] {
    let mut name = [0_u8; 16];
    if thread_id() != pid() {
        let first = file::open_at(None, c"/proc/self/comm", libc::O_RDONLY, 0);
        if let Some(bytes) = first.ok().and_then(|file| read_some(&file, &mut name)).filter(|bytes| *bytes > 1) {
            name[bytes - 1] = 0; // It ends its line.
            return name;
        }
    }
    // SAFETY: the call writes at most 16 bytes.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name
}

/// Random bytes ([`getrandom(2)`](https://man7.org/linux/man-pages/man2/getrandom.2.html)).
#[doc(alias = "getrandom")]
pub(crate) fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0_u8; 16];
    // SAFETY: the call writes at most that many bytes.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == bytes.len() as isize { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// The id of a group by its name or number.
#[doc(alias = "getgrnam")]
pub(crate) fn group_id(name: &str) -> Option<u32> {
    if let Ok(gid) = name.parse() {
        return Some(gid);
    }
    // Read from the file rather than through getgrnam(3): that may load other libraries, and this runs before `main`.
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Whether the process `pid` of this PID namespace, which was there at `since_boottime_ns`, is gone. `None`: cannot
/// tell.
pub(crate) fn is_gone(pid: u32, since_boottime_ns: Option<u64>) -> Option<bool> {
    if is_missing(pid) {
        return Some(true);
    }
    let stat = Stat::of(pid)?;
    // SAFETY: no pointer.
    let ticks_per_second = (unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).max(1) as u64;
    let started_ns = stat.started_ticks.saturating_mul(1_000_000_000 / ticks_per_second);
    let is_zombie = matches!(stat.process_state, b'Z' | b'X') && stat.threads <= 1;
    Some(is_zombie || since_boottime_ns.is_some_and(|since| started_ns > since))
}

/// Whether process `pid` has ended or is about to: its first thread is past the point where it runs no program any
/// more, though its memory may be there for seconds. `None`: the system does not tell.
pub(crate) fn has_begun_to_end(pid: u32) -> Option<bool> {
    /// `PF_EXITING` of include/linux/sched.h.
    const EXITING: u64 = 4;
    if is_missing(pid) {
        return Some(true);
    }
    let stat = Stat::of(pid)?;
    Some(stat.flags & EXITING != 0 || matches!(stat.process_state, b'Z' | b'X'))
}

/// What `/proc/PID/stat` tells ([`proc_pid_stat(5)`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html)).
struct Stat {
    process_state: u8,
    flags: u64,
    threads: u64,
    started_ticks: u64,
}

impl Stat {
    /// `None`: there is no such process, or it may not be looked at, or `/proc` counts in another PID namespace.
    fn of(pid: u32) -> Option<Stat> {
        if !proc_is_of_our_namespace() {
            return None;
        }
        let mut buffer = [0; 40];
        let stat = file::open_at(None, proc_path(&mut buffer, pid, "stat")?, libc::O_RDONLY, 0).ok()?;
        let mut text = [0_u8; 1024];
        let bytes = read_some(&stat, &mut text)?;
        // The name may contain anything, so fields are counted from its closing parenthesis: state is field 3.
        let behind_name = text[..bytes].iter().rposition(|byte| *byte == b')')? + 2;
        let mut fields = std::str::from_utf8(text.get(behind_name..bytes)?).ok()?.split_ascii_whitespace();
        let process_state = *fields.next()?.as_bytes().first()?;
        let flags = fields.nth(5)?.parse().ok()?;
        let threads = fields.nth(10)?.parse().ok()?;
        let started_ticks = fields.nth(1)?.parse().ok()?;
        Some(Stat { process_state, flags, threads, started_ticks })
    }
}

/// Whether the process `pid` maps no page of the file with this inode, which this process maps. `None`: cannot tell.
pub(crate) fn has_let_go(pid: u32, inode: u64) -> Option<bool> {
    if !proc_is_of_our_namespace() {
        return None;
    }
    // Some file systems show another inode there than stat(2): believed only where our own mapping is found.
    let here = maps(self::pid(), inode)?;
    if here { maps(pid, inode).map(|there| !there) } else { None }
}

/// Whether a line of `/proc/PID/maps` has the inode, the fifth of its fields
/// ([`proc_pid_maps(5)`](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html)). Allocates nothing.
fn maps(pid: u32, inode: u64) -> Option<bool> {
    let mut buffer = [0; 40];
    let file = file::open_at(None, proc_path(&mut buffer, pid, "maps")?, libc::O_RDONLY, 0).ok()?;
    let mut text = [0_u8; 2048];
    let (mut field, mut number) = (0, 0_u64);
    loop {
        let bytes = read_some(&file, &mut text)?;
        if bytes == 0 {
            return Some(false);
        }
        for byte in &text[..bytes] {
            match byte {
                b' ' | b'\n' if field == 4 && number == inode => return Some(true),
                b'\n' => (field, number) = (0, 0),
                b' ' => field += 1,
                digit if field == 4 => {
                    number = number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
                }
                _ => {}
            }
        }
    }
}

/// Whether process `pid` is in this process's time namespace, so that its times can be compared with ours
/// ([`time_namespaces(7)`](https://man7.org/linux/man-pages/man7/time_namespaces.7.html)). `false` also where that
/// cannot be found out.
#[doc(alias = "CLONE_NEWTIME")]
pub(crate) fn has_our_clocks(pid: u32) -> bool {
    let mut buffer = [0; 40];
    let Some(path) = proc_path(&mut buffer, pid, "ns/time") else { return false };
    match (inode_of(c"/proc/self/ns/time"), inode_of(path)) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        // Before Linux 5.6 there is one time for all.
        (Err(cause), _) => cause.kind() == io::ErrorKind::NotFound && inode_of(c"/proc/self/ns/pid").is_ok(),
        _ => false,
    }
}

/// Whether `/proc` counts processes as we do: a container may see that of another PID namespace.
fn proc_is_of_our_namespace() -> bool {
    let mut target = [0_u8; 16];
    // SAFETY: a C string, and a buffer of that many bytes.
    let bytes = unsafe { libc::readlink(c"/proc/self".as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    let digits = usize::try_from(bytes).ok().and_then(|bytes| std::str::from_utf8(&target[..bytes]).ok());
    digits.and_then(|digits| digits.parse().ok()) == Some(pid())
}

fn read_some(mut file: &File, buffer: &mut [u8]) -> Option<usize> {
    io::Read::read(&mut file, buffer).ok()
}

/// Writes one line to standard error and ends the process at once, without running anybody's destructors.
pub(crate) fn end(message: &str, status: i32) -> ! {
    complain(message);
    // SAFETY: no pointer; the process ends.
    unsafe { libc::_exit(status) }
}

/// Writes one line to standard error in one call, so that lines of many processes do not mix.
pub(crate) fn complain(message: &str) {
    let line = format!("{message}\n");
    // SAFETY: the bytes are there; a short or failed write has nobody to be told to.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
}

/// Posted when the process ends; in memory of its own, because this library may be unloaded before that.
static ENDING: AtomicPtr<libc::sem_t> = AtomicPtr::new(std::ptr::null_mut());
/// The process that watches; a child of a fork does not.
static WATCHED_BY: AtomicU32 = AtomicU32::new(0);

/// Has the C library note the end of the process, so that an unloading library can be told from it: both run
/// `.fini_array`. The handler is a function of the C library's own, so nothing dangles when this library is gone.
pub(crate) fn watch_for_end() {
    WATCHED_BY.store(pid(), Relaxed);
    if !ENDING.load(Acquire).is_null() {
        return;
    }
    // SAFETY: zero is a value of this C structure, and sem_init makes it a semaphore.
    let semaphore = Box::into_raw(Box::new(unsafe { std::mem::zeroed::<libc::sem_t>() }));
    // SAFETY: just allocated, and never freed.
    unsafe { libc::sem_init(semaphore, 0, 0) };
    if post_at_end(semaphore) {
        ENDING.store(semaphore, Release);
    }
}

/// As [`watch_for_end`], when a thread is about to take its first lock.
///
/// Handlers run last in, first out. A library that the program is linked to attaches before the C library has been
/// told of the loader's own handler, which runs `.fini_array`: what it registered then is run too late. By now it is
/// early enough, and only who has locked something must not give its slot back while its threads run on.
pub(crate) fn watch_for_end_before_locking() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Relaxed) {
        return;
    }
    let semaphore = ENDING.load(Acquire);
    // Not in a child: the C library's list of handlers may have been locked by another thread of the parent.
    if !semaphore.is_null() && WATCHED_BY.load(Relaxed) == pid() && !DONE.swap(true, Relaxed) {
        post_at_end(semaphore);
    }
}

fn post_at_end(semaphore: *mut libc::sem_t) -> bool {
    unsafe extern "C" {
        // Linux Standard Base, Core 3.1: `dso` null means "at the end of the process".
        fn __cxa_atexit(run: unsafe extern "C" fn(*mut c_void), argument: *mut c_void, dso: *mut c_void) -> c_int;
    }
    unsafe extern "C" {
        #[link_name = "sem_post"]
        fn post(semaphore: *mut c_void);
    }
    // SAFETY: `sem_post` takes one pointer, here to a semaphore that is never freed; that its result is not looked at
    // is the same on every Linux ABI.
    (unsafe { __cxa_atexit(post, semaphore.cast(), std::ptr::null_mut()) }) == 0
}

/// Whether the process is ending, rather than this library being unloaded.
pub(crate) fn is_ending() -> bool {
    let semaphore = ENDING.load(Acquire);
    let mut posts = 0;
    // Never watched: this is the program itself, whose end handlers run only at the end.
    // SAFETY: set by `watch_for_end` to a semaphore that is never freed.
    semaphore.is_null() || (unsafe { libc::sem_getvalue(semaphore, &raw mut posts) } == 0 && posts > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_namespace_is_the_same_by_either_way() {
        let by_path = pid_namespace_by_path();
        assert!(by_path.is_some());
        // Before Linux 6.11 there is no other way.
        assert!(pid_namespace_by_descriptor().is_none_or(|inode| Some(inode) == by_path));
    }
}
