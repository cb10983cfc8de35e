//! Builds ahead of their tasks what these run: while tests wait for each other processors are idle.
//!
//! At the lowest priority, so that no test is held up, and into folders in which no test builds. What fails here is
//! said by the task that needs it, which builds again; one that comes too early waits for cargo's lock.

use std::process::{Command, Stdio};

use crate::workshop::Workshop;

/// Runs the builds, one after the other, beside whatever comes next.
pub(crate) fn build<'a>(workshop: &Workshop, builds: impl Iterator<Item = &'a Command>) {
    let mut builds: Vec<_> = builds.map(|build| at_the_lowest_priority(workshop, build)).collect();
    std::thread::spawn(move || {
        for build in &mut builds {
            let _ = build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    });
}

fn at_the_lowest_priority(workshop: &Workshop, build: &Command) -> Command {
    let mut nice = workshop.command("nice");
    nice.args(["-n", "19"]).arg(build.get_program()).args(build.get_args());
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    nice
}
