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
#define HASH_STEP 0x100000001b3u

static uint64_t hash_byte(uint64_t h, char c) {
    return (h ^ (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c)) * HASH_STEP;
}

/* The sum spreads what FNV leaves in the high bits. */
static uint64_t finish(uint64_t h) { return h ^ (h >> 29); }

uint64_t eg_policy_scope_hash(eg_str scope) {
    uint64_t h = HASH_START;
    for (size_t i = 0; i < scope.len; i++) {
        h = hash_byte(h, scope.ptr[i]);
    }
    return finish(h);
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
    *ret = (eg_policy_levels){.n = 0};
    add_level(ret, eg_policy_scope_hash(EG_LIT("/")));
    for (size_t i = 0; i < resource.len; i++) {
        if (resource.ptr[i] == '/' && i > 0) {
            add_level(ret, finish(h));
        }
        h = hash_byte(h, resource.ptr[i]);
    }
    add_level(ret, finish(h));
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
