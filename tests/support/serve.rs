//! The other end of a `Peer`: a process that answers commands.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// Says "ready", then answers each line until there are no more.
pub(crate) fn stdin(mut answer: impl FnMut(&str) -> String) {
    println!("ready");
    for line in std::io::stdin().lines() {
        println!("{}", answer(&line.expect("a command")));
    }
}

/// Serves the test from a child of a peer, and ends the process.
pub(crate) fn forked(mut answer: impl FnMut(&str) -> String) -> ! {
    let path = std::env::var_os("COTENANT_TEST_SOCKET").expect("the sandbox's socket");
    let mut stream = UnixStream::connect(path).expect("connecting to the test");
    let lines = BufReader::new(stream.try_clone().expect("a second descriptor")).lines();
    for line in lines.map_while(Result::ok) {
        if writeln!(stream, "{}", answer(&line)).is_err() {
            break;
        }
    }
    // SAFETY: no pointer; the parent's exit handlers are not the child's to run.
    unsafe { libc::_exit(0) }
}
