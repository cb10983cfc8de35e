//! System V segments: the memory has a key, the processes that share it a companion file.
//!
//! ```text
//! memory  (key, shmid)    header, directory, objects: all max_bytes, there from the start; listed by `ipcs -m`
//!    ^ shmid, instance
//! companion sysv-KEY      life byte and slots, made and joined as every segment's file is
//!
//! companion joined -> does it name living memory? -> attach
//!                     no: write-lock GROW -> look again -> what stands under the key?
//!                           nothing                      make: shmget -> header, magic last -> name it there
//!                           our instance                 name it: its maker was killed before it could
//!                           our label, nobody attached   remove it: its companion is gone
//!                           else                         Foreign; it is left alone
//! ```
//!
//! Who holds GROW makes the memory, whoever made the companion: a maker killed at any point leaves it to the next. The
//! file says who is at it, so memory that was made and not yet wholly written is known again by its maker, size and
//! owner. Whoever finds the companion dead removes the memory first, then the companion (`remove_memory`).
//!
//! Without a key (`IPC_PRIVATE`) only children of a fork come: the memory is marked for removal as soon as it is
//! attached, so the system removes it with the last process, however that ends. Locks as for anonymous memory.

use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::attached::{Attached, Parts};
use super::file::{self, LockKind, Stat, lock_byte};
use super::folder::Folder;
use super::mapping::{Mapping, page_bytes};
use super::reopen::Reopen;
use super::segment_file::{self, OpenSegment};
use super::sysv_call::{self as call, Shown};
use super::{anonymous, catalog, memfd, memory_limit, process};
use crate::error::{Error, ErrorKind, Result};
use crate::segment::backing::SysVKey;
use crate::segment::header::{BackingKind, HEADER_BYTES, Header, NO_SYSV_ID, PARTICIPANT_BYTES};
use crate::segment::request::{Opening, Request};

/// How often making starts over because the key changes hands meanwhile.
const ATTEMPTS: u32 = 100;
/// How often one looks whether another has made the memory; together about two seconds.
const WAITS: u32 = 100;

/// The key as people know it.
struct Key<'a> {
    number: i32,
    given: &'a SysVKey,
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the System V key {:#010x}", self.number)?;
        match self.given {
            SysVKey::File { path, number } => write!(f, " (ftok of {} and {number})", path.display()),
            _ => Ok(()),
        }
    }
}

/// Opens or makes the segment in `folder`, where its companion lies.
pub(super) fn open(request: &Request<'_>, folder: impl FnOnce() -> Result<Folder>) -> Result<Attached> {
    match key(request)? {
        None => private(request),
        Some(key) => keyed(request, &key, &folder()?),
    }
}

/// The key that was asked for; `None`: none.
fn key<'a>(request: &Request<'a>) -> Result<Option<Key<'a>>> {
    let given = request.sysv_key.unwrap_or(&SysVKey::Private);
    let number = match given {
        SysVKey::Private => return Ok(None),
        SysVKey::Number(number) => *number,
        SysVKey::File { path, number } => call::key_of_file(path, *number).map_err(|cause| {
            Error::system(format!("make a System V key of the file {} and {number} (ftok)", path.display()), &cause)
                .hint("name a file that exists")
        })?,
    };
    Ok(Some(Key { number, given }))
}

/// The name of the companion of the segment that was asked for.
pub(super) fn companion_of(request: &Request<'_>) -> Result<CString> {
    match key(request)? {
        Some(key) => companion_name(key.number, &request.plan.scope),
        None => Err(Error::new(ErrorKind::Unsupported, "a System V segment without a key has no name to be removed")),
    }
}

fn keyed(request: &Request<'_>, key: &Key<'_>, folder: &Folder) -> Result<Attached> {
    let plan = request.plan;
    let name = companion_name(key.number, &plan.scope)?;
    let open = segment_file::open(folder, &name, plan, request.opening)?;
    let path = folder.path_of(&name);
    let failed = |cause: io::Error| Error::system(format!("open the companion {path} of {key}"), &cause);
    let expected = plan.header([0; 16], 0, 0);
    if (open.header.name, open.header.scope) != (expected.name, expected.scope) {
        let what = format!("{key} is that of another segment of ours, `{}`", label(&open.header));
        return Err(Error::new(ErrorKind::Foreign, what).hint(ANOTHER_KEY));
    }
    if open.companion.is_some() || open.stat.permissions() & 0o004 != 0 {
        let what = format!("the companion {path} of {key} can be read by who may not write it, and so locked");
        return Err(Error::new(ErrorKind::Foreign, what).hint("remove it (`cotenant rm`), it is made anew"));
    }
    let reopen = |name: &CStr, stat| {
        file::c_string(folder.path_of(name).as_bytes()).map(|path| Reopen::ByPath { path, stat }).map_err(failed)
    };
    let segment = reopen(&name, open.stat)?;
    let locks = segment.same();
    let (memory, created) = match memory(request, key, &open, &segment) {
        Ok(found) => found,
        Err(error) => {
            drop(open);
            remove_without_memory(folder, &name, &segment);
            return Err(error);
        }
    };
    let life = Mapping::shared(&open.file, 0, page_bytes(), false).map_err(failed)?;
    let path = format!("{path} ({key})");
    let header = Header::check(&call::first_page(&memory), memory.bytes() as u64, &path)?;
    let mut attached = Attached::new(Parts { path, segment, locks, header, memory, created })?;
    attached.keep_views(vec![life]);
    Ok(attached)
}

/// Nobody comes back for a companion without memory, kept or not; unless somebody else has joined it and tries anew.
fn remove_without_memory(folder: &Folder, name: &CStr, companion: &Reopen) {
    let mut page = [0_u8; HEADER_BYTES];
    let Ok(file) = companion.open() else { return };
    let is_whole = file::try_lock(&file, LockKind::Write, lock_byte::LIFE).unwrap_or(false)
        && file.read_exact_at(&mut page, 0).is_ok();
    if is_whole && read_word(&file, offset_of!(Header, sysv_id)).is_ok_and(|id| id == NO_SYSV_ID) {
        // Whoever finds it later does it, if this fails.
        let _ = segment_file::remove_dead(folder, name, companion.stat(), &page);
    }
}

fn read_word(companion: &File, at: usize) -> io::Result<u32> {
    let mut bytes = [0_u8; 4];
    companion.read_exact_at(&mut bytes, at as u64)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// `sysv-KEY[@SCOPE]`.
fn companion_name(key: i32, scope: &str) -> Result<CString> {
    let at = if scope.is_empty() { "" } else { "@" };
    file::c_string(format!("sysv-{key:08x}{at}{scope}").as_bytes())
        .map_err(|cause| Error::system("use that scope", &cause))
}

fn key_in(companion_name: &CStr) -> Option<i32> {
    let rest = companion_name.to_str().ok()?.strip_prefix("sysv-")?;
    u32::from_str_radix(rest.get(..8)?, 16).ok().map(|key| key as i32)
}

/// `NAME[@SCOPE]`.
fn label(header: &Header) -> String {
    let (name, scope) = (catalog::text(&header.name), catalog::text(&header.scope));
    if scope.is_empty() { name } else { format!("{name}@{scope}") }
}

/// The memory that the companion names; made if it names none that is there.
fn memory(request: &Request<'_>, key: &Key<'_>, open: &OpenSegment, companion: &Reopen) -> Result<(Mapping, bool)> {
    let failed = |cause: io::Error| Error::system(format!("find the memory of {key}"), &cause);
    for waited in 0..WAITS {
        if let Some(memory) = named_memory(&open.file, &open.header).map_err(failed)? {
            return Ok((memory, open.created));
        }
        let growing = companion.open().map_err(failed)?;
        if !file::try_lock(&growing, LockKind::Write, lock_byte::GROW).map_err(failed)? {
            std::thread::sleep(Duration::from_micros(50 << waited.min(9)));
            continue;
        }
        // It may have been made meanwhile.
        if let Some(memory) = named_memory(&open.file, &open.header).map_err(failed)? {
            return Ok((memory, open.created));
        }
        let is_there = || matches!(under_key(key.number, &open.file, &open.header), Ok(Under::Ours(_)));
        if request.opening == Opening::Open && !is_there() {
            let what = format!("there is no segment of {key}: its memory was removed, or is not made yet");
            return Err(Error::new(ErrorKind::NotFound, what).hint("`ipcs -m` lists what there is"));
        }
        return make(request, key, open).map(|memory| (memory, true));
    }
    let what = format!("another process makes the memory of {key} and does not finish");
    Err(Error::new(ErrorKind::Busy, what).hint("look for a stopped program of this user"))
}

/// Attaches the memory that the companion names, if it is there and is the companion's.
fn named_memory(companion: &File, header: &Header) -> io::Result<Option<Mapping>> {
    let id = read_word(companion, offset_of!(Header, sysv_id))?;
    if id == NO_SYSV_ID { Ok(None) } else { attach_instance(id as i32, header, &file::stat(companion)?, true) }
}

/// What a companion's memory tells of who uses it: its header, and the entries of its participants. `None`: it is not
/// there, or this user may not read it.
pub(super) fn look(companion: &Header, stat: &Stat) -> Option<(Header, Vec<u8>)> {
    let is_named = companion.backing == BackingKind::SysV as u8 && companion.sysv_id != NO_SYSV_ID;
    let memory =
        is_named.then(|| attach_instance(companion.sysv_id as i32, companion, stat, false).ok().flatten())??;
    let header = Header::check(&call::first_page(&memory), memory.bytes() as u64, &"").ok()?;
    let mut entries = vec![0; header.participants_max as usize * PARTICIPANT_BYTES as usize];
    call::copy(&memory, header.participants_at as usize, &mut entries);
    Some((header, entries))
}

/// Whether memory is of those whose companion this is: made and owned by its user, or for its group; and open to nobody
/// else. Otherwise a stranger that knows the instance could put memory of its own under the key.
fn is_of_its_users(shown: &Shown, companion: &Stat) -> bool {
    let is_owners = if companion.permissions() & 0o020 == 0 {
        shown.uid == companion.uid
    } else {
        // Any member may be the one that made it. (Only members know the instance: they alone can read the companion.)
        shown.gid == companion.gid
    };
    // The owner of memory can be set by who made it, who made it cannot.
    is_owners && shown.creator_uid == shown.uid && shown.mode & 0o066 & !companion.permissions() == 0
}

/// Attaches memory if it holds the instance of `header`, and is of the companion's users.
pub(super) fn attach_instance(
    id: i32,
    header: &Header,
    companion: &Stat,
    writable: bool,
) -> io::Result<Option<Mapping>> {
    match call::attach(id, writable) {
        // Another's memory is not even read: the system may have none for its pages (SHM_HUGETLB), which is a signal.
        Ok((_, shown)) if shown.bytes != header.max_bytes || !is_of_its_users(&shown, companion) => Ok(None),
        Ok((memory, _)) => {
            let page = call::first_page(&memory);
            let instance = offset_of!(Header, instance);
            let is_ours = Header::has_magic(&page) && page[instance..instance + 16] == header.instance;
            Ok(is_ours.then_some(memory))
        }
        // Removed (ipcrm), and perhaps its id given to somebody else.
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::EIDRM | libc::EACCES)) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Makes the memory and names it in the companion. The caller holds GROW, and the companion names none that is there.
fn make(request: &Request<'_>, key: &Key<'_>, open: &OpenSegment) -> Result<Mapping> {
    let failed = |cause: io::Error| Error::system(format!("make the memory of {key}"), &cause);
    let companion = &open.file;
    for _ in 0..ATTEMPTS {
        match under_key(key.number, companion, &open.header).map_err(failed)? {
            Under::Nothing => {}
            Under::Leftover(id) => {
                // Nobody is attached. That somebody else was faster is as good.
                let _ = call::remove(id);
                continue;
            }
            Under::Ours(id) => match attach_instance(id, &open.header, &open.stat, true).map_err(failed)? {
                Some(memory) => return name_memory(companion, id).map(|()| memory).map_err(failed),
                None => continue,
            },
            Under::Foreign(why) => return Err(foreign(key, why)),
        }
        // Said before there is memory: killed between its making and its header, it is known by this.
        companion
            .write_all_at(&process::pid().to_ne_bytes(), offset_of!(Header, creator_pid) as u64)
            .map_err(failed)?;
        memory_limit::check(open.header.max_bytes, &making(key, open.header.max_bytes))?;
        let bytes = usize::try_from(open.header.max_bytes).unwrap_or(usize::MAX);
        let id = match call::make(key.number, bytes, open.header.mode) {
            Ok(id) => id,
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(cause) => return Err(no_room(key, open.header.max_bytes, &cause)),
        };
        let filled = fill(request, id, open.header).and_then(|memory| name_memory(companion, id).map(|()| memory));
        return filled.map_err(|cause| {
            let _ = call::remove(id);
            no_room(key, open.header.max_bytes, &cause)
        });
    }
    Err(Error::new(ErrorKind::Busy, format!("{key} is taken and given back again and again by other processes")))
}

/// Killed before it: the memory holds our instance, and the next one names it.
fn name_memory(companion: &File, id: i32) -> io::Result<()> {
    companion.write_all_at(&id.to_ne_bytes(), offset_of!(Header, sysv_id) as u64)
}

/// Attaches fresh memory, has all of it be there (System V reserves nothing) and writes its header.
fn fill(request: &Request<'_>, id: i32, companions: Header) -> io::Result<Mapping> {
    if let Some(group) = segment_file::group_of(request.plan)? {
        call::set_group(id, group)?;
    }
    let (memory, _) = call::attach(id, true)?;
    memory.populate(0, memory.bytes())?;
    anonymous::write_header(&memory, &memory_header(companions, id, process::pid()));
    Ok(memory)
}

/// The header in the memory: the companion's, and who made it.
fn memory_header(companions: Header, id: i32, maker_pid: u32) -> Header {
    let mut header = anonymous::fixed_size(companions);
    header.sysv_id = id as u32;
    header.creator_pid = maker_pid;
    header
}

/// What stands under a key.
enum Under {
    Nothing,
    /// The memory of the companion's instance.
    Ours(i32),
    /// Of this user and label, and nobody is attached nor comes back.
    Leftover(i32),
    Foreign(Stranger),
}

/// Memory that is left alone, with the reason.
struct Stranger {
    shown: Option<Shown>,
    why: String,
}

fn under_key(key: i32, companion: &File, header: &Header) -> io::Result<Under> {
    let stranger = |shown, why: &str| Ok(Under::Foreign(Stranger { shown, why: why.into() }));
    let maker_pid = read_word(companion, offset_of!(Header, creator_pid))?;
    let users = file::stat(companion)?;
    let (memory, shown) = match call::find(key).and_then(|id| call::attach(id, false)) {
        Ok(attached) => attached,
        Err(cause) => {
            return match cause.raw_os_error() {
                // Removed while we looked, perhaps.
                Some(libc::ENOENT | libc::EINVAL | libc::EIDRM) => Ok(Under::Nothing),
                Some(libc::EACCES) => stranger(call::show_by_key(key), "this user may not even read it"),
                _ => Err(cause),
            };
        }
    };
    let is_mine = shown.uid == process::effective_uid() && shown.creator_uid == shown.uid;
    let is_of_its_users = is_of_its_users(&shown, &users);
    // Our own look at it does not count.
    let shown = Shown { attached: shown.attached.saturating_sub(1), ..shown };
    if !is_mine && !is_of_its_users {
        return stranger(Some(shown), "it belongs to another user");
    }
    let page = call::first_page(&memory);
    drop(memory);
    if !Header::has_magic(&page) {
        // Its maker was killed before it wrote the magic, and after any part of the rest.
        let whole = memory_header(*header, shown.id, maker_pid).to_bytes();
        let is_half_made = is_mine
            && page.iter().enumerate().all(|(at, byte)| *byte == 0 || whole.get(at) == Some(byte))
            && shown.bytes == header.max_bytes
            && shown.attached == 0
            && shown.creator_pid == maker_pid;
        return if is_half_made {
            Ok(Under::Leftover(shown.id))
        } else {
            stranger(Some(shown), "it is not Cotenant's")
        };
    }
    let Ok(theirs) = Header::check(&page, shown.bytes, &"") else {
        return stranger(Some(shown), "it is Cotenant's, but damaged or of another format");
    };
    if is_of_its_users && theirs.instance == header.instance && shown.bytes == header.max_bytes {
        return Ok(Under::Ours(shown.id));
    }
    if (theirs.name, theirs.scope) != (header.name, header.scope) {
        let why = format!("it is another segment of Cotenant's, `{}`", label(&theirs));
        return stranger(Some(shown), &why);
    }
    // Made by programs with another COTENANT_DIR, or their folder is gone.
    match (is_mine, shown.attached, theirs.keep) {
        (true, 0, 0) => Ok(Under::Leftover(shown.id)),
        (true, 0, _) => stranger(Some(shown), "it is kept until it is removed, and its companion lies elsewhere"),
        _ => stranger(Some(shown), "its programs share it by a companion elsewhere (another COTENANT_DIR or user)"),
    }
}

/// Removes the memory of a dead segment. The caller holds the write lock on the companion's life byte: nobody is
/// attached, and nobody makes any. Killed behind it: the companion names memory that is gone.
pub(super) fn remove_memory(folder: &Folder, name: &CStr, page: &[u8]) {
    let Some(key) = key_in(name) else { return };
    let Ok(companion) = file::open_at(Some(&folder.file), name, libc::O_RDONLY | libc::O_NOFOLLOW, 0) else { return };
    let bytes = file::stat(&companion).map_or(0, |stat| stat.bytes);
    let header = Header::check(page, bytes, &"").ok().filter(|header| header.backing == BackingKind::SysV as u8);
    let (Some(header), Ok(id)) = (header, read_word(&companion, offset_of!(Header, sysv_id))) else { return };
    let id = if id == NO_SYSV_ID {
        // Its maker was killed before it could name it.
        match under_key(key, &companion, &header) {
            Ok(Under::Ours(id) | Under::Leftover(id)) => Some(id),
            _ => None,
        }
    } else {
        let ours = file::stat(&companion).and_then(|users| attach_instance(id as i32, &header, &users, false));
        ours.ok().flatten().map(|_| id as i32)
    };
    if let Some(id) = id {
        let _ = call::remove(id);
    }
}

const ANOTHER_KEY: &str = "use another number or another file for the key";

fn foreign(key: &Key<'_>, stranger: Stranger) -> Error {
    let Some(shown) = stranger.shown else {
        let what = format!("{key} is taken by a segment that is left alone: {}", stranger.why);
        return Error::new(ErrorKind::Foreign, what).hint(ANOTHER_KEY);
    };
    let Shown { id, uid, bytes, creator_pid, attached, created_unix_s, .. } = shown;
    let what = format!(
        "{key} is taken by a segment that is left alone: {}; id {id}, of user {uid}, {bytes} bytes, made {} by \
         process {creator_pid}, {attached} attached",
        stranger.why,
        utc(created_unix_s)
    );
    Error::new(ErrorKind::Foreign, what)
        .hint(format!("{ANOTHER_KEY}; `ipcs -m -i {id}` shows it, and if nobody needs it `ipcrm -m {id}` removes it"))
}

fn making(key: &Key<'_>, bytes: u64) -> String {
    format!("make {bytes} bytes of System V memory for {key}")
}

fn no_room(key: &Key<'_>, bytes: u64, cause: &io::Error) -> Error {
    let doing = making(key, bytes);
    let number = |name| call::limit(name).map_or_else(|| "?".into(), |limit| limit.to_string());
    let hint = match cause.raw_os_error() {
        Some(libc::EINVAL) => format!(
            "one segment may have {} bytes (/proc/sys/kernel/shmmax): lower `max_bytes`, or raise it \
             (sysctl kernel.shmmax)",
            number("shmmax")
        ),
        Some(libc::ENOSPC) => format!(
            "there are {} segments of at most {} (/proc/sys/kernel/shmmni), with at most {} pages together \
             (/proc/sys/kernel/shmall): `ipcs -m` lists them, `ipcrm -m ID` removes one, sysctl raises the limits",
            call::count().map_or_else(|| "?".into(), |count| count.to_string()),
            number("shmmni"),
            number("shmall")
        ),
        Some(libc::ENOMEM) => "the machine, or its memory cgroup (memory.max), has no memory for it".into(),
        _ => return Error::system(doing, cause),
    };
    // EINVAL has no kind of its own.
    Error::system(doing, cause).of_kind(ErrorKind::NoSpace).hint(hint)
}

/// `2026-11-22 02:13:07 UTC`.
fn utc(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    // Days are counted from 0000-03-01, so that a leap day is a year's last (Howard Hinnant, "chrono-compatible
    // low-level date algorithms").
    let since_march = days + 719_468;
    let era = since_march.div_euclid(146_097);
    let day_of_era = since_march.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02} UTC", second % 60)
}

/// A segment that only children of a fork reach.
fn private(request: &Request<'_>) -> Result<Attached> {
    memfd::refuse_to_open(request, "by fork from the process that makes it")?;
    let name = memfd::display_name(request, "System V without a key");
    let mut header = anonymous::new_header(request, &name)?;
    let key = Key { number: 0, given: &SysVKey::Private };
    memory_limit::check(header.max_bytes, &making(&key, header.max_bytes))?;
    let bytes = usize::try_from(header.max_bytes).unwrap_or(usize::MAX);
    let id = call::make(0, bytes, header.mode).map_err(|cause| no_room(&key, header.max_bytes, &cause))?;
    // Killed between these calls: nobody can name the memory. It is what `ipcs -m` shows with key 0 and 0 attached.
    let memory = call::attach(id, true);
    let _ = call::remove(id);
    let (memory, _) = memory.map_err(|cause| no_room(&key, header.max_bytes, &cause))?;
    memory.populate(0, memory.bytes()).map_err(|cause| no_room(&key, header.max_bytes, &cause))?;
    header.sysv_id = id as u32;
    anonymous::write_header(&memory, &header);
    let locks = memfd::new_companion(&request.plan.name)?;
    let segment = locks.same();
    Attached::new(Parts { path: name, segment, locks, header, memory, created: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_868_799), "2000-02-29 23:59:59 UTC");
        assert_eq!(utc(1_795_313_587), "2026-11-22 02:13:07 UTC");
    }

    #[test]
    fn key_is_read_from_the_name_that_it_makes() {
        for key in [1, i32::MAX, i32::MIN, -2] {
            for scope in ["", "tests"] {
                assert_eq!(key_in(&companion_name(key, scope).expect("a name")), Some(key));
            }
        }
        assert_eq!(key_in(c"sysv-"), None);
        assert_eq!(key_in(c"acme"), None);
    }
}
