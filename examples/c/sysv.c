/* Two programs share a System V segment, found by a key that both make of a path and a number, as ftok(3) does:
 * `sysv` tells the price of bread, `sysv buy` buys some. Either may be started first. Linux. */
#define _POSIX_C_SOURCE 200809L
#include "cotenant.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static cotenant_u64 *number(cotenant_segment *segment, const char *name)
{
    void *object = NULL;
    cotenant_segment_get_or_init(segment, name, COTENANT_TYPE(u64), NULL, NULL, &object);
    return object;
}

int main(int argc, char **argv)
{
    int buys = argc > 1 && strcmp(argv[1], "buy") == 0;
    cotenant_segment_options options = {.backing = COTENANT_BACKING_SYSV, .max_bytes = 1 << 20};
    options.sysv_file = argc > 2 ? argv[2] : ".";
    options.sysv_key = 'C';
    cotenant_segment *segment;
    if (cotenant_segment_open_or_create("bakery", &options, &segment) != COTENANT_OK) {
        fprintf(stderr, "sysv: %s\n", cotenant_error_message());
        return 1;
    }
    cotenant_u64 *cents = number(segment, "cents"), *sold = number(segment, "sold");
    if (cents == NULL || sold == NULL) {
        fprintf(stderr, "sysv: %s\n", cotenant_error_message());
        return 1;
    }
    for (int round = 0; round < 10; round++) {
        if (buys) {
            printf("loaf %" PRIu64 " for %" PRIu64 " cents\n", cotenant_u64_add(sold, 1) + 1, cotenant_u64_load(cents));
        } else {
            cotenant_u64_store(cents, 250 + (uint64_t)round);
            printf("%" PRIu64 " loaves sold\n", cotenant_u64_load(sold));
        }
        fflush(stdout);
        nanosleep(&(struct timespec){0, 100000000L}, NULL);
    }
    cotenant_segment_close(segment);
    return 0;
}
