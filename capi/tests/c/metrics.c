/* Metrics and rate limits: by name and labels, rendered, limited; and misuse. */
#include "check.h"

#include <math.h>

int main(void)
{
    cotenant_segment_options options;
    memset(&options, 0, sizeof options);
    options.max_bytes = 4 << 20;
    cotenant_segment *segment = NULL;
    CHECK(cotenant_segment_create("capi.metrics", &options, &segment) == COTENANT_OK);
    cotenant_metrics_options size;
    memset(&size, 0, sizeof size);
    size.max_series = 4;
    size.max_bytes = 1 << 20;
    size.cells = 2;
    cotenant_metrics *metrics = NULL;
    CHECK(cotenant_metrics_open(segment, "metrics", &size, &metrics) == COTENANT_OK);

    const cotenant_label labels[] = {{"status", "200"}, {"method", "GET"}};
    cotenant_counter *counter = NULL;
    CHECK(cotenant_metrics_counter(metrics, "requests", labels, 2, &counter) == COTENANT_OK);
    cotenant_counter_add(counter, 2);
    cotenant_counter_add(counter, 3);
    CHECK(cotenant_counter_total(counter) == 5);
    cotenant_gauge *gauge = NULL;
    CHECK(cotenant_metrics_gauge(metrics, "in_flight", NULL, 0, COTENANT_ACROSS_SUM, &gauge) == COTENANT_OK);
    CHECK(isnan(cotenant_gauge_value(gauge)));
    cotenant_gauge_set(gauge, 3.0);
    cotenant_gauge_add(gauge, -1.0);
    CHECK(cotenant_gauge_value(gauge) == 2.0);
    cotenant_histogram *histogram = NULL;
    CHECK(cotenant_metrics_histogram(metrics, "seconds", NULL, 0, 0, 0, 0, &histogram) == COTENANT_OK);
    cotenant_histogram_observe(histogram, 0.25);
    cotenant_histogram_observe(histogram, 4.0);
    uint64_t count = 0;
    double sum = 0, half = 0;
    CHECK(cotenant_histogram_read(histogram, &count, &sum, 0.5, &half) == COTENANT_OK);
    CHECK(count == 2 && sum == 4.25 && half > 0.2 && half <= 0.25);
    CHECK(cotenant_metrics_describe(metrics, "requests", "Requests served.") == COTENANT_OK);

    static char text[65536];
    size_t length = 0;
    CHECK(cotenant_metrics_render(metrics, COTENANT_METRICS_PROMETHEUS, NULL, 0, &length) == COTENANT_NO_SPACE);
    CHECK(length > 100 && length < sizeof text);
    CHECK(cotenant_metrics_render(metrics, COTENANT_METRICS_OPENMETRICS, text, sizeof text, &length) == COTENANT_OK);
    CHECK(strlen(text) == length && strstr(text, "# EOF\n") != NULL);
    CHECK(strstr(text, "# HELP requests Requests served.\n") != NULL);
    CHECK(strstr(text, "requests_total{method=\"GET\",status=\"200\"} 5\n") != NULL);

    cotenant_counter *other = NULL;
    CHECK(cotenant_metrics_counter(metrics, "in_flight", NULL, 0, &other) == COTENANT_MISMATCH && other == NULL);
    CHECK(cotenant_metrics_counter(metrics, "more", NULL, 0, &other) == COTENANT_NO_SPACE);
    CHECK(strstr(cotenant_error_message(), "max_series") != NULL);
    CHECK(cotenant_metrics_counter(metrics, "a-b", NULL, 0, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_metrics_counter(metrics, "more", NULL, 1, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_metrics_counter(NULL, "more", NULL, 0, &other) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_metrics_gauge(metrics, "x", NULL, 0, 9, &gauge) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_metrics_histogram(metrics, "x", NULL, 0, 2.0, 1.0, 0, &histogram) == COTENANT_INVALID_INPUT);
    cotenant_counter_add(NULL, 1);
    CHECK(cotenant_counter_total(NULL) == 0 && isnan(cotenant_gauge_value(NULL)));

    cotenant_limiter *limiter = NULL;
    CHECK(cotenant_limiter_open(segment, "limit", 1, 60000, 3, &limiter) == COTENANT_OK);
    uint64_t retry_after_ns = 0;
    CHECK(cotenant_limiter_acquire(limiter, NULL, 0, 3, &retry_after_ns) == COTENANT_OK);
    CHECK(cotenant_limiter_acquire(limiter, NULL, 0, 2, &retry_after_ns) == COTENANT_WOULD_BLOCK);
    CHECK(retry_after_ns > 1000000000u && retry_after_ns <= 120000000000u);
    CHECK(cotenant_limiter_acquire(limiter, NULL, 0, 4, &retry_after_ns) == COTENANT_WOULD_BLOCK);
    CHECK(retry_after_ns == UINT64_MAX);
    CHECK(cotenant_limiter_acquire(limiter, "k", 1, 1, NULL) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_limiter_open(segment, "limit2", 0, 60000, 3, &limiter) == COTENANT_INVALID_INPUT);
    cotenant_limiter *keyed = NULL;
    CHECK(cotenant_keyed_limiter_open(segment, "keyed", 1000, 1, 60000, 2, &keyed) == COTENANT_OK);
    CHECK(cotenant_limiter_acquire(keyed, "192.0.2.1", 9, 2, NULL) == COTENANT_OK);
    CHECK(cotenant_limiter_acquire(keyed, "192.0.2.1", 9, 1, NULL) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_limiter_acquire(keyed, "192.0.2.2", 9, 1, NULL) == COTENANT_OK);
    CHECK(cotenant_keyed_limiter_open(segment, "keyed", 100000, 1, 1, 1, &keyed) == COTENANT_INVALID_INPUT);

    cotenant_limiter_close(NULL);
    cotenant_limiter_close(keyed);
    cotenant_limiter_close(limiter);
    cotenant_counter_close(counter);
    cotenant_gauge_close(gauge);
    cotenant_histogram_close(histogram);
    cotenant_metrics_close(metrics);
    cotenant_segment_close(segment);
    return 0;
}
