//! A segment that has no name is sent to another process over a Unix socket, and from then on both share it.
//!
//! The memory is a sealed memfd: neither process can cut it off under the other's feet. It is gone when the last of
//! them ends, however that is. Linux.
//!
//!     cargo run --example memfd_pass              starts the other process, `memfd_pass SOCKET`

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::{env, fs, os::unix::net, process};

    use cotenant::{Backing, Segment};

    let me = process::id();
    if let Some(socket) = env::args().nth(1) {
        let segment = Segment::receive(&net::UnixStream::connect(socket)?)?;
        let count = segment.get_or_init("count", || AtomicU64::new(0))?;
        println!("process {me} has received {} and finds {}", segment.path(), count.load(Relaxed));
        count.fetch_add(100, Relaxed);
        return Ok(());
    }
    let socket = env::temp_dir().join(format!("memfd_pass-{me}"));
    let listener = net::UnixListener::bind(&socket)?;
    let segment = Segment::options().backing(Backing::Memfd).max_bytes(1 << 20).create("memfd_pass")?;
    let count = segment.get_or_init("count", || AtomicU64::new(7))?;
    let mut other = process::Command::new(env::current_exe()?).arg(&socket).spawn()?;
    let (stream, _) = listener.accept()?;
    segment.send(&stream)?;
    other.wait()?;
    fs::remove_file(socket)?;
    println!("process {me} sent it, and reads {}", count.load(Relaxed));
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("descriptors are passed on Linux only: elsewhere segments are found by their names");
}
