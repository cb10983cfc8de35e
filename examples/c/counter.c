/* The classic: all processes that run this program count on one variable.
 * Start it in two terminals, and press Enter now in one, now in the other. */
#include "cotenant.h"
#include <inttypes.h>
#include <stdio.h>

#define SHARED(F) F(u64, counter)
COTENANT_SHARED(shared, SHARED);

int main(void)
{
    while (getchar() != EOF) {
        printf("g_sharedCounter = %" PRIu64 "\n", cotenant_u64_add(&shared()->counter, 1) + 1);
        fflush(stdout);
    }
    return 0;
}
