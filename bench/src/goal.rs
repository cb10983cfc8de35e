//! A goal, and whether this run met it. Told, not asserted: the machine may be busy.

use std::fmt;

pub(crate) struct Goal {
    text: String,
    /// The value as people read it, and whether it is good enough; `None`: it was not measured.
    verdict: Option<(String, bool)>,
}

impl Goal {
    pub(crate) fn new(text: impl Into<String>, verdict: Option<(String, bool)>) -> Goal {
        Goal { text: text.into(), verdict }
    }

    /// Met by a value of at most `limit`.
    pub(crate) fn at_most(text: impl Into<String>, value: Option<f64>, limit: f64, unit: &str) -> Goal {
        Goal::new(text, value.map(|value| (format!("{value:.2} {unit}").trim_end().to_owned(), value <= limit)))
    }

    pub(crate) fn was_measured(&self) -> bool {
        self.verdict.is_some()
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goal {}: ", self.text)?;
        match &self.verdict {
            Some((value, true)) => write!(f, "met ({value})"),
            Some((value, false)) => write!(f, "missed ({value})"),
            None => f.write_str("not measured"),
        }
    }
}
