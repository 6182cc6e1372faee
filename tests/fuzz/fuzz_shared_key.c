/* Fuzzes eg_shared_key_parse, eg_shared_key_string and eg_access_policies_parse_xml: what is accepted is bounded, and policies are read back the same.
 *
 *   ./dev fuzz shared_key */
#include "access_policy.h"
#include "shared_key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    eg_arena *arena = eg_arena_new((size_t)256 << 10);
    const eg_str text = {(const char *)data, n};
    eg_shared_key k = {.account = EG_LIT("acct")};
    eg_access_policies all;
    if (eg_shared_key_parse(text, &k) == EG_OK && k.account.len == 0) {
        abort();
    }
    eg_request *rq = calloc(1, sizeof *rq);
    if (!rq || !arena) {
        abort();
    }
    rq->arena = arena;
    rq->method = EG_LIT("GET");
    rq->raw_path = EG_LIT("/data/f");
    rq->query = text;
    eg_buf b;
    eg_buf_init(&b, EG_STRING_TO_SIGN_MAX);
    (void)!eg_shared_key_string(rq, &k, &b);
    eg_buf_done(&b);
    free(rq);
    if (eg_access_policies_parse_xml(text, &all, NULL) == EG_OK) {
        eg_access_policies again;
        eg_buf_init(&b, 65536);
        if (all.n > EG_ACCESS_POLICIES_MAX || eg_access_policies_text(&all, &b) != EG_OK || eg_access_policies_parse(eg_buf_str(&b), &again) != EG_OK || again.n != all.n) {
            abort();
        }
        eg_buf_done(&b);
    }
    eg_arena_free(arena);
    return 0;
}
