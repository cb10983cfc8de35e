/* Segments that there are, their objects, what the dead left, and segments that come as descriptors. */
#include "check.h"

#ifndef _WIN32
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

static int count_those_of_this_test(const cotenant_segment_info *segment, void *argument)
{
    if (strcmp(segment->name, "capi.list") == 0) {
        CHECK(segment->is_alive && segment->participants == 1 && segment->contents == COTENANT_CONTENTS_OBJECTS);
        CHECK(segment->damage == NULL && segment->max_bytes >= 1 << 20 && strstr(segment->path, "capi.list") != NULL);
        ++*(int *)argument;
    }
    return 0;
}

static int first_only(const cotenant_segment_info *segment, void *argument)
{
    CHECK(segment->name != NULL);
    ++*(int *)argument;
    return 1;
}

static int note(const cotenant_object_info *object, void *argument)
{
    char *names = (char *)argument;
    CHECK(object->is_ready && object->bytes > 0);
    strcat(strcat(strcat(strcat(names, object->name), ": "), object->type_name), ", ");
    return 0;
}

static void objects(cotenant_segment *segment)
{
    void *object = NULL;
    char names[200] = "";
    CHECK(cotenant_segment_get_or_init(segment, "done", COTENANT_TYPE(u64), NULL, NULL, &object) == COTENANT_OK);
    CHECK(cotenant_segment_get_or_init(segment, "motd", COTENANT_TYPE(text64), NULL, NULL, &object) == COTENANT_OK);
    CHECK(cotenant_segment_objects(segment, note, names) == COTENANT_OK);
    CHECK(strcmp(names, "done: AtomicU64, motd: Text<64>, ") == 0);
    CHECK(cotenant_segment_objects(segment, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_segment_objects(NULL, note, names) == COTENANT_INVALID_INPUT);
#ifndef _WIN32
    cotenant_reader *reader = NULL;
    CHECK(cotenant_reader_open("capi.list", NULL, &reader) == COTENANT_OK);
    names[0] = 0;
    CHECK(cotenant_reader_objects(reader, note, names) == COTENANT_OK);
    CHECK(strcmp(names, "done: AtomicU64, motd: Text<64>, ") == 0);
    cotenant_reader_close(reader);
#endif
}

#ifndef _WIN32
static void gone(const char *path, uint32_t leftover, uint64_t allocated_bytes, void *argument)
{
    CHECK(leftover == COTENANT_LEFTOVER_DEAD && strstr(path, "capi.dead") != NULL && allocated_bytes > 0);
    ++*(int *)argument;
}

/* A child that ends without ceremony leaves its segment. */
static void leftovers(void)
{
    pid_t child = fork();
    if (child == 0) {
        cotenant_segment *segment = NULL;
        CHECK(cotenant_segment_create("capi.dead", NULL, &segment) == COTENANT_OK);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    int found = 0;
    CHECK(cotenant_prune(NULL, false, true, gone, &found) == COTENANT_OK && found == 1);
    CHECK(cotenant_prune(NULL, false, false, gone, &found) == COTENANT_OK && found == 2);
    CHECK(cotenant_prune(NULL, false, false, gone, &found) == COTENANT_OK && found == 2);
    CHECK(cotenant_prune(getenv("COTENANT_DIR"), true, true, NULL, NULL) == COTENANT_OK);
}

/* One that has no name, in another process by its descriptor. */
static void descriptors(void)
{
    cotenant_segment_options options;
    memset(&options, 0, sizeof options);
    options.backing = COTENANT_BACKING_MEMFD;
    options.max_bytes = 1 << 20;
    cotenant_segment *segment = NULL;
    void *object = NULL;
    int descriptor = -1;
    CHECK(cotenant_segment_create("capi.memfd", &options, &segment) == COTENANT_OK);
    CHECK(cotenant_segment_get_or_init(segment, "done", COTENANT_TYPE(u64), NULL, NULL, &object) == COTENANT_OK);
    CHECK(cotenant_segment_to_descriptor(segment, &descriptor) == COTENANT_OK && descriptor >= 0);
    pid_t child = fork();
    if (child == 0) {
        cotenant_segment *other = NULL;
        void *same = NULL;
        CHECK(cotenant_segment_of_descriptor(descriptor, &other) == COTENANT_OK);
        CHECK(cotenant_segment_get(other, "done", COTENANT_TYPE(u64), &same) == COTENANT_OK && same != object);
        cotenant_u64_add((cotenant_u64 *)same, 5);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(cotenant_u64_load((cotenant_u64 *)object) == 5);
    cotenant_segment *other = NULL;
    CHECK(cotenant_segment_of_descriptor(-1, &other) == COTENANT_INVALID_INPUT && other == NULL);
    int pipes[2];
    CHECK(pipe(pipes) == 0 && cotenant_segment_of_descriptor(pipes[0], &other) == COTENANT_FOREIGN && other == NULL);
    CHECK(close(pipes[0]) == -1 && close(pipes[1]) == 0);
    CHECK(close(descriptor) == 0);
    cotenant_segment_close(segment);
}
#else
static void leftovers(void) {}

static void descriptors(void)
{
    cotenant_segment *other = NULL;
    CHECK(cotenant_segment_of_descriptor(3, &other) == COTENANT_UNSUPPORTED && other == NULL);
}
#endif

int main(void)
{
    cotenant_segment_options options;
    memset(&options, 0, sizeof options);
    options.max_bytes = 1 << 20;
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_create("capi.list", &options, &segment) == COTENANT_OK);
    int found = 0;
#ifndef _WIN32
    CHECK(cotenant_segment_list(NULL, count_those_of_this_test, &found) == COTENANT_OK && found == 1);
    CHECK(cotenant_segment_list(getenv("COTENANT_DIR"), first_only, &found) == COTENANT_OK && found == 2);
#else
    /* Windows cannot be asked which there are. */
    cotenant_segment_list(NULL, count_those_of_this_test, &found);
    cotenant_segment_list(NULL, first_only, &found);
#endif
    CHECK(cotenant_segment_list(NULL, NULL, NULL) == COTENANT_INVALID_INPUT);
    objects(segment);
    leftovers();
    descriptors();
    cotenant_segment_close(segment);
    return 0;
}
