//! Which processor this thread runs on.

#![allow(unsafe_code)]

/// Keeps this thread on the processor of that number, of those that it may use; of fewer, on the last one.
pub(crate) fn pin(nth: usize) {
    let all = allowed();
    let mut wanted = empty();
    let usable: Vec<usize> = (0..libc::CPU_SETSIZE as usize)
        // SAFETY: inside the set.
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &all) })
        .collect();
    if let Some(cpu) = usable.get(nth).or(usable.last()) {
        // SAFETY: inside the set.
        unsafe { libc::CPU_SET(*cpu, &mut wanted) };
        set(&wanted);
    }
}

/// On all of them again.
pub(crate) fn unpin() {
    set(&allowed());
}

/// What this process could use when it first asked.
fn allowed() -> libc::cpu_set_t {
    static ALLOWED: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    let cpus = ALLOWED.get_or_init(|| {
        let mut set = empty();
        // SAFETY: a set of that size.
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
        // SAFETY: inside the set.
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect()
    });
    let mut set = empty();
    // SAFETY: inside the set.
    cpus.iter().for_each(|cpu| unsafe { libc::CPU_SET(*cpu, &mut set) });
    set
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: bits.
    unsafe { std::mem::zeroed() }
}

fn set(cpus: &libc::cpu_set_t) {
    // SAFETY: a set of that size. Who may not be moved is measured where it is.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus) };
}
