// cotenant.hpp: several messages at a time, places and roles that are not waited for, several queues, queues in segments,
// whole messages through pipes.
#include "check.h"
#include "cotenant.hpp"

#include <array>
#include <list>

#include <pthread.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <signal.h>
#include <unistd.h>
#endif

static const auto BRIEFLY = std::chrono::milliseconds(2);
static const auto PATIENCE = std::chrono::minutes(1);

static cotenant::queue::options at_least_once(std::uint64_t capacity_bytes)
{
    cotenant::queue::options options = {};
    options.capacity_bytes = capacity_bytes;
    options.delivery = COTENANT_DELIVERY_AT_LEAST_ONCE;
    return options;
}

template <class Call> static cotenant_status thrown(Call &&call)
{
    try {
        call();
    } catch (const cotenant::error &error) {
        return error.status();
    }
    return COTENANT_OK;
}

static void several_at_a_time()
{
    auto queue = cotenant::queue::create("capi.layer.several", at_least_once(4096));
    CHECK(queue.capacity_bytes() == 4096 && queue.used_bytes() == 0 && queue.max_message_bytes() < 2048);
    CHECK(queue.delivery() == COTENANT_DELIVERY_AT_LEAST_ONCE);
    queue.sync();
    auto sender = queue.sender();
    auto receiver = queue.receiver();
    sender.send_all(std::vector<std::string>{"one", "", "three"});
    sender.send_all(std::list<std::string_view>{});
    CHECK(queue.used_bytes() > 0);
    {
        auto messages = receiver.recv_many(2);
        CHECK(messages.size() == 2 && messages[0].view() == "one" && messages[1].view().empty());
        messages[0].ack();
    }
    // What was not acknowledged comes again, perhaps by itself.
    std::size_t count = 0, again = 0;
    while (count < 2) {
        for (auto &message : receiver.recv_many(8)) {
            CHECK(message.view() == (message.is_redelivered() ? "" : "three"));
            again += message.is_redelivered();
            ++count;
            message.ack();
        }
    }
    CHECK(count == 2 && again == 1);
    std::size_t sent = 9;
    auto too_long = std::string(5000, 'x');
    CHECK(thrown([&] { sender.send_all(std::array<std::string_view, 3>{"a", too_long, "b"}, &sent); }) ==
          COTENANT_INVALID_INPUT);
    CHECK(sent == 1 && receiver.recv().view() == "a");
    CHECK(receiver.recv_many(0).empty());
}

static void places_that_are_not_waited_for()
{
    auto queue = cotenant::queue::create("capi.layer.places", at_least_once(4096));
    auto sender = queue.sender();
    auto receiver = queue.receiver();
    std::size_t count = 0;
    while (auto place = sender.try_reserve(1000)) {
        memset(place->data(), 'p', place->size());
        place->commit();
        ++count;
    }
    CHECK(count > 1 && !sender.reserve_for(1000, BRIEFLY));
    receiver.recv().ack();
    auto place = sender.reserve_for(1000, PATIENCE);
    CHECK(place && place->size() == 1000);
    place.reset(); // Given up: there is none.
    for (; count > 1; --count) {
        receiver.recv().ack();
    }
    CHECK(!receiver.try_recv());
    CHECK(thrown([&] { (void)sender.try_reserve(5000); }) == COTENANT_INVALID_INPUT);
}

static void *takes_no_role(void *argument)
{
    auto &queue = *static_cast<const cotenant::queue *>(argument);
    CHECK(!queue.sole_sender_for(BRIEFLY) && !queue.sole_receiver_for(BRIEFLY));
    CHECK(std::string(cotenant_error_message()).find("sole receiver") != std::string::npos);
    return nullptr;
}

static void roles_that_are_not_waited_for()
{
    auto queue = cotenant::queue::create("capi.layer.roles", at_least_once(4096));
    {
        auto sender = queue.sole_sender_for(PATIENCE);
        auto receiver = queue.sole_receiver_for(PATIENCE);
        CHECK(sender && receiver);
        pthread_t thread;
        CHECK(pthread_create(&thread, nullptr, takes_no_role, &queue) == 0 && pthread_join(thread, nullptr) == 0);
        sender->send("alone");
        receiver->recv().ack();
    }
    CHECK(queue.sole_sender_for(BRIEFLY) && queue.sole_receiver_for(BRIEFLY));
}

static void queues_in_a_segment_and_several_of_them()
{
    cotenant::segment::options options = {};
    options.max_bytes = 1 << 20;
    auto segment = cotenant::segment::create("capi.layer.with_queues", options);
    CHECK(!cotenant::queue::open_in(segment, "urgent"));
    auto urgent = cotenant::queue::open_or_create_in(segment, "urgent", at_least_once(4096));
    auto other = cotenant::queue::open_or_create_in(segment, "other", at_least_once(4096));
    auto found = cotenant::queue::open_in(segment, "other", at_least_once(0));
    CHECK(found && found->capacity_bytes() == 4096);
    auto one = urgent.receiver(), two = other.receiver();
    CHECK(!cotenant::wait_any({&one, &two}, BRIEFLY) && !cotenant::wait_any({}, BRIEFLY));
    found->sender().send("here");
    CHECK(cotenant::wait_any({&one, &two}, PATIENCE) == std::size_t(1));
    CHECK(two.try_recv()->view() == "here");
}

/* The ends of a pipe of the system, the reading one first. */
static std::pair<cotenant::pipe_reader, cotenant::pipe_writer> make_pipe()
{
#ifdef _WIN32
    HANDLE reader, writer;
    CHECK(CreatePipe(&reader, &writer, NULL, 0));
    return {cotenant::pipe_reader((std::intptr_t)reader), cotenant::pipe_writer((std::intptr_t)writer)};
#else
    int made[2];
    CHECK(pipe(made) == 0);
    return {cotenant::pipe_reader(made[0]), cotenant::pipe_writer(made[1])};
#endif
}

static void pipes()
{
    auto ends = make_pipe();
    auto &reader = ends.first;
    CHECK(!reader.try_recv() && !reader.recv_for(BRIEFLY) && !reader.is_at_end());
    {
        cotenant::pipe_writer writer = std::move(ends.second);
        writer.send("whole");
        writer.send("");
        CHECK(reader.recv() == "whole" && reader.recv_for(PATIENCE)->empty());
        std::string message(3000, 'm');
#ifdef _WIN32
        // What CreatePipe makes may cut a write that does not wait.
        CHECK(thrown([&] { writer.try_send(message); }) == COTENANT_UNSUPPORTED);
#else
        std::size_t count = 0;
        for (; writer.try_send(message); ++count) {
        }
        CHECK(count > 1 && !writer.send_for(message, BRIEFLY));
        for (; count > 0; --count) {
            CHECK(reader.try_recv() == message);
        }
        CHECK(writer.send_for("last", PATIENCE) && reader.recv() == "last");
#endif
        CHECK(thrown([&] { writer.send(std::string((16 << 20) + 1, 'x')); }) == COTENANT_INVALID_INPUT);
    }
    CHECK(!reader.recv() && reader.is_at_end() && !reader.try_recv() && reader.is_at_end());
    CHECK(reader.skipped_bytes() == 0);
    auto broken = make_pipe();
    {
        cotenant::pipe_reader gone = std::move(broken.first);
    }
    CHECK(thrown([&] { broken.second.send("x"); }) == COTENANT_BROKEN_PIPE);
    CHECK(thrown([] { cotenant::pipe_reader none(-1); }) != COTENANT_OK);
}

int main()
{
#ifndef _WIN32
    signal(SIGPIPE, SIG_IGN);
#endif
    several_at_a_time();
    places_that_are_not_waited_for();
    roles_that_are_not_waited_for();
    queues_in_a_segment_and_several_of_them();
    pipes();
    return 0;
}
