//! Segments that are sent over Unix sockets, and what hostile senders get.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cotenant::{ErrorKind, Segment};

use crate::memfd::refusal;
use crate::partner::options;
use crate::support::Named;
use crate::support::peer::Peer;
use crate::support::root::{Copied, NOBODY, as_user, set_mode, set_owner};
use crate::support::sandbox::Sandbox;

pub(crate) const TESTS: &[Named] = &[
    ("received_segment_is_shared_and_has_a_slot_of_its_own", received_segment_is_shared),
    ("sender_that_dies_in_a_lock_is_noticed_by_the_receiver", || death_is_noticed("posix", true)),
    ("receiver_that_dies_in_a_lock_is_noticed_by_the_sender", || death_is_noticed("memfd", false)),
    ("segment_is_alive_while_it_is_on_its_way", segment_is_alive_while_it_is_on_its_way),
    ("segment_with_readers_is_sent_with_its_file_of_locks", segment_with_readers_is_sent_with_its_locks),
    ("several_segments_come_in_their_order", several_segments_come_in_their_order),
    ("other_messages_are_refused", other_messages_are_refused),
    ("descriptors_that_are_no_segment_are_refused", descriptors_that_are_no_segment_are_refused),
    ("memfd_that_can_be_cut_off_is_refused", memfd_that_can_be_cut_off_is_refused),
    ("damaged_headers_behind_descriptors_are_refused", damaged_headers_are_refused),
    ("surplus_descriptors_are_closed", surplus_descriptors_are_closed),
    ("receiver_waits_no_longer_than_its_socket_says", receiver_waits_no_longer_than_its_socket_says),
    ("segment_of_a_dead_name_is_not_found", segment_of_a_dead_name_is_not_found),
];

pub(crate) const ROOT_TESTS: &[Named] = &[
    ("memfd_is_received_by_another_user", memfd_is_received_by_another_user),
    ("file_of_another_user_is_refused", file_of_another_user_is_refused),
    ("segment_is_sent_into_another_pid_namespace", segment_is_sent_into_another_pid_namespace),
];

/// A peer with a segment, and one that received it from there.
fn sender_and_receiver(sandbox: &Sandbox, backing: &str) -> (Peer, Peer) {
    let (mut sender, mut receiver) = (sandbox.start("partner"), sandbox.start("partner"));
    sender.ask(&format!("create {backing}"));
    pass(sandbox, &mut sender, &mut receiver);
    (sender, receiver)
}

fn pass(sandbox: &Sandbox, sender: &mut Peer, receiver: &mut Peer) {
    let socket = sandbox.path().join("passing");
    let socket = socket.display();
    sender.tell(&format!("send-and-wait {socket}"));
    crate::support::wait_until("the sender listens", || std::fs::exists(socket.to_string()).unwrap_or(false));
    let answer = receiver.ask(&format!("receive {socket}"));
    assert!(!answer.contains(": "), "receiving: {answer}");
    assert_eq!(sender.answer("send"), "sent");
    std::fs::remove_file(socket.to_string()).expect("removing a socket");
}

fn received_segment_is_shared() {
    for backing in ["memfd", "posix"] {
        let sandbox = Sandbox::new();
        let (mut sender, mut receiver) = sender_and_receiver(&sandbox, backing);
        assert_eq!((sender.ask("add 1"), receiver.ask("add 1")), ("6".into(), "7".into()), "{backing}");
        assert_eq!(sender.ask("participants"), format!("{}+{}", sender.pid, receiver.pid), "{backing}");
        assert_eq!(sender.ask("lock"), "clean 100", "{backing}");
        assert_eq!(receiver.ask("try"), "would block", "{backing}");
        assert_eq!(receiver.ask("grow large 256"), "grown", "{backing}");
        sender.kill();
        assert_eq!(receiver.ask("lock"), format!("died {} 100", sender.pid), "{backing}");
        // It can send the segment on.
        let mut third = sandbox.start("partner");
        pass(&sandbox, &mut receiver, &mut third);
        assert_eq!(third.ask("add 1"), "8", "{backing}");
        assert_eq!(third.ask("try"), "would block", "{backing}");
    }
}

fn death_is_noticed(backing: &str, sender_dies: bool) {
    let sandbox = Sandbox::new();
    let (sender, receiver) = sender_and_receiver(&sandbox, backing);
    let (mut dies, mut lives) = if sender_dies { (sender, receiver) } else { (receiver, sender) };
    assert_eq!(dies.ask("lock"), "clean 100");
    dies.ask("set 3");
    lives.tell("lock");
    lives.expect_silence(Duration::from_millis(100), "the other one holds the lock");
    dies.kill();
    assert_eq!(lives.answer("lock"), format!("died {} 3", dies.pid));
}

fn segment_is_alive_while_it_is_on_its_way() {
    for backing in ["memfd", "posix"] {
        let sandbox = Sandbox::new();
        let segment = options(backing);
        let segment = if backing == "posix" { segment.folder(sandbox.path()) } else { segment };
        let segment = segment.create("test").expect("a segment");
        segment.get_or_init("answer", || 42_u32).expect("an object");
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        segment.send(&ours).expect("sending");
        drop((segment, ours));
        if backing == "posix" {
            Segment::prune(&cotenant::PruneOptions::default().folder(sandbox.path())).expect("pruning");
            assert_eq!(sandbox.files(), ["test"]);
        }
        let segment = Segment::receive(&theirs).expect("it is there");
        assert_eq!(segment.get::<u32>("answer").expect("its type"), Some(&42), "{backing}");
        drop(segment);
        assert_eq!(sandbox.files(), Vec::<String>::new());
    }
}

fn segment_with_readers_is_sent_with_its_locks() {
    let sandbox = Sandbox::new();
    let (mut sender, mut receiver) = (sandbox.start("partner"), sandbox.start("partner"));
    sender.ask("create-for-group posix 0 640");
    assert_eq!(sandbox.files().len(), 2, "{:?}", sandbox.files());
    pass(&sandbox, &mut sender, &mut receiver);
    assert_eq!(receiver.ask("lock"), "clean 100");
    assert_eq!(sender.ask("try"), "would block");
    receiver.kill();
    assert_eq!(sender.ask("lock"), format!("died {} 100", receiver.pid));
}

fn several_segments_come_in_their_order() {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    for number in 0..3_u32 {
        let segment = options("memfd").create("test").expect("a segment");
        segment.get_or_init("number", || number).expect("an object");
        segment.send(&ours).expect("sending");
    }
    for number in 0..3_u32 {
        let segment = Segment::receive(&theirs).expect("a segment");
        assert_eq!(segment.get::<u32>("number").expect("its type"), Some(&number));
    }
}

/// Sends bytes with descriptors.
fn send_raw(socket: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let part = IoSlice::new(bytes);
    let numbers: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let payload = size_of_val(&numbers[..]) as u32;
    // A control message is a `cmsghdr` and what follows it, on 8 bytes.
    let mut control = vec![0_u64; 256];
    control[0] = size_of::<libc::cmsghdr>() as u64 + u64::from(payload);
    control[1] = u64::from(libc::SOL_SOCKET as u32) | u64::from(libc::SCM_RIGHTS as u32) << 32;
    for (at, number) in numbers.iter().enumerate() {
        control[2 + at / 2] |= u64::from(*number as u32) << (32 * (at % 2));
    }
    // SAFETY: a C structure for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = (&raw const part).cast_mut().cast();
    header.msg_iovlen = 1;
    if !numbers.is_empty() {
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: arithmetic.
        header.msg_controllen = unsafe { libc::CMSG_SPACE(payload) } as _;
    }
    // SAFETY: all pointers lead to values that outlive the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
    assert_eq!(sent, bytes.len() as isize, "sending: {}", std::io::Error::last_os_error());
}

/// What is received of a sender that sent this and closed its end.
fn received(bytes: &[u8], fds: &[BorrowedFd<'_>]) -> (ErrorKind, String) {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    send_raw(&ours, bytes, fds);
    drop(ours);
    let error = Segment::receive(&theirs).map(drop).expect_err("not a segment");
    (error.kind(), error.to_string())
}

fn message(version: u32, descriptors: u32, instance: &[u8]) -> Vec<u8> {
    let mut message = b"COTENDFD".to_vec();
    message.extend(version.to_le_bytes());
    message.extend(descriptors.to_le_bytes());
    message.extend(instance);
    message
}

fn instance_of(segment: &Segment) -> [u8; 16] {
    let mut instance = [0; 16];
    let file = File::from(segment.to_fd().expect("a descriptor"));
    file.read_exact_at(&mut instance, 48).expect("its header");
    instance
}

#[track_caller]
fn assert_refused(got: (ErrorKind, String), kind: ErrorKind, part: &str) {
    assert!(got.0 == kind && got.1.contains(part), "{kind:?} with `{part}` expected: {got:?}");
}

fn other_messages_are_refused() {
    use ErrorKind::{Foreign, Mismatch, System};
    let segment = options("memfd").create("test").expect("a segment");
    let fd = segment.to_fd().expect("a descriptor");
    let (one, instance) = ([fd.as_fd()], instance_of(&segment));
    assert_refused(received(&[b'x'; 32], &one), Foreign, "does not begin like ours");
    assert_refused(received(&[b'x'; 100], &[]), Foreign, "does not begin like ours");
    assert_refused(received(&message(2, 1, &instance), &one), Mismatch, "version 2");
    assert_refused(received(&message(1, 1, &instance), &[]), Foreign, "0 came");
    assert_refused(received(&message(1, 2, &instance), &one), Foreign, "says 2 descriptors, and 1 came");
    assert_refused(received(&message(1, 0, &instance), &[]), Foreign, "0 came");
    assert_refused(received(&message(1, u32::MAX, &instance), &one), Foreign, "1 came");
    assert_refused(received(&message(1, 1, &[0; 16]), &one), Foreign, "another segment than it says");
    assert_refused(received(&message(1, 1, &instance[..7]), &one), System, "closed the connection");
    let (_, theirs) = UnixStream::pair().expect("two sockets");
    assert_eq!(Segment::receive(&theirs).map(drop).expect_err("nothing").kind(), System);
    // Of a longer conversation only our message is taken; and a message may come in parts.
    let (mut ours, mut theirs) = UnixStream::pair().expect("two sockets");
    send_raw(&ours, &message(1, 1, &instance)[..1], &one);
    ours.write_all(&message(1, 1, &instance)[1..]).expect("the rest");
    ours.write_all(b"and more").expect("more");
    Segment::receive(&theirs).expect("it is all there");
    let mut more = [0; 8];
    std::io::Read::read_exact(&mut theirs, &mut more).expect("more");
    assert_eq!(&more, b"and more");
}

fn descriptors_that_are_no_segment_are_refused() {
    use ErrorKind::{Foreign, PermissionDenied, Unsupported};
    let sandbox = Sandbox::new();
    let open = |path: &str, write: bool| File::options().read(true).write(write).open(path).expect("a file");
    assert_refused(refusal(open("/dev/null", true)), Foreign, "not a regular file");
    assert_refused(refusal(open("/tmp", false)), Foreign, "not a regular file");
    let pipe = std::process::Command::new("true").stdout(std::process::Stdio::piped()).spawn();
    let mut pipe = pipe.expect("running true");
    pipe.wait().expect("its end");
    assert_refused(refusal(pipe.stdout.take().expect("a pipe")), Foreign, "not a regular file");
    let (socket, _other) = UnixStream::pair().expect("two sockets");
    assert_refused(refusal(socket), Foreign, "not a regular file");
    assert_refused(refusal(open("/proc/self/exe", false)), PermissionDenied, "reading and writing");
    let path = sandbox.path().join("text");
    std::fs::write(&path, "hello").expect("a file");
    assert_refused(refusal(open(path.to_str().expect("UTF-8"), true)), Foreign, "not a Cotenant segment");
    // Those that only read, and those that can neither.
    let segment = options("memfd").create("test").expect("a segment");
    let fd = segment.to_fd().expect("a descriptor");
    let by_number = format!("/proc/self/fd/{}", fd.as_raw_fd());
    assert_refused(refusal(open(&by_number, false)), PermissionDenied, "reading and writing");
    let name = std::ffi::CString::new(by_number).expect("no zero");
    // SAFETY: a C string.
    let number = unsafe { libc::open(name.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    // SAFETY: just opened.
    assert_refused(refusal(unsafe { OwnedFd::from_raw_fd(number) }), PermissionDenied, "reading and writing");
    let anonymous = options("anonymous").create("test").expect("a segment");
    assert_eq!(anonymous.to_fd().expect_err("it is no file").kind(), Unsupported);
}

/// A memfd with these first bytes and of this length, not sealed.
fn raw_memfd(bytes: &[u8], length: u64) -> File {
    // SAFETY: a C string.
    let number = unsafe { libc::memfd_create(c"hostile".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    // SAFETY: just made.
    let file = unsafe { File::from_raw_fd(number) };
    file.write_all_at(bytes, 0).expect("writing");
    file.set_len(length).expect("a length");
    file
}

fn seal(file: File, seals: i32) -> File {
    // SAFETY: no pointer.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
    file
}

/// The bytes of a whole segment.
fn copy_of(segment: &Segment) -> Vec<u8> {
    let file = File::from(segment.to_fd().expect("a descriptor"));
    let mut bytes = vec![0; file.metadata().expect("its size").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("its bytes");
    bytes
}

fn memfd_that_can_be_cut_off_is_refused() {
    use ErrorKind::{Corrupt, Foreign};
    let segment = options("memfd").create("test").expect("a segment");
    let bytes = copy_of(&segment);
    let length = bytes.len() as u64;
    assert_refused(refusal(raw_memfd(&bytes, length)), Foreign, "F_SEAL_SHRINK");
    let sealed = |seals: i32| seal(raw_memfd(&bytes, length), seals);
    assert_refused(refusal(sealed(libc::F_SEAL_GROW | libc::F_SEAL_SEAL)), Foreign, "F_SEAL_SHRINK");
    assert_refused(refusal(sealed(libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE)), Foreign, "sealed against writing");
    let short = seal(raw_memfd(&bytes, length - 4096), libc::F_SEAL_SHRINK);
    assert_refused(refusal(short), Corrupt, "cut off");
    // Sealed and whole, it is as good as ours.
    Segment::from_fd(sealed(libc::F_SEAL_SHRINK).into()).expect("a segment");
}

fn damaged_headers_are_refused() {
    let segment = options("memfd").create("test").expect("a segment");
    let bytes = copy_of(&segment);
    let length = bytes.len() as u64;
    // Each field of the header that leads somewhere, with too much in it, and with nothing.
    for at in [8, 12, 16, 17, 18, 20, 32, 80, 88, 92, 96, 104, 108, 112, 120, 144, 192, 196, 232] {
        for value in [0xff, 0x00] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].fill(value);
            let file = seal(raw_memfd(&bytes, length), libc::F_SEAL_SHRINK);
            match Segment::from_fd(file.into()) {
                // Nothing where little is as good: then it must be usable.
                Ok(segment) => drop(segment.objects().count()),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Mismatch | ErrorKind::Foreign),
                    "{at}: {error}"
                ),
            }
        }
    }
    for length in [0, 1, 100, 448, 4095, 4096, 8192] {
        let file = seal(raw_memfd(&[], 0), 0);
        file.write_all_at(&bytes[..length], 0).expect("writing");
        let (kind, text) = refusal(seal(file, libc::F_SEAL_SHRINK));
        assert!(matches!(kind, ErrorKind::Corrupt | ErrorKind::Foreign), "{length}: {text}");
    }
}

fn surplus_descriptors_are_closed() {
    let ended = crate::support::peer::run(&mut Sandbox::new().command("besieged"));
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("none left\n", ""));
}

/// A program to which descriptors come that it does not want; alone, because it counts its own.
pub(crate) fn be_besieged() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
    let segment = options("memfd").create("test").expect("a segment");
    let (fd, instance) = (segment.to_fd().expect("a descriptor"), instance_of(&segment));
    let before = descriptors();
    for count in [2, 3, 4, 50, 100, 200, 253] {
        let fds = vec![fd.as_fd(); count];
        let kind = received(&message(1, 1, &instance), &fds).0;
        assert!(matches!(kind, ErrorKind::Foreign | ErrorKind::System), "{count}: {kind:?}");
        assert_eq!(descriptors(), before, "{count} descriptors came");
        // A second one is welcome, and not needed.
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        send_raw(&ours, &message(1, count as u32, &instance), &fds);
        assert_eq!(Segment::receive(&theirs).is_ok(), count == 2);
        drop((ours, theirs));
        received(&[b'x'; 32], &fds);
        received(&[b'x'; 3], &fds);
        assert_eq!(descriptors(), before, "{count} descriptors came");
    }
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    segment.send(&ours).expect("sending");
    drop(Segment::receive(&theirs).expect("a segment"));
    drop((ours, theirs));
    assert_eq!(descriptors(), before);
    println!("none left");
}

fn receiver_waits_no_longer_than_its_socket_says() {
    let (mut ours, theirs) = UnixStream::pair().expect("two sockets");
    theirs.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let kind = || Segment::receive(&theirs).map(drop).expect_err("nothing came").kind();
    assert_eq!(kind(), ErrorKind::Busy);
    ours.write_all(b"COTEN").expect("a part");
    assert_eq!(kind(), ErrorKind::Busy);
    theirs.set_nonblocking(true).expect("no waiting at all");
    assert_eq!(kind(), ErrorKind::Busy);
    // A full socket.
    ours.set_nonblocking(true).expect("no waiting at all");
    // For want of memory the system may refuse a write before that.
    while ours.write(&[0; 4096]).map_or_else(|cause| cause.kind() != std::io::ErrorKind::WouldBlock, |_| true) {}
    let segment = options("memfd").create("test").expect("a segment");
    assert_eq!(segment.send(&ours).expect_err("it is full").kind(), ErrorKind::Busy);
    drop(theirs);
    assert_eq!(segment.send(&ours).expect_err("it is closed").kind(), ErrorKind::System);
}

fn segment_of_a_dead_name_is_not_found() {
    let sandbox = Sandbox::new();
    let mut dies = sandbox.start("partner");
    dies.ask("create posix");
    let file = File::options().read(true).write(true).open(sandbox.file("test")).expect("its file");
    let again = file.try_clone().expect("a second descriptor");
    Segment::from_fd(again.into()).expect("it is in use");
    dies.kill();
    assert_refused(refusal(file), ErrorKind::NotFound, "nobody is attached");
}

fn memfd_is_received_by_another_user() {
    let (copied, sandbox) = (Copied::new(), Sandbox::new());
    set_mode(sandbox.path(), 0o777);
    let mut sender = sandbox.start("partner");
    sender.ask("create memfd");
    let mut command = copied.command("partner", None);
    let mut receiver = Peer::start(as_user(&mut command, NOBODY, NOBODY, vec![]));
    let socket = sandbox.path().join("passing");
    sender.tell(&format!("send-and-wait {}", socket.display()));
    crate::support::wait_until("the sender listens", || socket.exists());
    set_mode(&socket, 0o777);
    let answer = receiver.ask(&format!("receive {}", socket.display()));
    assert!(!answer.contains(": "), "receiving: {answer}");
    assert_eq!(sender.answer("send"), "sent");
    assert_eq!((sender.ask("add 1"), receiver.ask("add 1")), ("6".into(), "7".into()));
    assert_eq!(receiver.ask("lock"), "clean 100");
    receiver.kill();
    assert_eq!(sender.ask("lock"), format!("died {} 100", receiver.pid));
}

fn file_of_another_user_is_refused() {
    let sandbox = Sandbox::new();
    let mut peer = sandbox.start("partner");
    peer.ask("create posix");
    let path = sandbox.file("test");
    set_owner(&path, NOBODY, NOBODY);
    let file = File::options().read(true).write(true).open(path).expect("its file");
    assert_refused(refusal(file), ErrorKind::Foreign, "belongs to user 65534");
}

fn segment_is_sent_into_another_pid_namespace() {
    for backing in ["memfd", "posix"] {
        let sandbox = Sandbox::new();
        let (mut sender, mut outside) = (sandbox.start("partner"), sandbox.start("partner"));
        sender.ask(&format!("create {backing}"));
        assert_eq!(outside.ask("unshare-pids"), "unshared");
        let mut inside = sandbox.child_of(&mut outside, "fork fork");
        assert_eq!(inside.ask("pid"), "1");
        pass(&sandbox, &mut sender, &mut inside);
        assert_eq!(inside.ask("lock"), "clean 100", "{backing}");
        assert_eq!(sender.ask("try"), "would block", "{backing}");
        inside.kill();
        outside.ask("reap");
        assert!(sender.ask("lock").starts_with("died "), "{backing}");
        sender.ask("repair 6");
        let mut other = sandbox.start("partner");
        assert_eq!(other.ask("unshare-pids"), "unshared");
        let mut inside = sandbox.child_of(&mut other, "fork fork");
        pass(&sandbox, &mut sender, &mut inside);
        assert_eq!(inside.ask("try"), "would block", "{backing}: an owner of another namespace is not robbed");
        sender.kill();
        assert!(inside.ask("lock").starts_with("died "), "{backing}");
    }
}
