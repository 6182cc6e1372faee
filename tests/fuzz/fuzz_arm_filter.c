/* Fuzzes eg_arm_filter_parse: what is accepted says the same again when its parts are written anew.
 *
 *   ./dev fuzz arm_filter */
#include "arm/filter.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_arena *a = eg_arena_new(1u << 18);
    eg_arm_filter f, g;
    eg_problem p = {0};
    const eg_err e = eg_arm_filter_parse(a, (eg_str){(const char *)data, size}, &f, &p);
    require(e == EG_OK || (e == EG_ERR_RESOURCE_FILTER && p.message[0]));
    if (e == EG_OK && f.principal.ptr && !memchr(f.principal.ptr, '\'', f.principal.len)) {
        eg_str again = eg_arena_printf(a, "principalId eq '%.*s'%s", EG_FMT(f.principal), f.at_scope ? " and atScope()" : "");
        if (again.ptr && again.len <= EG_ARM_FILTER_MAX && !memchr(f.principal.ptr, '\0', f.principal.len)) {
            require(eg_arm_filter_parse(a, again, &g, &p) == EG_OK && eg_str_eq(f.principal, g.principal) && f.at_scope == g.at_scope);
        }
    }
    eg_arena_free(a);
    return 0;
}
