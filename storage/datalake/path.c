/* Create and delete of files and directories. */
#include "datalake.h"

#include "encryption.h"
#include "lease_request.h"
#include "lifecycle.h"
#include "permissions.h"
#include "reclaim.h"
#include "segment_store.h"

#include <embergate/encoding.h>

#define UMASK_DEFAULT 027

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

static eg_err create(eg_request *rq, eg_kind kind) {
    eg_target d;
    eg_path_create c = {0};
    eg_file_key_plan key = {0};
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_segment_store_room(d.store->segments, &rq->problem));
    EG_TRY(eg_target_change(rq, &d, &c.base));
    EG_TRY(eg_lease_read_proposed(rq, &c.base));
    EG_TRY(fill_inode(rq, kind, &c));
    uint8_t expires[8];
    EG_TRY(eg_expiry_read(rq, &c.made, expires));
    if (kind == EG_KIND_FILE) {
        EG_TRY(eg_encryption_make(rq, &d, &key, &c.made, &customer));
    }
    const eg_err e = eg_target_commit(rq, &d, (eg_txn_op){eg_path_create_apply, &c}, 201);
    if (e == EG_ERR_PATH_EXISTS && c.existing != EG_KIND_NONE) {
        (void)eg_response_header(rq, "x-ms-existing-resource-type", "%s", c.existing == EG_KIND_FILE ? "file" : "directory");
    }
    EG_TRY(e);
    eg_reclaim_wake(d.store->reclaim);
    EG_TRY(eg_target_etag(rq, &c.base.after));
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    EG_TRY(eg_encryption_echo(rq, &c.made));
    return eg_respond_empty(rq, 201);
}

eg_err eg_dfs_create_file(eg_request *rq) {
    eg_str v;
    if (eg_request_query(rq, "blobtype", &v) == EG_OK && !eg_str_ieq(v, EG_LIT("blockblob"))) {
        return eg_target_not_built(rq, "This type of blob");
    }
    return create(rq, EG_KIND_FILE);
}

eg_err eg_dfs_create_directory(eg_request *rq) { return create(rq, EG_KIND_DIRECTORY); }

eg_err eg_dfs_delete(eg_request *rq) {
    eg_target d;
    eg_path_delete del = {0};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &del.base));
    EG_TRY(eg_target_query_bool(rq, "recursive", false, &del.recursive));
    /* The whole subtree leaves in one step, so there is never a rest to continue with. The Blob API says 202 for it. */
    const int status = rq->surface == EG_SURFACE_BLOB ? 202 : 200;
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_delete_apply, &del}, status));
    eg_reclaim_wake(d.store->reclaim);
    if (del.deletion != 0) {
        (void)eg_response_header(rq, "x-ms-deletion-id", "%llu", (unsigned long long)del.deletion);
    }
    return eg_respond_empty(rq, status);
}
