//! Deaths in the operations of framed pipes and of FIFOs: sending, receiving, opening.
//!
//! Each crash point has a pipe of its own with one message from before in it; afterwards the survivor sends one of its
//! own. What must hold: both come, whole, with the child's between them if its send returned, and no part of it if it
//! does not come. A reader takes with it what it has read, and nothing else: what is sent later comes whole to the next.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use cotenant::ErrorKind;
use cotenant::channel::{Fifo, MessageReader, MessageWriter, PipeReader, pipe};

use crate::operation::{Death, Marks, NOTHING, Operation};

const BEFORE: u8 = 1;
const CHILDS: u8 = 2;
const AFTER: u8 = 3;
const SHORT: usize = 100;
/// Takes three frames.
const LONG: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(20);

struct Ends {
    reader: MessageReader,
    writer: MessageWriter,
}

thread_local! {
    static ENDS: RefCell<Option<Ends>> = const { RefCell::new(None) };
    static FOLDER: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    static READER: RefCell<Option<PipeReader>> = const { RefCell::new(None) };
}

const SEND: Operation = Operation {
    every: 97,
    before: prepare,
    child: |marks| send(marks, SHORT),
    check: sent_comes_whole,
    tear_down: forget,
    ..NOTHING
};
const RECEIVE: Operation = Operation { child: receive, check: later_comes, ..SEND };
const OPEN: Operation = Operation { every: 31, before: make_fifo, check: fifo_goes_on, tear_down: remove, ..NOTHING };

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "MessageWriter: send", ..SEND },
    Operation { name: "MessageWriter: send, several frames", every: 499, child: |marks| send(marks, LONG), ..SEND },
    Operation { name: "MessageWriter: send, full", before: fill, child: send_to_full, check: full_goes_on, ..SEND },
    Operation { name: "MessageReader: receive", ..RECEIVE },
    Operation { name: "MessageReader: receive, several frames", every: 499, before: prepare_long, ..RECEIVE },
    Operation { name: "Fifo: create", before: without_fifo, child: create, check: made_or_not, ..OPEN },
    Operation { name: "Fifo: open to read", child: open_reader, ..OPEN },
    Operation { name: "Fifo: open to write, nobody reads", child: open_writer, ..OPEN },
    Operation { name: "Fifo: open to write", before: make_fifo_and_read, child: open_writer_at_once, ..OPEN },
    Operation { name: "Fifo: remove", child: unlink, check: removed_or_not, ..OPEN },
];

fn with<T>(use_them: impl FnOnce(&mut Ends) -> T) -> T {
    ENDS.with_borrow_mut(|ends| use_them(ends.as_mut().expect("prepared")))
}

fn make() {
    let (reader, writer) = pipe().expect("a pipe");
    ENDS.set(Some(Ends { reader: reader.messages(), writer: writer.messages() }));
}

fn forget() {
    drop(ENDS.take());
}

fn put(number: u8, bytes: usize) {
    with(|ends| ends.writer.try_send(&vec![number; bytes]).expect("room"));
}

fn prepare() {
    make();
    put(BEFORE, SHORT);
}

fn prepare_long() {
    make();
    put(BEFORE, LONG);
}

fn fill() {
    make();
    with(|ends| while ends.writer.try_send(&[BEFORE; 3000]).is_ok() {});
}

fn send(marks: &Marks, bytes: usize) {
    let message = vec![CHILDS; bytes];
    with(|ends| {
        marks.begin();
        let sent = ends.writer.try_send(&message);
        marks.end();
        sent.expect("room");
    });
}

fn send_to_full(marks: &Marks) {
    with(|ends| {
        marks.begin();
        let refused = ends.writer.try_send(&[CHILDS; 3000]);
        marks.end();
        assert!(refused.is_err(), "a full pipe took a message");
    });
}

fn receive(marks: &Marks) {
    with(|ends| {
        marks.begin();
        let message = ends.reader.try_recv();
        marks.end();
        assert_eq!(message.expect("no error").expect("a message")[0], BEFORE);
    });
}

/// Each message's number, up to the survivor's own: all of it of one number.
fn drain() -> Result<Vec<u8>, String> {
    with(|ends| {
        let text = |error: std::io::Error| error.to_string();
        ends.writer.send_timeout(&[AFTER; SHORT], PATIENCE).map_err(text)?;
        let mut all = Vec::new();
        while all.last() != Some(&AFTER) {
            let message = ends.reader.recv_timeout(PATIENCE).map_err(text)?.ok_or("the stream ended")?;
            let is_whole = [SHORT, 3000, LONG].contains(&message.len());
            if !is_whole || message.iter().any(|byte| *byte != message[0]) {
                return Err(format!("{} torn bytes after {all:?}", message.len()));
            }
            all.push(message[0]);
        }
        Ok(all)
    })
}

fn one_of(allowed: &[&[u8]]) -> Result<(), String> {
    let all = drain()?;
    if allowed.contains(&&all[..]) { Ok(()) } else { Err(format!("came {all:?}; allowed: {allowed:?}")) }
}

fn sent_comes_whole(death: &Death) -> Result<(), String> {
    let with: &[u8] = &[BEFORE, CHILDS, AFTER];
    if death.is_finished { one_of(&[with]) } else { one_of(&[with, &[BEFORE, AFTER]]) }
}

fn full_goes_on(_: &Death) -> Result<(), String> {
    with(|ends| match ends.reader.recv_timeout(PATIENCE) {
        Ok(Some(message)) if message == [BEFORE; 3000] => Ok(()),
        other => Err(format!("the first of a full pipe: {:?}", other.map(|message| message.map(|it| it.len())))),
    })?;
    let all = drain()?;
    let (last, others) = all.split_last().ok_or("nothing came")?;
    if *last == AFTER && others.iter().all(|number| *number == BEFORE) {
        return Ok(());
    }
    Err(format!("came {all:?}"))
}

fn later_comes(death: &Death) -> Result<(), String> {
    if death.is_finished { one_of(&[&[AFTER]]) } else { one_of(&[&[AFTER], &[BEFORE, AFTER]]) }
}

// FIFOs.

fn path() -> PathBuf {
    FOLDER.with_borrow(|folder| folder.as_ref().expect("prepared").join("fifo"))
}

fn without_fifo() {
    remove();
    let folder = std::env::temp_dir().join(format!("cotenant-crash-fifo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    FOLDER.set(Some(folder));
}

fn make_fifo() {
    without_fifo();
    drop(Fifo::create(path(), 0o600).expect("a FIFO"));
}

fn make_fifo_and_read() {
    make_fifo();
    READER.set(Some(Fifo::open(path()).and_then(|fifo| fifo.reader()).expect("it may be read")));
}

fn remove() {
    drop(READER.take());
    if let Some(folder) = FOLDER.take() {
        std::fs::remove_dir_all(folder).expect("its folder");
    }
}

fn create(marks: &Marks) {
    let path = path();
    marks.begin();
    let fifo = Fifo::create(&path, 0o640);
    marks.end();
    fifo.expect("a FIFO");
}

fn open_reader(marks: &Marks) {
    let fifo = Fifo::open(path()).expect("it is there");
    marks.begin();
    let reader = fifo.reader();
    marks.end();
    std::mem::forget(reader.expect("it may be read"));
}

fn open_writer(marks: &Marks) {
    let fifo = Fifo::open(path()).expect("it is there");
    marks.begin();
    let refused = fifo.try_writer();
    marks.end();
    assert!(refused.is_err(), "nobody reads");
}

fn open_writer_at_once(marks: &Marks) {
    let fifo = Fifo::open(path()).expect("it is there");
    marks.begin();
    let writer = fifo.writer_timeout(PATIENCE);
    marks.end();
    std::mem::forget(writer.expect("somebody reads"));
}

fn unlink(marks: &Marks) {
    let fifo = Fifo::open(path()).expect("it is there");
    marks.begin();
    let removed = fifo.unlink();
    marks.end();
    removed.expect("its name");
}

fn removed_or_not(death: &Death) -> Result<(), String> {
    match Fifo::open(path()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) if death.is_finished => Err("it is still there".to_owned()),
        Ok(_) => fifo_goes_on(death),
    }
}

/// No FIFO, or one that its user may open, whatever mode it has yet.
fn made_or_not(death: &Death) -> Result<(), String> {
    match Fifo::open(path()) {
        Ok(_) => fifo_goes_on(death),
        Err(error) if error.kind() == ErrorKind::NotFound && !death.is_finished => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn fifo_goes_on(_: &Death) -> Result<(), String> {
    drop(READER.take()); // It has read nothing yet.
    let fifo = Fifo::open(path()).map_err(|error| error.to_string())?;
    match fifo.try_writer() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        other => return Err(format!("nobody reads, but {other:?}")),
    }
    let mut reader = fifo.reader().map_err(|error| error.to_string())?.messages();
    let mut writer = fifo.writer_timeout(PATIENCE).map_err(|error| error.to_string())?.messages();
    writer.send_timeout(b"whole", PATIENCE).map_err(|error| error.to_string())?;
    drop(writer);
    let text = |error: std::io::Error| error.to_string();
    let got = [reader.recv_timeout(PATIENCE).map_err(text)?, reader.recv_timeout(PATIENCE).map_err(text)?];
    if got == [Some(b"whole".to_vec()), None] { Ok(()) } else { Err(format!("{got:?} came")) }
}
