//! Metrics as text, for scrapers: OpenMetrics 1.0 and Prometheus 0.0.4.
//!
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>. Exemplars and times are not told.

use std::fmt::Write as _;

use super::snapshot::{Family, FamilyKind, Sample, Snapshot, Value};

/// A text format of scrapers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus 0.0.4.
    Prometheus,
}

impl Format {
    /// What an HTTP server says of it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The format that a request's `Accept` header asks for; Prometheus if it names neither.
    pub fn accepted(accept: &str) -> Format {
        if accept.contains("application/openmetrics-text") { Format::OpenMetrics } else { Format::Prometheus }
    }
}

impl Snapshot {
    /// As text. Labels and descriptions are escaped; a histogram has a line for each bucket.
    ///
    /// ```
    /// use cotenant::metrics::{Buckets, Format, Metrics};
    /// # use cotenant::{Backing, Segment};
    /// # let segment = Segment::options().backing(Backing::Anonymous).max_bytes(16 << 20).create("example")?;
    /// # let metrics = Metrics::options().open_or_create(&segment, "metrics")?;
    /// let sizes = metrics.histogram("size_bytes", &[], Buckets::between(1.0, 4.0).parts(0))?;
    /// sizes.observe(3.0);
    /// let text = metrics.snapshot().render(Format::OpenMetrics);
    /// assert!(text.contains("size_bytes_bucket{le=\"4.0\"} 1\n") && text.ends_with("# EOF\n"));
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    pub fn render(&self, format: Format) -> String {
        let mut out =
            String::with_capacity(64 * self.families().iter().map(|family| family.samples.len()).sum::<usize>());
        for family in self.families().iter().filter(|family| !family.samples.is_empty()) {
            render_family(&mut out, family, format);
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

fn render_family(out: &mut String, family: &Family, format: Format) {
    let kind = match family.kind {
        FamilyKind::Counter => "counter",
        FamilyKind::Gauge => "gauge",
        FamilyKind::Histogram => "histogram",
    };
    // Prometheus knows a counter by its sample's name, OpenMetrics by the name without the ending.
    let ending = if format == Format::Prometheus && family.kind == FamilyKind::Counter { "_total" } else { "" };
    let name = &family.name;
    if !family.help.is_empty() {
        let _ = write!(out, "# HELP {name}{ending} ");
        escape(out, &family.help, format == Format::OpenMetrics);
        out.push('\n');
    }
    let _ = writeln!(out, "# TYPE {name}{ending} {kind}");
    for sample in &family.samples {
        render_sample(out, name, sample);
    }
}

fn render_sample(out: &mut String, name: &str, sample: &Sample) {
    match &sample.value {
        Value::Counter(total) => {
            render_head(out, name, "_total", sample, None);
            push_integer(out, *total);
        }
        Value::Gauge(value) => {
            render_head(out, name, "", sample, None);
            push_float(out, *value);
        }
        Value::Histogram(histogram) => {
            let mut count = 0;
            for (end, up_to) in histogram.cumulative() {
                render_head(out, name, "_bucket", sample, Some(end));
                push_integer(out, up_to);
                out.push('\n');
                count = up_to;
            }
            render_head(out, name, "_count", sample, None);
            push_integer(out, count);
            out.push('\n');
            render_head(out, name, "_sum", sample, None);
            push_float(out, histogram.sum());
        }
    }
    out.push('\n');
}

/// Name, labels, and the blank behind them.
fn render_head(out: &mut String, name: &str, ending: &str, sample: &Sample, le: Option<f64>) {
    out.push_str(name);
    out.push_str(ending);
    let mut separator = '{';
    for (label, value) in &sample.labels {
        out.push(separator);
        out.push_str(label);
        out.push_str("=\"");
        escape(out, value, true);
        out.push('"');
        separator = ',';
    }
    if let Some(end) = le {
        out.push(separator);
        out.push_str("le=\"");
        push_float(out, end);
        out.push('"');
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
}

fn escape(out: &mut String, text: &str, with_quotes: bool) {
    if !text.contains(['\\', '\n', '"']) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if with_quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

fn push_integer(out: &mut String, number: u64) {
    let _ = write!(out, "{number}");
}

fn push_float(out: &mut String, number: f64) {
    if number.is_nan() {
        out.push_str("NaN");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(out, "{number:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Buckets, Histogram};

    fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn text_is_what_the_formats_say() {
        let mut snapshot = Snapshot::new();
        snapshot.push("jobs", labels(&[("queue", "a\"b\\c\nd"), ("tier", "1")]), Value::Counter(7));
        snapshot.push("jobs", labels(&[]), Value::Counter(u64::MAX));
        snapshot.add_help("jobs", "Jobs \"done\",\nall.");
        snapshot.push("load", labels(&[]), Value::Gauge(-0.5));
        snapshot.push("load", labels(&[("cpu", "x")]), Value::Gauge(f64::INFINITY));
        let histogram = Histogram::<8, 1>::new(Buckets::between(1.0, 4.0).parts(0));
        [0.5, 3.0, 4.0, 9.0].into_iter().for_each(|value| histogram.observe(value));
        snapshot.push("size", labels(&[("q", "1")]), Value::Histogram(histogram.snapshot()));
        assert_eq!(
            snapshot.render(Format::OpenMetrics),
            "# HELP jobs Jobs \\\"done\\\",\\nall.\n# TYPE jobs counter\n\
             jobs_total{queue=\"a\\\"b\\\\c\\nd\",tier=\"1\"} 7\njobs_total 18446744073709551615\n\
             # TYPE load gauge\nload -0.5\nload{cpu=\"x\"} +Inf\n\
             # TYPE size histogram\nsize_bucket{q=\"1\",le=\"1.0\"} 1\nsize_bucket{q=\"1\",le=\"2.0\"} 1\n\
             size_bucket{q=\"1\",le=\"4.0\"} 3\nsize_bucket{q=\"1\",le=\"+Inf\"} 4\n\
             size_count{q=\"1\"} 4\nsize_sum{q=\"1\"} 16.5\n# EOF\n"
        );
        let prometheus = snapshot.render(Format::Prometheus);
        assert!(
            prometheus.starts_with("# HELP jobs_total Jobs \"done\",\\nall.\n# TYPE jobs_total counter\njobs_total{")
        );
        assert!(!prometheus.contains("EOF"));
    }

    #[test]
    fn format_is_what_a_scraper_accepts() {
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        assert_eq!(Format::accepted(accept), Format::OpenMetrics);
        assert_eq!(Format::accepted("text/plain"), Format::Prometheus);
        assert_eq!(Format::accepted("*/*"), Format::Prometheus);
    }
}
