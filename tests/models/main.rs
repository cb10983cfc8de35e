//! Locks, cache and queues under a model checker: every schedule of a seeded choice of thousands, with and without deaths.
//!
//! The library is built with `--cfg cotenant_model`: src/lock/atomic.rs and src/lock/model.rs put a scheduling point
//! before each operation on shared memory, each futex call, and each question who lives. shuttle picks who goes on, at
//! random and by PCT. `cargo xtask models` runs them; `cargo xtask models -- hand_over` runs one.
//!
//! In runs without a death no sleep times out, so a lost wake-up is a deadlock. In the others, tasks are killed at any
//! such point, asleep too, and every sleep may time out from the first death on: what is checked then is exclusion, the
//! announcing of deaths, and that all who live come to their end.
//!
//! Not modelled: weak memory orderings (shuttle knows one order of all operations; docs/safety.md), forks, the clock (a
//! time-out is over at once or never comes), several threads of a process that dies.
//!
//! # What the models find
//!
//! Each of these mistakes, put into the library, fails the models named (some of them, where many fail):
//!
//! | mistake | found by |
//! |---|---|
//! | who has slept takes the word without WAITERS | mutex, rwlock, once, wakes |
//! | a sleeper does not set WAITERS | mutex, rwlock, once, wakes |
//! | unlocking with waiters clears the word and wakes nobody | mutex, rwlock, once, wakes |
//! | a cell is released and wakes nobody | rwlock, cells: terms |
//! | taking over from the dead forgets INCONSISTENT | mutex, rwlock |
//! | `leave` forgets INCONSISTENT | mutex: dead_owner_left_given_up_and_reset |
//! | unlocking after a panic forgets INCONSISTENT; `leave` and `give_up` wake nobody | mutex: panics |
//! | a living holder's cell is given back | cells, own_cells, rwlock |
//! | an own cell is not claimed, or is emptied when it is taken over | own_cells |
//! | a reader does not look at the writer's word | rwlock |
//! | a writer does not wait for readers | rwlock |
//! | a writer does not look again for nested readers | rwlock: reading_while_reading |
//! | a nested reader waits for the writer | rwlock: reading_while_reading |
//! | a writer does not say that it is changing the value | rwlock |
//! | a bell drops its flag although it woke somebody; does not wake again after it dropped it | cells: one_permit, wakes: hand_over |
//! | listening does not set the flag | cells, rwlock, wakes |
//! | a ring does not change the word | wakes: told_while_another_comes |
//! | listening again between looking and sleeping | cells: permits, rwlock: more_readers_than_cells |
//! | a condition variable listens after it has unlocked | wakes: hand_over, all_told_at_once |
//! | an event wakes one only | wakes: event_set_once |
//! | an event that is reset holds those whom it had let go | wakes: event_set_and_reset |
//! | `Once` does not look again under the lock | once |
//! | `OnceCell` is completed before the value is written | once: value_made_once |
//! | a barrier counts the dead; or does not clear the cells of a round that a death left | cells: dead_one_does_not_count |
//! | a leader does not store its term | cells: terms |
//! | a bell drops its flag without another count: the next one who listens makes the word an older one again | published: who_waits |
//! | who takes `receiving` over from a dead sole receiver leaves what that had | queue: sole_ends, any_senders_and_a_sole_receiver |
//! | what a dead receiver had does not come back; nor what is TAKEN at `next` | queue: any_ends, a_sole_sender_and_any_receivers |
//! | a message that came back uncounted is not looked for | queue: all at least once |
//! | a place that a dead sender reserved is waited for | queue: any_ends |
//! | a sender believes `tail` after a death | queue: all with deaths |
//! | a sender does not make the mark behind its record EMPTY | queue: all but woken_for_each_message |
//! | what comes again is not marked | queue: all at least once |
//! | memory of a message that somebody has is freed | queue: any_ends, woken_when_there_is_room |
//! | sending tells nobody; who takes a message does not tell the next one who sleeps | queue: any_ends |
#![cfg(cotenant_model)]

mod cache;
mod cells;
mod mutex;
mod once;
mod own_cells;
mod published;
mod queue;
mod room;
mod rwlock;
mod wakes;
mod world;
