//! A subject: one thing that is measured in a case, beside others that do the same.

/// What a subject stands for in the table's ratios; told by how its name starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `cotenant ...`
    Ours,
    /// `limit ...`: a physical limit that nobody can beat.
    Limit,
    /// Anything else, by its own name.
    Peer,
}

impl Role {
    pub(crate) fn of(subject: &str) -> Role {
        if subject.starts_with("cotenant ") {
            Role::Ours
        } else if subject.starts_with("limit ") {
            Role::Limit
        } else {
            Role::Peer
        }
    }
}

/// Measures once, in the case's unit. The argument is the number of the turn within its round.
type Measure<'a> = Box<dyn FnMut(u32) -> anyhow::Result<f64> + 'a>;

pub(crate) struct Subject<'a> {
    pub(crate) case: String,
    pub(crate) name: String,
    pub(crate) measure: Measure<'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        case: impl Into<String>,
        name: impl Into<String>,
        measure: impl FnMut(u32) -> anyhow::Result<f64> + 'a,
    ) -> Self {
        Subject { case: case.into(), name: name.into(), measure: Box::new(measure) }
    }
}
