// cotenant.hpp: a cache in C++.
#include "check.h"
#include "cotenant.hpp"

#include <chrono>
#include <string>
#include <thread>

using namespace std::chrono_literals;

static void values(const cotenant::cache &cache)
{
    CHECK(!cache.get("k") && !cache.contains("k"));
    cache.insert("k", "value");
    CHECK(cache.get("k") == "value" && cache.contains("k"));
    cache.insert("long", std::string(1000, 'x'));
    CHECK(cache.get("long") == std::string(1000, 'x'));
    std::string buffer;
    CHECK(cache.get_into("k", buffer) && buffer == "value");
    CHECK(!cache.get_into("nobody", buffer) && buffer.empty());
    CHECK(!cache.insert_if_absent("k", "other") && cache.insert_if_absent("new", "1"));
    CHECK(cache.replace("k", "2") && !cache.replace("nobody", "2"));
    auto read = cache.get_versioned("k");
    CHECK(read && read->first == "2");
    std::uint64_t version = read->second;
    CHECK(cache.compare_and_swap("k", version, "3") && version != read->second);
    std::uint64_t old = read->second;
    CHECK(!cache.compare_and_swap("k", old, "4") && old == version && cache.get("k") == "3");
    CHECK(!cache.compare_and_swap("nobody", old, "4"));
    CHECK(cache.increment("n") == 1 && cache.increment("n", 4) == 5);
    CHECK(cache.remove("k") && !cache.remove("k"));
    cache.insert("short", "old", 1ms);
    CHECK(cache.touch("new", 1h) && !cache.touch("nobody", 1h));
    std::this_thread::sleep_for(50ms);
    auto stale = cache.get_stale("short");
    CHECK(!cache.get("short") && stale && stale->first == "old" && stale->second >= 10ms);
    CHECK(cache.get_stale("new")->second == -1ms);
    bool is_refused = false;
    try {
        cache.insert("k", std::string(cache.max_entry_bytes() + 1, 'x'));
    } catch (const cotenant::error &error) {
        is_refused = error.status() == COTENANT_INVALID_INPUT;
    }
    CHECK(is_refused);
}

static void time_that_is_over_is_not_for_ever(const cotenant::cache &cache)
{
    cache.insert("over", "v", -5ms);
    CHECK(cache.insert_if_absent("over too", "v", -1h) && cache.increment("n over", 1, 1, -1ms) == 1);
    std::size_t there = 0;
    cache.for_each([&](const cotenant_cache_entry &entry) {
        std::string_view key(static_cast<const char *>(entry.key), entry.key_length);
        bool is_over = key.find("over") != key.npos;
        there += is_over && entry.expires_in_ms > 1000 ? 1 : 0;
    });
    CHECK(there == 0);
}

static void pins(const cotenant::cache &cache)
{
    cache.insert("picture", "pixels");
    auto pin = cache.pin("picture");
    CHECK(pin && pin->value() == "pixels" && !cache.pin("nobody"));
    auto moved = std::move(*pin);
    pin.reset();
    cache.clear();
    CHECK(moved.value() == "pixels" && moved.version() != 0);
}

static void callbacks(const cotenant::cache &cache)
{
    cache.clear();
    cache.insert("a", "1");
    cache.insert("b", "22");
    std::size_t bytes = 0;
    cache.for_each([&](const cotenant_cache_entry &entry) { bytes += entry.key_length + entry.value_length; });
    CHECK(bytes == 5);
    int caught = 0;
    try {
        cache.for_each([](const cotenant_cache_entry &) { throw 7; });
    } catch (int thrown) {
        caught = thrown;
    }
    CHECK(caught == 7);
    int calls = 0;
    auto make = [&] {
        calls++;
        return std::string(500, 'm');
    };
    for (int nth = 0; nth < 2; nth++) {
        CHECK(cache.get_or_insert("page", 1min, make) == std::string(500, 'm'));
        CHECK(cache.get_or_refresh("fresh", 1min, 1min, make) == std::string(500, 'm'));
    }
    CHECK(calls == 2);
    // What the cache cannot take is given all the same, and computed once for each call.
    std::size_t too_long = cache.max_entry_bytes() + 1;
    CHECK(cache.get_or_insert("long", 1min, [&] { calls++; return std::string(too_long, 'l'); }).size() == too_long);
    CHECK(calls == 3);
    caught = 0;
    try {
        cache.get_or_insert("thrown", 1min, []() -> std::string { throw 8; });
    } catch (int thrown) {
        caught = thrown;
    }
    CHECK(caught == 8 && !cache.contains("thrown"));
}

int main()
{
    CHECK(!cotenant::cache::open("capi.cache.layer"));
    cotenant::cache::options options = {};
    options.capacity_bytes = 1 << 20;
    options.max_capacity_bytes = 2 << 20;
    auto cache = cotenant::cache::open_or_create("capi.cache.layer", options);
    CHECK(cache.is_created() && cotenant::cache::open("capi.cache.layer"));
    values(cache);
    pins(cache);
    time_that_is_over_is_not_for_ever(cache);
    callbacks(cache);
    CHECK(cache.stats().hits > 5);
    std::uint64_t before = cache.capacity_bytes();
    cache.grow(2 << 20);
    CHECK(cache.capacity_bytes() > before);
    cotenant::segment::options sizes = {};
    sizes.max_bytes = 4 << 20;
    auto in = cotenant::cache::open_in(cotenant::segment::create("capi.layer.in", sizes), "one", options);
    in.insert("k", "1");
    CHECK(in.get("k") == "1");
#ifndef _WIN32 // Names of Windows go with the last who has them.
    cotenant::cache::unlink("capi.cache.layer");
#endif
    return 0;
}
