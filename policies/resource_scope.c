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

#define HASH_START 0xcbf29ce484222325u
#define HASH_STEP 0x9e3779b97f4a7c15u

/* A segment with the slash before it, eight bytes at once. As a slash stands only at the beginning, two ways to cut a text give different words. */
static uint64_t hash_segment(uint64_t h, const char *text, size_t len) {
    for (; len >= 8; text += 8, len -= 8) {
        h = (h ^ eg_policy_lower_8(eg_policy_load_8(text))) * HASH_STEP;
        h ^= h >> 32;
    }
    if (len > 0) {
        uint64_t last = 0;
        for (size_t i = 0; i < len; i++) {
            last |= (uint64_t)(uint8_t)text[i] << (8 * i);
        }
        h = (h ^ eg_policy_lower_8(last)) * HASH_STEP;
        h ^= h >> 32;
    }
    return h;
}

/* The end of the segment that begins at `from`: the next slash, or the end. */
static size_t segment_end(eg_str s, size_t from) {
    const char *at = from + 1 < s.len ? memchr(s.ptr + from + 1, '/', s.len - from - 1) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

uint64_t eg_policy_scope_hash(eg_str scope) {
    uint64_t h = HASH_START;
    for (size_t i = 0, end; i < scope.len; i = end) {
        end = segment_end(scope, i);
        h = hash_segment(h, scope.ptr + i, end - i);
    }
    return h;
}

static void add_level(eg_policy_levels *l, uint64_t hash) {
    if (l->n == EG_POLICY_LEVELS_MAX) {
        l->all = true;
        return;
    }
    l->hashes[l->n++] = hash;
    l->seen[(hash >> 6) & 3] |= (uint64_t)1 << (hash & 63);
}

void eg_policy_levels_of(eg_str resource, eg_policy_levels *ret) {
    uint64_t h = HASH_START;
    ret->n = 0; /* the hashes are written one by one, and there is room for many */
    ret->all = false;
    memset(ret->seen, 0, sizeof ret->seen);
    add_level(ret, hash_segment(HASH_START, "/", 1));
    for (size_t i = 0, end; i < resource.len && !ret->all; i = end) {
        end = segment_end(resource, i);
        h = hash_segment(h, resource.ptr + i, end - i);
        add_level(ret, h);
    }
}

bool eg_policy_levels_may_hold(const eg_policy_levels *l, uint64_t scope_hash) {
    if (l->all) {
        return true;
    }
    if (!(l->seen[(scope_hash >> 6) & 3] & ((uint64_t)1 << (scope_hash & 63)))) {
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (l->hashes[i] == scope_hash) {
            return true;
        }
    }
    return false;
}
