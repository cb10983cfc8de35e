/* The library: a counter, and a state under a mutex whose rule is that `cents` is the sum of all `orders`. */
#include "orders.h"

#include "cotenant.h"
#include <stdlib.h>

#define STATE(F) F(u64, orders) F(u64, cents) F(u64, orders_before) F(u64, cents_before) F(atomic_u64, is_changing)
COTENANT_STRUCT(state, STATE);
COTENANT_MUTEX(state);

#define SHOP(F) F(u64, calls) F(u64, repairs) F(mutex_state, state)
/* A library must say what is to happen where sharing is impossible: here its programs go on alone. */
COTENANT_SHARED(shop, SHOP, name("example.shop"), on_failure(private));

/* What was there before a change is put by first. `is_changing` is a variable, because neither compiler nor processor
 * moves what stands before or behind its operations; who is killed anywhere in it leaves a state that can be put back. */
static void begin(state *locked)
{
    locked->orders_before = locked->orders;
    locked->cents_before = locked->cents;
    cotenant_u64_exchange(&locked->is_changing, 1);
}

static void end(state *locked) { cotenant_u64_store(&locked->is_changing, 0); }

/* The state, locked; NULL if it cannot be. An order that a killed application began is taken back. */
static state *lock(void)
{
    mutex_state *shared = &shop()->state;
    switch (cotenant_mutex_lock(&shared->lock)) {
    case COTENANT_OK:
        return &shared->value;
    case COTENANT_OWNER_DIED:
        /* As often as it takes: who is killed in here leaves it to the next one. */
        if (cotenant_u64_load(&shared->value.is_changing) != 0) {
            shared->value.orders = shared->value.orders_before;
            shared->value.cents = shared->value.cents_before;
            end(&shared->value);
        }
        cotenant_u64_add(&shop()->repairs, 1);
        cotenant_mutex_consistent(&shared->lock);
        return &shared->value;
    default:
        return NULL;
    }
}

static void unlock(void) { cotenant_mutex_unlock(&shop()->state.lock); }

uint64_t orders_add(uint64_t cents)
{
    cotenant_u64_add(&shop()->calls, 1);
    state *locked = lock();
    if (locked == NULL) {
        return 0;
    }
    begin(locked);
    uint64_t number = ++locked->orders;
    locked->cents += cents;
    end(locked);
    unlock();
    return number;
}

int orders_total(uint64_t *orders, uint64_t *cents)
{
    state *locked = lock();
    if (locked == NULL) {
        return -1;
    }
    *orders = locked->orders;
    *cents = locked->cents;
    unlock();
    return 0;
}

uint64_t orders_calls(void) { return cotenant_u64_load(&shop()->calls); }
uint64_t orders_repairs(void) { return cotenant_u64_load(&shop()->repairs); }

const char *orders_trouble(void)
{
    return cotenant_block_status(&shop_block) == COTENANT_OK ? "" : cotenant_error_message();
}

void orders_die(void)
{
    cotenant_u64_add(&shop()->calls, 1);
    state *locked = lock();
    if (locked != NULL) {
        begin(locked);
        locked->orders++; /* and dies before it is in `cents` */
    }
    abort();
}
