//! Which segment a name means: its path, file, name@scope, name, or the beginning of one that no other has.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use cotenant::inspect::printable;

use super::row::Row;
use super::survey::{Survey, Wanted};
use super::view::View;

/// Names that are offered where one is not known or means several.
const OFFERED_MAX: usize = 8;
/// How alike two names must be to be taken for a slip.
const ALIKE: f64 = 0.8;

/// Finds the one that has exactly this name: what is removed is not guessed at.
pub(crate) fn find_exactly(view: &View, name: &str) -> Result<Row> {
    look_up(view, name, false)
}

/// Finds the one that `name` means: among what `ls` shows, then among what `ls --all` shows, then by its path.
pub(crate) fn find(view: &View, name: &str) -> Result<Row> {
    look_up(view, name, true)
}

fn look_up(view: &View, name: &str, may_be_a_beginning: bool) -> Result<Row> {
    let mut known = Vec::new();
    for all in [false, true] {
        let survey = Survey::take(view, Wanted { all, elsewhere: true })?;
        // What lies in the folders that we look into comes before what only processes lead to.
        let (mut listed, mut elsewhere): (Vec<Row>, Vec<Row>) =
            survey.rows.into_iter().partition(|row| row.home.is_some());
        if let Some(index) = choose(&listed, name, may_be_a_beginning)? {
            return Ok(listed.swap_remove(index));
        }
        if let Some(index) = choose(&elsewhere, name, may_be_a_beginning)? {
            return Ok(elsewhere.swap_remove(index));
        }
        if !all && name.contains('/') {
            if let Some(row) = super::survey::at_path(view, Path::new(name), &survey.census)? {
                return Ok(row);
            }
        }
        known = listed;
        known.append(&mut elsewhere);
    }
    Err(not_found(&known, name))
}

fn choose(rows: &[Row], name: &str, may_be_a_beginning: bool) -> Result<Option<usize>> {
    let which = |is_it: &dyn Fn(&str) -> bool| {
        let rows = rows.iter().enumerate().filter(|(_, row)| row.names().iter().any(|its| is_it(its)));
        rows.map(|(index, _)| index).collect::<Vec<_>>()
    };
    let all = |found: &[usize]| offered(&found.iter().map(|index| &rows[*index]).collect::<Vec<_>>());
    match which(&|its| its == name).as_slice() {
        [index] => return Ok(Some(*index)),
        [] => {}
        several => bail!("`{}` is the name of several segments: {}", printable(name), all(several)),
    }
    if !may_be_a_beginning {
        return Ok(None);
    }
    match which(&|its| its.starts_with(name)).as_slice() {
        [index] => Ok(Some(*index)),
        [] => Ok(None),
        several => bail!("`{}` begins the names of several segments: {}", printable(name), all(several)),
    }
}

fn not_found(rows: &[Row], name: &str) -> anyhow::Error {
    // Whoever gave a beginning where names are taken in full meant what begins so.
    let alike = |its: &String| if its.starts_with(name) { 1.0 } else { strsim::jaro_winkler(its, name) };
    let closest = |row: &Row| row.names().iter().map(alike).fold(0.0, f64::max);
    let mut alike: Vec<_> = rows.iter().map(|row| (closest(row), row)).filter(|(it, _)| *it > ALIKE).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    let alike: Vec<_> = alike.into_iter().map(|(_, row)| row).collect();
    let advice = match alike.as_slice() {
        [] if rows.is_empty() => "there are none here at all".to_owned(),
        [] => "`cotenant ls` shows what there is, `cotenant ls --all` also that of other users".to_owned(),
        alike => format!("did you mean {}?", offered(alike)),
    };
    anyhow!("there is no segment `{}`: {advice}", printable(name))
}

fn offered(rows: &[&Row]) -> String {
    let mut names: Vec<_> = rows.iter().take(OFFERED_MAX).map(|row| name_for(row, rows)).collect();
    names.extend((rows.len() > OFFERED_MAX).then(|| format!("{} more", rows.len() - OFFERED_MAX)));
    names.join(", ")
}

/// The shortest of its names that none of the others has, too; its path is its own in any case.
fn name_for(row: &Row, rows: &[&Row]) -> String {
    let is_others = |name: &String| rows.iter().any(|it| !std::ptr::eq(*it, row) && it.names().contains(name));
    let name = row.names().into_iter().rev().find(|name| !is_others(name));
    name.map_or_else(|| row.path(), |name| printable(&name))
}
