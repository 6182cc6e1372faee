/* Rename: one entry leaves, one comes, whatever lies beneath; within a filesystem or from one to another. */
#include "due.h"
#include "lease_index.h"
#include "path_bounds.h"
#include "repeated.h"

#include <stdio.h>

typedef struct target {
    eg_container container;
    eg_id parent;
    eg_str name;
    bool exists;
    bool into;                /* an existing directory: parent is that directory */
    eg_entry entry;
} target;

/* Paths have no links, so a prefix of whole names is an ancestor. */
static bool within(eg_str path, eg_str ancestor) {
    return path.len >= ancestor.len && memcmp(path.ptr, ancestor.ptr, ancestor.len) == 0 &&
        (path.len == ancestor.len || path.ptr[ancestor.len] == '/');
}

/* May it be put there, beneath the directory that was named? */
static eg_err allowed_into(eg_kv_txn *t, const eg_path_rename *r, eg_str name, eg_problem *p) {
    char path[EG_PATH_MAX + EG_NAME_MAX + 2];
    eg_change into = r->base;
    const int n = snprintf(path, sizeof path, "%.*s%s%.*s", EG_FMT(r->base.path), r->base.path.len ? "/" : "", EG_FMT(name));
    if (n < 0 || (size_t)n >= sizeof path) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "The destination path would be too long.");
    }
    into.path = (eg_str){path, (size_t)n};
    return eg_path_allowed(t, &into, EG_NEED_MOVE_TO, p);
}

/* An existing directory as the destination means: into it, under the source's own name; or, when posix was asked for, in its place. */
static eg_err find_target(eg_kv_txn *t, const eg_path_rename *r, const eg_place *source, target *ret, eg_problem *p) {
    eg_place d;
    EG_TRY(eg_path_resolve(t, &r->base, r->base.path, &d, p));
    if (d.exists && d.entry.kind == EG_KIND_DIRECTORY && !(r->posix && source->entry.kind == EG_KIND_DIRECTORY && !d.root)) {
        target into = {.container = d.container, .parent = d.entry.child, .name = source->name, .into = true};
        EG_TRY(allowed_into(t, r, source->name, p));
        const eg_err e = eg_ns_entry_get(t, r->base.account, &into.parent, into.name, &into.entry);
        if (e != EG_OK && e != EG_ERR_NOT_FOUND) {
            return e;
        }
        into.exists = e == EG_OK;
        *ret = into;
        return EG_OK;
    }
    if (!d.parent_exists) {
        return eg_fail(p, EG_ERR_RENAME_PARENT_NOT_FOUND, "The parent directory of the destination path does not exist.");
    }
    *ret = (target){.container = d.container, .parent = d.parent, .name = d.name, .exists = d.exists || d.expired, .entry = d.entry};
    return EG_OK;
}

/* Conditions, and that a file is replaced by a file alone, and a directory only when it is empty and that was asked for. */
static eg_err check_target(eg_kv_txn *t, eg_path_rename *r, const eg_place *source, const target *to, eg_problem *p) {
    r->base.creates = true;
    if (!to->exists) {
        return eg_change_check(&r->base, NULL, p);
    }
    eg_inode old;
    EG_TRY(eg_ns_inode_get(t, r->base.account, &to->entry.child, &old));
    if (eg_ns_inode_expired(&old, r->base.forward_ns)) {
        return eg_change_check(&r->base, NULL, p);
    }
    EG_TRY(eg_change_check(&r->base, &old, p));
    if (old.kind != source->entry.kind) {
        return eg_fail(p, EG_ERR_RENAME_TYPE, "The source and destination resource type must be identical.");
    }
    bool empty = old.kind == EG_KIND_FILE;
    if (!empty && !r->posix) {
        return eg_fail(p, EG_ERR_PATH_EXISTS, "The destination already exists.");
    }
    if (!empty) {
        EG_TRY(to->into ? EG_OK : eg_path_allowed(t, &r->base, EG_NEED_DELETE, p)); /* the sticky bit may keep it */
        EG_TRY(eg_ns_empty(t, &old.id, &empty));
    }
    return empty ? EG_OK : eg_fail(p, EG_ERR_DIRECTORY_NOT_EMPTY, "The destination is a directory that is not empty.");
}

/* Its own lease, and those of what lies beneath: moving a directory moves them all. */
static eg_err check_source_lease(eg_kv_txn *t, const eg_path_rename *r, const eg_place *s, const eg_inode *i, eg_problem *p) {
    eg_lease l;
    EG_TRY(eg_lease_decode(i->attr[EG_ATTR_LEASE], &l));
    EG_TRY(eg_lease_check_write(&l, r->has_source_lease ? &r->source_lease : NULL, r->base.forward_ns, EG_LEASE_OF_PATH, p));
    if (i->kind != EG_KIND_DIRECTORY) {
        return EG_OK;
    }
    const eg_lease_spot at = {r->base.account, s->container.root, r->source};
    return eg_lease_index_beneath(t, &at, r->base.forward_ns, p);
}

static eg_err find_source(eg_kv_txn *t, eg_path_rename *r, eg_place *ret, eg_inode *ret_inode, eg_problem *p) {
    eg_place s;
    eg_change where = r->base;
    where.container = r->source_container;
    EG_TRY(eg_path_resolve(t, &where, r->source, &s, p));
    if (!s.exists) {
        return eg_fail(p, EG_ERR_SOURCE_PATH_NOT_FOUND, "The source path for a rename operation does not exist.");
    }
    const bool beneath = s.entry.kind == EG_KIND_DIRECTORY && eg_str_eq(r->source_container, r->base.container) && within(r->base.path, r->source);
    if (s.root || beneath) {
        return eg_fail(p, EG_ERR_RENAME_SOURCE_INVALID,
            "The source directory cannot be the same as the destination directory, nor can the destination be a subdirectory of it.");
    }
    EG_TRY(eg_ns_inode_get(t, r->base.account, &s.entry.child, ret_inode));
    const eg_err e = eg_conditions_check(&r->source_conditions, ret_inode, p);
    if (e == EG_ERR_PATH_EXISTS || e == EG_ERR_CONDITION_NOT_MET) {
        return eg_fail(p, EG_ERR_SOURCE_CONDITION_NOT_MET, "The source condition specified using HTTP conditional header(s) is not met.");
    }
    EG_TRY(e);
    EG_TRY(check_source_lease(t, r, &s, ret_inode, p));
    *ret = s;
    return EG_OK;
}

/* The whole path that comes of it; `buf` holds EG_PATH_MAX + EG_NAME_MAX + 2. */
static eg_str new_path(const eg_path_rename *r, const target *to, char *buf) {
    const eg_str d = r->base.path;
    const size_t cap = EG_PATH_MAX + EG_NAME_MAX + 2;
    const int n = to->into ? snprintf(buf, cap, "%.*s%s%.*s", EG_FMT(d), d.len ? "/" : "", EG_FMT(to->name)) : snprintf(buf, cap, "%.*s", EG_FMT(d));
    return (eg_str){buf, (size_t)n};
}

/* What comes with the request is kept with the inode, whose other attributes are borrowed from its row. */
static eg_err keep(eg_kv_txn *t, eg_path_rename *r, eg_inode *moved) {
    bool set = false;
    for (size_t k = 0; k < EG_ATTR_COUNT; k++) {
        if (r->set[k]) {
            moved->attr[k] = r->attr[k];
            set = true;
        }
    }
    EG_TRY(set ? eg_ns_inode_check_shown(moved) : EG_OK);
    moved->change += set;
    if (r->transaction_id.len > 0) {
        moved->attr[EG_ATTR_TRANSACTION_ID] = eg_str_bytes(r->transaction_id);
        set = true;
    }
    r->base.after = *moved;
    return set ? eg_ns_inode_put(t, r->base.account, moved) : EG_OK;
}

/* Both ends, before anything is said of either. */
static eg_err check_access(eg_kv_txn *t, const eg_path_rename *r, eg_problem *p) {
    eg_change source = r->base;
    source.container = r->source_container;
    source.path = r->source;
    source.grant = r->source_grant;
    EG_TRY(eg_path_allowed(t, &source, EG_NEED_MOVE_FROM, p));
    return eg_path_allowed(t, &r->base, EG_NEED_MOVE_TO, p);
}

static eg_str last_name(eg_str path) {
    for (size_t i = path.len; i > 0; i--) {
        if (path.ptr[i - 1] == '/') {
            return (eg_str){path.ptr + i, path.len - i};
        }
    }
    return path;
}

/* Whether this very rename was done before: what it moved stands at the destination, or in it. Looked at before the source, under whose
 * name there may be something new by now. */
static eg_err done_before(eg_kv_txn *t, eg_path_rename *r, bool *ret, eg_problem *p) {
    eg_place d;
    eg_inode i;
    *ret = false;
    if (r->transaction_id.len == 0) {
        return EG_OK;
    }
    EG_TRY(eg_path_resolve(t, &r->base, r->base.path, &d, p));
    for (bool into = false; d.exists; into = true) {
        EG_TRY(eg_ns_inode_get(t, r->base.account, &d.entry.child, &i));
        if (eg_repeated_transaction(&i, eg_str_bytes(r->transaction_id))) {
            r->base.after = i;
            *ret = true;
            return EG_OK;
        }
        if (into || i.kind != EG_KIND_DIRECTORY) {
            return EG_OK;
        }
        const eg_err e = eg_ns_entry_get(t, r->base.account, &i.id, last_name(r->source), &d.entry);
        if (e == EG_ERR_NOT_FOUND) {
            return EG_OK;
        }
        EG_TRY(e);
    }
    return EG_OK;
}

eg_err eg_path_rename_apply(eg_kv_txn *t, void *rename, eg_problem *p) {
    eg_path_rename *r = rename;
    const eg_account *a = r->base.account;
    char path[EG_PATH_MAX + EG_NAME_MAX + 2];
    eg_place source;
    eg_inode moved;
    target to;
    bool done = false;
    EG_TRY(check_access(t, r, p));
    EG_TRY(done_before(t, r, &done, p));
    if (done) {
        return EG_OK;
    }
    EG_TRY(find_source(t, r, &source, &moved, p));
    EG_TRY(find_target(t, r, &source, &to, p));
    EG_TRY(check_target(t, r, &source, &to, p));
    const bool itself = to.exists && eg_id_eq(&to.entry.child, &moved.id);
    const eg_path_move move = {.account = a, .from = r->source, .to = new_path(r, &to, path), .moved = &moved, .source = &source.container,
        .container = r->base.container, .destination = &to.container};
    EG_TRY(eg_path_bounds_move(t, &move, p));
    EG_TRY(eg_ns_inode_get(t, a, &moved.id, &moved)); /* the marks may have been written: what was borrowed is gone */
    const bool leased = moved.attr[EG_ATTR_LEASE].len > 0;
    uint8_t expires[8];
    eg_inode watched = {.id = moved.id};
    if (moved.attr[EG_ATTR_EXPIRES].len == sizeof expires) {
        memcpy(expires, moved.attr[EG_ATTR_EXPIRES].ptr, sizeof expires);
        watched.attr[EG_ATTR_EXPIRES] = (eg_bytes){expires, sizeof expires};
    }
    EG_TRY(keep(t, r, &moved));
    if (itself) {
        return EG_OK;
    }
    if (to.exists) {
        EG_TRY(eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, &to.entry.child));
    }
    EG_TRY(eg_ns_entry_del(t, &source.parent, source.name));
    EG_TRY(eg_ns_entry_put(t, a, &to.parent, to.name, &source.entry));
    EG_TRY(eg_due_put_expiry(t, a, &to.parent, to.name, &watched));
    /* The index of leases follows what was moved with its own lease. */
    const eg_lease_spot at = {a, to.container.root, move.to};
    return leased ? eg_lease_index_put(t, &at) : EG_OK;
}
