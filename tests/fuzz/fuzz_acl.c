/* Fuzzes eg_acl_parse, eg_acl_parse_removal and the changes of lists: what is accepted is written, read back the same, and stays within its bounds.
 *
 *   ./dev fuzz acl */
#include "acl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_text(const eg_acl *a) {
    eg_acl again;
    eg_buf b;
    eg_buf c;
    eg_buf_init(&b, 2 * EG_ACL_TEXT_MAX);
    eg_buf_init(&c, 2 * EG_ACL_TEXT_MAX);
    const eg_err e = eg_acl_text(a, &b);
    if (e == EG_OK && a->access.n + a->dflt.n > 0) {
        if (eg_acl_parse(eg_buf_str(&b), &again, NULL) != EG_OK || eg_acl_text(&again, &c) != EG_OK || !eg_str_eq(eg_buf_str(&b), eg_buf_str(&c))) {
            abort();
        }
    }
    eg_buf_done(&b);
    eg_buf_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const eg_str text = {(const char *)data, n};
    eg_acl spec;
    eg_acl a;
    if (eg_acl_of(0750, EG_LIT(""), &a) != EG_OK) {
        abort();
    }
    if (eg_acl_parse(text, &spec, NULL) == EG_OK) {
        eg_acl child;
        const eg_acl_birth b = {0777, 027, true};
        check_text(&spec);
        eg_acl_inherit(&spec, &b, &child);
        check_text(&child);
        if (eg_acl_mode(&spec) > 0777 || (eg_acl_update(&a, &spec, NULL) == EG_OK && a.access.n > EG_ACL_ENTRIES_MAX)) {
            abort();
        }
        check_text(&a);
        if (eg_acl_replace(&a, &spec, NULL) == EG_OK) {
            check_text(&a);
        }
    }
    if (eg_acl_parse_removal(text, &spec, NULL) == EG_OK && eg_acl_remove(&a, &spec, NULL) == EG_OK) {
        check_text(&a);
    }
    return 0;
}
