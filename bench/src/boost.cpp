// Boost.Interprocess, measured by itself: `boost CASE NUMBER` prints one figure.
//
//   version                     of the library
//   uncontended | try | read    nanoseconds for one of NUMBER passes
//   threads | processes         millions of entries a second of two that work for NUMBER milliseconds
//   create | open | find | construct     segments: microseconds (find: nanoseconds)

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <boost/version.hpp>

namespace ipc = boost::interprocess;
using Clock = std::chrono::steady_clock;

struct Shared {
    alignas(128) ipc::interprocess_mutex mutex;
    volatile std::uint64_t count = 0;
    alignas(128) ipc::interprocess_sharable_mutex sharable;
    alignas(128) std::atomic<int> arrived{0};
    double answer[2] = {0, 0};
};

static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

static void add(Shared &shared) {
    shared.mutex.lock();
    shared.count = shared.count + 1;
    shared.mutex.unlock();
}

static void work(Shared &shared, double seconds, int who) {
    shared.arrived.fetch_add(1);
    while (shared.arrived.load() < 2) std::this_thread::yield();
    const auto start = Clock::now();
    std::uint64_t entries = 0;
    for (;;) {
        for (int i = 0; i < 64; ++i) add(shared);
        entries += 64;
        const double elapsed = seconds_since(start);
        if (elapsed >= seconds) {
            shared.answer[who] = double(entries) / elapsed / 1e6;
            return;
        }
    }
}

static int contended(Shared &shared, bool processes, double seconds) {
    if (processes) {
        const pid_t child = fork();
        if (child == -1) return 1;
        if (child == 0) {
            work(shared, seconds, 1);
            _exit(0);
        }
        work(shared, seconds, 0);
        int status = 1;
        if (waitpid(child, &status, 0) != child || status != 0) return 1;
    } else {
        std::thread other([&] { work(shared, seconds, 1); });
        work(shared, seconds, 0);
        other.join();
    }
    std::printf("%.6f\n", shared.answer[0] + shared.answer[1]);
    return 0;
}

template <class Operation> static int timed(long passes, Operation operation) {
    for (long i = 0; i < passes / 10; ++i) operation();
    const auto start = Clock::now();
    for (long i = 0; i < passes; ++i) operation();
    std::printf("%.4f\n", seconds_since(start) * 1e9 / double(passes));
    return 0;
}

// A new segment, under a name of this process's own that is gone when it returns.
static int segments(const std::string &what, long number) {
    const std::string name = "cotenant-bench-" + std::to_string(getpid());
    struct Remove {
        const char *name;
        ~Remove() { ipc::shared_memory_object::remove(name); }
    } remove{name.c_str()};
    const auto start = Clock::now();
    ipc::managed_shared_memory segment(ipc::create_only, name.c_str(), 64 * 1024 * 1024);
    const double create = seconds_since(start);
    if (what == "create") {
        std::printf("%.4f\n", create * 1e6);
        return 0;
    }
    segment.construct<std::uint64_t>("counter")(1);
    if (what == "open") {
        const auto start = Clock::now();
        ipc::managed_shared_memory again(ipc::open_only, name.c_str());
        std::printf("%.4f\n", seconds_since(start) * 1e6);
        return again.get_size() == 0;
    }
    if (what == "find") {
        volatile std::uint64_t sum = 0;
        return timed(number, [&] { sum = sum + *segment.find<std::uint64_t>("counter").first; });
    }
    const auto begin = Clock::now();
    for (long i = 0; i < number; ++i) {
        segment.find_or_construct<std::uint64_t>(("object " + std::to_string(i)).c_str())(1);
    }
    std::printf("%.4f\n", seconds_since(begin) * 1e6 / double(number));
    return 0;
}

int main(int argc, char **argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    const long number = argc > 2 ? std::atol(argv[2]) : 1;
    if (what == "version") {
        std::printf("%d.%d\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000);
        return 0;
    }
    if (what == "create" || what == "open" || what == "find" || what == "construct") return segments(what, number);
    void *memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    Shared &shared = *new (memory) Shared;
    if (what == "uncontended") return timed(number, [&] { add(shared); });
    if (what == "try") {
        return timed(number, [&] {
            if (!shared.mutex.try_lock()) std::abort();
            shared.count = shared.count + 1;
            shared.mutex.unlock();
        });
    }
    if (what == "read") {
        volatile std::uint64_t seen = 0;
        return timed(number, [&] {
            shared.sharable.lock_sharable();
            seen = shared.count;
            shared.sharable.unlock_sharable();
        });
    }
    if (what == "threads" || what == "processes") return contended(shared, what == "processes", double(number) / 1e3);
    return 2;
}
