//! The metrics in an object, one by one, by the names that `cotenant metrics` prints: `jobs_total{queue="fast"}`.

use cotenant::inspect::live::{LiveObject, LiveParticipant, LiveSegment};
use cotenant::metrics::{HistogramSnapshot, Sample, Value as Held};
use cotenant::schema::Kind;
use serde_json::{Map, Value, json};

/// What a counter's name ends with where it is printed.
const TOTAL: &str = "_total";
/// What stands beside each gauge of processes in a snapshot.
const MISSED: &str = "cotenant_metrics_missed";

/// One metric.
pub(crate) struct Series {
    /// With its labels.
    pub(crate) name: String,
    /// Without.
    family: String,
    pub(crate) held: Held,
}

/// All of an object, or nothing of one that holds none. Of a gauge that is what it holds; how often it was set by those
/// who found no cell is for scrapers.
pub(crate) fn of(segment: &LiveSegment, object: &LiveObject, participants: &[LiveParticipant]) -> Vec<Series> {
    let Some(snapshot) = segment.metrics_of(object, participants) else { return Vec::new() };
    let is_table = object.kind() == Some(Kind::Metrics);
    let families = snapshot.families().iter().filter(|family| is_table || family.name != MISSED);
    let series = families.flat_map(|family| family.samples.iter().map(|sample| one(&family.name, sample)));
    series.collect()
}

fn one(family: &str, sample: &Sample) -> Series {
    let ending = if matches!(sample.value, Held::Counter(_)) { TOTAL } else { "" };
    let family = format!("{family}{ending}");
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    let labels: Vec<_> = sample.labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    Series { name: format!("{family}{labels}"), family, held: sample.value.clone() }
}

/// Those that are meant: the one of that name and labels, or all of the name; a counter's also without its ending.
pub(crate) fn meant<'a>(all: &'a [Series], asked: &str) -> Vec<&'a Series> {
    if let Some(one) = all.iter().find(|series| series.name == asked) {
        return vec![one];
    }
    let (name, labels) = asked.find('{').map_or((asked, ""), |at| asked.split_at(at));
    let is_it = |series: &&Series| {
        let is_named = series.family == name || series.family.strip_suffix(TOTAL) == Some(name);
        is_named && (labels.is_empty() || series.name[series.family.len()..] == *labels)
    };
    all.iter().filter(is_it).collect()
}

/// Whether an object is a metric, or the table of those with names, rather than a value with some in it.
pub(crate) fn is_metric(object: &LiveObject) -> bool {
    matches!(object.kind(), Some(Kind::Counter | Kind::Gauge | Kind::Histogram | Kind::Metrics))
}

/// What an object that [is a metric](is_metric) holds: of one alone its value, of a table each by its name.
pub(crate) fn whole(segment: &LiveSegment, object: &LiveObject, participants: &[LiveParticipant]) -> Value {
    let mut series = of(segment, object, participants);
    if object.kind() != Some(Kind::Metrics) && series.len() < 2 {
        return series.pop().map_or(Value::Null, |series| to_json(&series.held));
    }
    document(&series.iter().collect::<Vec<_>>())
}

/// Several, by their names.
pub(crate) fn document(series: &[&Series]) -> Value {
    Value::Object(series.iter().map(|it| (it.name.clone(), to_json(&it.held))).collect::<Map<_, _>>())
}

/// What one holds; of a histogram what people ask it for.
pub(crate) fn to_json(held: &Held) -> Value {
    match held {
        Held::Counter(total) => (*total).into(),
        Held::Gauge(value) => number(*value),
        Held::Histogram(histogram) => summary(histogram),
        _ => Value::Null,
    }
}

/// The number that says how much happens: a gauge's value, a total, how many values were observed.
pub(crate) fn rank(held: &Held) -> f64 {
    match held {
        Held::Counter(total) => *total as f64,
        Held::Gauge(value) => *value,
        Held::Histogram(histogram) => histogram.count() as f64,
        _ => 0.0,
    }
}

/// The same as people read it.
pub(crate) fn words(held: &Held) -> String {
    match held {
        Held::Counter(total) => total.to_string(),
        Held::Gauge(value) => value.to_string(),
        Held::Histogram(histogram) => {
            let part = |part: f64| histogram.quantile(part).map_or_else(|| "-".to_owned(), |it| format!("{it:.3e}"));
            format!("{}, p50 {} p99 {}", histogram.count(), part(0.5), part(0.99))
        }
        _ => "?".to_owned(),
    }
}

fn summary(histogram: &HistogramSnapshot) -> Value {
    let part = |part: f64| histogram.quantile(part).map_or(Value::Null, number);
    json!({ "count": histogram.count(), "sum": number(histogram.sum()), "p50": part(0.5), "p90": part(0.9),
        "p99": part(0.99) })
}

fn number(value: f64) -> Value {
    // What JSON has no numbers for is a text.
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str) -> Series {
        let family = name.split('{').next().unwrap_or_default().to_owned();
        Series { name: name.to_owned(), family, held: Held::Counter(1) }
    }

    #[test]
    fn series_are_found_by_whole_names_by_families_and_without_the_ending() {
        let all = [series("jobs_total{queue=\"a\"}"), series("jobs_total{queue=\"b\"}"), series("job_total")];
        let names = |asked: &str| meant(&all, asked).iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("jobs_total{queue=\"a\"}"), ["jobs_total{queue=\"a\"}"]);
        assert_eq!(names("jobs{queue=\"b\"}"), ["jobs_total{queue=\"b\"}"]);
        assert_eq!(names("jobs").len(), 2);
        assert_eq!(names("job"), ["job_total"]);
        assert!(names("jobs{queue=\"c\"}").is_empty() && names("jo").is_empty());
    }
}
