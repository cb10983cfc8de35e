//! Who is attached to a segment, for people.

/// A process that is attached to a segment and holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its slot.
    pub slot: u32,
    /// Its process id as it sees itself.
    pub pid: u32,
    /// Its program's name, cut to 15 bytes.
    pub program: String,
    /// Whether `pid` means anything here: `false` for a process in another PID namespace.
    pub same_pid_namespace: bool,
}
