//! A figure: what one subject of one case came to. As JSON, one line of the output.

use serde::{Serialize, Serializer};

use crate::rounds::{NOT_ASKED_FOR, Samples, median};

#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) group: &'static str,
    pub(crate) case: String,
    pub(crate) subject: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// A difference of other figures, which has no ratio to them.
    #[serde(skip)]
    pub(crate) is_difference: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    Measured(Measured),
    Skipped {
        #[serde(rename = "skipped")]
        why: String,
    },
}

#[derive(Clone, Copy, Serialize)]
pub(crate) struct Measured {
    #[serde(serialize_with = "rounded")]
    pub(crate) median: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) min: f64,
    #[serde(serialize_with = "rounded")]
    pub(crate) max: f64,
    pub(crate) unit: &'static str,
    pub(crate) rounds: usize,
}

impl Figure {
    pub(crate) fn new(
        group: &'static str,
        case: impl Into<String>,
        subject: impl Into<String>,
        unit: &'static str,
        samples: &Samples,
    ) -> Figure {
        let outcome = match samples {
            Err(why) => Outcome::Skipped { why: why.clone() },
            Ok(values) if values.is_empty() => Outcome::Skipped { why: "no round was measured".into() },
            Ok(values) => {
                let mut sorted = values.clone();
                let median = median(&mut sorted);
                let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
                Outcome::Measured(Measured { median, min, max, unit, rounds: sorted.len() })
            }
        };
        Figure { group, case: case.into(), subject: subject.into(), outcome, is_difference: false }
    }

    pub(crate) fn difference(self) -> Figure {
        Figure { is_difference: true, ..self }
    }

    pub(crate) fn was_asked_for(&self) -> bool {
        !matches!(&self.outcome, Outcome::Skipped { why } if why == NOT_ASKED_FOR)
    }

    pub(crate) fn measured(&self) -> Option<Measured> {
        match self.outcome {
            Outcome::Measured(measured) => Some(measured),
            Outcome::Skipped { .. } => None,
        }
    }
}

/// The median of `subject` in `case`, if it was measured.
pub(crate) fn median_of(figures: &[Figure], case: &str, subject: &str) -> Option<f64> {
    let figure = figures.iter().find(|figure| figure.case == case && figure.subject == subject)?;
    figure.measured().map(|measured| measured.median)
}

/// A thousandth of a unit is below what can be measured.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes fields so.
fn rounded<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((value * 1000.0).round() / 1000.0)
}
