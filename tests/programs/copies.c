/* Names a library's block itself, so that the linker makes a copy of it. */
#include <stdio.h>

extern char block[] __asm__(BLOCK);

int main(void) {
    printf("%p\n", (void *)block);
    return 0;
}
