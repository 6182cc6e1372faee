/* Wildcard patterns of actions, as role definitions have them: '*' stands for any bytes, slashes too, without regard to case. */
#include "policy_model.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool allowed(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' || c == '-' || c == '*' || c == '$';
}

eg_err eg_policy_pattern_make(eg_arena *a, eg_str text, eg_policy_pattern *ret) {
    if (text.len == 0 || text.len > 256) {
        return EG_ERR_INVALID;
    }
    char *copy = eg_arena_alloc(a, text.len + 1);
    if (!copy) {
        return EG_ERR_NO_MEMORY;
    }
    size_t literal = text.len;
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = lower(text.ptr[i]);
        if (!allowed(copy[i])) {
            return EG_ERR_INVALID;
        }
        if (copy[i] == '*' && literal == text.len) {
            literal = i;
        }
    }
    *ret = (eg_policy_pattern){{copy, text.len}, literal};
    return EG_OK;
}

/* Greedy matching that goes back to the last star only: at most pattern × action steps, no recursion. */
bool eg_policy_pattern_matches(const eg_policy_pattern *pat, eg_str action) {
    if (action.len < pat->literal || (pat->literal == pat->text.len && action.len != pat->text.len)) {
        return false;
    }
    for (size_t i = 0; i < pat->literal; i++) {
        if (lower(action.ptr[i]) != pat->text.ptr[i]) {
            return false;
        }
    }
    size_t p = pat->literal, s = pat->literal;
    size_t star = SIZE_MAX, resume = 0;
    while (s < action.len) {
        if (p < pat->text.len && pat->text.ptr[p] == '*') {
            star = p++;
            resume = s;
        } else if (p < pat->text.len && pat->text.ptr[p] == lower(action.ptr[s])) {
            p++;
            s++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            s = ++resume;
        } else {
            return false;
        }
    }
    while (p < pat->text.len && pat->text.ptr[p] == '*') {
        p++;
    }
    return p == pat->text.len;
}
