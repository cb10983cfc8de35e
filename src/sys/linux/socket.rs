//! Sending and receiving a segment over a Unix socket: descriptors (SCM_RIGHTS) beside a small message.
//!
//! ```text
//! 0   8   magic        COTENDFD
//! 8   4   version      1
//! 12  4   descriptors  1: the segment; 2: the segment, then the file of its locks
//! 16  16  instance     of the segment, as in its header
//! ```
//!
//! Little-endian, sent in one call; the descriptors come with its first byte. A receiver takes at most so many bytes
//! from the stream, whatever comes, and closes every descriptor that it does not use.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::descriptor::{self, Descriptors};
use super::segment::admit;
use crate::error::{Error, ErrorKind, Result};
use crate::segment::segment::Segment;

const MAGIC: [u8; 8] = *b"COTENDFD";
const VERSION: u32 = 1;
const MESSAGE_BYTES: usize = 32;
/// Room for ancillary data: ours is two descriptors; a receiver's own socket options (SO_PASSCRED) add to it. What a
/// hostile sender adds beyond it the system closes.
const CONTROL_BYTES: usize = 512;
/// linux/socket.h: a descriptor, too, which comes where the receiver asked for it (SO_PASSPIDFD).
const SCM_PIDFD: i32 = 4;

/// Sharing by descriptor. Linux.
impl Segment {
    /// Sends this segment to the process at the other end of a Unix socket, which calls [`Segment::receive`].
    ///
    /// Sends 32 bytes with one or two descriptors. Blocks as long as the socket's buffer is full, at most for its own
    /// write timeout. The segment counts as in use from here on until the other end has it or the connection ends, so
    /// this process may drop it at once. The other end becomes a participant of its own; if this process dies, it goes
    /// on. It may run as another user if the segment is a memfd, or its `mode` and `group` let that user write it.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use cotenant::{Backing, Segment};
    ///
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let segment = Segment::options().backing(Backing::Memfd).max_bytes(1 << 20).create("example")?;
    /// segment.get_or_init("done", || AtomicU64::new(7))?;
    /// segment.send(&ours)?;
    /// let received = Segment::receive(&theirs)?; // In another process.
    /// assert_eq!(received.get_or_init("done", || AtomicU64::new(0))?.load(Relaxed), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Unsupported`: the segment is not a file (`Anonymous`, `SysV`). `Busy`: the socket's write timeout. `System`:
    /// what the system says, for example that the other end is closed. See
    /// [`unix(7)`](https://man7.org/linux/man-pages/man7/unix.7.html).
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send(&self, socket: &UnixStream) -> Result<()> {
        let attached = self.attached();
        let sent = descriptor::give(attached)?;
        let mut fds = vec![sent.segment.as_fd()];
        fds.extend(sent.locks.as_ref().map(OwnedFd::as_fd));
        let message = message(fds.len() as u32, &attached.header().instance);
        send_all(socket, &message, &fds).map_err(|cause| {
            let error = Error::system(format!("send the segment {} over a socket", attached.path), &cause);
            if cause.kind() == io::ErrorKind::WouldBlock {
                return error
                    .of_kind(ErrorKind::Busy)
                    .hint("the other end does not read; the socket's timeout is over");
            }
            error
        })
    }

    /// Receives a segment that the process at the other end of a Unix socket sends with [`Segment::send`].
    ///
    /// Takes exactly its 32 bytes from the stream. Blocks until they are there, at most for the socket's own read
    /// timeout for each part of them. Descriptors that come and are not wanted are closed, and what is wanted is
    /// checked before it is used: the sender may be hostile. (But whoever shares a segment with others trusts them to
    /// write sound values into it, as threads do.) If the sender dies after sending, nothing is lost.
    ///
    /// # Errors
    ///
    /// `Foreign`: what came is no segment, a memfd that is not sealed, or another user's file. `Corrupt`, `Mismatch`: a
    /// segment that makes no sense, or of another version. `PermissionDenied`: a descriptor that only reads, or a
    /// segment that this user may not write. `NotFound`: nobody is attached to it any more. `Busy`: the socket's read
    /// timeout. `System`: the connection has ended, or what else the system says.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn receive(socket: &UnixStream) -> Result<Segment> {
        let (message, mut fds) = receive_all(socket).map_err(|cause| {
            let error = Error::system("receive a segment over a socket", &cause);
            match cause.kind() {
                io::ErrorKind::WouldBlock => error.of_kind(ErrorKind::Busy).hint("the socket's timeout is over"),
                io::ErrorKind::UnexpectedEof => error.hint("the other end closed the connection before it sent one"),
                _ => error,
            }
        })?;
        let instance = check_message(&message, fds.len())?;
        let locks = if fds.len() > 1 { fds.pop() } else { None };
        let Some(segment) = fds.pop() else { return Err(not_a_segment("no descriptor came with it")) };
        let attached = descriptor::take(Descriptors { segment, locks })?;
        if attached.header().instance != instance {
            return Err(not_a_segment("its descriptor leads to another segment than it says"));
        }
        admit(attached).map(Segment::new)
    }

    /// A descriptor that leads to this segment, for a process that is to share it: for a socket protocol of one's own,
    /// for a program that inherits it, for systemd's store of descriptors. The other side calls [`Segment::from_fd`].
    ///
    /// It is close-on-exec: a program that is to inherit it needs a copy that is not
    /// ([`dup2(2)`](https://man7.org/linux/man-pages/man2/dup.2.html)). As long as it is open anywhere, the segment
    /// counts as in use. (A segment that others may read has its locks in a second file: the other side must reach its
    /// folder by the same path, or be given it by [`Segment::send`].)
    ///
    /// ```
    /// use cotenant::{Backing, Segment};
    ///
    /// let segment = Segment::options().backing(Backing::Memfd).max_bytes(1 << 20).create("example")?;
    /// segment.get_or_init("answer", || 42_u32)?;
    /// let descriptor = segment.to_fd()?;
    /// drop(segment);
    /// let segment = Segment::from_fd(descriptor)?;
    /// assert_eq!(segment.get::<u32>("answer")?, Some(&42));
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Unsupported`: the segment is not a file (`Anonymous`, `SysV`). `System`: its name was removed, or `/proc` is
    /// not there.
    pub fn to_fd(&self) -> Result<OwnedFd> {
        Ok(descriptor::give(self.attached())?.segment)
    }

    /// Attaches the segment that a descriptor leads to, which [`Segment::to_fd`] gave.
    ///
    /// Blocks never. The descriptor is checked as in [`Segment::receive`], and kept only where no name leads to the
    /// segment. Of a memfd the values are there as long as a descriptor is, also when nobody was attached meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Segment::receive`], without what a socket adds.
    pub fn from_fd(descriptor: OwnedFd) -> Result<Segment> {
        admit(descriptor::take(Descriptors { segment: descriptor, locks: None })?).map(Segment::new)
    }
}

fn message(descriptors: u32, instance: &[u8; 16]) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    message[..8].copy_from_slice(&MAGIC);
    message[8..12].copy_from_slice(&VERSION.to_le_bytes());
    message[12..16].copy_from_slice(&descriptors.to_le_bytes());
    message[16..].copy_from_slice(instance);
    message
}

fn not_a_segment(why: &str) -> Error {
    Error::new(ErrorKind::Foreign, format!("what came over the socket is no segment: {why}"))
        .hint("the other end must call `Segment::send` at this point of the conversation")
}

/// The instance of the segment that is meant.
fn check_message(message: &[u8; MESSAGE_BYTES], descriptors: usize) -> Result<[u8; 16]> {
    let number = |at: usize| u32::from_le_bytes([message[at], message[at + 1], message[at + 2], message[at + 3]]);
    if message[..8] != MAGIC {
        return Err(not_a_segment("its message does not begin like ours"));
    }
    if number(8) != VERSION {
        let what = format!("a segment was sent in version {} of the message, this program knows {VERSION}", number(8));
        return Err(Error::new(ErrorKind::Mismatch, what).hint("build both programs with one version of Cotenant"));
    }
    if !matches!(descriptors, 1 | 2) || number(12) as usize != descriptors {
        return Err(not_a_segment(&format!("it says {} descriptors, and {descriptors} came", number(12))));
    }
    let mut instance = [0; 16];
    instance.copy_from_slice(&message[16..]);
    Ok(instance)
}

/// Ancillary data, aligned as `cmsghdr` wants it.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; CONTROL_BYTES]);

impl Control {
    fn new() -> Control {
        Control([MaybeUninit::zeroed(); CONTROL_BYTES])
    }
}

/// A message header over one buffer, and the ancillary data. The pointers are those of the arguments.
fn header(part: &mut libc::iovec, control: &mut Control, control_bytes: usize) -> libc::msghdr {
    // SAFETY: a C structure of integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control_bytes as _;
    header
}

/// Sends all of `bytes`, the descriptors with the first of them
/// ([`sendmsg(2)`](https://man7.org/linux/man-pages/man2/sendmsg.2.html)).
#[doc(alias = "sendmsg")]
fn send_all(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut control = Control::new();
    let payload_bytes = size_of_val(fds) as u32;
    // SAFETY: arithmetic.
    let space = unsafe { libc::CMSG_SPACE(payload_bytes) } as usize;
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        let mut part = libc::iovec { iov_base: rest.as_ptr().cast_mut().cast(), iov_len: rest.len() };
        let header = header(&mut part, &mut control, if done == 0 { space } else { 0 });
        if done == 0 {
            write_rights(&header, fds, payload_bytes);
        }
        // SAFETY: the header's pointers lead to values that outlive the call; MSG_NOSIGNAL: an error, no SIGPIPE.
        match unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) } {
            -1 => {
                let cause = io::Error::last_os_error();
                if cause.kind() != io::ErrorKind::Interrupted {
                    return Err(cause);
                }
            }
            sent => done += sent as usize,
        }
    }
    Ok(())
}

fn write_rights(header: &libc::msghdr, fds: &[BorrowedFd<'_>], payload_bytes: u32) {
    // SAFETY: the header has room for one control message, by its length.
    let first = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: null, or inside the control buffer, which nobody else refers to.
    let Some(first) = (unsafe { first.as_mut() }) else { return };
    first.cmsg_level = libc::SOL_SOCKET;
    first.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: arithmetic.
    first.cmsg_len = unsafe { libc::CMSG_LEN(payload_bytes) } as _;
    // SAFETY: behind the control message's own header, inside its space.
    let to = unsafe { libc::CMSG_DATA(first) }.cast::<i32>();
    for (at, fd) in fds.iter().enumerate() {
        // SAFETY: `space` in the caller counts all of `fds`.
        unsafe { to.wrapping_add(at).write_unaligned(fd.as_raw_fd()) };
    }
}

/// Receives a whole message and all descriptors that came with it
/// ([`recvmsg(2)`](https://man7.org/linux/man-pages/man2/recvmsg.2.html)), close-on-exec.
#[doc(alias = "recvmsg")]
fn receive_all(socket: &UnixStream) -> io::Result<([u8; MESSAGE_BYTES], Vec<OwnedFd>)> {
    let mut message = [0; MESSAGE_BYTES];
    let mut fds = Vec::new();
    let mut done = 0;
    while done < MESSAGE_BYTES {
        let rest = &mut message[done..];
        let mut part = libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() };
        let mut control = Control::new();
        let mut header = header(&mut part, &mut control, CONTROL_BYTES);
        // SAFETY: the header's pointers lead to values that outlive the call.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        if got == -1 {
            let cause = io::Error::last_os_error();
            if cause.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(cause);
        }
        take_rights(&header, &mut fds);
        if header.msg_flags & libc::MSG_CTRUNC != 0 {
            // What did not fit, the system has closed; what did, goes with `fds`.
            return Err(io::Error::other(
                "more descriptors came than one takes, or than this process may have (ulimit -n)",
            ));
        }
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        done += got as usize;
    }
    Ok((message, fds))
}

/// Takes all descriptors out of what was received, so that none is left open by accident.
fn take_rights(header: &libc::msghdr, fds: &mut Vec<OwnedFd>) {
    // SAFETY: the system filled the control messages, and `msg_controllen` says how far.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: null, or a control message inside the buffer.
    while let Some(one) = unsafe { next.as_ref() } {
        // SAFETY: arithmetic.
        let header_bytes = unsafe { libc::CMSG_LEN(0) } as usize;
        #[allow(clippy::unnecessary_cast)] // Another width with other C libraries.
        let numbers = (one.cmsg_len as usize).saturating_sub(header_bytes) / size_of::<i32>();
        let is_rights = one.cmsg_type == libc::SCM_RIGHTS || one.cmsg_type == SCM_PIDFD;
        if one.cmsg_level == libc::SOL_SOCKET && is_rights {
            // SAFETY: behind the control message's own header.
            let from = unsafe { libc::CMSG_DATA(one) }.cast::<i32>();
            for at in 0..numbers {
                // SAFETY: `cmsg_len` counts it.
                let number = unsafe { from.wrapping_add(at).read_unaligned() };
                // SAFETY: the system just gave this descriptor to us, and nobody else knows it.
                let fd = (number >= 0).then(|| unsafe { OwnedFd::from_raw_fd(number) });
                // A descriptor of a process is closed here.
                fds.extend(fd.filter(|_| one.cmsg_type == libc::SCM_RIGHTS));
            }
        }
        // SAFETY: `one` is inside the buffer that `header` describes.
        next = unsafe { libc::CMSG_NXTHDR(header, one) };
    }
}
