/* A block that waits for a call: private until then, with its initial values afterwards. */
#include "check.h"

#define LATE(F) F(u64, hits) F(u32, rate, 100)
COTENANT_SHARED_BY_CALL(late, LATE, name("capi.by-call"));

#define SOON(F) F(u64, hits)
COTENANT_SHARED_BY_CALL_DECLARE(soon, SOON);
COTENANT_SHARED_BY_CALL_DEFINE(soon, SOON);

int main(void)
{
    CHECK(cotenant_block_status(&late_block) == COTENANT_PRIVATE);
    CHECK(strstr(cotenant_error_message(), "cotenant_block_attach") != NULL);
    cotenant_u64_store(&late()->hits, 7);
    CHECK(cotenant_block_attach(&late_block) == COTENANT_OK);
    CHECK(cotenant_block_attach(&late_block) == COTENANT_OK);
    CHECK(cotenant_block_status(&late_block) == COTENANT_OK);
    CHECK(cotenant_u64_load(&late()->hits) == 0);
    CHECK(cotenant_u32_load(&late()->rate) == 100);
    CHECK(cotenant_block_status(&soon_block) == COTENANT_PRIVATE);
    CHECK(cotenant_block_attach(&soon_block) == COTENANT_OK);
    CHECK(cotenant_u64_add(&soon()->hits, 1) == 0);
    CHECK(cotenant_block_attach(NULL) == COTENANT_INVALID_INPUT);
    return 0;
}
