//! `SegmentOptions`: what is asked of a segment, checked as far as that takes no system call.

use std::path::{Path, PathBuf};

use super::backing::{Backing, Keep, SysVKey};
use super::environment;
use super::header::{BackingKind, MAX_PARTICIPANTS, SegmentKind};
use super::plan::{Plan, Room};
use super::request::{Opening, Request, is_makers_name};
use crate::error::{Error, ErrorKind, Result};
use crate::sys;

const DEFAULT_MODE: u32 = 0o600;
const DEFAULT_MAX_BYTES: u64 = 64 << 20;
const DEFAULT_MAX_OBJECTS: u32 = 1024;
const DEFAULT_MAX_PARTICIPANTS: u32 = 1024;
/// More than any machine's address space has room for.
const MOST_BYTES: u64 = 1 << 46;
const MOST_OBJECTS: u32 = 65_536;
/// As `shared!` has it: room for `@SCOPE` and what the system adds.
const MAX_NAME_CHARS: usize = 100;
/// Names of blocks without a name, and of what stands for System V memory.
const RESERVED_PREFIXES: [(&str, &str); 2] =
    [("image-", "blocks without a name"), ("sysv-", "System V segments, which are found by their key")];
/// Room for an object's schema, on average.
const SCHEMA_BYTES: usize = 1024;

/// How a [`Segment`](crate::Segment) is opened or created. What a backing cannot do is refused by the call that opens,
/// before any system call.
///
/// The options that describe the segment count for the one who creates it; one who finds it gets it as it is, except
/// that its mode and group must be those that were asked for, if any were, and that a segment that others may write is
/// refused to who has not asked for it.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use cotenant::{Keep, Segment};
///
/// # fn main() -> cotenant::Result<()> {
/// # let name = format!("example.options.{}", std::process::id());
/// let segment = Segment::options().max_bytes(16 << 20).keep(Keep::WhileAttached).open_or_create(&name)?;
/// segment.get_or_init("hits", || AtomicU64::new(0))?.fetch_add(1, Relaxed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until `create`, `open` or `open_or_create`"]
pub struct SegmentOptions {
    backing: Backing,
    max_bytes: u64,
    max_objects: u32,
    max_participants: u32,
    keep: Option<Keep>,
    mode: Option<u32>,
    group: Option<String>,
    scope: Option<String>,
    folder: Option<PathBuf>,
    user: Option<u32>,
    huge_pages: bool,
    prefault: bool,
}

impl Default for SegmentOptions {
    fn default() -> SegmentOptions {
        SegmentOptions {
            backing: Backing::default(),
            max_bytes: DEFAULT_MAX_BYTES,
            max_objects: DEFAULT_MAX_OBJECTS,
            max_participants: DEFAULT_MAX_PARTICIPANTS,
            keep: None,
            mode: None,
            group: None,
            scope: None,
            folder: None,
            user: None,
            huge_pages: false,
            prefault: false,
        }
    }
}

/// What is to be set.
impl SegmentOptions {
    /// What its memory is made of. Without this: what has a name on this system ([`Backing::default`]).
    pub fn backing(mut self, backing: Backing) -> Self {
        self.backing = backing;
        self
    }

    /// The bytes that its objects may come to take, rounded up to whole pages; 64 MiB without this. Address space,
    /// not memory, except where a backing cannot grow (anonymous, System V).
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many objects it may come to hold, 1 to 65,536; 1,024 without this.
    pub fn max_objects(mut self, objects: u32) -> Self {
        self.max_objects = objects;
        self
    }

    /// How many processes may be attached at once, 1 to 4,095, readers not counted; 1,024 without this.
    pub fn max_participants(mut self, participants: u32) -> Self {
        self.max_participants = participants;
        self
    }

    /// How long its values live; without this as long as a process is attached, or, in a file, until that is deleted.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Who may write and read it, as permission bits: of `0o664`, at least `0o600`, which is what a new segment has
    /// without this. For a group give `0o660`, and `0o640` or `0o644` for readers ([`open_reader`](Self::open_reader)).
    ///
    /// One that is there must have this mode, or it is refused (`Mismatch`). Without this it is taken as it is, unless
    /// others may write it.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The group that `mode` speaks of, by name or number; without this the process's own.
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// Keeps segments of one name apart, instead of `COTENANT_SCOPE`; empty: none, whatever the environment says.
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// The folder where it lies, an absolute path, instead of `COTENANT_DIR` or the user's own in `/dev/shm`.
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Of a reader: the user (by number) whose segment is to be read; without this the one who runs the program.
    pub fn user(mut self, uid: u32) -> Self {
        self.user = Some(uid);
        self
    }

    /// Asks the system for huge pages (2 MiB on x86-64), which make access to large data cheaper: memory that is
    /// reserved 2 MiB and more at a time lies in them from the start
    /// ([`MADV_COLLAPSE`](https://man7.org/linux/man-pages/man2/madvise.2.html), Linux 6.1), whatever
    /// `/sys/kernel/mm/transparent_hugepage/shmem_enabled` says but `deny`. A wish: where there are none ordinary pages
    /// serve. Where free memory is in small pieces the system first puts it together, so that gigabytes may take
    /// several times as long as in ordinary pages; and all of them count as resident in the process that made them.
    pub fn huge_pages(mut self, wanted: bool) -> Self {
        self.huge_pages = wanted;
        self
    }

    /// Asks for huge pages unless the backing never has any.
    pub(crate) fn huge_pages_if_possible(mut self) -> Self {
        self.huge_pages |= self.backing.abilities().huge_pages.is_ok();
        self
    }

    /// Has memory be there before the first access: whoever makes the segment grow waits for the pages, and nobody
    /// meets them by page faults later.
    pub fn prefault(mut self, wanted: bool) -> Self {
        self.prefault = wanted;
        self
    }
}

/// What the ends have in common.
impl SegmentOptions {
    /// Opens or creates, or says why not.
    pub(crate) fn attach(&self, name: &str, opening: Opening) -> Result<&'static sys::Attached> {
        if self.user.is_some() {
            return Err(refused(name, "`user` is for readers: who writes does so as the user that runs the program"));
        }
        let kind = self.backing.kind();
        let inherited = kind.abilities().opened_by.err().filter(|_| opening == Opening::Open);
        if let Some(why) = inherited {
            return Err(unsupported(kind, name, "be opened by a name", why));
        }
        self.with_request(name, opening, sys::segment::open)
    }

    /// Opens for reading, or says why not.
    pub(crate) fn attach_reader(&self, name: &str) -> Result<sys::segment::Reading> {
        let kind = self.backing.kind();
        if let Err(why) = kind.abilities().readers {
            return Err(unsupported(kind, name, "be opened by a reader", why));
        }
        self.with_request(name, Opening::Open, sys::segment::open_reader)
    }

    /// Takes the name from a segment: whoever starts from here on makes another one. Those attached go on with each
    /// other, and notice ([`Segment::is_unlinked`](crate::Segment::is_unlinked)); its memory goes with the last of
    /// them. Of a file, a kept segment and one that only the dead left, this is the end of its values, too. Blocks and
    /// segments have their names in common: a named block's segment goes as well.
    ///
    /// Waits while others are at work on the name, about two seconds at most.
    ///
    /// ```
    /// use cotenant::{ErrorKind, Segment};
    ///
    /// # fn main() -> cotenant::Result<()> {
    /// # let name = &format!("example.unlink.{}", std::process::id());
    /// let old = Segment::options().create(name)?;
    /// Segment::options().unlink(name)?;
    /// assert!(old.is_unlinked());
    /// assert_eq!(Segment::options().unlink(name).unwrap_err().kind(), ErrorKind::NotFound);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `NotFound`: there is none of that name.
    /// - `Unsupported`: a backing without names.
    /// - `Foreign`: something that is not ours lies there; it is left alone.
    /// - `Busy`: another process removes it and does not finish.
    pub fn unlink(&self, name: &str) -> Result<()> {
        let kind = self.backing.kind();
        if let Err(why) = kind.abilities().opened_by {
            return Err(unsupported(kind, name, "be unlinked", why));
        }
        self.with_request(name, Opening::Open, sys::segment::unlink)
    }

    /// Hands the checked request to `use_it`.
    pub(crate) fn with_request<R>(
        &self,
        name: &str,
        opening: Opening,
        use_it: impl FnOnce(&Request<'_>) -> Result<R>,
    ) -> Result<R> {
        self.check(name)?;
        const CONSENT: &str = "whoever starts it may stop it inside a lock: pass values on in another way";
        if let Some(error) = environment::switched_off(false, CONSENT) {
            return Err(error);
        }
        let scope = match &self.scope {
            Some(scope) => environment::check_scope(scope, "the segment's scope")?,
            None => environment::scope()?,
        };
        let plan = self.plan(name, scope);
        let file_name = match (plan.backing == BackingKind::File as u8, plan.scope.is_empty()) {
            (false, false) => format!("{name}@{}", plan.scope),
            _ => name.to_owned(),
        };
        use_it(&Request {
            plan: &plan,
            name: &file_name,
            backing: self.backing.kind(),
            opening,
            mode_is_given: self.mode.is_some(),
            folder: self.folder.clone(),
            user: self.user,
            prefault: self.prefault,
            huge_pages: self.huge_pages,
            sysv_key: match &self.backing {
                Backing::SysV(key) => Some(key),
                _ => None,
            },
        })
    }

    fn plan(&self, name: &str, scope: String) -> Plan {
        let kind = self.backing.kind();
        let is_file = kind == BackingKind::File;
        let label =
            if is_file { Path::new(name).file_name().unwrap_or_default().to_string_lossy() } else { name.into() };
        let page = sys::page_bytes() as u64;
        let schema_bytes = (self.max_objects as usize * SCHEMA_BYTES).clamp(256 << 10, 16 << 20);
        Plan {
            kind: SegmentKind::Objects,
            name: label.into_owned(),
            scope: if is_file { String::new() } else { scope },
            build_id: Vec::new(),
            keep_until_removed: is_file || self.keep == Some(Keep::UntilRemoved),
            mode: self.mode_or_default(),
            group: self.group.clone(),
            fingerprint: 0,
            objects: Vec::new(),
            schemas: Vec::new(),
            data_bytes: 0,
            initial: Vec::new(),
            page_bytes: sys::page_bytes(),
            room: Room {
                participants: self.max_participants,
                objects: self.max_objects as usize,
                schema_bytes,
                data_bytes: self.max_bytes.next_multiple_of(page),
            },
            backing: kind as u8,
        }
    }

    /// Everything that can be told without asking the system.
    fn check(&self, name: &str) -> Result<()> {
        let kind = self.backing.kind();
        if !sys::segment::BACKINGS.contains(&kind) {
            let what = format!("{} cannot be had on this system (the segment `{name}`)", kind.label());
            return Err(Error::new(ErrorKind::Unsupported, what).hint("leave `backing` out for what it has"));
        }
        if kind == BackingKind::File {
            check_path(name)?
        } else {
            check_name(name)?
        }
        let abilities = self.backing.abilities();
        let wishes = [
            (self.keep == Some(Keep::UntilRemoved), abilities.keep, "be kept until it is removed"),
            (self.keep == Some(Keep::WhileAttached), abilities.forget, "end with its last user"),
            (self.mode_or_default() != DEFAULT_MODE || self.group.is_some(), abilities.mode, "have a mode or group"),
            (self.folder.is_some(), abilities.folder, "be put into a folder"),
            (self.scope.is_some(), abilities.scope, "have a scope"),
            (self.huge_pages, abilities.huge_pages, "have huge pages"),
        ];
        for (is_wished, ability, what) in wishes {
            if let (true, Err(why)) = (is_wished, ability) {
                return Err(unsupported(kind, name, what, why));
            }
        }
        let bounds = [
            ("max_bytes", self.max_bytes, MOST_BYTES),
            ("max_objects", self.max_objects.into(), MOST_OBJECTS.into()),
            ("max_participants", self.max_participants.into(), MAX_PARTICIPANTS.into()),
        ];
        for (option, value, most) in bounds {
            if value == 0 || value > most {
                return Err(refused(name, &format!("`{option}` is {value}: it must be 1 to {most}")));
            }
        }
        match &self.backing {
            Backing::SysV(SysVKey::Number(0)) => Err(refused(name, "key 0 finds nothing: use `SysVKey::Private`")),
            Backing::SysV(SysVKey::File { number: 0, .. }) => Err(refused(name, "`number` of a key must not be 0")),
            _ => self.check_mode(name),
        }
    }

    fn mode_or_default(&self) -> u32 {
        self.mode.unwrap_or(DEFAULT_MODE)
    }

    pub(crate) fn check_mode(&self, name: &str) -> Result<()> {
        let mode = self.mode_or_default();
        if mode & 0o002 != 0 {
            return Err(refused(name, "its mode would let every user of this machine write: use `group`, and 0o660"));
        }
        if mode & !0o666 != 0 || mode & 0o600 != 0o600 {
            return Err(refused(name, &format!("mode 0o{mode:o} is none: take 0o600 and what you want of 0o064")));
        }
        if self.group.is_some() && mode & 0o060 == 0 {
            return Err(refused(name, &format!("mode 0o{mode:o} gives its group nothing: add 0o060 or 0o040")));
        }
        if self.group.as_deref() == Some("") {
            return Err(refused(name, "the group has no name"));
        }
        let only_read = mode & 0o044 & !((mode & 0o022) << 1);
        if matches!(self.backing, Backing::SysV(_)) && only_read != 0 {
            let why = format!("mode 0o{mode:o} is for readers, and a System V segment has none: take 0o600 or 0o660");
            return Err(refused(name, &why));
        }
        Ok(())
    }
}

fn unsupported(kind: BackingKind, name: &str, what: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{} cannot {what} (`{name}`): {why}", kind.label()))
}

fn refused(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("cannot create or open the segment `{name}`: {why}"))
}

/// The rules of `shared!` for the names of blocks: both have their names in common.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let shown: String = name.chars().take(MAX_NAME_CHARS).collect();
    if name.len() > MAX_NAME_CHARS || !name.bytes().all(is_allowed) || !begins_well {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{shown:?} is no name for a segment"))
            .hint(format!("use at most {MAX_NAME_CHARS} of A-Z a-z 0-9 . _ -, beginning with a letter or a digit")));
    }
    match RESERVED_PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        Some((prefix, whose)) => Err(refused(name, &format!("names that begin with `{prefix}` belong to {whose}"))),
        None => Ok(()),
    }
}

fn check_path(path: &str) -> Result<()> {
    if path.is_empty() || path.ends_with('/') || path.contains('\0') || Path::new(path).file_name().is_none() {
        return Err(Error::new(ErrorKind::InvalidInput, format!("{path:?} is no path of a file for a segment")));
    }
    let name = Path::new(path).file_name().unwrap_or_default();
    if is_makers_name(name.as_encoded_bytes()) {
        let what = format!("{path:?} is a name that Cotenant gives to unfinished files, and removes");
        return Err(Error::new(ErrorKind::InvalidInput, what).hint("take another name"));
    }
    Ok(())
}
