//! Stores that processes have between them: LMDB in a mapped file, Redis and memcached behind a Unix socket.
//!
//! The servers are started where they are installed, with nothing written to a disk, and asked in their own protocols,
//! one operation after the other.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use heed::types::Bytes;
use heed::{Database, Env, EnvOpenOptions};

use crate::cache::workload::{Key, Store, Value, Workload};
use crate::subject::Subject;

const MAP_BYTES: usize = 256 << 20;
const START_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn add_stores<'a>(
    subjects: &mut Vec<Subject<'a>>,
    case: &str,
    [lmdb, redis, memcached]: [&str; 3],
    workload: &'a Workload,
    folder: &'a Path,
    time: Duration,
) {
    let mut is_filled = false;
    subjects.push(Subject::new(case, lmdb, move |_| {
        if !is_filled {
            workload.fill(&Lmdb::open(folder)?);
            is_filled = true;
        }
        workload.two_processes(|| Lmdb::open(folder), time)
    }));
    for (name, start, connect) in [
        (redis, Server::redis as fn(&Path) -> anyhow::Result<Server>, Line::redis as fn(&Path) -> io::Result<Line>),
        (memcached, Server::memcached, Line::memcached),
    ] {
        let mut server = None;
        subjects.push(Subject::new(case, name, move |_| {
            if server.is_none() {
                let started = start(folder)?;
                workload.fill(&connect(&started.socket)?);
                server = Some(started);
            }
            let socket = &server.as_ref().context("just started")?.socket;
            workload.two_processes(|| Ok(connect(socket)?), time)
        }));
    }
}

/// LMDB, without waiting for the disk.
struct Lmdb {
    env: Option<Env>,
    database: Database<Bytes, Bytes>,
}

impl Lmdb {
    fn open(folder: &Path) -> anyhow::Result<Lmdb> {
        let path = folder.join("lmdb");
        std::fs::create_dir_all(&path)?;
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        // SAFETY: the folder is this program's own, and in memory: nothing is lost but this measurement.
        unsafe { options.flags(heed::EnvFlags::NO_SYNC | heed::EnvFlags::WRITE_MAP) };
        // SAFETY: nobody else changes the file.
        let env = unsafe { options.open(&path) }?;
        let mut transaction = env.write_txn()?;
        let database = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Lmdb { env: Some(env), database })
    }

    fn env(&self) -> &Env {
        self.env.as_ref().expect("open until it is dropped")
    }
}

/// LMDB must not be open over a fork.
impl Drop for Lmdb {
    fn drop(&mut self) {
        if let Some(env) = self.env.take() {
            env.prepare_for_closing().wait();
        }
    }
}

impl Store for Lmdb {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        let transaction = self.env().read_txn().expect("a reader's place");
        let found = self.database.get(&transaction, key).expect("a look-up");
        value.clear();
        found.inspect(|found| value.extend_from_slice(found)).is_some()
    }

    fn set(&self, key: &Key, value: &Value) {
        let mut transaction = self.env().write_txn().expect("the writer's place");
        self.database.put(&mut transaction, key, value).expect("room");
        transaction.commit().expect("a commit");
    }
}

/// A server of its own, ended when this is dropped.
struct Server {
    process: Child,
    socket: PathBuf,
}

impl Server {
    fn redis(folder: &Path) -> anyhow::Result<Server> {
        let socket = folder.join("redis.socket");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
        Server::start(command, socket, "redis-server")
    }

    fn memcached(folder: &Path) -> anyhow::Result<Server> {
        let socket = folder.join("memcached.socket");
        let mut command = Command::new("memcached");
        command.args(["-m", "128", "-t", "2", "-u", "root", "-s"]).arg(&socket);
        Server::start(command, socket, "memcached")
    }

    fn start(mut command: Command, socket: PathBuf, name: &str) -> anyhow::Result<Server> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().with_context(|| format!("{name} is not installed"))?;
        let server = Server { process, socket };
        let start = Instant::now();
        while UnixStream::connect(&server.socket).is_err() {
            anyhow::ensure!(start.elapsed() < START_PATIENCE, "{name} did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection, and which protocol is spoken.
struct Line {
    stream: RefCell<BufReader<UnixStream>>,
    is_redis: bool,
}

impl Line {
    fn redis(socket: &Path) -> io::Result<Line> {
        Ok(Line { stream: RefCell::new(BufReader::new(UnixStream::connect(socket)?)), is_redis: true })
    }

    fn memcached(socket: &Path) -> io::Result<Line> {
        Ok(Line { is_redis: false, ..Line::redis(socket)? })
    }

    fn say(&self, words: &[&[u8]]) {
        self.stream.borrow_mut().get_mut().write_all(&words.concat()).expect("a living server");
    }

    fn line(&self) -> String {
        let mut line = String::new();
        self.stream.borrow_mut().read_line(&mut line).expect("a living server");
        line
    }

    /// So many bytes and the end of their line.
    fn bytes(&self, count: usize, value: &mut Vec<u8>) {
        value.resize(count + 2, 0);
        self.stream.borrow_mut().read_exact(value).expect("a living server");
        value.truncate(count);
    }
}

impl Store for Line {
    fn get(&self, key: &Key, value: &mut Vec<u8>) -> bool {
        value.clear();
        if self.is_redis {
            self.say(&[b"*2\r\n$3\r\nGET\r\n$16\r\n", key, b"\r\n"]);
            let Ok(count) = self.line()[1..].trim().parse() else { return false };
            self.bytes(count, value);
            return true;
        }
        self.say(&[b"get ", key, b"\r\n"]);
        let line = self.line();
        let Some(count) = line.trim().rsplit(' ').next().and_then(|count| count.parse().ok()) else { return false };
        self.bytes(count, value);
        self.line() == "END\r\n"
    }

    fn set(&self, key: &Key, value: &Value) {
        if self.is_redis {
            self.say(&[b"*3\r\n$3\r\nSET\r\n$16\r\n", key, b"\r\n$100\r\n", value, b"\r\n"]);
        } else {
            self.say(&[b"set ", key, b" 0 0 100\r\n", value, b"\r\n"]);
        }
        assert!(matches!(self.line().as_str(), "+OK\r\n" | "STORED\r\n"), "the server refused");
    }
}
