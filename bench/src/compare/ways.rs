//! What there is to compare, and what no measurement tells of it.

use serde::Serialize;

pub(super) const VARIABLE: &str = "image variable";
pub(super) const QUEUE: &str = "queue";
pub(super) const FILE: &str = "segment, file";

#[derive(Clone, Copy, Serialize)]
pub(super) struct Facts {
    pub(super) name: &'static str,
    /// Whether processes can use it that nobody forked from one another.
    pub(super) unrelated: &'static str,
    pub(super) survives: &'static str,
    pub(super) protected_by: &'static str,
    pub(super) kill: &'static str,
    /// It holds more than one message at a time.
    pub(super) holds_many: bool,
}

const MEMORY: &str = "values stay; locks say who died";
const OWNER: &str = "user and mode";

const fn memory(name: &'static str, unrelated: &'static str, survives: &'static str, by: &'static str) -> Facts {
    Facts { name, unrelated, survives, protected_by: by, kill: MEMORY, holds_many: false }
}

const fn kernel(name: &'static str, unrelated: &'static str, survives: &'static str, by: &'static str) -> Facts {
    Facts { name, unrelated, survives, protected_by: by, kill: "the other side sees the end", holds_many: true }
}

pub(super) const ALL: [Facts; 13] = [
    memory(VARIABLE, "same program", "if kept", OWNER),
    memory("mmap + fork", "no", "no", "nobody else has it"),
    memory("segment, POSIX", "by name", "if kept", OWNER),
    memory("segment, System V", "by key", "if kept", OWNER),
    memory("segment, memfd", "if sent", "no", "whoever has the descriptor"),
    memory(FILE, "by path", "yes, restarts too", OWNER),
    kernel("pipe", "no", "no", "whoever has the descriptor"),
    kernel("pipe, messages", "no", "no", "whoever has the descriptor"),
    kernel("FIFO", "by path", "its name only", OWNER),
    Facts {
        name: QUEUE,
        unrelated: "by name",
        survives: "if kept, or in a file",
        protected_by: OWNER,
        kill: "messages stay; at least once: received ones, too",
        holds_many: true,
    },
    Facts {
        name: "queue, any number of ends",
        unrelated: "by name",
        survives: "if kept, or in a file",
        protected_by: OWNER,
        kill: "messages stay; at least once: received ones, too",
        holds_many: true,
    },
    kernel("Unix socket", "by path", "its name only", OWNER),
    Facts { kill: "messages stay; nobody is told", ..kernel("System V message queue", "by key", "yes", OWNER) },
];
