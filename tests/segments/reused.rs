//! Process ids that are used again: a container that is started anew has its first process's id, and its PID namespace
//! the inode, that the one before had.

use std::os::unix::fs::FileExt;

use cotenant::sync::{LockError, Mutex};
use cotenant::{Keep, Segment};

use crate::support::Named;
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("a_dead_owner_of_this_very_process_id_is_told", a_dead_owner_of_this_very_process_id_is_told),
    ("owner_whose_slot_has_another_tenant_is_not_named", owner_whose_slot_has_another_tenant_is_not_named),
    ("a_restart_of_the_machine_raises_all_generations", a_restart_of_the_machine_raises_all_generations),
];

/// Where the participants' entries begin, and their size; docs/format.md.
const PARTICIPANTS_AT: u64 = 4096;
const PARTICIPANT_BYTES: u64 = 64;

fn a_dead_owner_of_this_very_process_id_is_told() {
    let sandbox = Sandbox::new();
    let name = "test.reused";
    let mut owner = sandbox.start("holder");
    let folder = format!("folder={}", sandbox.path().display());
    owner.ask(&format!("open-or-create {name} keep {folder}"));
    assert_eq!(owner.ask("hold mutex"), "held");
    let options = || Segment::options().folder(sandbox.path()).keep(Keep::UntilRemoved);
    let segment = options().open(name).expect("the segment");
    let mutex = segment.get::<Mutex<u64>>("mutex").expect("the object").expect("that it is there");
    let at = segment.objects().find(|object| object.name == "mutex").expect("its description").at;
    owner.kill();
    // What the dead one left becomes what an earlier process of this id would have left.
    let file = std::fs::File::options().read(true).write(true).open(sandbox.path().join(name)).expect("the file");
    let mut word = [0; 8];
    file.read_exact_at(&mut word, at).expect("the lock word");
    let word = u64::from_le_bytes(word);
    let slot = word >> 52;
    assert!(slot > 0 && word & 0x3fff_ffff != 0 || word & 0x4000_0000 != 0, "the owner is named: {word:#x}");
    // SAFETY: no pointer.
    let thread = unsafe { libc::gettid() } as u64;
    file.write_all_at(&(word & !0x7fff_ffff | thread).to_le_bytes(), at).expect("its thread id");
    let entry = PARTICIPANTS_AT + (slot - 1) * PARTICIPANT_BYTES;
    file.write_all_at(&std::process::id().to_le_bytes(), entry + 4).expect("its process id");
    match mutex.try_lock() {
        Err(cotenant::sync::TryLockError::Lock(LockError::OwnerDied(died))) => drop(died.repair(|value| *value = 1)),
        other => panic!("the owner is dead, whoever has its id: {other:?}"),
    }
    assert_eq!(*mutex.lock().expect("the lock"), 1);
}

fn owner_whose_slot_has_another_tenant_is_not_named() {
    let sandbox = Sandbox::new();
    let mut owner = sandbox.start("holder");
    assert_eq!(owner.ask("create it participants=2"), "created");
    assert_eq!(owner.ask("hold mutex"), "held");
    let segment = Segment::options().folder(sandbox.path()).open("it").expect("the segment");
    let mutex = segment.get::<Mutex<u64>>("mutex").expect("its type").expect("that it is there");
    owner.kill();
    let mut tenant = sandbox.start("holder");
    assert_eq!(tenant.ask("open it"), "opened");
    match mutex.lock() {
        Err(LockError::OwnerDied(died)) => assert_eq!(died.owner(), None, "not the tenant, {}", tenant.pid),
        other => panic!("the owner is dead: {other:?}"),
    };
}

fn a_restart_of_the_machine_raises_all_generations() {
    /// In the header: in which run of the machine slots were last taken.
    const BOOT_AT: u64 = 248;
    let sandbox = Sandbox::new();
    let name = "test.restart";
    let visit = || {
        let options = Segment::options().folder(sandbox.path()).keep(Keep::UntilRemoved);
        let segment = options.open_or_create(name).expect("the segment");
        assert_eq!(segment.participants()[0].slot, 1);
    };
    visit();
    let file = std::fs::File::options().read(true).write(true).open(sandbox.path().join(name)).expect("the file");
    let number = |at: u64, bytes: usize| {
        let mut number = [0; 8];
        file.read_exact_at(&mut number[..bytes], at).expect("a number");
        u64::from_le_bytes(number)
    };
    let (boot, first) = (number(BOOT_AT, 8), number(PARTICIPANTS_AT, 4));
    assert!(boot != 0 && first == 1, "{boot:#x}, {first}");
    visit();
    assert_eq!(number(PARTICIPANTS_AT, 4), 2, "the same run of the machine");
    file.write_all_at(&(boot ^ 1).to_le_bytes(), BOOT_AT).expect("another run");
    visit();
    let raised = number(PARTICIPANTS_AT, 4);
    assert!((2 + 256 + 1..2 + 512 + 1).contains(&raised), "{raised}");
    assert_eq!(number(BOOT_AT, 8), boot);
    // Also beside somebody who only reads, and came first.
    file.write_all_at(&(boot ^ 1).to_le_bytes(), BOOT_AT).expect("another run");
    let _reader = Segment::options().folder(sandbox.path()).open_reader(name).expect("a reader");
    visit();
    let again = number(PARTICIPANTS_AT, 4);
    assert!((raised + 256 + 1..raised + 512 + 1).contains(&again), "{again} after {raised}");
    assert_eq!(number(BOOT_AT, 8), boot);
    visit();
    assert_eq!(number(PARTICIPANTS_AT, 4), again + 1, "the same run of the machine");
}
