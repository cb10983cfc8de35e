/* Loads a plug-in and unloads it, many times, and prints by how many bytes the heap has grown: unloads PLUGIN */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    size_t before = 0;
    for (int i = 0; i < 200 && argc == 2; i++) {
        void *library = dlopen(argv[1], RTLD_NOW);
        if (library == NULL) {
            printf("%s\n", dlerror());
            return 1;
        }
        dlclose(library);
        if (i == 99) {
            before = mallinfo2().uordblks;
        }
    }
    printf("%ld bytes in 100 rounds\n", (long)(mallinfo2().uordblks - before));
    return 0;
}
