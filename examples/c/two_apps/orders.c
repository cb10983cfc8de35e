/* The library: a counter, and a state under a mutex whose rule is that `cents` is the sum of all `orders`. */
#include "orders.h"

#include "cotenant.h"
#include <stdlib.h>

#define STATE(F) F(u64, orders) F(u64, cents) F(u64, pending_cents)
COTENANT_STRUCT(state, STATE);
COTENANT_MUTEX(state);

#define SHOP(F) F(u64, calls) F(u64, repairs) F(mutex_state, state)
/* A library must say what is to happen where sharing is impossible: here its programs go on alone. */
COTENANT_SHARED(shop, SHOP, name("example.shop"), on_failure(private));

/* The state, locked; NULL if it cannot be. An order that a killed application began is finished. */
static state *lock(void)
{
    mutex_state *shared = &shop()->state;
    switch (cotenant_mutex_lock(&shared->lock)) {
    case COTENANT_OK:
        return &shared->value;
    case COTENANT_OWNER_DIED:
        shared->value.cents += shared->value.pending_cents;
        shared->value.pending_cents = 0;
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
    uint64_t number = ++locked->orders;
    locked->cents += cents;
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
        locked->orders++;
        locked->pending_cents = 100; /* and dies before it is in `cents` */
    }
    abort();
}
