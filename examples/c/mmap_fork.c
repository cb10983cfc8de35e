/* A parent and the children that it forks count in memory without a name; one child is killed in the middle of it.
 * The memory is mmap(MAP_SHARED | MAP_ANONYMOUS), and the lock is one that survives its owner. Linux. */
#define _POSIX_C_SOURCE 200809L
#include "cotenant.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HALVES(F) F(u32, left) F(u32, right)
COTENANT_STRUCT(halves, HALVES); /* The rule is that both are equal. */
COTENANT_MUTEX(halves);

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, cotenant_error_message());
    exit(1);
}

static halves *lock(mutex_halves *it)
{
    switch (cotenant_mutex_lock(&it->lock)) {
    case COTENANT_OK:
        break;
    case COTENANT_OWNER_DIED:
        printf("[%d] finds %u and %u, and repairs: %s\n", (int)getpid(), it->value.left, it->value.right,
               cotenant_error_message());
        it->value.right = it->value.left;
        cotenant_mutex_consistent(&it->lock);
        break;
    default:
        fail("lock");
    }
    return &it->value;
}

int main(void)
{
    cotenant_segment_options options = {.backing = COTENANT_BACKING_ANONYMOUS, .max_bytes = 1 << 20};
    cotenant_segment *segment;
    void *object;
    if (cotenant_segment_create("mmap_fork", &options, &segment) != COTENANT_OK) {
        fail("create");
    }
    if (cotenant_segment_get_or_init(segment, "halves", COTENANT_TYPE(mutex_halves), NULL, NULL, &object) !=
        COTENANT_OK) {
        fail("halves");
    }
    mutex_halves *shared = object;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int child = 1; child <= 4; child++) {
        pid_t forked = fork();
        if (forked < 0) {
            perror("fork");
            return 1;
        }
        if (forked != 0) {
            continue;
        }
        for (int round = 1; round <= 1000; round++) {
            halves *value = lock(shared);
            value->left++;
            if (child == 2 && round == 500) {
                printf("[%d] is killed in the middle of its change number 500\n", (int)getpid());
                raise(SIGKILL);
            }
            value->right++;
            cotenant_mutex_unlock(&shared->lock);
        }
        _exit(0);
    }
    while (wait(NULL) > 0) {
    }
    halves *value = lock(shared);
    printf("3 children counted to 1000, one to 500: %u and %u\n", value->left, value->right);
    cotenant_mutex_unlock(&shared->lock);
    cotenant_segment_close(segment);
    return 0;
}
