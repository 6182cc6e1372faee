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
    size_t literal = text.len, stars = 0;
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = lower(text.ptr[i]);
        if (!allowed(copy[i])) {
            return EG_ERR_INVALID;
        }
        if (copy[i] == '*' && literal == text.len) {
            literal = i;
        }
        stars += copy[i] == '*';
    }
    *ret = (eg_policy_pattern){{copy, text.len}, literal, text.len - literal - stars};
    return EG_OK;
}

/* text without capitals; both of len bytes. */
static bool same(const char *text, const char *other, size_t len) {
    for (; len >= 8; text += 8, other += 8, len -= 8) {
        if (eg_policy_load_8(text) != eg_policy_lower_8(eg_policy_load_8(other))) {
            return false;
        }
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] != lower(other[i])) {
            return false;
        }
    }
    return true;
}

/* Greedy matching that goes back to the last star only: at most pattern × action steps, no recursion. */
static bool matches_after(const eg_policy_pattern *pat, eg_str action) {
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

bool eg_policy_pattern_matches(const eg_policy_pattern *pat, eg_str action) {
    const size_t tail = pat->text.len - pat->literal; /* the first star and what follows it */
    if (tail == 0 ? action.len != pat->literal : action.len < pat->literal + pat->least) {
        return false;
    }
    if (!same(pat->text.ptr, action.ptr, pat->literal)) {
        return false;
    }
    if (tail <= 1) {
        return true;
    }
    if (pat->least == tail - 1) { /* one star: what follows it is the end */
        return same(pat->text.ptr + pat->literal + 1, action.ptr + action.len - pat->least, pat->least);
    }
    return matches_after(pat, action);
}
