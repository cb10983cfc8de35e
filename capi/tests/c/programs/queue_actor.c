/* Does what it is told, line by line, and answers each with one: tests/programs/queues.rs has the same in Rust. */
#include "../check.h"

static cotenant_sender *sender;
static cotenant_receiver *receiver;
static cotenant_message message;

static const char *word(cotenant_status status)
{
    switch (status) {
    case COTENANT_OK:
        return "ok";
    case COTENANT_BUSY:
        return "busy";
    case COTENANT_TIMED_OUT:
    case COTENANT_WOULD_BLOCK:
        return "none";
    default:
        return cotenant_error_message();
    }
}

static const char *received(cotenant_status status)
{
    static char line[256];
    if (status != COTENANT_OK) {
        return word(status);
    }
    snprintf(line, sizeof line, "%.*s %u", (int)message.length, (const char *)message.bytes, message.deliveries_before);
    return line;
}

static const char *done(cotenant_queue *queue, const char *what, const char *text)
{
    void *place = NULL;
    if (strcmp(what, "send") == 0) {
        return word(cotenant_sender_send(sender, text, strlen(text)));
    } else if (strcmp(what, "reserve") == 0) {
        CHECK(cotenant_sender_reserve(sender, strlen(text), &place) == COTENANT_OK);
        memcpy(place, text, strlen(text));
        return "ok";
    } else if (strcmp(what, "commit") == 0) {
        return word(cotenant_sender_commit(sender));
    } else if (strcmp(what, "recv") == 0) {
        return received(cotenant_receiver_recv_timeout(receiver, 30000, &message));
    } else if (strcmp(what, "try-recv") == 0) {
        return received(cotenant_receiver_try_recv(receiver, &message));
    } else if (strcmp(what, "ack") == 0) {
        return word(cotenant_message_ack(&message));
    } else if (strcmp(what, "drop") == 0) {
        return word(cotenant_message_drop(&message));
    } else if (strcmp(what, "sole-ends") == 0) {
        cotenant_sender_close(sender);
        cotenant_receiver_close(receiver);
        sender = NULL;
        receiver = NULL;
        cotenant_status status = cotenant_queue_sole_sender_timeout(queue, 1000, &sender);
        return word(status != COTENANT_OK ? status : cotenant_queue_sole_receiver_timeout(queue, 1000, &receiver));
    }
    return "unknown";
}

int main(void)
{
    cotenant_queue *queue = NULL;
    cotenant_queue_options options;
    memset(&options, 0, sizeof options);
    options.capacity_bytes = 4096;
    options.delivery = COTENANT_DELIVERY_AT_LEAST_ONCE;
    CHECK(cotenant_queue_open_or_create("capi.both", &options, &queue) == COTENANT_OK);
    CHECK(cotenant_queue_sender(queue, &sender) == COTENANT_OK);
    CHECK(cotenant_queue_receiver(queue, &receiver) == COTENANT_OK);
    printf("ready\n");
    fflush(stdout);
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        char *space = strchr(line, ' ');
        if (space != NULL) {
            *space = 0;
        }
        printf("%s\n", done(queue, line, space == NULL ? "" : space + 1));
        fflush(stdout);
    }
    return 0;
}
