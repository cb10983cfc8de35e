//! Names that are offered where one is not known: the most alike first.

use crate::schema::difference::printable;

/// Names that are offered; the others are counted.
const OFFERED_MAX: usize = 8;
/// Letters of a name that are compared: the work grows with their square.
const LETTERS_MAX: usize = 64;

/// `did you mean a?`, or what there is: `there are a, b and 3 more`.
pub(super) fn offered(name: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return "there are none".to_owned();
    }
    let mut ranked: Vec<_> = names.iter().map(|it| (distance(name, it), *it)).collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    let close = name.chars().count().div_ceil(3).max(1);
    if let Some((distance, best)) = ranked.first().filter(|(distance, _)| *distance <= close) {
        let rivals = ranked.iter().filter(|(other, _)| other == distance).count();
        if rivals == 1 {
            return format!("did you mean `{}`?", printable(best));
        }
    }
    let shown: Vec<_> = ranked.iter().take(OFFERED_MAX).map(|(_, it)| format!("`{}`", printable(it))).collect();
    let more = ranked.len().saturating_sub(OFFERED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("there are {}{more}", shown.join(", "))
}

/// How many letters must be put in, left out or changed to come from one name to the other, whatever their case
/// (Levenshtein, 1966).
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().take(LETTERS_MAX).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slip_is_taken_for_the_name_that_it_is_closest_to() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(offered("bursts", &["per_second", "burst"]), "did you mean `burst`?");
        assert_eq!(offered("x", &["a", "b"]), "there are `a`, `b`");
        assert_eq!(offered("x", &[]), "there are none");
        let many: Vec<_> = (0..20).map(|number| format!("field_{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(offered("zzzzzzzzzzzz", &many).ends_with(" and 12 more"));
    }
}
