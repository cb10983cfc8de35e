//! `Snapshot`: metrics as they were when somebody looked, by families: one name, one kind, many labels.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;

use super::gauge::{Across, Held};
use super::histogram::HistogramSnapshot;
use super::living::Living;
use super::table::{Table, What};
use super::text;

const MISSED: &str = "cotenant_metrics_missed";

/// Puts a label among others, in the order of their names. Another value of it is kept under another name.
fn set_label(labels: &mut Vec<(String, String)>, label: &str, value: &str) {
    let place = match labels.binary_search_by(|(name, _)| name.as_str().cmp(label)) {
        Ok(place) if labels[place].1 == value => return,
        Ok(place) => {
            let mut name = format!("exported_{label}");
            while labels.iter().any(|(label, _)| *label == name) {
                name.insert_str(0, "exported_");
            }
            labels[place].0 = name;
            labels.sort_unstable();
            labels.partition_point(|(name, _)| name.as_str() < label)
        }
        Err(place) => place,
    };
    labels.insert(place, (label.to_owned(), value.to_owned()));
}

/// Metrics as they were at about one moment. Each number is one that somebody left; together they may be of moments as
/// far apart as reading takes.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    families: Vec<Family>,
    /// Where in `families` a name is.
    places: HashMap<String, usize>,
    /// What the lines of the families begin with: no two may have one in common.
    lines: HashSet<String>,
    /// Of names that there is no metric of, yet.
    descriptions: HashMap<String, String>,
}

/// The metrics of one name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Family {
    /// Without the `_total` of counters.
    pub name: String,
    /// One line that says what it is; empty if nobody has said so.
    pub help: String,
    /// What all of them are.
    pub kind: FamilyKind,
    /// One for each combination of labels.
    pub samples: Vec<Sample>,
}

/// What the metrics of a name are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FamilyKind {
    /// Totals that only grow.
    Counter,
    /// Values that go up and down.
    Gauge,
    /// Distributions.
    Histogram,
}

impl FamilyKind {
    /// `None`: a description is no metric.
    pub(super) fn of(what: What) -> Option<FamilyKind> {
        match what {
            What::Counter => Some(FamilyKind::Counter),
            What::Gauge => Some(FamilyKind::Gauge),
            What::Histogram => Some(FamilyKind::Histogram),
            What::Description => None,
        }
    }

    /// What lines of a family of that name begin with, in one text format or the other, the family's name included:
    /// scrapers cannot tell families apart that have one in common. Lines that end in `_created` are not written, but
    /// OpenMetrics keeps them for the time since when counters and histograms count.
    pub(super) fn lines_of(self, name: &str) -> impl Iterator<Item = String> {
        self.endings().iter().map(move |ending| format!("{name}{ending}"))
    }

    /// What is added to the name.
    pub(super) fn endings(self) -> &'static [&'static str] {
        match self {
            FamilyKind::Counter => &["", "_created", "_total"],
            FamilyKind::Gauge => &[""],
            FamilyKind::Histogram => &["", "_bucket", "_count", "_created", "_sum"],
        }
    }
}

/// A metric: its labels, and what it held.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Names and values, in the order of the names.
    pub labels: Vec<(String, String)>,
    /// What it held.
    pub value: Value,
}

/// What a metric held.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A counter's total.
    Counter(u64),
    /// A gauge's value.
    Gauge(f64),
    /// A histogram's counts and sum.
    Histogram(HistogramSnapshot),
}

impl Value {
    fn kind(&self) -> FamilyKind {
        match self {
            Value::Counter(_) => FamilyKind::Counter,
            Value::Gauge(_) => FamilyKind::Gauge,
            Value::Histogram(_) => FamilyKind::Histogram,
        }
    }
}

impl Family {
    /// Adds up what has the same labels, and takes in what has others.
    fn add(&mut self, samples: Vec<Sample>) {
        let places = self.samples.iter().enumerate().map(|(place, there)| (there.labels.clone(), place));
        let mut places: HashMap<_, _> = places.collect();
        for sample in samples {
            let place = match places.entry(sample.labels.clone()) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(place) => {
                    place.insert(self.samples.len());
                    self.samples.push(sample);
                    continue;
                }
            };
            match (&mut self.samples[place].value, sample.value) {
                (Value::Counter(total), Value::Counter(more)) => *total = total.wrapping_add(more),
                (Value::Histogram(all), Value::Histogram(more)) => drop(all.merge(&more)),
                (there, value) => *there = value,
            }
        }
    }
}

impl Snapshot {
    /// Nothing yet.
    pub fn new() -> Snapshot {
        Snapshot::default()
    }

    /// What there is of each name, in the order in which they were met.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The metric of that name (a counter's without `_total`) with these labels, in any order.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Value> {
        let family = &self.families[*self.places.get(name)?];
        let mut wanted = labels.to_vec();
        wanted.sort_unstable();
        let is_it = |sample: &&Sample| {
            sample.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).eq(wanted.iter().copied())
        };
        family.samples.iter().find(is_it).map(|sample| &sample.value)
    }

    /// Adds what another one has. Two metrics of one name and labels are added up (of gauges the later one stays), so
    /// put a label on each first ([`with_label`](Snapshot::with_label)) if they are to be told apart. A name that is of
    /// another kind there, or of which scrapers would read another one's lines, gets `_2` behind it; a histogram of
    /// other buckets than that which is there is left out.
    pub fn add(&mut self, other: Snapshot) {
        for (name, line) in other.descriptions {
            self.add_help(&name, &line);
        }
        for family in other.families {
            let there = self.family(&family.name, family.kind);
            if there.help.is_empty() {
                there.help = family.help;
            }
            there.add(family.samples);
        }
    }

    /// Puts a label on every metric: which segment it is of. One that has another value for a label of that name
    /// keeps that as `exported_` and the name, as Prometheus does it.
    #[must_use]
    pub fn with_label(mut self, label: &str, value: &str) -> Snapshot {
        for sample in self.families.iter_mut().flat_map(|family| &mut family.samples) {
            set_label(&mut sample.labels, label, value);
        }
        self
    }

    /// Adds one metric that is not there yet.
    pub(crate) fn push(&mut self, name: &str, labels: Vec<(String, String)>, value: Value) {
        self.family(name, value.kind()).samples.push(Sample { labels, value });
    }

    /// The family of that name, or, if scrapers could not tell it from another one, of one behind it.
    fn family(&mut self, name: &str, kind: FamilyKind) -> &mut Family {
        // Most often there is one, and no name need be made.
        if let Some(place) = self.places.get(name).filter(|place| self.families[**place].kind == kind) {
            return &mut self.families[*place];
        }
        let mut name = name.to_owned();
        let place = loop {
            match self.places.get(&name) {
                Some(place) if self.families[*place].kind == kind => break *place,
                None if kind.lines_of(&name).all(|line| !self.lines.contains(&line)) => {
                    self.lines.extend(kind.lines_of(&name));
                    self.places.insert(name.clone(), self.families.len());
                    let stem = name.strip_suffix("_total").unwrap_or(&name);
                    let help = self.descriptions.remove(&name).or_else(|| self.descriptions.remove(stem));
                    let help = help.unwrap_or_default();
                    self.families.push(Family { name, help, kind, samples: Vec::new() });
                    break self.families.len() - 1;
                }
                _ => name.push_str("_2"),
            }
        };
        &mut self.families[place]
    }

    /// Describes a name, unless it is described. Without `_total`, which may belong to the name of what is no counter.
    pub(crate) fn add_help(&mut self, name: &str, help: &str) {
        let place = self.places.get(name).or_else(|| self.places.get(&format!("{name}_total")));
        match place.map(|place| &mut self.families[*place].help) {
            Some(there) if there.is_empty() => help.clone_into(there),
            Some(_) => {}
            None => drop(self.descriptions.entry(name.to_owned()).or_insert_with(|| help.to_owned())),
        }
    }

    /// A gauge, as its processes tell it.
    pub(crate) fn push_gauge(
        &mut self,
        name: &str,
        labels: Vec<(String, String)>,
        across: Across,
        held: impl Iterator<Item = Held>,
        living: &mut Living<'_>,
    ) {
        if across == Across::EachProcess {
            for held in held {
                let Some(pid) = living.process(held.tenant) else { continue };
                let mut labels = labels.clone();
                set_label(&mut labels, "pid", &pid.to_string());
                set_label(&mut labels, "slot", &(held.tenant >> 20).to_string());
                self.push(name, labels, Value::Gauge(held.value));
            }
        } else if let Some(value) =
            across.merge(held.filter(|it| living.process(it.tenant).is_some()).map(|it| it.value))
        {
            self.push(name, labels, Value::Gauge(value));
        }
    }

    pub(crate) fn of_table(table: &Table<'_>, living: &mut Living<'_>) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for found in (0..table.count()).filter_map(|number| table.found(number)) {
            let bytes = table.text(&found);
            // Damaged texts are left out: there is nothing to call them by.
            let Some((name, labels)) = text::parts(&bytes) else { continue };
            if !text::is_name(name)
                || text::is_kept(name)
                || found.what != What::Description && !labels.iter().all(|(label, _)| text::is_label(label))
            {
                continue;
            }
            if found.what == What::Description {
                snapshot.add_help(name, labels.first().map_or("", |(_, line)| line));
                continue;
            }
            let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
            match (found.what, table.buckets(&found)) {
                (What::Histogram, Some(buckets)) => {
                    let mut all = HistogramSnapshot::empty(buckets);
                    table.striped(&found).all().for_each(|words| all.add(&words));
                    snapshot.push(name, labels, Value::Histogram(all));
                }
                (What::Gauge, _) => {
                    let gauge = table.gauge(&found);
                    match table.across(&found) {
                        Across::Last => {
                            if let Some(value) = gauge.last() {
                                snapshot.push(name, labels, Value::Gauge(value));
                            }
                        }
                        across => snapshot.push_gauge(name, labels, across, gauge.held(), living),
                    }
                }
                _ => snapshot.push(name, labels, Value::Counter(table.total(&found))),
            }
        }
        snapshot.add_own(table);
        snapshot
    }

    /// What named metrics know of themselves.
    fn add_own(&mut self, table: &Table<'_>) {
        let (refused, missed) = (table.head.refused.load(Relaxed), table.head.missed.load(Relaxed));
        self.add_help("cotenant_metrics_refused", "Metrics that there was no room for.");
        self.push("cotenant_metrics_refused", Vec::new(), Value::Counter(refused));
        self.push_missed(Vec::new(), missed);
        self.add_help("cotenant_metrics_series", "Names and labels that there are, descriptions included.");
        self.push("cotenant_metrics_series", Vec::new(), Value::Gauge(table.count().into()));
    }

    /// How often a gauge was set by a process that there is no cell for.
    pub(crate) fn push_missed(&mut self, labels: Vec<(String, String)>, missed: u64) {
        self.add_help(MISSED, "Values of gauges that were not kept, because their process has no cell.");
        self.push(MISSED, labels, Value::Counter(missed));
    }
}
