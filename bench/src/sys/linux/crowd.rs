//! Many children that do something once and then stay; and a program on a terminal of its own.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Children of a fork; ended when this is dropped.
pub(crate) struct Crowd(Vec<libc::pid_t>);

impl Crowd {
    /// Starts so many, each of which runs `once` and then sleeps; gives them when all have.
    pub(crate) fn of(count: usize, once: impl Fn()) -> io::Result<Crowd> {
        let (mut done, tell) = UnixStream::pair()?;
        let mut crowd = Crowd(Vec::new());
        for _ in 0..count {
            // SAFETY: the parent has one thread at this point, and the child runs `once` and sleeps.
            match unsafe { libc::fork() } {
                -1 => return Err(io::Error::last_os_error()),
                0 => {
                    // SAFETY: no memory is passed.
                    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                    once();
                    let _ = io::Write::write_all(&mut &tell, b".");
                    loop {
                        // SAFETY: waits for a signal, of which each ends the process.
                        unsafe { libc::pause() };
                    }
                }
                child => crowd.0.push(child),
            }
        }
        drop(tell);
        done.read_exact(&mut vec![0; count])?;
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &self.0 {
            // SAFETY: our child, which nobody has waited for yet.
            unsafe { libc::kill(*child, libc::SIGKILL) };
        }
        for child in &self.0 {
            // SAFETY: as above; its status is not asked for.
            unsafe { libc::waitpid(*child, std::ptr::null_mut(), 0) };
        }
    }
}

/// Runs a program on a terminal of 80 columns and 24 lines to its end; gives the processor time that it took.
pub(crate) fn on_a_terminal(mut command: Command) -> io::Result<f64> {
    let (main, name) = terminal()?;
    let end = || File::options().read(true).write(true).open(&name);
    command.stdin(end()?).stdout(end()?).stderr(Stdio::null()).env("TERM", "xterm-256color");
    let child = command.spawn()?;
    drop(command);
    // Whoever draws must not wait for us.
    std::thread::spawn(move || {
        let (mut main, mut buffer) = (main, [0; 65536]);
        while matches!(main.read(&mut buffer), Ok(1..)) {}
    });
    // SAFETY: all zeros is a value of this struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    // SAFETY: our child; both places are ours.
    let ended = unsafe { libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage) };
    if ended < 0 {
        return Err(io::Error::last_os_error());
    }
    if status != 0 {
        return Err(io::Error::other(format!("it ended with status {status:#x}")));
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// The main end of a new terminal, and the other one's name.
fn terminal() -> io::Result<(File, String)> {
    // SAFETY: no memory is passed.
    let main = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    if main < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    let main = File::from(unsafe { OwnedFd::from_raw_fd(main) });
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let mut name = [0; 64];
    // SAFETY: our descriptor.
    let granted = unsafe { libc::grantpt(main.as_raw_fd()) };
    // SAFETY: our descriptor.
    let unlocked = unsafe { libc::unlockpt(main.as_raw_fd()) };
    // SAFETY: our descriptor, and a struct that it is read from.
    let sized = unsafe { libc::ioctl(main.as_raw_fd(), libc::TIOCSWINSZ, &size) };
    // SAFETY: our descriptor, and as many bytes as it is told.
    let named = unsafe { libc::ptsname_r(main.as_raw_fd(), name.as_mut_ptr(), name.len()) };
    if granted != 0 || unlocked != 0 || sized != 0 || named != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `ptsname_r` ended it with a zero.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Ok((main, name.to_string_lossy().into_owned()))
}
