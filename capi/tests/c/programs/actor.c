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
    case COTENANT_TIMED_OUT:
        return "timed out";
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

/* Says that it is inside, and stays there. */
static int hang(void *object, void *argument)
{
    (void)object;
    (void)argument;
    puts("inside");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 1;
}

static int double_burst(void *value, void *argument)
{
    (void)argument;
    ((rates *)value)->burst *= 2;
    return 0;
}

static const char *published(cotenant_status status, uint64_t sequence)
{
    static char line[80];
    rates value;
    if (status == COTENANT_OK) {
        status = published_rates_load(&both()->rates, &value, &sequence);
    }
    if (status != COTENANT_OK) {
        return word(status);
    }
    snprintf(line, sizeof line, "%u %" PRIu64 " %u %" PRIu64, value.rate, value.burst, value.state, sequence);
    return line;
}

static const char *flagged(void)
{
    static char line[80];
    int count = 0;
    for (int user = 0; user < 1000; user++) {
        char key[16];
        count += cotenant_flag_is_on_for(&both()->dark, key, (size_t)snprintf(key, sizeof key, "user-%d", user));
    }
    snprintf(line, sizeof line, "%d of 1000 at %.1f", count, cotenant_flag_percent(&both()->dark));
    return line;
}

static const char *counted(void)
{
    static char line[80];
    uint64_t requests = 0, observed = 0;
    for (int cell = 0; cell < COTENANT_CELLS; cell++) {
        requests += cotenant_u64_load(&both()->traffic.cells[cell].value.requests);
    }
    CHECK(cotenant_shared_histogram_read(&both()->seconds, &observed, NULL, 0.5, NULL) == COTENANT_OK);
    snprintf(line, sizeof line, "%" PRIu64 " %.1f %" PRIu64 " %" PRIu64, cotenant_shared_counter_total(&both()->served),
             cotenant_shared_gauge_value(&both()->busy), observed, requests);
    return line;
}

static const char *count(void)
{
    static cotenant_kept kept;
    cotenant_own_counter *own = NULL;
    cotenant_shared_counter_add(&both()->served, 1);
    CHECK(cotenant_shared_counter_claim(&both()->served, &own) == COTENANT_OK);
    cotenant_own_counter_add(own, 1);
    cotenant_own_counter_close(own);
    cotenant_shared_gauge_add(&both()->busy, 1.5);
    cotenant_shared_histogram_observe(&both()->seconds, 0.25);
    cotenant_u64_add(&per_process_traffic_local(&both()->traffic)->requests, 1);
    if (kept.word == 0) {
        CHECK(per_process_traffic_claim(&both()->traffic, &kept) == COTENANT_OK);
    }
    cotenant_u64_add(&per_process_traffic_own(&both()->traffic, &kept)->requests, 10);
    return "ok";
}

static const char *limited(void)
{
    static char line[80];
    int api = cotenant_rate_limiter_acquire(&both()->api, 1, NULL) == COTENANT_OK;
    int key = cotenant_keyed_rate_limiter_acquire(&both()->logins, "192.0.2.1", 9, 1, NULL) == COTENANT_OK;
    snprintf(line, sizeof line, "%d %d", api, key);
    return line;
}

/* What a segment has by names: published bytes, a counter with a label, a limit for each key. */
static const char *named(const char *what)
{
    static char line[120];
    static cotenant_segment *segment;
    cotenant_published *config = NULL;
    cotenant_metrics *metrics = NULL;
    cotenant_counter *counter = NULL;
    cotenant_limiter *clients = NULL;
    const cotenant_label labels[] = {{"method", "GET"}};
    char bytes[64] = "";
    size_t length = 0;
    if (segment == NULL) {
        CHECK(cotenant_segment_open_or_create("capi.named", NULL, &segment) == COTENANT_OK);
    }
    CHECK(cotenant_published_open(segment, "config", 64, &config) == COTENANT_OK);
    CHECK(cotenant_metrics_open(segment, "metrics", NULL, &metrics) == COTENANT_OK);
    CHECK(cotenant_metrics_counter(metrics, "requests", labels, 1, &counter) == COTENANT_OK);
    CHECK(cotenant_keyed_limiter_open(segment, "clients", 8192, 1, 600000, 2, &clients) == COTENANT_OK);
    if (*what != 0) {
        CHECK(cotenant_published_publish(config, what, strlen(what), NULL) == COTENANT_OK);
        cotenant_counter_add(counter, 1);
    }
    CHECK(cotenant_published_load(config, bytes, sizeof bytes - 1, &length, NULL) == COTENANT_OK);
    int is_let = cotenant_limiter_acquire(clients, "192.0.2.1", 9, 1, NULL) == COTENANT_OK;
    snprintf(line, sizeof line, "%s %" PRIu64 " %d", bytes, cotenant_counter_total(counter), is_let);
    cotenant_limiter_close(clients);
    cotenant_counter_close(counter);
    cotenant_metrics_close(metrics);
    cotenant_published_close(config);
    return line;
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
    ON("once-hang", word(cotenant_once_call(&both()->made.once, hang, &both()->made.value, NULL)))
    ON("barrier-soon", word(COTENANT_BARRIER_WAIT_TIMEOUT(&both()->pair, 200, &is_leader)))
    ON("publish", published(published_rates_update(&both()->rates, double_burst, NULL, NULL), 0))
    ON("publish-hang", published(published_rates_update(&both()->rates, hang, NULL, NULL), 0))
    ON("published", published(COTENANT_OK, 0))
    ON("publish-wait", published(published_rates_wait_newer(&both()->rates, 1, 30000), 0))
    ON("flag", flagged())
    ON("flag-set", word(cotenant_flag_set(&both()->dark, 50.0, NULL)))
    ON("count", count())
    ON("counted", counted())
    ON("limit", limited())
    ON("named-a", named("a"))
    ON("named-b", named("b"))
    ON("named", named(""))
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
