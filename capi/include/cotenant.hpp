/* cotenant.hpp: cotenant.h for C++17 - guards, exceptions, optionals. Header-only: all of it is inline.
 *
 *     COTENANT_STRUCT(limits, LIMITS);
 *     COTENANT_MUTEX(limits);
 *     #define WEB(F) F(u64, hits) F(mutex_limits, limits)
 *     COTENANT_SHARED(web, WEB);
 *
 *     ++web()->hits;
 *     auto guard = cotenant::lock_or_repair(web()->limits, [](limits &broken) { broken = {100, 20}; });
 *     guard->burst = 30;
 *
 * A call that fails throws cotenant::error, which has the status and the message; what may well not be there or not be
 * had (try_, _for, get) is a std::optional. A guard that an exception passes leaves the lock as a death does: the next
 * one gets COTENANT_OWNER_DIED. Guards stay with their thread, permits and leaderships with their process. */
#ifndef COTENANT_HPP
#define COTENANT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cotenant.h"

#if __cplusplus < 201703L
#error "cotenant.hpp needs C++17"
#endif

namespace cotenant {

/// Why a call failed: what() is cotenant_error_message().
class error : public std::runtime_error {
public:
    explicit error(cotenant_status status) : std::runtime_error(cotenant_error_message()), status_(status) {}
    cotenant_status status() const noexcept { return status_; }

private:
    cotenant_status status_;
};

/// Throws unless it is COTENANT_OK.
inline void check(cotenant_status status)
{
    if (status != COTENANT_OK) {
        throw error(status);
    }
}

/// What is shared, or what kept it from being: COTENANT_OK for a block that other processes see.
inline cotenant_status status_of(const cotenant_block &block) noexcept { return cotenant_block_status(&block); }
/// Attaches a block that waits for it; throws.
inline void attach(const cotenant_block &block) { check(cotenant_block_attach(&block)); }

namespace detail {

/* The functions of each lock, by its type. */
struct mutex_calls {
    static cotenant_status lock(cotenant_mutex *it) noexcept { return cotenant_mutex_lock(it); }
    static cotenant_status try_lock(cotenant_mutex *it) noexcept { return cotenant_mutex_try_lock(it); }
    static cotenant_status lock_timeout(cotenant_mutex *it, std::uint64_t timeout_ms) noexcept
    {
        return cotenant_mutex_lock_timeout(it, timeout_ms);
    }
    static cotenant_status lock_given_up(cotenant_mutex *it) noexcept { return cotenant_mutex_lock_given_up(it); }
    static cotenant_status consistent(cotenant_mutex *it) noexcept { return cotenant_mutex_consistent(it); }
    static cotenant_status give_up(cotenant_mutex *it) noexcept { return cotenant_mutex_give_up(it); }
    static cotenant_status unlock(cotenant_mutex *it) noexcept { return cotenant_mutex_unlock(it); }
    static cotenant_status abandon(cotenant_mutex *it) noexcept { return cotenant_mutex_abandon(it); }
};

struct write_calls {
    static cotenant_status lock(cotenant_rwlock *it) noexcept { return cotenant_rwlock_write(it); }
    static cotenant_status try_lock(cotenant_rwlock *it) noexcept { return cotenant_rwlock_try_write(it); }
    static cotenant_status lock_timeout(cotenant_rwlock *it, std::uint64_t timeout_ms) noexcept
    {
        return cotenant_rwlock_write_timeout(it, timeout_ms);
    }
    static cotenant_status lock_given_up(cotenant_rwlock *it) noexcept { return cotenant_rwlock_write_given_up(it); }
    static cotenant_status consistent(cotenant_rwlock *it) noexcept { return cotenant_rwlock_consistent(it); }
    static cotenant_status give_up(cotenant_rwlock *it) noexcept { return cotenant_rwlock_give_up(it); }
    static cotenant_status unlock(cotenant_rwlock *it) noexcept { return cotenant_rwlock_unlock(it); }
    static cotenant_status abandon(cotenant_rwlock *it) noexcept { return cotenant_rwlock_abandon(it); }
};

template <class Duration> std::uint64_t milliseconds(Duration timeout)
{
    // What does not fit into a number of milliseconds is for ever: std::chrono::hours::max().
    if (std::chrono::duration<double, std::milli>(timeout).count() > 9e18) {
        return UINT64_MAX;
    }
    auto count = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    return count < 0 ? 0 : static_cast<std::uint64_t>(count);
}

/* A function that C calls once for each of many things, and what it threw. */
template <class Function> struct caught {
    Function &function;
    std::exception_ptr thrown;

    template <class Thing> std::int32_t run(const Thing &thing) noexcept
    {
        try {
            function(thing);
            return 0;
        } catch (...) {
            thrown = std::current_exception();
            return 1;
        }
    }
    void end(cotenant_status status) const
    {
        if (thrown) {
            std::rethrow_exception(thrown);
        }
        check(status);
    }
};

} // namespace detail

/// A lock, held, and the value that it guards: of a word that COTENANT_MUTEX or COTENANT_RWLOCK declares.
template <class Locked, class Calls> class [[nodiscard]] basic_guard {
public:
    using value_type = decltype(std::declval<Locked &>().value);

    /// Takes over a lock that `status` says is held.
    basic_guard(Locked &locked, cotenant_status status) noexcept
        : locked_(&locked), exceptions_(std::uncaught_exceptions()), owner_died_(status == COTENANT_OWNER_DIED)
    {
    }
    basic_guard(basic_guard &&other) noexcept
        : locked_(std::exchange(other.locked_, nullptr)), exceptions_(other.exceptions_),
          owner_died_(other.owner_died_)
    {
    }
    basic_guard &operator=(basic_guard &&other) noexcept
    {
        if (this != &other) {
            release();
            locked_ = std::exchange(other.locked_, nullptr);
            exceptions_ = other.exceptions_;
            owner_died_ = other.owner_died_;
        }
        return *this;
    }
    ~basic_guard() { release(); }

    /// The owner before died, or an exception passed its guard: the value may be half changed. Unless it is repaired,
    /// the next one is told the same.
    bool owner_died() const noexcept { return owner_died_; }
    /// Puts the value right.
    template <class Repair> void repair(Repair &&repair)
    {
        std::forward<Repair>(repair)(locked_->value);
        check(Calls::consistent(&locked_->lock));
        owner_died_ = false;
    }
    /// Says that the value cannot be repaired: everybody gets COTENANT_NOT_RECOVERABLE, but lock_or_repair.
    void give_up() { check(Calls::give_up(&std::exchange(locked_, nullptr)->lock)); }

    value_type &operator*() const noexcept { return locked_->value; }
    value_type *operator->() const noexcept { return &locked_->value; }

private:
    void release() noexcept
    {
        if (locked_ != nullptr) {
            bool is_passed = std::uncaught_exceptions() > exceptions_;
            is_passed ? Calls::abandon(&locked_->lock) : Calls::unlock(&locked_->lock);
            locked_ = nullptr;
        }
    }

    Locked *locked_;
    int exceptions_;
    bool owner_died_;
};

template <class Locked> using guard = basic_guard<Locked, detail::mutex_calls>;
template <class Locked> using write_guard = basic_guard<Locked, detail::write_calls>;

namespace detail {

template <class Guard, class Locked> Guard held(Locked &locked, cotenant_status status)
{
    if (status != COTENANT_OK && status != COTENANT_OWNER_DIED) {
        throw error(status);
    }
    return Guard(locked, status);
}

template <class Guard, class Locked> std::optional<Guard> perhaps(Locked &locked, cotenant_status status)
{
    if (status == COTENANT_WOULD_BLOCK || status == COTENANT_TIMED_OUT) {
        return std::nullopt;
    }
    return held<Guard>(locked, status);
}

template <class Calls, class Guard, class Locked, class Repair> Guard repaired(Locked &locked, Repair &&repair)
{
    cotenant_status status = Calls::lock(&locked.lock);
    if (status == COTENANT_NOT_RECOVERABLE) {
        status = Calls::lock_given_up(&locked.lock);
    }
    Guard guard = held<Guard>(locked, status);
    if (guard.owner_died()) {
        guard.repair(std::forward<Repair>(repair));
    }
    return guard;
}

} // namespace detail

/// Waits for the mutex. Look at owner_died() of what it gives.
template <class Locked> guard<Locked> lock(Locked &locked)
{
    return detail::held<guard<Locked>>(locked, cotenant_mutex_lock(&locked.lock));
}
/// Does not wait: nothing if somebody else who lives holds it.
template <class Locked> std::optional<guard<Locked>> try_lock(Locked &locked)
{
    return detail::perhaps<guard<Locked>>(locked, cotenant_mutex_try_lock(&locked.lock));
}
/// Waits so long: then nothing.
template <class Locked, class Duration> std::optional<guard<Locked>> lock_for(Locked &locked, Duration timeout)
{
    auto status = cotenant_mutex_lock_timeout(&locked.lock, detail::milliseconds(timeout));
    return detail::perhaps<guard<Locked>>(locked, status);
}
/// Waits for the mutex, and has `repair(value)` put the value right if its owner died.
template <class Locked, class Repair> guard<Locked> lock_or_repair(Locked &locked, Repair &&repair)
{
    return detail::repaired<detail::mutex_calls, guard<Locked>>(locked, std::forward<Repair>(repair));
}

/// Waits to write. Look at owner_died() of what it gives.
template <class Locked> write_guard<Locked> write(Locked &locked)
{
    return detail::held<write_guard<Locked>>(locked, cotenant_rwlock_write(&locked.lock));
}
template <class Locked> std::optional<write_guard<Locked>> try_write(Locked &locked)
{
    return detail::perhaps<write_guard<Locked>>(locked, cotenant_rwlock_try_write(&locked.lock));
}
template <class Locked, class Duration> std::optional<write_guard<Locked>> write_for(Locked &locked, Duration timeout)
{
    auto status = cotenant_rwlock_write_timeout(&locked.lock, detail::milliseconds(timeout));
    return detail::perhaps<write_guard<Locked>>(locked, status);
}
template <class Locked, class Repair> write_guard<Locked> write_or_repair(Locked &locked, Repair &&repair)
{
    return detail::repaired<detail::write_calls, write_guard<Locked>>(locked, std::forward<Repair>(repair));
}

/// A rwlock, held to read.
template <class Locked> class [[nodiscard]] read_guard {
public:
    using value_type = decltype(std::declval<Locked &>().value);

    explicit read_guard(Locked &locked) noexcept : locked_(&locked) {}
    read_guard(read_guard &&other) noexcept : locked_(std::exchange(other.locked_, nullptr)) {}
    read_guard &operator=(read_guard &&other) noexcept
    {
        std::swap(locked_, other.locked_);
        return *this;
    }
    ~read_guard()
    {
        if (locked_ != nullptr) {
            cotenant_rwlock_unlock(&locked_->lock);
        }
    }
    const value_type &operator*() const noexcept { return locked_->value; }
    const value_type *operator->() const noexcept { return &locked_->value; }

private:
    Locked *locked_;
};

/// Waits until no writer is in, and has `repair(value)` put the value right if one died.
template <class Locked, class Repair> read_guard<Locked> read_or_repair(Locked &locked, Repair &&repair)
{
    for (;;) {
        cotenant_status status = cotenant_rwlock_read(&locked.lock);
        if (status == COTENANT_OK) {
            return read_guard<Locked>(locked);
        }
        if (status == COTENANT_OWNER_DIED) {
            // Held for writing.
            write_guard<Locked>(locked, status).repair(repair);
        } else if (status == COTENANT_NOT_RECOVERABLE) {
            (void)write_or_repair(locked, repair);
        } else {
            throw error(status);
        }
    }
}

/// A permit of a word that COTENANT_SEMAPHORE declares; given back when it goes, by any thread.
template <class Semaphore> class [[nodiscard]] permit {
public:
    permit(Semaphore &semaphore, const cotenant_kept &kept) noexcept : semaphore_(&semaphore), kept_(kept) {}
    permit(permit &&other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)), kept_(other.kept_) {}
    permit &operator=(permit &&other) noexcept
    {
        std::swap(semaphore_, other.semaphore_);
        std::swap(kept_, other.kept_);
        return *this;
    }
    ~permit()
    {
        if (semaphore_ != nullptr) {
            COTENANT_SEMAPHORE_RELEASE(semaphore_, &kept_);
        }
    }

private:
    Semaphore *semaphore_;
    cotenant_kept kept_;
};

/// Waits for a permit.
template <class Semaphore> permit<Semaphore> acquire(Semaphore &semaphore)
{
    cotenant_kept kept;
    check(COTENANT_SEMAPHORE_ACQUIRE(&semaphore, &kept));
    return permit<Semaphore>(semaphore, kept);
}
/// Does not wait: nothing if all permits are taken by the living.
template <class Semaphore> std::optional<permit<Semaphore>> try_acquire(Semaphore &semaphore)
{
    cotenant_kept kept;
    cotenant_status status = COTENANT_SEMAPHORE_TRY_ACQUIRE(&semaphore, &kept);
    if (status == COTENANT_WOULD_BLOCK) {
        return std::nullopt;
    }
    check(status);
    return permit<Semaphore>(semaphore, kept);
}

/// This process leads, until it goes.
class [[nodiscard]] leadership {
public:
    leadership(cotenant_leader &leader, const cotenant_kept &kept) noexcept : leader_(&leader), kept_(kept) {}
    leadership(leadership &&other) noexcept : leader_(std::exchange(other.leader_, nullptr)), kept_(other.kept_) {}
    leadership &operator=(leadership &&other) noexcept
    {
        std::swap(leader_, other.leader_);
        std::swap(kept_, other.kept_);
        return *this;
    }
    ~leadership()
    {
        if (leader_ != nullptr) {
            cotenant_leader_step_down(leader_, &kept_);
        }
    }
    /// Higher than all before it.
    std::uint64_t term() const noexcept { return kept_.term; }

private:
    cotenant_leader *leader_;
    cotenant_kept kept_;
};

/// Waits until nobody else leads.
inline leadership lead(cotenant_leader &leader)
{
    cotenant_kept kept;
    check(cotenant_leader_lead(&leader, &kept));
    return leadership(leader, kept);
}
/// Does not wait: nothing if somebody else who lives leads.
inline std::optional<leadership> try_lead(cotenant_leader &leader)
{
    cotenant_kept kept;
    cotenant_status status = cotenant_leader_try_lead(&leader, &kept);
    if (status == COTENANT_WOULD_BLOCK) {
        return std::nullopt;
    }
    check(status);
    return leadership(leader, kept);
}

/// The text of a word that COTENANT_TEXT declares, or of text16 to text256.
template <class Text> std::string get(const Text &text)
{
    char out[sizeof(text.bytes) + 1];
    return std::string(out, COTENANT_TEXT_GET(&text, out));
}
template <class Text> void set(Text &text, const std::string &value) { check(COTENANT_TEXT_SET(&text, value.c_str())); }

/// An object of a segment: a pointer that keeps the segment attached.
template <class T> class shared {
public:
    shared(std::shared_ptr<cotenant_segment> segment, T *object) noexcept
        : segment_(std::move(segment)), object_(object)
    {
    }
    T &operator*() const noexcept { return *object_; }
    T *operator->() const noexcept { return object_; }
    T *get() const noexcept { return object_; }

private:
    std::shared_ptr<cotenant_segment> segment_;
    T *object_;
};

/// Memory that processes share, with named, typed objects. Copies are one attachment; the last one detaches.
class segment {
public:
    using options = cotenant_segment_options;

    /// There must be none of that name.
    static segment create(const char *name, const options &options = {})
    {
        return opened(cotenant_segment_create, name, options);
    }
    /// Makes it if there is none.
    static segment open_or_create(const char *name, const options &options = {})
    {
        return opened(cotenant_segment_open_or_create, name, options);
    }
    /// Nothing if there is none.
    static std::optional<segment> open(const char *name, const options &options = {})
    {
        cotenant_segment *handle = nullptr;
        cotenant_status status = cotenant_segment_open(name, &options, &handle);
        if (status == COTENANT_NOT_FOUND) {
            return std::nullopt;
        }
        check(status);
        return segment(handle);
    }
    static void unlink(const char *name, const options &options = {}) { check(cotenant_segment_unlink(name, &options)); }

    /// The object of that name; nothing if there is none, or if it is still being made.
    template <class T> std::optional<shared<T>> get(const char *name) const
    {
        void *object = nullptr;
        cotenant_status status = cotenant_segment_get(handle_.get(), name, type<T>(), &object);
        if (status == COTENANT_NOT_FOUND) {
            return std::nullopt;
        }
        check(status);
        return shared<T>(handle_, static_cast<T *>(object));
    }
    /// The object of that name; if there is none it is made, all zero.
    template <class T> shared<T> get_or_zeroed(const char *name) const { return made<T>(name, nullptr, nullptr); }
    /// The same; `init(object)` gets it all zero. An exception of it comes out here, and leaves it to the next one.
    template <class T, class Init> shared<T> get_or_init(const char *name, Init &&init) const
    {
        struct attempt {
            Init &init;
            std::exception_ptr thrown;
        } made_by{init, nullptr};
        auto run = [](void *object, void *argument) -> std::int32_t {
            auto &by = *static_cast<attempt *>(argument);
            try {
                by.init(*static_cast<T *>(object));
                return 0;
            } catch (...) {
                by.thrown = std::current_exception();
                return 1;
            }
        };
        try {
            return made<T>(name, run, &made_by);
        } catch (const error &) {
            if (made_by.thrown) {
                std::rethrow_exception(made_by.thrown);
            }
            throw;
        }
    }
    /// Takes the name from an object; whether there was one.
    bool remove(const char *name) const
    {
        cotenant_status status = cotenant_segment_remove(handle_.get(), name);
        if (status == COTENANT_NOT_FOUND) {
            return false;
        }
        check(status);
        return true;
    }

    std::string path() const { return cotenant_segment_path(handle_.get()); }
    bool is_created() const noexcept { return cotenant_segment_is_created(handle_.get()); }
    bool is_unlinked() const noexcept { return cotenant_segment_is_unlinked(handle_.get()); }
    cotenant_segment *handle() const noexcept { return handle_.get(); }

private:
    explicit segment(cotenant_segment *handle) : handle_(handle, cotenant_segment_close) {}

    template <class Open> static segment opened(Open open, const char *name, const options &options)
    {
        cotenant_segment *handle = nullptr;
        check(open(name, &options, &handle));
        return segment(handle);
    }
    template <class T> static const cotenant_type *type() noexcept
    {
        return cotenant_type_of(static_cast<const T *>(nullptr));
    }
    template <class T> shared<T> made(const char *name, cotenant_init init, void *argument) const
    {
        void *object = nullptr;
        check(cotenant_segment_get_or_init(handle_.get(), name, type<T>(), init, argument, &object));
        return shared<T>(handle_, static_cast<T *>(object));
    }

    std::shared_ptr<cotenant_segment> handle_;
};

/// A message where it lies in a queue; its receiver outlives it. Dropped without ack() it comes again, or is gone.
class [[nodiscard]] message {
public:
    explicit message(const cotenant_message &received) noexcept : message_(received) {}
    message(message &&other) noexcept : message_(std::exchange(other.message_, cotenant_message{})) {}
    message &operator=(message &&other) noexcept
    {
        std::swap(message_, other.message_);
        return *this;
    }
    ~message()
    {
        if (message_.receiver != nullptr) {
            cotenant_message_drop(&message_);
        }
    }

    /// Says that it was handled: it does not come again. Its bytes are not to be looked at any more.
    void ack() { check(cotenant_message_ack(&message_)); }
    /// It may have been handled before.
    bool is_redelivered() const noexcept { return message_.deliveries_before > 0; }
    std::uint32_t deliveries_before() const noexcept { return message_.deliveries_before; }
    const char *data() const noexcept { return static_cast<const char *>(message_.bytes); }
    std::size_t size() const noexcept { return message_.length; }
    std::string_view view() const noexcept { return {data(), size()}; }

private:
    cotenant_message message_;
};

/// A message that is being written in the queue itself; its sender outlives it. Without commit() there is none.
class [[nodiscard]] reservation {
public:
    reservation(cotenant_sender *sender, void *bytes, std::size_t length) noexcept
        : sender_(sender), bytes_(bytes), length_(length)
    {
    }
    reservation(reservation &&other) noexcept
        : sender_(std::exchange(other.sender_, nullptr)), bytes_(other.bytes_), length_(other.length_)
    {
    }
    reservation &operator=(reservation &&) = delete;
    ~reservation()
    {
        if (sender_ != nullptr) {
            cotenant_sender_cancel(sender_);
        }
    }

    /// Publishes the message: when this returns it is accepted.
    void commit() { check(cotenant_sender_commit(std::exchange(sender_, nullptr))); }
    char *data() const noexcept { return static_cast<char *>(bytes_); }
    std::size_t size() const noexcept { return length_; }

private:
    cotenant_sender *sender_;
    void *bytes_;
    std::size_t length_;
};

namespace detail {

/* Whether there was room, or a message, in time. */
inline bool was_had(cotenant_status status)
{
    if (status == COTENANT_WOULD_BLOCK || status == COTENANT_TIMED_OUT) {
        return false;
    }
    check(status);
    return true;
}

struct close_queue {
    void operator()(cotenant_queue *it) const noexcept { cotenant_queue_close(it); }
    void operator()(cotenant_sender *it) const noexcept { cotenant_sender_close(it); }
    void operator()(cotenant_receiver *it) const noexcept { cotenant_receiver_close(it); }
    void operator()(cotenant_pipe_writer *it) const noexcept { cotenant_pipe_writer_close(it); }
    void operator()(cotenant_pipe_reader *it) const noexcept { cotenant_pipe_reader_close(it); }
};

} // namespace detail

/// An end of a queue that sends: one for each thread. It keeps the queue.
class sender {
public:
    explicit sender(cotenant_sender *handle) noexcept : handle_(handle) {}

    /// Sends a copy; waits while there is no room.
    void send(std::string_view bytes) { check(cotenant_sender_send(handle(), bytes.data(), bytes.size())); }
    /// Whether there was room.
    bool try_send(std::string_view bytes)
    {
        return detail::was_had(cotenant_sender_try_send(handle(), bytes.data(), bytes.size()));
    }
    /// Whether there was room in time.
    template <class Duration> bool send_for(std::string_view bytes, Duration timeout)
    {
        auto status = cotenant_sender_send_timeout(handle(), bytes.data(), bytes.size(), detail::milliseconds(timeout));
        return detail::was_had(status);
    }
    /// Sends copies of a container of strings in their order, and wakes receivers once; waits while there is no room.
    /// `sent` gets how many were accepted, also if it throws: those before the first that could not be sent.
    template <class Messages> void send_all(const Messages &messages, std::size_t *sent = nullptr)
    {
        std::vector<cotenant_bytes> all;
        for (std::string_view message : messages) {
            all.push_back({message.data(), message.size()});
        }
        check(cotenant_sender_send_all(handle(), all.data(), all.size(), sent));
    }
    /// A place for a message in the queue itself; waits while there is none. Write it and commit().
    reservation reserve(std::size_t length)
    {
        void *bytes = nullptr;
        check(cotenant_sender_reserve(handle(), length, &bytes));
        return reservation(handle(), bytes, length);
    }
    /// Does not wait: nothing if there is no room.
    std::optional<reservation> try_reserve(std::size_t length)
    {
        void *bytes = nullptr;
        bool is_had = detail::was_had(cotenant_sender_try_reserve(handle(), length, &bytes));
        return is_had ? std::optional<reservation>(std::in_place, handle(), bytes, length) : std::nullopt;
    }
    /// Waits so long for room: then nothing.
    template <class Duration> std::optional<reservation> reserve_for(std::size_t length, Duration timeout)
    {
        void *bytes = nullptr;
        auto status = cotenant_sender_reserve_timeout(handle(), length, detail::milliseconds(timeout), &bytes);
        bool is_had = detail::was_had(status);
        return is_had ? std::optional<reservation>(std::in_place, handle(), bytes, length) : std::nullopt;
    }
    cotenant_sender *handle() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<cotenant_sender, detail::close_queue> handle_;
};

/// An end of a queue that receives: one for each thread. It keeps the queue.
class receiver {
public:
    explicit receiver(cotenant_receiver *handle) noexcept : handle_(handle) {}

    /// Waits for the next message.
    message recv()
    {
        cotenant_message received;
        check(cotenant_receiver_recv(handle(), &received));
        return message(received);
    }
    /// Does not wait.
    std::optional<message> try_recv()
    {
        cotenant_message received;
        bool is_there = detail::was_had(cotenant_receiver_try_recv(handle(), &received));
        return is_there ? std::optional<message>(received) : std::nullopt;
    }
    /// Waits so long.
    template <class Duration> std::optional<message> recv_for(Duration timeout)
    {
        cotenant_message received;
        auto status = cotenant_receiver_recv_timeout(handle(), detail::milliseconds(timeout), &received);
        return detail::was_had(status) ? std::optional<message>(received) : std::nullopt;
    }
    /// Up to `most` messages that are there, at least one; waits while there is none.
    std::vector<message> recv_many(std::size_t most)
    {
        std::vector<cotenant_message> received(most);
        std::vector<message> messages;
        messages.reserve(most); // Before there is anything that could be lost.
        std::size_t count = 0;
        check(cotenant_receiver_recv_many(handle(), most, received.data(), &count));
        for (std::size_t index = 0; index < count; ++index) {
            messages.emplace_back(received[index]);
        }
        return messages;
    }
    cotenant_receiver *handle() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<cotenant_receiver, detail::close_queue> handle_;
};

/// Waits until one of several receivers has something to take, at most so long; gives its index, the lowest of those
/// that have. Then try_recv(): another receiver of that queue may have been quicker. `wait_any({&one, &other}, 1s)`.
template <class Duration>
std::optional<std::size_t> wait_any(const std::vector<const receiver *> &receivers, Duration timeout)
{
    std::vector<cotenant_receiver *> handles;
    for (const receiver *it : receivers) {
        handles.push_back(it->handle());
    }
    std::size_t index = 0;
    cotenant_receiver *none = nullptr; // A vector without receivers has no memory.
    auto status = cotenant_receiver_wait_any(handles.empty() ? &none : handles.data(), handles.size(),
                                             detail::milliseconds(timeout), &index);
    return detail::was_had(status) ? std::optional<std::size_t>(index) : std::nullopt;
}

/// Messages of any length between processes. Its ends keep it, but not a segment that it was found in.
class queue {
public:
    using options = cotenant_queue_options;

    /// There must be none of that name.
    static queue create(const char *name, const options &options = {})
    {
        return opened([&](cotenant_queue **it) { return cotenant_queue_create(name, &options, it); });
    }
    /// Makes it if there is none.
    static queue open_or_create(const char *name, const options &options = {})
    {
        return opened([&](cotenant_queue **it) { return cotenant_queue_open_or_create(name, &options, it); });
    }
    /// In a segment, which must stay.
    static queue open_or_create_in(const segment &in, const char *name, const options &options = {})
    {
        auto open = [&](cotenant_queue **it) {
            return cotenant_queue_open_or_create_in(in.handle(), name, &options, it);
        };
        return opened(open);
    }
    /// Nothing if there is none.
    static std::optional<queue> open(const char *name, const options &options = {})
    {
        return perhaps([&](cotenant_queue **it) { return cotenant_queue_open(name, &options, it); });
    }
    /// In a segment, which must stay; nothing if there is none.
    static std::optional<queue> open_in(const segment &in, const char *name, const options &options = {})
    {
        return perhaps([&](cotenant_queue **it) { return cotenant_queue_open_in(in.handle(), name, &options, it); });
    }

    cotenant::sender sender() const
    {
        return cotenant::sender(made<cotenant_sender>(cotenant_queue_sender));
    }
    /// The only one, whose messages cost no lock.
    cotenant::sender sole_sender() const
    {
        return cotenant::sender(made<cotenant_sender>(cotenant_queue_sole_sender));
    }
    /// The same; waits so long until the one that is ends, or dies: then nothing, and cotenant_error_message() says who.
    template <class Duration> std::optional<cotenant::sender> sole_sender_for(Duration timeout) const
    {
        return sole<cotenant::sender>(cotenant_queue_sole_sender_timeout, detail::milliseconds(timeout));
    }
    cotenant::receiver receiver() const
    {
        return cotenant::receiver(made<cotenant_receiver>(cotenant_queue_receiver));
    }
    /// The only one, whose messages cost no lock.
    cotenant::receiver sole_receiver() const
    {
        return cotenant::receiver(made<cotenant_receiver>(cotenant_queue_sole_receiver));
    }
    /// As sole_sender_for().
    template <class Duration> std::optional<cotenant::receiver> sole_receiver_for(Duration timeout) const
    {
        return sole<cotenant::receiver>(cotenant_queue_sole_receiver_timeout, detail::milliseconds(timeout));
    }

    /// How often a message is delivered.
    cotenant_delivery delivery() const noexcept
    {
        return static_cast<cotenant_delivery>(cotenant_queue_delivery(handle()));
    }
    /// Bytes of the ring, and of it those that are taken at the moment: for people.
    std::uint64_t capacity_bytes() const noexcept { return cotenant_queue_capacity_bytes(handle()); }
    std::uint64_t used_bytes() const noexcept { return cotenant_queue_used_bytes(handle()); }
    /// The longest message that it takes.
    std::uint64_t max_message_bytes() const noexcept { return cotenant_queue_max_message_bytes(handle()); }
    /// Writes what is in a queue in a file to the disk, and waits for it.
    void sync() const { check(cotenant_queue_sync(handle())); }
    cotenant_queue *handle() const noexcept { return handle_.get(); }

private:
    explicit queue(cotenant_queue *handle) noexcept : handle_(handle) {}

    template <class Open> static queue opened(Open &&open)
    {
        cotenant_queue *handle = nullptr;
        check(open(&handle));
        return queue(handle);
    }
    template <class Open> static std::optional<queue> perhaps(Open &&open)
    {
        cotenant_queue *handle = nullptr;
        cotenant_status status = open(&handle);
        if (status == COTENANT_NOT_FOUND) {
            return std::nullopt;
        }
        check(status);
        return queue(handle);
    }
    template <class End, class Handle>
    std::optional<End> sole(cotenant_status (*make)(const cotenant_queue *, std::uint64_t, Handle **) noexcept,
                            std::uint64_t timeout_ms) const
    {
        Handle *end = nullptr;
        cotenant_status status = make(handle(), timeout_ms, &end);
        if (status == COTENANT_BUSY) {
            return std::nullopt;
        }
        check(status);
        return std::optional<End>(std::in_place, end);
    }
    template <class End> End *made(cotenant_status (*make)(const cotenant_queue *, End **) noexcept) const
    {
        End *end = nullptr;
        check(make(handle(), &end));
        return end;
    }

    std::unique_ptr<cotenant_queue, detail::close_queue> handle_;
};

/// Writes whole messages into a pipe or a FIFO, beside any number of others. One thread at a time uses it.
class pipe_writer {
public:
    /// Takes over a descriptor that is written (on Windows a HANDLE); if it throws, that stays the caller's.
    explicit pipe_writer(std::intptr_t descriptor)
    {
        cotenant_pipe_writer *handle = nullptr;
        check(cotenant_pipe_writer_open(descriptor, &handle));
        handle_.reset(handle);
    }

    /// Waits while the pipe is full. An error of status COTENANT_BROKEN_PIPE: nobody reads any more.
    void send(std::string_view bytes) { check(cotenant_pipe_writer_send(handle(), bytes.data(), bytes.size())); }
    /// Whether there was room for all of it.
    bool try_send(std::string_view bytes)
    {
        return detail::was_had(cotenant_pipe_writer_try_send(handle(), bytes.data(), bytes.size()));
    }
    /// Whether there was room in time; if not, nothing of the message comes.
    template <class Duration> bool send_for(std::string_view bytes, Duration timeout)
    {
        auto timeout_ms = detail::milliseconds(timeout);
        return detail::was_had(cotenant_pipe_writer_send_timeout(handle(), bytes.data(), bytes.size(), timeout_ms));
    }
    cotenant_pipe_writer *handle() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<cotenant_pipe_writer, detail::close_queue> handle_;
};

/// Reads whole messages from a pipe or a FIFO. A message stays until the next call. One thread at a time uses it.
class pipe_reader {
public:
    /// Takes over a descriptor that is read (on Windows a HANDLE); if it throws, that stays the caller's.
    explicit pipe_reader(std::intptr_t descriptor)
    {
        cotenant_pipe_reader *handle = nullptr;
        check(cotenant_pipe_reader_open(descriptor, &handle));
        handle_.reset(handle);
    }

    /// Waits for the next message. Nothing: the end of the stream, no writer is left.
    std::optional<std::string_view> recv()
    {
        return read([&](const void **bytes, std::size_t *length) {
            return cotenant_pipe_reader_recv(handle(), bytes, length);
        });
    }
    /// Does not wait. Nothing: none is there now, or is_at_end().
    std::optional<std::string_view> try_recv()
    {
        return read([&](const void **bytes, std::size_t *length) {
            return cotenant_pipe_reader_try_recv(handle(), bytes, length);
        });
    }
    /// Waits so long. Nothing: none came in time, or is_at_end().
    template <class Duration> std::optional<std::string_view> recv_for(Duration timeout)
    {
        return read([&](const void **bytes, std::size_t *length) {
            return cotenant_pipe_reader_recv_timeout(handle(), detail::milliseconds(timeout), bytes, length);
        });
    }
    /// Whether the last call found the end of the stream. A FIFO may get another writer.
    bool is_at_end() const noexcept { return is_at_end_; }
    /// Bytes that were no message, or parts of messages whose writers did not finish them.
    std::uint64_t skipped_bytes() const noexcept { return cotenant_pipe_reader_skipped_bytes(handle()); }
    cotenant_pipe_reader *handle() const noexcept { return handle_.get(); }

private:
    template <class Read> std::optional<std::string_view> read(Read &&read)
    {
        const void *bytes = nullptr;
        std::size_t length = 0;
        cotenant_status status = read(&bytes, &length);
        is_at_end_ = status == COTENANT_END_OF_STREAM;
        if (is_at_end_ || !detail::was_had(status)) {
            return std::nullopt;
        }
        return std::string_view(static_cast<const char *>(bytes), length);
    }

    std::unique_ptr<cotenant_pipe_reader, detail::close_queue> handle_;
    bool is_at_end_ = false;
};

/// A snapshot of a published value, and its number: how often was published until then.
template <class T> struct snapshot {
    T value;
    std::uint64_t sequence;
};

namespace detail {

template <class Published> using published_t = decltype(std::declval<const Published &>().buffers[0].value);

} // namespace detail

/// The newest snapshot, whole; waits for nobody. Of a published value that COTENANT_PUBLISHED declares.
template <class Published> auto newest(const Published &it)
{
    snapshot<detail::published_t<Published>> found{};
    check(cotenant_published_value_load(&it.head, sizeof found.value, &found.value, &found.sequence));
    return found;
}
/// The same if it is newer than the one of number `seen`; else it is one load.
template <class Published> auto newer(const Published &it, std::uint64_t seen)
{
    using found = std::optional<snapshot<detail::published_t<Published>>>;
    return cotenant_published_value_sequence(&it.head) > seen ? found(newest(it)) : found();
}
/// Makes it the newest snapshot and gives its number; waits for others who publish.
template <class Published> std::uint64_t publish(Published &it, const detail::published_t<Published> &value)
{
    std::uint64_t sequence = 0;
    check(cotenant_published_value_publish(&it.head, sizeof value, &value, UINT64_MAX, &sequence));
    return sequence;
}
/// Publishes what `change(value)` makes of the newest one, and gives its number. An exception of it comes out here, and
/// publishes nothing.
template <class Published, class Change> std::uint64_t update(Published &it, Change &&change)
{
    using value = detail::published_t<Published>;
    struct attempt {
        Change &change;
        std::exception_ptr thrown;
    } by{change, nullptr};
    auto run = [](void *newest, void *argument) -> std::int32_t {
        auto &by = *static_cast<attempt *>(argument);
        try {
            by.change(*static_cast<value *>(newest));
            return 0;
        } catch (...) {
            by.thrown = std::current_exception();
            return 1;
        }
    };
    std::uint64_t sequence = 0;
    auto status = cotenant_published_value_update(&it.head, sizeof(value), run, &by, UINT64_MAX, &sequence);
    if (by.thrown) {
        std::rethrow_exception(by.thrown);
    }
    check(status);
    return sequence;
}
/// Waits until there is a newer snapshot than the one of number `seen`, at most so long.
template <class Published, class Duration> auto wait_newer(Published &it, std::uint64_t seen, Duration timeout)
{
    using found = std::optional<snapshot<detail::published_t<Published>>>;
    auto status = cotenant_published_value_wait_newer(&it.head, seen, detail::milliseconds(timeout), false);
    if (status == COTENANT_TIMED_OUT) {
        return found();
    }
    check(status);
    return found(newest(it));
}
/// Whether a flag is on for a key, the same in every process.
inline bool is_on_for(const cotenant_flag &it, std::string_view key) noexcept
{
    return cotenant_flag_is_on_for(&it, key.data(), key.size());
}
/// Has a flag be on for so many of a hundred keys, in all processes.
inline void set_percent(cotenant_flag &it, double percent) { check(cotenant_flag_set(&it, percent, nullptr)); }

/// A cache that processes share: keys and values are bytes. Copies are one attachment; the last one detaches. Calls
/// that change it, and only those, wait for others who change it at that moment.
class cache {
public:
    using options = cotenant_cache_options;
    using milliseconds = std::chrono::milliseconds;
    /// As a time to live: until it is thrown out. One that is negative, as what is left until a moment that has passed,
    /// is the shortest there is.
    static constexpr milliseconds for_ever{0};

    /// An entry's value in place; given back when it goes. The cache outlives it.
    class [[nodiscard]] pinned {
    public:
        pinned(std::shared_ptr<cotenant_cache> cache, const cotenant_cache_pinned &pin) noexcept
            : cache_(std::move(cache)), pin_(pin)
        {
        }
        pinned(pinned &&other) noexcept
            : cache_(std::move(other.cache_)), pin_(std::exchange(other.pin_, cotenant_cache_pinned{}))
        {
        }
        pinned &operator=(pinned &&other) noexcept
        {
            std::swap(cache_, other.cache_);
            std::swap(pin_, other.pin_);
            return *this;
        }
        ~pinned() { cotenant_cache_unpin(&pin_); }

        std::string_view value() const noexcept { return {static_cast<const char *>(pin_.bytes), pin_.length}; }
        std::uint64_t version() const noexcept { return pin_.version; }

    private:
        std::shared_ptr<cotenant_cache> cache_;
        cotenant_cache_pinned pin_;
    };

    /// Makes it if there is none.
    static cache open_or_create(const char *name, const options &options = {})
    {
        return opened(cotenant_cache_open_or_create, name, options);
    }
    /// There must be none of that name.
    static cache create(const char *name, const options &options = {})
    {
        return opened(cotenant_cache_create, name, options);
    }
    /// To read it: without permission to write, a slot, or a store.
    static cache open_reader(const char *name, const options &options = {})
    {
        return opened(cotenant_cache_open_reader, name, options);
    }
    /// Nothing if there is none.
    static std::optional<cache> open(const char *name, const options &options = {})
    {
        cotenant_cache *handle = nullptr;
        cotenant_status status = cotenant_cache_open(name, &options, &handle);
        if (status == COTENANT_NOT_FOUND) {
            return std::nullopt;
        }
        check(status);
        return cache(handle);
    }
    /// Among the objects of a segment; makes it if there is none.
    static cache open_in(const segment &segment, const char *name, const options &options = {})
    {
        cotenant_cache *handle = nullptr;
        check(cotenant_cache_open_in(segment.handle(), name, &options, &handle));
        return cache(handle);
    }
    static void unlink(const char *name, const options &options = {}) { check(cotenant_cache_unlink(name, &options)); }

    /// A copy of the value of an entry that has not expired.
    std::optional<std::string> get(std::string_view key) const
    {
        std::string value;
        return get_into(key, value) ? std::optional<std::string>(std::move(value)) : std::nullopt;
    }
    /// The same, into a string whose memory is used again; whether there is one.
    bool get_into(std::string_view key, std::string &value) const
    {
        return filled(value, [&](char *buffer, std::size_t capacity, std::size_t *length) {
            return cotenant_cache_get(handle_.get(), key.data(), key.size(), buffer, capacity, length);
        });
    }
    /// The value and its version.
    std::optional<std::pair<std::string, std::uint64_t>> get_versioned(std::string_view key) const
    {
        std::pair<std::string, std::uint64_t> read{};
        bool is_there = filled(read.first, [&](char *buffer, std::size_t capacity, std::size_t *length) {
            return cotenant_cache_get_versioned(handle_.get(), key.data(), key.size(), buffer, capacity, length,
                                                &read.second);
        });
        return is_there ? std::optional(std::move(read)) : std::nullopt;
    }
    /// The value, also if its time is over and it is still there, and since when that is (else -1 ms).
    std::optional<std::pair<std::string, milliseconds>> get_stale(std::string_view key) const
    {
        std::string value;
        std::int64_t expired_for_ms = -1;
        bool is_there = filled(value, [&](char *buffer, std::size_t capacity, std::size_t *length) {
            return cotenant_cache_get_stale(handle_.get(), key.data(), key.size(), buffer, capacity, length,
                                            &expired_for_ms);
        });
        return is_there ? std::optional(std::pair(std::move(value), milliseconds(expired_for_ms))) : std::nullopt;
    }
    bool contains(std::string_view key) const noexcept
    {
        return cotenant_cache_contains(handle_.get(), key.data(), key.size());
    }
    /// The value in place; nothing if there is none.
    std::optional<pinned> pin(std::string_view key) const
    {
        cotenant_cache_pinned pin{};
        if (!found(cotenant_cache_pin(handle_.get(), key.data(), key.size(), &pin))) {
            return std::nullopt;
        }
        return std::optional<pinned>(std::in_place, handle_, pin);
    }

    void insert(std::string_view key, std::string_view value, milliseconds ttl = for_ever) const
    {
        check(cotenant_cache_insert(handle_.get(), key.data(), key.size(), value.data(), value.size(), ttl_ms(ttl)));
    }
    /// Whether it was inserted.
    bool insert_if_absent(std::string_view key, std::string_view value, milliseconds ttl = for_ever) const
    {
        return is_new(cotenant_cache_insert_if_absent(handle_.get(), key.data(), key.size(), value.data(),
                                                      value.size(), ttl_ms(ttl)));
    }
    /// Whether there was one.
    bool replace(std::string_view key, std::string_view value, milliseconds ttl = for_ever) const
    {
        return found(
            cotenant_cache_replace(handle_.get(), key.data(), key.size(), value.data(), value.size(), ttl_ms(ttl)));
    }
    /// Whether it was done: the entry still had the version, which becomes that of the new value; else that of whoever
    /// was first, or, if there is no entry, stays.
    bool compare_and_swap(std::string_view key, std::uint64_t &version, std::string_view value,
                          milliseconds ttl = for_ever) const
    {
        cotenant_status status = cotenant_cache_compare_and_swap(handle_.get(), key.data(), key.size(), value.data(),
                                                                 value.size(), ttl_ms(ttl), &version);
        return status != COTENANT_NOT_FOUND && is_new(status);
    }
    /// Whether there was one.
    bool remove(std::string_view key) const
    {
        return found(cotenant_cache_remove(handle_.get(), key.data(), key.size()));
    }
    std::int64_t increment(std::string_view key, std::int64_t by = 1, std::int64_t initial = 1,
                           milliseconds ttl_if_new = for_ever) const
    {
        std::int64_t sum = 0;
        check(cotenant_cache_increment(handle_.get(), key.data(), key.size(), by, initial, ttl_ms(ttl_if_new), &sum));
        return sum;
    }
    /// Whether there is one.
    bool touch(std::string_view key, milliseconds ttl) const
    {
        return found(cotenant_cache_touch(handle_.get(), key.data(), key.size(), ttl_ms(ttl)));
    }
    void clear() const { check(cotenant_cache_clear(handle_.get())); }
    void grow(std::uint64_t capacity_bytes) const { check(cotenant_cache_grow(handle_.get(), capacity_bytes)); }

    /// Calls `visit(entry)` for each, a const cotenant_cache_entry &; an exception of it ends it and comes out here.
    template <class Visit> void for_each(Visit &&visit) const
    {
        detail::caught<Visit> by{visit, nullptr};
        auto run = [](const cotenant_cache_entry *entry, void *argument) -> std::int32_t {
            return static_cast<detail::caught<Visit> *>(argument)->run(*entry);
        };
        by.end(cotenant_cache_for_each(handle_.get(), run, &by));
    }
    /// The value of a key; if there is none, `make()` computes it, a string, once in all processes while others wait.
    /// An exception of it comes out here, and leaves it to the next one.
    template <class Make> std::string get_or_insert(std::string_view key, milliseconds ttl, Make &&make) const
    {
        return computed(make, [&](cotenant_cache_make run, void *argument, char *to, std::size_t capacity,
                                  std::size_t *length) {
            return cotenant_cache_get_or_insert(handle_.get(), key.data(), key.size(), ttl_ms(ttl), run, argument, to,
                                                capacity, length);
        });
    }
    /// The same; a value whose time has been over for at most `stale_for` is given while another one computes.
    template <class Make>
    std::string get_or_refresh(std::string_view key, milliseconds ttl, milliseconds stale_for, Make &&make) const
    {
        return computed(make, [&](cotenant_cache_make run, void *argument, char *to, std::size_t capacity,
                                  std::size_t *length) {
            return cotenant_cache_get_or_refresh(handle_.get(), key.data(), key.size(), ttl_ms(ttl), ms(stale_for), run,
                                                 argument, to, capacity, length);
        });
    }

    cotenant_cache_stats stats() const
    {
        cotenant_cache_stats stats{};
        check(cotenant_cache_get_stats(handle_.get(), &stats));
        return stats;
    }
    std::size_t max_entry_bytes() const noexcept { return cotenant_cache_max_entry_bytes(handle_.get()); }
    std::uint64_t capacity_bytes() const noexcept { return cotenant_cache_capacity_bytes(handle_.get()); }
    bool is_created() const noexcept { return cotenant_cache_is_created(handle_.get()); }
    cotenant_cache *handle() const noexcept { return handle_.get(); }

private:
    explicit cache(cotenant_cache *handle) : handle_(handle, cotenant_cache_close) {}

    template <class Open> static cache opened(Open open, const char *name, const options &options)
    {
        cotenant_cache *handle = nullptr;
        check(open(name, &options, &handle));
        return cache(handle);
    }
    static std::uint64_t ms(milliseconds time) noexcept { return detail::milliseconds(time); }
    static std::uint64_t ttl_ms(milliseconds time) noexcept { return time.count() < 0 ? 1 : ms(time); }
    static bool found(cotenant_status status)
    {
        if (status == COTENANT_NOT_FOUND) {
            return false;
        }
        check(status);
        return true;
    }
    static bool is_new(cotenant_status status)
    {
        if (status == COTENANT_ALREADY_EXISTS) {
            return false;
        }
        check(status);
        return true;
    }
    /// Has `get` fill a string, which is made longer until the value fits.
    template <class Get> static bool filled(std::string &value, Get &&get)
    {
        value.resize(value.capacity());
        for (;;) {
            std::size_t length = 0;
            cotenant_status status = get(value.data(), value.size(), &length);
            if (status == COTENANT_NO_SPACE && length > value.size()) {
                value.resize(length);
                continue;
            }
            bool is_there = found(status);
            value.resize(is_there ? length : 0);
            return is_there;
        }
    }
    /// What a `make` came to: kept here, so that a value that is longer than was thought, and that the cache does not
    /// take, is not computed twice.
    template <class Make> struct attempt {
        Make &make;
        std::optional<std::string> made;
        std::exception_ptr thrown;

        static std::int32_t run(cotenant_cache_made *to, void *argument) noexcept
        {
            auto &by = *static_cast<attempt *>(argument);
            try {
                by.made.emplace(by.make());
                return cotenant_cache_made_append(to, by.made->data(), by.made->size());
            } catch (...) {
                by.thrown = std::current_exception();
                return 1;
            }
        }
    };
    template <class Make, class Call> static std::string computed(Make &make, Call &&call)
    {
        attempt<Make> by{make, std::nullopt, nullptr};
        std::string value;
        value.resize(value.capacity());
        for (;;) {
            std::size_t length = 0;
            cotenant_status status = call(&attempt<Make>::run, &by, value.data(), value.size(), &length);
            if (by.thrown) {
                std::rethrow_exception(by.thrown);
            }
            if (by.made) {
                if (status != COTENANT_NO_SPACE) {
                    check(status);
                }
                return *std::move(by.made);
            }
            if (status != COTENANT_NO_SPACE || length <= value.size()) {
                check(status);
                value.resize(length);
                return value;
            }
            value.resize(length);
        }
    }

    std::shared_ptr<cotenant_cache> handle_;
};

} // namespace cotenant

/* Variables with the operators of std::atomic, which give the value afterwards, and load and store. */
#define COTENANT_X_CPP_VARIABLE(name, type)                                                                            \
    namespace cotenant {                                                                                               \
    inline type load(const cotenant_##name &it) noexcept { return cotenant_##name##_load(&it); }                       \
    inline void store(cotenant_##name &it, type value) noexcept { cotenant_##name##_store(&it, value); }               \
    }
#define COTENANT_X_CPP_INTEGER(name, type)                                                                             \
    COTENANT_X_CPP_VARIABLE(name, type)                                                                                \
    inline type operator+=(cotenant_##name &it, type by) noexcept                                                      \
    {                                                                                                                  \
        return static_cast<type>(cotenant_##name##_add(&it, by) + by);                                                 \
    }                                                                                                                  \
    inline type operator-=(cotenant_##name &it, type by) noexcept                                                      \
    {                                                                                                                  \
        return static_cast<type>(cotenant_##name##_sub(&it, by) - by);                                                 \
    }                                                                                                                  \
    inline type operator++(cotenant_##name &it) noexcept { return it += 1; }                                           \
    inline type operator--(cotenant_##name &it) noexcept { return it -= 1; }                                           \
    inline type operator++(cotenant_##name &it, int) noexcept { return cotenant_##name##_add(&it, 1); }                \
    inline type operator--(cotenant_##name &it, int) noexcept { return cotenant_##name##_sub(&it, 1); }

COTENANT_X_CPP_INTEGER(u8, std::uint8_t)
COTENANT_X_CPP_INTEGER(u16, std::uint16_t)
COTENANT_X_CPP_INTEGER(u32, std::uint32_t)
COTENANT_X_CPP_INTEGER(u64, std::uint64_t)
COTENANT_X_CPP_INTEGER(i8, std::int8_t)
COTENANT_X_CPP_INTEGER(i16, std::int16_t)
COTENANT_X_CPP_INTEGER(i32, std::int32_t)
COTENANT_X_CPP_INTEGER(i64, std::int64_t)
COTENANT_X_CPP_VARIABLE(bool, bool)

#endif /* COTENANT_HPP */
