/* Bounds of paths under renames: marks of a container, and a walk where they don't settle it. */
#include "path_bounds.h"

#include <stdlib.h>

/* Marks move in steps, so that a container's row is seldom written. */
#define LENGTH_STEP 64
#define DEPTH_STEP 4
/* Entries that a rename looks at to know what lies beneath exactly; above that, the container's marks stand for it. */
#define WALK_CHEAP 1000
/* And at most, when by the marks something might get too long. */
#define WALK_MAX 200000

static size_t depth_of(eg_str path) {
    size_t n = path.len > 0;
    for (size_t i = 0; i < path.len; i++) {
        n += path.ptr[i] == '/';
    }
    return n;
}

static uint16_t raised(size_t wanted, size_t step, size_t max) {
    const size_t up = (wanted + step - 1) / step * step;
    return (uint16_t)(up < max ? up : max);
}

static eg_err note(eg_kv_txn *t, const eg_account *a, eg_str container, eg_container *c, const size_t reach[2]) {
    if (reach[0] <= c->longest && reach[1] <= c->deepest) {
        return EG_OK;
    }
    if (reach[0] > c->longest) {
        c->longest = raised(reach[0], LENGTH_STEP, EG_PATH_MAX);
    }
    if (reach[1] > c->deepest) {
        c->deepest = raised(reach[1], DEPTH_STEP, EG_PATH_DEPTH_MAX);
    }
    return eg_ns_container_put(t, a, container, c);
}

eg_err eg_path_bounds_note(eg_kv_txn *t, const eg_account *a, eg_str container, eg_container *c, eg_str path) {
    return note(t, a, container, c, (const size_t[2]){path.len, depth_of(path)});
}

/* The longest and the deepest path beneath a directory, from it on. */
typedef struct reach {
    size_t length;
    size_t depth;
    size_t left;               /* entries that may still be looked at */
} reach;

typedef struct level {
    eg_id directory;
    size_t length;             /* of its path */
    uint8_t from[EG_KV_KEY_MAX];
    size_t from_len;
} level;

/* Gives the next entry behind v->from; EG_ERR_NOT_FOUND at the directory's end. */
static eg_err next_entry(eg_kv_txn *t, const eg_account *a, level *v, eg_str *ret_name, eg_entry *ret) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    eg_bytes k;
    eg_bytes value;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ENTRY, (eg_bytes){v->from, v->from_len}, &c));
    EG_TRY(eg_kv_cursor_next(c, &k, &value));
    if (v->from_len > sizeof v->directory.b && k.len == v->from_len && memcmp(k.ptr, v->from, k.len) == 0) {
        EG_TRY(eg_kv_cursor_next(c, &k, &value));
    }
    EG_TRY(eg_ns_entry_decode(a, &v->directory, k, value, ret_name, ret));
    memcpy(v->from, k.ptr, k.len);
    v->from_len = k.len;
    return EG_OK;
}

static void enter(level *v, const eg_id *directory, size_t length) {
    *v = (level){.directory = *directory, .length = length, .from_len = sizeof directory->b};
    memcpy(v->from, directory->b, sizeof directory->b);
}

/* EG_ERR_LIMIT when there is more than may be looked at, or more levels than a path has. */
static eg_err walk(eg_kv_txn *t, const eg_account *a, const eg_id *top, reach *r) {
    level *levels = calloc(EG_PATH_DEPTH_MAX + 1, sizeof *levels);
    if (!levels) {
        return EG_ERR_NO_MEMORY;
    }
    size_t depth = 1;
    eg_err e = EG_OK;
    enter(&levels[0], top, 0);
    while (depth > 0 && e == EG_OK) {
        eg_str name;
        eg_entry entry;
        level *v = &levels[depth - 1];
        e = r->left-- == 0 ? EG_ERR_LIMIT : next_entry(t, a, v, &name, &entry);
        if (e == EG_ERR_NOT_FOUND) {
            depth--;
            e = EG_OK;
            continue;
        }
        if (e != EG_OK) {
            break;
        }
        const size_t length = v->length + 1 + name.len;
        r->length = length > r->length ? length : r->length;
        r->depth = depth > r->depth ? depth : r->depth;
        if (entry.kind == EG_KIND_DIRECTORY && depth > EG_PATH_DEPTH_MAX) {
            e = EG_ERR_LIMIT;
        } else if (entry.kind == EG_KIND_DIRECTORY) {
            enter(&levels[depth++], &entry.child, length);
        }
    }
    free(levels);
    return e;
}

static bool fits(size_t length, size_t depth) {
    return length <= EG_PATH_MAX && depth <= EG_PATH_DEPTH_MAX;
}

static eg_err too_long(eg_problem *p) {
    return eg_fail(p, EG_ERR_PATH_INVALID, "A path beneath the destination would be longer than %d bytes or %d segments.", EG_PATH_MAX,
        EG_PATH_DEPTH_MAX);
}

/* How far the new paths reach: exactly, or at most by the source's marks when there is much beneath. */
static eg_err measure(eg_kv_txn *t, const eg_path_move *m, size_t ret[2], eg_problem *p) {
    const size_t to_depth = depth_of(m->to);
    reach exact = {.left = WALK_CHEAP};
    eg_err e = m->moved->kind == EG_KIND_DIRECTORY ? walk(t, m->account, &m->moved->id, &exact) : EG_OK;
    if (e == EG_ERR_LIMIT) {
        /* Beneath a path of n bytes nothing is longer than the mark less n. */
        const size_t length = m->source->longest > m->from.len ? m->source->longest - m->from.len : 0;
        const size_t depth = m->source->deepest > depth_of(m->from) ? m->source->deepest - depth_of(m->from) : 0;
        if (fits(m->to.len + length, to_depth + depth)) {
            exact = (reach){.length = length, .depth = depth};
            e = EG_OK;
        } else {
            exact = (reach){.left = WALK_MAX};
            e = walk(t, m->account, &m->moved->id, &exact);
        }
    }
    if (e == EG_ERR_LIMIT) {
        return too_long(p);
    }
    EG_TRY(e);
    ret[0] = m->to.len + exact.length;
    ret[1] = to_depth + exact.depth;
    return EG_OK;
}

eg_err eg_path_bounds_move(eg_kv_txn *t, const eg_path_move *m, eg_problem *p) {
    size_t ends[2] = {m->to.len, depth_of(m->to)};
    if (!fits(ends[0], ends[1])) {
        return too_long(p);
    }
    const bool here = eg_id_eq(&m->source->root, &m->destination->root);
    const bool longer = ends[0] > m->from.len || ends[1] > depth_of(m->from);
    if (m->moved->kind == EG_KIND_DIRECTORY && !longer && here) {
        return EG_OK; /* nothing gets longer, and the marks hold for what was there */
    }
    EG_TRY(measure(t, m, ends, p));
    if (!fits(ends[0], ends[1])) {
        return too_long(p);
    }
    return note(t, m->account, m->container, m->destination, ends);
}
