/* Fuzzes eg_sas_parse, eg_sas_string, eg_sas_check and eg_sas_bounds_of: what is accepted has one line a field, and is narrowed to within what was asked for.
 *
 *   ./dev fuzz sas */
#include "sas.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    eg_arena *arena = eg_arena_new((size_t)256 << 10);
    const eg_sas_request r = {.account = EG_LIT("acct"), .container = EG_LIT("data"), .path = EG_LIT("d/e/f"), .address = "127.0.0.1", .now_ns = 1};
    eg_sas s;
    eg_sas_bounds b;
    if (eg_sas_parse(arena, (eg_str){(const char *)data, n}, &s, NULL) == EG_OK) {
        if (s.kind == EG_SAS_NONE) {
            abort();
        }
        for (unsigned form = 0; form < EG_SAS_FORMS; form++) {
            eg_buf text;
            eg_buf_init(&text, EG_STRING_TO_SIGN_MAX);
            if (eg_sas_string(&s, &r, form, &text) == EG_OK) {
                size_t lines = 1;
                for (size_t i = 0; i < text.len; i++) {
                    lines += text.ptr[i] == '\n';
                }
                if (lines < 9 || lines > 32) {
                    abort();
                }
            }
            eg_buf_done(&text);
        }
        (void)!eg_sas_check(&s, &r, NULL);
        if (eg_sas_bounds_of(&s, &r, &b) == EG_OK && b.container.len > 0 && (b.path.len > r.path.len || memcmp(b.path.ptr, r.path.ptr, b.path.len) != 0)) {
            abort();
        }
    }
    eg_arena_free(arena);
    return 0;
}
