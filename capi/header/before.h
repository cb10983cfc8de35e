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
#define COTENANT_VERSION "@VERSION@"

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

