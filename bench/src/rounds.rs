//! Every subject in turn, many rounds.
//!
//! ```text
//! round 1:  A B C  A B C  A B C ...   one sample each: the median of its turns
//! round 2:  C B A  C B A  C B A ...   the other way round, so that nobody always follows the same one
//! ```
//!
//! What disturbs the machine for a while disturbs all subjects alike, and a turn that was interrupted is no median.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use crate::subject::Subject;

/// What `CASE: SUBJECT` must contain to be measured.
pub(crate) static ONLY: OnceLock<String> = OnceLock::new();
/// Why there are no samples of the others, which are not shown.
pub(crate) const NOT_ASKED_FOR: &str = "not asked for";

/// A subject's samples, one a round; or why there are none.
pub(crate) type Samples = Result<Vec<f64>, String>;

/// Measures all subjects; the answers stand in their order. One that fails is left out from then on.
pub(crate) fn in_turn(title: &str, subjects: &mut [Subject<'_>], rounds: u32, turns: u32) -> Vec<Samples> {
    let is_wanted = |it: &Subject<'_>| ONLY.get().is_none_or(|only| format!("{}: {}", it.case, it.name).contains(only));
    let no_samples = |it: &Subject<'_>| if is_wanted(it) { Ok(Vec::new()) } else { Err(NOT_ASKED_FOR.to_owned()) };
    let mut samples: Vec<Samples> = subjects.iter().map(no_samples).collect();
    for round in 0..rounds {
        progress(title, round, rounds);
        let mut measured: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
        for turn in 0..turns {
            for position in 0..subjects.len() {
                let at = if round % 2 == 0 { position } else { subjects.len() - 1 - position };
                if samples[at].is_err() {
                    continue;
                }
                match (subjects[at].measure)(turn) {
                    Ok(value) => measured[at].push(value),
                    Err(error) => samples[at] = Err(format!("{error:#}")),
                }
            }
        }
        for (samples, mut measured) in samples.iter_mut().zip(measured) {
            if let Ok(samples) = samples {
                samples.push(median(&mut measured));
            }
        }
    }
    progress(title, rounds, rounds);
    samples
}

/// The middle value; of an even number, the mean of the middle two.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

fn progress(title: &str, round: u32, rounds: u32) {
    let mut err = std::io::stderr().lock();
    if !err.is_terminal() {
        return;
    }
    // Progress that cannot be shown is not missed.
    let _ = if round < rounds {
        write!(err, "\r\x1b[K{title}: round {} of {rounds}", round + 1)
    } else {
        write!(err, "\r\x1b[K")
    };
    let _ = err.flush();
}
