/* Queues: in a segment and in one of their own, copied and in place, batches, what comes again, sole ends, waiting for
 * several, and misuse. */
#include "check.h"

#include <pthread.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

static bool is_text(const cotenant_message *message, const char *text)
{
    return message->length == strlen(text) && memcmp(message->bytes, text, message->length) == 0;
}

static cotenant_queue *made(const char *name, uint32_t delivery)
{
    cotenant_queue_options options;
    memset(&options, 0, sizeof options);
    options.capacity_bytes = 4096;
    options.delivery = delivery;
    cotenant_queue *queue = NULL;
    CHECK(cotenant_queue_create(name, &options, &queue) == COTENANT_OK);
    CHECK(cotenant_queue_capacity_bytes(queue) == 4096 && cotenant_queue_used_bytes(queue) == 0);
    return queue;
}

static void *send_later(void *sender)
{
    CHECK(cotenant_sender_send((cotenant_sender *)sender, "later", 5) == COTENANT_OK);
    return NULL;
}

static void copied_and_in_place(cotenant_queue *queue)
{
    cotenant_sender *sender = NULL;
    cotenant_receiver *receiver = NULL;
    cotenant_message message;
    CHECK(cotenant_queue_sender(queue, &sender) == COTENANT_OK);
    CHECK(cotenant_queue_receiver(queue, &receiver) == COTENANT_OK);
    CHECK(cotenant_receiver_try_recv(receiver, &message) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_receiver_recv_timeout(receiver, 5, &message) == COTENANT_TIMED_OUT);
    CHECK(cotenant_sender_send(sender, "copied", 6) == COTENANT_OK);
    CHECK(cotenant_sender_send(sender, NULL, 0) == COTENANT_OK);

    void *place = NULL;
    CHECK(cotenant_sender_reserve(sender, 8, &place) == COTENANT_OK);
    CHECK((uintptr_t)place % 16 == 0);
    CHECK(cotenant_sender_send(sender, "x", 1) == COTENANT_BUSY);
    CHECK(cotenant_sender_try_reserve(sender, 1, &place) == COTENANT_BUSY);
    memcpy(place, "in place", 8);
    CHECK(cotenant_sender_commit(sender) == COTENANT_OK);
    CHECK(cotenant_sender_commit(sender) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_sender_reserve_timeout(sender, 8, 1000, &place) == COTENANT_OK);
    CHECK(cotenant_sender_cancel(sender) == COTENANT_OK);
    CHECK(cotenant_sender_send_timeout(sender, "last", 4, 1000) == COTENANT_OK);

    CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && is_text(&message, "copied"));
    CHECK((uintptr_t)message.bytes % 16 == 0 && message.deliveries_before == 0);
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    CHECK(cotenant_message_ack(&message) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_message_drop(&message) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && message.length == 0);
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    CHECK(cotenant_receiver_recv_timeout(receiver, 1000, &message) == COTENANT_OK && is_text(&message, "in place"));
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    CHECK(cotenant_receiver_try_recv(receiver, &message) == COTENANT_OK && is_text(&message, "last"));
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    CHECK(cotenant_receiver_try_recv(receiver, &message) == COTENANT_WOULD_BLOCK);

    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, send_later, sender) == 0);
    CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && is_text(&message, "later"));
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    CHECK(pthread_join(thread, NULL) == 0);
    cotenant_receiver_close(receiver);
    cotenant_sender_close(sender);
}

static void full_and_batches(cotenant_queue *queue)
{
    cotenant_sender *sender = NULL;
    cotenant_receiver *receiver = NULL;
    cotenant_message messages[8];
    char bytes[1000] = {0};
    size_t count = 0, sent = 7;
    CHECK(cotenant_queue_sole_sender(queue, &sender) == COTENANT_OK);
    CHECK(cotenant_queue_sole_receiver_timeout(queue, 1000, &receiver) == COTENANT_OK);
    while (cotenant_sender_try_send(sender, bytes, sizeof bytes) == COTENANT_OK) {
        count++;
    }
    CHECK(count == 3 && cotenant_queue_used_bytes(queue) >= 3 * 1024);
    CHECK(cotenant_sender_try_send(sender, bytes, sizeof bytes) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_sender_send_timeout(sender, bytes, sizeof bytes, 2) == COTENANT_TIMED_OUT);
    void *place = NULL;
    CHECK(cotenant_sender_try_reserve(sender, sizeof bytes, &place) == COTENANT_WOULD_BLOCK && place == NULL);
    CHECK(cotenant_sender_reserve_timeout(sender, sizeof bytes, 2, &place) == COTENANT_TIMED_OUT);
    uint64_t too_many = cotenant_queue_max_message_bytes(queue) + 1;
    CHECK(cotenant_sender_reserve(sender, (size_t)too_many, &place) == COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "too long") != NULL);

    CHECK(cotenant_receiver_recv_many(receiver, 8, messages, &count) == COTENANT_OK && count == 3);
    for (size_t i = 0; i < count; i++) {
        CHECK(messages[i].length == sizeof bytes && cotenant_message_ack(&messages[i]) == COTENANT_OK);
    }
    const cotenant_bytes several[] = {{"one", 3}, {"two", 3}, {"three", 5}};
    CHECK(cotenant_sender_send_all(sender, several, 3, &sent) == COTENANT_OK && sent == 3);
    CHECK(cotenant_sender_send_all(sender, NULL, 0, NULL) == COTENANT_OK);
    const cotenant_bytes bad[] = {{"four", 4}, {bytes, (size_t)too_many}};
    CHECK(cotenant_sender_send_all(sender, bad, 2, &sent) == COTENANT_INVALID_INPUT && sent == 1);
    CHECK(cotenant_receiver_recv_many(receiver, 2, messages, &count) == COTENANT_OK && count == 2);
    CHECK(is_text(&messages[0], "one") && is_text(&messages[1], "two"));
    CHECK(cotenant_message_ack(&messages[1]) == COTENANT_OK && cotenant_message_ack(&messages[0]) == COTENANT_OK);
    CHECK(cotenant_receiver_recv_many(receiver, 8, messages, &count) == COTENANT_OK && count == 2);
    CHECK(is_text(&messages[0], "three") && is_text(&messages[1], "four"));
    CHECK(cotenant_message_ack(&messages[0]) == COTENANT_OK && cotenant_message_ack(&messages[1]) == COTENANT_OK);
    CHECK(cotenant_queue_used_bytes(queue) == 0);

    cotenant_sender *other = NULL;
    CHECK(cotenant_queue_sole_sender(queue, &other) == COTENANT_WOULD_DEADLOCK && other == NULL);
    cotenant_sender_close(sender);
    cotenant_receiver_close(receiver);
}

static void what_is_dropped_comes_again(void)
{
    cotenant_queue *queue = made("capi.jobs", COTENANT_DELIVERY_AT_LEAST_ONCE);
    cotenant_sender *sender = NULL;
    cotenant_receiver *receiver = NULL;
    cotenant_message message;
    CHECK(cotenant_queue_delivery(queue) == COTENANT_DELIVERY_AT_LEAST_ONCE);
    CHECK(cotenant_queue_sender(queue, &sender) == COTENANT_OK);
    CHECK(cotenant_sender_send(sender, "job", 3) == COTENANT_OK);
    for (int is_sole = 0; is_sole < 2; is_sole++) {
        CHECK((is_sole ? cotenant_queue_sole_receiver : cotenant_queue_receiver)(queue, &receiver) == COTENANT_OK);
        for (uint32_t before = 0; before < 2; before++) {
            CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && is_text(&message, "job"));
            CHECK(message.deliveries_before == 2 * (uint32_t)is_sole + before);
            CHECK(cotenant_message_drop(&message) == COTENANT_OK);
        }
        cotenant_receiver_close(receiver);
    }
    CHECK(cotenant_queue_receiver(queue, &receiver) == COTENANT_OK);
    /* The ends keep the queue. */
    cotenant_queue_close(queue);
    CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && is_text(&message, "job"));
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    CHECK(cotenant_receiver_try_recv(receiver, &message) == COTENANT_WOULD_BLOCK);
    cotenant_sender_close(sender);
    cotenant_receiver_close(receiver);
}

static void several_in_one_segment(void)
{
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_create("capi.segment", NULL, &segment) == COTENANT_OK);
    cotenant_queue *queues[2];
    cotenant_receiver *receivers[2];
    CHECK(cotenant_queue_open_in(segment, "urgent", NULL, &queues[0]) == COTENANT_NOT_FOUND);
    CHECK(cotenant_queue_open_or_create_in(segment, "urgent", NULL, &queues[0]) == COTENANT_OK);
    CHECK(cotenant_queue_open_or_create_in(segment, "ordinary", NULL, &queues[1]) == COTENANT_OK);
    CHECK(cotenant_queue_sync(queues[0]) == COTENANT_OK && cotenant_queue_sync(NULL) == COTENANT_INVALID_INPUT);
    for (int i = 0; i < 2; i++) {
        CHECK(cotenant_queue_receiver(queues[i], &receivers[i]) == COTENANT_OK);
    }
    size_t index = 7;
    CHECK(cotenant_receiver_wait_any(receivers, 2, 5, &index) == COTENANT_TIMED_OUT && index == 7);
    cotenant_sender *sender = NULL;
    CHECK(cotenant_queue_sender(queues[1], &sender) == COTENANT_OK);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, send_later, sender) == 0);
    CHECK(cotenant_receiver_wait_any(receivers, 2, 60000, &index) == COTENANT_OK && index == 1);
    CHECK(pthread_join(thread, NULL) == 0);
    cotenant_message message;
    CHECK(cotenant_receiver_try_recv(receivers[1], &message) == COTENANT_OK && is_text(&message, "later"));
    CHECK(cotenant_message_drop(&message) == COTENANT_OK);
    CHECK(cotenant_receiver_try_recv(receivers[1], &message) == COTENANT_WOULD_BLOCK);
    cotenant_sender_close(sender);
    for (int i = 0; i < 2; i++) {
        cotenant_receiver_close(receivers[i]);
        cotenant_queue_close(queues[i]);
    }
    cotenant_segment_close(segment);
}

/* Those who have copies of a struct cannot end one message twice, nor another one in its place. */
static void copy_of_a_message_ends_nothing(cotenant_queue *queue, bool is_sole)
{
    cotenant_sender *sender = NULL;
    cotenant_receiver *receiver = NULL;
    cotenant_message message, next;
    CHECK(cotenant_queue_sender(queue, &sender) == COTENANT_OK);
    CHECK((is_sole ? cotenant_queue_sole_receiver : cotenant_queue_receiver)(queue, &receiver) == COTENANT_OK);
    for (int nth = 0; nth < 600; nth++) { /* Around the ring. */
        CHECK(cotenant_sender_send(sender, "first", 5) == COTENANT_OK);
        CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && is_text(&message, "first"));
        cotenant_message copies[2] = {message, message};
        CHECK(cotenant_message_ack(&message) == COTENANT_OK);
        CHECK(cotenant_message_ack(&copies[0]) == COTENANT_NOT_OWNER);
        CHECK(cotenant_sender_send(sender, "next", 4) == COTENANT_OK);
        CHECK(cotenant_receiver_recv(receiver, &next) == COTENANT_OK && is_text(&next, "next"));
        CHECK(cotenant_message_drop(&copies[1]) == COTENANT_NOT_OWNER);
        CHECK(cotenant_message_drop(&copies[1]) == COTENANT_INVALID_INPUT);
        CHECK(cotenant_message_ack(&next) == COTENANT_OK);
        CHECK(cotenant_receiver_try_recv(receiver, &next) == COTENANT_WOULD_BLOCK);
    }
    cotenant_receiver_close(receiver);
    cotenant_sender_close(sender);
}

#ifndef _WIN32
static void forked_child_is_told_what_is_its_parents(bool is_sole)
{
    cotenant_segment_options anonymous;
    cotenant_queue_options options;
    memset(&anonymous, 0, sizeof anonymous);
    memset(&options, 0, sizeof options);
    anonymous.backing = COTENANT_BACKING_ANONYMOUS;
    options.delivery = COTENANT_DELIVERY_AT_LEAST_ONCE;
    options.segment = &anonymous;
    cotenant_queue *queue = NULL;
    cotenant_sender *sender = NULL;
    cotenant_receiver *receiver = NULL;
    cotenant_message message;
    void *place = NULL;
    CHECK(cotenant_queue_create("capi.fork", &options, &queue) == COTENANT_OK);
    CHECK((is_sole ? cotenant_queue_sole_sender : cotenant_queue_sender)(queue, &sender) == COTENANT_OK);
    CHECK((is_sole ? cotenant_queue_sole_receiver : cotenant_queue_receiver)(queue, &receiver) == COTENANT_OK);
    CHECK(cotenant_sender_send(sender, "job", 3) == COTENANT_OK);
    CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK);
    CHECK(cotenant_sender_reserve(sender, 6, &place) == COTENANT_OK);
    memcpy(place, "parent", 6);
    pid_t child = fork();
    if (child == 0) {
        cotenant_message copy = message, other;
        cotenant_status expected = is_sole ? COTENANT_BUSY : COTENANT_WOULD_BLOCK;
        CHECK(cotenant_message_ack(&copy) == COTENANT_NOT_OWNER);
        CHECK(cotenant_receiver_try_recv(receiver, &other) == expected); /* A participant of its own from here on. */
        copy = message;
        CHECK(cotenant_message_ack(&copy) == COTENANT_NOT_OWNER);
        CHECK(cotenant_sender_commit(sender) == COTENANT_NOT_OWNER);
        CHECK(strstr(cotenant_error_message(), "fork") != NULL);
        CHECK(cotenant_sender_commit(sender) == COTENANT_INVALID_INPUT);
        CHECK(cotenant_sender_try_send(sender, "child", 5) == (is_sole ? COTENANT_BUSY : COTENANT_OK));
        cotenant_receiver_close(receiver);
        cotenant_sender_close(sender);
        cotenant_queue_close(queue);
        exit(0);
    }
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(cotenant_message_ack(&message) == COTENANT_OK && cotenant_sender_commit(sender) == COTENANT_OK);
    CHECK(cotenant_receiver_recv(receiver, &message) == COTENANT_OK && is_text(&message, "parent"));
    CHECK(cotenant_message_ack(&message) == COTENANT_OK);
    cotenant_receiver_close(receiver);
    cotenant_sender_close(sender);
    cotenant_queue_close(queue);
}
#endif

static void misuse(cotenant_queue *queue)
{
    cotenant_queue_options options;
    memset(&options, 0, sizeof options);
    cotenant_queue *other = NULL;
    cotenant_sender *sender = NULL;
    cotenant_message message;
    size_t count;
    CHECK(cotenant_queue_create("capi.queue", &options, &other) == COTENANT_ALREADY_EXISTS);
    CHECK(cotenant_queue_open("capi.none", &options, &other) == COTENANT_NOT_FOUND);
    options.delivery = COTENANT_DELIVERY_AT_LEAST_ONCE;
    CHECK(cotenant_queue_open("capi.queue", &options, &other) == COTENANT_MISMATCH);
    options.delivery = 3;
    CHECK(cotenant_queue_open("capi.queue", &options, &other) == COTENANT_INVALID_INPUT);
    options.delivery = 0;
    options.reserved[3] = 1;
    CHECK(cotenant_queue_open("capi.queue", &options, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_queue_open_or_create("capi.queue", NULL, &other) == COTENANT_OK);
    cotenant_queue_close(other);
    CHECK(cotenant_queue_open(NULL, NULL, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_queue_open("capi.queue", NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_queue_sender(NULL, &sender) == COTENANT_INVALID_INPUT && sender == NULL);
    CHECK(cotenant_queue_receiver(queue, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_sender_send(NULL, "x", 1) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_queue_sender(queue, &sender) == COTENANT_OK);
    CHECK(cotenant_sender_send(sender, NULL, 1) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_sender_send(sender, "x", SIZE_MAX) == COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "longer than memory") != NULL);
    const cotenant_bytes one = {"x", 1};
    CHECK(cotenant_sender_send_all(sender, &one, SIZE_MAX / 2, &count) == COTENANT_INVALID_INPUT && count == 0);
    CHECK(cotenant_sender_reserve(sender, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_sender_commit(sender) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_sender_cancel(sender) == COTENANT_OK && cotenant_sender_cancel(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_receiver_recv(NULL, &message) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_receiver_recv_many(NULL, 1, &message, &count) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_receiver_wait_any(NULL, 1, 0, &count) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_message_ack(NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_queue_capacity_bytes(NULL) == 0 && cotenant_queue_max_message_bytes(NULL) == 0);
    CHECK(cotenant_queue_used_bytes(NULL) == 0 && cotenant_queue_delivery(NULL) == 0);
    cotenant_sender_close(sender);
    cotenant_sender_close(NULL);
    cotenant_receiver_close(NULL);
    cotenant_queue_close(NULL);
}

int main(void)
{
    cotenant_queue *queue = made("capi.queue", COTENANT_DELIVERY_DEFAULT);
    CHECK(cotenant_queue_delivery(queue) == COTENANT_DELIVERY_AT_MOST_ONCE);
    copied_and_in_place(queue);
    full_and_batches(queue);
    misuse(queue);
    copy_of_a_message_ends_nothing(queue, false);
    copy_of_a_message_ends_nothing(queue, true);
#ifndef _WIN32
    forked_child_is_told_what_is_its_parents(false);
    forked_child_is_told_what_is_its_parents(true);
#endif
    what_is_dropped_comes_again();
    several_in_one_segment();
    cotenant_queue_close(queue);
    return 0;
}
