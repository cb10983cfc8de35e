//! `Snapshot`: metrics as they were when somebody looked, by families: one name, one kind, many labels.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::gauge::{Across, Held};
use super::histogram::HistogramSnapshot;
use super::living::Living;
use super::table::{Table, What};
use super::text;

/// Metrics as they were at about one moment. Each number is one that somebody left; together they may be of moments as
/// far apart as reading takes.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    families: Vec<Family>,
    /// Where in `families` a name is.
    places: HashMap<String, usize>,
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

    /// Adds what another one has. Two metrics of one name and labels are added up (of gauges the later one stays); a
    /// name that is of another kind there gets `_2` behind it.
    pub fn add(&mut self, other: Snapshot) {
        for family in other.families {
            if !self.places.contains_key(&family.name) {
                self.places.insert(family.name.clone(), self.families.len());
                self.families.push(family);
                continue;
            }
            let name = self.add_help(&family.name, &family.help);
            self.family(&name, family.kind).add(family.samples);
        }
    }

    /// Puts a label on every metric that has none of that name: which segment it is of.
    #[must_use]
    pub fn with_label(mut self, label: &str, value: &str) -> Snapshot {
        for sample in self.families.iter_mut().flat_map(|family| &mut family.samples) {
            if let Err(place) = sample.labels.binary_search_by(|(name, _)| name.as_str().cmp(label)) {
                sample.labels.insert(place, (label.to_owned(), value.to_owned()));
            }
        }
        self
    }

    /// Adds one metric that is not there yet.
    pub(crate) fn push(&mut self, name: &str, labels: Vec<(String, String)>, value: Value) {
        self.family(name, value.kind()).samples.push(Sample { labels, value });
    }

    /// The family of that name, or, if that is of another kind, of one behind it.
    fn family(&mut self, name: &str, kind: FamilyKind) -> &mut Family {
        // Most often there is one, and no name need be made.
        if let Some(place) = self.places.get(name).filter(|place| self.families[**place].kind == kind) {
            return &mut self.families[*place];
        }
        let mut name = name.to_owned();
        let place = loop {
            match self.places.entry(name.clone()) {
                Entry::Occupied(place) => {
                    let family = &mut self.families[*place.get()];
                    if family.samples.is_empty() {
                        family.kind = kind;
                    }
                    if family.kind == kind {
                        break *place.get();
                    }
                    name.push_str("_2");
                }
                Entry::Vacant(place) => {
                    place.insert(self.families.len());
                    self.families.push(Family { name, help: String::new(), kind, samples: Vec::new() });
                    break self.families.len() - 1;
                }
            }
        };
        &mut self.families[place]
    }

    /// Describes a name, unless it is described; gives the name.
    pub(crate) fn add_help(&mut self, name: &str, help: &str) -> String {
        let kind = self.places.get(name).map_or(FamilyKind::Gauge, |place| self.families[*place].kind);
        let family = self.family(name, kind);
        if family.help.is_empty() {
            help.clone_into(&mut family.help);
        }
        family.name.clone()
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
                labels.push(("pid".to_owned(), pid.to_string()));
                labels.push(("slot".to_owned(), (held.tenant >> 20).to_string()));
                labels.sort();
                labels.dedup_by(|a, b| a.0 == b.0);
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
        let refused = table.head.refused.load(std::sync::atomic::Ordering::Relaxed);
        snapshot.add_help("cotenant_metrics_refused", "Metrics that there was no room for.");
        snapshot.push("cotenant_metrics_refused", Vec::new(), Value::Counter(refused));
        snapshot.add_help("cotenant_metrics_series", "Names and labels that there are, descriptions included.");
        snapshot.push("cotenant_metrics_series", Vec::new(), Value::Gauge(table.count().into()));
        snapshot
    }
}
