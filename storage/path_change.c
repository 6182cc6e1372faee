/* Create, delete and update of a path; create and delete of a container. */
#include "deleted.h"
#include "due.h"
#include "lease_index.h"
#include "snapshot.h"

#include "path_bounds.h"
#include "repeated.h"

#define SUPERUSER EG_LIT("$superuser")

static eg_err words(eg_err e, eg_problem *p) {
    return e == EG_ERR_FILESYSTEM_NOT_FOUND ? eg_fail(p, e, "The specified filesystem does not exist.") : e;
}

eg_err eg_path_resolve(eg_kv_txn *t, const eg_change *where, eg_str path, eg_place *ret, eg_problem *p) {
    eg_place place;
    EG_TRY(words(eg_ns_resolve(t, where->account, where->container, path, &place), p));
    if (place.exists && place.entry.kind == EG_KIND_FILE) {
        eg_inode i;
        EG_TRY(eg_ns_inode_get(t, where->account, &place.entry.child, &i));
        place.expired = eg_ns_inode_expired(&i, where->forward_ns);
        place.exists = !place.expired;
        place.missing = place.expired ? place.name : place.missing;
    }
    *ret = place;
    return EG_OK;
}

eg_err eg_path_allowed(eg_kv_txn *t, const eg_change *where, eg_need need, eg_problem *p) {
    const eg_where w = {where->account, where->container, where->path};
    return words(eg_grant_check(t, where->grant, &w, need, p), p);
}

/* What eg_path_find does once somebody has asked. */
static eg_err find(eg_kv_txn *t, const eg_change *where, eg_place *ret_place, eg_inode *ret, eg_problem *p) {
    eg_place place;
    EG_TRY(eg_path_resolve(t, where, where->path, &place, p));
    if (!place.exists) {
        return eg_fail(p, EG_ERR_PATH_NOT_FOUND, "The specified path does not exist.");
    }
    eg_inode i;
    EG_TRY(eg_ns_inode_get(t, where->account, &place.entry.child, &i));
    if (i.kind != place.entry.kind) {
        return eg_record_corrupt();
    }
    *ret_place = place;
    *ret = i;
    return EG_OK;
}

eg_err eg_path_find(eg_kv_txn *t, const eg_change *where, eg_place *ret_place, eg_inode *ret, eg_problem *p) {
    EG_TRY(eg_path_allowed(t, where, where->grant ? where->grant->need : EG_NEED_NONE, p));
    return find(t, where, ret_place, ret, p);
}

/* What is made gets group and permissions from the directory that it is made in. *i is the row, `text` holds what it borrows. */
static eg_err inherit(const eg_path_create *c, const eg_inode *parent, eg_inode *i, eg_buf *text) {
    if (i->attr[EG_ATTR_ACL].len > 0) {
        return EG_OK;
    }
    eg_acl above;
    eg_acl own;
    const eg_acl_birth birth = {i->mode, c->umask, i->kind == EG_KIND_DIRECTORY};
    EG_TRY(eg_acl_of(parent->mode, eg_bytes_str(parent->attr[EG_ATTR_ACL]), &above));
    eg_acl_inherit(&above, &birth, &own);
    i->mode = eg_acl_mode(&own);
    if (eg_acl_extended(&own)) {
        EG_TRY(eg_acl_text(&own, text));
        i->attr[EG_ATTR_ACL] = eg_buf_bytes(text);
    }
    return EG_OK;
}

/* Changes a copy: a step may be applied again. */
static eg_err put_new(eg_kv_txn *t, const eg_path_create *c, const eg_id *parent, eg_str name, const eg_inode *what) {
    const eg_account *a = c->base.account;
    const eg_entry entry = {what->kind, what->id};
    eg_inode made = *what;
    eg_inode above;
    eg_buf text;
    eg_buf_init(&text, EG_ATTR_MAX);
    eg_err e = eg_ns_inode_get(t, a, parent, &above);
    if (e == EG_OK) {
        made.attr[EG_ATTR_GROUP] = c->own_group && eg_id_eq(&what->id, &c->made.id) ? what->attr[EG_ATTR_GROUP] : above.attr[EG_ATTR_GROUP];
        e = inherit(c, &above, &made, &text);
    }
    if (e == EG_OK) {
        e = eg_ns_inode_check_shown(&made);
    }
    if (e == EG_OK) {
        e = eg_ns_inode_put(t, a, &made);
    }
    eg_buf_done(&text);
    EG_TRY(e);
    EG_TRY(eg_ns_entry_put(t, a, parent, name, &entry));
    return eg_due_put_expiry(t, a, parent, name, what);
}

/* Directories on the way that aren't there get the owner of what is made. */
static eg_err make_missing(eg_kv_txn *t, const eg_path_create *c, const eg_place *place) {
    if (place->expired) {
        EG_TRY(eg_ns_orphan_put(t, c->base.account, EG_ORPHAN_INODE, &place->entry.child));
    }
    eg_id parent = place->parent;
    eg_str rest = place->missing;
    for (;;) {
        const eg_str name = eg_str_cut(&rest, '/');
        if (!rest.ptr) {
            return put_new(t, c, &parent, name, &c->made);
        }
        eg_inode d = {.id = eg_id_new(), .kind = EG_KIND_DIRECTORY, .change = 1, .mode = c->parent_mode};
        d.created_ns = d.modified_ns = c->base.now_ns;
        d.attr[EG_ATTR_OWNER] = c->made.attr[EG_ATTR_OWNER];
        EG_TRY(put_new(t, c, &parent, name, &d));
        parent = d.id;
    }
}

static eg_err create_over(eg_kv_txn *t, eg_path_create *c, const eg_place *place, eg_problem *p) {
    const eg_account *a = c->base.account;
    eg_inode old;
    EG_TRY(eg_ns_inode_get(t, a, &place->entry.child, &old));
    c->existing = old.kind;
    if (c->made.kind == old.kind && eg_repeated_transaction(&old, c->made.attr[EG_ATTR_TRANSACTION_ID])) {
        c->base.after = old;
        return EG_OK;
    }
    EG_TRY(eg_change_check(&c->base, &old, p));
    if (c->made.kind != old.kind) {
        return eg_fail(p, EG_ERR_PATH_EXISTS, old.kind == EG_KIND_FILE ? "A file of this name already exists."
                                                                       : "A directory of this name already exists.");
    }
    if (old.kind == EG_KIND_DIRECTORY) {
        c->base.after = old;
        return EG_OK;
    }
    uint8_t family[EG_SNAPSHOT_FAMILY_LEN];
    EG_TRY(eg_snapshot_inherit(t, a, &old, &c->made, family));
    EG_TRY(eg_ns_orphan_put(t, a, EG_ORPHAN_INODE, &place->entry.child));
    eg_change_keep_lease(&c->base, &c->made); /* it is the path's: whoever holds it may write it anew */
    EG_TRY(put_new(t, c, &place->parent, place->name, &c->made));
    c->base.after = c->made;
    return eg_change_finish(t, &c->base);
}

eg_err eg_path_create_apply(eg_kv_txn *t, void *create, eg_problem *p) {
    eg_path_create *c = create;
    eg_place place;
    EG_TRY(eg_path_allowed(t, &c->base, EG_NEED_CREATE, p));
    if (c->place) {
        place = *c->place;
    } else {
        EG_TRY(eg_path_resolve(t, &c->base, c->base.path, &place, p));
    }
    if (place.blocked) {
        return eg_fail(p, EG_ERR_PATH_CONFLICT, "An element of the path is a file.");
    }
    c->base.creates = true;
    c->made.change = 1;
    c->made.created_ns = c->made.modified_ns = c->base.now_ns;
    if (place.exists) {
        return create_over(t, c, &place, p);
    }
    EG_TRY(eg_change_check(&c->base, NULL, p));
    eg_change_keep_lease(&c->base, &c->made);
    EG_TRY(make_missing(t, c, &place));
    EG_TRY(eg_path_bounds_note(t, c->base.account, c->base.container, &place.container, c->base.path));
    c->base.after = c->made;
    return eg_change_finish(t, &c->base);
}

eg_err eg_path_delete_apply(eg_kv_txn *t, void *del, eg_problem *p) {
    eg_path_delete *d = del;
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_allowed(t, &d->base, EG_NEED_DELETE, p));
    EG_TRY(find(t, &d->base, &place, &i, p));
    if (place.root) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "The root directory can't be deleted; delete the filesystem instead.");
    }
    EG_TRY(eg_change_check(&d->base, &i, p));
    if (i.kind == EG_KIND_DIRECTORY) {
        const eg_lease_spot at = {d->base.account, place.container.root, d->base.path};
        EG_TRY(eg_lease_index_beneath(t, &at, d->base.forward_ns, p));
    }
    if (i.kind == EG_KIND_DIRECTORY && !d->recursive) {
        bool empty = false;
        EG_TRY(eg_ns_empty(t, &i.id, &empty));
        if (!empty) {
            return eg_fail(p, EG_ERR_DIRECTORY_NOT_EMPTY, "The directory is not empty, and recursive is not true.");
        }
    }
    bool snapshots = false;
    EG_TRY(eg_snapshot_any(t, &i, &snapshots));
    if (snapshots && d->refuse_snapshots) {
        return eg_fail(p, EG_ERR_SNAPSHOTS_PRESENT, "This operation is not permitted because the blob has snapshots.");
    }
    EG_TRY(eg_grant_subtree(t, d->base.grant, d->base.account, &i, p));
    d->base.after = i;
    EG_TRY(eg_ns_entry_del(t, &place.parent, place.name));
    if (d->base.account->retention_ns == 0) {
        return eg_ns_orphan_put(t, d->base.account, EG_ORPHAN_INODE, &place.entry.child);
    }
    const eg_deleted_from from = {.account = d->base.account, .root = place.container.root};
    eg_deleted kept = {.name = d->base.path, .kind = i.kind, .inode = i.id, .deleted_ns = d->base.forward_ns,
        .until_ns = d->base.forward_ns + d->base.account->retention_ns};
    EG_TRY(eg_deleted_put(t, &from, &kept));
    d->deletion = kept.deletion;
    return EG_OK;
}

/* Whatever the route asked for: who sets owner, group or permissions needs the right to. */
static eg_err check_owners(eg_kv_txn *t, const eg_path_update *u, const eg_inode *i, eg_problem *p) {
    const eg_str owner = u->set[EG_ATTR_OWNER] ? eg_bytes_str(u->attr[EG_ATTR_OWNER]) : EG_LIT("");
    const eg_str group = u->set[EG_ATTR_GROUP] ? eg_bytes_str(u->attr[EG_ATTR_GROUP]) : EG_LIT("");
    if (u->set_mode || u->set[EG_ATTR_ACL]) {
        EG_TRY(eg_path_allowed(t, &u->base, EG_NEED_PERMISSIONS, p));
    }
    return eg_grant_chown(u->base.grant, i, owner, group, p);
}

eg_err eg_path_update_apply(eg_kv_txn *t, void *update, eg_problem *p) {
    eg_path_update *u = update;
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_find(t, &u->base, &place, &i, p));
    EG_TRY(check_owners(t, u, &i, p));
    EG_TRY(eg_change_check(&u->base, &i, p));
    for (size_t k = 0; k < EG_ATTR_COUNT; k++) {
        if (u->set[k]) {
            i.attr[k] = u->attr[k];
        }
    }
    if (u->set_mode) {
        i.mode = u->mode;
    }
    EG_TRY(eg_ns_inode_check_shown(&i));
    i.change++;
    i.modified_ns = u->touch ? u->base.now_ns : i.modified_ns;
    EG_TRY(eg_ns_inode_put(t, u->base.account, &i));
    u->base.after = i;
    return EG_OK;
}

eg_err eg_container_create_apply(eg_kv_txn *t, void *change, eg_problem *p) {
    eg_container_change *c = change;
    if (!eg_ns_container_name_ok(c->container)) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "A filesystem's name has 3 to 63 lower-case letters, digits and single hyphens.");
    }
    eg_container found;
    const eg_err e = eg_ns_container_get(t, c->account, c->container, &found);
    if (e != EG_ERR_FILESYSTEM_NOT_FOUND) {
        return e != EG_OK ? e : eg_fail(p, EG_ERR_FILESYSTEM_EXISTS, "The specified filesystem already exists.");
    }
    eg_inode root = {.id = eg_id_new(), .kind = EG_KIND_DIRECTORY, .change = 1, .mode = 0750};
    root.created_ns = root.modified_ns = c->now_ns;
    root.attr[EG_ATTR_OWNER] = root.attr[EG_ATTR_GROUP] = eg_str_bytes(SUPERUSER);
    root.attr[EG_ATTR_ENCRYPTION_SCOPE] = c->encryption_scope;
    root.attr[EG_ATTR_PROPERTIES] = c->properties;
    const eg_container made = {.root = root.id, .created_ns = c->now_ns};
    EG_TRY(eg_ns_inode_check_shown(&root));
    EG_TRY(eg_ns_inode_put(t, c->account, &root));
    EG_TRY(eg_ns_container_put(t, c->account, c->container, &made));
    c->after = root;
    return EG_OK;
}

eg_err eg_container_delete_apply(eg_kv_txn *t, void *change, eg_problem *p) {
    eg_container_change *c = change;
    eg_container found;
    const eg_err e = eg_ns_container_get(t, c->account, c->container, &found);
    if (e != EG_OK) {
        return e == EG_ERR_FILESYSTEM_NOT_FOUND ? eg_fail(p, e, "The specified filesystem does not exist.") : e;
    }
    eg_inode root;
    eg_lease lease;
    EG_TRY(eg_ns_inode_get(t, c->account, &found.root, &root));
    const eg_err met = eg_conditions_check(&c->conditions, &root, p);
    EG_TRY(met == EG_ERR_PATH_EXISTS ? EG_ERR_CONDITION_NOT_MET : met);
    EG_TRY(eg_lease_decode(root.attr[EG_ATTR_LEASE], &lease));
    EG_TRY(eg_lease_check_write(&lease, c->has_lease ? &c->lease : NULL, c->forward_ns, EG_LEASE_OF_CONTAINER, p));
    uint8_t key[EG_CONTAINER_KEY_MAX];
    EG_TRY(eg_kv_del(t, EG_DB_FS_ACCOUNT, (eg_bytes){key, eg_ns_container_key(c->account, c->container, key)}));
    if (c->account->retention_ns == 0) {
        return eg_ns_orphan_put(t, c->account, EG_ORPHAN_INODE, &found.root);
    }
    const eg_deleted_from from = {.account = c->account, .containers = true};
    eg_deleted kept = {.name = c->container, .kind = EG_KIND_DIRECTORY, .inode = found.root, .created_ns = found.created_ns,
        .deleted_ns = c->forward_ns, .until_ns = c->forward_ns + c->account->retention_ns};
    return eg_deleted_put(t, &from, &kept);
}
