//! tests/c/programs/actor.c in Rust: the same block, and the same answers.

// The names are those of C.
#![allow(non_upper_case_globals)]

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cotenant::limit::{KeyedRateLimiter, Rate, RateLimiter};
use cotenant::metrics::{Across, Buckets, Counter, Gauge, Histogram, Metrics};
use cotenant::per_process::{Merge, OwnCell, PerProcess};
use cotenant::published::{Flag, Published};
use cotenant::sync::{
    Barrier, Condvar, Event, Leader, Leadership, LockError, Mutex, MutexGuard, Once, OnceCell, OwnerDied, Permit,
    RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, TryLockError, WriterDied,
};
use cotenant::value::Text;
use cotenant::{ProcessSync, Segment};

#[derive(ProcessSync, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Idle = 0,
    Busy = 7,
}

#[derive(ProcessSync)]
#[repr(C)]
struct Limits {
    rate: u32,
    burst: u32,
    state: State,
    samples: [f64; 3],
    who: Text<16>,
}

impl Limits {
    const fn new() -> Limits {
        Limits { rate: 0, burst: 0, state: State::Idle, samples: [0.0; 3], who: Text::new() }
    }
}

#[derive(ProcessSync, Clone, Copy)]
#[repr(C)]
struct Rates {
    rate: u32,
    burst: u64,
    state: State,
}

#[derive(ProcessSync)]
#[repr(C)]
struct Traffic {
    requests: AtomicU64,
    errors: AtomicU32,
}

impl Merge for Traffic {
    type Total = u64;

    fn merge_into(&self, total: &mut u64) {
        *total += self.requests.load(Relaxed);
    }
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

cotenant::shared! {
    // By call: the tests' own process has no part in it.
    #![shared(name = "capi.both", attach = by_call)]
    static hits: AtomicU64 = AtomicU64::new(0);
    static rate: AtomicU32 = AtomicU32::new(100);
    static balance: AtomicI16 = AtomicI16::new(-5);
    static is_open: AtomicBool = AtomicBool::new(false);
    static motd: Text<64> = Text::new();
    static counts: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    static limits: Mutex<Limits> = Mutex::new(Limits::new());
    static read_often: RwLock<Limits> = RwLock::new(Limits::new());
    static workers: Semaphore<2> = Semaphore::new(2);
    static leader: Leader = Leader::new();
    static started: Event = Event::new(false);
    static first: Once = Once::new();
    static made: OnceCell<Limits> = OnceCell::new();
    static pair: Barrier<2> = Barrier::new();
    static alone: Mutex<()> = Mutex::new(());
    static changed: Condvar = Condvar::new();
    static step: AtomicU32 = AtomicU32::new(0);
    static rates: Published<Rates> = Published::new(Rates { rate: 7, burst: 8, state: State::Busy });
    static dark: Flag = Flag::new("dark", 25.0);
    static served: Counter = Counter::new();
    static busy: Gauge = Gauge::new(Across::Sum);
    static seconds: Histogram = Histogram::new(Buckets::new());
    static traffic: PerProcess<Traffic> = PerProcess::new();
    static api: RateLimiter = RateLimiter::new(Rate::per(TEN_MINUTES, 1).burst(2));
    static logins: KeyedRateLimiter = KeyedRateLimiter::new(Rate::per(TEN_MINUTES, 1));
}

/// What is held, as C holds it without guards.
#[derive(Default)]
struct Held {
    mutex: Option<MutexGuard<'static, Limits>>,
    died: Option<OwnerDied<'static, Limits>>,
    read: Option<RwLockReadGuard<'static, Limits>>,
    write: Option<RwLockWriteGuard<'static, Limits>>,
    writer_died: Option<WriterDied<'static, Limits>>,
    permit: Option<Permit<'static, 2>>,
    leadership: Option<Leadership<'static>>,
    cell: Option<OwnCell<'static, Traffic>>,
    segment: Option<Segment>,
}

pub(crate) fn run() {
    cotenant::attach().expect("the block is shared");
    let mut held = Held::default();
    println!("ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        println!("{}", held.done(&line));
        let _ = std::io::stdout().flush();
    }
}

impl Held {
    fn done(&mut self, what: &str) -> String {
        match what {
            "values" => return values(),
            "change" => change(),
            "mutex" => match limits.lock() {
                Ok(guard) => self.mutex = Some(guard),
                Err(LockError::OwnerDied(died)) => {
                    self.died = Some(died);
                    return "died".to_owned();
                }
                Err(error) => return error.to_string(),
            },
            "mutex-repair" => self.mutex = self.died.take().map(|died| died.repair(|_| ())),
            "mutex-end" => (self.mutex, self.died) = (None, None),
            "mutex-try" => match limits.try_lock() {
                Ok(_) => {}
                Err(TryLockError::Lock(LockError::OwnerDied(_))) => return "died".to_owned(),
                Err(_) => return "busy".to_owned(),
            },
            "read" => match read_often.read() {
                Ok(guard) => self.read = Some(guard),
                Err(LockError::OwnerDied(died)) => {
                    self.writer_died = Some(died);
                    return "died".to_owned();
                }
                Err(error) => return error.to_string(),
            },
            "write" | "write-try" => {
                let locked = if what == "write" {
                    read_often.write().map_err(TryLockError::Lock)
                } else {
                    read_often.try_write()
                };
                match locked {
                    Ok(guard) => self.write = Some(guard),
                    Err(TryLockError::Lock(LockError::OwnerDied(died))) => {
                        self.writer_died = Some(died);
                        return "died".to_owned();
                    }
                    Err(_) => return "busy".to_owned(),
                }
            }
            "write-repair" => self.write = self.writer_died.take().map(|died| died.repair(|_| ())),
            "rw-end" => (self.read, self.write, self.writer_died) = (None, None, None),
            "permit" => self.permit = workers.acquire().ok(),
            "permit-try" => match workers.try_acquire() {
                Ok(permit) => self.permit = Some(permit),
                Err(_) => return "busy".to_owned(),
            },
            "permit-end" => self.permit = None,
            "lead" => self.leadership = leader.lead().ok(),
            "lead-try" => match leader.try_lead() {
                Ok(leadership) => self.leadership = Some(leadership),
                Err(_) => return "busy".to_owned(),
            },
            "lead-end" => self.leadership = None,
            "event-set" => started.set(),
            "event-wait" => started.wait_timeout(Duration::from_secs(30)).expect("it is set"),
            "once" => drop(made.get_or_init(|| Limits { burst: 77, ..Limits::new() }).is_ok()),
            "once-value" => return made.get().map_or(0, |value| value.burst).to_string(),
            "barrier" => drop(pair.wait_timeout(Duration::from_secs(30)).expect("the other one comes")),
            "once-hang" => drop(made.get_or_init(|| hang()).is_ok()),
            "barrier-soon" => match pair.wait_timeout(Duration::from_millis(200)) {
                Ok(_) => {}
                Err(_) => return "timed out".to_owned(),
            },
            "publish" => {
                rates.update(|old| Rates { burst: old.burst * 2, ..old }).expect("free");
                return published();
            }
            "publish-hang" => drop(rates.update(|_| hang())),
            "published" => return published(),
            "publish-wait" => {
                assert!(rates.wait_newer(1, Duration::from_secs(30)).expect("whole").is_some());
                return published();
            }
            "flag" => return flagged(),
            "flag-set" => drop(dark.set(50.0).expect("free")),
            "count" => self.count(),
            "counted" => return counted(),
            "limit" => {
                let (all, key) = (api.try_acquire().is_ok(), logins.try_acquire(&b"192.0.2.1"[..]).is_ok());
                return format!("{} {}", u8::from(all), u8::from(key));
            }
            "named-a" => return self.named("a"),
            "named-b" => return self.named("b"),
            "named" => return self.named(""),
            "step-wait" => {
                let mut guard = alone.lock().expect("nobody died");
                while step.load(Relaxed) == 0 {
                    guard = changed.wait(guard).expect("nobody died");
                }
            }
            "step" => {
                let _guard = alone.lock().expect("nobody died");
                step.store(1, Relaxed);
                changed.notify_all();
            }
            _ => return "unknown".to_owned(),
        }
        "ok".to_owned()
    }

    /// What a segment has by names: published bytes, a counter with a label, a limit for each key.
    fn named(&mut self, what: &str) -> String {
        let segment =
            self.segment.get_or_insert_with(|| Segment::options().open_or_create("capi.named").expect("a segment"));
        let config = segment.published_bytes("config", 64).expect("room");
        let metrics = Metrics::options().open_or_create(segment, "metrics").expect("room");
        let requests = metrics.counter("requests", &[("method", "GET")]).expect("room");
        let slow = Rate::per(TEN_MINUTES, 1).burst(2);
        let clients = KeyedRateLimiter::<8192>::open_or_create(segment, "clients", slow).expect("room");
        if !what.is_empty() {
            config.publish(what.as_bytes()).expect("free");
            requests.increment();
        }
        let newest = String::from_utf8(config.load().expect("whole").value).expect("a text");
        let is_let = clients.try_acquire(&b"192.0.2.1"[..]).is_ok();
        format!("{newest} {} {}", requests.total(), u8::from(is_let))
    }

    fn count(&mut self) {
        served.increment();
        served.claim().increment();
        busy.add(1.5);
        seconds.observe(0.25);
        traffic.local().requests.fetch_add(1, Relaxed);
        self.cell.get_or_insert_with(|| traffic.claim()).requests.fetch_add(10, Relaxed);
    }
}

/// Says that it is inside, and stays there.
fn hang() -> ! {
    println!("inside");
    let _ = std::io::stdout().flush();
    loop {
        std::thread::park();
    }
}

fn published() -> String {
    let newest = rates.load().expect("whole");
    format!("{} {} {} {}", newest.rate, newest.burst, newest.state as u8, newest.sequence)
}

fn flagged() -> String {
    let count = (0..1000).filter(|user| dark.is_on_for(format!("user-{user}"))).count();
    format!("{count} of 1000 at {:.1}", dark.percent())
}

fn counted() -> String {
    let value = busy.value().unwrap_or(f64::NAN);
    format!("{} {value:.1} {} {}", served.total(), seconds.snapshot().count(), traffic.total())
}

fn values() -> String {
    let value = limits.lock().expect("nobody died");
    format!(
        "{} {} {} {} {} {} {} {} {:.1} {}",
        hits.load(Relaxed),
        rate.load(Relaxed),
        balance.load(Relaxed),
        u8::from(is_open.load(Relaxed)),
        *motd,
        counts[3].load(Relaxed),
        value.burst,
        value.state as u8,
        value.samples[2],
        value.who,
    )
}

fn change() {
    hits.fetch_add(1, Relaxed);
    balance.fetch_sub(1, Relaxed);
    is_open.store(true, Relaxed);
    counts[3].fetch_add(10, Relaxed);
    let mut value = limits.lock().expect("nobody died");
    value.burst += 1;
    value.state = State::Busy;
    value.samples[2] += 0.5;
    value.who.set("Rust").expect("it fits");
}
