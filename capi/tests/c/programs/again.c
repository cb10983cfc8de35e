/* Loads a plug-in, calls it and unloads it, some times; libcotenant, which it is linked with, too, stays: again PLUGIN */
#include "cotenant.h"
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    for (int i = 0; i < 3 && argc == 2; i++) {
        uint64_t (*hit)(void);
        void *library = dlopen(argv[1], RTLD_NOW);
        void *found = library == NULL ? NULL : dlsym(library, "plugin_hit");
        if (found == NULL) {
            printf("%s\n", dlerror());
            return 1;
        }
        memcpy(&hit, &found, sizeof hit);
        uint64_t before = hit();
        printf("%s: %" PRIu64 " before, status of the last failure: %s\n", cotenant_version(), before,
               cotenant_error_message());
        dlclose(library);
    }
    return 0;
}
