/* Loads the plug-ins that it is told, calls them, and unloads them: host PLUGIN... */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* POSIX has a function come as a pointer to data. */
static void *symbol(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found;
}

int main(int argc, char **argv)
{
    void *libraries[8];
    for (int i = 1; i < argc && i < 8; i++) {
        uint64_t (*hit)(void);
        int (*status)(void);
        const char *(*version)(void);
        libraries[i] = dlopen(argv[i], RTLD_NOW);
        if (libraries[i] == NULL || symbol(libraries[i], "plugin_hit", &hit) == NULL ||
            symbol(libraries[i], "plugin_status", &status) == NULL ||
            symbol(libraries[i], "plugin_version", &version) == NULL) {
            printf("%s\n", dlerror());
            return 1;
        }
        uint64_t before = hit();
        printf("%s status %d, %" PRIu64 " before\n", version(), status(), before);
        fflush(stdout);
    }
    getchar();
    for (int i = 1; i < argc && i < 8; i++) {
        dlclose(libraries[i]);
    }
    printf("unloaded\n");
    fflush(stdout);
    getchar();
    return 0;
}
