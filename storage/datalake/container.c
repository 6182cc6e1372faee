/* Filesystems (containers): create, delete, properties and their setting. */
#include "datalake.h"

#include "encryption.h"
#include "lease_request.h"
#include "metadata.h"
#include "reclaim.h"

static eg_err start(eg_request *rq, eg_target *d, eg_container_change *c) {
    EG_TRY(eg_target_open(rq, d));
    *c = (eg_container_change){.account = d->account, .container = d->container, .now_ns = eg_wall_ns(d->store->clock),
        .forward_ns = eg_storage_forward_ns(d->store)};
    EG_TRY(eg_conditions_read(rq, &c->conditions, &rq->problem));
    return eg_lease_read_id(rq, "x-ms-lease-id", &c->has_lease, &c->lease);
}

/* x-ms-properties of the Data Lake API, or x-ms-meta-* of the Blob API. */
static eg_err read_properties(eg_request *rq, eg_bytes *ret) {
    bool set[EG_ATTR_COUNT] = {false};
    eg_bytes attr[EG_ATTR_COUNT] = {{NULL, 0}};
    EG_TRY(eg_dfs_read_attributes(rq, set, attr));
    *ret = attr[EG_ATTR_PROPERTIES];
    if (!set[EG_ATTR_PROPERTIES]) {
        eg_str all;
        EG_TRY(eg_metadata_of_headers(rq, NULL, &all));
        *ret = eg_str_bytes(all);
    }
    return EG_OK;
}

eg_err eg_dfs_container_create(eg_request *rq) {
    eg_target d;
    eg_container_change c;
    EG_TRY(start(rq, &d, &c));
    EG_TRY(eg_target_refuse_public(rq));
    EG_TRY(eg_encryption_container(rq, &d, &c.encryption_scope));
    EG_TRY(read_properties(rq, &c.properties));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_container_create_apply, &c}, 201));
    EG_TRY(eg_target_etag(rq, &c.after));
    (void)eg_response_header(rq, "x-ms-namespace-enabled", "true");
    return eg_respond_empty(rq, 201);
}

eg_err eg_dfs_container_delete(eg_request *rq) {
    eg_target d;
    eg_container_change c;
    EG_TRY(start(rq, &d, &c));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_container_delete_apply, &c}, 202));
    eg_reclaim_wake(d.store->reclaim);
    return eg_respond_empty(rq, 202);
}

eg_err eg_dfs_container_properties(eg_request *rq) {
    eg_target d;
    EG_TRY(eg_target_open(rq, &d));
    eg_inode root;
    d.path = EG_LIT("");
    EG_TRY(eg_target_find(rq, &d, &root));
    EG_TRY(eg_target_check_container(rq, &root));
    EG_TRY(eg_target_etag(rq, &root));
    (void)eg_response_header(rq, "x-ms-namespace-enabled", "true");
    EG_TRY(eg_lease_headers(rq, &root));
    EG_TRY(eg_encryption_describe_container(rq, &root));
    (void)eg_response_header(rq, "x-ms-has-immutability-policy", "false");
    (void)eg_response_header(rq, "x-ms-has-legal-hold", "false");
    const eg_str properties = eg_bytes_str(root.attr[EG_ATTR_PROPERTIES]);
    if (properties.len > 0) {
        EG_TRY(eg_response_header(rq, "x-ms-properties", "%.*s", EG_FMT(properties)));
        EG_TRY(eg_metadata_headers(rq, properties));
    }
    return eg_respond_empty(rq, 200);
}

/* Replaces them all: a property that isn't named is gone. */
eg_err eg_dfs_container_set_properties(eg_request *rq) {
    eg_target d;
    eg_path_update u = {.touch = true};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &u.base));
    EG_TRY(read_properties(rq, &u.attr[EG_ATTR_PROPERTIES]));
    u.set[EG_ATTR_PROPERTIES] = true;
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_update_apply, &u}, 200));
    EG_TRY(eg_target_etag(rq, &u.base.after));
    return eg_respond_empty(rq, 200);
}
