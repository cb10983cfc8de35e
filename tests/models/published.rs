//! `Published`: snapshots are whole, in order and not lost; who waits is woken; a death leaves the snapshot before.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use cotenant::published::{Published, Snapshot};

use crate::world::{Tasks, deaths, explore, share};

/// So long that it is never over: whoever sleeps is to be woken.
const VERY_LONG: Duration = Duration::from_secs(86_400);

/// Both words are the number; two buffers, so that loads meet writers.
type Pair = Published<[u64; 2], 2>;

/// What was said to be published, outside of what is modelled.
#[derive(Default)]
struct Acknowledged(AtomicU64);

impl Acknowledged {
    fn publish(&self, pair: &Pair) {
        let sequence = pair.update(|[left, right]| [left + 1, right + 1]).expect("nobody damages it");
        self.0.fetch_max(sequence, SeqCst);
    }

    /// Judges a load that begins after `at_least` was acknowledged, and after `last` was seen.
    fn judge(snapshot: &Snapshot<[u64; 2]>, last: u64, at_least: u64) {
        let number = snapshot.sequence;
        assert!(snapshot.value == [number; 2], "torn: {snapshot:?}");
        assert!(number >= last, "{number} after {last}");
        assert!(number >= at_least, "{number}, and {at_least} was acknowledged");
    }

    fn load(&self, pair: &Pair, last: u64) -> u64 {
        let at_least = self.0.load(SeqCst);
        let snapshot = pair.load().expect("nobody damages it, and few publish");
        Self::judge(&snapshot, last, at_least);
        snapshot.sequence
    }
}

/// Two publish, two load, and one looks at the history.
#[test]
fn loads_are_whole_in_order_and_not_lost() {
    explore(2, || {
        let (pair, acknowledged) = (share(Pair::with_buffers([0, 0])), share(Acknowledged::default()));
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(|| (0..3).for_each(|_| acknowledged.publish(pair)));
            tasks.spawn(|| {
                let mut last = 0;
                for _ in 0..3 {
                    last = acknowledged.load(pair, last);
                }
            });
        }
        tasks.spawn(|| {
            for entry in pair.history() {
                assert!(entry.value == [entry.sequence; 2], "torn: {entry:?}");
            }
        });
        tasks.join();
        // A publish of somebody who died then is there as a whole, or not at all.
        let newest = acknowledged.load(pair, 0);
        let published = acknowledged.0.load(SeqCst);
        assert!((published..=published + u64::from(deaths())).contains(&newest), "{newest}, {published} acknowledged");
        assert!(deaths() > 0 || newest == 6, "{newest}");
        acknowledged.publish(pair);
        assert_eq!(acknowledged.load(pair, newest), newest + 1);
    });
}

/// Two wait for each of two publishes, without a time-out that would heal a lost wake-up.
#[test]
fn who_waits_is_woken() {
    explore(1, || {
        let pair = share(Pair::with_buffers([0, 0]));
        let mut tasks = Tasks::default();
        for _ in 0..2 {
            tasks.spawn(|| {
                let mut seen = 0;
                while seen < 2 {
                    let newer = pair.wait_newer(seen, VERY_LONG).expect("nobody damages it").expect("in time");
                    Acknowledged::judge(&newer, seen + 1, 0);
                    seen = newer.sequence;
                }
            });
        }
        tasks.spawn_immortal(|| {
            for number in 1..=2 {
                assert_eq!(pair.publish(&[number; 2]).ok(), Some(number));
            }
        });
        tasks.join();
    });
}

/// One comes to wait while another is woken: the bell's flag is nobody's loss.
#[test]
fn who_comes_late_is_woken_by_the_next() {
    explore(1, || {
        let pair = share(Pair::with_buffers([0, 0]));
        let (mut tasks, mut late) = (Tasks::default(), Tasks::default());
        tasks.spawn(|| drop(pair.wait_newer(0, VERY_LONG)));
        late.spawn(|| drop(pair.wait_newer(1, VERY_LONG)));
        tasks.spawn_immortal(|| drop(pair.publish(&[1, 1])));
        tasks.join();
        pair.publish(&[2, 2]).expect("free");
        late.join();
    });
}
