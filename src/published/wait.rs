//! How one waits for a newer snapshot: a participant at the bell, a reader, who can write nothing, by looking.

use std::time::{Duration, Instant};

use super::ring::Ring;
use crate::lock::naps::Note;
use crate::sync::patience::{LONGEST_SLEEP, Patience};

/// A reader looks again after this, at first.
const SHORTEST_LOOK: Duration = Duration::from_micros(50);
/// And doubles it to this.
const LONGEST_LOOK: Duration = Duration::from_millis(10);

impl Ring<'_> {
    /// Sleeps until there is a newer snapshot than `seen`, at most `timeout`. Whether there is one.
    pub(super) fn wait_newer(&self, seen: u64, timeout: Duration) -> bool {
        if self.sequence() > seen {
            return true;
        }
        let patience = Patience::of(timeout);
        let mut note = Note::new();
        let is_newer = loop {
            let heard = self.bell().listen();
            if self.sequence_after_listening() > seen {
                break true;
            }
            let Ok(longest) = patience.sleep(LONGEST_SLEEP) else { break false };
            note.write(self.bell());
            // Killed asleep: the bell is rung once in vain.
            self.bell().sleep(heard, longest);
        };
        note.erase(self.bell());
        is_newer
    }

    /// As [`wait_newer`](Ring::wait_newer), and stores nothing.
    pub(super) fn look_for_newer(&self, seen: u64, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut look = SHORTEST_LOOK;
        loop {
            if self.sequence() > seen {
                return true;
            }
            let left = deadline.map_or(look, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(look.min(left));
            look = (look * 2).min(LONGEST_LOOK);
        }
    }
}
