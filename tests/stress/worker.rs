//! A worker: attaches, counts, looks whether all is as it left it, and ends.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cotenant::sync::{LockError, Mutex};
use cotenant::{BlockState, shared};

const CELLS: usize = 512;

shared! {
    #![shared(attach = by_call)]
    static CALLED_TOKEN: AtomicU64 = AtomicU64::new(0);
    static CALLED_CELLS: [AtomicU64; CELLS] = [const { AtomicU64::new(0) }; CELLS];
    static CALLED_PAIR: Mutex<[u64; 2]> = Mutex::new([0; 2]);
}

shared! {
    #![shared(name = "stress.readable", mode = 0o644, attach = by_call)]
    static READABLE_TOKEN: AtomicU64 = AtomicU64::new(0);
    static READABLE_CELLS: [AtomicU64; CELLS] = [const { AtomicU64::new(0) }; CELLS];
    static READABLE_PAIR: Mutex<[u64; 2]> = Mutex::new([0; 2]);
}

shared! {
    #![shared(name = "stress.at_load")]
    static LOADED_TOKEN: AtomicU64 = AtomicU64::new(0);
    static LOADED_CELLS: [AtomicU64; CELLS] = [const { AtomicU64::new(0) }; CELLS];
    static LOADED_PAIR: Mutex<[u64; 2]> = Mutex::new([0; 2]);
}

/// A block to watch.
pub(crate) struct Watched {
    name: Option<&'static str>,
    variables: fn() -> Variables,
}

struct Variables {
    /// Chosen by the first who comes; another value later would mean that the segment was reset.
    token: &'static AtomicU64,
    /// One for each slot.
    cells: &'static [AtomicU64; CELLS],
    /// Two numbers that are equal while nobody holds the lock.
    pair: &'static Mutex<[u64; 2]>,
}

pub(crate) static BY_CALL: [Watched; 2] = [
    Watched { name: None, variables: || Variables { token: &CALLED_TOKEN, cells: &CALLED_CELLS, pair: &CALLED_PAIR } },
    Watched {
        name: Some("stress.readable"),
        variables: || Variables { token: &READABLE_TOKEN, cells: &READABLE_CELLS, pair: &READABLE_PAIR },
    },
];

static AT_LOAD: Watched = Watched {
    name: Some("stress.at_load"),
    variables: || Variables { token: &LOADED_TOKEN, cells: &LOADED_CELLS, pair: &LOADED_PAIR },
};

/// What a worker tells its supervisor: memory that both share, so that a killed one has told it, too.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) attaches: AtomicU64,
    pub(crate) creations: AtomicU64,
    pub(crate) repairs: AtomicU64,
}

/// Says what is wrong, and ends the process with a status that the supervisor knows.
pub(crate) fn report(violation: &str) {
    eprintln!("process {}: {violation}", std::process::id());
    std::process::exit(VIOLATION);
}

/// The status of a worker that saw what must not be.
const VIOLATION: i32 = 3;
/// The status of a program that saw nothing wrong, and made the segment.
pub(crate) const CREATED: i32 = 4;

/// How this process is attached to the block: whether it made the segment, and its slot.
fn attached(watched: &Watched) -> Result<(bool, Option<u32>), String> {
    let blocks = cotenant::attachment().blocks;
    let block = blocks.iter().find(|block| block.name == watched.name).expect("a block of that name");
    match &block.state {
        BlockState::Shared { unlinked: false, created, slot, .. } => Ok((*created, *slot)),
        other => Err(format!("it is attached to nothing that others find: {other:?}")),
    }
}

/// A worker that was started as a program: checks the block that is attached at load, and ends.
pub(crate) fn play() {
    let told = Told::default();
    match check(&AT_LOAD, &told) {
        Err(violation) => report(&violation),
        Ok(()) if told.creations.load(Relaxed) > 0 => std::process::exit(CREATED),
        Ok(()) => {}
    }
}

/// Uses a block that is attached, and says what must not be.
pub(crate) fn check(watched: &Watched, told: &Told) -> Result<(), String> {
    let Variables { token, cells, pair } = (watched.variables)();
    let fresh = u64::from(std::process::id()) << 32 | 1;
    let chosen = token.compare_exchange(0, fresh, Relaxed, Relaxed).err().unwrap_or(fresh);
    count_in_pair(pair, told)?;
    let (created, slot) = attached(watched)?;
    told.creations.fetch_add(u64::from(created), Relaxed);
    let slot = slot.ok_or("it has locked something and has no slot")?;
    let cell = cells.get(slot as usize).ok_or_else(|| format!("slot {slot}, of so few processes"))?;
    let before = cell.load(Relaxed);
    for mine in 0..20 {
        let (seen, now) = (cell.fetch_add(1, Relaxed), token.load(Relaxed));
        if (seen, now) != (before + mine, chosen) {
            return Err(format!("reset: cell {seen} for {}, token {now:x} for {chosen:x}", before + mine));
        }
        std::thread::yield_now();
    }
    attached(watched).map(drop)
}

fn count_in_pair(pair: &Mutex<[u64; 2]>, told: &Told) -> Result<(), String> {
    let mut guard = match pair.lock() {
        Ok(guard) => guard,
        Err(LockError::OwnerDied(died)) => {
            told.repairs.fetch_add(1, Relaxed);
            died.repair(|pair| pair[1] = pair[0])
        }
        Err(error) => return Err(format!("locking: {error}")),
    };
    if guard[0] != guard[1] {
        return Err(format!("a clean lock over a torn value: {:?}", *guard));
    }
    guard[0] += 1;
    std::thread::yield_now();
    guard[1] += 1;
    Ok(())
}
