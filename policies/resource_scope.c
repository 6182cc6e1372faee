/* Scopes of role assignments: which resource ids lie at or below one, compared segment by segment without regard to case. */
#include "policy_model.h"

#define SCOPE_MAX 1024

eg_err eg_policy_scope_parse(eg_str text, eg_str *ret) {
    if (text.len == 0 || text.len > SCOPE_MAX || text.ptr[0] != '/') {
        return EG_ERR_INVALID;
    }
    if (text.len == 1) {
        *ret = text;
        return EG_OK;
    }
    if (text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    eg_str rest = {text.ptr + 1, text.len - 1};
    while (rest.ptr) {
        eg_str segment = eg_str_cut(&rest, '/');
        if (segment.len == 0 || eg_str_is(segment, ".") || eg_str_is(segment, "..")) {
            return EG_ERR_INVALID;
        }
        for (size_t i = 0; i < segment.len; i++) {
            unsigned char c = (unsigned char)segment.ptr[i];
            /* A star would look like a wildcard and be none. */
            if (c <= 0x20 || c == 0x7f || c == '*' || c == '?' || c == '%') {
                return EG_ERR_INVALID;
            }
        }
    }
    *ret = text;
    return EG_OK;
}

bool eg_policy_scope_covers(eg_str scope, eg_str resource) {
    if (scope.len == 0 || resource.len == 0 || resource.ptr[0] != '/') {
        return false;
    }
    if (scope.len == 1 && scope.ptr[0] == '/') {
        return true;
    }
    if (resource.len < scope.len || !eg_str_ieq(scope, (eg_str){resource.ptr, scope.len})) {
        return false;
    }
    return resource.len == scope.len || resource.ptr[scope.len] == '/';
}
