//! Every way in turn, round after round, with a bar that says how far it has come.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cotenant::{Backing, Segment, SegmentOptions, SysVKey};
use indicatif::{ProgressBar, ProgressStyle};

use super::ways::{self, Facts};
use super::{Row, SIZES};
use crate::channels::mailbox::{Mailbox, Memory};
use crate::channels::ours::Ours;
use crate::channels::way::{self, Cores, Way};
use crate::rounds::median;
use crate::{home, sys};

/// The longest message, and what a mailbox has besides.
const WORDS: usize = (1 << 20) / 8 + 16;
/// What a variable of the image has room for: it lies in the program's file.
const IMAGE_WORDS: usize = (64 << 10) / 8 + 16;

cotenant::shared! {
    #![shared(name = "cotenant.bench.compare", attach = by_call)]
    static ONE: [AtomicU64; IMAGE_WORDS] = [const { AtomicU64::new(0) }; IMAGE_WORDS];
    static OTHER: [AtomicU64; IMAGE_WORDS] = [const { AtomicU64::new(0) }; IMAGE_WORDS];
}

/// A quick run measures everything once, and again as long as it has not taken so long.
const QUICK: Duration = Duration::from_secs(7);

/// Which one is given out next.
static TURN: AtomicU64 = AtomicU64::new(0);

struct Image;

impl Memory for Image {
    fn words(count: usize) -> anyhow::Result<&'static [AtomicU64]> {
        ensure!(count <= IMAGE_WORDS, "the variable has the size that it was compiled with");
        cotenant::attach()?;
        let is_one = TURN.fetch_add(1, Relaxed) % 2 == 0;
        Ok(if is_one { &ONE[..count] } else { &OTHER[..count] })
    }
}

/// What attaching takes, in us, in a process that has not: in this one it is done once. In a folder of its own, so that
/// the variables are made and not found.
pub(crate) fn attach_image() -> anyhow::Result<f64> {
    let start = Instant::now();
    cotenant::attach()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

/// The same, told by another process of this program.
fn attach_image_elsewhere() -> anyhow::Result<f64> {
    let (home, this) = (home::make()?, std::env::current_exe().context("find this program")?);
    let mut other = std::process::Command::new(this);
    let output = other.arg("attach-image").env("COTENANT_DIR", home.path()).env_remove("COTENANT_SCOPE").output();
    let output = output.context("start this program again")?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().parse().context("microseconds")
}

macro_rules! segment {
    ($name:ident, $options:expr, $label:expr) => {
        struct $name;

        impl Memory for $name {
            fn words(count: usize) -> anyhow::Result<&'static [AtomicU64]> {
                let number = TURN.fetch_add(1, Relaxed);
                let bytes = (count * 8).next_multiple_of(4096) as u64 + (64 << 10);
                let options: SegmentOptions = $options;
                let label: String = ($label)(format!("compare-{}-{number}", std::process::id()))?;
                let segment = options.max_bytes(bytes).max_objects(8).max_participants(64).create(&label)?;
                // Two sizes, so that short messages do not cost a megabyte of memory.
                let segment = segment.leak();
                let words: &[AtomicU64] = if count <= IMAGE_WORDS {
                    segment.get_or_zeroed::<[AtomicU64; IMAGE_WORDS]>("words")?
                } else {
                    segment.get_or_zeroed::<[AtomicU64; WORDS]>("words")?
                };
                if is_path(&label) {
                    // Nobody else is to find it; without a name it could not have grown.
                    std::fs::remove_file(&label).context("remove the file's name")?;
                }
                Ok(&words[..count])
            }
        }
    };
}

fn is_path(label: &str) -> bool {
    label.starts_with('/')
}

fn same(label: String) -> anyhow::Result<String> {
    Ok(label)
}

fn in_home(label: String) -> anyhow::Result<String> {
    let path = std::env::temp_dir().join(label);
    path.to_str().map(str::to_owned).context("a temporary folder whose name is text")
}

segment!(Anonymous, Segment::options().backing(Backing::Anonymous), same);
segment!(Posix, Segment::options().backing(Backing::Posix), same);
segment!(SysV, Segment::options().backing(Backing::SysV(SysVKey::Private)), same);
segment!(Memfd, Segment::options().backing(Backing::Memfd), same);
segment!(File, Segment::options().backing(Backing::File), in_home);

/// One figure of one way.
pub(crate) type Measure = Box<dyn Fn(u64) -> anyhow::Result<f64>>;

/// The measurements of a way: set-up, round trip, and a stream for each size.
fn measures<W: Way + 'static>(round_trip_ns: u64, message_ns: u64, byte_ps: u64) -> Vec<Measure> {
    let mut all: Vec<Measure> = vec![
        Box::new(|_| {
            let start = Instant::now();
            let way = W::make(8)?;
            let us = start.elapsed().as_secs_f64() * 1e6;
            drop(way);
            Ok(us)
        }),
        Box::new(move |budget_ns| way::round_trip::<W>(8, (budget_ns / round_trip_ns).max(20), Cores::Two)),
    ];
    for (bytes, _) in SIZES {
        let ns = message_ns + bytes as u64 * byte_ps / 1000;
        all.push(Box::new(move |budget_ns| {
            way::stream::<W>(bytes, (budget_ns / ns).max(20)).map(|millions| millions * 1e6)
        }));
    }
    all
}

fn all_measures() -> anyhow::Result<Vec<Vec<Measure>>> {
    let mailbox_ns = 300;
    let mut image = measures::<Mailbox<Image>>(mailbox_ns, mailbox_ns, 300);
    image[0] = Box::new(|_| attach_image_elsewhere());
    let mut all = vec![
        image,
        measures::<Mailbox<Anonymous>>(mailbox_ns, mailbox_ns, 300),
        measures::<Mailbox<Posix>>(mailbox_ns, mailbox_ns, 300),
        measures::<Mailbox<SysV>>(mailbox_ns, mailbox_ns, 300),
        measures::<Mailbox<Memfd>>(mailbox_ns, mailbox_ns, 300),
        measures::<Mailbox<File>>(mailbox_ns, mailbox_ns, 300),
    ];
    let kernels = sys::kernel_ways(&Maker)?;
    let [pipe, framed, fifo, socket, messages] = kernels;
    all.extend([pipe, framed, fifo]);
    all.push(measures::<Ours<true, false>>(300, 60, 150));
    all.push(measures::<Ours<false, false>>(600, 120, 150));
    all.extend([socket, messages]);
    Ok(all)
}

/// Makes the measurements of a way that only some systems have.
pub(crate) struct Maker;

impl Maker {
    pub(crate) fn of<W: Way + 'static>(&self) -> Vec<Measure> {
        measures::<W>(20_000, 1000, 600)
    }
}

/// Everything, several rounds; the median of each.
pub(super) fn all(quick: bool) -> anyhow::Result<Vec<Row>> {
    let _home = home::make()?;
    let (rounds, budget_ns) = if quick { (3, 10_000_000) } else { (7, 60_000_000) };
    let ways = all_measures()?;
    let count: usize = ways.iter().map(Vec::len).sum();
    let bar = ProgressBar::new((count * rounds) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}")?);
    let mut samples = vec![vec![Vec::new(); SIZES.len() + 2]; ways.len()];
    let mut failed = vec![vec![false; SIZES.len() + 2]; ways.len()];
    let begin = Instant::now();
    for round in 0..rounds {
        // A B C ... for each figure, so that what disturbs the machine disturbs all alike.
        for figure in 0..SIZES.len() + 2 {
            for (at, way) in ways.iter().enumerate() {
                bar.set_message(ways::ALL[at].name);
                let is_late = quick && round > 0 && begin.elapsed() > QUICK;
                if !failed[at][figure] && !is_late {
                    match way[figure](budget_ns) {
                        Ok(value) => samples[at][figure].push(value),
                        Err(_) => failed[at][figure] = true,
                    }
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let rows = ways::ALL.iter().zip(samples);
    Ok(rows.map(|(facts, samples)| row(*facts, samples)).collect())
}

fn row(facts: Facts, mut samples: Vec<Vec<f64>>) -> Row {
    let mut medians = samples.iter_mut().map(|values| (!values.is_empty()).then(|| median(values)));
    let (set_up_us, round_trip_ns) = (medians.next().flatten(), medians.next().flatten());
    let messages_per_second = medians.collect();
    Row { facts, set_up_us, round_trip_ns, one_way_ns: round_trip_ns.map(|ns| ns / 2.0), messages_per_second }
}
