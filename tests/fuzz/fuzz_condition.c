/* Fuzzes eg_policy_condition_compile, then asks what was accepted of a request that has every attribute and of one that has none.
 *
 *   ./dev fuzz condition */
#include "condition.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok) {
    if (!ok) {
        abort();
    }
}

static eg_err count(void *ctx, const eg_policy_term *t) {
    (void)t;
    ++*(size_t *)ctx;
    return EG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    eg_arena *arena = eg_arena_new(1 << 22);
    const eg_policy_at at = {.name = "fuzzed.json"};
    const eg_policy_condition *c = NULL;
    eg_problem p = {0};
    if (arena && eg_policy_condition_compile(arena, &at, (eg_str){(const char *)data, size}, &c, &p) == EG_OK) {
        const eg_access all = {.action = EG_LIT("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"), .data_action = true, .scope = EG_LIT("/subscriptions/x"), .now_ns = 1,
                               .account = EG_LIT("lake"), .container = EG_LIT("flights"), .path = EG_LIT("a/b"), .prefix = EG_LIT("a"), .encryption_scope = EG_LIT("s"),
                               .sub_operation = EG_LIT("Blob.List"), .subnet = EG_LIT("/subscriptions/x/n")};
        const eg_access none = {.action = EG_LIT("x"), .scope = EG_LIT("/subscriptions/x")};
        size_t terms = 0;
        const eg_policy_truth one = eg_policy_condition_holds(c, &all);
        require(one == eg_policy_condition_holds(c, &all)); /* nothing is kept between two questions */
        (void)eg_policy_condition_holds(c, &none);
        require(eg_policy_condition_each(c, count, &terms) == EG_OK && terms > 0);
        require(eg_policy_condition_text(c).len > 0);
    } else if (arena && p.code == EG_ERR_POLICY_INVALID) {
        require(p.message[0] != '\0' && p.where[0] != '\0');
    }
    eg_arena_free(arena);
    return 0;
}
