/* Changes of owner, group and access control list. */
#include "path_access.h"

#include <stdlib.h>

/* A new list in the place of *a. What it leaves out of owner, owning group and others stays as it is, and default entries alone leave all
 * others: Azure's documents ask for all three, its service takes less. */
static eg_err set_list(eg_acl *a, const eg_acl *spec, eg_problem *p) {
    eg_acl made = {.sticky = a->sticky};
    for (size_t i = 0; i < a->access.n; i++) {
        const eg_acl_entry e = a->access.v[i];
        if (spec->access.n == 0 || e.tag == EG_ACL_OWNER || e.tag == EG_ACL_OWNING_GROUP || e.tag == EG_ACL_OTHER) {
            made.access.v[made.access.n++] = e;
        }
    }
    EG_TRY(eg_acl_update(&made, spec, p));
    *a = made;
    return EG_OK;
}

/* Puts the new list and its mode into *i; `text` holds what it borrows then. */
static eg_err change_list(const eg_path_access *c, eg_inode *i, eg_buf *text, eg_problem *p) {
    eg_acl acl;
    eg_acl spec = c->spec;
    EG_TRY(eg_acl_of(i->mode, eg_bytes_str(i->attr[EG_ATTR_ACL]), &acl));
    if (i->kind != EG_KIND_DIRECTORY) {
        spec.dflt.n = 0;
    }
    switch (c->mode) {
    case EG_ACCESS_KEEP:
        return EG_OK;
    case EG_ACCESS_SET:
        EG_TRY(set_list(&acl, &spec, p));
        break;
    case EG_ACCESS_MODIFY:
        EG_TRY(eg_acl_update(&acl, &spec, p));
        break;
    case EG_ACCESS_REMOVE:
        EG_TRY(eg_acl_remove(&acl, &spec, p));
        break;
    case EG_ACCESS_PERMISSIONS:
        eg_acl_chmod(&acl, c->permissions);
        break;
    }
    i->mode = eg_acl_mode(&acl);
    i->attr[EG_ATTR_ACL] = (eg_bytes){NULL, 0};
    if (eg_acl_extended(&acl)) {
        const eg_err e = eg_acl_text(&acl, text);
        if (e != EG_OK) {
            return e == EG_ERR_LIMIT ? eg_fail(p, EG_ERR_HTTP_HEADER, "The access control list would be longer than %d bytes.", EG_ATTR_MAX) : e;
        }
        i->attr[EG_ATTR_ACL] = eg_buf_bytes(text);
    }
    return EG_OK;
}

static eg_err write_inode(eg_kv_txn *t, const eg_path_access *c, eg_inode *i, eg_problem *p) {
    eg_buf text;
    eg_buf_init(&text, EG_ATTR_MAX);
    eg_err e = change_list(c, i, &text, p);
    if (e == EG_OK) {
        if (c->owner.len > 0) {
            i->attr[EG_ATTR_OWNER] = eg_str_bytes(c->owner);
        }
        if (c->group.len > 0) {
            i->attr[EG_ATTR_GROUP] = eg_str_bytes(c->group);
        }
        e = eg_ns_inode_check_shown(i);
        i->change++;
    }
    if (e == EG_OK) {
        e = eg_ns_inode_put(t, c->base.account, i);
    }
    eg_buf_done(&text);
    return e;
}

eg_err eg_path_access_apply(eg_kv_txn *t, void *access, eg_problem *p) {
    eg_path_access *c = access;
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_find(t, &c->base, &place, &i, p));
    if (c->mode != EG_ACCESS_KEEP) {
        EG_TRY(eg_path_allowed(t, &c->base, EG_NEED_PERMISSIONS, p));
    }
    EG_TRY(eg_grant_chown(c->base.grant, &i, c->owner, c->group, p));
    EG_TRY(eg_change_check(&c->base, &i, p));
    if (i.kind == EG_KIND_FILE && c->spec.dflt.n > 0) {
        return eg_fail(p, EG_ERR_HTTP_HEADER, "A file has no default access control list.");
    }
    EG_TRY(write_inode(t, c, &i, p));
    c->base.after = i;
    return eg_change_finish(t, &c->base);
}

/* What a step found, before it writes. */
typedef struct found {
    eg_id id;
    size_t path;               /* where its path begins in `paths` */
    size_t path_len;
} found;

typedef struct batch {
    found v[EG_ACCESS_STEP_MAX];
    size_t n;
    eg_buf paths;
} batch;

static eg_err collect(void *ctx, eg_str path, const eg_inode *i) {
    batch *b = ctx;
    b->v[b->n++] = (found){i->id, b->paths.len, path.len};
    return eg_buf_add(&b->paths, path.ptr, path.len);
}

static eg_err count_failure(eg_access_step *s, eg_str path, const eg_inode *i, eg_err e) {
    s->failed[s->failures++] = (eg_access_failure){s->failed_paths.len, path.len, i->kind, e};
    s->refused = !s->force;
    return eg_buf_add(&s->failed_paths, path.ptr, path.len);
}

/* One path. What its owner may not, or what its list can't take, is its own failure; anything else is the step's. */
static eg_err change_one(eg_kv_txn *t, eg_access_step *s, eg_str path, const eg_id *id) {
    const eg_path_access *c = &s->access;
    eg_change where = c->base;
    eg_inode i;
    EG_TRY(eg_ns_inode_get(t, c->base.account, id, &i));
    where.path = path;
    eg_err e = eg_path_allowed(t, &where, EG_NEED_PERMISSIONS, NULL);
    if (e == EG_OK) {
        e = write_inode(t, c, &i, NULL);
    }
    s->seen++;
    if (e == EG_ERR_DENIED_DATA || e == EG_ERR_HTTP_HEADER || e == EG_ERR_METADATA_TOO_LARGE) {
        return count_failure(s, path, &i, e);
    }
    EG_TRY(e);
    s->directories += i.kind == EG_KIND_DIRECTORY;
    s->files += i.kind == EG_KIND_FILE;
    return EG_OK;
}

/* The next paths in order, and where to go on. */
static eg_err gather(eg_kv_txn *t, eg_access_step *s, const eg_inode *top, batch *b) {
    eg_buf last;
    bool empty = true;
    size_t room = s->max;
    if (!s->beneath) {
        EG_TRY(collect(b, s->access.base.path, top));
        room--;
    }
    if (top->kind != EG_KIND_DIRECTORY) {
        return EG_OK;
    }
    s->listing = (eg_listing){.account = s->access.base.account, .grant = s->access.base.grant, .directory = top->id, .prefix = s->access.base.path,
        .recursive = true, .after = s->after, .forward_ns = s->access.base.forward_ns, .max = room, .each = collect, .ctx = b};
    if (room == 0) {
        EG_TRY(eg_ns_empty(t, &top->id, &empty));
        s->more = !empty;
        return EG_OK;
    }
    eg_buf_init(&last, sizeof s->last);
    const eg_err e = eg_listing_run(t, &s->listing, &last);
    s->more = last.len > 0;
    s->last_len = last.len;
    if (last.len > 0) {
        memcpy(s->last, last.ptr, last.len);
    }
    eg_buf_done(&last);
    return e;
}

static eg_err run_step(eg_kv_txn *t, eg_access_step *s, batch *b, eg_problem *p) {
    eg_place place;
    eg_inode top;
    EG_TRY(eg_path_find(t, &s->access.base, &place, &top, p));
    EG_TRY(gather(t, s, &top, b));
    for (size_t n = 0; n < b->n && !s->refused; n++) {
        const eg_str path = {b->paths.ptr + b->v[n].path, b->v[n].path_len};
        EG_TRY(change_one(t, s, path, &b->v[n].id));
    }
    return EG_OK;
}

eg_err eg_access_step_apply(eg_kv_txn *t, void *step, eg_problem *p) {
    eg_access_step *s = step;
    s->more = s->refused = false;
    s->last_len = s->seen = s->directories = s->files = s->failures = 0;
    eg_buf_reset(&s->failed_paths);
    batch *b = calloc(1, sizeof *b);
    if (!b) {
        return EG_ERR_NO_MEMORY;
    }
    eg_buf_init(&b->paths, (size_t)EG_ACCESS_STEP_MAX * (EG_PATH_MAX + 1));
    const eg_err e = run_step(t, s, b, p);
    eg_buf_done(&b->paths);
    free(b);
    return e;
}
