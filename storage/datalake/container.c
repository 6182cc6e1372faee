/* Filesystems (containers): create, delete, properties. */
#include "datalake.h"

#include "encryption.h"
#include "lease_request.h"
#include "reclaim.h"

static eg_err start(eg_request *rq, eg_target *d, eg_container_change *c) {
    EG_TRY(eg_target_open(rq, d));
    *c = (eg_container_change){.account = d->account, .container = d->container, .now_ns = eg_wall_ns(d->store->clock),
        .forward_ns = eg_storage_forward_ns(d->store)};
    EG_TRY(eg_conditions_read(rq, &c->conditions, &rq->problem));
    return eg_lease_read_id(rq, "x-ms-lease-id", &c->has_lease, &c->lease);
}

eg_err eg_dfs_container_create(eg_request *rq) {
    eg_target d;
    eg_container_change c;
    EG_TRY(start(rq, &d, &c));
    EG_TRY(eg_encryption_container(rq, &d, &c.encryption_scope));
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
    EG_TRY(eg_target_etag(rq, &root));
    (void)eg_response_header(rq, "x-ms-namespace-enabled", "true");
    EG_TRY(eg_lease_headers(rq, &root));
    EG_TRY(eg_encryption_describe_container(rq, &root));
    (void)eg_response_header(rq, "x-ms-has-immutability-policy", "false");
    (void)eg_response_header(rq, "x-ms-has-legal-hold", "false");
    return eg_respond_empty(rq, 200);
}
