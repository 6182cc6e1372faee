/* Create and delete of files and directories. */
#include "datalake.h"

#include "encryption.h"
#include "later.h"
#include "lease_request.h"
#include "lifecycle.h"
#include "permissions.h"
#include "reclaim.h"
#include "segment_store.h"

#include <embergate/encoding.h>

#define UMASK_DEFAULT 027
#define NAME_MAX_LEN 256

static eg_err header_mode(eg_request *rq, const char *name, uint16_t dflt, uint16_t *ret) {
    const eg_str v = eg_request_header(rq, name);
    *ret = dflt;
    if (v.len > 0 && eg_permissions_parse(v, ret) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s holds no permissions.", name);
    }
    return EG_OK;
}

/* The maker owns what is made. */
static eg_str owner_of(const eg_request *rq) {
    return rq->principal && rq->principal->object_id[0] ? eg_str_of(rq->principal->object_id) : EG_LIT("$superuser");
}

/* x-ms-owner and x-ms-group: who may give it away once it is there may make it so. */
static eg_err read_owners(eg_request *rq, const eg_grant *g, eg_path_create *c) {
    const eg_str owner = eg_request_header(rq, "x-ms-owner");
    const eg_str group = eg_request_header(rq, "x-ms-group");
    if (owner.len > NAME_MAX_LEN || group.len > NAME_MAX_LEN) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is too long.", owner.len > NAME_MAX_LEN ? "x-ms-owner" : "x-ms-group");
    }
    EG_TRY(eg_grant_chown(g, &c->made, owner, group, &rq->problem));
    if (owner.len > 0) {
        c->made.attr[EG_ATTR_OWNER] = eg_str_bytes(owner);
    }
    if (group.len > 0) {
        c->made.attr[EG_ATTR_GROUP] = eg_str_bytes(group);
        c->own_group = true;
    }
    return EG_OK;
}

eg_err eg_dfs_transaction_id(eg_request *rq, eg_str *ret) {
    const eg_str v = eg_request_header(rq, "x-ms-client-transaction-id");
    if (v.len > 128) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-client-transaction-id is too long.");
    }
    *ret = v;
    return v.len > 0 ? eg_response_header(rq, "x-ms-client-transaction-id", "%.*s", EG_FMT(v)) : EG_OK;
}

/* A list that comes with the request stands in the place of what would be inherited. */
static eg_err read_acl(eg_request *rq, eg_inode *made) {
    const eg_str v = eg_request_header(rq, "x-ms-acl");
    if (v.len == 0) {
        return EG_OK;
    }
    eg_acl spec;
    eg_acl acl;
    eg_buf text;
    if (v.len > EG_ACL_TEXT_MAX) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-acl is too long.");
    }
    EG_TRY(eg_acl_parse(v, &spec, &rq->problem));
    if (made->kind == EG_KIND_FILE && spec.dflt.n > 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A file has no default access control list.");
    }
    EG_TRY(eg_acl_of(made->mode, EG_LIT(""), &acl));
    EG_TRY(eg_acl_replace(&acl, &spec, &rq->problem));
    made->mode = eg_acl_mode(&acl);
    eg_buf_init(&text, EG_ACL_TEXT_MAX);
    const eg_err e = eg_acl_text(&acl, &text);
    const eg_str copy = e == EG_OK ? eg_arena_str(rq->arena, eg_buf_str(&text)) : (eg_str){NULL, 0};
    eg_buf_done(&text);
    made->attr[EG_ATTR_ACL] = eg_str_bytes(copy);
    return e != EG_OK ? e : copy.ptr ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err fill_inode(eg_request *rq, eg_kind kind, eg_path_create *c) {
    uint16_t umask;
    uint16_t mode;
    eg_str tid;
    bool set[EG_ATTR_COUNT] = {false};
    EG_TRY(header_mode(rq, "x-ms-umask", UMASK_DEFAULT, &umask));
    EG_TRY(header_mode(rq, "x-ms-permissions", kind == EG_KIND_FILE ? 0666 : 0777, &mode));
    EG_TRY(eg_dfs_transaction_id(rq, &tid));
    EG_TRY(eg_dfs_read_attributes(rq, set, c->made.attr));
    c->made.id = eg_id_new();
    c->made.kind = kind;
    c->made.mode = mode;
    c->umask = umask;
    c->parent_mode = 0777;
    c->made.attr[EG_ATTR_OWNER] = eg_str_bytes(owner_of(rq));
    c->made.attr[EG_ATTR_TRANSACTION_ID] = eg_str_bytes(tid);
    return read_acl(rq, &c->made);
}

/* What is made, in the request's arena until it is answered. */
typedef struct making {
    eg_request *rq;
    eg_target d;
    eg_path_create c;
    eg_file_key_plan key;
    uint8_t expires[8];
} making;

static eg_err made(void *ctx, eg_err e) {
    making *m = ctx;
    eg_request *rq = m->rq;
    const eg_path_create *c = &m->c;
    if (e == EG_ERR_PATH_EXISTS && c->existing != EG_KIND_NONE) {
        (void)eg_response_header(rq, "x-ms-existing-resource-type", "%s", c->existing == EG_KIND_FILE ? "file" : "directory");
    }
    EG_TRY(e);
    eg_reclaim_wake(m->d.store->reclaim);
    EG_TRY(eg_target_etag(rq, &c->base.after));
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    EG_TRY(eg_encryption_echo(rq, &c->made));
    return eg_respond_empty(rq, 201);
}

static eg_err prepare(making *m, eg_kind kind) {
    eg_request *rq = m->rq;
    eg_path_create *c = &m->c;
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    EG_TRY(eg_target_open(rq, &m->d));
    EG_TRY(eg_segment_store_room(m->d.store->segments, &rq->problem));
    EG_TRY(eg_target_change(rq, &m->d, &c->base));
    EG_TRY(eg_lease_read_proposed(rq, &c->base));
    EG_TRY(fill_inode(rq, kind, c));
    EG_TRY(read_owners(rq, &m->d.grant, c));
    EG_TRY(eg_expiry_read(rq, &c->made, m->expires));
    if (kind != EG_KIND_FILE) {
        return EG_OK;
    }
    m->key.must_not_wait = rq->must_not_wait;
    const eg_err e = eg_encryption_make(rq, &m->d, &m->key, &c->made, &customer);
    c->made.customer_key = NULL; /* its digest stands in the attributes, and the empty file has no content under it */
    return e;
}

static eg_err create(eg_request *rq, eg_kind kind) {
    making *m = eg_arena_alloc(rq->arena, sizeof *m);
    if (!m) {
        return EG_ERR_NO_MEMORY;
    }
    *m = (making){.rq = rq};
    if (eg_request_header(rq, "x-ms-rename-source").len > 0) { /* an empty file in the place of what was to come would be the worst of both */
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-rename-source can't stand beside the query parameter resource.");
    }
    EG_TRY(prepare(m, kind));
    return eg_target_commit_then(rq, &m->d, (eg_txn_op){eg_path_create_apply, &m->c}, 201, made, m);
}

eg_err eg_dfs_create_file(eg_request *rq) {
    eg_str v;
    if (eg_request_query(rq, "blobtype", &v) == EG_OK && !eg_str_ieq(v, EG_LIT("blockblob"))) {
        return eg_target_not_built(rq, "This type of blob");
    }
    return create(rq, EG_KIND_FILE);
}

eg_err eg_dfs_create_directory(eg_request *rq) { return create(rq, EG_KIND_DIRECTORY); }

typedef struct deleting {
    eg_request *rq;
    eg_target d;
    eg_path_delete del;
} deleting;

/* The Blob API says 202 for it. */
static int deleted_status(const eg_request *rq) { return rq->surface == EG_SURFACE_BLOB ? 202 : 200; }

static eg_err deleted(void *ctx, eg_err e) {
    const deleting *x = ctx;
    EG_TRY(e);
    eg_reclaim_wake(x->d.store->reclaim);
    if (x->del.deletion != 0) {
        (void)eg_response_header(x->rq, "x-ms-deletion-id", "%llu", (unsigned long long)x->del.deletion);
    }
    return eg_respond_empty(x->rq, deleted_status(x->rq));
}

/* The whole subtree leaves in one step, so there is never a rest to continue with. */
eg_err eg_dfs_delete(eg_request *rq) {
    deleting *x = eg_arena_alloc(rq->arena, sizeof *x);
    if (!x) {
        return EG_ERR_NO_MEMORY;
    }
    *x = (deleting){.rq = rq};
    EG_TRY(eg_target_open(rq, &x->d));
    EG_TRY(eg_target_change(rq, &x->d, &x->del.base));
    EG_TRY(eg_target_query_bool(rq, "recursive", false, &x->del.recursive));
    return eg_target_commit_then(rq, &x->d, (eg_txn_op){eg_path_delete_apply, &x->del}, deleted_status(rq), deleted, x);
}
