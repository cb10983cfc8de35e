//! Another user takes the folder's name in /dev/shm first.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;

use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, in_mount_namespace, mount_tmpfs, set_mode};
use crate::support::sandbox::files_in;

pub(crate) const TESTS: &[Named] = &[
    ("planted_folder_is_passed_by", || passed_by(plant_folder)),
    ("planted_open_folder_is_passed_by", || passed_by(plant_open_folder)),
    ("planted_file_is_passed_by", || passed_by(plant_file)),
    ("planted_link_is_passed_by", || passed_by(plant_link)),
    ("planted_link_to_a_folder_of_ours_is_passed_by", || passed_by(plant_link_to_ours)),
    ("planted_folder_is_passed_by_whom_the_system_lets_in", planted_folder_is_passed_by_whom_the_system_lets_in),
    ("planted_fallback_names_are_passed_by", planted_fallback_names_are_passed_by),
    ("processes_that_start_at_once_agree_on_the_fallback", processes_that_start_at_once_agree_on_the_fallback),
    ("fallback_stays_when_the_planted_one_goes", fallback_stays_when_the_planted_one_goes),
];

const VICTIM: u32 = 4711;
const FIRST: &str = "/dev/shm/cotenant-4711";

fn launch(copied: &Copied) -> Peer {
    let mut command = copied.command("actor", None);
    Peer::launch(as_user(&mut command, VICTIM, VICTIM, vec![]))
}

fn start(copied: &Copied) -> Peer {
    let peer = launch(copied);
    assert_eq!(peer.answer("its start"), "ready");
    peer
}

/// The folder of the victim's unnamed segment.
fn folder_of(peer: &mut Peer) -> String {
    let state = peer.ask("state ");
    let path = state.strip_prefix("shared ").unwrap_or_else(|| panic!("not shared: {state}"));
    Path::new(path).parent().expect("a folder").to_str().expect("UTF-8").to_owned()
}

fn belongs_to_nobody(path: &str) {
    lchown(path, Some(NOBODY), Some(NOBODY)).expect("giving it away");
}

fn plant_folder(path: &str) {
    fs::create_dir(path).expect("a folder");
    set_mode(Path::new(path), 0o700);
    belongs_to_nobody(path);
}

fn plant_open_folder(path: &str) {
    plant_folder(path);
    set_mode(Path::new(path), 0o777);
}

fn plant_file(path: &str) {
    fs::write(path, "").expect("a file");
    belongs_to_nobody(path);
}

fn plant_link(path: &str) {
    symlink("/nowhere", path).expect("a link");
    belongs_to_nobody(path);
}

fn plant_link_to_ours(path: &str) {
    fs::create_dir("/dev/shm/lure").expect("a folder");
    lchown("/dev/shm/lure", Some(VICTIM), Some(VICTIM)).expect("the victim's");
    symlink("/dev/shm/lure", path).expect("a link");
    belongs_to_nobody(path);
}

fn passed_by(plant: fn(&str)) {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        plant(FIRST);
        let (mut one, mut two) = (start(&copied), start(&copied));
        assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "2".into()));
        let folder = folder_of(&mut one);
        assert!(folder.starts_with("/dev/shm/cotenant-4711-"), "{folder}");
    });
}

/// Root can open any folder: the owner alone tells.
fn planted_folder_is_passed_by_whom_the_system_lets_in() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        plant_folder("/dev/shm/cotenant-0");
        let (mut one, mut two) =
            (Peer::start(&mut copied.command("actor", None)), Peer::start(&mut copied.command("actor", None)));
        assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "2".into()));
        let folder = folder_of(&mut one);
        assert!(folder.starts_with("/dev/shm/cotenant-0-"), "{folder}");
    });
}

fn planted_fallback_names_are_passed_by() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        plant_folder(FIRST);
        plant_folder("/dev/shm/cotenant-4711-");
        plant_file("/dev/shm/cotenant-4711-0");
        plant_open_folder("/dev/shm/cotenant-4711-00");
        plant_link_to_ours("/dev/shm/cotenant-4711-000");
        let (mut one, mut two) = (start(&copied), start(&copied));
        assert_eq!((one.ask("add"), two.ask("add")), ("1".into(), "2".into()));
    });
}

fn processes_that_start_at_once_agree_on_the_fallback() {
    let copied = Copied::new();
    for round in 0..20 {
        in_mount_namespace(|| {
            mount_tmpfs("/dev/shm", "mode=1777");
            plant_folder(FIRST);
            let mut peers: Vec<_> = (0..8).map(|_| launch(&copied)).collect();
            peers.iter().for_each(|peer| assert_eq!(peer.answer("its start"), "ready"));
            let folders: BTreeSet<_> = peers.iter_mut().map(folder_of).collect();
            let there = files_in(Path::new("/dev/shm"));
            assert_eq!(folders.len(), 1, "round {round}: they use {folders:?} of {there:?}");
        });
    }
}

fn fallback_stays_when_the_planted_one_goes() {
    let copied = Copied::new();
    in_mount_namespace(|| {
        mount_tmpfs("/dev/shm", "mode=1777");
        plant_folder(FIRST);
        let mut one = start(&copied);
        one.ask("add");
        fs::remove_dir(FIRST).expect("the planter removes it");
        let mut two = start(&copied);
        assert_eq!(two.ask("add"), "2", "{} and {}", folder_of(&mut one), folder_of(&mut two));
    });
}
