//! A folder for segments that no other test uses.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::ROLE;
use super::peer::Peer;
use super::root::set_mode;

/// A `COTENANT_DIR`, and a socket for peers that are forked.
pub(crate) struct Sandbox {
    pub(crate) folder: TempDir,
    sockets: TempDir,
    listener: UnixListener,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        let folder = TempDir::with_prefix_in("cotenant-test-", "/dev/shm").expect("a folder in /dev/shm");
        let sockets = TempDir::with_prefix("cotenant-test-").expect("a folder for a socket");
        let socket = sockets.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        // A peer may have dropped its privileges.
        set_mode(sockets.path(), 0o755);
        set_mode(&socket, 0o777);
        Sandbox { folder, sockets, listener }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that runs `role` of this test program in this sandbox.
    pub(crate) fn command(&self, role: &str) -> Command {
        let mut command = command(role, Some(self.path()));
        command.env("COTENANT_TEST_SOCKET", self.sockets.path().join("socket"));
        command
    }

    #[track_caller]
    pub(crate) fn start(&self, role: &str) -> Peer {
        Peer::start(&mut self.command(role))
    }

    /// The child that `parent` makes on this command.
    #[track_caller]
    pub(crate) fn child_of(&self, parent: &mut Peer, how: &str) -> Peer {
        parent.ask(how);
        self.accept()
    }

    /// The next process that connects.
    #[track_caller]
    pub(crate) fn accept(&self) -> Peer {
        Peer::accept(&self.listener)
    }

    /// The names of the files in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        files_in(self.path())
    }

    /// The only file whose name begins so.
    #[track_caller]
    pub(crate) fn file(&self, prefix: &str) -> PathBuf {
        let mut files = self.files();
        files.retain(|name| name.starts_with(prefix));
        assert_eq!(files.len(), 1, "files that begin with {prefix:?}: {files:?} of {:?}", self.files());
        self.path().join(&files[0])
    }
}

/// A command that runs `role` of this test program, with no other word of ours in its environment.
pub(crate) fn command(role: &str, folder: Option<&Path>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test program"));
    without_our_words(&mut command).env(ROLE, role);
    if let Some(folder) = folder {
        command.env("COTENANT_DIR", folder);
    }
    command
}

/// Has `command` know of no wishes of whoever runs the tests.
pub(crate) fn without_our_words(command: &mut Command) -> &mut Command {
    command.env_remove("COTENANT_DIR").env_remove("COTENANT_SCOPE").env_remove("COTENANT_PRIVATE")
}

pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("listing a folder");
    let mut names: Vec<_> =
        entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
