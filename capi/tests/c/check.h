/* What every program of these tests needs. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cotenant.h"

/* Ends the program with a line if `condition` does not hold. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold; the last message: %s\n", __FILE__, __LINE__, #condition,         \
                    cotenant_error_message());                                                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
