//! The folder of segments: is it there, is it ours, is there room, and what lies in it.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cotenant::inspect::printable;

use super::Check;
use crate::look::{Row, State, Survey, View, by_descriptor, bytes, names, user};

/// A file system with less than this part free is nearly full.
const FREE_PERCENT_MIN: u64 = 10;
/// Docker's, Podman's and Kubernetes' default size of /dev/shm.
const CONTAINER_SHM_BYTES: u64 = 64 << 20;
/// Names that are listed.
const LISTED_MAX: usize = 5;

pub(super) fn checks(view: &View, survey: &Survey) -> Vec<Check> {
    let mut checks = Vec::new();
    let place = view.given_folder.clone().unwrap_or_else(|| view.shm().to_owned());
    checks.push(folder(view, survey, &place));
    checks.extend(room(view, &place));
    checks.extend(planted(view));
    checks.push(dead(&survey.rows));
    checks.push(damaged(&survey.rows));
    checks.push(unlinked(&survey.rows));
    checks
}

fn folder(view: &View, survey: &Survey, place: &Path) -> Check {
    const NAME: &str = "folder";
    if let Some(folder) = survey.folders.first() {
        let paths: Vec<_> = survey.folders.iter().map(|folder| folder.shown.display().to_string()).collect();
        let writers = if view.given_folder.is_some() { 0o022 } else { 0o002 };
        if folder.mode & writers != 0 {
            let found = format!("{} can be written by others (mode {:04o})", paths[0], folder.mode);
            // Never of /tmp and its like: there others must write.
            let or = if folder.mode & 0o1000 == 0 { ", or chmod go-w it" } else { "" };
            return Check::problem(NAME, found, format!("name a folder of this user alone with COTENANT_DIR{or}"));
        }
        let is_strange = view.uid.is_some_and(|uid| uid != folder.uid && folder.uid != 0);
        if is_strange && view.given_folder.is_some() {
            let found = format!("{} belongs to {}", paths[0], user(folder.uid));
            return Check::problem(NAME, found, "name a folder of this user with COTENANT_DIR");
        }
        return Check::ok(NAME, format!("segments lie in {}", paths.join(", ")));
    }
    match view.open_folder(place) {
        Ok(_) => Check::ok(NAME, format!("none yet: the first program makes one in {}", place.display())),
        Err(error) if error.kind() == ErrorKind::NotFound && view.given_folder.is_some() => {
            Check::ok(NAME, format!("{} (COTENANT_DIR) is not there yet: the first program makes it", place.display()))
        }
        Err(error) => Check::problem(
            NAME,
            format!("{} cannot be opened: {error}", place.display()),
            "mount a tmpfs at /dev/shm, or name a folder on one with COTENANT_DIR",
        ),
    }
}

/// Size and use of the file system, and how it is mounted.
fn room(view: &View, place: &Path) -> Vec<Check> {
    const NAME: &str = "room";
    let parent = place.parent().unwrap_or(place);
    let Ok(folder) = view.open_folder(place).or_else(|_| view.open_folder(parent)) else { return Vec::new() };
    let (Ok(stat), Ok(kind)) = (rustix::fs::fstatvfs(&folder), rustix::fs::fstatfs(&folder)) else {
        return vec![Check::unknown(NAME, format!("the size of {} is not told", place.display()))];
    };
    let total = stat.f_blocks.saturating_mul(stat.f_frsize);
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let says = format!("{}: {} of {} free", place.display(), bytes(free), bytes(total));
    let enlarge = "remove what is not needed (cotenant prune, ls -l /dev/shm), or enlarge it: mount -o \
                   remount,size=... /dev/shm; Docker --shm-size; in Kubernetes an emptyDir with medium: Memory";
    let is_short =
        |free: u64, total: u64| total > 0 && free.saturating_mul(100) < total.saturating_mul(FREE_PERCENT_MIN);
    let mut checks = vec![match () {
        // A size of 0 is a tmpfs without a limit.
        () if total == 0 => Check::ok(NAME, format!("{}: no limit of its own", place.display())),
        () if free < 1 << 20 => Check::problem(NAME, says, enlarge),
        () if is_short(free, total) => Check::warning(NAME, says, enlarge),
        () if total <= CONTAINER_SHM_BYTES => {
            Check::warning(NAME, format!("{says}; 64 MiB is what containers get by default"), enlarge)
        }
        () => Check::ok(NAME, says),
    }];
    if stat.f_files > 0 && is_short(stat.f_favail, stat.f_files) {
        let says = format!("{}: {} of {} files left", place.display(), stat.f_favail, stat.f_files);
        checks.push(Check::warning("files", says, "remove files there, or mount it with a larger nr_inodes"));
    }
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    #[allow(clippy::unnecessary_cast)] // Of other widths on other targets.
    let kind = kind.f_type as i64;
    checks.push(match kind {
        TMPFS | RAMFS => Check::ok("memory", "segments lie in memory (tmpfs)"),
        other => Check::warning(
            "memory",
            format!("{} is on no tmpfs (type {other:#x}): shared pages are written to a disk", place.display()),
            "name a folder on a tmpfs with COTENANT_DIR, or unset it",
        ),
    });
    checks.extend(mount_options(view, place));
    checks
}

fn mount_options(view: &View, place: &Path) -> Option<Check> {
    const NAME: &str = "mount";
    let process = view.process.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let table = std::fs::read_to_string(format!("/proc/{process}/mountinfo")).ok()?;
    let (point, options) = mount_of(&table, place)?;
    let has = |wanted: &str| options.split(',').any(|option| option == wanted);
    if has("ro") {
        let found = format!("{point} is mounted read-only");
        return Some(Check::problem(NAME, found, "mount it read-write, or name another folder with COTENANT_DIR"));
    }
    let noexec = if has("noexec") { "; noexec does no harm here" } else { "" };
    Some(Check::ok(NAME, format!("{point} is mounted {options}{noexec}")))
}

/// The mount that a path lies on: its point, and the options of mount and file system.
fn mount_of(table: &str, path: &Path) -> Option<(String, String)> {
    let mounts = table.lines().filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let fields: Vec<_> = mount.split(' ').collect();
        // Spaces and the like are written as octal numbers.
        let point = fields.get(4)?.replace("\\040", " ");
        path.starts_with(&point).then(|| {
            let options = format!("{},{}", fields.get(5).unwrap_or(&""), file_system.split(' ').nth(2).unwrap_or(""));
            (point, options)
        })
    });
    // Of two mounted at one point the later one counts.
    mounts.enumerate().max_by_key(|(index, (point, _))| (point.len(), *index)).map(|(_, mount)| mount)
}

/// Names of ours in /dev/shm that others took first.
fn planted(view: &View) -> Option<Check> {
    let uid = view.uid?;
    let parent = view.open_folder(view.shm()).ok()?;
    let path = by_descriptor(&parent);
    let name = format!("cotenant-{uid}");
    let stat = std::fs::symlink_metadata(path.join(&name)).ok()?;
    let owner = stat.uid();
    if stat.is_dir() && owner == uid {
        return None;
    }
    let other = names(&path).into_iter().find(|it| it.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-')));
    let found = format!(
        "{}/{name} is {}'s, not this user's: segments lie in {} instead",
        view.shm().display(),
        user(owner),
        other.map_or_else(|| "another folder".to_owned(), |it| PathBuf::from(it).display().to_string()),
    );
    Some(Check::warning("planted", found, "it does no harm; have that user, or root, remove it"))
}

/// The file's name; where there is none any more, the segment's.
fn name(row: &Row) -> String {
    if row.home.is_some() { printable(&row.file_name) } else { row.label() }
}

fn listed(rows: &[&Row]) -> String {
    let mut names: Vec<_> = rows.iter().take(LISTED_MAX).map(|row| name(row)).collect();
    names.extend((rows.len() > LISTED_MAX).then(|| format!("{} more", rows.len() - LISTED_MAX)));
    names.join(", ")
}

fn dead(rows: &[Row]) -> Check {
    const NAME: &str = "dead-segments";
    let dead: Vec<_> = rows.iter().filter(|row| row.state == State::Dead).collect();
    let taken: u64 = dead.iter().filter_map(|row| row.facts).map(|facts| facts.allocated_bytes).sum();
    // A few small ones are how it always is: a program's last segment waits for its next start.
    if taken < 1 << 20 && dead.len() < 100 {
        return Check::ok(NAME, format!("{} left by programs that ended, {}", dead.len(), bytes(taken)));
    }
    let found = format!("{} left by programs that ended take {}: {}", dead.len(), bytes(taken), listed(&dead));
    Check::warning(NAME, found, "cotenant prune removes them; a timer may run it at any time, it harms nobody")
}

fn damaged(rows: &[Row]) -> Check {
    const NAME: &str = "damaged";
    let damaged: Vec<_> =
        rows.iter().filter(|row| row.state == State::Damaged || row.segment.is_some() && row.error.is_some()).collect();
    if damaged.is_empty() {
        return Check::ok(NAME, "every file in the folders is a segment that makes sense");
    }
    let why = damaged[0].error.as_deref().unwrap_or("it makes no sense");
    let found = format!("{}; of the first: {why}", listed(&damaged));
    Check::problem(
        NAME,
        found,
        "end the programs that use it and remove the file; programs of that name fail until then",
    )
}

fn unlinked(rows: &[Row]) -> Check {
    const NAME: &str = "unlinked";
    let unlinked: Vec<_> = rows.iter().filter(|row| row.state == State::Unlinked).collect();
    if unlinked.is_empty() {
        return Check::ok(NAME, "no segment that can be seen lost its name while in use");
    }
    let users = unlinked.iter().flat_map(|row| &row.members);
    let mut pids: Vec<_> = users.filter_map(|member| member.pid).map(|pid| pid.to_string()).collect();
    pids.truncate(LISTED_MAX);
    let found = format!("{}, by {}: programs that start now share with others", listed(&unlinked), pids.join(", "));
    Check::problem(
        NAME,
        found,
        "start its programs anew; what removed it was RemoveIPC (see below), rm, or cotenant rm",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_is_the_longest_and_last() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:5 / /dev/shm rw,nosuid - tmpfs shm rw,size=1k\n\
                     3 1 0:6 / /dev/shm ro - tmpfs shm rw,size=2k\n4 1 0:7 / /dev/sh rw - tmpfs x rw\n";
        let found = mount_of(table, Path::new("/dev/shm/cotenant-0"));
        assert_eq!(found, Some(("/dev/shm".to_owned(), "ro,rw,size=2k".to_owned())));
    }
}
