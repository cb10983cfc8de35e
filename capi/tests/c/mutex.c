/* The mutex in one process: who holds it, who does not, threads, a child of a fork, and a death under the lock. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#ifndef _WIN32
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define TOTALS(F) F(u64, jobs) F(f64, seconds)
COTENANT_STRUCT(totals, TOTALS);
COTENANT_MUTEX(totals);

#define BLOCK(F) F(mutex, alone) F(mutex_totals, guarded) F(u64, rounds)
COTENANT_SHARED(block, BLOCK);

enum { THREADS = 4, ROUNDS = 10000 };

static void *count(void *unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        CHECK(cotenant_mutex_lock(&block()->guarded.lock) == COTENANT_OK);
        block()->guarded.value.jobs++;
        CHECK(cotenant_mutex_unlock(&block()->guarded.lock) == COTENANT_OK);
    }
    return NULL;
}

static void *try_once(void *unused)
{
    (void)unused;
    CHECK(cotenant_mutex_try_lock(&block()->alone) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_mutex_lock_timeout(&block()->alone, 5) == COTENANT_TIMED_OUT);
    CHECK(strlen(cotenant_error_message()) > 0);
    CHECK(cotenant_mutex_unlock(&block()->alone) == COTENANT_NOT_OWNER);
    return NULL;
}

#ifndef _WIN32
static void wait_for(pid_t child, int signal)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(signal == 0 ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                      : WIFSIGNALED(status) && WTERMSIG(status) == signal);
}

/* Starts a child that takes the lock and is killed in it. */
static void die_in(cotenant_mutex *mutex)
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(cotenant_mutex_lock(mutex) == COTENANT_OK);
        raise(SIGKILL);
    }
    wait_for(child, SIGKILL);
}
#endif

int main(void)
{
    cotenant_mutex *alone = &block()->alone;

    CHECK(cotenant_mutex_unlock(alone) == COTENANT_NOT_OWNER);
    CHECK(cotenant_mutex_consistent(alone) == COTENANT_NOT_OWNER);
    CHECK(cotenant_mutex_lock(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_lock(alone) == COTENANT_WOULD_DEADLOCK);
    pthread_t threads[THREADS];
    CHECK(pthread_create(&threads[0], NULL, try_once, NULL) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0);

#ifndef _WIN32
    /* A child does not hold what its parent holds. */
    pid_t child = fork();
    if (child == 0) {
        CHECK(cotenant_mutex_unlock(alone) == COTENANT_NOT_OWNER);
        CHECK(cotenant_mutex_try_lock(alone) == COTENANT_WOULD_BLOCK);
        _exit(0);
    }
    wait_for(child, 0);
#endif
    CHECK(cotenant_mutex_unlock(alone) == COTENANT_OK);

    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK(block()->guarded.value.jobs == (uint64_t)THREADS * ROUNDS);

#ifndef _WIN32
    /* Unrepaired it is left to the next one, repaired it is an ordinary lock. */
    die_in(alone);
    CHECK(cotenant_mutex_lock(alone) == COTENANT_OWNER_DIED);
    CHECK(strstr(cotenant_error_message(), "died") != NULL);
    CHECK(cotenant_mutex_unlock(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_try_lock(alone) == COTENANT_OWNER_DIED);
    CHECK(cotenant_mutex_consistent(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_unlock(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_lock(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_unlock(alone) == COTENANT_OK);

    /* Given up, and made anew. */
    die_in(alone);
    CHECK(cotenant_mutex_lock(alone) == COTENANT_OWNER_DIED);
    CHECK(cotenant_mutex_give_up(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_lock(alone) == COTENANT_NOT_RECOVERABLE);
    CHECK(cotenant_mutex_try_lock(alone) == COTENANT_NOT_RECOVERABLE);
    CHECK(cotenant_mutex_lock_given_up(alone) == COTENANT_OWNER_DIED);
    CHECK(cotenant_mutex_consistent(alone) == COTENANT_OK);
    CHECK(cotenant_mutex_unlock(alone) == COTENANT_OK);

#endif
    /* In memory that nobody shares it is a mutex of threads. */
    cotenant_mutex of_threads = {0};
    CHECK(cotenant_mutex_lock(&of_threads) == COTENANT_OK);
    CHECK(cotenant_mutex_unlock(&of_threads) == COTENANT_OK);
    return 0;
}
