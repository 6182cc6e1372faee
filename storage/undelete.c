/* Puts back what was deleted. */
#include "deleted.h"
#include "due.h"
#include "path_bounds.h"

eg_err eg_path_undelete_apply(eg_kv_txn *t, void *undelete, eg_problem *p) {
    eg_path_undelete *u = undelete;
    eg_change *c = &u->base;
    eg_place place;
    eg_deleted d;
    eg_inode i;
    EG_TRY(eg_path_allowed(t, c, EG_NEED_CREATE, p));
    if (!eg_str_eq(u->source, c->path)) { /* restored elsewhere it is moved from where it was: else a right here would open what lay there */
        eg_change source = *c;
        source.path = u->source;
        source.grant = u->source_grant;
        EG_TRY(eg_path_allowed(t, &source, EG_NEED_MOVE_FROM, p));
    }
    EG_TRY(eg_path_resolve(t, c, c->path, &place, p));
    const eg_deleted_from from = {.account = c->account, .root = place.container.root};
    const eg_err found = eg_deleted_get(t, &from, u->source, u->deletion, c->forward_ns, &d);
    if (found == EG_ERR_NOT_FOUND) {
        return eg_fail(p, EG_ERR_PATH_NOT_FOUND, "The specified path was not deleted, or is no longer kept.");
    }
    EG_TRY(found);
    if (place.exists) {
        return eg_fail(p, EG_ERR_PATH_EXISTS, "The specified path already exists.");
    }
    if (place.blocked || !place.parent_exists) {
        return eg_fail(p, place.blocked ? EG_ERR_PATH_CONFLICT : EG_ERR_RENAME_PARENT_NOT_FOUND,
            "The parent directory of the path does not exist: restore it first.");
    }
    EG_TRY(eg_conditions_check(&c->conditions, NULL, p));
    const eg_entry entry = {d.kind, d.inode};
    EG_TRY(eg_ns_inode_get(t, c->account, &d.inode, &i));
    if (i.kind != d.kind) {
        return eg_record_corrupt();
    }
    d.name = u->source; /* no longer the row's, which moves */
    const eg_path_move move = {.account = c->account, .from = u->source, .to = c->path, .moved = &i, .source = &place.container,
        .container = c->container, .destination = &place.container};
    EG_TRY(eg_path_bounds_move(t, &move, p));
    EG_TRY(eg_ns_inode_get(t, c->account, &d.inode, &i));
    i.attr[EG_ATTR_LEASE] = (eg_bytes){NULL, 0};
    EG_TRY(eg_ns_inode_put(t, c->account, &i));
    c->after = i;
    if (place.expired) {
        EG_TRY(eg_ns_orphan_put(t, c->account, EG_ORPHAN_INODE, &place.entry.child));
    }
    EG_TRY(eg_deleted_del(t, &from, &d));
    EG_TRY(eg_ns_entry_put(t, c->account, &place.parent, place.name, &entry));
    EG_TRY(eg_ns_inode_get(t, c->account, &d.inode, &i));
    uint8_t expires[8];
    eg_inode watched = {.id = i.id};
    if (i.attr[EG_ATTR_EXPIRES].len == sizeof expires) {
        memcpy(expires, i.attr[EG_ATTR_EXPIRES].ptr, sizeof expires);
        watched.attr[EG_ATTR_EXPIRES] = (eg_bytes){expires, sizeof expires};
    }
    return eg_due_put_expiry(t, c->account, &place.parent, place.name, &watched);
}

eg_err eg_container_undelete_apply(eg_kv_txn *t, void *undelete, eg_problem *p) {
    eg_container_undelete *u = undelete;
    eg_container_change *c = &u->base;
    const eg_deleted_from from = {.account = c->account, .containers = true};
    eg_container there;
    eg_deleted d;
    eg_inode root;
    if (!eg_ns_container_name_ok(c->container)) {
        return eg_fail(p, EG_ERR_PATH_INVALID, "A filesystem's name has 3 to 63 lower-case letters, digits and single hyphens.");
    }
    const eg_err exists = eg_ns_container_get(t, c->account, c->container, &there);
    if (exists != EG_ERR_FILESYSTEM_NOT_FOUND) {
        return exists != EG_OK ? exists : eg_fail(p, EG_ERR_FILESYSTEM_EXISTS, "The specified filesystem already exists.");
    }
    const eg_err found = eg_deleted_get(t, &from, u->source, u->deletion, c->forward_ns, &d);
    if (found == EG_ERR_NOT_FOUND) {
        return eg_fail(p, EG_ERR_FILESYSTEM_NOT_FOUND, "The specified filesystem was not deleted, or is no longer kept.");
    }
    EG_TRY(found);
    d.name = u->source;
    /* How long and deep its paths are isn't kept: the widest bounds are true of all. */
    const eg_container back = {.root = d.inode, .created_ns = d.created_ns, .longest = EG_PATH_MAX, .deepest = EG_PATH_DEPTH_MAX};
    EG_TRY(eg_ns_inode_get(t, c->account, &d.inode, &root));
    root.attr[EG_ATTR_LEASE] = (eg_bytes){NULL, 0};
    EG_TRY(eg_ns_inode_put(t, c->account, &root));
    c->after = root;
    EG_TRY(eg_deleted_del(t, &from, &d));
    return eg_ns_container_put(t, c->account, c->container, &back);
}
