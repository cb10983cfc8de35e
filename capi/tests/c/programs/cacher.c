/* Does to a cache what it is told, line by line, and answers each with one: tests/programs/cache.rs is the same in
 * Rust. */
#include "../check.h"

#include <inttypes.h>
#include <threads.h>

static cotenant_cache *cache;
static cotenant_cache_pinned pin;
static char answer[256];

/* What a status came to, or the text in `answer`. */
static const char *word(cotenant_status status)
{
    return status == COTENANT_OK ? answer : status == COTENANT_NOT_FOUND ? "none" : cotenant_status_name(status);
}

static int32_t make(cotenant_cache_made *made, void *argument)
{
    const char *value = (const char *)argument;
    puts("computing");
    fflush(stdout);
    if (strcmp(value, "never") == 0) {
        for (;;) {
            struct timespec time = {1, 0};
            thrd_sleep(&time, NULL);
        }
    }
    return (int32_t)cotenant_cache_made_append(made, value, strlen(value));
}

static int32_t add_lengths(const cotenant_cache_entry *entry, void *argument)
{
    *(size_t *)argument += entry->key_length + entry->value_length;
    return 0;
}

static const char *done(char *line)
{
    const char *what = strtok(line, " ");
    char *key = strtok(NULL, " ");
    char *value = strtok(NULL, " ");
    size_t length = key == NULL ? 0 : strlen(key);
    size_t got = 0;
    strcpy(answer, "ok");
    if (strcmp(what, "insert") == 0) {
        return word(cotenant_cache_insert(cache, key, length, value, strlen(value), 0));
    }
    if (strcmp(what, "get") == 0) {
        cotenant_status status = cotenant_cache_get(cache, key, length, answer, sizeof answer - 1, &got);
        answer[status == COTENANT_OK ? got : 0] = 0;
        return word(status);
    }
    if (strcmp(what, "remove") == 0) {
        return word(cotenant_cache_remove(cache, key, length));
    }
    if (strcmp(what, "increment") == 0) {
        int64_t sum = 0;
        cotenant_status status = cotenant_cache_increment(cache, key, length, 1, 1, 0, &sum);
        snprintf(answer, sizeof answer, "%" PRId64, sum);
        return word(status);
    }
    if (strcmp(what, "compute") == 0) {
        cotenant_status status =
            cotenant_cache_get_or_insert(cache, key, length, 0, make, value, answer, sizeof answer - 1, &got);
        answer[status == COTENANT_OK ? got : 0] = 0;
        return word(status);
    }
    if (strcmp(what, "pin") == 0) {
        cotenant_status status = cotenant_cache_pin(cache, key, length, &pin);
        snprintf(answer, sizeof answer, "%.*s", (int)pin.length, (const char *)pin.bytes);
        return word(status);
    }
    if (strcmp(what, "bytes") == 0) {
        cotenant_status status = cotenant_cache_for_each(cache, add_lengths, &got);
        snprintf(answer, sizeof answer, "%zu", got);
        return word(status);
    }
    return "unknown";
}

int main(void)
{
    char line[256];
    cotenant_cache_options options;
    memset(&options, 0, sizeof options);
    options.capacity_bytes = 1 << 20;
    options.max_pins = 1;
    CHECK(cotenant_cache_open_or_create("capi.cached", &options, &cache) == COTENANT_OK);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        puts(done(line));
        fflush(stdout);
    }
    return 0;
}
