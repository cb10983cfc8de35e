// cotenant.hpp: guards, what exceptions and deaths leave, optionals, objects of segments.
#include "check.h"
#include "cotenant.hpp"

#include <pthread.h>

#define LIMITS(F) F(u32, rate) F(u32, burst)
COTENANT_STRUCT(limits, LIMITS);
COTENANT_MUTEX(limits);
COTENANT_RWLOCK(limits);
COTENANT_SEMAPHORE(pool, 1);
COTENANT_PUBLISHED(limits);

#define WEB(F)                                                                                                         \
    F(u64, hits) F(mutex_limits, guarded) F(rwlock_limits, read_often) F(text64, motd) F(bool, open)                   \
    F(pool, workers, COTENANT_PERMITS(1)) F(leader, leader)                                                            \
    F(published_limits, published, COTENANT_FIRST({100, 20})) F(flag, dark_mode, COTENANT_PERCENT(100.0))
COTENANT_SHARED(web, WEB);

// Not std::thread, which not every mingw has.
static void in_another_thread(void (*body)())
{
    auto run = [](void *body) -> void * {
        (*static_cast<void (**)()>(body))();
        return nullptr;
    };
    pthread_t thread;
    CHECK(pthread_create(&thread, nullptr, run, &body) == 0);
    CHECK(pthread_join(thread, nullptr) == 0);
}

static void variables()
{
    CHECK(++web()->hits == 1 && web()->hits++ == 1 && (web()->hits += 5) == 7 && (web()->hits -= 2) == 5);
    CHECK(cotenant::load(web()->hits) == 5);
    cotenant::store(web()->open, true);
    CHECK(cotenant::load(web()->open));
    cotenant::set(web()->motd, "hello");
    CHECK(cotenant::get(web()->motd) == "hello");
    bool is_refused = false;
    try {
        cotenant::set(web()->motd, std::string(65, 'x'));
    } catch (const cotenant::error &error) {
        is_refused = error.status() == COTENANT_NO_SPACE && std::string(error.what()).find("65") != std::string::npos;
    }
    CHECK(is_refused && cotenant::get(web()->motd) == "hello");
}

static void mutexes()
{
    {
        auto guard = cotenant::lock(web()->guarded);
        CHECK(!guard.owner_died());
        guard->rate = 7;
        auto moved = std::move(guard);
        in_another_thread([] {
            CHECK(!cotenant::try_lock(web()->guarded));
            CHECK(!cotenant::lock_for(web()->guarded, std::chrono::milliseconds(2)));
        });
        CHECK(moved->rate == 7);
    }
    try {
        auto guard = cotenant::lock(web()->guarded);
        guard->rate = 99;
        throw 1;
    } catch (int) {
    }
    CHECK(cotenant::lock(web()->guarded).owner_died());
    {
        auto guard = cotenant::lock_or_repair(web()->guarded, [](limits &broken) { broken = {1, 2}; });
        CHECK(guard->rate == 1 && guard->burst == 2 && !guard.owner_died());
    }
    CHECK(!cotenant::lock(web()->guarded).owner_died());
    try {
        auto guard = cotenant::lock(web()->guarded);
        throw 1;
    } catch (int) {
    }
    cotenant::lock(web()->guarded).give_up();
    bool is_refused = false;
    try {
        (void)cotenant::lock(web()->guarded);
    } catch (const cotenant::error &error) {
        is_refused = error.status() == COTENANT_NOT_RECOVERABLE;
    }
    CHECK(is_refused);
    CHECK(cotenant::lock_or_repair(web()->guarded, [](limits &broken) { broken.rate = 3; })->rate == 3);
    CHECK(cotenant::lock(web()->guarded)->rate == 3);
}

static void readers_and_writers()
{
    auto none = [](limits &) { CHECK(false); };
    {
        auto guard = cotenant::write(web()->read_often);
        guard->burst = 8;
        in_another_thread([] { CHECK(!cotenant::try_write(web()->read_often)); });
    }
    {
        auto first = cotenant::read_or_repair(web()->read_often, none);
        auto second = cotenant::read_or_repair(web()->read_often, none);
        CHECK(first->burst == 8 && second->burst == 8);
        in_another_thread([] { CHECK(!cotenant::write_for(web()->read_often, std::chrono::milliseconds(2))); });
    }
    try {
        auto guard = cotenant::write(web()->read_often);
        throw 1;
    } catch (int) {
    }
    CHECK(cotenant::read_or_repair(web()->read_often, [](limits &broken) { broken.burst = 9; })->burst == 9);
    CHECK(cotenant::read_or_repair(web()->read_often, none)->burst == 9);
}

static void permits_and_leaders()
{
    {
        auto permit = cotenant::acquire(web()->workers);
        CHECK(!cotenant::try_acquire(web()->workers));
        auto leads = cotenant::lead(web()->leader);
        CHECK(leads.term() == 1);
        in_another_thread([] { CHECK(!cotenant::try_lead(web()->leader)); });
    }
    CHECK(cotenant::try_acquire(web()->workers));
    CHECK(cotenant::try_lead(web()->leader)->term() == 2);
}

static void segments()
{
    CHECK(!cotenant::segment::open("capi.layer"));
    cotenant::segment::options options = {};
    options.max_bytes = 1 << 20;
    auto segment = cotenant::segment::create("capi.layer", options);
    CHECK(segment.is_created() && segment.path().find("capi.layer") != std::string::npos);
    CHECK(!segment.get<cotenant_u64>("done"));
    cotenant::shared<cotenant_u64> done = segment.get_or_zeroed<cotenant_u64>("done");
    ++*done;
    CHECK(cotenant::load(**segment.get<cotenant_u64>("done")) == 1);
    bool is_thrown = false;
    try {
        segment.get_or_init<mutex_limits>("limits", [](mutex_limits &) { throw std::string("no"); });
    } catch (const std::string &what) {
        is_thrown = what == "no";
    }
    CHECK(is_thrown);
    auto made = segment.get_or_init<mutex_limits>("limits", [](mutex_limits &it) { it.value.rate = 4; });
    CHECK(cotenant::lock(*made)->rate == 4);
    CHECK(segment.remove("done") && !segment.remove("done"));
    bool is_refused = false;
    try {
        segment.get<cotenant_i32>("limits");
    } catch (const cotenant::error &error) {
        is_refused = error.status() == COTENANT_MISMATCH;
    }
    CHECK(is_refused);
}

static void queues()
{
    CHECK(!cotenant::queue::open("capi.layer.queue"));
    cotenant::queue::options options = {};
    options.delivery = COTENANT_DELIVERY_AT_LEAST_ONCE;
    std::optional<cotenant::queue> queue = cotenant::queue::create("capi.layer.queue", options);
    cotenant::sender sender = queue->sole_sender();
    cotenant::receiver receiver = queue->sole_receiver();
    CHECK(cotenant::queue::open("capi.layer.queue"));
    queue.reset();
    CHECK(!receiver.try_recv() && !receiver.recv_for(std::chrono::milliseconds(2)));
    sender.send("copied");
    {
        auto place = sender.reserve(5);
        memcpy(place.data(), "never", place.size());
    }
    auto place = sender.reserve(8);
    memcpy(place.data(), "in place", place.size());
    place.commit();
    CHECK(receiver.recv().view() == "copied");
    auto again = receiver.recv();
    CHECK(again.view() == "copied" && again.is_redelivered());
    again.ack();
    auto message = receiver.try_recv();
    CHECK(message && message->view() == "in place" && message->deliveries_before() == 0);
    message->ack();
    message.reset();
    std::string half(400000, 'x');
    CHECK(sender.try_send(half) && sender.send_for(half, std::chrono::seconds(1)) && !sender.try_send(half));
    CHECK(!sender.send_for(half, std::chrono::milliseconds(2)));
    bool is_refused = false;
    try {
        sender.send(std::string(1 << 20, 'x'));
    } catch (const cotenant::error &error) {
        is_refused = error.status() == COTENANT_INVALID_INPUT;
    }
    CHECK(is_refused);
}

static void published()
{
    auto mine = cotenant::newest(web()->published);
    CHECK(mine.value.rate == 100 && mine.value.burst == 20 && mine.sequence == 0);
    CHECK(!cotenant::newer(web()->published, mine.sequence));
    mine.value.burst = 30;
    CHECK(cotenant::publish(web()->published, mine.value) == 1);
    CHECK(cotenant::update(web()->published, [](limits &it) { it.burst *= 2; }) == 2);
    bool is_thrown = false;
    try {
        cotenant::update(web()->published, [](limits &) { throw std::string("no"); });
    } catch (const std::string &what) {
        is_thrown = what == "no";
    }
    CHECK(is_thrown);
    auto newer = cotenant::newer(web()->published, mine.sequence);
    CHECK(newer && newer->value.burst == 60 && newer->sequence == 2);
    CHECK(!cotenant::wait_newer(web()->published, 2, std::chrono::milliseconds(2)));
    CHECK(cotenant::wait_newer(web()->published, 1, std::chrono::seconds(60))->value.burst == 60);
    CHECK(cotenant::is_on_for(web()->dark_mode, "user-1"));
    cotenant::set_percent(web()->dark_mode, 0.0);
    CHECK(!cotenant::is_on_for(web()->dark_mode, "user-1"));
}

int main()
{
    CHECK(cotenant::status_of(web_block) == COTENANT_OK);
    CHECK(cotenant::detail::milliseconds(std::chrono::hours::max()) == UINT64_MAX);
    CHECK(cotenant::detail::milliseconds(std::chrono::nanoseconds(1)) == 1);
    CHECK(cotenant::detail::milliseconds(std::chrono::seconds(-1)) == 0);
    variables();
    mutexes();
    readers_and_writers();
    permits_and_leaders();
    published();
    segments();
    queues();
    return 0;
}
