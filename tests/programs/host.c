/* Loads libraries and calls their functions as it is told: one line in, one line out. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *handles[16];
static int count;

static long long call(void *handle, const char *name) {
    long long (*function)(void) = (long long (*)(void))dlsym(handle, name);
    return function ? function() : -100;
}

/* Loads, calls and unloads many times; gives the largest result, or what went wrong. */
static long long rounds(const char *path, const char *name, int times) {
    long long largest = -200;
    for (int i = 0; i < times; i++) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle) return -201;
        long long result = call(handle, name);
        if (result > largest) largest = result;
        if (dlclose(handle)) return -202;
        if (dlopen(path, RTLD_NOW | RTLD_NOLOAD)) return -203; /* It stayed: nothing was tried. */
    }
    return largest;
}

int main(void) {
    char line[4096], text[4096], name[256];
    int number;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "open %4095s", text) == 1) {
            handles[count] = dlopen(text, RTLD_NOW | RTLD_LOCAL);
            if (handles[count]) printf("%d\n", count++);
            else printf("%s\n", dlerror());
        } else if (sscanf(line, "call %d %255s", &number, name) == 2) {
            printf("%lld\n", call(number < 0 ? RTLD_DEFAULT : handles[number], name));
        } else if (sscanf(line, "close %d", &number) == 1) {
            printf("%d\n", dlclose(handles[number]));
        } else if (sscanf(line, "rounds %4095s %255s %d", text, name, &number) == 3) {
            printf("%lld\n", rounds(text, name, number));
        } else if (sscanf(line, "exit %d", &number) == 1) {
            exit(number);
        } else if (!strcmp(line, "quit\n")) {
            return 0;
        } else {
            printf("no answer to %s", line);
        }
    }
    return 0;
}
