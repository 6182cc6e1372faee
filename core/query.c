/* Finds one parameter of a raw query string. */
#include <embergate/encoding.h>

eg_err eg_query_get(eg_arena *a, eg_str raw_query, const char *name, eg_str *ret) {
    eg_str found = {NULL, 0};
    eg_str rest = raw_query;
    while (rest.ptr) {
        eg_str value = eg_str_cut(&rest, '&');
        eg_str key = eg_str_cut(&value, '=');
        /* An escaped name is the same name, so that no duplicate hides from the reader that decides. */
        if (key.len > 0 && memchr(key.ptr, '%', key.len)) {
            if (eg_percent_decode(a, key, false, &key) != EG_OK) {
                return EG_ERR_QUERY;
            }
        }
        if (!eg_str_is(key, name)) {
            continue;
        }
        if (found.ptr) {
            return EG_ERR_QUERY;
        }
        found = value.ptr ? value : EG_LIT("");
    }
    if (!found.ptr) {
        return EG_ERR_NOT_FOUND;
    }
    eg_str decoded;
    if (eg_percent_decode(a, found, false, &decoded) != EG_OK) {
        return EG_ERR_QUERY;
    }
    *ret = decoded;
    return EG_OK;
}
