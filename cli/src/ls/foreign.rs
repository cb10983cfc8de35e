//! Shared memory that is not ours: System V segments without a companion of ours, and what else lies in /dev/shm.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use crate::look::{FileKey, Process, Survey, View, by_descriptor, names};

pub(super) struct Foreign {
    pub(super) kind: &'static str,
    /// The file's name, or the key as `ipcs` shows it.
    pub(super) name: String,
    /// A System V segment's id.
    pub(super) id: Option<u64>,
    pub(super) bytes: u64,
    pub(super) uid: u32,
    pub(super) mode: u32,
    /// System V: how often it is attached, also by processes that cannot be seen.
    pub(super) attached: Option<u64>,
    pub(super) users: Vec<Rc<Process>>,
}

pub(super) fn find(view: &View, survey: &mut Survey) -> Vec<Foreign> {
    let mut found = posix(view, survey);
    if view.is_elsewhere() {
        survey.unseen.push(
            "System V segments belong to an IPC namespace: nsenter --ipc -t PID cotenant ls --all shows those there"
                .to_owned(),
        );
    } else {
        found.extend(sysv(survey));
    }
    found
}

fn posix(view: &View, survey: &Survey) -> Vec<Foreign> {
    let Ok(folder) = view.open_folder(view.shm()) else { return Vec::new() };
    let path = by_descriptor(&folder);
    let ours = |name: &String| name.starts_with("cotenant-") || name.starts_with(".cotenant-");
    // COTENANT_DIR may lie there, under any name.
    let is_looked_into = |name: &String| survey.folders.iter().any(|folder| folder.shown == view.shm().join(name));
    let others = names(&path).into_iter().filter(|name| !ours(name) && !is_looked_into(name));
    others.filter_map(|name| file(&path, name, survey)).collect()
}

fn file(folder: &Path, name: String, survey: &Survey) -> Option<Foreign> {
    let stat = std::fs::symlink_metadata(folder.join(&name)).ok()?;
    let kind = match () {
        () if stat.is_dir() => "folder",
        () if !stat.is_file() => "other",
        () if name.starts_with("sem.") => "posix-semaphore",
        () => "posix",
    };
    let users = users(survey, FileKey::File { device: stat.dev(), inode: stat.ino() });
    let (bytes, uid, mode) = (stat.size(), stat.uid(), stat.mode() & 0o7777);
    Some(Foreign { kind, name, id: None, bytes, uid, mode, attached: None, users })
}

fn users(survey: &Survey, key: FileKey) -> Vec<Rc<Process>> {
    survey.census.of(key).iter().filter_map(|mapped| survey.census.process(mapped.pid)).collect()
}

/// `/proc/sysvipc/shm`, a line each: key shmid perms size cpid lpid nattch uid ...
fn sysv(survey: &Survey) -> Vec<Foreign> {
    let ours: Vec<_> = survey.rows.iter().filter_map(|row| row.description()?.sysv_id).map(u64::from).collect();
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let parse = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let id = number(1)?;
        // The key is a signed number there, and people know it as ipcs writes it.
        let key = fields.first()?.parse::<i32>().ok()?;
        Some(Foreign {
            kind: "sysv",
            name: format!("{:#010x}", key as u32),
            id: Some(id),
            bytes: number(3)?,
            uid: number(7)? as u32,
            mode: u32::from_str_radix(fields.get(2)?, 8).ok()? & 0o777,
            attached: number(6),
            users: users(survey, FileKey::SysV(id)),
        })
    };
    table.lines().skip(1).filter_map(parse).filter(|segment| !segment.id.is_some_and(|id| ours.contains(&id))).collect()
}
