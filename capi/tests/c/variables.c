/* Variables of blocks: what they begin with, what they hold, and that the block is shared. */
#include "check.h"

#define WEB(F) F(u64, hits) F(u32, rate, 100) F(i8, sign, -1) F(bool, ready)
COTENANT_SHARED(web, WEB);

#define NAMED(F) F(u64, a) F(u64, b)
COTENANT_SHARED(named, NAMED, name("capi.variables"), mode(0600), on_failure(exit));

int main(void)
{
    CHECK(cotenant_block_status(&web_block) == COTENANT_OK);
    CHECK(cotenant_block_status(&named_block) == COTENANT_OK);
    CHECK(cotenant_u64_load(&web()->hits) == 0);
    CHECK(cotenant_u32_load(&web()->rate) == 100);
    CHECK(cotenant_i8_load(&web()->sign) == -1);
    CHECK(!cotenant_bool_load(&web()->ready));

    CHECK(cotenant_u64_add(&web()->hits, 2) == 0);
    CHECK(cotenant_u64_sub(&web()->hits, 1) == 2);
    CHECK(cotenant_u64_or(&web()->hits, 6) == 1);
    CHECK(cotenant_u64_and(&web()->hits, 5) == 7);
    CHECK(cotenant_u64_xor(&web()->hits, 1) == 5);
    CHECK(cotenant_u64_exchange(&web()->hits, 9) == 4);
    uint64_t expected = 8;
    CHECK(!cotenant_u64_compare_exchange(&web()->hits, &expected, 1) && expected == 9);
    CHECK(cotenant_u64_compare_exchange(&web()->hits, &expected, 10));
    CHECK(cotenant_u64_load(&web()->hits) == 10);
    cotenant_bool_store(&web()->ready, true);
    CHECK(cotenant_bool_load(&web()->ready));
    return 0;
}
