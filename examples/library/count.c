/* A C program that is linked with the library and counts with it: count-c [TICKS]. */

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
#include <process.h>
#include <windows.h>
#define getpid _getpid
static void sleep_ms(unsigned ms) { Sleep(ms); }
#else
#include <time.h>
#include <unistd.h>
static void sleep_ms(unsigned ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL); }
#endif

unsigned long long visits_add(unsigned long long by);

int main(int argc, char **argv)
{
    int ticks = argc > 1 ? atoi(argv[1]) : 10;

    for (int tick = 0; tick < ticks; tick++) {
        printf("[%d] C: visits = %llu\n", (int)getpid(), visits_add(1));
        fflush(stdout);
        sleep_ms(200);
    }
    return 0;
}
