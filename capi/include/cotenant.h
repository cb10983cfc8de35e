/* cotenant.h: variables, segments and locks that processes share, and that survive the death of whoever uses them.
 *
 *     #define WEB(F) F(u64, hits) F(text64, motd)
 *     COTENANT_SHARED(web, WEB);
 *
 *     cotenant_u64_add(&web()->hits, 1);
 *
 * All processes that run the same program, or that declare a block of the same name, count on one variable: no set-up
 * call, no handle. C11 and C++17, gcc and clang, Linux and Windows. docs/c.md is the manual.
 *
 * Link with libcotenant (pkg-config cotenant). Whoever links with libcotenant.a compiles with -DCOTENANT_STATIC.
 *
 * Conventions: functions return a cotenant_status; out-parameters come last and are set only if it is COTENANT_OK (or
 * COTENANT_OWNER_DIED, of calls that lock); texts are UTF-8 that ends with a zero byte; times are in milliseconds and
 * have _ms in their names; all functions may be called by any thread, but must not be cancelled (pthread_cancel).
 * None throws, and none ends the program but those that COTENANT_SHARED has called before main.
 *
 * This file is made by `cargo xtask header` from capi/header and the comments in capi/src. */
#ifndef COTENANT_H
#define COTENANT_H

#if !defined(__GNUC__) && !defined(__clang__)
#error "cotenant.h needs gcc or clang (on Windows: mingw, or clang-cl)"
#endif

#if !defined(__linux__) && !defined(_WIN32)
#error "cotenant.h shares variables on Linux and Windows"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of this header. Of the library that runs: cotenant_version(). */
#define COTENANT_VERSION "0.1.0"

#if defined(_WIN32) && !defined(COTENANT_STATIC)
#define COTENANT_API __declspec(dllimport)
#elif defined(_WIN32)
#define COTENANT_API
#elif defined(COTENANT_STATIC)
/* Of a library of its own: two plug-ins in one process, each with another version, do not meet. */
#define COTENANT_API __attribute__((visibility("hidden")))
#else
#define COTENANT_API __attribute__((visibility("default")))
#endif

#ifdef _WIN32
#define COTENANT_X_SECTION_META ".cotmeta"
#else
#define COTENANT_X_SECTION_META "cotenant_meta"
#endif

/* Kept by the linker's --gc-sections, where the compiler can say so. */
#if defined(__has_attribute) && !defined(_WIN32)
#if __has_attribute(retain)
#define COTENANT_X_RETAIN , retain
#endif
#endif
#ifndef COTENANT_X_RETAIN
#define COTENANT_X_RETAIN
#endif

#define COTENANT_X_UNUSED __attribute__((unused))
/* Of tables: with the blocks' declarations, where tools look for them. */
#define COTENANT_X_TABLE __attribute__((unused, section(COTENANT_X_SECTION_META) COTENANT_X_RETAIN))
#define COTENANT_X_ALIGNED(bytes) __attribute__((aligned(bytes)))

#ifdef __cplusplus
#define COTENANT_NOEXCEPT noexcept
#define COTENANT_X_EXTERN extern "C"
#define COTENANT_X_ALIGNOF(type) alignof(type)
#define COTENANT_X_STATIC_ASSERT static_assert
extern "C" {
#else
#define COTENANT_NOEXCEPT
#define COTENANT_X_EXTERN extern
#define COTENANT_X_ALIGNOF(type) _Alignof(type)
#define COTENANT_X_STATIC_ASSERT _Static_assert
#endif

/* --- Tables: what the macros below declare of types and blocks. For this library and for tools that read binaries. --- */

struct cotenant_type;

/* A field, an array's element, or an enum's value. */
typedef struct cotenant_part {
    const char *name;
    /* A field's offset, or COTENANT_X_NATURAL; an enum's value. */
    uint64_t at;
    struct cotenant_type *type;
} cotenant_part;

/* The layout of a type. */
typedef struct cotenant_type {
    const char *name;
    cotenant_part *parts;
    uint64_t size_bytes;
    uint32_t align_bytes;
    uint32_t part_count;
    uint32_t array_len;
    uint8_t kind;
    uint8_t is_atomic;
    uint8_t reserved[2];
    void *known;
} cotenant_type;

/* A word of a block: name("acme.web"). */
typedef struct cotenant_word {
    uint32_t about;
    uint32_t number;
    const char *text;
} cotenant_word;

/* A block of shared variables. */
typedef struct cotenant_block {
    uint8_t magic[8];
    uint32_t declaration_bytes;
    uint32_t variable_count;
    cotenant_part *variables;
    cotenant_word *words;
    const char *identifier;
    void *block;
    void *pristine;
    uint64_t used_bytes;
    uint64_t padded_bytes;
    void **target;
    void *known;
    uint32_t word_count;
    uint32_t align_bytes;
} cotenant_block;

#if UINTPTR_MAX == UINT64_MAX
COTENANT_X_STATIC_ASSERT(sizeof(cotenant_part) == 24, "cotenant_part has the layout that the library reads");
COTENANT_X_STATIC_ASSERT(sizeof(cotenant_type) == 48, "cotenant_type has the layout that the library reads");
COTENANT_X_STATIC_ASSERT(sizeof(cotenant_word) == 16, "cotenant_word has the layout that the library reads");
COTENANT_X_STATIC_ASSERT(sizeof(cotenant_block) == 96, "cotenant_block has the layout that the library reads");
#endif

/* --- Statuses --- */

/**
 * What a call came to. The numbers are fixed: they stay what they are in every version, and are not those of errno.
 *
 * Only COTENANT_OK and, of calls that lock, COTENANT_OWNER_DIED mean that the call did what it was asked to.
 * cotenant_error_message() says more.
 */
typedef enum cotenant_status {
    /**
     * It is done.
     */
    COTENANT_OK = 0,
    /**
     * No room for the memory: a full tmpfs, a quota, a limit. Make room and try again.
     */
    COTENANT_NO_SPACE = 1,
    /**
     * The system does not let this user do it.
     */
    COTENANT_PERMISSION_DENIED = 2,
    /**
     * Something that is not ours lies where the segment should.
     */
    COTENANT_FOREIGN = 3,
    /**
     * The segment's own bytes make no sense: truncated or damaged.
     */
    COTENANT_CORRUPT = 4,
    /**
     * The segment holds variables of another layout than this program's.
     */
    COTENANT_MISMATCH = 5,
    /**
     * As many participants as the segment has slots are attached.
     */
    COTENANT_FULL = 6,
    /**
     * This system, file system or program image cannot do what was asked.
     */
    COTENANT_UNSUPPORTED = 7,
    /**
     * There is no segment or object of that name.
     */
    COTENANT_NOT_FOUND = 8,
    /**
     * There is one already.
     */
    COTENANT_ALREADY_EXISTS = 9,
    /**
     * A name, scope, option, or an argument that is not allowed.
     */
    COTENANT_INVALID_INPUT = 10,
    /**
     * Other processes kept changing the segment at the same moment, longer than we try.
     */
    COTENANT_BUSY = 11,
    /**
     * This thread would wait for itself.
     */
    COTENANT_WOULD_DEADLOCK = 12,
    /**
     * Somebody else has it. Of calls that do not wait.
     */
    COTENANT_WOULD_BLOCK = 13,
    /**
     * What was waited for did not happen in the time that was given.
     */
    COTENANT_TIMED_OUT = 14,
    /**
     * The lock is held now, by this thread. Its owner died, or unlocked it unrepaired: what it guards may be half
     * changed. Put it right, then say so (cotenant_mutex_consistent); until then the next one is told the same.
     */
    COTENANT_OWNER_DIED = 15,
    /**
     * Sharing was switched off for this process (COTENANT_PRIVATE, raised privileges), or the block is not attached.
     */
    COTENANT_PRIVATE = 16,
    /**
     * Anything else that the system said.
     */
    COTENANT_SYSTEM = 17,
    /**
     * Whoever was to repair what the lock guards gave up. The lock is not held.
     */
    COTENANT_NOT_RECOVERABLE = 18,
    /**
     * This thread does not hold what it was to release. Nothing was changed.
     */
    COTENANT_NOT_OWNER = 19,
    /**
     * A defect of this library: it panicked, and went no further. Please report the message.
     */
    COTENANT_INTERNAL = 20,
    /**
     * A callback said that it cannot: nothing was made.
     */
    COTENANT_CANCELLED = 21,
    /**
     * Nobody writes into the pipe any more, and all that was written has been read.
     */
    COTENANT_END_OF_STREAM = 22,
    /**
     * Nobody reads from the pipe any more.
     */
    COTENANT_BROKEN_PIPE = 23,
} cotenant_status;

/**
 * Why the last call of this thread that failed did: what it did, to what, what the system said and what to do about
 * it, in UTF-8, some with several lines. "" if none has failed yet.
 *
 * The text stays until the next call of this thread that fails. Does not block.
 */
COTENANT_API const char *cotenant_error_message(void) COTENANT_NOEXCEPT;

/**
 * The name of a status, for logs: "COTENANT_NO_SPACE". Of a number that is none: "unknown". Does not block.
 */
COTENANT_API const char *cotenant_status_name(int32_t status) COTENANT_NOEXCEPT;

/**
 * The version of the library that runs, as "0.1.0". That of the header is COTENANT_VERSION. Does not block.
 */
COTENANT_API const char *cotenant_version(void) COTENANT_NOEXCEPT;

/* --- Blocks of shared variables --- */

/**
 * Called by what COTENANT_SHARED expands to, before main: makes the block known.
 */
COTENANT_API void cotenant_block_register(const cotenant_block *block) COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_SHARED expands to, before main and after all blocks of the image are known: attaches them.
 * Ends the program with status 78 and one line on standard error if that cannot be done, unless the block says
 * on_failure(private).
 */
COTENANT_API void cotenant_attach_at_load(void) COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_SHARED expands to, when the library that declares the block is unloaded.
 */
COTENANT_API void cotenant_block_unregister(const cotenant_block *block) COTENANT_NOEXCEPT;

/**
 * Attaches a block that was declared with COTENANT_SHARED_BY_CALL; of one that is attached does nothing. From then on
 * its accessor gives the shared variables, whatever the private ones held before.
 *
 * May be called any number of times, from any thread. Blocks for the time of a few system calls, or while another
 * process that removes or grows the same segment finishes (about two seconds at most). If it fails the variables stay
 * private, and the call can be repeated.
 */
COTENANT_API cotenant_status cotenant_block_attach(const cotenant_block *block) COTENANT_NOEXCEPT;

/**
 * Whether the block is shared: COTENANT_OK, or what kept it from being (cotenant_error_message() says it in words).
 * For blocks with on_failure(private), and those attached by call. Does not block.
 */
COTENANT_API cotenant_status cotenant_block_status(const cotenant_block *block) COTENANT_NOEXCEPT;

/* --- Mutex --- */

/**
 * Mutual exclusion between the threads of all processes that share it; 8 bytes, all zero when nobody holds it.
 *
 * It lies in a block of shared variables or in an object of a segment, beside what it guards or, as COTENANT_MUTEX
 * declares it, before it. In other memory it works between the threads of one process. A process that is killed while
 * it holds the lock holds nobody up: the next one gets COTENANT_OWNER_DIED. A live owner, stopped or slow, is never
 * robbed. Not recursive, not fair, without priority inheritance. After a fork the child does not hold what its parent
 * held.
 */
typedef struct COTENANT_X_ALIGNED(8) cotenant_mutex {
    /**
     * For the functions below alone.
     */
    uint64_t word;
} cotenant_mutex;

/**
 * Waits until the lock is free, and takes it.
 *
 * Gives COTENANT_OK or COTENANT_OWNER_DIED with the lock held. Else it is not held: COTENANT_WOULD_DEADLOCK (this
 * thread holds it already), COTENANT_NOT_RECOVERABLE, or COTENANT_FULL and what else kept the process from taking a
 * slot of the segment. Blocks while somebody else who lives holds the lock. A dead owner is noticed at once where the
 * kernel tells (glibc, the outermost lock of a thread), else within some 20 ms of its memory being given back.
 */
COTENANT_API cotenant_status cotenant_mutex_lock(struct cotenant_mutex *mutex) COTENANT_NOEXCEPT;

/**
 * As cotenant_mutex_lock, but does not wait: COTENANT_WOULD_BLOCK if somebody else who lives holds the lock.
 */
COTENANT_API cotenant_status cotenant_mutex_try_lock(struct cotenant_mutex *mutex) COTENANT_NOEXCEPT;

/**
 * As cotenant_mutex_lock, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_mutex_lock_timeout(struct cotenant_mutex *mutex,
                                            uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * As cotenant_mutex_lock, and takes also a lock that was given up: with COTENANT_OWNER_DIED. The way out of
 * COTENANT_NOT_RECOVERABLE for whoever can make what it guards anew.
 */
COTENANT_API cotenant_status cotenant_mutex_lock_given_up(struct cotenant_mutex *mutex) COTENANT_NOEXCEPT;

/**
 * Releases the lock and wakes one who waits. If it was taken with COTENANT_OWNER_DIED and is not said to be
 * consistent, the next one gets COTENANT_OWNER_DIED again.
 *
 * COTENANT_NOT_OWNER: this thread does not hold it (a child of a fork never holds its parent's). Does not block.
 */
COTENANT_API cotenant_status cotenant_mutex_unlock(struct cotenant_mutex *mutex) COTENANT_NOEXCEPT;

/**
 * Releases the lock as if this process had died in it: the next one gets COTENANT_OWNER_DIED. For who finds that what the
 * lock guards is half changed and cannot put it right, but another one may. COTENANT_NOT_OWNER. Does not block.
 */
COTENANT_API
cotenant_status cotenant_mutex_abandon(struct cotenant_mutex *mutex)
COTENANT_NOEXCEPT;

/**
 * Says that what the lock guards is whole again, after COTENANT_OWNER_DIED. The lock stays held.
 *
 * COTENANT_NOT_OWNER: this thread does not hold it. Does not block. Killed before it, the next one gets
 * COTENANT_OWNER_DIED.
 */
COTENANT_API cotenant_status cotenant_mutex_consistent(struct cotenant_mutex *mutex) COTENANT_NOEXCEPT;

/**
 * Releases the lock, and says that what it guards cannot be repaired: everybody gets COTENANT_NOT_RECOVERABLE from now
 * on, until cotenant_mutex_lock_given_up is called.
 *
 * COTENANT_NOT_OWNER: this thread does not hold it. Does not block.
 */
COTENANT_API cotenant_status cotenant_mutex_give_up(struct cotenant_mutex *mutex) COTENANT_NOEXCEPT;

/* --- Segments --- */

/**
 * What the memory of a segment is made of; docs/segments.md says what each can do.
 */
typedef enum cotenant_backing {
    /**
     * What has a name on this system: a POSIX segment on Linux, a file mapping on Windows.
     */
    COTENANT_BACKING_DEFAULT = 0,
    /**
     * Memory without a name: for a process and the children that it forks.
     */
    COTENANT_BACKING_ANONYMOUS = 1,
    /**
     * A file in memory without a name: for children, and for whoever is sent its descriptor.
     */
    COTENANT_BACKING_MEMFD = 2,
    /**
     * A file in a folder of /dev/shm, found by its name.
     */
    COTENANT_BACKING_POSIX = 3,
    /**
     * A System V segment, found by sysv_key, or by sysv_file and a number in sysv_key.
     */
    COTENANT_BACKING_SYSV = 4,
    /**
     * A file on any disk, found by its path, which is the name.
     */
    COTENANT_BACKING_FILE = 5,
    /**
     * A named file mapping of Windows.
     */
    COTENANT_BACKING_FILE_MAPPING = 6,
} cotenant_backing;

/**
 * A segment that this process only reads. Opaque: made by cotenant_reader_open, freed by cotenant_reader_close.
 */
typedef struct cotenant_reader cotenant_reader;

/**
 * A segment that this process is attached to. Opaque: made by cotenant_segment_create and its kin, freed by
 * cotenant_segment_close.
 */
typedef struct cotenant_segment cotenant_segment;

/**
 * How a segment is to be. All zero are the defaults, so set what you want of `cotenant_segment_options options = {0};`
 * (in C++ `{}`), or pass a null pointer. They count for the one who creates the segment; who finds it gets it as it
 * is, but for mode and group: those that are given must be the segment's. What a backing cannot do is refused before
 * any system call.
 */
typedef struct cotenant_segment_options {
    /**
     * A cotenant_backing.
     */
    uint32_t backing;
    /**
     * Permission bits: who may write and read. 0: 0600. Others: 0660 for a group, 0640 or 0644 for readers.
     */
    uint32_t mode;
    /**
     * Bytes that its objects may come to take: address space, not memory. 0: 64 MiB.
     */
    uint64_t max_bytes;
    /**
     * Objects that it may come to hold, 1 to 65,536. 0: 1,024.
     */
    uint32_t max_objects;
    /**
     * Processes that may be attached at once, 1 to 4,095. 0: 1,024.
     */
    uint32_t max_participants;
    /**
     * The values live until the name is removed, not only while somebody is attached.
     */
    bool keep_until_removed;
    /**
     * Asks for huge pages (2 MiB) for what is reserved at once: a wish.
     */
    bool huge_pages;
    /**
     * Has memory be there before the first access.
     */
    bool prefault;
    /**
     * Of readers: `user` is whose segment it is; else the one who runs the program.
     */
    bool has_user;
    /**
     * The user that `has_user` speaks of.
     */
    uint32_t user;
    /**
     * Of COTENANT_BACKING_SYSV: the key, 0 for IPC_PRIVATE; with sysv_file a number from 1 to 255, as of ftok.
     */
    int32_t sysv_key;
    /**
     * Zero.
     */
    uint32_t reserved_number;
    /**
     * Of COTENANT_BACKING_SYSV: a file or folder that goes into the key; null: the key is sysv_key alone.
     */
    const char *sysv_file;
    /**
     * The group that mode speaks of; null: the process's own.
     */
    const char *group;
    /**
     * Keeps segments of one name apart; null: COTENANT_SCOPE, "": none.
     */
    const char *scope;
    /**
     * Where it lies, an absolute path; null: COTENANT_DIR, or the user's own folder in /dev/shm.
     */
    const char *folder;
    /**
     * Zero: for options of later versions.
     */
    uint64_t reserved[4];
} cotenant_segment_options;

/**
 * Makes the value of an object: `object` is its memory, all zero, and `argument` what was passed beside it. Gives 0, or
 * anything else if it cannot: then there is no object, and the next one who asks makes it. It may ask for other objects
 * of the segment. (A flag's seed and a histogram's usual ranges are there already.) It must not throw, and not jump
 * out.
 */
typedef int32_t (*cotenant_init)(void *object, void *argument);

/**
 * Makes a segment and attaches to it: COTENANT_ALREADY_EXISTS if a process is attached to one of that name, or it is
 * kept. What only the dead left is removed first.
 *
 * The name has at most 100 of A-Z a-z 0-9 . _ -, and is shared with named blocks; of a file it is a path. Other
 * statuses: COTENANT_INVALID_INPUT, COTENANT_UNSUPPORTED (an option), COTENANT_NO_SPACE, COTENANT_PERMISSION_DENIED,
 * COTENANT_FOREIGN, COTENANT_PRIVATE, COTENANT_SYSTEM. Blocks while others are at work on the name, about two seconds
 * at most. Killed in it, a process leaves nothing, or a segment that the next one removes.
 */
COTENANT_API
cotenant_status cotenant_segment_create(const char *name,
                                        const struct cotenant_segment_options *options,
                                        struct cotenant_segment **segment)
COTENANT_NOEXCEPT;

/**
 * Attaches to a segment that is there: COTENANT_NOT_FOUND if there is none, or only what the dead left.
 * COTENANT_FULL if as many processes as it was made for are attached, COTENANT_MISMATCH if it has another mode or
 * holds a block's variables, COTENANT_CORRUPT; else as cotenant_segment_create.
 */
COTENANT_API
cotenant_status cotenant_segment_open(const char *name,
                                      const struct cotenant_segment_options *options,
                                      struct cotenant_segment **segment)
COTENANT_NOEXCEPT;

/**
 * Attaches to the segment of that name, and makes it if there is none; of those who try at the same time one makes it
 * (cotenant_segment_is_created). As cotenant_segment_open and cotenant_segment_create.
 */
COTENANT_API
cotenant_status cotenant_segment_open_or_create(const char *name,
                                                const struct cotenant_segment_options *options,
                                                struct cotenant_segment **segment)
COTENANT_NOEXCEPT;

/**
 * Takes the name from a segment, in use or not: whoever starts from here on makes another one; those attached go on
 * with each other. COTENANT_NOT_FOUND if there is none. Waits while others are at work on the name.
 */
COTENANT_API
cotenant_status cotenant_segment_unlink(const char *name,
                                        const struct cotenant_segment_options *options)
COTENANT_NOEXCEPT;

/**
 * Detaches, and frees the handle: no thread may use it, or an object of it, any more. The values stay for the others.
 * Of a null pointer it does nothing. Does not block. (At the end of a process the system does it.)
 */
COTENANT_API void cotenant_segment_close(struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * The object of that name and type; if there is none it is made by `init` (a null pointer: all zero), once, however
 * many processes and threads ask at the same time.
 *
 * `type` is COTENANT_TYPE(u64), of a type word that may stand in a block, or COTENANT_VALUE_TYPE(word) for values that
 * are written by init alone. A name has 1 to 128 bytes of UTF-8 without control characters.
 *
 * COTENANT_MISMATCH: it has another type; the message tells field by field how. COTENANT_CANCELLED: init gave another
 * number than 0. COTENANT_NO_SPACE: the table, the segment or the system's memory is full; nothing was changed.
 * COTENANT_WOULD_DEADLOCK: init asked for its own object. COTENANT_BUSY, COTENANT_CORRUPT, COTENANT_FULL.
 *
 * Blocks while another one makes the object; if that one is killed, one of those who wait makes it. Later calls for the
 * same name take some ten nanoseconds. The pointer is valid until cotenant_segment_close.
 */
COTENANT_API
cotenant_status cotenant_segment_get_or_init(const struct cotenant_segment *segment,
                                             const char *name,
                                             const cotenant_type *type,
                                             cotenant_init init,
                                             void *argument,
                                             void **object)
COTENANT_NOEXCEPT;

/**
 * As cotenant_segment_get_or_init, but waits at most timeout_ms milliseconds while another one makes the object: then
 * COTENANT_TIMED_OUT, with who makes it in the message. How long one's own init takes is not bounded.
 */
COTENANT_API
cotenant_status cotenant_segment_get_or_init_timeout(const struct cotenant_segment *segment,
                                                     const char *name,
                                                     const cotenant_type *type,
                                                     uint64_t timeout_ms,
                                                     cotenant_init init,
                                                     void *argument,
                                                     void **object)
COTENANT_NOEXCEPT;

/**
 * The object of that name and type, if it is there: COTENANT_NOT_FOUND if there is none, or if its value is still being
 * made. Waits for nobody. Else as cotenant_segment_get_or_init.
 */
COTENANT_API
cotenant_status cotenant_segment_get(const struct cotenant_segment *segment,
                                     const char *name,
                                     const cotenant_type *type,
                                     void **object)
COTENANT_NOEXCEPT;

/**
 * Takes the name from an object: COTENANT_NOT_FOUND if there is none. Who has a pointer goes on with the value, and the
 * next cotenant_segment_get_or_init of that name makes another object; the memory is free again when nobody is attached
 * any more. Waits some microseconds for others who add or remove. COTENANT_BUSY, COTENANT_CORRUPT, COTENANT_FULL.
 */
COTENANT_API
cotenant_status cotenant_segment_remove(const struct cotenant_segment *segment,
                                        const char *name)
COTENANT_NOEXCEPT;

/**
 * Where the segment is found, for people. The text stays until cotenant_segment_close. Does not block.
 */
COTENANT_API const char *cotenant_segment_path(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * Whether the call that gave this handle made the segment. Does not block.
 */
COTENANT_API bool cotenant_segment_is_created(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * Whether the segment's name is gone: processes that start now share with each other, and not with this one. Asks the
 * system.
 */
COTENANT_API bool cotenant_segment_is_unlinked(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * Bytes that objects can take, as the creator chose it. Does not block.
 */
COTENANT_API uint64_t cotenant_segment_max_bytes(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * Bytes that objects take, those whose names were removed included. Does not block.
 */
COTENANT_API uint64_t cotenant_segment_used_bytes(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * How many processes are attached and hold a slot, this one included. Asks the system; for diagnostics.
 */
COTENANT_API uint32_t cotenant_segment_participants(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * Writes the values of a file to the disk, and waits for it: they survive a fall of the machine from then on. Of other
 * backings there is nothing to do. COTENANT_SYSTEM, COTENANT_NO_SPACE: what the system says of the disk.
 */
COTENANT_API cotenant_status cotenant_segment_sync(const struct cotenant_segment *segment) COTENANT_NOEXCEPT;

/**
 * Attaches to a segment to read it: it is mapped read-only, takes no slot and no lock, and holds nobody up.
 * COTENANT_NOT_FOUND: there is none, or nobody is attached to it and it is not kept. COTENANT_UNSUPPORTED: a backing
 * that cannot be read without being written. COTENANT_PERMISSION_DENIED, COTENANT_FOREIGN, COTENANT_MISMATCH,
 * COTENANT_CORRUPT, COTENANT_SYSTEM. Does not block.
 */
COTENANT_API
cotenant_status cotenant_reader_open(const char *name,
                                     const struct cotenant_segment_options *options,
                                     struct cotenant_reader **reader)
COTENANT_NOEXCEPT;

/**
 * The object of that name and type: COTENANT_NOT_FOUND if there is none. Others may change it at any moment, so read
 * variables with their _load; a value under a lock may be half changed. The memory can only be read: a store, and any
 * call that locks, is a signal. The pointer is valid until cotenant_reader_close. Waits for nobody.
 * COTENANT_MISMATCH, COTENANT_INVALID_INPUT, COTENANT_CORRUPT.
 */
COTENANT_API
cotenant_status cotenant_reader_get(const struct cotenant_reader *reader,
                                    const char *name,
                                    const cotenant_type *type,
                                    const void **object)
COTENANT_NOEXCEPT;

/**
 * Detaches, and frees the handle: no thread may use it, or an object of it, any more. Of a null pointer it does
 * nothing. Does not block.
 */
COTENANT_API void cotenant_reader_close(struct cotenant_reader *reader) COTENANT_NOEXCEPT;

/* --- Texts --- */

/**
 * Puts a text into a variable of `capacity` bytes: what the macro COTENANT_TEXT_SET calls.
 *
 * COTENANT_NO_SPACE: it does not fit; COTENANT_INVALID_INPUT: it is not UTF-8. Nothing was changed then. A process that
 * is killed in it leaves the old text, none, or the new one. Two that set a text at the same time may leave a mixture,
 * and who reads meanwhile may see one: put a lock beside it if there is more than one who sets it. Does not block.
 */
COTENANT_API
cotenant_status cotenant_text_set(uint32_t *length,
                                  char *bytes,
                                  size_t capacity,
                                  const char *text)
COTENANT_NOEXCEPT;

/**
 * Copies a text of at most `capacity` bytes to `out`, with a zero byte behind it, and gives its length: what the macro
 * COTENANT_TEXT_GET calls. `out` has `out_bytes`; what does not fit is cut off, between characters. Bytes that are no
 * UTF-8 (a writer was killed, or two wrote at once) end the text. Does not block.
 */
COTENANT_API
size_t cotenant_text_get(const uint32_t *length,
                         const char *bytes,
                         size_t capacity,
                         char *out,
                         size_t out_bytes)
COTENANT_NOEXCEPT;

/* --- Descriptors of segments --- */

/**
 * A descriptor that leads to this segment, for a process that is to share it and gives it to
 * cotenant_segment_of_descriptor: sent over a Unix socket, or inherited by a program (it is close-on-exec: for that a
 * copy by dup2 that is not). Close it like any other; as long as it is open anywhere the segment counts as in use.
 * COTENANT_UNSUPPORTED: the segment is no file (COTENANT_BACKING_ANONYMOUS, COTENANT_BACKING_SYSV), or this is Windows.
 * COTENANT_SYSTEM: its name was removed. Does not block.
 */
COTENANT_API
cotenant_status cotenant_segment_to_descriptor(const cotenant_segment *segment,
                                               int32_t *descriptor)
COTENANT_NOEXCEPT;

/**
 * Attaches to the segment that a descriptor of cotenant_segment_to_descriptor leads to. The descriptor is this call's,
 * also if it fails: it closes it, or keeps it where no name leads to the segment. It is checked before it is used, for
 * whoever sent it may be hostile. COTENANT_FOREIGN: it leads to no segment, to a memfd that is not sealed, or to another
 * user's file. COTENANT_CORRUPT, COTENANT_MISMATCH, COTENANT_PERMISSION_DENIED; COTENANT_NOT_FOUND: nobody is attached
 * to it any more; COTENANT_INVALID_INPUT: no open descriptor; COTENANT_UNSUPPORTED: this is Windows. Does not block.
 */
COTENANT_API
cotenant_status cotenant_segment_of_descriptor(int32_t descriptor,
                                               cotenant_segment **segment)
COTENANT_NOEXCEPT;

/* --- What there is --- */

/**
 * What a segment was made for.
 */
typedef enum cotenant_contents {
    /**
     * Its header does not say.
     */
    COTENANT_CONTENTS_UNKNOWN = 0,
    /**
     * The unnamed blocks of one program or library.
     */
    COTENANT_CONTENTS_IMAGE = 1,
    /**
     * One named block.
     */
    COTENANT_CONTENTS_BLOCK = 2,
    /**
     * Objects.
     */
    COTENANT_CONTENTS_OBJECTS = 3,
} cotenant_contents;

/**
 * What cotenant_prune has removed, or would remove.
 */
typedef enum cotenant_leftover {
    /**
     * Something of a later version of this library.
     */
    COTENANT_LEFTOVER_OTHER = 0,
    /**
     * A segment that nobody is attached to, and that was not to be kept.
     */
    COTENANT_LEFTOVER_DEAD = 1,
    /**
     * A kept segment that nobody is attached to.
     */
    COTENANT_LEFTOVER_KEPT = 2,
    /**
     * A segment whose maker was killed before it was whole.
     */
    COTENANT_LEFTOVER_UNFINISHED = 3,
    /**
     * The locks of a segment that is gone.
     */
    COTENANT_LEFTOVER_LOCKS = 4,
} cotenant_leftover;

/**
 * A segment as it was found: what its header says and what the system tells about it. The texts stay during the
 * callback that gets it.
 */
typedef struct cotenant_segment_info {
    /**
     * Its file.
     */
    const char *path;
    /**
     * Its name; of an image's unnamed blocks, the program's.
     */
    const char *name;
    /**
     * Its scope; "" without one.
     */
    const char *scope;
    /**
     * What its memory is made of: "posix", "file", "system v".
     */
    const char *backing;
    /**
     * Why the numbers make no sense, which are zeros then; null: they do.
     */
    const char *damage;
    /**
     * Memory, or disk, that it takes, in bytes.
     */
    uint64_t allocated_bytes;
    /**
     * Bytes of values in use.
     */
    uint64_t used_bytes;
    /**
     * Bytes that its file may grow to.
     */
    uint64_t max_bytes;
    /**
     * A cotenant_contents.
     */
    uint32_t contents;
    /**
     * How many processes are attached, readers not among them.
     */
    uint32_t participants;
    /**
     * The user who owns it.
     */
    uint32_t user;
    /**
     * Permission bits of the file.
     */
    uint32_t mode;
    /**
     * Whether a process, or a reader, has it mapped. If not, the next one to attach starts afresh, unless it is kept.
     */
    bool is_alive;
    /**
     * Whether its values live until its name is removed.
     */
    bool is_kept;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} cotenant_segment_info;

/**
 * Is called for each segment. Gives 0 to go on, anything else to end there. It must not throw, and not jump out.
 */
typedef int32_t (*cotenant_segment_visit)(const struct cotenant_segment_info *segment, void *argument);

/**
 * Is called for what cotenant_prune has removed or, in a dry run, would remove: its file, a cotenant_leftover, and the
 * bytes of memory or disk that it took. It must not throw, and not jump out.
 */
typedef void (*cotenant_prune_visit)(const char *path, uint32_t leftover, uint64_t allocated_bytes, void *argument);

/**
 * An object of a segment. The texts stay during the callback that gets it.
 */
typedef struct cotenant_object_info {
    /**
     * Its name.
     */
    const char *name;
    /**
     * Its type, as a Rust programmer would write it.
     */
    const char *type_name;
    /**
     * The size of its value.
     */
    uint64_t bytes;
    /**
     * Where the value lies: bytes from the start of the segment.
     */
    uint64_t at;
    /**
     * Equal for types that may share bytes.
     */
    uint64_t fingerprint;
    /**
     * Whether the value is there: not if somebody makes it, or was killed making it.
     */
    bool is_ready;
    /**
     * Zero.
     */
    uint8_t reserved[7];
} cotenant_object_info;

/**
 * As cotenant_segment_visit, for objects.
 */
typedef int32_t (*cotenant_object_visit)(const struct cotenant_object_info *object, void *argument);

/**
 * Calls `visit` for each segment of this user (and, if they can be seen, those that others let us read), of blocks,
 * too; in `folder` alone, if that is not null. For people and tools: it asks the system about each.
 * COTENANT_PERMISSION_DENIED, COTENANT_SYSTEM: a folder cannot be read. COTENANT_INVALID_INPUT. Waits for nobody.
 */
COTENANT_API
cotenant_status cotenant_segment_list(const char *folder,
                                      cotenant_segment_visit visit,
                                      void *argument)
COTENANT_NOEXCEPT;

/**
 * Removes what nobody is attached to: segments of programs that were killed, halves of segments, locks without a
 * segment; `kept_too`: also segments that were to be kept, whose values are lost. With `dry_run` it only tells.
 * `folder` is where, or null: where this user's programs put segments. `visit` is called for each, and may be null.
 * Safe at any moment, also while programs start. COTENANT_PERMISSION_DENIED, COTENANT_SYSTEM, COTENANT_INVALID_INPUT.
 */
COTENANT_API
cotenant_status cotenant_prune(const char *folder,
                               bool kept_too,
                               bool dry_run,
                               cotenant_prune_visit visit,
                               void *argument)
COTENANT_NOEXCEPT;

/**
 * Calls `visit` for each object of the segment that has a name, those that others add meanwhile included. For
 * diagnostics: it reads every object's description. Waits for nobody. COTENANT_INVALID_INPUT.
 */
COTENANT_API
cotenant_status cotenant_segment_objects(const cotenant_segment *segment,
                                         cotenant_object_visit visit,
                                         void *argument)
COTENANT_NOEXCEPT;

/**
 * As cotenant_segment_objects, of a segment that this process only reads.
 */
COTENANT_API
cotenant_status cotenant_reader_objects(const cotenant_reader *reader,
                                        cotenant_object_visit visit,
                                        void *argument)
COTENANT_NOEXCEPT;

/* --- The other locks --- */

/**
 * Many readers or one writer; 576 bytes, all zero when nobody is in. 64 threads read at a time, one more waits. A dead
 * reader is forgotten; after a dead writer the next one, reader or writer, gets COTENANT_OWNER_DIED and holds the lock
 * for writing. A writer that waits keeps new readers out.
 */
typedef struct COTENANT_X_ALIGNED(64) cotenant_rwlock {
    /**
     * For the functions below alone.
     */
    uint64_t words[72];
} cotenant_rwlock;

/**
 * A condition that threads wait for under a mutex; 4 bytes, all zero.
 */
typedef struct cotenant_condvar {
    /**
     * For the functions below alone.
     */
    uint32_t word;
} cotenant_condvar;

/**
 * Set until it is reset; who waits goes on when it is set. 4 bytes, all zero when it is not set. Nobody owns it, so no
 * death holds it up.
 */
typedef struct cotenant_event {
    /**
     * For the functions below alone.
     */
    uint32_t word;
} cotenant_event;

/**
 * What is done once; 16 bytes, all zero at first. Who is killed in it leaves it to the next one.
 */
typedef struct cotenant_once {
    /**
     * For the functions below alone.
     */
    uint32_t completed;
    /**
     * Zero.
     */
    uint32_t unused;
    /**
     * For the functions below alone.
     */
    uint64_t lock;
} cotenant_once;

/**
 * One process leads; 16 bytes, all zero when nobody does.
 */
typedef struct cotenant_leader {
    /**
     * For the functions below alone.
     */
    uint64_t lock;
    /**
     * Leaderships so far.
     */
    uint64_t term;
} cotenant_leader;

/**
 * A permit or a leadership that this process has, in the caller's own memory. Any thread of the process may give it back.
 */
typedef struct cotenant_kept {
    /**
     * For the functions below alone.
     */
    uint64_t word;
    /**
     * Of a leadership, its term: higher than all before it. Give it to what the leader commands, so that a late command
     * of an old leader can be refused.
     */
    uint64_t term;
    /**
     * For the functions below alone.
     */
    uint32_t index;
    /**
     * Zero.
     */
    uint32_t unused;
} cotenant_kept;

/**
 * The head of a semaphore, which COTENANT_SEMAPHORE(word, max) declares: its permits, 0 to max, are its initial value.
 */
typedef struct COTENANT_X_ALIGNED(8) cotenant_semaphore {
    /**
     * How many there are.
     */
    uint32_t permits;
    /**
     * For the functions below alone.
     */
    uint32_t words[3];
} cotenant_semaphore;

/**
 * The head of a barrier, which COTENANT_BARRIER(word, count) declares; all zero when nobody has come.
 */
typedef struct cotenant_barrier {
    /**
     * For the functions below alone.
     */
    uint64_t lock;
    /**
     * For the functions below alone.
     */
    uint32_t generations[2];
} cotenant_barrier;

/**
 * Waits until no writer is in, and reads. COTENANT_OWNER_DIED: a writer died, and the lock is held for writing now: put
 * the value right, say so (cotenant_rwlock_consistent), unlock, and read again. COTENANT_WOULD_DEADLOCK: this thread
 * writes, or reads 64 times. Else as cotenant_mutex_lock.
 */
COTENANT_API cotenant_status cotenant_rwlock_read(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_rwlock_read, but does not wait: COTENANT_WOULD_BLOCK.
 */
COTENANT_API cotenant_status cotenant_rwlock_try_read(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_rwlock_read, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_rwlock_read_timeout(struct cotenant_rwlock *lock,
                                             uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * Waits until nobody else is in, and writes. COTENANT_OWNER_DIED: a writer died; the lock is held. As
 * cotenant_mutex_lock; COTENANT_WOULD_DEADLOCK also if this thread reads.
 */
COTENANT_API cotenant_status cotenant_rwlock_write(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_rwlock_write, but does not wait: COTENANT_WOULD_BLOCK.
 */
COTENANT_API cotenant_status cotenant_rwlock_try_write(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_rwlock_write, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_rwlock_write_timeout(struct cotenant_rwlock *lock,
                                              uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * As cotenant_rwlock_write, and takes also a lock that was given up: with COTENANT_OWNER_DIED.
 */
COTENANT_API cotenant_status cotenant_rwlock_write_given_up(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * Ends reading or writing, whichever this thread does. As cotenant_mutex_unlock.
 */
COTENANT_API cotenant_status cotenant_rwlock_unlock(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_mutex_abandon, of a writer.
 */
COTENANT_API cotenant_status cotenant_rwlock_abandon(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_mutex_consistent, of a writer.
 */
COTENANT_API cotenant_status cotenant_rwlock_consistent(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * As cotenant_mutex_give_up, of a writer.
 */
COTENANT_API cotenant_status cotenant_rwlock_give_up(struct cotenant_rwlock *lock) COTENANT_NOEXCEPT;

/**
 * Unlocks the mutex, waits for a notification for at most timeout_ms milliseconds, and locks again. Returns at the latest
 * after 100 ms, notified or not: look at what you wait for, and wait again.
 *
 * COTENANT_OK, or COTENANT_OWNER_DIED: the lock is held. COTENANT_NOT_OWNER: this thread did not hold it. Else as
 * cotenant_mutex_lock, and it is not held.
 */
COTENANT_API
cotenant_status cotenant_condvar_wait(struct cotenant_condvar *condvar,
                                      cotenant_mutex *mutex,
                                      uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * Wakes one who waits; change what it waits for under the lock before. Of a null pointer it does nothing. Does not
 * block.
 */
COTENANT_API void cotenant_condvar_notify_one(struct cotenant_condvar *condvar) COTENANT_NOEXCEPT;

/**
 * Wakes all who wait; change what they wait for under the lock before. Of a null pointer it does nothing. Does not
 * block.
 */
COTENANT_API void cotenant_condvar_notify_all(struct cotenant_condvar *condvar) COTENANT_NOEXCEPT;

/**
 * Sets the event, and wakes all who wait. What was written before it is seen after a wait that it ended. Of a null
 * pointer it does nothing.
 */
COTENANT_API void cotenant_event_set(struct cotenant_event *event) COTENANT_NOEXCEPT;

/**
 * Makes it an event that is not set. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_event_reset(struct cotenant_event *event) COTENANT_NOEXCEPT;

/**
 * Whether it is set; false of a null pointer. Does not block.
 */
COTENANT_API bool cotenant_event_is_set(const struct cotenant_event *event) COTENANT_NOEXCEPT;

/**
 * Waits until the event is set. Who was to set it may be dead: then nobody does. Of a null pointer it does not wait.
 */
COTENANT_API void cotenant_event_wait(struct cotenant_event *event) COTENANT_NOEXCEPT;

/**
 * As cotenant_event_wait, but at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_event_wait_timeout(struct cotenant_event *event,
                                            uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * Calls `function` with `object`, unless that was done already; others wait meanwhile. If it gives another number than
 * 0, or is killed, the next one does it, and finds `object` as that one left it, not zero: COTENANT_CANCELLED.
 * COTENANT_WOULD_DEADLOCK: called from `function` itself.
 */
COTENANT_API
cotenant_status cotenant_once_call(struct cotenant_once *once,
                                   cotenant_init function,
                                   void *object,
                                   void *argument)
COTENANT_NOEXCEPT;

/**
 * Whether it was done; false of a null pointer. Does not block.
 */
COTENANT_API bool cotenant_once_is_completed(const struct cotenant_once *once) COTENANT_NOEXCEPT;

/**
 * Waits until nobody else leads, and leads. `kept` is for cotenant_leader_step_down; who ends or is killed leads no more.
 * COTENANT_WOULD_DEADLOCK: this thread leads already. COTENANT_FULL and what else kept the process from taking a slot.
 */
COTENANT_API
cotenant_status cotenant_leader_lead(struct cotenant_leader *leader,
                                     struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * As cotenant_leader_lead, but does not wait: COTENANT_WOULD_BLOCK if somebody else who lives leads.
 */
COTENANT_API
cotenant_status cotenant_leader_try_lead(struct cotenant_leader *leader,
                                         struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * As cotenant_leader_lead, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_leader_lead_timeout(struct cotenant_leader *leader,
                                             uint64_t timeout_ms,
                                             struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * Leads no more. COTENANT_NOT_OWNER: this process does not lead under what was kept. Does not block.
 */
COTENANT_API
cotenant_status cotenant_leader_step_down(struct cotenant_leader *leader,
                                          const struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * Waits until a permit is free, and takes it: what COTENANT_SEMAPHORE_ACQUIRE calls. `max` is that of the declaration.
 * `kept` is for cotenant_semaphore_release, which any thread of the process may call; a dead process's come back.
 * COTENANT_FULL and what else kept the process from taking a slot.
 */
COTENANT_API
cotenant_status cotenant_semaphore_acquire(struct cotenant_semaphore *semaphore,
                                           size_t max,
                                           struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * As cotenant_semaphore_acquire, but does not wait: COTENANT_WOULD_BLOCK if all permits are taken by the living.
 */
COTENANT_API
cotenant_status cotenant_semaphore_try_acquire(struct cotenant_semaphore *semaphore,
                                               size_t max,
                                               struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * As cotenant_semaphore_acquire, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_semaphore_acquire_timeout(struct cotenant_semaphore *semaphore,
                                                   size_t max,
                                                   uint64_t timeout_ms,
                                                   struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * Gives a permit back, and wakes one who waits. COTENANT_NOT_OWNER: it is none of this process's, or was given back
 * already. Does not block.
 */
COTENANT_API
cotenant_status cotenant_semaphore_release(struct cotenant_semaphore *semaphore,
                                           size_t max,
                                           const struct cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * Waits until as many threads have come as the barrier is declared for: what COTENANT_BARRIER_WAIT calls. `is_leader`
 * (or null) is true for one of them. The dead do not count: then the others wait for one more.
 */
COTENANT_API
cotenant_status cotenant_barrier_wait(struct cotenant_barrier *barrier,
                                      size_t count,
                                      bool *is_leader)
COTENANT_NOEXCEPT;

/**
 * As cotenant_barrier_wait, but at most timeout_ms milliseconds: then COTENANT_TIMED_OUT, and this thread has not come.
 */
COTENANT_API
cotenant_status cotenant_barrier_wait_timeout(struct cotenant_barrier *barrier,
                                              size_t count,
                                              uint64_t timeout_ms,
                                              bool *is_leader)
COTENANT_NOEXCEPT;

/* --- Published bytes --- */

/**
 * Bytes that one publishes and all see: every load gives a whole snapshot, of the newest publish, and waits for nobody.
 * Opaque: made by cotenant_published_open or cotenant_published_read, freed by cotenant_published_close. Threads may
 * share it. Rust's PublishedBytes of the same segment and name is the same object.
 */
typedef struct cotenant_published cotenant_published;

/**
 * Makes the next snapshot of the newest one: `old` are its old_length bytes. Writes at most `capacity` bytes, which is
 * cotenant_published_max_bytes, to `fresh`, and their number to *fresh_length, which is 0 at first. Gives 0, or anything
 * else if nothing is to be published. It must not throw, not jump out, and not publish here.
 */
typedef int32_t (*cotenant_bytes_change)(const void *old,
                                         size_t old_length,
                                         void *fresh,
                                         size_t capacity,
                                         size_t *fresh_length,
                                         void *argument);

/**
 * The published bytes of that name in a segment; if there are none they are made, with room for max_bytes in each of 8
 * buffers, and without a first snapshot: its number is 0 and its length too. Who comes later finds the maker's size.
 *
 * Close the handle before the segment. COTENANT_MISMATCH: an object of that name has another type. COTENANT_NO_SPACE,
 * COTENANT_INVALID_INPUT, COTENANT_BUSY, COTENANT_CORRUPT. Blocks while another one makes it.
 */
COTENANT_API
cotenant_status cotenant_published_open(const cotenant_segment *segment,
                                        const char *name,
                                        size_t max_bytes,
                                        struct cotenant_published **published)
COTENANT_NOEXCEPT;

/**
 * The published bytes of that name in a segment that this process only reads: COTENANT_NOT_FOUND if there are none.
 * What publishes gives COTENANT_UNSUPPORTED then. Close the handle before the reader. Waits for nobody.
 * COTENANT_MISMATCH, COTENANT_INVALID_INPUT, COTENANT_CORRUPT.
 */
COTENANT_API
cotenant_status cotenant_published_read(const cotenant_reader *reader,
                                        const char *name,
                                        struct cotenant_published **published)
COTENANT_NOEXCEPT;

/**
 * Frees the handle; what is published stays. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_published_close(struct cotenant_published *published) COTENANT_NOEXCEPT;

/**
 * The longest that can be published, in bytes. 0 of a null pointer. Does not block.
 */
COTENANT_API size_t cotenant_published_max_bytes(const struct cotenant_published *published) COTENANT_NOEXCEPT;

/**
 * The number of the newest snapshot: how often was published. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_published_sequence(const struct cotenant_published *published) COTENANT_NOEXCEPT;

/**
 * Makes `length` bytes the newest snapshot and wakes those who wait for it. `sequence` gets its number; it may be null.
 *
 * Blocks while others publish, for as long as they copy: a publisher that is stopped in it holds the next ones up
 * (cotenant_published_publish_timeout), one that is killed does not, and leaves the snapshot before.
 * COTENANT_NO_SPACE: more than cotenant_published_max_bytes. COTENANT_WOULD_DEADLOCK, COTENANT_FULL,
 * COTENANT_PERMISSION_DENIED, COTENANT_CORRUPT, COTENANT_UNSUPPORTED (of a reader).
 */
COTENANT_API
cotenant_status cotenant_published_publish(struct cotenant_published *published,
                                           const void *bytes,
                                           size_t length,
                                           uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * As cotenant_published_publish, but waits at most timeout_ms milliseconds for others who publish: then
 * COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_published_publish_timeout(struct cotenant_published *published,
                                                   const void *bytes,
                                                   size_t length,
                                                   uint64_t timeout_ms,
                                                   uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Copies the newest snapshot to `buffer`, which has room for `capacity` bytes; `length` gets its length in bytes, and
 * `sequence` its number; both may be null. COTENANT_NO_SPACE: it is longer, `length` says how long, and the next one may
 * be longer still; with cotenant_published_max_bytes none is. After an error the buffer holds anything. COTENANT_CORRUPT, COTENANT_BUSY (during each of 1,000 copies all buffers were
 * published anew). Waits for nobody, and writes nothing that is shared.
 */
COTENANT_API
cotenant_status cotenant_published_load(const struct cotenant_published *published,
                                        void *buffer,
                                        size_t capacity,
                                        size_t *length,
                                        uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Publishes what `change` makes of the newest snapshot; nobody else publishes in between. `sequence` gets its number;
 * it may be null. COTENANT_CANCELLED: `change` gave another number than 0, and nothing is published. A process that is
 * killed in `change` leaves the snapshot before. COTENANT_UNSUPPORTED: of a reader, or `change` forked and this is the
 * child. Else as cotenant_published_publish.
 */
COTENANT_API
cotenant_status cotenant_published_update(struct cotenant_published *published,
                                          cotenant_bytes_change change,
                                          void *argument,
                                          uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Waits until there is a newer snapshot than the one of number `seen`, at most timeout_ms milliseconds: then
 * COTENANT_TIMED_OUT. Load it after that. Who may publish sleeps and is woken; a reader looks, after 50 us, doubling to
 * 10 ms. A publisher that is killed just before it wakes the others is noticed within 0.1 s.
 */
COTENANT_API
cotenant_status cotenant_published_wait_newer(const struct cotenant_published *published,
                                              uint64_t seen,
                                              uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/* --- Published values --- */

/**
 * The head of a published value, which COTENANT_PUBLISHED(type) declares; all zero at first. 8 buffers follow it.
 */
typedef struct COTENANT_X_ALIGNED(128) cotenant_published_head {
    /**
     * For the functions below alone.
     */
    uint64_t words[32];
} cotenant_published_head;

/**
 * Changes a value where it lies: `value` is a copy of the newest one, and `argument` what was passed beside it. Gives 0,
 * or anything else if nothing is to be published. It must not throw, not jump out, and not publish the same value.
 */
typedef int32_t (*cotenant_change)(void *value, void *argument);

/**
 * Called by what COTENANT_PUBLISHED declares: copies the newest snapshot to `value`; `sequence` gets its number (0: the
 * initial value) and may be null. After an error `value` holds anything. COTENANT_CORRUPT; COTENANT_BUSY: during each
 * of 1,000 copies all 8 buffers were published anew. Waits for nobody, and writes nothing that is shared.
 */
COTENANT_API
cotenant_status cotenant_published_value_load(const struct cotenant_published_head *published,
                                              size_t value_bytes,
                                              void *value,
                                              uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PUBLISHED declares: as cotenant_published_value_load if there is a newer snapshot than the
 * one of number *sequence, which becomes the newer one's; else nothing is changed, for the price of one load.
 */
COTENANT_API
cotenant_status cotenant_published_value_load_if_newer(const struct cotenant_published_head *published,
                                                       size_t value_bytes,
                                                       void *value,
                                                       uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PUBLISHED declares: how often was published. 0 of a null pointer. Does not block.
 */
COTENANT_API
uint64_t cotenant_published_value_sequence(const struct cotenant_published_head *published)
COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PUBLISHED declares: makes `value` the newest snapshot and wakes those who wait for it.
 * `sequence` gets its number; it may be null.
 *
 * Waits for others who publish, at most timeout_ms milliseconds: then COTENANT_TIMED_OUT
 * (18,446,744,073,709,551,615: as long as it takes). One that is stopped in it holds the next ones up, one that is
 * killed does not, and leaves the snapshot before. COTENANT_WOULD_DEADLOCK: this thread publishes it already, in an
 * update. COTENANT_FULL, COTENANT_PERMISSION_DENIED, COTENANT_CORRUPT.
 */
COTENANT_API
cotenant_status cotenant_published_value_publish(struct cotenant_published_head *published,
                                                 size_t value_bytes,
                                                 const void *value,
                                                 uint64_t timeout_ms,
                                                 uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PUBLISHED declares: publishes what `change` makes of the newest snapshot; nobody else
 * publishes in between. COTENANT_CANCELLED: `change` gave another number than 0, and nothing is published. A process
 * that is killed in `change` leaves the snapshot before. COTENANT_UNSUPPORTED: `change` forked, and this is the child.
 * Else as cotenant_published_value_publish.
 */
COTENANT_API
cotenant_status cotenant_published_value_update(struct cotenant_published_head *published,
                                                size_t value_bytes,
                                                cotenant_change change,
                                                void *argument,
                                                uint64_t timeout_ms,
                                                uint64_t *sequence)
COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PUBLISHED declares: waits until there is a newer snapshot than the one of number `seen`, at
 * most timeout_ms milliseconds: then COTENANT_TIMED_OUT. With `is_reader` it looks, after 50 us, doubling to 10 ms, and
 * writes nothing that is shared; else it sleeps and is woken, and a publisher that is killed just before it wakes the
 * others is noticed within 0.1 s.
 */
COTENANT_API
cotenant_status cotenant_published_value_wait_newer(const struct cotenant_published_head *published,
                                                    uint64_t seen,
                                                    uint64_t timeout_ms,
                                                    bool is_reader)
COTENANT_NOEXCEPT;

/* --- Flags --- */

/**
 * A buffer of a flag.
 */
typedef struct COTENANT_X_ALIGNED(64) cotenant_flag_buffer {
    /**
     * For the functions below alone.
     */
    uint64_t stamp[7];
    /**
     * Of the first buffer, at first: for how many of a hundred keys it is on. Else for the functions below alone.
     */
    double percent;
    /**
     * Zero at first: made of the flag's name.
     */
    uint64_t seed;
} cotenant_flag_buffer;

/**
 * A feature flag with a percentage, which all processes see change at once: Rust's Flag. In a block `F(flag, dark_mode)`
 * is off at first and `F(flag, dark_mode, COTENANT_PERCENT(25.0))` on for a quarter of all keys; which ones is decided
 * by the name, here "dark_mode" (Rust: `Flag::new("dark_mode", 25.0)`). In a segment: cotenant_flag_open.
 */
typedef struct cotenant_flag {
    /**
     * For the functions below alone.
     */
    cotenant_published_head head;
    /**
     * For the functions below alone.
     */
    struct cotenant_flag_buffer buffers[8];
} cotenant_flag;

/**
 * The flag of that name in a segment; makes it if there is none, on for `percent` of a hundred keys. Who comes later finds
 * the maker's percentage. The pointer is valid until cotenant_segment_close. (Of a cotenant_reader:
 * cotenant_reader_get with COTENANT_TYPE(flag).)
 *
 * COTENANT_INVALID_INPUT: not from 0 to 100, or a bad name. COTENANT_MISMATCH, COTENANT_NO_SPACE, COTENANT_BUSY,
 * COTENANT_CORRUPT. Blocks while another one makes it.
 */
COTENANT_API
cotenant_status cotenant_flag_open(const cotenant_segment *segment,
                                   const char *name,
                                   double percent,
                                   struct cotenant_flag **flag)
COTENANT_NOEXCEPT;

/**
 * Whether the flag is on for a key of `key_length` bytes: a user, a session, a host; the same answer in every process,
 * until the percentage is changed. Raising that takes nobody off. false of a null pointer and of damaged memory. Waits
 * for nobody, and writes nothing that is shared.
 */
COTENANT_API
bool cotenant_flag_is_on_for(const struct cotenant_flag *flag,
                             const void *key_bytes,
                             size_t key_length)
COTENANT_NOEXCEPT;

/**
 * For how many of a hundred keys it is on: 100 is everybody. 0 of a null pointer and of damaged memory. Waits for nobody.
 */
COTENANT_API
double cotenant_flag_percent(const struct cotenant_flag *flag)
COTENANT_NOEXCEPT;

/**
 * Has it be on for `percent` of a hundred keys, in all processes from the return on; wakes those who wait for a
 * change. `sequence` gets the number of the publish; it may be null.
 *
 * COTENANT_INVALID_INPUT: not from 0 to 100. Waits for others who set it, as cotenant_published_value_publish does
 * without a timeout; statuses as there. A process that is killed in it has set it or has not.
 */
COTENANT_API
cotenant_status cotenant_flag_set(struct cotenant_flag *flag,
                                  double percent,
                                  uint64_t *sequence)
COTENANT_NOEXCEPT;

/* --- Queues --- */

/**
 * How often a message is delivered.
 */
typedef enum cotenant_delivery {
    /**
     * What the queue does; who makes one makes it at most once.
     */
    COTENANT_DELIVERY_DEFAULT = 0,
    /**
     * Once, or, if its receiver dies, not at all.
     */
    COTENANT_DELIVERY_AT_MOST_ONCE = 1,
    /**
     * Until a receiver says cotenant_message_ack. What comes again says so.
     */
    COTENANT_DELIVERY_AT_LEAST_ONCE = 2,
} cotenant_delivery;

/**
 * A queue, which processes send messages through: in the order in which they were reserved, each to one receiver.
 * Opaque: made by cotenant_queue_create and its kin, freed by cotenant_queue_close. Threads may share it. Rust's Queue
 * of the same name is the same queue. docs/channels.md says what a death leaves.
 */
typedef struct cotenant_queue cotenant_queue;

/**
 * How a queue is to be. All zero are the defaults, or pass a null pointer. They count for the one who makes it; who
 * finds it gets it as it is, but another delivery than the one asked for is refused.
 */
typedef struct cotenant_queue_options {
    /**
     * Bytes of its ring, 1 KiB to 4 GiB, rounded up to a power of two. A message takes its bytes and 16, rounded up to
     * 16; the longest has half of the ring. All of it is reserved when the queue is made. 0: 1 MiB.
     */
    uint64_t capacity_bytes;
    /**
     * A cotenant_delivery.
     */
    uint32_t delivery;
    /**
     * Zero.
     */
    uint32_t reserved_number;
    /**
     * Of a queue in a segment of its own: what that segment is to be, but its size; null: the defaults.
     */
    const cotenant_segment_options *segment;
    /**
     * Zero: for options of later versions.
     */
    uint64_t reserved[4];
} cotenant_queue_options;

/**
 * Makes a queue in a segment of its own: COTENANT_ALREADY_EXISTS if there is one of that name. As
 * cotenant_segment_create.
 */
COTENANT_API
cotenant_status cotenant_queue_create(const char *name,
                                      const struct cotenant_queue_options *options,
                                      struct cotenant_queue **queue)
COTENANT_NOEXCEPT;

/**
 * Opens a queue that is there: COTENANT_NOT_FOUND if there is none, COTENANT_MISMATCH if it delivers otherwise. As
 * cotenant_segment_open.
 */
COTENANT_API
cotenant_status cotenant_queue_open(const char *name,
                                    const struct cotenant_queue_options *options,
                                    struct cotenant_queue **queue)
COTENANT_NOEXCEPT;

/**
 * Opens the queue of that name, and makes it if there is none; of those who try at the same time one makes it. As
 * cotenant_queue_open and cotenant_queue_create; COTENANT_MISMATCH also if the segment of that name was made for
 * something else.
 */
COTENANT_API
cotenant_status cotenant_queue_open_or_create(const char *name,
                                              const struct cotenant_queue_options *options,
                                              struct cotenant_queue **queue)
COTENANT_NOEXCEPT;

/**
 * The queue of that name in a segment, which must have room for it; if there is none it is made. `segment` of the
 * options says nothing here. Close the queue and its ends before the segment. As cotenant_segment_get_or_init;
 * COTENANT_MISMATCH also if it delivers otherwise. Blocks while another one makes it.
 */
COTENANT_API
cotenant_status cotenant_queue_open_or_create_in(const cotenant_segment *segment,
                                                 const char *name,
                                                 const struct cotenant_queue_options *options,
                                                 struct cotenant_queue **queue)
COTENANT_NOEXCEPT;

/**
 * The queue of that name in a segment: COTENANT_NOT_FOUND if there is none; else as cotenant_queue_open_or_create_in.
 */
COTENANT_API
cotenant_status cotenant_queue_open_in(const cotenant_segment *segment,
                                       const char *name,
                                       const struct cotenant_queue_options *options,
                                       struct cotenant_queue **queue)
COTENANT_NOEXCEPT;

/**
 * Frees the handle; the messages stay for the others, and ends that were made of it may be used on. Of a null pointer
 * it does nothing. Does not block.
 */
COTENANT_API void cotenant_queue_close(struct cotenant_queue *queue) COTENANT_NOEXCEPT;

/**
 * How often a message of this queue is delivered: a cotenant_delivery. 0 of a null pointer. Does not block.
 */
COTENANT_API uint32_t cotenant_queue_delivery(const struct cotenant_queue *queue) COTENANT_NOEXCEPT;

/**
 * Bytes of the ring. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_queue_capacity_bytes(const struct cotenant_queue *queue) COTENANT_NOEXCEPT;

/**
 * The longest message that it takes, in bytes. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_queue_max_message_bytes(const struct cotenant_queue *queue) COTENANT_NOEXCEPT;

/**
 * Bytes of the ring that are taken at the moment, by messages and what lies between them: for people. 0 of a null
 * pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_queue_used_bytes(const struct cotenant_queue *queue) COTENANT_NOEXCEPT;

/**
 * Writes what is in a queue in a file to the disk, and waits for it, as cotenant_segment_sync. Of other backings there
 * is nothing to do.
 */
COTENANT_API cotenant_status cotenant_queue_sync(const struct cotenant_queue *queue) COTENANT_NOEXCEPT;

/* --- Ends of queues --- */

/**
 * An end of a queue that receives. Opaque: made by cotenant_queue_receiver and its kin, freed by
 * cotenant_receiver_close. One thread at a time may use it; each thread has its own.
 */
typedef struct cotenant_receiver cotenant_receiver;

/**
 * An end of a queue that sends. Opaque: made by cotenant_queue_sender and its kin, freed by cotenant_sender_close. One
 * thread at a time may use it; each thread has its own.
 */
typedef struct cotenant_sender cotenant_sender;

/**
 * Bytes that are to be sent.
 */
typedef struct cotenant_bytes {
    /**
     * Where they are; null if there are none.
     */
    const void *bytes;
    /**
     * How many.
     */
    size_t length;
} cotenant_bytes;

/**
 * A message that was received, where it lies in the queue: end it with cotenant_message_ack or cotenant_message_drop,
 * by the thread that uses its receiver. Its memory is used again only then, so do not keep many of them long.
 *
 * The bytes are those of the sender as long as whoever may write the queue keeps to its rules: who does not trust them
 * copies first and then looks.
 */
typedef struct cotenant_message {
    /**
     * On a boundary of 16.
     */
    const void *bytes;
    /**
     * How many bytes.
     */
    size_t length;
    /**
     * How often it was handed out before: if it was, a receiver that had it did not acknowledge it, or died, and it
     * may have been handled already.
     */
    uint32_t deliveries_before;
    /**
     * Zero.
     */
    uint32_t reserved_number;
    /**
     * Whose it is; null when it was acknowledged or dropped.
     */
    struct cotenant_receiver *receiver;
    /**
     * The library's own.
     */
    uint64_t reserved[2];
} cotenant_message;

/**
 * An end that sends; any number of them may be there. COTENANT_FULL: this process cannot become a participant. Does
 * not block.
 */
COTENANT_API
cotenant_status cotenant_queue_sender(const cotenant_queue *queue,
                                      struct cotenant_sender **sender)
COTENANT_NOEXCEPT;

/**
 * The only end that sends: while it is there, others wait, and a message costs no lock. COTENANT_BUSY if another
 * process or thread is it; the message names it. COTENANT_WOULD_DEADLOCK: this thread is. Blocks 200 ms at most.
 */
COTENANT_API
cotenant_status cotenant_queue_sole_sender(const cotenant_queue *queue,
                                           struct cotenant_sender **sender)
COTENANT_NOEXCEPT;

/**
 * As cotenant_queue_sole_sender; waits at most timeout_ms milliseconds until the one that is ends, or dies.
 */
COTENANT_API
cotenant_status cotenant_queue_sole_sender_timeout(const cotenant_queue *queue,
                                                   uint64_t timeout_ms,
                                                   struct cotenant_sender **sender)
COTENANT_NOEXCEPT;

/**
 * An end that receives; any number of them may be there, and each message goes to one. COTENANT_FULL: this process
 * cannot become a participant. Does not block.
 */
COTENANT_API
cotenant_status cotenant_queue_receiver(const cotenant_queue *queue,
                                        struct cotenant_receiver **receiver)
COTENANT_NOEXCEPT;

/**
 * The only end that receives: while it is there, others find nothing, and a message costs no lock. What an earlier one
 * that died had not acknowledged comes first. COTENANT_BUSY, COTENANT_WOULD_DEADLOCK and blocking as
 * cotenant_queue_sole_sender.
 */
COTENANT_API
cotenant_status cotenant_queue_sole_receiver(const cotenant_queue *queue,
                                             struct cotenant_receiver **receiver)
COTENANT_NOEXCEPT;

/**
 * As cotenant_queue_sole_receiver; waits at most timeout_ms milliseconds until the one that is ends, or dies.
 */
COTENANT_API
cotenant_status cotenant_queue_sole_receiver_timeout(const cotenant_queue *queue,
                                                     uint64_t timeout_ms,
                                                     struct cotenant_receiver **receiver)
COTENANT_NOEXCEPT;

/**
 * Frees the end; a place that was reserved and not committed is passed over. Of a null pointer it does nothing. Does
 * not block.
 */
COTENANT_API void cotenant_sender_close(struct cotenant_sender *sender) COTENANT_NOEXCEPT;

/**
 * Frees the end. Its messages must be acknowledged or dropped before; those of a sole receiver that are not go back to
 * the queue. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_receiver_close(struct cotenant_receiver *receiver) COTENANT_NOEXCEPT;

/**
 * Sends a copy of `length` bytes. From its return on the message is accepted: nothing that happens to this process
 * takes it away. Killed before, there is the whole message or none.
 *
 * Blocks while there is no room. COTENANT_INVALID_INPUT: longer than cotenant_queue_max_message_bytes, or a null
 * pointer; COTENANT_BUSY: a place is reserved and not committed; COTENANT_CORRUPT, COTENANT_FULL (no participant).
 */
COTENANT_API
cotenant_status cotenant_sender_send(struct cotenant_sender *sender,
                                     const void *bytes,
                                     size_t length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_sender_send, but does not wait for room: COTENANT_WOULD_BLOCK if there is none.
 */
COTENANT_API
cotenant_status cotenant_sender_try_send(struct cotenant_sender *sender,
                                         const void *bytes,
                                         size_t length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_sender_send, but waits at most timeout_ms milliseconds for room: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_sender_send_timeout(struct cotenant_sender *sender,
                                             const void *bytes,
                                             size_t length,
                                             uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * Sends copies of `count` messages in their order and wakes receivers once at the end; blocks while there is no room.
 * `sent` gets how many were accepted, also of a call that fails: those before the first that could not be sent; it may
 * be null. Statuses as of cotenant_sender_send.
 */
COTENANT_API
cotenant_status cotenant_sender_send_all(struct cotenant_sender *sender,
                                         const struct cotenant_bytes *messages,
                                         size_t count,
                                         size_t *sent)
COTENANT_NOEXCEPT;

/**
 * A place for a message of `length` bytes in the queue itself: write it there and say cotenant_sender_commit. What it
 * holds at first are old bytes; it lies on a boundary of 16. One at a time for each sender.
 *
 * Messages behind it wait for it as long as this process lives, so do not keep it long; cancelled, or when the process
 * dies, it is passed over and holds up nobody. Blocks while there is no room. Statuses as of cotenant_sender_send.
 */
COTENANT_API
cotenant_status cotenant_sender_reserve(struct cotenant_sender *sender,
                                        size_t length,
                                        void **bytes)
COTENANT_NOEXCEPT;

/**
 * As cotenant_sender_reserve, but does not wait for room: COTENANT_WOULD_BLOCK if there is none.
 */
COTENANT_API
cotenant_status cotenant_sender_try_reserve(struct cotenant_sender *sender,
                                            size_t length,
                                            void **bytes)
COTENANT_NOEXCEPT;

/**
 * As cotenant_sender_reserve, but waits at most timeout_ms milliseconds for room: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_sender_reserve_timeout(struct cotenant_sender *sender,
                                                size_t length,
                                                uint64_t timeout_ms,
                                                void **bytes)
COTENANT_NOEXCEPT;

/**
 * Publishes what was written into the place that was reserved. When this returns the message is accepted. The pointer
 * is valid no more. COTENANT_INVALID_INPUT: nothing is reserved. COTENANT_NOT_OWNER: the place was reserved by the
 * process that this one was forked from, whose it stays; this sender has none any more. Does not block.
 */
COTENANT_API cotenant_status cotenant_sender_commit(struct cotenant_sender *sender) COTENANT_NOEXCEPT;

/**
 * Gives the place that was reserved up: there is no message. Without one it does nothing. COTENANT_INVALID_INPUT of a
 * null pointer. Does not block.
 */
COTENANT_API cotenant_status cotenant_sender_cancel(struct cotenant_sender *sender) COTENANT_NOEXCEPT;

/**
 * The next message; blocks while there is none. COTENANT_CORRUPT, COTENANT_FULL (no participant).
 */
COTENANT_API
cotenant_status cotenant_receiver_recv(struct cotenant_receiver *receiver,
                                       struct cotenant_message *message)
COTENANT_NOEXCEPT;

/**
 * The next message: COTENANT_WOULD_BLOCK if there is none now. What a receiver had that died may come some
 * milliseconds after its death only.
 */
COTENANT_API
cotenant_status cotenant_receiver_try_recv(struct cotenant_receiver *receiver,
                                           struct cotenant_message *message)
COTENANT_NOEXCEPT;

/**
 * The next message; waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_receiver_recv_timeout(struct cotenant_receiver *receiver,
                                               uint64_t timeout_ms,
                                               struct cotenant_message *message)
COTENANT_NOEXCEPT;

/**
 * Up to `most` messages that are there, at least one; blocks while there is none. `count` gets how many `messages` has
 * then. Statuses as of cotenant_receiver_recv.
 */
COTENANT_API
cotenant_status cotenant_receiver_recv_many(struct cotenant_receiver *receiver,
                                            size_t most,
                                            struct cotenant_message *messages,
                                            size_t *count)
COTENANT_NOEXCEPT;

/**
 * Waits until one of `count` receivers has something to take, at most timeout_ms milliseconds: then
 * COTENANT_TIMED_OUT. `index` gets the lowest of those that have. Then cotenant_receiver_try_recv: another receiver of
 * that queue may have been quicker.
 */
COTENANT_API
cotenant_status cotenant_receiver_wait_any(struct cotenant_receiver *const *receivers,
                                           size_t count,
                                           uint64_t timeout_ms,
                                           size_t *index)
COTENANT_NOEXCEPT;

/**
 * Says that the message was handled: it does not come again. Killed in it, it may have been acknowledged or come
 * again. `message` is none any more then: a second time gives COTENANT_INVALID_INPUT. COTENANT_NOT_OWNER, and nothing
 * was changed: a copy of it was acknowledged or dropped before, or the process that this one was forked from received
 * it; who forks for each message has the parent acknowledge it. Does not block.
 */
COTENANT_API cotenant_status cotenant_message_ack(struct cotenant_message *message) COTENANT_NOEXCEPT;

/**
 * Lets the message go without handling it: in a queue that delivers at least once it comes again, to any receiver;
 * else it is gone. `message` is none any more then: a second time gives COTENANT_INVALID_INPUT. COTENANT_NOT_OWNER as
 * of cotenant_message_ack. Does not block.
 */
COTENANT_API cotenant_status cotenant_message_drop(struct cotenant_message *message) COTENANT_NOEXCEPT;

/* --- Messages through pipes --- */

/**
 * The reading end of a pipe, or of a FIFO, for whole messages. Opaque: made by cotenant_pipe_reader_open, freed by
 * cotenant_pipe_reader_close. One thread at a time may use it, and one process at a time may read: two would each take
 * parts of what the other waits for.
 */
typedef struct cotenant_pipe_reader cotenant_pipe_reader;

/**
 * The writing end of a pipe, or of a FIFO, for whole messages. Opaque: made by cotenant_pipe_writer_open, freed by
 * cotenant_pipe_writer_close. One thread at a time may use it.
 */
typedef struct cotenant_pipe_writer cotenant_pipe_writer;

/**
 * The writing end for whole messages, of a descriptor that pipe() or open() of a FIFO gave (on Windows the HANDLE of a
 * pipe). It is the library's from here on if this gives COTENANT_OK, and closed with the writer. A child of a fork may
 * use its parent's writer. COTENANT_INVALID_INPUT: it is no pipe, or (on Windows found by the first call that uses it)
 * the end that is read; COTENANT_SYSTEM. Does not block.
 *
 * Leave O_NONBLOCK off: with it, calls that block give COTENANT_WOULD_BLOCK in their place, and of a message that was
 * begun nothing comes. Use the forms with try and timeout, which need no such flag.
 */
COTENANT_API
cotenant_status cotenant_pipe_writer_open(ptrdiff_t descriptor,
                                          struct cotenant_pipe_writer **writer)
COTENANT_NOEXCEPT;

/**
 * The reading end for whole messages; as cotenant_pipe_writer_open.
 */
COTENANT_API
cotenant_status cotenant_pipe_reader_open(ptrdiff_t descriptor,
                                          struct cotenant_pipe_reader **reader)
COTENANT_NOEXCEPT;

/**
 * Closes the end, and frees the handle. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_pipe_writer_close(struct cotenant_pipe_writer *writer) COTENANT_NOEXCEPT;

/**
 * Closes the end, and frees the handle. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_pipe_reader_close(struct cotenant_pipe_reader *reader) COTENANT_NOEXCEPT;

/**
 * Sends a message of `length` bytes, up to 16 MiB, which comes whole however many others write; blocks while the pipe
 * is full. Killed in it, a process leaves the whole message or none, and its parts are passed over.
 *
 * COTENANT_BROKEN_PIPE: nobody reads any more (unless the program ignores SIGPIPE, that signal ends it before).
 * COTENANT_INVALID_INPUT: it is too long, or a null pointer. COTENANT_SYSTEM.
 */
COTENANT_API
cotenant_status cotenant_pipe_writer_send(struct cotenant_pipe_writer *writer,
                                          const void *bytes,
                                          size_t length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_pipe_writer_send, but does not wait for room: COTENANT_WOULD_BLOCK if there is none for all of it, and
 * nothing of the message comes; one that is longer than the pipe (64 KiB on Linux) never has room.
 * COTENANT_UNSUPPORTED on Windows, of a pipe of bytes, as CreatePipe makes it.
 */
COTENANT_API
cotenant_status cotenant_pipe_writer_try_send(struct cotenant_pipe_writer *writer,
                                              const void *bytes,
                                              size_t length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_pipe_writer_send, but waits at most timeout_ms milliseconds for room: then COTENANT_TIMED_OUT, and
 * nothing of the message comes. COTENANT_UNSUPPORTED as of cotenant_pipe_writer_try_send.
 */
COTENANT_API
cotenant_status cotenant_pipe_writer_send_timeout(struct cotenant_pipe_writer *writer,
                                                  const void *bytes,
                                                  size_t length,
                                                  uint64_t timeout_ms)
COTENANT_NOEXCEPT;

/**
 * The next message, where the reader has it: `bytes` stays until the next call with this reader. Blocks until one has
 * come whole. COTENANT_END_OF_STREAM: no writer is left. COTENANT_INVALID_INPUT, COTENANT_SYSTEM.
 */
COTENANT_API
cotenant_status cotenant_pipe_reader_recv(struct cotenant_pipe_reader *reader,
                                          const void **bytes,
                                          size_t *length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_pipe_reader_recv, but does not wait: COTENANT_WOULD_BLOCK if no message is there whole.
 */
COTENANT_API
cotenant_status cotenant_pipe_reader_try_recv(struct cotenant_pipe_reader *reader,
                                              const void **bytes,
                                              size_t *length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_pipe_reader_recv, but waits at most timeout_ms milliseconds: then COTENANT_TIMED_OUT.
 */
COTENANT_API
cotenant_status cotenant_pipe_reader_recv_timeout(struct cotenant_pipe_reader *reader,
                                                  uint64_t timeout_ms,
                                                  const void **bytes,
                                                  size_t *length)
COTENANT_NOEXCEPT;

/**
 * How many bytes that reader has passed over: those that were no message, and parts of messages whose writers did not
 * finish them. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_pipe_reader_skipped_bytes(const struct cotenant_pipe_reader *reader) COTENANT_NOEXCEPT;

/* --- Metrics --- */

/**
 * How the values of several processes make one.
 */
typedef enum cotenant_across {
    /**
     * One value for all: what was set last. It outlives who set it.
     */
    COTENANT_ACROSS_LAST = 1,
    /**
     * The sum over the processes that live.
     */
    COTENANT_ACROSS_SUM = 2,
    /**
     * The smallest of the processes that live.
     */
    COTENANT_ACROSS_MIN = 3,
    /**
     * The largest of the processes that live.
     */
    COTENANT_ACROSS_MAX = 4,
    /**
     * A value of each process that lives, with its id and slot as labels.
     */
    COTENANT_ACROSS_EACH_PROCESS = 5,
} cotenant_across;

/**
 * A text format of scrapers.
 */
typedef enum cotenant_metrics_format {
    /**
     * Prometheus 0.0.4.
     */
    COTENANT_METRICS_PROMETHEUS = 0,
    /**
     * OpenMetrics 1.0.0.
     */
    COTENANT_METRICS_OPENMETRICS = 1,
} cotenant_metrics_format;

/**
 * A counter. Opaque: of cotenant_metrics_counter, freed by cotenant_counter_close. Threads may share it.
 */
typedef struct cotenant_counter cotenant_counter;

/**
 * A gauge. Opaque: of cotenant_metrics_gauge, freed by cotenant_gauge_close. Threads may share it.
 */
typedef struct cotenant_gauge cotenant_gauge;

/**
 * A histogram. Opaque: of cotenant_metrics_histogram, freed by cotenant_histogram_close. Threads may share it.
 */
typedef struct cotenant_histogram cotenant_histogram;

/**
 * Metrics of a segment. Opaque: made by cotenant_metrics_open, freed by cotenant_metrics_close. Threads may share it.
 * Rust's Metrics of the same segment and name are the same.
 */
typedef struct cotenant_metrics cotenant_metrics;

/**
 * How large metrics are made; who finds them takes them as they are. All zero are the defaults.
 */
typedef struct cotenant_metrics_options {
    /**
     * The most combinations of name and labels. 0: 2,000.
     */
    uint32_t max_series;
    /**
     * Cells that threads add to, a power of two. 0: twice as many as there are processors, 8 to 64.
     */
    uint32_t cells;
    /**
     * Bytes for all of it. 0: 8 MiB.
     */
    uint64_t max_bytes;
    /**
     * Processes that can set a gauge of their own at the same time, a multiple of 64. 0: 256.
     */
    uint32_t max_processes;
    /**
     * Zero.
     */
    uint32_t reserved;
} cotenant_metrics_options;

/**
 * A label of a metric: two C strings.
 */
typedef struct cotenant_label {
    /**
     * Its name: a-z, A-Z, 0-9 and _.
     */
    const char *name;
    /**
     * Its value, any UTF-8.
     */
    const char *value;
} cotenant_label;

/**
 * The metrics of that name in a segment; makes them if there are none. `options` may be null.
 *
 * Close what comes of them, then them, then the segment. Blocks while another one makes them. COTENANT_MISMATCH: an
 * object of that name is none. COTENANT_NO_SPACE, COTENANT_INVALID_INPUT, COTENANT_BUSY, COTENANT_CORRUPT.
 */
COTENANT_API
cotenant_status cotenant_metrics_open(const cotenant_segment *segment,
                                      const char *name,
                                      const struct cotenant_metrics_options *options,
                                      struct cotenant_metrics **metrics)
COTENANT_NOEXCEPT;

/**
 * Frees the handle; the metrics stay. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_metrics_close(struct cotenant_metrics *metrics) COTENANT_NOEXCEPT;

/**
 * The counter of that name (without _total) with these labels, in any order; adds it if there is none. Keep it: a
 * look-up costs more than an addition. COTENANT_NO_SPACE: there are as many as fit; the message says which limit that
 * is. COTENANT_MISMATCH: one of that name is no counter. COTENANT_INVALID_INPUT: a name that scrapers do not read.
 * COTENANT_BUSY, COTENANT_FULL, COTENANT_PERMISSION_DENIED.
 */
COTENANT_API
cotenant_status cotenant_metrics_counter(const struct cotenant_metrics *metrics,
                                         const char *name,
                                         const struct cotenant_label *label,
                                         size_t label_count,
                                         struct cotenant_counter **counter)
COTENANT_NOEXCEPT;

/**
 * The gauge of that name with these labels; as cotenant_metrics_counter. `across` is a cotenant_across.
 */
COTENANT_API
cotenant_status cotenant_metrics_gauge(const struct cotenant_metrics *metrics,
                                       const char *name,
                                       const struct cotenant_label *label,
                                       size_t label_count,
                                       uint32_t across,
                                       struct cotenant_gauge **gauge)
COTENANT_NOEXCEPT;

/**
 * The histogram of that name with these labels; as cotenant_metrics_counter. `min` and `max` are where its ranges begin
 * and end, rounded to powers of two, 2^part_bits of them for each doubling; 0, 0 and 0: for seconds, from a microsecond
 * to 1,024 s, 4 for each. A histogram that is there keeps the ranges that it has.
 */
COTENANT_API
cotenant_status cotenant_metrics_histogram(const struct cotenant_metrics *metrics,
                                           const char *name,
                                           const struct cotenant_label *label,
                                           size_t label_count,
                                           double min,
                                           double max,
                                           uint32_t part_bits,
                                           struct cotenant_histogram **histogram)
COTENANT_NOEXCEPT;

/**
 * Describes the metrics of a name in one line. The first one stays. Statuses as of cotenant_metrics_counter.
 */
COTENANT_API
cotenant_status cotenant_metrics_describe(const struct cotenant_metrics *metrics,
                                          const char *name,
                                          const char *line)
COTENANT_NOEXCEPT;

/**
 * All metrics as text, a cotenant_metrics_format, into `buffer`, which has room for `capacity` bytes, with a zero byte
 * behind it. `length` gets the length without that; it may be null. COTENANT_NO_SPACE: it is longer, `length` says how
 * long, and nothing is written; a capacity of 0 asks for just that. Asks the system who lives; waits for nobody.
 */
COTENANT_API
cotenant_status cotenant_metrics_render(const struct cotenant_metrics *metrics,
                                        uint32_t format,
                                        char *buffer,
                                        size_t capacity,
                                        size_t *length)
COTENANT_NOEXCEPT;

/**
 * The metrics that are variables of this program's blocks (of a library, of those that it declares with the same copy of
 * libcotenant), and what is known of the segments that they lie in, as text; as cotenant_metrics_render in all else.
 * Waits while another thread attaches blocks.
 */
COTENANT_API
cotenant_status cotenant_shared_metrics_render(uint32_t format,
                                               char *buffer,
                                               size_t capacity,
                                               size_t *length)
COTENANT_NOEXCEPT;

/**
 * Adds to the counter. One atomic operation; right in every thread, in signal handlers and in children of a fork. What
 * was added stays, however the process ends. Of a null pointer it does nothing.
 */
COTENANT_API void cotenant_counter_add(const struct cotenant_counter *counter, uint64_t number) COTENANT_NOEXCEPT;

/**
 * What all processes have added so far. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_counter_total(const struct cotenant_counter *counter) COTENANT_NOEXCEPT;

/**
 * Frees the handle; the counter stays. Of a null pointer it does nothing.
 */
COTENANT_API void cotenant_counter_close(struct cotenant_counter *counter) COTENANT_NOEXCEPT;

/**
 * Sets this process's value (of COTENANT_ACROSS_LAST, the value). The value vanishes when the process is dead. Also for
 * signal handlers. Of a null pointer it does nothing.
 */
COTENANT_API void cotenant_gauge_set(const struct cotenant_gauge *gauge, double value) COTENANT_NOEXCEPT;

/**
 * Adds to this process's value; not set counts as 0. As cotenant_gauge_set in all else.
 */
COTENANT_API void cotenant_gauge_add(const struct cotenant_gauge *gauge, double number) COTENANT_NOEXCEPT;

/**
 * The value over the processes that live; a NaN if none of them has set it, and of a null pointer. Asks the system.
 */
COTENANT_API double cotenant_gauge_value(const struct cotenant_gauge *gauge) COTENANT_NOEXCEPT;

/**
 * Frees the handle; the gauge stays. Of a null pointer it does nothing.
 */
COTENANT_API void cotenant_gauge_close(struct cotenant_gauge *gauge) COTENANT_NOEXCEPT;

/**
 * Counts a value; a NaN is not counted. As cotenant_counter_add in all else.
 */
COTENANT_API
void cotenant_histogram_observe(const struct cotenant_histogram *histogram,
                                double value)
COTENANT_NOEXCEPT;

/**
 * What all have observed: `count` and `sum` of the values, and the value of a quantile, from 0 to 1 (a NaN if there are
 * none). Each place may be null.
 */
COTENANT_API
cotenant_status cotenant_histogram_read(const struct cotenant_histogram *histogram,
                                        uint64_t *count,
                                        double *sum,
                                        double quantile,
                                        double *value)
COTENANT_NOEXCEPT;

/**
 * Frees the handle; the histogram stays. Of a null pointer it does nothing.
 */
COTENANT_API void cotenant_histogram_close(struct cotenant_histogram *histogram) COTENANT_NOEXCEPT;

/* --- Metrics of one thread --- */

/**
 * A thread's handle of a counter: freed by cotenant_own_counter_close, in that thread. In a child of a fork, and where
 * threads that live have all cells, it adds as the counter itself does. In a signal handler use the counter. What was
 * added stays, however the thread or the process ends.
 */
typedef struct cotenant_own_counter cotenant_own_counter;

/**
 * A thread's handle of a histogram, as cotenant_own_counter is of a counter. Freed by cotenant_own_histogram_close.
 */
typedef struct cotenant_own_histogram cotenant_own_histogram;

/**
 * What a thread needs for handles of its own. Opaque: of cotenant_metrics_thread, freed by
 * cotenant_thread_metrics_close. For the thread that asked for it alone, as all that comes of it.
 */
typedef struct cotenant_thread_metrics cotenant_thread_metrics;

/**
 * Claims cells of all metrics for this thread. Asks, if all are taken, whether their owners live; waits for nobody, and
 * works without cells where the living have them all. Close it after the handles that come of it, before the metrics.
 */
COTENANT_API
cotenant_status cotenant_metrics_thread(const cotenant_metrics *metrics,
                                        struct cotenant_thread_metrics **thread)
COTENANT_NOEXCEPT;

/**
 * Frees it; the cells stay, and the next one adds on. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_thread_metrics_close(struct cotenant_thread_metrics *thread) COTENANT_NOEXCEPT;

/**
 * This thread's handle of a counter of the same metrics. Does not block.
 */
COTENANT_API
cotenant_status cotenant_thread_metrics_counter(const struct cotenant_thread_metrics *thread,
                                                const cotenant_counter *counter,
                                                struct cotenant_own_counter **own)
COTENANT_NOEXCEPT;

/**
 * This thread's handle of a histogram of the same metrics. Does not block.
 */
COTENANT_API
cotenant_status cotenant_thread_metrics_histogram(const struct cotenant_thread_metrics *thread,
                                                  const cotenant_histogram *histogram,
                                                  struct cotenant_own_histogram **own)
COTENANT_NOEXCEPT;

/**
 * Adds to the counter. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_own_counter_add(const struct cotenant_own_counter *own, uint64_t number) COTENANT_NOEXCEPT;

/**
 * Frees the handle. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_own_counter_close(struct cotenant_own_counter *own) COTENANT_NOEXCEPT;

/**
 * Counts a value; a NaN is not counted. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API
void cotenant_own_histogram_observe(const struct cotenant_own_histogram *own,
                                    double value)
COTENANT_NOEXCEPT;

/**
 * Frees the handle. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_own_histogram_close(struct cotenant_own_histogram *own) COTENANT_NOEXCEPT;

/* --- Metrics as variables --- */

/**
 * A counter as a variable: `F(counter, requests)` in a block is what `static requests: Counter` is in Rust, and scraped
 * as requests_total; COTENANT_TYPE(counter) in a segment. All zero at first.
 */
typedef struct COTENANT_X_ALIGNED(64) cotenant_shared_counter {
    /**
     * For the functions below alone.
     */
    uint64_t words[552];
} cotenant_shared_counter;

/**
 * A gauge as a variable, `Gauge` in Rust: `F(gauge, in_flight, COTENANT_GAUGE(COTENANT_ACROSS_SUM))`, a cotenant_across;
 * without it COTENANT_ACROSS_LAST.
 */
typedef struct COTENANT_X_ALIGNED(64) cotenant_shared_gauge {
    /**
     * A cotenant_across; 0 is COTENANT_ACROSS_LAST. Of an object of a segment, for its init to write.
     */
    uint32_t across;
    /**
     * Zero.
     */
    uint32_t reserved;
    /**
     * For the functions below alone.
     */
    uint64_t words[2055];
} cotenant_shared_gauge;

/**
 * A histogram as a variable, `Histogram` in Rust: `F(histogram, seconds)` has ranges from a microsecond to 1,024 s, 4
 * for each doubling, and `F(histogram, bytes, COTENANT_BUCKETS(6, 30, 1))` from 2^6 to 2^30, 2^1 for each doubling.
 */
typedef struct COTENANT_X_ALIGNED(64) cotenant_shared_histogram {
    /**
     * What COTENANT_BUCKETS makes; 0: for seconds. Of an object of a segment, for its init to write.
     */
    uint64_t buckets;
    /**
     * For the functions below alone.
     */
    uint64_t words[4127];
} cotenant_shared_histogram;

/**
 * Adds to the counter. One atomic operation; right in every thread, in signal handlers and in children of a fork. What
 * was added stays, however the process ends. Of a null pointer it does nothing.
 */
COTENANT_API
void cotenant_shared_counter_add(struct cotenant_shared_counter *counter,
                                 uint64_t number)
COTENANT_NOEXCEPT;

/**
 * What all processes have added so far. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_shared_counter_total(const struct cotenant_shared_counter *counter) COTENANT_NOEXCEPT;

/**
 * A handle of this thread, which adds about as fast as to a variable of its own: cotenant_own_counter_add. Close it
 * before the memory goes. Asks, if all cells are taken, whether their owners live; waits for nobody.
 */
COTENANT_API
cotenant_status cotenant_shared_counter_claim(struct cotenant_shared_counter *counter,
                                              cotenant_own_counter **own)
COTENANT_NOEXCEPT;

/**
 * Sets this process's value (of COTENANT_ACROSS_LAST, the value). The value vanishes when the process is dead. Also for
 * signal handlers. At most 256 processes at a time can have one: of others it is not kept. Of a null pointer it does
 * nothing.
 */
COTENANT_API void cotenant_shared_gauge_set(struct cotenant_shared_gauge *gauge, double value) COTENANT_NOEXCEPT;

/**
 * Adds to this process's value; not set counts as 0. As cotenant_shared_gauge_set in all else.
 */
COTENANT_API void cotenant_shared_gauge_add(struct cotenant_shared_gauge *gauge, double number) COTENANT_NOEXCEPT;

/**
 * The value over the processes that live (of COTENANT_ACROSS_EACH_PROCESS their sum); a NaN if none of them has set it,
 * and of a null pointer. Asks the system. Not for memory of a cotenant_reader, which cannot ask who lives.
 */
COTENANT_API double cotenant_shared_gauge_value(const struct cotenant_shared_gauge *gauge) COTENANT_NOEXCEPT;

/**
 * Counts a value; a NaN is not counted. As cotenant_shared_counter_add in all else.
 */
COTENANT_API
void cotenant_shared_histogram_observe(struct cotenant_shared_histogram *histogram,
                                       double value)
COTENANT_NOEXCEPT;

/**
 * What all have observed: `count` and `sum` of the values, and the value of a quantile, from 0 to 1 (a NaN if there are
 * none). Each place may be null.
 */
COTENANT_API
cotenant_status cotenant_shared_histogram_read(const struct cotenant_shared_histogram *histogram,
                                               uint64_t *count,
                                               double *sum,
                                               double quantile,
                                               double *value)
COTENANT_NOEXCEPT;

/**
 * A handle of this thread, which observes about as fast as into a histogram of its own: cotenant_own_histogram_observe.
 * As cotenant_shared_counter_claim in all else.
 */
COTENANT_API
cotenant_status cotenant_shared_histogram_claim(struct cotenant_shared_histogram *histogram,
                                                cotenant_own_histogram **own)
COTENANT_NOEXCEPT;

/* --- Cells per process --- */

/**
 * The head of cells, which COTENANT_PER_PROCESS(type) declares; all zero at first. 32 cells for all threads follow it,
 * and 32 that are claimed.
 */
typedef struct cotenant_cells {
    /**
     * For the functions below alone.
     */
    uint64_t owners[32];
    /**
     * For the functions below alone.
     */
    uint32_t asked;
    /**
     * Zero.
     */
    uint32_t reserved;
} cotenant_cells;

/**
 * A number that threads which run at the same time, of whatever process, rarely share, and that spreads them over
 * cells. Some loads, no system call from the second time on; also for signal handlers and children of a fork.
 */
COTENANT_API uint32_t cotenant_thread_number(void) COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PER_PROCESS declares: claims one of the 32 own cells, which nobody else changes until
 * cotenant_cells_release, or until the process ends. `kept` says which, for that call. Asks, if all are taken, whether
 * their owners live (of 32 processes at most); waits for nobody. COTENANT_WOULD_BLOCK: the living have them all; use
 * the cell that _local gives.
 */
COTENANT_API cotenant_status cotenant_cells_claim(struct cotenant_cells *cells, cotenant_kept *kept) COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PER_PROCESS declares: whether what was kept is a claim of this process, so that no other one
 * changes its cell. false in a child of a fork, after cotenant_cells_release, and of null pointers.
 */
COTENANT_API
bool cotenant_cells_is_own(const struct cotenant_cells *cells,
                           const cotenant_kept *kept)
COTENANT_NOEXCEPT;

/**
 * Called by what COTENANT_PER_PROCESS declares: lets the next one claim the cell, who adds on to what is there.
 * COTENANT_NOT_OWNER: this process does not have it. Does not block.
 */
COTENANT_API
cotenant_status cotenant_cells_release(struct cotenant_cells *cells,
                                       const cotenant_kept *kept)
COTENANT_NOEXCEPT;

/* --- Rate limits --- */

/**
 * A limit that all processes keep, or one for each of many keys. Opaque: made by cotenant_limiter_open or
 * cotenant_keyed_limiter_open, freed by cotenant_limiter_close. Threads may share it. Rust's RateLimiter, or
 * KeyedRateLimiter of that many keys, of the same segment and name is the same object.
 */
typedef struct cotenant_limiter cotenant_limiter;

/**
 * A limit as a variable, `RateLimiter` in Rust: `F(rate_limiter, api, COTENANT_RATE(100, 1000, 20))` in a block lets 100
 * through in each 1,000 milliseconds, and 20 of them at once. Zero is one each nanosecond, and never more.
 */
typedef struct COTENANT_X_ALIGNED(8) cotenant_rate_limiter {
    /**
     * For the functions below alone, after its initial value.
     */
    uint64_t interval_ns;
    /**
     * As above.
     */
    uint64_t span_ns;
    /**
     * Zero at first.
     */
    uint64_t words[2];
} cotenant_rate_limiter;

/**
 * A limit for each of 1,024 keys as a variable, `KeyedRateLimiter` in Rust:
 * `F(keyed_rate_limiter, logins, COTENANT_KEYED_RATE(5, 60000, 5))`.
 */
typedef struct COTENANT_X_ALIGNED(64) cotenant_keyed_rate_limiter {
    /**
     * For the functions below alone, after its initial value.
     */
    uint64_t interval_ns;
    /**
     * As above.
     */
    uint64_t span_ns;
    /**
     * Zero at first.
     */
    uint64_t words[1030];
} cotenant_keyed_rate_limiter;

/**
 * The limiter of that name in a segment; makes it if there is none: `number` in each time_ms milliseconds, `burst` of
 * them at once (0: all of `number`). Who comes later finds the maker's rate.
 *
 * Close the handle before the segment. Blocks while another one makes it. COTENANT_MISMATCH: an object of that name is
 * none. COTENANT_INVALID_INPUT, COTENANT_NO_SPACE, COTENANT_BUSY, COTENANT_CORRUPT.
 */
COTENANT_API
cotenant_status cotenant_limiter_open(const cotenant_segment *segment,
                                      const char *name,
                                      uint32_t number,
                                      uint64_t time_ms,
                                      uint32_t burst,
                                      struct cotenant_limiter **limiter)
COTENANT_NOEXCEPT;

/**
 * As cotenant_limiter_open, a limit for each key. It remembers `keys` of them: 1,024, 8,192 or 65,536; other numbers
 * are rounded up to one of these. If more are in use within the time of a burst, those that are nearest to having it
 * all are forgotten.
 */
COTENANT_API
cotenant_status cotenant_keyed_limiter_open(const cotenant_segment *segment,
                                            const char *name,
                                            uint32_t keys,
                                            uint32_t number,
                                            uint64_t time_ms,
                                            uint32_t burst,
                                            struct cotenant_limiter **limiter)
COTENANT_NOEXCEPT;

/**
 * Takes `number` at once, or nothing: COTENANT_WOULD_BLOCK, and `retry_after_ns` gets the nanoseconds until there will
 * be enough (18,446,744,073,709,551,615: never, it is more than a burst); it may be null. Of a keyed limiter `key`
 * is `key_length` bytes, as Rust's slice of bytes; of another one null and 0. COTENANT_INVALID_INPUT.
 *
 * Waits for nobody. A process that is killed has taken what it was told that it has, or not.
 */
COTENANT_API
cotenant_status cotenant_limiter_acquire(const struct cotenant_limiter *limiter,
                                         const void *key_bytes,
                                         size_t key_length,
                                         uint32_t number,
                                         uint64_t *retry_after_ns)
COTENANT_NOEXCEPT;

/**
 * As cotenant_limiter_acquire, of a limit that is a variable.
 */
COTENANT_API
cotenant_status cotenant_rate_limiter_acquire(struct cotenant_rate_limiter *limiter,
                                              uint32_t number,
                                              uint64_t *retry_after_ns)
COTENANT_NOEXCEPT;

/**
 * As cotenant_limiter_acquire, of a limit for each key that is a variable.
 */
COTENANT_API
cotenant_status cotenant_keyed_rate_limiter_acquire(struct cotenant_keyed_rate_limiter *limiter,
                                                    const void *key_bytes,
                                                    size_t key_length,
                                                    uint32_t number,
                                                    uint64_t *retry_after_ns)
COTENANT_NOEXCEPT;

/**
 * Frees the handle; the limit stays. Of a null pointer it does nothing. Does not block.
 */
COTENANT_API void cotenant_limiter_close(struct cotenant_limiter *limiter) COTENANT_NOEXCEPT;

/* --- Caches --- */

/**
 * A cache that all processes share: keys and values are bytes. Opaque: made by cotenant_cache_open_or_create and its
 * kin, freed by cotenant_cache_close. Threads may share it. Rust's Cache of the same name is the same. A process that
 * is killed in any call leaves a cache that the others go on with; what it was writing is there or not, whole.
 *
 * Nothing stays for sure: an entry may be thrown out at any time to make room for others. COTENANT_NOT_FOUND of the
 * calls here is an answer, not a failure: it leaves cotenant_error_message alone.
 */
typedef struct cotenant_cache cotenant_cache;

/**
 * How a cache is to be. All zero are the defaults, so set what you want of `cotenant_cache_options options = {0};` (in
 * C++ `{}`), or pass a null pointer. What describes the cache counts for the one who creates it; who finds it gets it
 * as it is. docs/cache.md says more of each.
 */
typedef struct cotenant_cache_options {
    /**
     * The budget: bytes for entries, their index and the cache's own words. 0: 64 MiB.
     */
    uint64_t capacity_bytes;
    /**
     * What cotenant_cache_grow may come to make of it: address space, not memory. 0: it cannot grow.
     */
    uint64_t max_capacity_bytes;
    /**
     * Key and value of the longest entry, together. 0: a 400th to an 800th of the capacity, more of a small cache.
     */
    uint64_t max_entry_bytes;
    /**
     * Key and value of an entry on average, which the index is made for. 0: 256.
     */
    uint64_t mean_entry_bytes;
    /**
     * How many entries may be pinned at once, by all processes. 0: 256.
     */
    uint32_t max_pins;
    /**
     * How many processes may be attached at once, up to 4,095. 0: 1,024.
     */
    uint32_t max_participants;
    /**
     * What it is called among the objects of its segment; null: "cache". Of cotenant_cache_open_in its name.
     */
    const char *object;
    /**
     * How its segment is to be: backing, mode, keep_until_removed and so on; null: the defaults. Its max_bytes,
     * max_objects and max_participants are not looked at.
     */
    const cotenant_segment_options *segment;
    /**
     * Zero: for options of later versions.
     */
    uint64_t reserved[4];
} cotenant_cache_options;

/**
 * What happened in a cache, and what is in it: cotenant_cache_get_stats.
 */
typedef struct cotenant_cache_stats {
    /**
     * Reads that found an entry.
     */
    uint64_t hits;
    /**
     * Reads that found none, or one whose time was over.
     */
    uint64_t misses;
    /**
     * Reads that were content with an entry whose time was over, and found one.
     */
    uint64_t stale_hits;
    /**
     * Entries that were inserted, in the place of others or not.
     */
    uint64_t inserts;
    /**
     * Entries that were computed in single flight.
     */
    uint64_t computed;
    /**
     * How often somebody waited for another one's computation.
     */
    uint64_t awaited;
    /**
     * Entries, those that have expired and are still there included.
     */
    uint64_t entries;
    /**
     * Bytes of their keys and values.
     */
    uint64_t bytes;
    /**
     * The budget.
     */
    uint64_t capacity_bytes;
    /**
     * Entries that were thrown out to make room.
     */
    uint64_t evicted_for_space;
    /**
     * Entries whose time was over when their room was taken.
     */
    uint64_t evicted_expired;
    /**
     * Entries that were thrown out because the index was full around them: they are much shorter than
     * mean_entry_bytes says.
     */
    uint64_t evicted_by_index;
    /**
     * Entries that were removed, cotenant_cache_clear not counted.
     */
    uint64_t removed;
    /**
     * How often a part was put right after the death of a writer.
     */
    uint64_t repairs;
    /**
     * Zero.
     */
    uint64_t reserved[2];
} cotenant_cache_stats;

/**
 * Attaches to the cache of that name, and makes it, in a segment of that name, if there is none. Its memory is reserved
 * then: COTENANT_NO_SPACE. COTENANT_INVALID_INPUT: sizes that do not go together. COTENANT_MISMATCH: an object of that
 * name is no cache, or the segment was made for something else. Else as cotenant_segment_open_or_create; blocks as that
 * does.
 */
COTENANT_API
cotenant_status cotenant_cache_open_or_create(const char *name,
                                              const struct cotenant_cache_options *options,
                                              struct cotenant_cache **cache)
COTENANT_NOEXCEPT;

/**
 * Makes a cache, and attaches to it: COTENANT_ALREADY_EXISTS if there is one. With COTENANT_BACKING_ANONYMOUS or
 * COTENANT_BACKING_MEMFD the name is a label, and children of a fork inherit it. As cotenant_cache_open_or_create.
 */
COTENANT_API
cotenant_status cotenant_cache_create(const char *name,
                                      const struct cotenant_cache_options *options,
                                      struct cotenant_cache **cache)
COTENANT_NOEXCEPT;

/**
 * Attaches to a cache that is there: COTENANT_NOT_FOUND if there is none, with a message. As
 * cotenant_cache_open_or_create.
 */
COTENANT_API
cotenant_status cotenant_cache_open(const char *name,
                                    const struct cotenant_cache_options *options,
                                    struct cotenant_cache **cache)
COTENANT_NOEXCEPT;

/**
 * Attaches to a cache to read it, as cotenant_reader_open: without permission to write, without a slot, and without a
 * store. What writes or pins gives COTENANT_UNSUPPORTED then; reads do not count in the statistics.
 */
COTENANT_API
cotenant_status cotenant_cache_open_reader(const char *name,
                                           const struct cotenant_cache_options *options,
                                           struct cotenant_cache **cache)
COTENANT_NOEXCEPT;

/**
 * The cache of that name among the objects of a segment, with others; makes it if there is none. The segment's
 * max_bytes must have room for the capacity, 64 bytes for each of max_participants, and a few KiB more. The options'
 * object and segment are not looked at. It keeps the segment attached; the two may be closed in any order.
 * COTENANT_NO_SPACE, COTENANT_MISMATCH, COTENANT_INVALID_INPUT, COTENANT_BUSY, COTENANT_CORRUPT. Blocks while another
 * one makes it.
 */
COTENANT_API
cotenant_status cotenant_cache_open_in(const cotenant_segment *segment,
                                       const char *name,
                                       const struct cotenant_cache_options *options,
                                       struct cotenant_cache **cache)
COTENANT_NOEXCEPT;

/**
 * Detaches, and frees the handle: no thread may use it any more, and no pin of it. Of a null pointer it does nothing.
 * Does not block.
 */
COTENANT_API void cotenant_cache_close(struct cotenant_cache *cache) COTENANT_NOEXCEPT;

/**
 * Takes the name from a cache, in use or not, as cotenant_segment_unlink: of its segment. Of the options only those of
 * the segment are looked at.
 */
COTENANT_API
cotenant_status cotenant_cache_unlink(const char *name,
                                      const struct cotenant_cache_options *options)
COTENANT_NOEXCEPT;

/**
 * Whether the call that gave this handle made the cache. Does not block.
 */
COTENANT_API bool cotenant_cache_is_created(const struct cotenant_cache *cache) COTENANT_NOEXCEPT;

/**
 * Key and value of the longest entry that the cache takes, together, in bytes. 0 of a null pointer. Does not block.
 */
COTENANT_API size_t cotenant_cache_max_entry_bytes(const struct cotenant_cache *cache) COTENANT_NOEXCEPT;

/**
 * The budget in bytes, as far as the cache has grown. 0 of a null pointer. Does not block.
 */
COTENANT_API uint64_t cotenant_cache_capacity_bytes(const struct cotenant_cache *cache) COTENANT_NOEXCEPT;

/**
 * What happened in the cache, by all processes, and what is in it. Each thread of another process tells every 64th of
 * what it did. Reads some kilobytes; waits for nobody.
 */
COTENANT_API
cotenant_status cotenant_cache_get_stats(const struct cotenant_cache *cache,
                                         struct cotenant_cache_stats *stats)
COTENANT_NOEXCEPT;

/**
 * What this process did with the cache since it opened it: hits, misses, stale_hits, inserts, computed and awaited; the
 * rest is 0. Waits for nobody.
 */
COTENANT_API
cotenant_status cotenant_cache_get_process_stats(const struct cotenant_cache *cache,
                                                 struct cotenant_cache_stats *stats)
COTENANT_NOEXCEPT;

/* --- Reading a cache --- */

/**
 * An entry's value in place, of cotenant_cache_pin.
 */
typedef struct cotenant_cache_pinned {
    /**
     * The value: not to be written. On 8 bytes.
     */
    const void *bytes;
    /**
     * Its length in bytes.
     */
    size_t length;
    /**
     * Its version, for cotenant_cache_compare_and_swap.
     */
    uint64_t version;
    /**
     * The library's own.
     */
    void *held;
} cotenant_cache_pinned;

/**
 * An entry, of cotenant_cache_for_each: a copy that stays during the call that gets it.
 */
typedef struct cotenant_cache_entry {
    /**
     * The key.
     */
    const void *key;
    /**
     * Its length in bytes.
     */
    size_t key_length;
    /**
     * The value.
     */
    const void *value;
    /**
     * Its length in bytes.
     */
    size_t value_length;
    /**
     * Its version, for cotenant_cache_compare_and_swap.
     */
    uint64_t version;
    /**
     * How long it still lives, in milliseconds; UINT64_MAX: until it is thrown out.
     */
    uint64_t expires_in_ms;
} cotenant_cache_entry;

/**
 * Gets one entry after the other; gives 0 to go on, anything else to end. It may use the cache. It must not throw, and
 * not jump out.
 */
typedef int32_t (*cotenant_cache_visit)(const struct cotenant_cache_entry *entry, void *argument);

/**
 * Copies the value of an entry that has not expired to `buffer`, which has room for `capacity` bytes; `length` gets its
 * length, and may be null. The buffer is not to overlap the key. COTENANT_NOT_FOUND: there is none. COTENANT_NO_SPACE: it is longer than the buffer, which is
 * as it was; `length` is told. Takes no lock and waits for nobody (docs/cache.md has the exception); of a process that
 * writes it stores at most one word of the index, once for each entry and period.
 */
COTENANT_API
cotenant_status cotenant_cache_get(const cotenant_cache *cache,
                                   const void *key,
                                   size_t key_length,
                                   void *buffer,
                                   size_t capacity,
                                   size_t *length)
COTENANT_NOEXCEPT;

/**
 * As cotenant_cache_get; `version` gets the value's, for cotenant_cache_compare_and_swap: no two values of a key have
 * the same. Not of a reader: COTENANT_UNSUPPORTED.
 */
COTENANT_API
cotenant_status cotenant_cache_get_versioned(const cotenant_cache *cache,
                                             const void *key,
                                             size_t key_length,
                                             void *buffer,
                                             size_t capacity,
                                             size_t *length,
                                             uint64_t *version)
COTENANT_NOEXCEPT;

/**
 * As cotenant_cache_get, also of an entry whose time is over and which is still there: `expired_for_ms` gets since when
 * that is, in milliseconds, and -1 if it is not over; it may be null. Not of a reader: COTENANT_UNSUPPORTED.
 */
COTENANT_API
cotenant_status cotenant_cache_get_stale(const cotenant_cache *cache,
                                         const void *key,
                                         size_t key_length,
                                         void *buffer,
                                         size_t capacity,
                                         size_t *length,
                                         int64_t *expired_for_ms)
COTENANT_NOEXCEPT;

/**
 * Whether there is an entry of that key that has not expired. Counts as neither hit nor miss. Waits for nobody.
 */
COTENANT_API
bool cotenant_cache_contains(const cotenant_cache *cache,
                             const void *key,
                             size_t key_length)
COTENANT_NOEXCEPT;

/**
 * The value of an entry that has not expired, in place, until cotenant_cache_unpin; before that the cache must not be
 * closed. COTENANT_NOT_FOUND: there is none, and `pinned` is as it was. The entry may be replaced, removed or thrown out
 * meanwhile: the bytes stay what they were, and the memory around them is not used for others; so copy what is kept for
 * long. A process that is killed gives its pins back. In a child of a fork a pin of its parent's protects nothing.
 *
 * COTENANT_FULL: all pins of the cache are in use. COTENANT_UNSUPPORTED: of a reader. COTENANT_PERMISSION_DENIED. Waits
 * for nobody.
 */
COTENANT_API
cotenant_status cotenant_cache_pin(const cotenant_cache *cache,
                                   const void *key,
                                   size_t key_length,
                                   struct cotenant_cache_pinned *pinned)
COTENANT_NOEXCEPT;

/**
 * Gives a pin back, once, by any thread: its bytes must not be looked at any more. Of a null pointer, and of one that
 * was given back or is all zero, it does nothing. Does not block.
 */
COTENANT_API void cotenant_cache_unpin(struct cotenant_cache_pinned *pinned) COTENANT_NOEXCEPT;

/**
 * Calls `visit` with a copy of each entry that has not expired, and with `argument`, until it gives anything but 0.
 * What is inserted or removed meanwhile comes or not; what is there all the time comes, perhaps twice if the cache
 * grows. Takes no lock.
 */
COTENANT_API
cotenant_status cotenant_cache_for_each(const cotenant_cache *cache,
                                        cotenant_cache_visit visit,
                                        void *argument)
COTENANT_NOEXCEPT;

/* --- Writing a cache --- */

/**
 * Puts an entry into the cache, in the place of the one of its key. `ttl_ms` says how long it is to live, in
 * milliseconds; 0: until it is thrown out.
 *
 * Waits for others who change the same part of the cache at that moment, which takes microseconds.
 * COTENANT_INVALID_INPUT: longer than cotenant_cache_max_entry_bytes. COTENANT_NO_SPACE: all memory that could be freed
 * is pinned. COTENANT_BUSY: another process has been stopped in the middle of a change for half a minute; one that is
 * killed holds nobody up. COTENANT_UNSUPPORTED: of a reader. COTENANT_FULL, COTENANT_PERMISSION_DENIED: a child of a
 * fork could not become a participant. COTENANT_CORRUPT. All calls that change the cache may give these.
 */
COTENANT_API
cotenant_status cotenant_cache_insert(const cotenant_cache *cache,
                                      const void *key,
                                      size_t key_length,
                                      const void *value,
                                      size_t value_length,
                                      uint64_t ttl_ms)
COTENANT_NOEXCEPT;

/**
 * As cotenant_cache_insert, if there is no entry of that key or its time is over; else COTENANT_ALREADY_EXISTS, which
 * is an answer and leaves no message.
 */
COTENANT_API
cotenant_status cotenant_cache_insert_if_absent(const cotenant_cache *cache,
                                                const void *key,
                                                size_t key_length,
                                                const void *value,
                                                size_t value_length,
                                                uint64_t ttl_ms)
COTENANT_NOEXCEPT;

/**
 * As cotenant_cache_insert, if there is an entry of that key that has not expired; else COTENANT_NOT_FOUND.
 */
COTENANT_API
cotenant_status cotenant_cache_replace(const cotenant_cache *cache,
                                       const void *key,
                                       size_t key_length,
                                       const void *value,
                                       size_t value_length,
                                       uint64_t ttl_ms)
COTENANT_NOEXCEPT;

/**
 * As cotenant_cache_insert, if the entry still has the version in `version`, of cotenant_cache_get_versioned; `version`
 * gets that of the new value. COTENANT_ALREADY_EXISTS: somebody was first; `version` gets theirs, and nothing was
 * changed. COTENANT_NOT_FOUND: there is no entry. These two are answers and leave no message.
 */
COTENANT_API
cotenant_status cotenant_cache_compare_and_swap(const cotenant_cache *cache,
                                                const void *key,
                                                size_t key_length,
                                                const void *value,
                                                size_t value_length,
                                                uint64_t ttl_ms,
                                                uint64_t *version)
COTENANT_NOEXCEPT;

/**
 * Removes an entry: COTENANT_NOT_FOUND if there was none that had not expired. As cotenant_cache_insert.
 */
COTENANT_API
cotenant_status cotenant_cache_remove(const cotenant_cache *cache,
                                      const void *key,
                                      size_t key_length)
COTENANT_NOEXCEPT;

/**
 * Adds `by` to a number; `sum` gets the sum, and may be null. Without an entry the number is `initial` (and `by` is not
 * added), and lives for `ttl_ms_if_new` milliseconds, 0: until it is thrown out. The value is an int64_t in the
 * machine's order. COTENANT_INVALID_INPUT: it is no number, or the sum has more than 64 bits; nothing was changed. As
 * cotenant_cache_insert.
 */
COTENANT_API
cotenant_status cotenant_cache_increment(const cotenant_cache *cache,
                                         const void *key,
                                         size_t key_length,
                                         int64_t by,
                                         int64_t initial,
                                         uint64_t ttl_ms_if_new,
                                         int64_t *sum)
COTENANT_NOEXCEPT;

/**
 * Gives an entry another time to live, from now on, in milliseconds; 0: until it is thrown out. COTENANT_NOT_FOUND:
 * there is none that has not expired. As cotenant_cache_insert.
 */
COTENANT_API
cotenant_status cotenant_cache_touch(const cotenant_cache *cache,
                                     const void *key,
                                     size_t key_length,
                                     uint64_t ttl_ms)
COTENANT_NOEXCEPT;

/**
 * Removes all entries, one part of the cache after the other. As cotenant_cache_insert. Killed in it, a process leaves
 * some parts cleared.
 */
COTENANT_API cotenant_status cotenant_cache_clear(const cotenant_cache *cache) COTENANT_NOEXCEPT;

/**
 * Makes the budget so many bytes, while others use the cache; nothing if it is as large already. It can grow fifteen
 * times, and up to max_capacity_bytes: else COTENANT_NO_SPACE, and nothing was changed. COTENANT_UNSUPPORTED,
 * COTENANT_CORRUPT.
 */
COTENANT_API
cotenant_status cotenant_cache_grow(const cotenant_cache *cache,
                                    uint64_t capacity_bytes)
COTENANT_NOEXCEPT;

/* --- Single flight --- */

/**
 * A value that is being computed. Opaque: a cotenant_cache_make gets it, and appends to it.
 */
typedef struct cotenant_cache_made cotenant_cache_made;

/**
 * Computes the value of a key: appends it to `made` by cotenant_cache_made_append, piece by piece. `argument` is what
 * was passed beside it. Gives 0, or anything else if it cannot: nothing is inserted then, and one of those who wait
 * computes. It holds no lock of the cache, and may ask for other keys. It must not throw, and not jump out.
 */
typedef int32_t (*cotenant_cache_make)(struct cotenant_cache_made *made, void *argument);

/**
 * Appends bytes to a value that is being computed: in the call that gets it, and by its thread. COTENANT_INVALID_INPUT;
 * COTENANT_NO_SPACE: this process has no memory for them, and nothing was appended. Does not block.
 */
COTENANT_API
cotenant_status cotenant_cache_made_append(struct cotenant_cache_made *made,
                                           const void *bytes,
                                           size_t length)
COTENANT_NOEXCEPT;

/**
 * The value of a key, as cotenant_cache_get copies it; if there is none, `make` computes it and it is inserted for
 * `ttl_ms` milliseconds (0: until it is thrown out). Of all who ask for it meanwhile, in all processes, one computes and
 * the others wait; if that one is killed, or cannot (COTENANT_CANCELLED of it alone), one of those who wait computes.
 *
 * What is computed is given also if the cache cannot take it. COTENANT_NO_SPACE: the value is longer than the buffer;
 * `length` is told, and the next call finds the value, if the cache took it. COTENANT_WOULD_DEADLOCK: `make` asked for
 * the key that it computes. Those who compute what the other one asks for do not wait for each other. Else as
 * cotenant_cache_insert.
 */
COTENANT_API
cotenant_status cotenant_cache_get_or_insert(const cotenant_cache *cache,
                                             const void *key,
                                             size_t key_length,
                                             uint64_t ttl_ms,
                                             cotenant_cache_make make,
                                             void *argument,
                                             void *buffer,
                                             size_t capacity,
                                             size_t *length)
COTENANT_NOEXCEPT;

/**
 * Stale while it is computed: as cotenant_cache_get_or_insert, but an entry whose time has been over for at most
 * `stale_for_ms` milliseconds is given while somebody else computes it anew. `ttl_ms` is not 0: COTENANT_INVALID_INPUT.
 */
COTENANT_API
cotenant_status cotenant_cache_get_or_refresh(const cotenant_cache *cache,
                                              const void *key,
                                              size_t key_length,
                                              uint64_t ttl_ms,
                                              uint64_t stale_for_ms,
                                              cotenant_cache_make make,
                                              void *argument,
                                              void *buffer,
                                              size_t capacity,
                                              size_t *length)
COTENANT_NOEXCEPT;


/* --- Variables: one word each, which every process reads and changes in one step. ---
 *
 * Of each type, for example cotenant_u64: _load (which acquires), _store (which releases), and _exchange, _add, _sub,
 * _and, _or, _xor (which do both, and give the value before), and _compare_exchange: true if the variable held
 * *expected and holds desired now, else *expected becomes what it holds. They cost what plain accesses cost, never
 * block, and a process that is killed in one has done it or has not. cotenant.hpp has operators for them. */

#define COTENANT_X_VARIABLE_OPERATIONS(name, type)                                                                     \
    static inline type cotenant_##name##_load(const cotenant_##name *variable) COTENANT_NOEXCEPT                       \
    {                                                                                                                  \
        type value;                                                                                                    \
        __atomic_load(&variable->value, &value, __ATOMIC_ACQUIRE);                                                     \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void cotenant_##name##_store(cotenant_##name *variable, type value) COTENANT_NOEXCEPT                \
    {                                                                                                                  \
        __atomic_store_n(&variable->value, value, __ATOMIC_RELEASE);                                                   \
    }                                                                                                                  \
    static inline type cotenant_##name##_exchange(cotenant_##name *variable, type value) COTENANT_NOEXCEPT             \
    {                                                                                                                  \
        return __atomic_exchange_n(&variable->value, value, __ATOMIC_ACQ_REL);                                         \
    }                                                                                                                  \
    static inline bool cotenant_##name##_compare_exchange(cotenant_##name *variable, type *expected, type desired)     \
        COTENANT_NOEXCEPT                                                                                              \
    {                                                                                                                  \
        return __atomic_compare_exchange_n(&variable->value, expected, desired, false, __ATOMIC_ACQ_REL,               \
                                           __ATOMIC_ACQUIRE);                                                          \
    }

#define COTENANT_X_INTEGER_OPERATION(name, type, operation)                                                            \
    static inline type cotenant_##name##_##operation(cotenant_##name *variable, type operand) COTENANT_NOEXCEPT        \
    {                                                                                                                  \
        return __atomic_fetch_##operation(&variable->value, operand, __ATOMIC_ACQ_REL);                                \
    }

/* For cotenant.hpp: the table of a type of C++. */
#ifdef __cplusplus
#define COTENANT_X_TYPE_OF(word, name)                                                                                 \
    extern "C++" {                                                                                                     \
    COTENANT_X_UNUSED static inline cotenant_type *cotenant_type_of(const name *) noexcept                             \
    {                                                                                                                  \
        return &cotenant_variable_type_##word;                                                                         \
    }                                                                                                                  \
    }
#else
#define COTENANT_X_TYPE_OF(word, name)
#endif

#define COTENANT_X_SCALAR(name, type, bytes, rust_kind)                                                                \
    typedef type cotenant_value_##name;                                                                                \
    static cotenant_type cotenant_value_type_##name COTENANT_X_TABLE = {                                               \
        #name, NULL, sizeof(type), COTENANT_X_ALIGNOF(type), 0, 0, rust_kind, 0, {0, 0}, NULL};                        \
    COTENANT_X_STATIC_ASSERT(sizeof(type) == bytes, #name " has another size here than in other programs")

#define COTENANT_X_VARIABLE(name, type, bytes, rust_kind, rust_name)                                                   \
    typedef struct cotenant_##name {                                                                                   \
        type value __attribute__((aligned(bytes)));                                                                    \
    } cotenant_##name;                                                                                                 \
    typedef cotenant_##name cotenant_variable_##name;                                                                  \
    typedef cotenant_##name cotenant_value_atomic_##name;                                                              \
    static cotenant_type cotenant_variable_type_##name COTENANT_X_TABLE = {                                            \
        rust_name, NULL, bytes, bytes, 0, 0, rust_kind, 1, {0, 0}, NULL};                                              \
    static cotenant_type cotenant_value_type_atomic_##name COTENANT_X_TABLE = {                                        \
        rust_name, NULL, bytes, bytes, 0, 0, rust_kind, 1, {0, 0}, NULL};                                                                                                         \
    COTENANT_X_TYPE_OF(name, cotenant_##name)                                                                          \
    struct cotenant_x_end_of_##name

#define COTENANT_X_INTEGER(name, type, bytes, rust_kind, rust_name)                                                    \
    COTENANT_X_SCALAR(name, type, bytes, rust_kind);                                                                   \
    COTENANT_X_VARIABLE(name, type, bytes, rust_kind, rust_name);                                                      \
    COTENANT_X_VARIABLE_OPERATIONS(name, type)                                                                         \
    COTENANT_X_INTEGER_OPERATION(name, type, add)                                                                      \
    COTENANT_X_INTEGER_OPERATION(name, type, sub)                                                                      \
    COTENANT_X_INTEGER_OPERATION(name, type, and)                                                                      \
    COTENANT_X_INTEGER_OPERATION(name, type, or)                                                                       \
    COTENANT_X_INTEGER_OPERATION(name, type, xor)

COTENANT_X_INTEGER(u8, uint8_t, 1, 1, "AtomicU8")
COTENANT_X_INTEGER(u16, uint16_t, 2, 1, "AtomicU16")
COTENANT_X_INTEGER(u32, uint32_t, 4, 1, "AtomicU32")
COTENANT_X_INTEGER(u64, uint64_t, 8, 1, "AtomicU64")
COTENANT_X_INTEGER(i8, int8_t, 1, 2, "AtomicI8")
COTENANT_X_INTEGER(i16, int16_t, 2, 2, "AtomicI16")
COTENANT_X_INTEGER(i32, int32_t, 4, 2, "AtomicI32")
COTENANT_X_INTEGER(i64, int64_t, 8, 2, "AtomicI64")

COTENANT_X_SCALAR(f32, float, 4, 3);
COTENANT_X_SCALAR(f64, double, 8, 3);
COTENANT_X_SCALAR(bool, bool, 1, 4);
COTENANT_X_VARIABLE(bool, bool, 1, 4, "AtomicBool");
COTENANT_X_VARIABLE_OPERATIONS(bool, bool)

/* Where <stdbool.h> makes `bool` a macro, that is what arrives here. */
#define cotenant__Bool cotenant_bool
#define cotenant__Bool_load cotenant_bool_load
#define cotenant__Bool_store cotenant_bool_store
#define cotenant__Bool_exchange cotenant_bool_exchange
#define cotenant__Bool_compare_exchange cotenant_bool_compare_exchange
#define cotenant_value__Bool cotenant_value_bool
#define cotenant_value_type__Bool cotenant_value_type_bool
#define cotenant_variable__Bool cotenant_variable_bool
#define cotenant_variable_type__Bool cotenant_variable_type_bool

/* --- Types. Each of these declares a type word, which then stands in lists of fields. ---
 *
 * A word is of a *variable* (u8 to u64, i8 to i64, bool, texts, locks), which may stand in a block, or of a *value*
 * (the same words, f32, f64, structs, enums), which lies under a lock. In a list of values `u64` is a plain uint64_t
 * and `atomic_u64` is the variable. */

#define COTENANT_X_NATURAL UINT64_MAX

#define COTENANT_X_VALUE_MEMBER(...) COTENANT_X_VALUE_MEMBER_(__VA_ARGS__, )
#define COTENANT_X_VALUE_MEMBER_(type, name, ...) cotenant_value_##type name;
#define COTENANT_X_VALUE_PART(...) COTENANT_X_VALUE_PART_(__VA_ARGS__, )
#define COTENANT_X_VALUE_PART_(type, name, ...) {#name, COTENANT_X_NATURAL, &cotenant_value_type_##type},
#define COTENANT_X_COUNT(array) ((uint32_t)(sizeof(array) / sizeof(array[0])))

/* A struct of values: #define LIMITS(F) F(u32, rate) F(u32, burst)   COTENANT_STRUCT(limits, LIMITS);
 * It is the struct of the same fields that `#[repr(C)]` gives Rust. It lies under a lock (COTENANT_MUTEX) or in an
 * object of a segment. */
#define COTENANT_STRUCT(name, FIELDS)                                                                                  \
    typedef struct name {                                                                                              \
        FIELDS(COTENANT_X_VALUE_MEMBER)                                                                                \
    } name;                                                                                                            \
    typedef name cotenant_value_##name;                                                                                \
    static cotenant_part cotenant_x_parts_##name[] COTENANT_X_TABLE = {FIELDS(COTENANT_X_VALUE_PART)};                 \
    static cotenant_type cotenant_value_type_##name COTENANT_X_TABLE = {                                               \
        #name, cotenant_x_parts_##name, sizeof(name), COTENANT_X_ALIGNOF(name),                                        \
        COTENANT_X_COUNT(cotenant_x_parts_##name), 0, 7, 0, {0, 0}, NULL}

/* A field-less enum, with the names that Rust gives its values: #define STATES(V) V(STATE_IDLE, Idle, 0) ...
 * COTENANT_ENUM(state, u8, STATES);   state s = STATE_IDLE; */
#define COTENANT_X_CONSTANT(constant, name, number) constant = number,
#define COTENANT_X_VARIANT(constant, name, number) {#name, (uint64_t)(int64_t)(number), NULL},
#define COTENANT_ENUM(name, type, VALUES)                                                                              \
    COTENANT_X_STATIC_ASSERT((cotenant_value_##type)1.5 == 1 && (cotenant_value_##type)2 == 2,                         \
                             "an enum is of one of the words u8 to u64 and i8 to i64");                                \
    enum { VALUES(COTENANT_X_CONSTANT) };                                                                              \
    typedef cotenant_value_##type name;                                                                                \
    typedef name cotenant_value_##name;                                                                                \
    static cotenant_part cotenant_x_parts_##name[] COTENANT_X_TABLE = {VALUES(COTENANT_X_VARIANT)};                    \
    static cotenant_type cotenant_value_type_##name COTENANT_X_TABLE = {                                               \
        #name, cotenant_x_parts_##name, sizeof(name), COTENANT_X_ALIGNOF(name),                                        \
        COTENANT_X_COUNT(cotenant_x_parts_##name), 0, 6, 0, {0, 0}, NULL}

/* An array of values: COTENANT_ARRAY(samples, f64, 16);   samples s; s.at[0] */
#define COTENANT_ARRAY(name, type, count)                                                                              \
    typedef struct name {                                                                                              \
        cotenant_value_##type at[count];                                                                               \
    } name;                                                                                                            \
    typedef name cotenant_value_##name;                                                                                \
    static cotenant_part cotenant_x_parts_##name[] COTENANT_X_TABLE = {{"", 0, &cotenant_value_type_##type}};          \
    static cotenant_type cotenant_value_type_##name COTENANT_X_TABLE = {                                               \
        "array", cotenant_x_parts_##name, sizeof(name), COTENANT_X_ALIGNOF(name), 1, count, 8, 0, {0, 0}, NULL}

/* An array of variables, which may stand in a block: COTENANT_VARIABLE_ARRAY(per_core, u64, 8); */
#define COTENANT_VARIABLE_ARRAY(name, type, count)                                                                     \
    typedef struct name {                                                                                              \
        cotenant_variable_##type at[count];                                                                            \
    } name;                                                                                                            \
    static cotenant_part cotenant_x_parts_##name[] COTENANT_X_TABLE = {                                                \
        {"", 0, &cotenant_variable_type_##type}};                                                                      \
    COTENANT_X_BOTH(name, "array", cotenant_x_parts_##name, 1, count, 8)

/* The tables of a type that may stand in a block and under a lock. */
#define COTENANT_X_BOTH(name, rust_name, parts, part_count, count, rust_kind)                                          \
    COTENANT_X_BOTH_AS(name, name, rust_name, parts, part_count, count, rust_kind)
#define COTENANT_X_BOTH_AS(word, name, rust_name, parts, part_count, count, rust_kind)                                 \
    typedef name cotenant_value_##word;                                                                                \
    typedef name cotenant_variable_##word;                                                                             \
    static cotenant_type cotenant_value_type_##word COTENANT_X_TABLE = {                                               \
        rust_name, parts, sizeof(name), COTENANT_X_ALIGNOF(name), part_count, count, rust_kind, 0, {0, 0}, NULL};      \
    static cotenant_type cotenant_variable_type_##word COTENANT_X_TABLE = {                                            \
        rust_name, parts, sizeof(name), COTENANT_X_ALIGNOF(name), part_count, count, rust_kind, 0, {0, 0}, NULL};      \
    COTENANT_X_TYPE_OF(word, name)                                                                                     \
    struct cotenant_x_end_of_##word

/* A mutex and the value that it guards: COTENANT_MUTEX(limits);   mutex_limits m; m.lock, m.value */
#define COTENANT_MUTEX(type)                                                                                           \
    typedef struct mutex_##type {                                                                                      \
        cotenant_mutex lock;                                                                                           \
        cotenant_value_##type value;                                                                                   \
    } mutex_##type;                                                                                                    \
    static cotenant_part cotenant_x_parts_mutex_##type[] COTENANT_X_TABLE = {                                          \
        {"lock", 0, &cotenant_value_type_u64}, {"value", COTENANT_X_NATURAL, &cotenant_value_type_##type}};            \
    COTENANT_X_BOTH(mutex_##type, "Mutex", cotenant_x_parts_mutex_##type, 2, 0, 12)

/* Text of at most so many bytes: COTENANT_TEXT(line, 80);   line l; COTENANT_TEXT_SET(&l, "..."), COTENANT_TEXT_GET(&l, out)
 * (`out` is an array of char, one longer than the text). The words text16, text32, text64, text128 and text256 (in C
 * cotenant_text16 ...) are there. */
#define COTENANT_TEXT(name, capacity) COTENANT_X_TEXT(name, name, capacity)
#define COTENANT_X_TEXT(word, name, capacity)                                                                          \
    typedef struct name {                                                                                              \
        uint32_t length;                                                                                               \
        char bytes[capacity];                                                                                          \
    } name;                                                                                                            \
    COTENANT_X_BOTH_AS(word, name, "Text", NULL, 0, capacity, 9)
#define COTENANT_TEXT_SET(text, value) cotenant_text_set(&(text)->length, (text)->bytes, sizeof((text)->bytes), value)
/* The bytes of an array; of a pointer, whose size would cut the text off, an error of the compiler. */
#ifdef __cplusplus
extern "C++" {
template <size_t bytes> constexpr size_t cotenant_x_array_bytes(const char (&)[bytes]) noexcept { return bytes; }
}
#define COTENANT_X_ARRAY_BYTES(array) cotenant_x_array_bytes(array)
#else
#define COTENANT_X_ARRAY_BYTES(array)                                                                                  \
    (sizeof(array) + 0 * sizeof(char[1 - 2 * __builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0]))]))
#endif
#define COTENANT_TEXT_GET(text, out)                                                                                   \
    cotenant_text_get(&(text)->length, (text)->bytes, sizeof((text)->bytes), out, COTENANT_X_ARRAY_BYTES(out))

COTENANT_X_TEXT(text16, cotenant_text16, 16);
COTENANT_X_TEXT(text32, cotenant_text32, 32);
COTENANT_X_TEXT(text64, cotenant_text64, 64);
COTENANT_X_TEXT(text128, cotenant_text128, 128);
COTENANT_X_TEXT(text256, cotenant_text256, 256);

/* The table of a type word, for objects of segments: of one that may stand in a block, and of a value that is written
 * when the object is made and only read from then on. */
#define COTENANT_TYPE(word) (&cotenant_variable_type_##word)
#define COTENANT_VALUE_TYPE(word) (&cotenant_value_type_##word)

/* The word `mutex`: one that guards what lies beside it. */
static cotenant_type cotenant_x_type_nothing COTENANT_X_TABLE = {"()", NULL, 0, 1, 0, 0, 7, 0, {0, 0}, NULL};
static cotenant_part cotenant_x_parts_mutex[] COTENANT_X_TABLE = {{"lock", 0, &cotenant_value_type_u64},
                                                                        {"value", 8, &cotenant_x_type_nothing}};
COTENANT_X_BOTH_AS(mutex, cotenant_mutex, "Mutex", cotenant_x_parts_mutex, 2, 0, 12);

/* The words rwlock, condvar, event, once and leader, and those that are declared: */
#define COTENANT_X_ARRAY_TYPE(word, type, count)                                                                       \
    static cotenant_part cotenant_x_elements_##word[] COTENANT_X_TABLE = {{"", 0, &cotenant_value_type_##type}};       \
    static cotenant_type cotenant_x_array_##word COTENANT_X_TABLE = {                                                  \
        "array", cotenant_x_elements_##word, sizeof(cotenant_value_##type) * (count),                                  \
        COTENANT_X_ALIGNOF(cotenant_value_##type), 1, count, 8, 0, {0, 0}, NULL}
#define COTENANT_X_RWLOCK_PARTS                                                                                        \
    {"writer", 0, &cotenant_value_type_u64}, {"changing", 8, &cotenant_value_type_u32},                                \
        {"nested", 12, &cotenant_value_type_u32}, {"freed", 16, &cotenant_value_type_u32},                             \
        {"readers", 64, &cotenant_x_array_readers}
COTENANT_X_ARRAY_TYPE(readers, u64, 64);
static cotenant_part cotenant_x_parts_rwlock[] COTENANT_X_TABLE = {COTENANT_X_RWLOCK_PARTS,
                                                                  {"value", 576, &cotenant_x_type_nothing}};
COTENANT_X_BOTH_AS(rwlock, cotenant_rwlock, "RwLock", cotenant_x_parts_rwlock, 6, 0, 14);
static cotenant_part cotenant_x_parts_word[] COTENANT_X_TABLE = {{"word", 0, &cotenant_value_type_u32}};
COTENANT_X_BOTH_AS(condvar, cotenant_condvar, "Condvar", cotenant_x_parts_word, 1, 0, 15);
COTENANT_X_BOTH_AS(event, cotenant_event, "Event", cotenant_x_parts_word, 1, 0, 20);
static cotenant_part cotenant_x_parts_once[] COTENANT_X_TABLE = {{"completed", 0, &cotenant_value_type_u32},
                                                                {"lock", 8, &cotenant_value_type_u64}};
COTENANT_X_BOTH_AS(once, cotenant_once, "Once", cotenant_x_parts_once, 2, 0, 16);
static cotenant_part cotenant_x_parts_leader[] COTENANT_X_TABLE = {{"lock", 0, &cotenant_value_type_u64},
                                                                  {"term", 8, &cotenant_value_type_u64}};
COTENANT_X_BOTH_AS(leader, cotenant_leader, "Leader", cotenant_x_parts_leader, 2, 0, 21);

/* A reader-writer lock and its value: COTENANT_RWLOCK(limits);   rwlock_limits r; r.lock, r.value */
#define COTENANT_RWLOCK(type)                                                                                          \
    typedef struct rwlock_##type {                                                                                     \
        cotenant_rwlock lock;                                                                                          \
        cotenant_value_##type value;                                                                                   \
    } rwlock_##type;                                                                                                   \
    static cotenant_part cotenant_x_parts_rwlock_##type[] COTENANT_X_TABLE = {                                         \
        COTENANT_X_RWLOCK_PARTS, {"value", COTENANT_X_NATURAL, &cotenant_value_type_##type}};                          \
    COTENANT_X_BOTH(rwlock_##type, "RwLock", cotenant_x_parts_rwlock_##type, 6, 0, 14)

/* A value that is made once: COTENANT_ONCE_CELL(limits);   once_limits o;
 * cotenant_once_call(&o.once, make, &o.value, argument), which gives COTENANT_OK once o.value may be read. */
#define COTENANT_ONCE_CELL(type)                                                                                       \
    typedef struct once_##type {                                                                                       \
        cotenant_once once;                                                                                            \
        cotenant_value_##type value;                                                                                   \
    } once_##type;                                                                                                     \
    static cotenant_part cotenant_x_parts_once_##type[] COTENANT_X_TABLE = {                                           \
        {"completed", 0, &cotenant_value_type_u32}, {"lock", 8, &cotenant_value_type_u64},                             \
        {"value", COTENANT_X_NATURAL, &cotenant_value_type_##type}};                                                   \
    COTENANT_X_BOTH(once_##type, "OnceCell", cotenant_x_parts_once_##type, 3, 0, 17)

/* A semaphore of at most `max` permits, a power of two up to 1,024: COTENANT_SEMAPHORE(pool, 8), in a block
 * F(pool, workers, COTENANT_PERMITS(6)) for six of them. `kept` is a cotenant_kept. */
#define COTENANT_PERMITS(permits) {permits, {0}}, {0}
#define COTENANT_SEMAPHORE(name, max)                                                                                  \
    COTENANT_X_STATIC_ASSERT((max) > 0 && (max) <= 1024 && ((max) & ((max) - 1)) == 0,                                 \
                             "a semaphore's maximum is a power of two up to 1024");                                    \
    typedef struct name {                                                                                              \
        cotenant_semaphore head;                                                                                       \
        uint64_t cells[max];                                                                                           \
    } name;                                                                                                            \
    COTENANT_X_ARRAY_TYPE(name, u64, max);                                                                             \
    static cotenant_part cotenant_x_parts_##name[] COTENANT_X_TABLE = {{"permits", 0, &cotenant_value_type_u32},       \
                                                                      {"freed", 4, &cotenant_value_type_u32},          \
                                                                      {"hint", 8, &cotenant_value_type_u32},           \
                                                                      {"cells", 16, &cotenant_x_array_##name}};        \
    COTENANT_X_BOTH(name, "Semaphore", cotenant_x_parts_##name, 4, 0, 18)
#define COTENANT_X_CELLS(lock) (sizeof((lock)->cells) / sizeof((lock)->cells[0]))
#define COTENANT_SEMAPHORE_ACQUIRE(semaphore, kept)                                                                    \
    cotenant_semaphore_acquire(&(semaphore)->head, COTENANT_X_CELLS(semaphore), kept)
#define COTENANT_SEMAPHORE_TRY_ACQUIRE(semaphore, kept)                                                                \
    cotenant_semaphore_try_acquire(&(semaphore)->head, COTENANT_X_CELLS(semaphore), kept)
#define COTENANT_SEMAPHORE_ACQUIRE_TIMEOUT(semaphore, timeout_ms, kept)                                                \
    cotenant_semaphore_acquire_timeout(&(semaphore)->head, COTENANT_X_CELLS(semaphore), timeout_ms, kept)
#define COTENANT_SEMAPHORE_RELEASE(semaphore, kept)                                                                    \
    cotenant_semaphore_release(&(semaphore)->head, COTENANT_X_CELLS(semaphore), kept)

/* A barrier for `count` threads, 1 to 16, 32 or 64: COTENANT_BARRIER(start, 4) */
#define COTENANT_BARRIER(name, count)                                                                                  \
    COTENANT_X_STATIC_ASSERT(((count) > 0 && (count) <= 16) || (count) == 32 || (count) == 64,                         \
                             "a barrier is for 1 to 16, 32 or 64 threads");                                            \
    typedef struct name {                                                                                              \
        cotenant_barrier head;                                                                                         \
        uint64_t cells[count];                                                                                         \
    } name;                                                                                                            \
    COTENANT_X_ARRAY_TYPE(name, u64, count);                                                                           \
    static cotenant_part cotenant_x_parts_##name[] COTENANT_X_TABLE = {                                                \
        {"lock", 0, &cotenant_value_type_u64},                                                                         \
        {"generation", 8, &cotenant_value_type_u32},                                                                   \
        {"cleared_generation", 12, &cotenant_value_type_u32},                                                          \
        {"cells", 16, &cotenant_x_array_##name}};                                                                      \
    COTENANT_X_BOTH(name, "Barrier", cotenant_x_parts_##name, 4, 0, 19)
#define COTENANT_BARRIER_WAIT(barrier, is_leader)                                                                      \
    cotenant_barrier_wait(&(barrier)->head, COTENANT_X_CELLS(barrier), is_leader)
#define COTENANT_BARRIER_WAIT_TIMEOUT(barrier, timeout_ms, is_leader)                                                  \
    cotenant_barrier_wait_timeout(&(barrier)->head, COTENANT_X_CELLS(barrier), timeout_ms, is_leader)

/* A published value, of values that are no atomics and hold no locks: COTENANT_PUBLISHED(limits);   in a block
 * F(published_limits, limits, COTENANT_FIRST({100, 20})), in a segment COTENANT_TYPE(published_limits). Rust's
 * Published<Limits>. Every load gives a whole snapshot, of the newest publish, and waits for nobody.
 *
 *     published_limits_load(&web()->limits, &mine, &seen)            the newest, and its number (may be null)
 *     published_limits_load_if_newer(&web()->limits, &mine, &seen)   if there is a newer one than `seen`
 *     published_limits_sequence(&web()->limits)                      how often was published
 *     published_limits_publish(&web()->limits, &mine, NULL)          and _publish_timeout(.., timeout_ms, NULL)
 *     published_limits_update(&web()->limits, change, argument, NULL)    what a cotenant_change makes of the newest
 *     published_limits_wait_newer(&web()->limits, seen, timeout_ms)  of a reader: published_limits_look_for_newer
 *
 * They are cotenant_published_value_load and so on, where statuses are described. */
#define COTENANT_FIRST(...) {{0}}, {{{0}, __VA_ARGS__}}
#define COTENANT_X_STAMP_PARTS                                                                                         \
    {"stamp", 0, &cotenant_value_type_u64}, {"publisher", 8, &cotenant_value_type_u64},                                \
        {"unix_ns", 16, &cotenant_value_type_u64}, {"pid", 24, &cotenant_value_type_u32},                              \
        {"program", 32, &cotenant_x_array_program}
#define COTENANT_X_PUBLISHED_PARTS(buffers)                                                                            \
    {"head", 0, &cotenant_value_type_u64}, {"lock", 128, &cotenant_value_type_u64},                                    \
        {"bell", 136, &cotenant_value_type_u32}, {"buffers", 256, buffers}
COTENANT_X_ARRAY_TYPE(program, u8, 24);
#define COTENANT_X_PUBLISHED_TYPES(word, buffer, value_type)                                                           \
    static cotenant_part cotenant_x_parts_of_buffer_##word[] COTENANT_X_TABLE = {COTENANT_X_STAMP_PARTS,               \
                                                                                {"value", 56, value_type}};            \
    static cotenant_type cotenant_x_buffer_##word COTENANT_X_TABLE = {                                                 \
        "Buffer", cotenant_x_parts_of_buffer_##word, sizeof(buffer), 64, 6, 0, 7, 0, {0, 0}, NULL};                    \
    static cotenant_part cotenant_x_elements_##word[] COTENANT_X_TABLE = {{"", 0, &cotenant_x_buffer_##word}};         \
    static cotenant_type cotenant_x_array_##word COTENANT_X_TABLE = {                                                  \
        "array", cotenant_x_elements_##word, sizeof(buffer) * 8, 64, 1, 8, 8, 0, {0, 0}, NULL};                        \
    static cotenant_part cotenant_x_parts_##word[] COTENANT_X_TABLE = {                                                \
        COTENANT_X_PUBLISHED_PARTS(&cotenant_x_array_##word)}
#define COTENANT_PUBLISHED(type)                                                                                       \
    COTENANT_X_STATIC_ASSERT(COTENANT_X_ALIGNOF(cotenant_value_##type) <= 8,                                           \
                             "a published value is aligned to 8 bytes at most");                                       \
    typedef struct published_##type##_buffer {                                                                         \
        uint64_t stamp[7];                                                                                             \
        cotenant_value_##type value;                                                                                   \
    } COTENANT_X_ALIGNED(64) published_##type##_buffer;                                                                \
    typedef struct published_##type {                                                                                  \
        cotenant_published_head head;                                                                                  \
        published_##type##_buffer buffers[8];                                                                          \
    } published_##type;                                                                                                \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_load(                                           \
        const published_##type *published, cotenant_value_##type *value, uint64_t *sequence) COTENANT_NOEXCEPT         \
    {                                                                                                                  \
        return cotenant_published_value_load(&published->head, sizeof(*value), value, sequence);                       \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_load_if_newer(                                  \
        const published_##type *published, cotenant_value_##type *value, uint64_t *sequence) COTENANT_NOEXCEPT         \
    {                                                                                                                  \
        return cotenant_published_value_load_if_newer(&published->head, sizeof(*value), value, sequence);              \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline uint64_t published_##type##_sequence(const published_##type *published)            \
        COTENANT_NOEXCEPT                                                                                              \
    {                                                                                                                  \
        return __atomic_load_n(&published->head.words[0], __ATOMIC_RELAXED);                                           \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_publish(                                        \
        published_##type *published, const cotenant_value_##type *value, uint64_t *sequence) COTENANT_NOEXCEPT         \
    {                                                                                                                  \
        return cotenant_published_value_publish(&published->head, sizeof(*value), value, UINT64_MAX, sequence);        \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_publish_timeout(                                \
        published_##type *published, const cotenant_value_##type *value, uint64_t timeout_ms, uint64_t *sequence)      \
        COTENANT_NOEXCEPT                                                                                              \
    {                                                                                                                  \
        return cotenant_published_value_publish(&published->head, sizeof(*value), value, timeout_ms, sequence);        \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_update(                                         \
        published_##type *published, cotenant_change change, void *argument, uint64_t *sequence) COTENANT_NOEXCEPT     \
    {                                                                                                                  \
        return cotenant_published_value_update(&published->head, sizeof(published->buffers[0].value), change,          \
                                               argument, UINT64_MAX, sequence);                                        \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_wait_newer(                                     \
        published_##type *published, uint64_t seen, uint64_t timeout_ms) COTENANT_NOEXCEPT                             \
    {                                                                                                                  \
        return cotenant_published_value_wait_newer(&published->head, seen, timeout_ms, false);                         \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status published_##type##_look_for_newer(                                 \
        const published_##type *published, uint64_t seen, uint64_t timeout_ms) COTENANT_NOEXCEPT                       \
    {                                                                                                                  \
        return cotenant_published_value_wait_newer(&published->head, seen, timeout_ms, true);                          \
    }                                                                                                                  \
    COTENANT_X_PUBLISHED_TYPES(published_##type, published_##type##_buffer, &cotenant_value_type_##type);              \
    COTENANT_X_BOTH(published_##type, "Published", cotenant_x_parts_published_##type, 4, 0, 32)

/* The word `flag`: a cotenant_flag, in a block F(flag, dark_mode, COTENANT_PERCENT(25.0)). */
#define COTENANT_PERCENT(percent) {{0}}, {{{0}, percent, 0}}
static cotenant_part cotenant_x_parts_rollout[] COTENANT_X_TABLE = {{"percent", 0, &cotenant_value_type_f64},
                                                                   {"seed", 8, &cotenant_value_type_u64}};
static cotenant_type cotenant_x_type_rollout COTENANT_X_TABLE = {
    "Rollout", cotenant_x_parts_rollout, 16, 8, 2, 0, 7, 0, {0, 0}, NULL};
COTENANT_X_PUBLISHED_TYPES(flag, cotenant_flag_buffer, &cotenant_x_type_rollout);
COTENANT_X_BOTH_AS(flag, cotenant_flag, "Flag", cotenant_x_parts_flag, 4, 0, 32);

/* Cells of values, which threads of all processes each change for themselves: COTENANT_PER_PROCESS(traffic), of a struct
 * of atomics (F(atomic_u64, requests)). Rust's PerProcess<Traffic>. The shared cells are found by the thread and may be
 * another's at the same time, so they are changed by atomic additions; an own one is changed by who claimed it alone.
 * Cells are never reset: what a process has added stays, however it ends. Zero is their first value.
 *
 *     cotenant_u64_add(&per_process_traffic_local(&web()->traffic)->requests, 1);
 *     per_process_traffic_claim(&web()->traffic, &kept)      COTENANT_WOULD_BLOCK: the living have all own cells
 *     per_process_traffic_own(&web()->traffic, &kept)        this thread's cell; in a child of a fork a shared one's
 *     per_process_traffic_release(&web()->traffic, &kept)
 *     for (i = 0; i < COTENANT_CELLS; i++) total += cotenant_u64_load(&web()->traffic.cells[i].value.requests); */
#define COTENANT_CELLS 64
#define COTENANT_X_PER_PROCESS_TYPES(word, cell, value_type)                                                           \
    static cotenant_part cotenant_x_parts_of_cell_##word[] COTENANT_X_TABLE = {{"value", 0, value_type}};              \
    static cotenant_type cotenant_x_cell_##word COTENANT_X_TABLE = {                                                   \
        "Cell", cotenant_x_parts_of_cell_##word, cell, 64, 1, 0, 7, 0, {0, 0}, NULL};                                  \
    static cotenant_part cotenant_x_elements_##word[] COTENANT_X_TABLE = {{"", 0, &cotenant_x_cell_##word}};           \
    struct cotenant_x_end_of_cells_##word
#define COTENANT_X_PER_PROCESS_ARRAY(word, cell, count)                                                                \
    static cotenant_type cotenant_x_cells_##word COTENANT_X_TABLE = {                                                  \
        "array", cotenant_x_elements_##word, (cell) * (count), 64, 1, count, 8, 0, {0, 0}, NULL};                      \
    struct cotenant_x_end_of_cells_##word
#define COTENANT_X_PER_PROCESS_PARTS(word, owners, asked_at, shared_at, own_at)                                        \
    static cotenant_part cotenant_x_parts_##word[] COTENANT_X_TABLE = {                                                \
        {"owners", 0, &cotenant_x_array_##owners},                                                                     \
        {"asked", asked_at, &cotenant_value_type_u32},                                                                 \
        {"shared", shared_at, &cotenant_x_cells_##word},                                                               \
        {"own", own_at, &cotenant_x_cells_##word}};                                                                    \
    struct cotenant_x_end_of_cells_##word
COTENANT_X_ARRAY_TYPE(owners32, u64, 32);
COTENANT_X_ARRAY_TYPE(owners16, u64, 16);
#define COTENANT_PER_PROCESS(type)                                                                                     \
    COTENANT_X_STATIC_ASSERT(COTENANT_X_ALIGNOF(cotenant_value_##type) <= 64, "a cell is aligned to 64 bytes at most"); \
    typedef struct per_process_##type##_cell {                                                                         \
        cotenant_value_##type value;                                                                                   \
    } COTENANT_X_ALIGNED(64) per_process_##type##_cell;                                                                \
    typedef struct per_process_##type {                                                                                \
        cotenant_cells head;                                                                                           \
        per_process_##type##_cell cells[COTENANT_CELLS];                                                               \
    } per_process_##type;                                                                                              \
    COTENANT_X_UNUSED static inline cotenant_value_##type *per_process_##type##_local(per_process_##type *cells)       \
        COTENANT_NOEXCEPT                                                                                              \
    {                                                                                                                  \
        return &cells->cells[cotenant_thread_number() % 32].value;                                                     \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status per_process_##type##_claim(per_process_##type *cells,              \
                                                                               cotenant_kept *kept) COTENANT_NOEXCEPT  \
    {                                                                                                                  \
        return cotenant_cells_claim(&cells->head, kept);                                                               \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_value_##type *per_process_##type##_own(                                   \
        per_process_##type *cells, const cotenant_kept *kept) COTENANT_NOEXCEPT                                        \
    {                                                                                                                  \
        return cotenant_cells_is_own(&cells->head, kept) ? &cells->cells[32 + kept->index].value                       \
                                                         : per_process_##type##_local(cells);                          \
    }                                                                                                                  \
    COTENANT_X_UNUSED static inline cotenant_status per_process_##type##_release(                                      \
        per_process_##type *cells, const cotenant_kept *kept) COTENANT_NOEXCEPT                                        \
    {                                                                                                                  \
        return cotenant_cells_release(&cells->head, kept);                                                             \
    }                                                                                                                  \
    COTENANT_X_PER_PROCESS_TYPES(per_process_##type, sizeof(per_process_##type##_cell), &cotenant_value_type_##type);  \
    COTENANT_X_PER_PROCESS_ARRAY(per_process_##type, sizeof(per_process_##type##_cell), 32);                           \
    COTENANT_X_PER_PROCESS_PARTS(per_process_##type, owners32, 256, 320,                                               \
                                 320 + sizeof(per_process_##type##_cell) * 32);                                        \
    COTENANT_X_BOTH(per_process_##type, "PerProcess", cotenant_x_parts_per_process_##type, 4, 0, 22)

/* The words counter, gauge and histogram: metrics as variables, scraped under the variable's name. In a block
 * F(counter, requests) F(gauge, in_flight, COTENANT_GAUGE(COTENANT_ACROSS_SUM)) F(histogram, seconds), and
 * F(histogram, bytes, COTENANT_BUCKETS(6, 30, 1)) for ranges from 2^6 to 2^30 of which each doubling has 2^1; there are
 * at most 124 ranges. */
#define COTENANT_GAUGE(across) across, 0, {0}
#define COTENANT_X_POWER(exponent) ((uint64_t)((exponent) & 0xffff))
#define COTENANT_BUCKETS(min_exponent, max_exponent, part_bits)                                                        \
    ((uint64_t)1 << 63 | (uint64_t)(part_bits) << 32 | COTENANT_X_POWER(max_exponent) << 16 |                          \
     COTENANT_X_POWER(min_exponent)) +                                                                                 \
            0 * sizeof(char[(((max_exponent) - (min_exponent)) << (part_bits)) <= 124 &&                               \
                                    (max_exponent) > (min_exponent) && (min_exponent) >= -1022 &&                      \
                                    (max_exponent) <= 1023 && (part_bits) >= 0                                         \
                                ? 1                                                                                    \
                                : -1]),                                                                                \
        {0}
COTENANT_X_ARRAY_TYPE(counted, atomic_u64, 1);
COTENANT_X_ARRAY_TYPE(observed, atomic_u64, 128);
COTENANT_X_PER_PROCESS_TYPES(counter_cells, 64, &cotenant_x_array_counted);
COTENANT_X_PER_PROCESS_ARRAY(counter_cells, 64, 32);
COTENANT_X_PER_PROCESS_PARTS(counter_cells, owners32, 256, 320, 2368);
static cotenant_type cotenant_x_type_counter_cells COTENANT_X_TABLE = {
    "PerProcess", cotenant_x_parts_counter_cells, 4416, 64, 4, 0, 22, 0, {0, 0}, NULL};
static cotenant_part cotenant_x_parts_counter[] COTENANT_X_TABLE = {{"cells", 0, &cotenant_x_type_counter_cells}};
COTENANT_X_BOTH_AS(counter, cotenant_shared_counter, "Counter", cotenant_x_parts_counter, 1, 0, 23);
COTENANT_X_PER_PROCESS_TYPES(histogram_cells, 1024, &cotenant_x_array_observed);
COTENANT_X_PER_PROCESS_ARRAY(histogram_cells, 1024, 16);
COTENANT_X_PER_PROCESS_PARTS(histogram_cells, owners16, 128, 192, 16576);
static cotenant_type cotenant_x_type_histogram_cells COTENANT_X_TABLE = {
    "PerProcess", cotenant_x_parts_histogram_cells, 32960, 64, 4, 0, 22, 0, {0, 0}, NULL};
static cotenant_part cotenant_x_parts_histogram[] COTENANT_X_TABLE = {{"buckets", 0, &cotenant_value_type_atomic_u64},
                                                                     {"cells", 64, &cotenant_x_type_histogram_cells}};
COTENANT_X_BOTH_AS(histogram, cotenant_shared_histogram, "Histogram", cotenant_x_parts_histogram, 2, 0, 25);
static cotenant_part cotenant_x_parts_of_gauge_cell[] COTENANT_X_TABLE = {
    {"tenant", 0, &cotenant_value_type_atomic_u64}, {"value", 8, &cotenant_value_type_atomic_u64}};
static cotenant_type cotenant_x_cell_gauge COTENANT_X_TABLE = {
    "Cell", cotenant_x_parts_of_gauge_cell, 64, 64, 2, 0, 7, 0, {0, 0}, NULL};
static cotenant_part cotenant_x_elements_gauge[] COTENANT_X_TABLE = {{"", 0, &cotenant_x_cell_gauge}};
COTENANT_X_PER_PROCESS_ARRAY(gauge, 64, 256);
static cotenant_part cotenant_x_parts_gauge[] COTENANT_X_TABLE = {{"across", 0, &cotenant_value_type_u32},
                                                                 {"missed", 8, &cotenant_value_type_atomic_u64},
                                                                 {"last", 16, &cotenant_value_type_atomic_u64},
                                                                 {"processes", 64, &cotenant_x_cells_gauge}};
COTENANT_X_BOTH_AS(gauge, cotenant_shared_gauge, "Gauge", cotenant_x_parts_gauge, 4, 0, 24);

/* The words rate_limiter and keyed_rate_limiter: limits as variables, F(rate_limiter, api, COTENANT_RATE(100, 1000, 20)) and
 * F(keyed_rate_limiter, logins, COTENANT_KEYED_RATE(5, 60000, 5)): so many in each so many milliseconds, and at once.
 * `number` and `burst` are at least 1, a time at least a nanosecond for each. */
#define COTENANT_RATE(number, time_ms, burst) COTENANT_X_RATE(number, time_ms, burst), {0, 0}
#define COTENANT_KEYED_RATE(number, time_ms, burst) COTENANT_X_RATE(number, time_ms, burst), {0}
#define COTENANT_X_RATE(number, time_ms, burst)                                                                        \
    (uint64_t)(time_ms) * 1000000 / (number) + 0 * sizeof(char[(number) > 0 && (burst) > 0 ? 1 : -1]),                 \
        (uint64_t)(time_ms) * 1000000 / (number) * (burst)
static cotenant_part cotenant_x_parts_rate_limiter[] COTENANT_X_TABLE = {
    {"interval_ns", 0, &cotenant_value_type_atomic_u64},
    {"span_ns", 8, &cotenant_value_type_atomic_u64},
    {"used_up_to", 16, &cotenant_value_type_atomic_u64},
    {"denied", 24, &cotenant_value_type_atomic_u64}};
COTENANT_X_BOTH_AS(rate_limiter, cotenant_rate_limiter, "RateLimiter", cotenant_x_parts_rate_limiter, 4, 0, 27);
COTENANT_X_ARRAY_TYPE(keys, atomic_u64, 1024);
static cotenant_part cotenant_x_parts_keyed_rate_limiter[] COTENANT_X_TABLE = {
    {"interval_ns", 0, &cotenant_value_type_atomic_u64}, {"span_ns", 8, &cotenant_value_type_atomic_u64},
    {"secret", 16, &cotenant_value_type_atomic_u64},     {"denied", 24, &cotenant_value_type_atomic_u64},
    {"evicted", 32, &cotenant_value_type_atomic_u64},    {"keys", 64, &cotenant_x_array_keys}};
COTENANT_X_BOTH_AS(keyed_rate_limiter, cotenant_keyed_rate_limiter, "KeyedRateLimiter",
                   cotenant_x_parts_keyed_rate_limiter, 6, 0, 27);

/* --- Blocks of shared variables ---
 *
 *     #define WEB(F) F(u64, hits) F(u32, rate, 100)
 *     COTENANT_SHARED(web, WEB, name("acme.web"), on_failure(private));
 *
 * declares, once in the image and at file scope, the variables web()->hits and web()->rate (which begins with 100; no
 * third argument: zero), and their block web_block. Words, of which a program may leave out all and a library must say
 * on_failure; the first value is what holds without the word:
 *
 *     name("acme.web")                      shared with every program that declares the block, else with the same build
 *     mode(0600), group("www-data")         who may open it; needs a name
 *     keep(while_attached | until_removed)  how long values live
 *     on_failure(exit | private)            where sharing is impossible: end with status 78, or private values
 *     on_mismatch(refuse | separate)        when a running program has another layout: fail, or share with its like
 *     when_privileged(private | share)      in a set-uid program
 *
 * Other files of the image see the variables with COTENANT_SHARED_DECLARE(web, WEB); the one file that has the words
 * then says COTENANT_SHARED_DEFINE(web, WEB, ...). With COTENANT_SHARED_BY_CALL (and _BY_CALL_DECLARE,
 * _BY_CALL_DEFINE) the variables are private until cotenant_block_attach(&web_block). */

#define COTENANT_WORD_name(text) {1, 0, text},
#define COTENANT_WORD_mode(bits) {2, bits, NULL},
#define COTENANT_WORD_group(text) {3, 0, text},
#define COTENANT_WORD_keep(choice) {4, COTENANT_X_KEEP_##choice, NULL},
#define COTENANT_WORD_on_failure(choice) {6, COTENANT_X_ON_FAILURE_##choice, NULL},
#define COTENANT_WORD_on_mismatch(choice) {7, COTENANT_X_ON_MISMATCH_##choice, NULL},
#define COTENANT_WORD_when_privileged(choice) {8, COTENANT_X_WHEN_PRIVILEGED_##choice, NULL},
#define COTENANT_WORD_none
#define COTENANT_X_KEEP_while_attached 0
#define COTENANT_X_KEEP_until_removed 1
#define COTENANT_X_ON_FAILURE_exit 0
#define COTENANT_X_ON_FAILURE_private 1
#define COTENANT_X_ON_MISMATCH_refuse 0
#define COTENANT_X_ON_MISMATCH_separate 1
#define COTENANT_X_WHEN_PRIVILEGED_private 0
#define COTENANT_X_WHEN_PRIVILEGED_share 1

/* The largest page of the target's kernels. */
#if defined(__aarch64__) || defined(__powerpc64__) || defined(__loongarch64)
#define COTENANT_X_PAGE_BYTES 65536
#else
#define COTENANT_X_PAGE_BYTES 4096
#endif

#define COTENANT_X_MEMBER(...) COTENANT_X_MEMBER_(__VA_ARGS__, )
#define COTENANT_X_MEMBER_(type, name, ...) cotenant_variable_##type name;
#define COTENANT_X_PART(...) COTENANT_X_PART_(__VA_ARGS__, )
#define COTENANT_X_PART_(type, name, ...) {#name, COTENANT_X_NATURAL, &cotenant_variable_type_##type},
#define COTENANT_X_INITIAL(...) COTENANT_X_INITIAL_(__VA_ARGS__, )
#define COTENANT_X_INITIAL_(type, name, ...) {__VA_ARGS__},

#ifndef COTENANT_X_HIDDEN
#ifdef _WIN32
#define COTENANT_X_HIDDEN
#else
#define COTENANT_X_HIDDEN __attribute__((visibility("hidden")))
#endif
#endif

#define COTENANT_X_WORDS(a, b, c, d, e, f, g, h)                                                                       \
    COTENANT_WORD_##a COTENANT_WORD_##b COTENANT_WORD_##c COTENANT_WORD_##d COTENANT_WORD_##e COTENANT_WORD_##f        \
    COTENANT_WORD_##g COTENANT_WORD_##h

#define COTENANT_SHARED(...) COTENANT_X_SHARED(__VA_ARGS__, none, none, none, none, none, none, none, none, none)
#define COTENANT_X_SHARED(name, FIELDS, a, b, c, d, e, f, g, h, ...)                                                   \
    COTENANT_SHARED_DECLARE(name, FIELDS);                                                                             \
    COTENANT_X_DEFINE(name, FIELDS, COTENANT_X_WORDS(a, b, c, d, e, f, g, h))
#define COTENANT_SHARED_DEFINE(...)                                                                                    \
    COTENANT_X_SHARED_DEFINE(__VA_ARGS__, none, none, none, none, none, none, none, none, none)
#define COTENANT_X_SHARED_DEFINE(name, FIELDS, a, b, c, d, e, f, g, h, ...)                                            \
    COTENANT_X_DEFINE(name, FIELDS, COTENANT_X_WORDS(a, b, c, d, e, f, g, h))

#define COTENANT_SHARED_BY_CALL(...)                                                                                   \
    COTENANT_X_SHARED_BY_CALL(__VA_ARGS__, none, none, none, none, none, none, none, none, none)
#define COTENANT_X_SHARED_BY_CALL(name, FIELDS, a, b, c, d, e, f, g, h, ...)                                           \
    COTENANT_SHARED_BY_CALL_DECLARE(name, FIELDS);                                                                     \
    COTENANT_X_DEFINE_BY_CALL(name, FIELDS, COTENANT_X_WORDS(a, b, c, d, e, f, g, h))
#define COTENANT_SHARED_BY_CALL_DEFINE(...)                                                                            \
    COTENANT_X_SHARED_BY_CALL_DEFINE(__VA_ARGS__, none, none, none, none, none, none, none, none, none)
#define COTENANT_X_SHARED_BY_CALL_DEFINE(name, FIELDS, a, b, c, d, e, f, g, h, ...)                                    \
    COTENANT_X_DEFINE_BY_CALL(name, FIELDS, COTENANT_X_WORDS(a, b, c, d, e, f, g, h))

/* A block that is reached through a pointer once it is attached. */
#define COTENANT_SHARED_BY_CALL_DECLARE(name, FIELDS)                                                                  \
    typedef struct name##_variables {                                                                                  \
        FIELDS(COTENANT_X_MEMBER)                                                                                      \
    } name##_variables;                                                                                                \
    typedef struct name##_cell {                                                                                       \
        void *target;                                                                                                  \
        name##_variables variables;                                                                                    \
    } name##_cell;                                                                                                     \
    COTENANT_X_EXTERN COTENANT_X_HIDDEN name##_cell name##_shared;                                                     \
    COTENANT_X_EXTERN COTENANT_X_HIDDEN cotenant_block name##_block;                                                   \
    COTENANT_X_UNUSED static inline name##_variables *name(void) COTENANT_NOEXCEPT                                     \
    {                                                                                                                  \
        void *shared = __atomic_load_n(&name##_shared.target, __ATOMIC_ACQUIRE);                                       \
        return shared != NULL ? (name##_variables *)shared : &name##_shared.variables;                                 \
    }                                                                                                                  \
    struct name##_block_follows

#define COTENANT_X_DEFINE_CELL(name, FIELDS)                                                                           \
    __extension__ __attribute__((used)) name##_cell name##_shared = {NULL, {FIELDS(COTENANT_X_INITIAL)}}

/* What is shared lies in the same image a second time, because until the call the first may change. */
#define COTENANT_X_DEFINE_BY_CALL(name, FIELDS, ...)                                                                   \
    COTENANT_X_DEFINE_CELL(name, FIELDS);                                                                              \
    __extension__ static name##_variables name##_cotenant_pristine = {FIELDS(COTENANT_X_INITIAL)};                     \
    COTENANT_X_BLOCK(name, FIELDS, &name##_shared.variables, &name##_cotenant_pristine, sizeof(name##_shared),         \
                     &name##_shared.target, __VA_ARGS__{5, 1, NULL}, )

#ifdef _WIN32

/* The loader shares the section; only with GNU ld does the compiler have to say so, too. */
#if defined(__clang__)
#define COTENANT_X_SHARED_SECTION section(".shared"), used
#else
#define COTENANT_X_SHARED_SECTION section(".shared"), shared, used
#endif

#define COTENANT_SHARED_DECLARE(name, FIELDS) COTENANT_SHARED_BY_CALL_DECLARE(name, FIELDS)

/* An unnamed block's twin lies in the section that the loader shares. */
#define COTENANT_X_DEFINE(name, FIELDS, ...)                                                                           \
    COTENANT_X_DEFINE_CELL(name, FIELDS);                                                                              \
    typedef struct name##_twin {                                                                                       \
        name##_variables variables;                                                                                    \
        uint64_t epoch __attribute__((aligned(8)));                                                                    \
    } __attribute__((aligned(COTENANT_X_PAGE_BYTES))) name##_twin;                                                     \
    __extension__ __attribute__((COTENANT_X_SHARED_SECTION)) static name##_twin name##_cotenant_twin = {               \
        {FIELDS(COTENANT_X_INITIAL)}, 0};                                                                              \
    COTENANT_X_BLOCK(name, FIELDS, &name##_shared.variables, &name##_cotenant_twin, sizeof(name##_shared),             \
                     &name##_shared.target, __VA_ARGS__)

/* The C library's tables of what runs before main, and when a library is unloaded (`reserved` is null then). */
#define COTENANT_X_HOOKS(name)                                                                                         \
    __attribute__((section(".CRT$XCT"), used)) static void (*const name##_cotenant_registers)(void) =                  \
        name##_cotenant_register;                                                                                      \
    __attribute__((section(".CRT$XCU"), used)) static void (*const name##_cotenant_attaches)(void) =                   \
        name##_cotenant_attach;                                                                                        \
    static void __stdcall name##_cotenant_unload(void *image, unsigned long reason, void *reserved)                    \
    {                                                                                                                  \
        (void)image;                                                                                                   \
        if (reason == 0 && reserved == NULL) {                                                                         \
            name##_cotenant_unregister();                                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    __attribute__((section(".CRT$XLC"), used)) static void(__stdcall *const name##_cotenant_unloads)(                  \
        void *, unsigned long, void *) = name##_cotenant_unload;                                                       \
    struct name##_block_follows

#else

/* The block is mapped where it lies. */
#define COTENANT_SHARED_DECLARE(name, FIELDS)                                                                          \
    typedef struct name##_variables {                                                                                  \
        FIELDS(COTENANT_X_MEMBER)                                                                                      \
    } name##_variables;                                                                                                \
    typedef struct name##_pages {                                                                                      \
        name##_variables variables;                                                                                    \
    } __attribute__((aligned(COTENANT_X_PAGE_BYTES))) name##_pages;                                                    \
    COTENANT_X_EXTERN COTENANT_X_HIDDEN name##_pages name##_shared;                                                    \
    COTENANT_X_EXTERN COTENANT_X_HIDDEN cotenant_block name##_block;                                                   \
    COTENANT_X_UNUSED static inline name##_variables *name(void) COTENANT_NOEXCEPT                                     \
    {                                                                                                                  \
        return &name##_shared.variables;                                                                               \
    }                                                                                                                  \
    struct name##_block_follows

#define COTENANT_X_DEFINE(name, FIELDS, ...)                                                                           \
    __extension__ __attribute__((section("cotenant"), used COTENANT_X_RETAIN)) name##_pages name##_shared = {          \
        {FIELDS(COTENANT_X_INITIAL)}};                                                                                 \
    COTENANT_X_BLOCK(name, FIELDS, &name##_shared.variables, NULL, sizeof(name##_shared), NULL, __VA_ARGS__)

/* Constructors of the earliest priorities that programs may have; a library's run when it is loaded. The destructor's is
 * the last: those of the library's own objects still share and lock. */
#define COTENANT_X_HOOKS(name)                                                                                         \
    __attribute__((constructor(101), used)) static void name##_cotenant_registers(void)                                \
    {                                                                                                                  \
        name##_cotenant_register();                                                                                    \
    }                                                                                                                  \
    __attribute__((constructor(102), used)) static void name##_cotenant_attaches(void)                                 \
    {                                                                                                                  \
        name##_cotenant_attach();                                                                                      \
    }                                                                                                                  \
    __attribute__((destructor(101), used)) static void name##_cotenant_unregisters(void)                               \
    {                                                                                                                  \
        name##_cotenant_unregister();                                                                                  \
    }                                                                                                                  \
    struct name##_block_follows

#endif

#define COTENANT_X_BLOCK(name, FIELDS, address, pristine, padded_bytes, target, ...)                                   \
    static cotenant_part name##_cotenant_parts[] COTENANT_X_TABLE = {FIELDS(COTENANT_X_PART)};                         \
    static cotenant_word name##_cotenant_words[] COTENANT_X_TABLE = {__VA_ARGS__{0, 0, NULL}};                         \
    __attribute__((section(COTENANT_X_SECTION_META), used COTENANT_X_RETAIN)) cotenant_block name##_block = {          \
        {'C', 'O', 'T', 'C', 'D', 'E', 'C', 'L'},                                                                      \
        sizeof(cotenant_block),                                                                                        \
        COTENANT_X_COUNT(name##_cotenant_parts),                                                                       \
        name##_cotenant_parts,                                                                                         \
        name##_cotenant_words,                                                                                         \
        #name,                                                                                                         \
        address,                                                                                                       \
        pristine,                                                                                                      \
        sizeof(name##_variables),                                                                                      \
        padded_bytes,                                                                                                  \
        target,                                                                                                        \
        NULL,                                                                                                          \
        COTENANT_X_COUNT(name##_cotenant_words) - 1,                                                                   \
        COTENANT_X_ALIGNOF(name##_variables)};                                                                         \
    static void name##_cotenant_register(void) { cotenant_block_register(&name##_block); }                             \
    static void name##_cotenant_attach(void) { cotenant_attach_at_load(); }                                            \
    static void name##_cotenant_unregister(void) { cotenant_block_unregister(&name##_block); }                         \
    COTENANT_X_HOOKS(name)

#ifdef __cplusplus
}
#endif

#endif /* COTENANT_H */
