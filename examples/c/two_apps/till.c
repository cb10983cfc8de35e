/* The first application, in C: till [ORDERS [die]]. */
#include "orders.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    int orders = argc > 1 ? atoi(argv[1]) : 10;
    if (*orders_trouble() != 0) {
        fprintf(stderr, "till: counting alone: %s\n", orders_trouble());
    }
    for (int i = 0; i < orders; i++) {
        printf("C: order %" PRIu64 "\n", orders_add(100));
        fflush(stdout);
    }
    if (argc > 2 && strcmp(argv[2], "die") == 0) {
        orders_die();
    }
    /* What the parent or a terminal closes ends it: as long as somebody uses the library, the values live. */
    return getchar() == EOF ? 0 : 1;
}
