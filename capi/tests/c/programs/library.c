/* A library with a block. WORDS are the block's words, VISIBILITY how it is exported. */
#ifdef VISIBILITY
#define COTENANT_X_HIDDEN __attribute__((visibility(VISIBILITY)))
#endif
#include "cotenant.h"

#define PLUGIN(F) F(u64, hits) F(mutex, lock)
#ifdef WORDS
COTENANT_SHARED(plugin, PLUGIN, WORDS);
#else
COTENANT_SHARED(plugin, PLUGIN);
#endif

#define EXPORT __attribute__((visibility("default")))
#ifdef __cplusplus
extern "C" {
#endif
EXPORT uint64_t plugin_hit(void);
EXPORT int plugin_status(void);
EXPORT const char *plugin_version(void);
EXPORT const char *plugin_message(void);
#ifdef __cplusplus
}
#endif

/* How many hits there were before; the largest number if the lock could not be had. */
uint64_t plugin_hit(void)
{
    if (cotenant_mutex_lock(&plugin()->lock) != COTENANT_OK) {
        return UINT64_MAX;
    }
    uint64_t before = cotenant_u64_add(&plugin()->hits, 1);
    cotenant_mutex_unlock(&plugin()->lock);
    return before;
}
int plugin_status(void) { return cotenant_block_status(&plugin_block); }
const char *plugin_version(void) { return cotenant_version(); }
const char *plugin_message(void) { return cotenant_error_message(); }
