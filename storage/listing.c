/* Listing with continuation. A page is resumed by names, not by rows, so that what was deleted meanwhile does no harm. */
#include "listing.h"

#include <embergate/encoding.h>
#include <stdlib.h>

#define TOKEN_MAX (EG_PATH_MAX + 128)

typedef struct level {
    eg_id directory;
    size_t path_len;                /* of the path up to and with this directory, below the start */
    uint8_t from[EG_KV_KEY_MAX];    /* key to go on at */
    size_t from_len;
    bool skip_equal;                /* `from` was given already */
} level;

typedef struct walk {
    const eg_listing *l;
    eg_kv_txn *t;
    size_t given;
    size_t depth;                   /* levels in use */
    eg_buf full;                    /* prefix '/' path */
    eg_buf path;                    /* below the start, of the last entry that was given */
    level levels[EG_PATH_DEPTH_MAX + 1];
} walk;

static eg_err push(walk *w, const eg_id *directory, size_t path_len) {
    if (w->l->grant == NULL || w->l->grant->way == EG_WAY_ACL || w->l->grant->way == EG_WAY_NONE) {
        eg_inode i;
        EG_TRY(eg_ns_inode_get(w->t, w->l->account, directory, &i));
        EG_TRY(eg_grant_item(w->l->grant, &i, EG_ACL_R | EG_ACL_X, NULL));
    }
    if (w->depth > EG_PATH_DEPTH_MAX) {
        return eg_record_corrupt();
    }
    level *v = &w->levels[w->depth++];
    *v = (level){.directory = *directory, .path_len = path_len, .from_len = sizeof directory->b};
    memcpy(v->from, directory->b, sizeof directory->b);
    return EG_OK;
}

/* Puts the walk right behind `after`: at each level behind the name on the way, as deep as that way still exists. */
static eg_err resume(walk *w) {
    for (eg_str rest = w->l->after; rest.ptr && w->l->after.len > 0;) {
        const eg_str name = eg_str_cut(&rest, '/');
        level *v = &w->levels[w->depth - 1];
        v->from_len = eg_ns_entry_key(&v->directory, name, v->from);
        v->skip_equal = !w->l->inclusive;
        if (w->l->inclusive) {
            return EG_OK;
        }
        eg_entry e;
        const eg_err err = eg_ns_entry_get(w->t, w->l->account, &v->directory, name, &e);
        if (err == EG_ERR_NOT_FOUND || !w->l->recursive || w->depth > EG_PATH_DEPTH_MAX || (err == EG_OK && e.kind != EG_KIND_DIRECTORY)) {
            return EG_OK;
        }
        EG_TRY(err);
        EG_TRY(eg_buf_addf(&w->path, "%s%.*s", w->path.len ? "/" : "", EG_FMT(name)));
        EG_TRY(push(w, &e.child, w->path.len));
    }
    return EG_OK;
}

static eg_err give(walk *w, size_t parent_len, eg_str name, const eg_entry *e) {
    eg_inode i;
    EG_TRY(eg_ns_inode_get(w->t, w->l->account, &e->child, &i));
    if (i.kind != e->kind) {
        return eg_record_corrupt();
    }
    if (eg_ns_inode_expired(&i, w->l->forward_ns)) {
        return EG_OK;
    }
    w->path.len = parent_len;
    EG_TRY(eg_buf_addf(&w->path, "%s%.*s", parent_len ? "/" : "", EG_FMT(name)));
    eg_buf_reset(&w->full);
    EG_TRY(eg_buf_addf(&w->full, "%.*s%s%.*s", EG_FMT(w->l->prefix), w->l->prefix.len ? "/" : "", EG_FMT(eg_buf_str(&w->path))));
    w->given++;
    return w->l->each(w->l->ctx, eg_buf_str(&w->full), &i);
}

/* Renaming a directory may push what lies beneath it past the bounds of a path. Such entries can't be addressed, so they are
 * not listed either: a listing must not fail because of them. */
static bool too_long(const walk *w, const level *v, eg_str name) {
    return w->l->prefix.len + (w->l->prefix.len > 0) + v->path_len + (v->path_len > 0) + name.len > EG_PATH_MAX;
}

/* Gives the deepest level's entries until it ends, the page is full, or a directory has to be entered. */
static eg_err run_level(walk *w, bool *ret_full) {
    level *v = &w->levels[w->depth - 1];
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(w->t, EG_DB_FS_ENTRY, (eg_bytes){v->from, v->from_len}, &c));
    for (;;) {
        eg_bytes k;
        eg_bytes value;
        eg_err e = eg_kv_cursor_next(c, &k, &value);
        if (e == EG_OK && v->skip_equal && k.len == v->from_len && memcmp(k.ptr, v->from, k.len) == 0) {
            v->skip_equal = false;
            continue;
        }
        eg_str name;
        eg_entry entry;
        if (e == EG_OK) {
            e = eg_ns_entry_decode(w->l->account, &v->directory, k, value, &name, &entry);
        }
        if (e == EG_ERR_NOT_FOUND) {
            w->depth--;
            return EG_OK;
        }
        EG_TRY(e);
        if (too_long(w, v, name)) {
            continue;
        }
        if (w->given == w->l->max) {
            *ret_full = true;
            return EG_OK;
        }
        EG_TRY(give(w, v->path_len, name, &entry));
        if (w->l->recursive && entry.kind == EG_KIND_DIRECTORY && w->depth <= EG_PATH_DEPTH_MAX) {
            memcpy(v->from, k.ptr, k.len);
            v->from_len = k.len;
            v->skip_equal = true;
            return push(w, &entry.child, w->path.len);
        }
    }
}

eg_err eg_listing_run(eg_kv_txn *t, const eg_listing *l, eg_buf *ret_last) {
    walk *w = calloc(1, sizeof *w);
    if (!w) {
        return EG_ERR_NO_MEMORY;
    }
    w->l = l;
    w->t = t;
    eg_buf_init(&w->full, 2 * EG_PATH_MAX + 2);
    eg_buf_init(&w->path, EG_PATH_MAX + EG_NAME_MAX + 2);
    bool full = false;
    eg_err e = push(w, &l->directory, 0);
    if (e == EG_OK) {
        e = resume(w);
    }
    while (e == EG_OK && w->depth > 0 && !full) {
        e = run_level(w, &full);
    }
    if (e == EG_OK && full) {
        e = eg_buf_add(ret_last, w->path.ptr, w->path.len);
    }
    eg_buf_done(&w->full);
    eg_buf_done(&w->path);
    free(w);
    return e;
}

static eg_bytes token_key(const eg_listing *l, uint8_t key[17]) {
    memcpy(key, l->directory.b, sizeof l->directory.b);
    key[16] = l->recursive ? 1 : 0;
    return (eg_bytes){key, 17};
}

eg_err eg_listing_token(const eg_listing *l, eg_str last, eg_buf *ret) {
    uint8_t key[17];
    eg_buf raw;
    eg_record_start(&raw, TOKEN_MAX);
    eg_record_text(&raw, eg_str_bytes(last));
    eg_err e = eg_record_seal(l->account, EG_ROW_CONTINUATION, token_key(l, key), &raw);
    if (e == EG_OK) {
        e = eg_base64url(eg_buf_bytes(&raw), ret);
    }
    eg_buf_done(&raw);
    return e;
}

eg_err eg_listing_token_read(const eg_listing *l, eg_str token, eg_arena *arena, eg_str *ret_after) {
    uint8_t key[17];
    uint8_t raw[TOKEN_MAX];
    size_t n = 0;
    eg_record_reader r;
    if (eg_unbase64url(token, raw, sizeof raw, &n) != EG_OK || n < 1 + EG_ROW_MAC_LEN ||
        !eg_record_fits(l->account, EG_ROW_CONTINUATION, token_key(l, key), (eg_bytes){raw, n}) ||
        eg_record_peek((eg_bytes){raw, n}, &r) != EG_OK) {
        return EG_ERR_QUERY;
    }
    const eg_bytes after = eg_record_get_text(&r);
    if (r.bad || r.left != 0) {
        return EG_ERR_QUERY;
    }
    *ret_after = eg_arena_str(arena, eg_bytes_str(after));
    return ret_after->ptr ? EG_OK : EG_ERR_NO_MEMORY;
}
