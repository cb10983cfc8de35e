/* Published bytes: whole, newest, waited for; through a mapping that can only be read; and misuse. */
#include "check.h"

#include <pthread.h>

static void *publish_later(void *published)
{
    CHECK(cotenant_published_publish((cotenant_published *)published, "later", 5, NULL) == COTENANT_OK);
    return NULL;
}

static int twice(const void *old, size_t old_length, void *fresh, size_t capacity, size_t *fresh_length, void *argument)
{
    if (2 * old_length > capacity || argument == NULL) {
        return 1;
    }
    memcpy(fresh, old, old_length);
    memcpy((char *)fresh + old_length, old, old_length);
    *fresh_length = 2 * old_length;
    return 0;
}

int main(void)
{
    cotenant_segment_options options;
    memset(&options, 0, sizeof options);
    options.max_bytes = 1 << 20;
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_create("capi.published", &options, &segment) == COTENANT_OK);
    cotenant_published *published = NULL;
    CHECK(cotenant_published_open(segment, "config", 1000, &published) == COTENANT_OK);
    CHECK(cotenant_published_max_bytes(published) >= 1000 && cotenant_published_sequence(published) == 0);

    char buffer[2048];
    size_t length = 7;
    uint64_t sequence = 7;
    CHECK(cotenant_published_load(published, buffer, sizeof buffer, &length, &sequence) == COTENANT_OK);
    CHECK(length == 0 && sequence == 0);
    CHECK(cotenant_published_publish(published, "workers = 4", 11, &sequence) == COTENANT_OK && sequence == 1);
    CHECK(cotenant_published_publish_timeout(published, NULL, 0, 1000, &sequence) == COTENANT_OK && sequence == 2);
    CHECK(cotenant_published_publish(published, "workers = 5", 11, NULL) == COTENANT_OK);
    CHECK(cotenant_published_load(published, buffer, sizeof buffer, &length, &sequence) == COTENANT_OK);
    CHECK(length == 11 && sequence == 3 && memcmp(buffer, "workers = 5", 11) == 0);
    length = 0;
    CHECK(cotenant_published_load(published, buffer, 10, &length, &sequence) == COTENANT_NO_SPACE && length == 11);
    CHECK(cotenant_published_load(published, NULL, 0, &length, NULL) == COTENANT_NO_SPACE && length == 11);
    CHECK(strstr(cotenant_error_message(), "11 bytes") != NULL);
    memset(buffer, 1, sizeof buffer);
    CHECK(cotenant_published_publish(published, buffer, sizeof buffer, NULL) == COTENANT_NO_SPACE);
    CHECK(cotenant_published_sequence(published) == 3);

    cotenant_reader *reader = NULL;
    cotenant_published *seen = NULL;
#ifdef _WIN32
    /* Windows has no readers: a second handle stands for one. */
    CHECK(cotenant_reader_open("capi.published", NULL, &reader) == COTENANT_UNSUPPORTED && reader == NULL);
    CHECK(cotenant_published_open(segment, "config", 1000, &seen) == COTENANT_OK);
    CHECK(cotenant_published_load(seen, buffer, sizeof buffer, &length, NULL) == COTENANT_OK && length == 11);
#else
    CHECK(cotenant_reader_open("capi.published", NULL, &reader) == COTENANT_OK);
    CHECK(cotenant_published_read(reader, "none", &seen) == COTENANT_NOT_FOUND && seen == NULL);
    CHECK(cotenant_published_read(reader, "config", &seen) == COTENANT_OK);
    CHECK(cotenant_published_load(seen, buffer, sizeof buffer, &length, NULL) == COTENANT_OK && length == 11);
    CHECK(cotenant_published_publish(seen, "x", 1, NULL) == COTENANT_UNSUPPORTED);
#endif

    CHECK(cotenant_published_wait_newer(published, 3, 10) == COTENANT_TIMED_OUT);
    CHECK(cotenant_published_wait_newer(seen, 2, 0) == COTENANT_OK);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, publish_later, published) == 0);
    CHECK(cotenant_published_wait_newer(published, 3, 60000) == COTENANT_OK);
    CHECK(cotenant_published_wait_newer(seen, 3, 60000) == COTENANT_OK);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(cotenant_published_load(seen, buffer, sizeof buffer, &length, &sequence) == COTENANT_OK);
    CHECK(length == 5 && sequence == 4 && memcmp(buffer, "later", 5) == 0);

    CHECK(cotenant_published_update(published, twice, buffer, &sequence) == COTENANT_OK && sequence == 5);
    CHECK(cotenant_published_load(seen, buffer, sizeof buffer, &length, NULL) == COTENANT_OK);
    CHECK(length == 10 && memcmp(buffer, "laterlater", 10) == 0);
    CHECK(cotenant_published_update(published, twice, NULL, &sequence) == COTENANT_CANCELLED && sequence == 5);
    CHECK(cotenant_published_update(published, NULL, NULL, NULL) == COTENANT_INVALID_INPUT);

    CHECK(cotenant_published_open(NULL, "config", 1, &published) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_load(NULL, buffer, 1, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_load(seen, NULL, 1, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_publish(published, NULL, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_max_bytes(NULL) == 0 && cotenant_published_sequence(NULL) == 0);
    cotenant_published_close(NULL);
    cotenant_published_close(seen);
    cotenant_published_close(published);
    cotenant_reader_close(reader);
    cotenant_segment_close(segment);
    return 0;
}
