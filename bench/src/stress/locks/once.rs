//! `OnceCell` (and `Once` in it): initialised once however many race, also when one of them dies at it.
//!
//! Every kill opens another cell, on which all who live then set out.

use std::sync::atomic::Ordering::SeqCst;

use cotenant::sync::OnceCell;

use super::{COUNT_ONCE, ONCE};
use crate::stress::words::Words;
use crate::stress::worker::{Worker, violation};

const CELLS: usize = 2048;
const NUMBER: u64 = ONCE as u64;

cotenant::shared! {
    #![shared(name = "cotenant.bench.once", attach = by_call)]
    static CELL: [OnceCell<u64>; CELLS] = [const { OnceCell::new() }; CELLS];
}

pub(super) fn act(worker: &mut Worker) {
    let kills = worker.words.doom().load(SeqCst) >> 8;
    let at = if worker.random.once_in(2) { kills } else { worker.random.below(kills + 1) } as usize;
    let Some(cell) = CELL.get(at) else { return };
    let mut initialised = false;
    let value = cell.get_or_init(|| {
        initialised = true;
        worker.inside(NUMBER, |worker| {
            worker.linger();
            worker.me
        })
    });
    let value = match value {
        Ok(value) => *value,
        Err(error) => return worker.violation(&format!("initialise: {error}")),
    };
    if initialised {
        worker.count(COUNT_ONCE);
        if value != worker.me {
            worker.violation(&format!("cell {at} has the value of {value}, and was initialised by this one, too"));
        }
    }
    let before = *worker.remembered.entry(at).or_insert(value);
    if before != value {
        worker.violation(&format!("cell {at} was {before} and is {value}"));
    }
}

pub(super) fn look_at_the_end(words: &Words, kills: u64) {
    let (done, told) = (CELL.iter().filter(|cell| cell.get().is_some()).count() as u64, words.sum(COUNT_ONCE));
    if done < told || done > told + kills {
        violation(words, &format!("{done} cells have values; {told} were told, {kills} killed"));
    }
}
