/* The block `capi.both`, which tests/programs/actor.rs declares in Rust. */
#include "../check.h"

#define STATES(V) V(STATE_IDLE, Idle, 0) V(STATE_BUSY, Busy, 7)
COTENANT_ENUM(state, u8, STATES);
COTENANT_ARRAY(samples, f64, 3);
#define LIMITS(F) F(u32, rate) F(u32, burst) F(state, state) F(samples, samples) F(text16, who)
COTENANT_STRUCT(limits, LIMITS);
COTENANT_MUTEX(limits);
COTENANT_RWLOCK(limits);
COTENANT_ONCE_CELL(limits);
COTENANT_SEMAPHORE(workers, 2);
COTENANT_BARRIER(pair, 2);
COTENANT_VARIABLE_ARRAY(counts, u64, 4);
#define RATES(F) F(u32, rate) F(u64, burst) F(state, state)
COTENANT_STRUCT(rates, RATES);
COTENANT_PUBLISHED(rates);
#define TRAFFIC(F) F(atomic_u64, requests) F(atomic_u32, errors)
COTENANT_STRUCT(traffic, TRAFFIC);
COTENANT_PER_PROCESS(traffic);

#define BOTH(F)                                                                                                        \
    F(u64, hits)                                                                                                       \
    F(u32, rate, 100)                                                                                                  \
    F(i16, balance, -5)                                                                                                \
    F(bool, is_open)                                                                                                   \
    F(text64, motd)                                                                                                    \
    F(counts, counts)                                                                                                  \
    F(mutex_limits, limits)                                                                                            \
    F(rwlock_limits, read_often)                                                                                       \
    F(workers, workers, COTENANT_PERMITS(2))                                                                           \
    F(leader, leader)                                                                                                  \
    F(event, started)                                                                                                  \
    F(once, first)                                                                                                     \
    F(once_limits, made)                                                                                               \
    F(pair, pair)                                                                                                      \
    F(mutex, alone)                                                                                                    \
    F(condvar, changed)                                                                                                \
    F(u32, step)                                                                                                       \
    F(published_rates, rates, COTENANT_FIRST({7, 8, STATE_BUSY}))                                                      \
    F(flag, dark, COTENANT_PERCENT(25.0))                                                                              \
    F(counter, served)                                                                                                 \
    F(gauge, busy, COTENANT_GAUGE(COTENANT_ACROSS_SUM))                                                                \
    F(histogram, seconds)                                                                                              \
    F(per_process_traffic, traffic)                                                                                    \
    F(rate_limiter, api, COTENANT_RATE(1, 600000, 2))                                                                  \
    F(keyed_rate_limiter, logins, COTENANT_KEYED_RATE(1, 600000, 1))
