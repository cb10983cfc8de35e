
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
