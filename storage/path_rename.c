/* Rename: one entry leaves, one comes, whatever lies beneath. */
#include "lease_index.h"

#include <stdio.h>

typedef struct target {
    eg_id parent;
    eg_str name;
    bool exists;
    bool into;        /* an existing directory: parent is that directory */
    eg_entry entry;
} target;

/* Paths have no links, so a prefix of whole names is an ancestor. */
static bool within(eg_str path, eg_str ancestor) {
    return path.len >= ancestor.len && memcmp(path.ptr, ancestor.ptr, ancestor.len) == 0 &&
        (path.len == ancestor.len || path.ptr[ancestor.len] == '/');
}

/* An existing directory as the destination means: into it, under the source's own name. */
static eg_err find_target(eg_kv_txn *t, const eg_path_rename *r, const eg_place *source, target *ret, eg_problem *p) {
    eg_place d;
    EG_TRY(eg_path_resolve(t, &r->base, r->base.path, &d, p));
    if (d.exists && d.entry.kind == EG_KIND_DIRECTORY) {
        target into = {.parent = d.entry.child, .name = source->name, .into = true};
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
    *ret = (target){.parent = d.parent, .name = d.name, .exists = d.exists || d.expired, .entry = d.entry};
    return EG_OK;
}

/* Conditions, and that only a file is replaced, by a file. */
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
    if (old.kind != EG_KIND_FILE || source->entry.kind != EG_KIND_FILE) {
        return eg_fail(p, EG_ERR_PATH_EXISTS, "The destination already exists.");
    }
    return EG_OK;
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
    EG_TRY(eg_path_resolve(t, &r->base, r->source, &s, p));
    if (!s.exists) {
        return eg_fail(p, EG_ERR_SOURCE_PATH_NOT_FOUND, "The source path for a rename operation does not exist.");
    }
    if (s.root || (s.entry.kind == EG_KIND_DIRECTORY && within(r->base.path, r->source))) {
        return eg_fail(p, EG_ERR_RENAME_SOURCE_INVALID,
            "The source directory cannot be the same as the destination directory, nor can the destination be a subdirectory of it.");
    }
    EG_TRY(eg_ns_inode_get(t, r->base.account, &s.entry.child, ret_inode));
    const eg_err e = eg_conditions_check(&r->source_conditions, ret_inode, p);
    if (e == EG_ERR_PATH_EXISTS) {
        return eg_fail(p, EG_ERR_CONDITION_NOT_MET, "The condition on the source is not met.");
    }
    EG_TRY(e);
    EG_TRY(check_source_lease(t, r, &s, ret_inode, p));
    *ret = s;
    return EG_OK;
}

/* The index of leases follows what was moved with its own lease. */
static eg_err follow_lease(eg_kv_txn *t, const eg_path_rename *r, const eg_id *root, eg_str name, bool into) {
    char path[EG_PATH_MAX + EG_NAME_MAX + 2];
    const eg_str to = r->base.path;
    const int n = into ? snprintf(path, sizeof path, "%.*s%s%.*s", EG_FMT(to), to.len ? "/" : "", EG_FMT(name))
                       : snprintf(path, sizeof path, "%.*s", EG_FMT(to));
    if (n < 0 || n > EG_PATH_MAX) {
        return EG_OK; /* nobody can name it until it is moved back */
    }
    const eg_lease_spot at = {r->base.account, *root, {path, (size_t)n}};
    return eg_lease_index_put(t, &at);
}

eg_err eg_path_rename_apply(eg_kv_txn *t, void *rename, eg_problem *p) {
    eg_path_rename *r = rename;
    const eg_account *a = r->base.account;
    eg_place source;
    eg_inode moved;
    target to;
    EG_TRY(find_source(t, r, &source, &moved, p));
    EG_TRY(find_target(t, r, &source, &to, p));
    EG_TRY(check_target(t, r, &source, &to, p));
    r->base.after = moved;
    const bool leased = moved.attr[EG_ATTR_LEASE].len > 0;
    const bool itself = to.exists && eg_id_eq(&to.entry.child, &moved.id);
    if (r->transaction_id.len > 0) {
        /* First of all writes: the other attributes are borrowed from the row. */
        moved.attr[EG_ATTR_TRANSACTION_ID] = eg_str_bytes(r->transaction_id);
        EG_TRY(eg_ns_inode_put(t, a, &moved));
    }
    if (!itself && to.exists) {
        EG_TRY(eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, &to.entry.child));
    }
    if (itself) {
        return EG_OK;
    }
    EG_TRY(eg_ns_entry_del(t, &source.parent, source.name));
    EG_TRY(eg_ns_entry_put(t, a, &to.parent, to.name, &source.entry));
    return leased ? follow_lease(t, r, &source.container.root, source.name, to.into) : EG_OK;
}
