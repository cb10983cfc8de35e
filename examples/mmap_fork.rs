//! A parent and the children that it forks count in memory without a name; one child is killed in the middle of it.
//!
//! The memory is `mmap(MAP_SHARED | MAP_ANONYMOUS)`: nobody but children of a fork can reach it, nothing is left of it
//! when the last of them ends, and each of them owns the locks that it takes, as a process of its own. Linux.
//!
//!     cargo run --example mmap_fork

#![cfg_attr(target_os = "linux", allow(unsafe_code))] // fork(2)

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use cotenant::sync::{LockError, Mutex};
    use cotenant::{Backing, Segment};

    let segment = Segment::options().backing(Backing::Anonymous).max_bytes(1 << 20).create("mmap_fork")?;
    // The rule is that both halves are equal.
    let halves = segment.get_or_init("halves", || Mutex::new([0_u32, 0]))?;
    let count = |child: usize| {
        for round in 1..=1000 {
            let mut halves = match halves.lock() {
                Ok(halves) => halves,
                Err(LockError::OwnerDied(died)) => {
                    println!("child {child} finds {:?} and repairs it: {died}", *died.value());
                    died.repair(|halves| halves[1] = halves[0])
                }
                Err(error) => panic!("{error}"),
            };
            halves[0] += 1;
            if child == 2 && round == 500 {
                println!("child 2 is killed in the middle of its change number 500");
                std::process::abort();
            }
            halves[1] += 1;
        }
    };
    let mut children = Vec::new();
    for child in 1..=4 {
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { libc::fork() } {
            -1 => return Err(std::io::Error::last_os_error().into()),
            0 => {
                count(child);
                std::process::exit(0);
            }
            pid => children.push(pid),
        }
    }
    for pid in children {
        // SAFETY: waits for a child of ours, without a place for its status.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    }
    println!("3 children counted to 1000, one to 500: {:?}", *halves.lock_or_repair(|halves| halves[1] = halves[0]));
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this system has no fork(2) that we know: see the example `counter`");
}
