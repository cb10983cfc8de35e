/* The locks beside the mutex: what they do, what they refuse, and what a death in one leaves. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#ifndef _WIN32
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define LIMITS(F) F(u32, rate) F(u32, burst)
COTENANT_STRUCT(limits, LIMITS);
COTENANT_RWLOCK(limits);
COTENANT_ONCE_CELL(limits);
COTENANT_SEMAPHORE(pool, 2);
COTENANT_BARRIER(pair, 2);

#define ALL(F)                                                                                                         \
    F(rwlock_limits, guarded)                                                                                          \
    F(rwlock, alone)                                                                                                   \
    F(mutex, mutex)                                                                                                    \
    F(condvar, changed)                                                                                                \
    F(event, started)                                                                                                  \
    F(once, first)                                                                                                     \
    F(once_limits, made)                                                                                               \
    F(leader, leader)                                                                                                  \
    F(pool, workers, COTENANT_PERMITS(2))                                                                               \
    F(pair, pair)                                                                                                      \
    F(u32, step)
COTENANT_SHARED(all, ALL);

static void *second(void *unused)
{
    cotenant_kept kept;
    (void)unused;
    CHECK(cotenant_rwlock_try_read(&all()->guarded.lock) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_rwlock_read_timeout(&all()->guarded.lock, 3) == COTENANT_TIMED_OUT);
    CHECK(cotenant_rwlock_try_write(&all()->guarded.lock) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_rwlock_write_timeout(&all()->guarded.lock, 3) == COTENANT_TIMED_OUT);
    CHECK(cotenant_rwlock_unlock(&all()->guarded.lock) == COTENANT_NOT_OWNER);
    CHECK(cotenant_leader_try_lead(&all()->leader, &kept) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_leader_lead_timeout(&all()->leader, 3, &kept) == COTENANT_TIMED_OUT);
    CHECK(COTENANT_SEMAPHORE_TRY_ACQUIRE(&all()->workers, &kept) == COTENANT_WOULD_BLOCK);
    CHECK(COTENANT_SEMAPHORE_ACQUIRE_TIMEOUT(&all()->workers, 3, &kept) == COTENANT_TIMED_OUT);
    return NULL;
}

static void *waiter(void *unused)
{
    bool is_leader = false;
    (void)unused;
    cotenant_event_wait(&all()->started);
    CHECK(cotenant_mutex_lock(&all()->mutex) == COTENANT_OK);
    while (cotenant_u32_load(&all()->step) == 0) {
        CHECK(cotenant_condvar_wait(&all()->changed, &all()->mutex, 1000) == COTENANT_OK);
    }
    CHECK(cotenant_mutex_unlock(&all()->mutex) == COTENANT_OK);
    CHECK(COTENANT_BARRIER_WAIT(&all()->pair, &is_leader) == COTENANT_OK);
    return is_leader ? &all()->pair : NULL;
}

static int make(void *object, void *argument)
{
    ((limits *)object)->rate = *(uint32_t *)argument;
    return 0;
}

static int refuse(void *object, void *argument)
{
    (void)object;
    ++*(int *)argument;
    return 1;
}

static void run(void *(*body)(void *))
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

#ifndef _WIN32
/* Starts a child that does so and is killed. */
static void die_after(void (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        body();
        raise(SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void die_writing(void)
{
    CHECK(cotenant_rwlock_write(&all()->guarded.lock) == COTENANT_OK);
    all()->guarded.value.rate = 99;
}

static void die_reading(void)
{
    CHECK(cotenant_rwlock_read(&all()->guarded.lock) == COTENANT_OK);
}

static void die_with_all_permits(void)
{
    cotenant_kept kept;
    CHECK(COTENANT_SEMAPHORE_ACQUIRE(&all()->workers, &kept) == COTENANT_OK);
    CHECK(COTENANT_SEMAPHORE_ACQUIRE(&all()->workers, &kept) == COTENANT_OK);
    CHECK(cotenant_leader_lead(&all()->leader, &kept) == COTENANT_OK);
}

static void deaths(void)
{
    cotenant_rwlock *lock = &all()->guarded.lock;
    cotenant_kept kept[2];
    die_after(die_reading);
    CHECK(cotenant_rwlock_write(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);

    die_after(die_writing);
    CHECK(cotenant_rwlock_read(lock) == COTENANT_OWNER_DIED);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_write(lock) == COTENANT_OWNER_DIED);
    all()->guarded.value.rate = 1;
    CHECK(cotenant_rwlock_consistent(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_read(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);

    die_after(die_writing);
    CHECK(cotenant_rwlock_write(lock) == COTENANT_OWNER_DIED);
    CHECK(cotenant_rwlock_give_up(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_read(lock) == COTENANT_NOT_RECOVERABLE);
    CHECK(cotenant_rwlock_write_given_up(lock) == COTENANT_OWNER_DIED);
    CHECK(cotenant_rwlock_consistent(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);

    die_after(die_with_all_permits);
    CHECK(COTENANT_SEMAPHORE_ACQUIRE(&all()->workers, &kept[0]) == COTENANT_OK);
    CHECK(COTENANT_SEMAPHORE_RELEASE(&all()->workers, &kept[0]) == COTENANT_OK);
    CHECK(cotenant_leader_lead(&all()->leader, &kept[1]) == COTENANT_OK);
    CHECK(kept[1].term == 3);

    /* A child has none of its parent's. */
    int status;
    pid_t child = fork();
    if (child == 0) {
        CHECK(cotenant_leader_step_down(&all()->leader, &kept[1]) == COTENANT_NOT_OWNER);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(cotenant_leader_step_down(&all()->leader, &kept[1]) == COTENANT_OK);
}
#endif

static void nulls(void)
{
    cotenant_kept kept = {0, 0, 0, 0};
    CHECK(cotenant_mutex_lock(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_mutex_try_lock(NULL) == COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "null pointer") != NULL);
    CHECK(cotenant_mutex_lock_timeout(NULL, 1) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_mutex_lock_given_up(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_mutex_unlock(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_mutex_abandon(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_mutex_consistent(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_rwlock_read(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_rwlock_write(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_rwlock_unlock(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_condvar_wait(NULL, &all()->mutex, 1) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_condvar_wait(&all()->changed, NULL, 1) == COTENANT_INVALID_INPUT);
    cotenant_condvar_notify_one(NULL);
    cotenant_condvar_notify_all(NULL);
    cotenant_event_set(NULL);
    cotenant_event_reset(NULL);
    cotenant_event_wait(NULL);
    CHECK(!cotenant_event_is_set(NULL) && cotenant_event_wait_timeout(NULL, 1) == COTENANT_INVALID_INPUT);
    CHECK(!cotenant_once_is_completed(NULL));
    CHECK(cotenant_once_call(NULL, refuse, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_leader_lead(NULL, &kept) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_leader_step_down(NULL, &kept) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_semaphore_acquire(NULL, 8, &kept) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_barrier_wait(NULL, 2, NULL) == COTENANT_INVALID_INPUT);
}

int main(void)
{
    cotenant_rwlock *lock = &all()->guarded.lock;
    cotenant_kept kept[2], leadership;
    int refusals = 0;
    uint32_t rate = 5;
    bool is_leader = false;

    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_NOT_OWNER);
    CHECK(cotenant_rwlock_read(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_read(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_write(lock) == COTENANT_WOULD_DEADLOCK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_NOT_OWNER);
    CHECK(cotenant_rwlock_read(&all()->alone) == COTENANT_OK);
    CHECK(cotenant_rwlock_unlock(&all()->alone) == COTENANT_OK);

    CHECK(cotenant_rwlock_write(lock) == COTENANT_OK);
    CHECK(cotenant_rwlock_read(lock) == COTENANT_WOULD_DEADLOCK);
    CHECK(cotenant_leader_lead(&all()->leader, &leadership) == COTENANT_OK && leadership.term == 1);
    CHECK(cotenant_leader_lead(&all()->leader, &leadership) == COTENANT_WOULD_DEADLOCK);
    CHECK(COTENANT_SEMAPHORE_ACQUIRE(&all()->workers, &kept[0]) == COTENANT_OK);
    CHECK(COTENANT_SEMAPHORE_ACQUIRE(&all()->workers, &kept[1]) == COTENANT_OK);
    run(second);
    CHECK(cotenant_rwlock_unlock(lock) == COTENANT_OK);
    CHECK(cotenant_leader_step_down(&all()->leader, &leadership) == COTENANT_OK);
    CHECK(cotenant_leader_step_down(&all()->leader, &leadership) == COTENANT_NOT_OWNER);
    CHECK(COTENANT_SEMAPHORE_RELEASE(&all()->workers, &kept[0]) == COTENANT_OK);
    CHECK(COTENANT_SEMAPHORE_RELEASE(&all()->workers, &kept[0]) == COTENANT_NOT_OWNER);
    CHECK(COTENANT_SEMAPHORE_RELEASE(&all()->workers, &kept[1]) == COTENANT_OK);

    CHECK(!cotenant_event_is_set(&all()->started));
    CHECK(cotenant_event_wait_timeout(&all()->started, 2) == COTENANT_TIMED_OUT);
    CHECK(cotenant_condvar_wait(&all()->changed, &all()->mutex, 1) == COTENANT_NOT_OWNER);
    CHECK(COTENANT_BARRIER_WAIT_TIMEOUT(&all()->pair, 2, &is_leader) == COTENANT_TIMED_OUT);
    pthread_t thread;
    void *thread_leads;
    CHECK(pthread_create(&thread, NULL, waiter, NULL) == 0);
    cotenant_event_set(&all()->started);
    CHECK(cotenant_mutex_lock(&all()->mutex) == COTENANT_OK);
    cotenant_u32_store(&all()->step, 1);
    cotenant_condvar_notify_all(&all()->changed);
    CHECK(cotenant_mutex_unlock(&all()->mutex) == COTENANT_OK);
    CHECK(COTENANT_BARRIER_WAIT(&all()->pair, &is_leader) == COTENANT_OK);
    CHECK(pthread_join(thread, &thread_leads) == 0);
    CHECK(is_leader == (thread_leads == NULL));
    cotenant_event_reset(&all()->started);
    CHECK(!cotenant_event_is_set(&all()->started));
    cotenant_condvar_notify_one(&all()->changed);

    CHECK(cotenant_once_call(&all()->first, refuse, NULL, &refusals) == COTENANT_CANCELLED);
    CHECK(cotenant_once_call(&all()->first, refuse, NULL, &refusals) == COTENANT_CANCELLED && refusals == 2);
    CHECK(!cotenant_once_is_completed(&all()->first));
    CHECK(cotenant_once_call(&all()->made.once, make, &all()->made.value, &rate) == COTENANT_OK);
    rate = 6;
    CHECK(cotenant_once_call(&all()->made.once, make, &all()->made.value, &rate) == COTENANT_OK);
    CHECK(cotenant_once_is_completed(&all()->made.once) && all()->made.value.rate == 5);
    CHECK(cotenant_once_call(&all()->first, NULL, NULL, NULL) == COTENANT_INVALID_INPUT);
    nulls();
#ifndef _WIN32
    deaths();
#endif
    return 0;
}
