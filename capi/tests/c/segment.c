/* Segments: objects that are made once, found again, refused under another type; texts; readers; errors. */
#include "check.h"

#define LIMITS(F) F(u32, rate) F(u32, burst)
COTENANT_STRUCT(limits, LIMITS);
COTENANT_MUTEX(limits);

static int initial(void *object, void *argument)
{
    mutex_limits *made = (mutex_limits *)object;
    CHECK(made->value.rate == 0);
    made->value.rate = *(uint32_t *)argument;
    return 0;
}

static int refuse(void *object, void *argument)
{
    memset(object, 1, 8);
    return *(int *)argument;
}

int main(void)
{
    cotenant_segment_options options;
    memset(&options, 0, sizeof options);
    options.max_bytes = 1 << 20;
    options.max_objects = 4;
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_open("capi.segment", NULL, &segment) == COTENANT_NOT_FOUND && segment == NULL);
    CHECK(strstr(cotenant_error_message(), "capi.segment") != NULL);
    CHECK(cotenant_segment_create("capi.segment", &options, &segment) == COTENANT_OK);
    CHECK(cotenant_segment_is_created(segment) && !cotenant_segment_is_unlinked(segment));
    CHECK(strstr(cotenant_segment_path(segment), "capi.segment") != NULL);
    CHECK(cotenant_segment_max_bytes(segment) == 1 << 20 && cotenant_segment_used_bytes(segment) == 0);
    cotenant_segment *second = NULL;
    CHECK(cotenant_segment_create("capi.segment", &options, &second) == COTENANT_ALREADY_EXISTS);
    CHECK(cotenant_segment_open("capi.segment", NULL, &second) == COTENANT_OK);
    CHECK(!cotenant_segment_is_created(second));

    void *object = NULL;
    CHECK(cotenant_segment_get(segment, "done", COTENANT_TYPE(u64), &object) == COTENANT_NOT_FOUND && object == NULL);
    CHECK(cotenant_segment_get_or_init(segment, "done", COTENANT_TYPE(u64), NULL, NULL, &object) == COTENANT_OK);
    cotenant_u64 *done = (cotenant_u64 *)object;
    CHECK(cotenant_u64_add(done, 5) == 0);
    CHECK(cotenant_segment_get(second, "done", COTENANT_TYPE(u64), &object) == COTENANT_OK);
    CHECK(object != (void *)done && cotenant_u64_load((cotenant_u64 *)object) == 5);
    CHECK(cotenant_segment_get(second, "done", COTENANT_TYPE(i64), &object) == COTENANT_MISMATCH);
    CHECK(strstr(cotenant_error_message(), "AtomicI64") != NULL);

    int no = 1;
    uint32_t rate = 7;
    CHECK(cotenant_segment_get_or_init(segment, "limits", COTENANT_TYPE(mutex_limits), refuse, &no, &object) ==
          COTENANT_CANCELLED);
    CHECK(cotenant_segment_get_or_init_timeout(segment, "limits", COTENANT_TYPE(mutex_limits), 1000, initial, &rate,
                                               &object) == COTENANT_OK);
    mutex_limits *limits = (mutex_limits *)object;
    CHECK(cotenant_mutex_lock(&limits->lock) == COTENANT_OK);
    CHECK(limits->value.rate == 7);
    CHECK(cotenant_mutex_unlock(&limits->lock) == COTENANT_OK);

    CHECK(cotenant_segment_get_or_init(segment, "motd", COTENANT_TYPE(text64), NULL, NULL, &object) == COTENANT_OK);
    cotenant_text64 *motd = (cotenant_text64 *)object;
    char out[65], shorter[4];
    CHECK(COTENANT_TEXT_GET(motd, out) == 0 && out[0] == 0);
    CHECK(COTENANT_TEXT_SET(motd, "gr\xc3\xbc\xc3\x9f dich") == COTENANT_OK);
    CHECK(COTENANT_TEXT_GET(motd, out) == 11 && strcmp(out, "gr\xc3\xbc\xc3\x9f dich") == 0);
    CHECK(COTENANT_TEXT_GET(motd, shorter) == 2 && strcmp(shorter, "gr") == 0);
    CHECK(COTENANT_TEXT_SET(motd, "\xff") == COTENANT_INVALID_INPUT);
    char too_long[80];
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = 0;
    CHECK(COTENANT_TEXT_SET(motd, too_long) == COTENANT_NO_SPACE);
    CHECK(COTENANT_TEXT_GET(motd, out) == 11);

#ifndef _WIN32 /* has no readers, and none of the backings below */
    cotenant_reader *reader = NULL;
    CHECK(cotenant_reader_open("capi.segment", NULL, &reader) == COTENANT_OK);
    const void *seen = NULL;
    CHECK(cotenant_reader_get(reader, "done", COTENANT_TYPE(u64), &seen) == COTENANT_OK);
    CHECK(cotenant_u64_load((const cotenant_u64 *)seen) == 5);
    CHECK(cotenant_reader_get(reader, "none", COTENANT_TYPE(u64), &seen) == COTENANT_NOT_FOUND);
    cotenant_reader_close(reader);
#endif

    CHECK(cotenant_segment_remove(segment, "done") == COTENANT_OK);
    CHECK(cotenant_segment_remove(segment, "done") == COTENANT_NOT_FOUND);
    CHECK(cotenant_u64_load(done) == 5);
    CHECK(cotenant_segment_get_or_init(segment, "four", COTENANT_TYPE(u64), NULL, NULL, &object) == COTENANT_OK);
    CHECK(cotenant_segment_get_or_init(segment, "five", COTENANT_TYPE(u64), NULL, NULL, &object) == COTENANT_NO_SPACE);
    CHECK(cotenant_segment_participants(segment) >= 1);
    CHECK(cotenant_segment_sync(segment) == COTENANT_OK);

#ifndef _WIN32
    CHECK(cotenant_segment_unlink("capi.segment", NULL) == COTENANT_OK);
    CHECK(cotenant_segment_is_unlinked(segment));
#endif
    cotenant_segment_close(second);
    cotenant_segment_close(segment);
    cotenant_segment_close(NULL);

    /* What the other backings can, and cannot. */
#ifndef _WIN32
    options.backing = COTENANT_BACKING_ANONYMOUS;
    CHECK(cotenant_segment_create("capi.segment", &options, &segment) == COTENANT_OK);
    cotenant_segment_close(segment);
    options.mode = 0660;
    CHECK(cotenant_segment_create("capi.segment", &options, &segment) == COTENANT_UNSUPPORTED);
    options.mode = 0;
#endif
    options.backing = 99;
    CHECK(cotenant_segment_create("capi.segment", &options, &segment) == COTENANT_INVALID_INPUT);

    /* Wrong use. */
    CHECK(cotenant_segment_create(NULL, NULL, &segment) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_segment_create("capi.segment", NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_segment_create("../x", NULL, &segment) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_segment_create("\xff", NULL, &segment) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_segment_get(NULL, "done", COTENANT_TYPE(u64), &object) == COTENANT_INVALID_INPUT);
    CHECK(strcmp(cotenant_status_name(COTENANT_INVALID_INPUT), "COTENANT_INVALID_INPUT") == 0);
    CHECK(strcmp(cotenant_status_name(-1), "unknown") == 0);
    CHECK(strcmp(cotenant_version(), COTENANT_VERSION) == 0);
    return 0;
}
