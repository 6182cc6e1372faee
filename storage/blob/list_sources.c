/* What List Blobs gives besides the tree: names that have uncommitted blocks only. */
#include "list_blobs.h"

#include "blocks.h"

#include <stdlib.h>

#define EXTRA_MAX 1000

typedef struct extra_name {
    char *name;
    size_t len;
    const eg_list_source *from;
    int64_t note;
} extra_name;

struct eg_extra_names {
    size_t count;
    size_t at;
    bool more;                /* there are more behind the last */
    extra_name v[EXTRA_MAX];
};

/* Blocks of a blob that exists are its own business. */
static eg_err offer_home(void *ctx, const eg_block_home *h) {
    eg_list_page *g = ctx;
    for (size_t i = 0; i < eg_list_source_count; i++) {
        if (eg_list_sources[i].include == EG_LIST_UNCOMMITTED) {
            return eg_extra_offer(g, &eg_list_sources[i], h->path, h->touched_ns);
        }
    }
    return EG_OK;
}

static eg_err uncommitted_names(eg_list_page *g) {
    return eg_blocks_each_home(g->t, g->walk.account, &g->walk.root, offer_home, g);
}

const eg_list_source eg_list_sources[] = {
    [EG_LIST_SOURCE_UNCOMMITTED] = {EG_LIST_UNCOMMITTED, NULL, uncommitted_names, eg_list_uncommitted_xml},
    [EG_LIST_SOURCE_SNAPSHOTS] = {EG_LIST_SNAPSHOTS, eg_list_snapshots_of, NULL, NULL},
    [EG_LIST_SOURCE_DELETED] = {EG_LIST_DELETED, NULL, eg_list_deleted_names, eg_list_deleted_xml},
};
const size_t eg_list_source_count = sizeof eg_list_sources / sizeof eg_list_sources[0];

static int compare(eg_str a, eg_str b) {
    const size_t n = a.len < b.len ? a.len : b.len;
    const int c = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static eg_str name_of(const extra_name *x) { return (eg_str){x->name, x->len}; }

static bool belongs(const eg_list_page *g, eg_str name) {
    const eg_str prefix = g->walk.prefix;
    const eg_str after = g->walk.after;
    if (name.len < prefix.len || (prefix.len > 0 && memcmp(name.ptr, prefix.ptr, prefix.len) != 0)) {
        return false;
    }
    if (g->walk.shallow && memchr(name.ptr + prefix.len, '/', name.len - prefix.len)) {
        return false; /* beneath a directory */
    }
    return after.len == 0 || compare(name, after) > (g->walk.inclusive ? -1 : 0);
}

/* Whether a file or directory of this name is there. */
static eg_err exists(const eg_list_page *g, eg_str path, bool *ret) {
    eg_id parent = g->walk.root;
    for (eg_str rest = path; rest.ptr;) {
        const eg_str name = eg_str_cut(&rest, '/');
        eg_entry e;
        const eg_err err = eg_ns_entry_get(g->t, g->walk.account, &parent, name, &e);
        if (err == EG_ERR_NOT_FOUND || (err == EG_OK && rest.ptr && e.kind != EG_KIND_DIRECTORY)) {
            *ret = false;
            return EG_OK;
        }
        EG_TRY(err);
        parent = e.child;
    }
    *ret = true;
    return EG_OK;
}

eg_err eg_extra_offer(eg_list_page *g, const eg_list_source *from, eg_str name, int64_t note) {
    struct eg_extra_names *x = g->extra;
    bool there = false;
    if (!belongs(g, name) || (x->count == EXTRA_MAX && compare(name, name_of(&x->v[EXTRA_MAX - 1])) > 0)) {
        x->more = x->more || x->count == EXTRA_MAX;
        return EG_OK;
    }
    EG_TRY(exists(g, name, &there));
    if (there) {
        return EG_OK;
    }
    char *copy = malloc(name.len + 1);
    if (!copy) {
        return EG_ERR_NO_MEMORY;
    }
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    if (x->count == EXTRA_MAX) {
        x->more = true;
        free(x->v[--x->count].name);
    }
    size_t at = x->count;
    for (; at > 0 && compare(name_of(&x->v[at - 1]), name) > 0; at--) {
        x->v[at] = x->v[at - 1];
    }
    x->v[at] = (extra_name){copy, name.len, from, note};
    x->count++;
    return EG_OK;
}

eg_err eg_extra_collect(eg_list_page *g) {
    for (size_t i = 0; i < eg_list_source_count; i++) {
        if (!(g->include & eg_list_sources[i].include) || !eg_list_sources[i].names) {
            continue;
        }
        if (!g->extra) {
            g->extra = calloc(1, sizeof *g->extra);
        }
        if (!g->extra) {
            return EG_ERR_NO_MEMORY;
        }
        EG_TRY(eg_list_sources[i].names(g));
    }
    return EG_OK;
}

eg_err eg_extra_give_before(eg_list_page *g, eg_str name, bool *ret_full) {
    struct eg_extra_names *x = g->extra;
    while (x && x->at < x->count && (!name.ptr || compare(name_of(&x->v[x->at]), name) < 0)) {
        const extra_name *e = &x->v[x->at];
        if (g->given == g->max) {
            *ret_full = true;
            return EG_OK;
        }
        EG_TRY(e->from->give(g, name_of(e), e->note));
        g->given++;
        eg_buf_reset(&g->last);
        EG_TRY(eg_buf_add(&g->last, e->name, e->len));
        g->last_beneath = false;
        x->at++;
    }
    /* The window is used up and was not all: the next page collects anew. */
    *ret_full = x && x->more && x->at == x->count;
    return EG_OK;
}

void eg_extra_free(struct eg_extra_names *x) {
    if (!x) {
        return;
    }
    for (size_t i = 0; i < x->count; i++) {
        free(x->v[i].name);
    }
    free(x);
}
