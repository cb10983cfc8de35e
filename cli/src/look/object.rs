//! Which object, and which part of it, an address means: `OBJECT[.field][index]`.
//!
//! Objects may have dots and brackets in their names: the longest name that the address begins with counts. Of a
//! variable's path the end will do, if no other ends so: `LIMITS.burst` for `acme::web::LIMITS.burst`.

use anyhow::{Result, anyhow, bail};
use cotenant::inspect::live::{LiveObject, LiveSegment, ObjectState};
use cotenant::inspect::{Part, printable};
use cotenant::schema::Kind;

use super::row::Row;

/// Names that are offered where one is not known or means several.
const OFFERED_MAX: usize = 8;
/// How alike two names must be to be taken for a slip.
const ALIKE: f64 = 0.8;

/// An object's part.
pub(crate) struct Addressed {
    pub(crate) object: LiveObject,
    pub(crate) part: Part,
    /// The path to it in the object: `.burst`, or nothing.
    pub(crate) path: String,
}

impl Addressed {
    /// `limits.burst`.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.object.name(), self.path)
    }
}

/// The object of that name, or the only one whose path ends so.
pub(crate) fn object(segment: &LiveSegment, row: &Row, name: &str) -> Result<LiveObject> {
    let (object, rest) = choose(segment, row, name, |name, object| (name == object).then_some(""))?;
    debug_assert!(rest.is_empty());
    Ok(object)
}

/// The part of an object that an address means.
pub(crate) fn addressed(segment: &LiveSegment, row: &Row, address: &str) -> Result<Addressed> {
    let begins = |address: &'_ str, object: &str| -> Option<usize> {
        let rest = address.strip_prefix(object)?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest.len())
    };
    let (object, path) = choose(segment, row, address, |address, object| {
        begins(address, object).map(|rest| &address[address.len() - rest..])
    })?;
    // Of what is no plain value, what is told of it is asked for the path.
    let inside = if object.is_plain() { path } else { "" };
    let part = object.layout().part(inside).map_err(|error| anyhow!("{}: {error}", printable(object.name())))?;
    Ok(Addressed { object, part, path: path.to_owned() })
}

/// Whether an address that leads nowhere has the name of an object, or one like it, that has no keys: then it is a slip
/// rather than a key of something else.
pub(crate) fn is_a_slip(segment: &LiveSegment, address: &str) -> bool {
    let objects = segment.objects().into_iter().flatten().flatten().filter(|it| it.state == ObjectState::Ready);
    let mut others = objects.filter(|it| it.kind() != Some(Kind::Cache));
    others.any(|it| is_alike(it.name(), first_name(address)))
}

/// What of an address is likely to be meant as an object's name.
fn first_name(address: &str) -> &str {
    address.split(['.', '[']).next().unwrap_or(address)
}

fn is_alike(name: &str, asked: &str) -> bool {
    let last = name.rsplit("::").next().unwrap_or_default();
    strsim::jaro_winkler(last, asked) > ALIKE || strsim::jaro_winkler(name, asked) > ALIKE
}

/// The object whose name `begins` says the address begins with, and what of the address is left.
fn choose<'a>(
    segment: &LiveSegment,
    row: &Row,
    address: &'a str,
    begins: impl Fn(&'a str, &str) -> Option<&'a str>,
) -> Result<(LiveObject, &'a str)> {
    let objects = segment.objects().map_err(|error| anyhow!("{error}"))?;
    let mut objects: Vec<_> = objects.into_iter().flatten().filter(|it| it.state == ObjectState::Ready).collect();
    // The whole name first, then ever shorter ends of it; of names that fit, the longest.
    let mut exact: Vec<(usize, &str)> = Vec::new();
    let mut ending: Vec<(usize, &str)> = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        let name = object.name();
        if let Some(rest) = begins(address, name) {
            exact.push((index, rest));
        }
        let ends = name.match_indices("::").map(|(at, colons)| &name[at + colons.len()..]);
        if let Some(rest) = ends.filter_map(|end| begins(address, end)).min_by_key(|rest| rest.len()) {
            ending.push((index, rest));
        }
    }
    let found = exact.iter().min_by_key(|(_, rest)| rest.len()).copied();
    let only = if let [one] = ending.as_slice() { Some(*one) } else { None };
    if let Some((index, rest)) = found.or(only) {
        return Ok((objects.swap_remove(index), rest));
    }
    let asked = first_name(address);
    let alike = |it: &&LiveObject| is_alike(it.name(), asked);
    let offered: Vec<_> = match ending.is_empty() {
        true => objects.iter().filter(alike).map(|it| printable(it.name())).take(OFFERED_MAX).collect(),
        false => ending.iter().map(|(index, _)| printable(objects[*index].name())).take(OFFERED_MAX).collect(),
    };
    let advice = match offered.as_slice() {
        [] => format!("`cotenant show {}` lists them", printable(&row.file_name)),
        offered => format!("did you mean {}?", offered.join(", ")),
    };
    bail!("{} has no object `{}`: {advice}", row.path(), printable(asked))
}
