/* Published values and flags: in a block and in a segment, whole, waited for, refused; through a reader's mapping. */
#include "check.h"

#include <pthread.h>

#define LIMITS(F) F(u32, rate) F(u32, burst) F(text16, who)
COTENANT_STRUCT(limits, LIMITS);
COTENANT_PUBLISHED(limits);
COTENANT_PUBLISHED(f64);
COTENANT_VARIABLE_ARRAY(flags, flag, 3);

#define MODES(F) F(flag, dark) F(flag, new_checkout) F(histogram, seconds)
COTENANT_STRUCT(modes, MODES);
#define STATES(V) V(STATE_UP, Up, 1) V(STATE_DOWN, Down, -2)
COTENANT_ENUM(state, i16, STATES);
COTENANT_PUBLISHED(state);

#define WEB(F)                                                                                                         \
    F(published_state, state, COTENANT_FIRST(STATE_DOWN))                                                              \
    F(published_limits, limits, COTENANT_FIRST({100, 20, {0, ""}}))                                                    \
    F(published_f64, threshold, COTENANT_FIRST(0.5))                                                                   \
    F(published_f64, zero)                                                                                             \
    F(flag, dark_mode, COTENANT_PERCENT(25.0))                                                                         \
    F(flag, off)                                                                                                       \
    F(flags, more)
COTENANT_SHARED(web, WEB);

static int doubled(void *value, void *argument)
{
    limits *it = (limits *)value;
    it->burst *= 2;
    return it->burst > *(uint32_t *)argument;
}

/* What must not be: an update in an update. */
static int nested(void *value, void *argument)
{
    cotenant_status *status = (cotenant_status *)argument;
    *status = published_limits_publish(&web()->limits, (const limits *)value, NULL);
    return 1;
}

static void *publish_later(void *unused)
{
    limits mine;
    (void)unused;
    CHECK(published_limits_load(&web()->limits, &mine, NULL) == COTENANT_OK);
    mine.rate = 7;
    CHECK(published_limits_publish_timeout(&web()->limits, &mine, 60000, NULL) == COTENANT_OK);
    return NULL;
}

static void values(void)
{
    limits mine;
    memset(&mine, 0, sizeof mine);
    uint64_t seen = 9;
    CHECK(published_limits_load(&web()->limits, &mine, &seen) == COTENANT_OK);
    CHECK(mine.rate == 100 && mine.burst == 20 && seen == 0 && published_limits_sequence(&web()->limits) == 0);
    double number = 1.0;
    CHECK(published_f64_load(&web()->threshold, &number, NULL) == COTENANT_OK && number == 0.5);
    CHECK(published_f64_load(&web()->zero, &number, NULL) == COTENANT_OK && number == 0.0);

    mine.burst = 30;
    CHECK(COTENANT_TEXT_SET(&mine.who, "C") == COTENANT_OK);
    CHECK(published_limits_load_if_newer(&web()->limits, &mine, &seen) == COTENANT_OK && seen == 0 && mine.burst == 30);
    uint64_t sequence = 0;
    CHECK(published_limits_publish(&web()->limits, &mine, &sequence) == COTENANT_OK && sequence == 1);
    mine.burst = 0;
    CHECK(published_limits_load_if_newer(&web()->limits, &mine, &seen) == COTENANT_OK && seen == 1 && mine.burst == 30);
    uint32_t most = 60;
    CHECK(published_limits_update(&web()->limits, doubled, &most, &sequence) == COTENANT_OK && sequence == 2);
    CHECK(published_limits_update(&web()->limits, doubled, &most, &sequence) == COTENANT_CANCELLED && sequence == 2);
    CHECK(published_limits_load(&web()->limits, &mine, &seen) == COTENANT_OK && mine.burst == 60 && seen == 2);
    char who[17];
    COTENANT_TEXT_GET(&mine.who, who);
    CHECK(strcmp(who, "C") == 0);
    cotenant_status inner = COTENANT_OK;
    CHECK(published_limits_update(&web()->limits, nested, &inner, NULL) == COTENANT_CANCELLED);
    CHECK(inner == COTENANT_WOULD_DEADLOCK && published_limits_sequence(&web()->limits) == 2);

    CHECK(published_limits_wait_newer(&web()->limits, 2, 10) == COTENANT_TIMED_OUT);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, publish_later, NULL) == 0);
    CHECK(published_limits_wait_newer(&web()->limits, 2, 60000) == COTENANT_OK);
    CHECK(published_limits_look_for_newer(&web()->limits, 2, 60000) == COTENANT_OK);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(published_limits_load(&web()->limits, &mine, NULL) == COTENANT_OK && mine.rate == 7 && mine.burst == 60);
}

static void misuse(void)
{
    limits mine;
    memset(&mine, 0, sizeof mine);
    CHECK(published_limits_load(&web()->limits, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(published_limits_publish(&web()->limits, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(published_limits_update(&web()->limits, NULL, NULL, NULL) == COTENANT_INVALID_INPUT);
    CHECK(published_limits_load_if_newer(&web()->limits, &mine, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_value_load(NULL, 4, &mine, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_value_wait_newer(NULL, 0, 0, true) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_published_value_sequence(NULL) == 0);
    CHECK(cotenant_flag_percent(NULL) == 0.0 && !cotenant_flag_is_on_for(NULL, "k", 1));
    CHECK(cotenant_flag_set(NULL, 5.0, NULL) == COTENANT_INVALID_INPUT);
}

static int on(const cotenant_flag *flag)
{
    int count = 0;
    for (int user = 0; user < 1000; user++) {
        char key[16];
        count += cotenant_flag_is_on_for(flag, key, (size_t)snprintf(key, sizeof key, "user-%d", user));
    }
    return count;
}

static void flags_of_the_block(void)
{
    CHECK(cotenant_flag_percent(&web()->dark_mode) == 25.0 && on(&web()->dark_mode) > 200 && on(&web()->dark_mode) < 300);
    CHECK(cotenant_flag_percent(&web()->off) == 0.0 && on(&web()->off) == 0);
    uint64_t sequence = 0;
    CHECK(cotenant_flag_set(&web()->off, 50.0, &sequence) == COTENANT_OK && sequence == 1);
    CHECK(cotenant_flag_set(&web()->more.at[2], 100.0, NULL) == COTENANT_OK && on(&web()->more.at[2]) == 1000);
    /* Another name is on for others; user-1 of new_checkout is at 17.8, by another program's hash. */
    CHECK(web()->off.buffers[1].seed != web()->dark_mode.buffers[0].seed && web()->off.buffers[1].seed != 0);
    CHECK(web()->more.at[0].buffers[0].seed == web()->more.at[1].buffers[0].seed);
    CHECK(cotenant_flag_set(&web()->off, 100.5, NULL) == COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "100.5 per cent") != NULL && cotenant_flag_percent(&web()->off) == 50.0);
}

static int is_up(void *object, void *argument)
{
    (void)argument;
    ((published_state *)object)->buffers[0].value = STATE_UP;
    return 0;
}

static void in_a_segment(void)
{
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_create("capi.values", NULL, &segment) == COTENANT_OK);
    cotenant_flag *flag = NULL;
    CHECK(cotenant_flag_open(segment, "new_checkout", -1.0, &flag) == COTENANT_INVALID_INPUT && flag == NULL);
    CHECK(cotenant_flag_open(segment, "new_checkout", 18.0, &flag) == COTENANT_OK);
    CHECK(cotenant_flag_is_on_for(flag, "user-1", 6) && cotenant_flag_set(flag, 17.0, NULL) == COTENANT_OK);
    CHECK(!cotenant_flag_is_on_for(flag, "user-1", 6));
    /* As an object of its type it has its name's seed, too. */
    void *same = NULL, *other = NULL;
    CHECK(cotenant_segment_get(segment, "new_checkout", COTENANT_TYPE(flag), &same) == COTENANT_OK && same == flag);
    CHECK(cotenant_segment_get_or_init(segment, "plain", COTENANT_TYPE(flag), NULL, NULL, &other) == COTENANT_OK);
    CHECK(cotenant_flag_set((cotenant_flag *)other, 50.0, NULL) == COTENANT_OK);
    CHECK(on((cotenant_flag *)other) > 430 && on((cotenant_flag *)other) < 570);

    /* In a struct its field's name decides, and ranges are those for seconds. */
    CHECK(cotenant_segment_get_or_init(segment, "modes", COTENANT_VALUE_TYPE(modes), NULL, NULL, &other) == COTENANT_OK);
    modes *both = (modes *)other;
    CHECK(cotenant_flag_set(&both->dark, 18.0, NULL) == COTENANT_OK);
    CHECK(cotenant_flag_set(&both->new_checkout, 18.0, NULL) == COTENANT_OK);
    CHECK(cotenant_flag_is_on_for(&both->new_checkout, "user-1", 6) && on(&both->dark) > 130 && on(&both->dark) < 230);
    CHECK(both->dark.buffers[1].seed != both->new_checkout.buffers[1].seed && both->dark.buffers[1].seed != 0);
    double whole = 0;
    cotenant_shared_histogram_observe(&both->seconds, 40.0);
    CHECK(cotenant_shared_histogram_read(&both->seconds, NULL, NULL, 1.0, &whole) == COTENANT_OK && whole > 30.0);

    /* Zero is no state. */
    CHECK(cotenant_segment_get_or_init(segment, "state", COTENANT_TYPE(published_state), NULL, NULL, &other) ==
          COTENANT_INVALID_INPUT);
    CHECK(strstr(cotenant_error_message(), "`state`") != NULL);
    CHECK(cotenant_segment_get_or_init(segment, "state", COTENANT_TYPE(published_state), is_up, NULL, &other) ==
          COTENANT_OK);

    void *made = NULL;
    CHECK(cotenant_segment_get_or_init(segment, "limits", COTENANT_TYPE(published_limits), NULL, NULL, &made) ==
          COTENANT_OK);
    published_limits *shared = (published_limits *)made;
    limits mine;
    memset(&mine, 0, sizeof mine);
    mine.rate = 5;
    CHECK(published_limits_publish(shared, &mine, NULL) == COTENANT_OK);
#ifndef _WIN32
    cotenant_reader *reader = NULL;
    const void *seen = NULL;
    CHECK(cotenant_reader_open("capi.values", NULL, &reader) == COTENANT_OK);
    CHECK(cotenant_reader_get(reader, "limits", COTENANT_TYPE(published_limits), &seen) == COTENANT_OK);
    const published_limits *read = (const published_limits *)seen;
    uint64_t sequence = 0;
    mine.rate = 0;
    CHECK(published_limits_load(read, &mine, &sequence) == COTENANT_OK && mine.rate == 5 && sequence == 1);
    CHECK(published_limits_look_for_newer(read, 1, 5) == COTENANT_TIMED_OUT);
    CHECK(cotenant_reader_get(reader, "new_checkout", COTENANT_TYPE(flag), &seen) == COTENANT_OK);
    CHECK(cotenant_flag_percent((const cotenant_flag *)seen) == 17.0);
    cotenant_reader_close(reader);
#endif
    cotenant_segment_close(segment);
}

int main(void)
{
    CHECK(cotenant_block_status(&web_block) == COTENANT_OK);
    values();
    misuse();
    flags_of_the_block();
    in_a_segment();
    return 0;
}
