//! Systems without `/proc`, `O_TMPFILE` or `FUTEX_WAKE_OP`; raised privileges.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, set_mode, set_owner};
use crate::support::sandbox::{Sandbox, files_in};

pub(crate) const TESTS: &[Named] = &[
    ("without_unnamed_files_a_temporary_name_is_used", without_unnamed_files_a_temporary_name_is_used),
    ("without_unnamed_files_many_can_start_at_once", without_unnamed_files_many_can_start_at_once),
    ("left_over_temporary_file_is_removed", left_over_temporary_file_is_removed),
    ("lock_with_waiters_is_released_without_wake_op", lock_with_waiters_is_released_without_wake_op),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("without_proc_processes_share_and_notice_deaths", without_proc_processes_share_and_notice_deaths),
    ("program_with_raised_privileges_shares_nothing", program_with_raised_privileges_shares_nothing),
];

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// Where the filter finds the low half of a system call's argument.
const fn argument(index: u32) -> u32 {
    16 + index * 8 + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// Has the kernel refuse `O_TMPFILE` to `command`, as a file system without it does.
fn without_unnamed_files(command: Command) -> Command {
    filtered(
        command,
        [
            step(LOAD, 0, 0, 0), // The call's number.
            step(EQUAL, libc::SYS_openat as u32, 0, 4),
            step(LOAD, argument(2), 0, 0),
            step(AND, (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32, 0, 0),
            step(ANY_BIT, u32::MAX, 0, 1),
            step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EOPNOTSUPP as u32, 0, 0),
            step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        ],
    )
}

/// Has the kernel refuse `FUTEX_WAKE_OP` to `command`, as some sandboxes do.
fn without_wake_op(command: Command) -> Command {
    filtered(
        command,
        [
            step(LOAD, 0, 0, 0), // The call's number.
            step(EQUAL, libc::SYS_futex as u32, 0, 4),
            step(LOAD, argument(1), 0, 0),
            step(AND, libc::FUTEX_CMD_MASK as u32, 0, 0),
            step(EQUAL, libc::FUTEX_WAKE_OP as u32, 0, 1),
            step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
            step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        ],
    )
}

/// Has the kernel ask `filter` about each system call of `command` (seccomp(2)).
fn filtered(mut command: Command, filter: [libc::sock_filter; 7]) -> Command {
    let install = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: no pointer.
        let failed = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0
            // SAFETY: the program outlives the call.
            || unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) } != 0;
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(install) };
    command
}

fn lock_with_waiters_is_released_without_wake_op() {
    let sandbox = Sandbox::new();
    let start = || Peer::start(&mut without_wake_op(sandbox.command("actor")));
    let (mut one, mut two) = (start(), start());
    for _ in 0..5 {
        assert_eq!(one.ask("hold"), "held");
        two.tell("hold");
        two.expect_silence(std::time::Duration::from_millis(100), "the lock is held");
        assert_eq!(one.ask("release"), "released");
        assert_eq!(two.answer("hold"), "held");
        std::mem::swap(&mut one, &mut two);
        assert_eq!(one.ask("release"), "released");
    }
}

fn without_unnamed_files_a_temporary_name_is_used() {
    let sandbox = Sandbox::new();
    let mut one = Peer::start(&mut without_unnamed_files(sandbox.command("actor")));
    let mut two = Peer::start(&mut without_unnamed_files(sandbox.command("actor")));
    let mut with = sandbox.start("actor");
    assert_eq!((one.ask("add"), two.ask("add"), with.ask("add")), ("1".into(), "2".into(), "3".into()));
    assert_eq!(sandbox.files().len(), 2, "{:?}", sandbox.files());
}

fn without_unnamed_files_many_can_start_at_once() {
    for _ in 0..20 {
        let sandbox = Sandbox::new();
        let launch = |_| Peer::launch(&mut without_unnamed_files(sandbox.command("actor")));
        let mut peers: Vec<_> = (0..12).map(launch).collect();
        peers.iter().for_each(|peer| assert_eq!(peer.answer("its start"), "ready"));
        peers.iter_mut().for_each(|peer| drop(peer.ask("add")));
        assert_eq!(peers[0].ask("add"), "13");
        assert_eq!(sandbox.files().len(), 2, "{:?}", sandbox.files());
    }
}

fn left_over_temporary_file_is_removed() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join(".new-0123456789abcdef"), "whose maker was killed").expect("a file");
    let _peer = Peer::start(&mut without_unnamed_files(sandbox.command("actor")));
    assert_eq!(sandbox.files().len(), 2, "{:?}", sandbox.files());
}

fn without_proc_processes_share_and_notice_deaths() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    in_mount_namespace(|| {
        mount_tmpfs("/proc", "size=4k");
        let start = || Peer::start(&mut copied.command("actor", Some(sandbox.path())));
        let (mut one, mut two) = (start(), start());
        assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "2".into()));
        assert_eq!(one.ask("lock"), "locked");
        two.tell("lock");
        two.expect_silence(std::time::Duration::from_millis(200), "the owner lives");
        one.kill();
        let answer = two.answer("lock");
        assert!(answer.starts_with(&format!("process {} ", one.pid)), "{answer}");
        assert_eq!(sandbox.files().len(), 2, "{:?}", sandbox.files());
    });
}

fn program_with_raised_privileges_shares_nothing() {
    const OWNER: u32 = 4712;
    let (copied, folder) = (Copied::new(), tempfile::tempdir().expect("a folder"));
    set_owner(folder.path(), NOBODY, NOBODY);
    set_owner(&copied.program, OWNER, OWNER);
    set_mode(&copied.program, 0o4755);
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        let start = |private: Option<&str>| {
            let mut command = copied.command("actor", Some(folder.path()));
            private.map(|value| command.env("COTENANT_PRIVATE", value));
            command.env("COTENANT_SCOPE", "chosen-by-the-starter");
            Peer::start(as_user(&mut command, NOBODY, NOBODY, vec![]))
        };
        let (mut one, mut two) = (start(None), start(Some("1")));
        assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "1".into()));
        let state = one.ask("state ");
        assert!(state.starts_with("Private") && state.contains("raised privileges"), "{state}");
        let shared = "shared /dev/shm/cotenant-4712/environment.privileged";
        assert_eq!(one.ask("state environment.privileged"), shared, "it says `when_privileged = share`");
        assert_eq!(two.ask("state environment.privileged"), shared, "COTENANT_PRIVATE is ignored");
        assert_eq!(files_in(folder.path()), [""; 0], "COTENANT_DIR is ignored");
        assert_eq!(files_in(Path::new("/dev/shm")), ["cotenant-4712"]);
    });
}
