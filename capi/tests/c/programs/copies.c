/* Names a library's block itself, so that the linker makes a copy of it. */
#include "../check.h"

extern struct {
    uint64_t hits;
} plugin_shared;

int main(void)
{
    printf("%p\n", (void *)&plugin_shared);
    return 0;
}
