/* A library with a block. WORDS are the block's words, VISIBILITY how it is exported. */
#ifdef VISIBILITY
#define COTENANT_X_HIDDEN __attribute__((visibility(VISIBILITY)))
#endif
#include "cotenant.h"

#define PLUGIN(F) F(u64, hits)
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

uint64_t plugin_hit(void) { return cotenant_u64_add(&plugin()->hits, 1); }
int plugin_status(void) { return cotenant_block_status(&plugin_block); }
const char *plugin_version(void) { return cotenant_version(); }
const char *plugin_message(void) { return cotenant_error_message(); }
