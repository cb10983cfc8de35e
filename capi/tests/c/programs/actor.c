/* Does what it is told, line by line, and answers each with one: tests/programs/actor.rs is the same in Rust. */
#include "both.h"

#include <inttypes.h>

COTENANT_SHARED(both, BOTH, name("capi.both"));

static cotenant_kept permit, leadership;

/* The word for what a call that locks came to. */
static const char *word(cotenant_status status)
{
    switch (status) {
    case COTENANT_OK:
        return "ok";
    case COTENANT_OWNER_DIED:
        return "died";
    case COTENANT_WOULD_BLOCK:
        return "busy";
    default:
        return cotenant_error_message();
    }
}

static int make(void *object, void *argument)
{
    (void)argument;
    ((limits *)object)->burst = 77;
    return 0;
}

static const char *tried_mutex(void)
{
    cotenant_status status = cotenant_mutex_try_lock(&both()->limits.lock);
    if (status != COTENANT_WOULD_BLOCK) {
        CHECK(cotenant_mutex_unlock(&both()->limits.lock) == COTENANT_OK);
    }
    return word(status);
}

static const char *waited_for_step(void)
{
    CHECK(cotenant_mutex_lock(&both()->alone) == COTENANT_OK);
    while (cotenant_u32_load(&both()->step) == 0) {
        CHECK(cotenant_condvar_wait(&both()->changed, &both()->alone, 1000) == COTENANT_OK);
    }
    return word(cotenant_mutex_unlock(&both()->alone));
}

static const char *stepped(void)
{
    CHECK(cotenant_mutex_lock(&both()->alone) == COTENANT_OK);
    cotenant_u32_store(&both()->step, 1);
    cotenant_condvar_notify_all(&both()->changed);
    return word(cotenant_mutex_unlock(&both()->alone));
}

static const char *values(void)
{
    static char line[256];
    char motd[65], who[17];
    CHECK(cotenant_mutex_lock(&both()->limits.lock) == COTENANT_OK);
    limits *value = &both()->limits.value;
    COTENANT_TEXT_GET(&both()->motd, motd);
    COTENANT_TEXT_GET(&value->who, who);
    snprintf(line, sizeof line, "%" PRIu64 " %u %d %d %s %" PRIu64 " %u %u %.1f %s", cotenant_u64_load(&both()->hits),
             cotenant_u32_load(&both()->rate), cotenant_i16_load(&both()->balance),
             (int)cotenant_bool_load(&both()->is_open), motd, cotenant_u64_load(&both()->counts.at[3]), value->burst,
             value->state, value->samples.at[2], who);
    CHECK(cotenant_mutex_unlock(&both()->limits.lock) == COTENANT_OK);
    return line;
}

static const char *changed(void)
{
    cotenant_u64_add(&both()->hits, 1);
    cotenant_i16_sub(&both()->balance, 1);
    cotenant_bool_store(&both()->is_open, true);
    cotenant_u64_add(&both()->counts.at[3], 10);
    CHECK(COTENANT_TEXT_SET(&both()->motd, "from_C") == COTENANT_OK);
    CHECK(cotenant_mutex_lock(&both()->limits.lock) == COTENANT_OK);
    both()->limits.value.burst++;
    both()->limits.value.state = STATE_BUSY;
    both()->limits.value.samples.at[2] += 0.5;
    CHECK(COTENANT_TEXT_SET(&both()->limits.value.who, "C") == COTENANT_OK);
    return word(cotenant_mutex_unlock(&both()->limits.lock));
}

static const char *done(const char *what)
{
    cotenant_mutex *mutex = &both()->limits.lock;
    cotenant_rwlock *rwlock = &both()->read_often.lock;
    bool is_leader;
#define ON(name, answer)                                                                                               \
    if (strcmp(what, name) == 0) {                                                                                     \
        return answer;                                                                                                 \
    }
    ON("values", values())
    ON("change", changed())
    ON("mutex", word(cotenant_mutex_lock(mutex)))
    ON("mutex-repair", word(cotenant_mutex_consistent(mutex)))
    ON("mutex-end", word(cotenant_mutex_unlock(mutex)))
    ON("mutex-try", tried_mutex())
    ON("read", word(cotenant_rwlock_read(rwlock)))
    ON("write", word(cotenant_rwlock_write(rwlock)))
    ON("write-try", word(cotenant_rwlock_try_write(rwlock)))
    ON("write-repair", word(cotenant_rwlock_consistent(rwlock)))
    ON("rw-end", word(cotenant_rwlock_unlock(rwlock)))
    ON("permit", word(COTENANT_SEMAPHORE_ACQUIRE(&both()->workers, &permit)))
    ON("permit-try", word(COTENANT_SEMAPHORE_TRY_ACQUIRE(&both()->workers, &permit)))
    ON("permit-end", word(COTENANT_SEMAPHORE_RELEASE(&both()->workers, &permit)))
    ON("lead", word(cotenant_leader_lead(&both()->leader, &leadership)))
    ON("lead-try", word(cotenant_leader_try_lead(&both()->leader, &leadership)))
    ON("lead-end", word(cotenant_leader_step_down(&both()->leader, &leadership)))
    ON("event-set", (cotenant_event_set(&both()->started), "ok"))
    ON("event-wait", word(cotenant_event_wait_timeout(&both()->started, 30000)))
    ON("once", word(cotenant_once_call(&both()->made.once, make, &both()->made.value, NULL)))
    ON("once-value", both()->made.value.burst == 77 ? "77" : "another")
    ON("barrier", word(COTENANT_BARRIER_WAIT_TIMEOUT(&both()->pair, 30000, &is_leader)))
    ON("step-wait", waited_for_step())
    ON("step", stepped())
    return "unknown";
}

int main(void)
{
    char line[80];
    CHECK(cotenant_block_status(&both_block) == COTENANT_OK);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        puts(done(line));
        fflush(stdout);
    }
    return 0;
}
