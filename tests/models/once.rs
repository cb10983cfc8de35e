//! `Once` and `OnceCell`: done once, unless whoever does it dies before it is done.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use cotenant::sync::{Once, OnceCell};

use crate::room::Room;
use crate::world::{Tasks, deaths, explore, share, step};

#[test]
fn done_once() {
    explore(2, || {
        let (once, room) = (share(Once::new()), share(Room::default()));
        let (begun, ended) = (share(AtomicU32::new(0)), share(AtomicU32::new(0)));
        let call = || {
            let called = once.call_once(|| {
                assert!(!once.is_completed());
                let _inside = room.write();
                begun.fetch_add(1, SeqCst);
                step();
                ended.fetch_add(1, SeqCst);
            });
            called.expect("no nesting");
            assert!(once.is_completed() && ended.load(SeqCst) > 0);
        };
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            tasks.spawn(call);
        }
        tasks.spawn(|| {
            once.wait();
            assert!(once.is_completed() && ended.load(SeqCst) > 0);
        });
        call();
        tasks.join();
        let begun = begun.load(SeqCst);
        assert!((1..=1 + deaths()).contains(&begun), "begun {begun} times, {} deaths", deaths());
    });
}

#[test]
fn value_made_once() {
    explore(2, || {
        let cell = share(OnceCell::<[u32; 2]>::new());
        let made = share(AtomicU32::new(0));
        let get = || {
            let value = cell.get_or_init(|| {
                let nth = made.fetch_add(1, SeqCst) + 1;
                step();
                [nth, nth]
            });
            let value = value.expect("no nesting");
            assert!(value[0] == value[1] && value[0] != 0, "{value:?}");
            step();
            assert_eq!(Some(value), cell.get());
        };
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(get);
        }
        tasks.spawn(|| {
            let before = cell.get().copied();
            let was_set = cell.set([100, 100]).is_ok();
            assert!(!(was_set && before.is_some()) && cell.get().is_some());
        });
        get();
        tasks.join();
        assert!(made.load(SeqCst) <= 1 + deaths());
    });
}
