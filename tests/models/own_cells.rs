//! Cells that one claims for itself: `PerProcess`.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use cotenant::per_process::PerProcess;

use crate::room::Room;
use crate::world::{Tasks, deaths, explore, share, step, wait_a_while};

/// An own cell is one task's at a time, so that nothing is lost between its load and its store; what is acknowledged is
/// in the total; a dead one's cell goes to the next, with what is in it.
#[test]
fn own_cells() {
    explore(2, || {
        let (cells, room) = (share(PerProcess::<AtomicU64, 1>::new()), share(Room::default()));
        let (begun, done) = (share(AtomicU64::new(0)), share(AtomicU64::new(0)));
        let add = move || {
            let cell = cells.claim();
            begun.fetch_add(1, SeqCst);
            match cell.own() {
                Some(mine) => {
                    let _alone = room.write();
                    let before = mine.load(SeqCst);
                    step();
                    mine.store(before + 1, SeqCst);
                }
                None => drop(cell.fetch_add(1, SeqCst)),
            }
            done.fetch_add(1, SeqCst);
        };
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(move || (0..2).for_each(|_| add()));
        }
        tasks.join();
        let (total, begun, done) = (cells.total(), begun.load(SeqCst), done.load(SeqCst));
        assert!((done..=begun).contains(&total), "{total} of {done} acknowledged and {begun} begun");
        assert!(deaths() > 0 || total == 6);
        // Nobody lives who could have it; that the dead are dead may take a while.
        let mut looks = 0;
        while cells.claim().own().is_none() {
            looks += 1;
            assert!(looks < 1000, "a dead one's cell is not to be had");
            wait_a_while();
        }
        assert_eq!(cells.total(), total);
    });
}
