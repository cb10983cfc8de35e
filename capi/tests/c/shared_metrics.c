/* Metrics and cells as variables, handles of threads, and limits that a small stack bears. */
#include "check.h"

#include <math.h>
#include <pthread.h>

#define TRAFFIC(F) F(atomic_u64, requests) F(atomic_u64, largest)
COTENANT_STRUCT(traffic, TRAFFIC);
COTENANT_PER_PROCESS(traffic);
COTENANT_VARIABLE_ARRAY(by_status, counter, 3);

#define WEB(F)                                                                                                         \
    F(counter, requests)                                                                                               \
    F(by_status, answers)                                                                                              \
    F(gauge, in_flight, COTENANT_GAUGE(COTENANT_ACROSS_SUM))                                                           \
    F(gauge, last)                                                                                                     \
    F(histogram, seconds)                                                                                              \
    F(histogram, bytes, COTENANT_BUCKETS(6, 30, 1))                                                                    \
    F(per_process_traffic, traffic)                                                                                    \
    F(rate_limiter, api, COTENANT_RATE(1, 60000, 3))                                                                   \
    F(keyed_rate_limiter, logins, COTENANT_KEYED_RATE(1, 60000, 2))
COTENANT_SHARED(web, WEB);

static void counters(void)
{
    cotenant_shared_counter_add(&web()->requests, 2);
    cotenant_shared_counter_add(&web()->answers.at[2], 5);
    cotenant_own_counter *own = NULL;
    CHECK(cotenant_shared_counter_claim(&web()->requests, &own) == COTENANT_OK);
    cotenant_own_counter_add(own, 3);
    cotenant_own_counter_close(own);
    CHECK(cotenant_shared_counter_total(&web()->requests) == 5);
    CHECK(cotenant_shared_counter_total(&web()->answers.at[2]) == 5);
    CHECK(cotenant_shared_counter_total(&web()->answers.at[1]) == 0 && cotenant_shared_counter_total(NULL) == 0);
    CHECK(cotenant_shared_counter_claim(NULL, &own) == COTENANT_INVALID_INPUT);
    cotenant_shared_counter_add(NULL, 1);
    cotenant_own_counter_add(NULL, 1);
    cotenant_own_counter_close(NULL);
}

static void gauges(void)
{
    CHECK(isnan(cotenant_shared_gauge_value(&web()->in_flight)) && isnan(cotenant_shared_gauge_value(&web()->last)));
    cotenant_shared_gauge_set(&web()->in_flight, 4.0);
    cotenant_shared_gauge_add(&web()->in_flight, -1.0);
    cotenant_shared_gauge_set(&web()->last, 7.5);
    CHECK(cotenant_shared_gauge_value(&web()->in_flight) == 3.0 && cotenant_shared_gauge_value(&web()->last) == 7.5);
    CHECK(web()->in_flight.across == COTENANT_ACROSS_SUM && isnan(cotenant_shared_gauge_value(NULL)));
}

static void histograms(void)
{
    uint64_t count = 0;
    double sum = 0, half = 0;
    CHECK(cotenant_shared_histogram_read(&web()->seconds, &count, &sum, 0.5, &half) == COTENANT_OK);
    CHECK(count == 0 && isnan(half));
    cotenant_shared_histogram_observe(&web()->seconds, 0.25);
    cotenant_own_histogram *own = NULL;
    CHECK(cotenant_shared_histogram_claim(&web()->seconds, &own) == COTENANT_OK);
    cotenant_own_histogram_observe(own, 4.0);
    cotenant_own_histogram_close(own);
    CHECK(cotenant_shared_histogram_read(&web()->seconds, &count, &sum, 0.5, &half) == COTENANT_OK);
    CHECK(count == 2 && sum == 4.25 && half > 0.2 && half <= 0.25);
    cotenant_shared_histogram_observe(&web()->bytes, 1000.0);
    CHECK(cotenant_shared_histogram_read(&web()->bytes, NULL, NULL, 1.0, &half) == COTENANT_OK);
    CHECK(half > 700.0 && half < 1100.0);
    CHECK(cotenant_shared_histogram_read(NULL, NULL, NULL, 1.0, NULL) == COTENANT_INVALID_INPUT);
}

static uint64_t requests(void)
{
    uint64_t total = 0;
    for (int cell = 0; cell < COTENANT_CELLS; cell++) {
        total += cotenant_u64_load(&web()->traffic.cells[cell].value.requests);
    }
    return total;
}

static void cells(void)
{
    cotenant_u64_add(&per_process_traffic_local(&web()->traffic)->requests, 1);
    cotenant_kept kept[33];
    memset(kept, 0, sizeof kept);
    for (int cell = 0; cell < 32; cell++) {
        CHECK(per_process_traffic_claim(&web()->traffic, &kept[cell]) == COTENANT_OK);
    }
    CHECK(per_process_traffic_claim(&web()->traffic, &kept[32]) == COTENANT_WOULD_BLOCK);
    traffic *mine = per_process_traffic_own(&web()->traffic, &kept[5]);
    CHECK(mine == &web()->traffic.cells[32 + kept[5].index].value);
    cotenant_u64_store(&mine->requests, cotenant_u64_load(&mine->requests) + 10);
    CHECK(requests() == 11);
    CHECK(per_process_traffic_release(&web()->traffic, &kept[5]) == COTENANT_OK);
    CHECK(per_process_traffic_release(&web()->traffic, &kept[5]) == COTENANT_NOT_OWNER);
    CHECK(per_process_traffic_own(&web()->traffic, &kept[5]) == per_process_traffic_local(&web()->traffic));
    /* The next one adds on. */
    CHECK(per_process_traffic_claim(&web()->traffic, &kept[32]) == COTENANT_OK && kept[32].index == kept[5].index);
    CHECK(cotenant_u64_load(&per_process_traffic_own(&web()->traffic, &kept[32])->requests) == 10);
    CHECK(cotenant_cells_claim(NULL, &kept[0]) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_cells_claim(&web()->traffic.head, NULL) == COTENANT_INVALID_INPUT);
    CHECK(!cotenant_cells_is_own(NULL, &kept[0]) && !cotenant_cells_is_own(&web()->traffic.head, NULL));
}

static void limits(void)
{
    uint64_t retry_after_ns = 0;
    CHECK(cotenant_rate_limiter_acquire(&web()->api, 3, NULL) == COTENANT_OK);
    CHECK(cotenant_rate_limiter_acquire(&web()->api, 1, &retry_after_ns) == COTENANT_WOULD_BLOCK);
    CHECK(retry_after_ns > 1000000000u && retry_after_ns <= 60000000000u);
    CHECK(cotenant_keyed_rate_limiter_acquire(&web()->logins, "a", 1, 2, NULL) == COTENANT_OK);
    CHECK(cotenant_keyed_rate_limiter_acquire(&web()->logins, "a", 1, 1, NULL) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_keyed_rate_limiter_acquire(&web()->logins, "b", 1, 1, NULL) == COTENANT_OK);
    CHECK(cotenant_rate_limiter_acquire(NULL, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_keyed_rate_limiter_acquire(NULL, "a", 1, 1, NULL) == COTENANT_INVALID_INPUT);
}

static void rendered(void)
{
    static char text[65536];
    size_t length = 0;
    CHECK(cotenant_shared_metrics_render(COTENANT_METRICS_PROMETHEUS, NULL, 0, &length) == COTENANT_NO_SPACE);
    CHECK(length > 100 && length < sizeof text);
    CHECK(cotenant_shared_metrics_render(COTENANT_METRICS_OPENMETRICS, text, sizeof text, &length) == COTENANT_OK);
    CHECK(strlen(text) == length && strstr(text, "# EOF\n") != NULL && strstr(text, "\nrequests_total 5\n") != NULL);
    CHECK(strstr(text, "answers_total{index=\"2\"} 5\n") != NULL && strstr(text, "\nin_flight 3") != NULL);
    CHECK(strstr(text, "\nlast 7.5\n") != NULL && strstr(text, "seconds_count 2\n") != NULL);
    CHECK(cotenant_shared_metrics_render(9, text, sizeof text, NULL) == COTENANT_INVALID_INPUT);
}

static int sums(void *object, void *argument)
{
    (void)argument;
    ((cotenant_shared_gauge *)object)->across = COTENANT_ACROSS_SUM;
    return 0;
}

static void in_a_segment(cotenant_segment *segment)
{
    void *object = NULL;
    CHECK(cotenant_segment_get_or_init(segment, "gauge", COTENANT_TYPE(gauge), sums, NULL, &object) == COTENANT_OK);
    cotenant_shared_gauge_set((cotenant_shared_gauge *)object, 2.0);
    CHECK(cotenant_shared_gauge_value((cotenant_shared_gauge *)object) == 2.0);
    CHECK(cotenant_segment_get_or_init(segment, "h", COTENANT_TYPE(histogram), NULL, NULL, &object) == COTENANT_OK);
    cotenant_shared_histogram_observe((cotenant_shared_histogram *)object, 0.001);
    double half = 0;
    CHECK(cotenant_shared_histogram_read((cotenant_shared_histogram *)object, NULL, NULL, 0.5, &half) == COTENANT_OK);
    CHECK(half > 0.0008 && half < 0.0013);

    cotenant_metrics *metrics = NULL;
    cotenant_counter *counter = NULL;
    cotenant_histogram *histogram = NULL;
    cotenant_thread_metrics *thread = NULL;
    cotenant_own_counter *own = NULL;
    cotenant_own_histogram *own_histogram = NULL;
    CHECK(cotenant_metrics_open(segment, "metrics", NULL, &metrics) == COTENANT_OK);
    CHECK(cotenant_metrics_counter(metrics, "requests", NULL, 0, &counter) == COTENANT_OK);
    CHECK(cotenant_metrics_histogram(metrics, "seconds", NULL, 0, 0, 0, 0, &histogram) == COTENANT_OK);
    CHECK(cotenant_metrics_thread(metrics, &thread) == COTENANT_OK);
    CHECK(cotenant_thread_metrics_counter(thread, counter, &own) == COTENANT_OK);
    CHECK(cotenant_thread_metrics_histogram(thread, histogram, &own_histogram) == COTENANT_OK);
    cotenant_counter_add(counter, 1);
    cotenant_own_counter_add(own, 4);
    cotenant_own_histogram_observe(own_histogram, 2.0);
    CHECK(cotenant_counter_total(counter) == 5);
    double sum = 0;
    CHECK(cotenant_histogram_read(histogram, NULL, &sum, 0.5, NULL) == COTENANT_OK && sum == 2.0);
    CHECK(cotenant_metrics_thread(NULL, &thread) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_thread_metrics_counter(NULL, counter, &own) == COTENANT_INVALID_INPUT);
    cotenant_own_counter_close(own);
    cotenant_own_histogram_close(own_histogram);
    cotenant_thread_metrics_close(thread);
    cotenant_counter_close(counter);
    cotenant_histogram_close(histogram);
    cotenant_metrics_close(metrics);
}

/* In a thread whose stack is smaller than what is made. */
static void *many_keys(void *segment)
{
    cotenant_limiter *keyed = NULL;
    CHECK(cotenant_keyed_limiter_open((cotenant_segment *)segment, "keyed", 65536, 1, 60000, 2, &keyed) == COTENANT_OK);
    CHECK(cotenant_limiter_acquire(keyed, "192.0.2.1", 9, 2, NULL) == COTENANT_OK);
    CHECK(cotenant_limiter_acquire(keyed, "192.0.2.1", 9, 1, NULL) == COTENANT_WOULD_BLOCK);
    cotenant_limiter_close(keyed);
    return NULL;
}

int main(void)
{
    CHECK(cotenant_block_status(&web_block) == COTENANT_OK);
    counters();
    gauges();
    histograms();
    cells();
    limits();
    rendered();
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_create("capi.shared_metrics", NULL, &segment) == COTENANT_OK);
    in_a_segment(segment);
    pthread_attr_t small;
    pthread_t thread;
    CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 256 << 10) == 0);
    CHECK(pthread_create(&thread, &small, many_keys, segment) == 0 && pthread_join(thread, NULL) == 0);
    cotenant_segment_close(segment);
    return 0;
}
