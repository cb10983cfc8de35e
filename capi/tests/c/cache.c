/* A cache: every call, what it answers, and misuse. */
#include "check.h"

#include <pthread.h>
#include <time.h>

#define KEY(text) text, strlen(text)

static cotenant_cache *cache;
static char buffer[256];
static size_t length;

static bool holds(const char *key, const char *value)
{
    return cotenant_cache_get(cache, KEY(key), buffer, sizeof buffer, &length) == COTENANT_OK &&
           length == strlen(value) && memcmp(buffer, value, length) == 0;
}

static void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void reads_and_writes(void)
{
    CHECK(cotenant_cache_get(cache, KEY("k"), buffer, sizeof buffer, &length) == COTENANT_NOT_FOUND);
    CHECK(cotenant_cache_insert(cache, KEY("k"), "value", 5, 0) == COTENANT_OK && holds("k", "value"));
    length = 0;
    CHECK(cotenant_cache_get(cache, KEY("k"), buffer, 4, &length) == COTENANT_NO_SPACE && length == 5);
    CHECK(strstr(cotenant_error_message(), "5 bytes") != NULL);
    CHECK(cotenant_cache_get(cache, KEY("k"), NULL, 0, &length) == COTENANT_NO_SPACE && length == 5);
    CHECK(cotenant_cache_insert(cache, "", 0, NULL, 0, 0) == COTENANT_OK);
    CHECK(cotenant_cache_get(cache, NULL, 0, NULL, 0, &length) == COTENANT_OK && length == 0);
    CHECK(cotenant_cache_insert(cache, "a\0b", 3, "zero", 4, 0) == COTENANT_OK);
    CHECK(cotenant_cache_contains(cache, "a\0b", 3) && !cotenant_cache_contains(cache, KEY("a")));

    CHECK(cotenant_cache_insert_if_absent(cache, KEY("k"), "other", 5, 0) == COTENANT_ALREADY_EXISTS);
    CHECK(cotenant_cache_replace(cache, KEY("k"), "second", 6, 0) == COTENANT_OK && holds("k", "second"));
    CHECK(cotenant_cache_remove(cache, KEY("k")) == COTENANT_OK);
    CHECK(cotenant_cache_remove(cache, KEY("k")) == COTENANT_NOT_FOUND);
    CHECK(cotenant_cache_replace(cache, KEY("k"), "third", 5, 0) == COTENANT_NOT_FOUND);
    CHECK(cotenant_cache_insert_if_absent(cache, KEY("k"), "third", 5, 0) == COTENANT_OK && holds("k", "third"));

    uint64_t version = 0, first;
    CHECK(cotenant_cache_get_versioned(cache, KEY("k"), buffer, sizeof buffer, &length, &version) == COTENANT_OK);
    first = version;
    CHECK(cotenant_cache_compare_and_swap(cache, KEY("k"), "4", 1, 0, &version) == COTENANT_OK && version != first);
    CHECK(cotenant_cache_compare_and_swap(cache, KEY("k"), "5", 1, 0, &first) == COTENANT_ALREADY_EXISTS);
    CHECK(first == version && holds("k", "4"));
    CHECK(cotenant_cache_compare_and_swap(cache, KEY("nobody"), "5", 1, 0, &version) == COTENANT_NOT_FOUND);

    int64_t sum = 0;
    CHECK(cotenant_cache_increment(cache, KEY("n"), 5, 100, 0, &sum) == COTENANT_OK && sum == 100);
    CHECK(cotenant_cache_increment(cache, KEY("n"), -7, 100, 0, &sum) == COTENANT_OK && sum == 93);
    CHECK(cotenant_cache_get(cache, KEY("n"), buffer, sizeof buffer, &length) == COTENANT_OK && length == 8);
    memcpy(&sum, buffer, 8);
    CHECK(sum == 93);
    CHECK(cotenant_cache_increment(cache, KEY("k"), 1, 0, 0, NULL) == COTENANT_INVALID_INPUT);

    size_t most = cotenant_cache_max_entry_bytes(cache);
    char *large = (char *)calloc(1, most + 1);
    CHECK(large != NULL && cotenant_cache_insert(cache, KEY("k"), large, most + 1, 0) == COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "max_entry_bytes") != NULL);
    free(large);
}

static void times_to_live(void)
{
    int64_t expired_for_ms = 0;
    CHECK(cotenant_cache_insert(cache, KEY("short"), "old", 3, 1) == COTENANT_OK);
    CHECK(cotenant_cache_insert(cache, KEY("touched"), "1", 1, 60) == COTENANT_OK);
    CHECK(cotenant_cache_touch(cache, KEY("touched"), 600000) == COTENANT_OK);
    CHECK(cotenant_cache_touch(cache, KEY("nobody"), 1) == COTENANT_NOT_FOUND);
    pause_ms(100);
    CHECK(!cotenant_cache_contains(cache, KEY("short")) && holds("touched", "1"));
    CHECK(cotenant_cache_get(cache, KEY("short"), buffer, sizeof buffer, NULL) == COTENANT_NOT_FOUND);
    CHECK(cotenant_cache_get_stale(cache, KEY("short"), buffer, sizeof buffer, &length, &expired_for_ms) ==
          COTENANT_OK);
    CHECK(length == 3 && memcmp(buffer, "old", 3) == 0 && expired_for_ms >= 50);
    CHECK(cotenant_cache_get_stale(cache, KEY("touched"), buffer, sizeof buffer, &length, &expired_for_ms) ==
          COTENANT_OK);
    CHECK(expired_for_ms == -1);
}

static void pins(void)
{
    cotenant_cache_pinned pin, other;
    memset(&pin, 0, sizeof pin);
    CHECK(cotenant_cache_pin(cache, KEY("nobody"), &pin) == COTENANT_NOT_FOUND && pin.held == NULL);
    CHECK(cotenant_cache_insert(cache, KEY("picture"), "pixels", 6, 0) == COTENANT_OK);
    CHECK(cotenant_cache_pin(cache, KEY("picture"), &pin) == COTENANT_OK);
    CHECK(cotenant_cache_insert(cache, KEY("picture"), "others", 6, 0) == COTENANT_OK);
    CHECK(cotenant_cache_clear(cache) == COTENANT_OK);
    for (int nth = 0; nth < 20000; nth++) {
        CHECK(cotenant_cache_insert(cache, &nth, sizeof nth, "filler filler filler", 20, 0) == COTENANT_OK);
    }
    CHECK(pin.length == 6 && memcmp(pin.bytes, "pixels", 6) == 0);
    /* The options say two. */
    CHECK(cotenant_cache_insert(cache, KEY("k"), "1", 1, 0) == COTENANT_OK);
    CHECK(cotenant_cache_pin(cache, KEY("k"), &other) == COTENANT_OK);
    cotenant_cache_pinned third;
    CHECK(cotenant_cache_pin(cache, KEY("k"), &third) == COTENANT_FULL);
    cotenant_cache_unpin(&pin);
    cotenant_cache_unpin(&pin);
    cotenant_cache_unpin(NULL);
    CHECK(cotenant_cache_pin(cache, KEY("k"), &third) == COTENANT_OK && third.version == other.version);
    cotenant_cache_unpin(&third);
    cotenant_cache_unpin(&other);
}

static int32_t count(const cotenant_cache_entry *entry, void *argument)
{
    unsigned *counts = (unsigned *)argument;
    CHECK(entry->key_length == sizeof(unsigned) && entry->value_length == 5 && memcmp(entry->value, "value", 5) == 0);
    CHECK((entry->expires_in_ms == UINT64_MAX) == (*(const unsigned *)entry->key % 2 == 0));
    counts[*(const unsigned *)entry->key]++;
    return 0;
}

static int32_t first_only(const cotenant_cache_entry *entry, void *argument)
{
    (void)entry;
    ++*(int *)argument;
    return 1;
}

static void iteration(void)
{
    unsigned counts[100];
    memset(counts, 0, sizeof counts);
    CHECK(cotenant_cache_clear(cache) == COTENANT_OK);
    for (unsigned nth = 0; nth < 100; nth++) {
        CHECK(cotenant_cache_insert(cache, &nth, sizeof nth, "value", 5, nth % 2 * 600000) == COTENANT_OK);
    }
    CHECK(cotenant_cache_for_each(cache, count, counts) == COTENANT_OK);
    for (int nth = 0; nth < 100; nth++) {
        CHECK(counts[nth] == 1);
    }
    int seen = 0;
    CHECK(cotenant_cache_for_each(cache, first_only, &seen) == COTENANT_OK && seen == 1);
    CHECK(cotenant_cache_for_each(cache, NULL, NULL) == COTENANT_INVALID_INPUT);
}

static int32_t make(cotenant_cache_made *made, void *argument)
{
    ++*(int *)argument;
    pause_ms(100);
    CHECK(cotenant_cache_made_append(made, "com", 3) == COTENANT_OK);
    CHECK(cotenant_cache_made_append(made, "puted", 5) == COTENANT_OK);
    return 0;
}

static int32_t cannot(cotenant_cache_made *made, void *argument)
{
    (void)made;
    (void)argument;
    return 7;
}

static int32_t asks_itself(cotenant_cache_made *made, void *argument)
{
    (void)argument;
    CHECK(cotenant_cache_get_or_insert(cache, KEY("itself"), 0, asks_itself, NULL, NULL, 0, NULL) ==
          COTENANT_WOULD_DEADLOCK);
    return (int32_t)cotenant_cache_made_append(made, "done", 4);
}

static int32_t says_a_length_of_minus_one(cotenant_cache_made *made, void *argument)
{
    (void)argument;
    CHECK(cotenant_cache_made_append(made, "x", SIZE_MAX) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_made_append(made, "x", SIZE_MAX / 2) == COTENANT_NO_SPACE);
    return (int32_t)cotenant_cache_made_append(made, "x", 1);
}

static int calls;

static void *compute(void *argument)
{
    char mine[8];
    size_t bytes = 0;
    (void)argument;
    CHECK(cotenant_cache_get_or_insert(cache, KEY("page"), 0, make, &calls, mine, sizeof mine, &bytes) == COTENANT_OK);
    CHECK(bytes == 8 && memcmp(mine, "computed", 8) == 0);
    return NULL;
}

static void single_flight(void)
{
    pthread_t threads[4];
    for (int nth = 0; nth < 4; nth++) {
        CHECK(pthread_create(&threads[nth], NULL, compute, NULL) == 0);
    }
    for (int nth = 0; nth < 4; nth++) {
        CHECK(pthread_join(threads[nth], NULL) == 0);
    }
    CHECK(calls == 1);
    CHECK(cotenant_cache_get_or_insert(cache, KEY("page"), 0, make, &calls, buffer, 3, &length) == COTENANT_NO_SPACE);
    CHECK(length == 8 && calls == 1);
    CHECK(cotenant_cache_get_or_insert(cache, KEY("x"), 0, cannot, NULL, buffer, sizeof buffer, NULL) ==
          COTENANT_CANCELLED);
    CHECK(!cotenant_cache_contains(cache, KEY("x")));
    CHECK(cotenant_cache_get_or_insert(cache, KEY("itself"), 0, asks_itself, NULL, buffer, sizeof buffer, &length) ==
          COTENANT_OK);
    CHECK(holds("itself", "done"));
    CHECK(cotenant_cache_get_or_refresh(cache, KEY("fresh"), 60000, 1000, make, &calls, buffer, sizeof buffer,
                                        &length) == COTENANT_OK);
    CHECK(length == 8 && calls == 2);
    CHECK(cotenant_cache_get_or_refresh(cache, KEY("f"), 0, 1000, make, &calls, buffer, 1, NULL) ==
          COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_get_or_insert(cache, KEY("f"), 0, NULL, NULL, NULL, 0, NULL) == COTENANT_INVALID_INPUT);
}

static void statistics(void)
{
    cotenant_cache_stats all, mine;
    CHECK(cotenant_cache_get_stats(cache, &all) == COTENANT_OK && cotenant_cache_get_process_stats(cache, &mine) == COTENANT_OK);
    CHECK(all.hits > 0 && all.hits == mine.hits && all.misses == mine.misses && all.inserts == mine.inserts);
    CHECK(all.computed == 3 && all.awaited >= 1 && all.capacity_bytes == cotenant_cache_capacity_bytes(cache));
    CHECK(all.entries > 100 && all.bytes > 900 && mine.entries == 0 && all.repairs == 0);
    CHECK(cotenant_cache_get_stats(cache, NULL) == COTENANT_INVALID_INPUT);
    uint64_t before = all.capacity_bytes;
    CHECK(cotenant_cache_grow(cache, 2 << 20) == COTENANT_OK && cotenant_cache_capacity_bytes(cache) > before);
    CHECK(cotenant_cache_grow(cache, 1 << 30) == COTENANT_NO_SPACE);
}

static void readers(void)
{
    cotenant_cache *reader = NULL;
#ifdef _WIN32
    CHECK(cotenant_cache_open_reader("capi.cache", NULL, &reader) == COTENANT_UNSUPPORTED && reader == NULL);
#else
    cotenant_cache_stats all;
    cotenant_cache_pinned pin;
    CHECK(cotenant_cache_open_reader("capi.cache", NULL, &reader) == COTENANT_OK);
    CHECK(cotenant_cache_insert(cache, KEY("seen"), "value", 5, 0) == COTENANT_OK);
    CHECK(cotenant_cache_get(reader, KEY("seen"), buffer, sizeof buffer, &length) == COTENANT_OK && length == 5);
    CHECK(cotenant_cache_contains(reader, KEY("seen")) && !cotenant_cache_contains(reader, KEY("another")));
    CHECK(cotenant_cache_insert(reader, KEY("seen"), "x", 1, 0) == COTENANT_UNSUPPORTED);
    CHECK(cotenant_cache_pin(reader, KEY("seen"), &pin) == COTENANT_UNSUPPORTED);
    CHECK(cotenant_cache_get_stats(reader, &all) == COTENANT_OK && all.entries > 100);
    int entries = 0;
    CHECK(cotenant_cache_for_each(reader, first_only, &entries) == COTENANT_OK && entries == 1);
    CHECK(cotenant_cache_max_entry_bytes(reader) == cotenant_cache_max_entry_bytes(cache));
    CHECK(!cotenant_cache_is_created(reader));
    cotenant_cache_close(reader);
#endif
}

static void in_a_segment(void)
{
    cotenant_segment_options options;
    cotenant_cache_options sizes;
    memset(&options, 0, sizeof options);
    memset(&sizes, 0, sizeof sizes);
    options.max_bytes = 4 << 20;
    sizes.capacity_bytes = 1 << 20;
    cotenant_segment *segment = NULL;
    cotenant_cache *one = NULL, *again = NULL;
    CHECK(cotenant_segment_create("capi.cache.in", &options, &segment) == COTENANT_OK);
    CHECK(cotenant_cache_open_in(segment, "one", &sizes, &one) == COTENANT_OK && cotenant_cache_is_created(one));
    CHECK(cotenant_cache_open_in(segment, "one", NULL, &again) == COTENANT_OK && !cotenant_cache_is_created(again));
    CHECK(cotenant_cache_insert(one, KEY("k"), "1", 1, 0) == COTENANT_OK && cotenant_cache_contains(again, KEY("k")));
    /* In any order. */
    cotenant_segment_close(segment);
    cotenant_cache_close(one);
    CHECK(cotenant_cache_contains(again, KEY("k")));
    cotenant_cache_close(again);
    CHECK(cotenant_cache_open_in(NULL, "one", NULL, &one) == COTENANT_INVALID_INPUT);
}

static void misuse(void)
{
    cotenant_cache_options options;
    cotenant_cache *other = NULL;
    memset(&options, 0, sizeof options);
    options.capacity_bytes = 1;
    CHECK(cotenant_cache_create("capi.other", &options, &other) == COTENANT_INVALID_INPUT && other == NULL);
    options.capacity_bytes = 0;
    options.reserved[3] = 1;
    CHECK(cotenant_cache_create("capi.other", &options, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_open("capi.other", NULL, &other) == COTENANT_NOT_FOUND);
    CHECK(strstr(cotenant_error_message(), "capi.other") != NULL);
    CHECK(cotenant_cache_open(NULL, NULL, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_create("capi.cache", NULL, &other) == COTENANT_ALREADY_EXISTS);
    CHECK(cotenant_cache_get(NULL, KEY("k"), buffer, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_get(cache, NULL, 1, buffer, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_get(cache, KEY("k"), NULL, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_insert(cache, KEY("k"), NULL, 1, 0) == COTENANT_INVALID_INPUT);
    /* As what a call gave that failed. */
    CHECK(cotenant_cache_insert(cache, KEY("k"), "v", SIZE_MAX, 0) == COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "longer than memory") != NULL);
    CHECK(cotenant_cache_get(cache, "k", SIZE_MAX, buffer, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_get(cache, KEY("k"), buffer, SIZE_MAX, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_get_or_insert(cache, KEY("minus one"), 0, says_a_length_of_minus_one, NULL, buffer, 1, NULL) ==
          COTENANT_OK);
    CHECK(cotenant_cache_pin(cache, KEY("k"), NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_compare_and_swap(cache, KEY("k"), "x", 1, 0, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cache_capacity_bytes(NULL) == 0 && cotenant_cache_max_entry_bytes(NULL) == 0);
    cotenant_cache_close(NULL);
#ifdef _WIN32
    CHECK(cotenant_cache_unlink("capi.cache", NULL) == COTENANT_UNSUPPORTED);
#else
    CHECK(cotenant_cache_unlink("capi.other", NULL) == COTENANT_NOT_FOUND);
    CHECK(cotenant_cache_unlink("capi.cache", NULL) == COTENANT_OK);
#endif
}

int main(void)
{
    cotenant_segment_options segment;
    cotenant_cache_options options;
    memset(&segment, 0, sizeof segment);
    memset(&options, 0, sizeof options);
#ifndef _WIN32
    segment.mode = 0644;
#endif
    options.capacity_bytes = 1 << 20;
    options.max_capacity_bytes = 4 << 20;
    options.mean_entry_bytes = 64;
    options.max_pins = 2;
    options.segment = &segment;
    CHECK(cotenant_cache_open_or_create("capi.cache", &options, &cache) == COTENANT_OK);
    CHECK(cotenant_cache_is_created(cache) && cotenant_cache_capacity_bytes(cache) > 900000);
    reads_and_writes();
    times_to_live();
    pins();
    iteration();
    single_flight();
    statistics();
    readers();
    in_a_segment();
    misuse();
    cotenant_cache_close(cache);
    return 0;
}
