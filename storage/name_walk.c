/* The walk: at each level the next sibling, or what lies beneath an earlier one, whichever comes first. */
#include "name_walk.h"

#include "siblings.h"

#include <stdlib.h>

typedef struct level {
    eg_id directory;
    size_t path_len;           /* of the path up to it, with the '/' behind it */
    size_t pending;            /* where its own directories begin in `pending` */
} level;

/* A directory that was passed, and what lies beneath it not yet. Its name is the first name_len bytes of the level's current name. */
typedef struct waiting {
    size_t name_len;
    eg_id directory;
} waiting;

typedef struct walk {
    const eg_name_walk *w;
    eg_kv_txn *t;
    eg_siblings *siblings;     /* of the deepest level */
    eg_str rest;               /* what of the prefix is left for names of the first level */
    size_t depth;
    level levels[EG_PATH_DEPTH_MAX];
    size_t pending_count;
    waiting pending[EG_PATH_MAX + 1];
    size_t path_len;
    char path[EG_PATH_MAX + EG_NAME_MAX + 2];
} walk;

/* Roles, keys and signatures were asked for all of it; by lists alone each directory must grant its own. */
static eg_err push_level(walk *k, const eg_id *directory) {
    if (!k->w->grant || k->w->grant->way == EG_WAY_ACL || k->w->grant->way == EG_WAY_NONE) {
        eg_inode i;
        EG_TRY(eg_ns_inode_get(k->t, k->w->account, directory, &i));
        EG_TRY(eg_grant_item(k->w->grant, &i, EG_ACL_R | EG_ACL_X, NULL));
    }
    k->levels[k->depth++] = (level){*directory, k->path_len, k->pending_count};
    return EG_OK;
}

/* Distinct waiting directories are distinct beginnings of one path, so there is always room. */
static void wait_for(walk *k, size_t name_len, const eg_id *directory) {
    if (k->pending_count <= EG_PATH_MAX) {
        k->pending[k->pending_count++] = (waiting){name_len, *directory};
    }
}

static void set_name(walk *k, size_t from, eg_str name) {
    memcpy(k->path + from, name.ptr, name.len);
    k->path_len = from + name.len;
}

static eg_err lookup(walk *k, const eg_id *parent, eg_str name, bool *ret_directory, eg_id *ret) {
    eg_entry e;
    const eg_err err = name.len > EG_NAME_MAX ? EG_ERR_NOT_FOUND : eg_ns_entry_get(k->t, k->w->account, parent, name, &e);
    *ret_directory = false;
    if (err == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    EG_TRY(err);
    *ret_directory = e.kind == EG_KIND_DIRECTORY;
    *ret = e.child;
    return EG_OK;
}

/* Enters the directory that the prefix names; false when there is none. */
static eg_err enter_prefix(walk *k, bool *ret_there) {
    eg_id directory = k->w->root;
    eg_str rest = k->w->prefix.ptr ? k->w->prefix : EG_LIT("");
    *ret_there = true;
    for (;;) {
        eg_str tail = rest;
        const eg_str name = eg_str_cut(&tail, '/');
        if (!tail.ptr) {
            break;
        }
        if (name.len == 0 || k->path_len + name.len + 1 > EG_PATH_MAX) {
            *ret_there = false;
            return EG_OK;
        }
        EG_TRY(lookup(k, &directory, name, ret_there, &directory));
        if (!*ret_there) {
            return EG_OK;
        }
        set_name(k, k->path_len, name);
        k->path[k->path_len++] = '/';
        rest = tail;
    }
    k->rest = rest;
    *ret_there = rest.len <= EG_NAME_MAX;
    return push_level(k, &directory);
}

static bool starts_with(eg_str s, eg_str beginning) {
    return s.len >= beginning.len && (beginning.len == 0 || memcmp(s.ptr, beginning.ptr, beginning.len) == 0);
}

static eg_err seek_behind(walk *k, eg_str name, bool beneath) {
    char above[EG_NAME_MAX + 2];
    memcpy(above, name.ptr, name.len);
    above[name.len] = '/';
    return eg_siblings_seek(k->siblings, &k->levels[k->depth - 1].directory, (eg_str){above, name.len + (beneath ? 1 : 0)}, false);
}

/* Directories that were passed on the way to `name` and whose beneath comes behind it. */
static eg_err find_waiting(walk *k, eg_str name) {
    const level *v = &k->levels[k->depth - 1];
    const size_t least = k->depth == 1 && k->rest.len > 0 ? k->rest.len : 1;
    for (size_t n = least; n < name.len; n++) {
        if ((unsigned char)name.ptr[n] < '/') {
            bool directory;
            eg_id id;
            EG_TRY(lookup(k, &v->directory, (eg_str){name.ptr, n}, &directory, &id));
            if (directory) {
                wait_for(k, n, &id);
            }
        }
    }
    return EG_OK;
}

/* Stands right behind `after`: at each level behind the name on the way, as deep as that way still exists. */
static eg_err resume(walk *k, eg_str after) {
    for (;;) {
        const level *v = &k->levels[k->depth - 1];
        eg_str tail = after;
        const eg_str name = eg_str_cut(&tail, '/');
        bool directory;
        eg_id id;
        if (name.len > EG_NAME_MAX || v->path_len + name.len > EG_PATH_MAX) {
            return EG_ERR_QUERY;
        }
        EG_TRY(find_waiting(k, name));
        EG_TRY(lookup(k, &v->directory, name, &directory, &id));
        set_name(k, v->path_len, name);
        if (!tail.ptr && k->w->inclusive) {
            return eg_siblings_seek(k->siblings, &v->directory, name, true);
        }
        if (!tail.ptr) {
            if (directory && !k->w->after_beneath) {
                wait_for(k, name.len, &id);
            }
            return seek_behind(k, name, k->w->after_beneath);
        }
        if (directory && k->w->shallow && k->w->inclusive) {
            wait_for(k, name.len, &id); /* some of it lies behind */
        }
        if (!directory || k->w->shallow || k->depth == EG_PATH_DEPTH_MAX || k->path_len + 1 > EG_PATH_MAX) {
            return seek_behind(k, name, true);
        }
        k->path[k->path_len++] = '/';
        EG_TRY(push_level(k, &id));
        after = tail;
    }
}

static eg_err begin(walk *k, bool *ret_there) {
    EG_TRY(enter_prefix(k, ret_there));
    const eg_str after = k->w->after;
    const eg_str prefix = k->w->prefix;
    if (!*ret_there) {
        return EG_OK;
    }
    if (after.len > 0 && starts_with(after, prefix)) {
        const size_t skip = k->levels[0].path_len;
        return resume(k, (eg_str){after.ptr + skip, after.len - skip});
    }
    if (after.len > 0) {
        const size_t n = after.len < prefix.len ? after.len : prefix.len;
        *ret_there = memcmp(after.ptr, prefix.ptr, n) <= 0; /* else all that begins with the prefix lies before it */
    }
    return eg_siblings_seek(k->siblings, &k->levels[0].directory, k->rest, true);
}

/* Whether "directory/" comes before the name. */
static bool comes_first(const walk *k, const waiting *d, eg_str name) {
    const char *directory = k->path + k->levels[k->depth - 1].path_len;
    const size_t n = d->name_len < name.len ? d->name_len : name.len;
    const int c = memcmp(directory, name.ptr, n);
    return c != 0 ? c < 0 : name.len > d->name_len && '/' < (unsigned char)name.ptr[d->name_len];
}

/* Goes beneath the directory that waits last, or gives all of it as one. */
static eg_err go_beneath(walk *k, bool *ret_stop) {
    const waiting d = k->pending[--k->pending_count];
    const level *v = &k->levels[k->depth - 1];
    if (k->w->shallow) {
        const eg_entry e = {EG_KIND_DIRECTORY, d.directory};
        return k->w->each(k->w->ctx, (eg_str){k->path, v->path_len + d.name_len}, &e, true, ret_stop);
    }
    k->path_len = v->path_len + d.name_len;
    if (k->depth == EG_PATH_DEPTH_MAX || k->path_len + 1 > EG_PATH_MAX) {
        return EG_OK; /* renaming pushed it past the bounds of a path */
    }
    k->path[k->path_len++] = '/';
    EG_TRY(push_level(k, &d.directory));
    return eg_siblings_seek(k->siblings, &d.directory, EG_LIT(""), true);
}

static eg_err leave_level(walk *k) {
    const size_t inner = k->levels[--k->depth].path_len;
    if (k->depth == 0) {
        return EG_OK;
    }
    k->path_len = inner - 1;
    const size_t outer = k->levels[k->depth - 1].path_len;
    return seek_behind(k, (eg_str){k->path + outer, k->path_len - outer}, true);
}

static eg_err give(walk *k, eg_str name, const eg_entry *e, bool *ret_stop) {
    const level *v = &k->levels[k->depth - 1];
    if (v->path_len + name.len > EG_PATH_MAX) {
        eg_siblings_next(k->siblings);
        return EG_OK;
    }
    set_name(k, v->path_len, name);
    const bool directory = e->kind == EG_KIND_DIRECTORY;
    if (!directory || !k->w->shallow) {
        EG_TRY(k->w->each(k->w->ctx, (eg_str){k->path, k->path_len}, e, false, ret_stop));
    }
    if (directory) {
        wait_for(k, name.len, &e->child);
    }
    eg_siblings_next(k->siblings);
    return EG_OK;
}

static eg_err step(walk *k, bool *ret_stop) {
    const level *v = &k->levels[k->depth - 1];
    eg_str name = {NULL, 0};
    eg_entry e = {0};
    const eg_err err = eg_siblings_peek(k->siblings, &name, &e);
    if (err != EG_ERR_NOT_FOUND) {
        EG_TRY(err);
    }
    const bool end = err == EG_ERR_NOT_FOUND || (k->depth == 1 && !starts_with(name, k->rest));
    if (k->pending_count > v->pending && (end || comes_first(k, &k->pending[k->pending_count - 1], name))) {
        return go_beneath(k, ret_stop);
    }
    return end ? leave_level(k) : give(k, name, &e, ret_stop);
}

eg_err eg_name_walk_run(eg_kv_txn *t, const eg_name_walk *w) {
    walk *k = calloc(1, sizeof *k);
    if (!k) {
        return EG_ERR_NO_MEMORY;
    }
    k->w = w;
    k->t = t;
    bool there = false;
    bool stop = false;
    eg_err e = eg_siblings_new(t, w->account, &k->siblings);
    if (e == EG_OK) {
        e = begin(k, &there);
    }
    while (e == EG_OK && there && !stop && k->depth > 0) {
        e = step(k, &stop);
    }
    eg_siblings_free(k->siblings);
    free(k);
    return e;
}
