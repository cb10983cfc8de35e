//! A parent and three children that it forks: they send whole messages through one pipe, and one of them is killed.
//!
//! Messages of several writers never mix, and one that a killed writer did not finish is passed over. The stream ends
//! when the last writer is gone. Linux.
//!
//!     cargo run --example pipe_fork

#![cfg_attr(target_os = "linux", allow(unsafe_code))] // `fork`.

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    use cotenant::channel::pipe;

    let (reader, writer) = pipe()?;
    let mut children = Vec::new();
    for number in 0..3 {
        let end = writer.try_clone()?;
        // SAFETY: this process has one thread; the child writes and ends.
        match unsafe { libc::fork() } {
            0 => {
                drop(reader); // Else it could still read itself, and would wait for ever if its parent were killed.
                let mut end = end.messages();
                for line in 0..100 {
                    // Far more than the system writes in one piece.
                    let text = format!("child {number}, line {line} {}", ".".repeat(20_000));
                    if end.send(text.as_bytes()).is_err() {
                        break; // Nobody reads any more.
                    }
                }
                // SAFETY: no pointer.
                unsafe { libc::_exit(0) }
            }
            child => children.push(child),
        }
    }
    drop(writer); // Else the stream would never end: this process could still write.
    let mut reader = reader.messages();
    let mut received = [0; 3];
    while let Some(message) = reader.recv()? {
        let text = String::from_utf8(message).expect("whole messages are what was sent");
        let number = usize::from(text.as_bytes()[6] - b'0');
        received[number] += 1;
        if received.iter().sum::<u32>() == 30 {
            println!("the first child is killed after {received:?} messages");
            // SAFETY: no pointer; our own child.
            unsafe { libc::kill(children[0], libc::SIGKILL) };
        }
    }
    println!("received {received:?} messages, all whole; {} bytes were passed over", reader.skipped_bytes());
    for child in children {
        // SAFETY: our own child; its status is not wanted.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("processes are forked on Linux only; `queue` is an example for every system");
}
