//! The file system under a file: its name, and whether processes can share what lies on it.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

/// By the numbers of [`statfs(2)`](https://man7.org/linux/man-pages/man2/statfs.2.html).
const NAMES: &[(u32, &str)] = &[
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x9584_58f6, "hugetlbfs"),
    (0x0000_ef53, "ext4"),
    (0x5846_5342, "XFS"),
    (0x9123_683e, "Btrfs"),
    (0xf2f5_2010, "F2FS"),
    (0x2fc1_2fc1, "ZFS"),
    (0x794c_7630, "overlayfs"),
    (0x6573_5546, "FUSE"),
    (0x0000_4d44, "FAT"),
    (0x2011_bab0, "exFAT"),
    (0x0000_9fa0, "proc"),
    (0x6265_6572, "sysfs"),
];

/// Other machines change their files, and this one's memory does not show it.
const OF_SEVERAL_MACHINES: &[(u32, &str)] = &[
    (0x0000_6969, "NFS"),
    (0x0000_517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
];

/// What lies on these is memory, and is charged as such.
const IN_MEMORY: [u32; 3] = [0x0102_1994, 0x8584_58f6, 0x9584_58f6];

/// The number of the file system's kind ([`fstatfs(2)`](https://man7.org/linux/man-pages/man2/statfs.2.html)).
#[doc(alias = "fstatfs")]
fn kind(file: &File) -> io::Result<u32> {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the buffer is as large as the call wants.
    if unsafe { libc::fstatfs(file.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and has filled it.
    Ok(unsafe { stat.assume_init() }.f_type as u32)
}

/// The name of the file system that a file or folder lies on; its number if it is not in the table.
pub(super) fn name(file: &File) -> String {
    let Ok(kind) = kind(file) else { return "unknown".into() };
    let known = NAMES.iter().chain(OF_SEVERAL_MACHINES).find(|(number, _)| *number == kind);
    known.map_or_else(|| format!("{kind:#x}"), |(_, name)| (*name).to_owned())
}

/// Whether the bytes of a file are memory and nothing else.
pub(super) fn is_memory(file: &File) -> bool {
    kind(file).is_ok_and(|kind| IN_MEMORY.contains(&kind))
}

/// The name of a file system that several machines use at once, if it is one.
pub(super) fn of_several_machines(file: &File) -> Option<&'static str> {
    let kind = kind(file).ok()?;
    OF_SEVERAL_MACHINES.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_have_their_names() {
        let open = |path: &str| File::open(path).expect("a folder");
        assert_eq!(name(&open("/proc")), "proc");
        assert_eq!(name(&open("/dev/shm")), "tmpfs");
        assert_eq!(of_several_machines(&open("/dev/shm")), None);
        assert!(is_memory(&open("/dev/shm")) && !is_memory(&open("/proc")));
    }
}
