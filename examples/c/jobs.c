/* A work queue that outlives its workers: `jobs add N` puts N jobs into it, `jobs work` does them until there has been
 * none for a second. Start workers in several terminals and kill some: what they had comes again to another one. */
#define _POSIX_C_SOURCE 200809L
#include "cotenant.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failed(const char *what)
{
    fprintf(stderr, "jobs: %s: %s\n", what, cotenant_error_message());
    return 1;
}

static int add(cotenant_queue *queue, uint64_t count)
{
    cotenant_sender *sender;
    if (cotenant_queue_sender(queue, &sender) != COTENANT_OK)
        return failed("to send");
    for (uint64_t number = 0; number < count; number++)
        if (cotenant_sender_send(sender, &number, sizeof number) != COTENANT_OK)
            return failed("to add a job");
    cotenant_sender_close(sender);
    return 0;
}

static int work(cotenant_queue *queue)
{
    cotenant_receiver *receiver;
    cotenant_message job;
    cotenant_status status;
    if (cotenant_queue_receiver(queue, &receiver) != COTENANT_OK)
        return failed("to receive");
    while ((status = cotenant_receiver_recv_timeout(receiver, 1000, &job)) == COTENANT_OK) {
        uint64_t number;
        memcpy(&number, job.bytes, sizeof number);
        nanosleep(&(struct timespec){0, 2000000L}, NULL); /* The work. */
        printf("job %" PRIu64 "%s\n", number, job.deliveries_before > 0 ? ", again" : "");
        fflush(stdout);
        cotenant_message_ack(&job); /* Killed before this, another worker does it again. */
    }
    cotenant_receiver_close(receiver);
    return status == COTENANT_TIMED_OUT ? 0 : failed("to take a job");
}

int main(int argc, char **argv)
{
    int adds = argc == 3 && strcmp(argv[1], "add") == 0, works = argc == 2 && strcmp(argv[1], "work") == 0;
    if (!adds && !works) {
        fprintf(stderr, "usage: jobs add N\n       jobs work\n");
        return 2;
    }
    /* Kept when nobody has it open: jobs may be added before there are workers. */
    cotenant_segment_options segment = {.keep_until_removed = true};
    cotenant_queue_options options = {.delivery = COTENANT_DELIVERY_AT_LEAST_ONCE, .segment = &segment};
    cotenant_queue *queue;
    if (cotenant_queue_open_or_create("c.jobs", &options, &queue) != COTENANT_OK)
        return failed("the queue");
    int result = adds ? add(queue, strtoull(argv[2], NULL, 10)) : work(queue);
    cotenant_queue_close(queue);
    return result;
}
