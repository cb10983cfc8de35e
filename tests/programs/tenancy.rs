//! What a test asks a program about its attachment.

use cotenant::{BlockState, attachment};

/// `slots`: this process's slots, one for each block; `created`: whether it made the segments; `participants`: how many
/// share them; `states`: all that is known; `attach`: attaches what waits for it.
pub fn answer(line: &str) -> Option<String> {
    let each = |tell: fn(&BlockState) -> String| {
        let mut told: Vec<_> = attachment().blocks.iter().map(|block| tell(&block.state)).collect();
        told.dedup();
        told.join(" ")
    };
    match line {
        "slots" => Some(each(|state| match state {
            BlockState::Shared { slot, .. } => slot.unwrap_or(0).to_string(),
            other => format!("{other:?}"),
        })),
        "created" => Some(each(|state| match state {
            BlockState::Shared { created, .. } => created.to_string(),
            other => format!("{other:?}"),
        })),
        "participants" => Some(each(|state| match state {
            BlockState::Shared { participants, .. } => participants.len().to_string(),
            other => format!("{other:?}"),
        })),
        "states" => Some(format!("{:?}", attachment().blocks)),
        "attach" => Some(match cotenant::attach() {
            Ok(()) => "attached".to_owned(),
            Err(error) => error.to_string(),
        }),
        _ => None,
    }
}
