/* `capi.both` with a variable of another type. */
#include "../check.h"

#define ODD(F) F(i64, hits) F(u32, rate)
COTENANT_SHARED(odd, ODD, name("capi.both"));

int main(void) { return 0; }
