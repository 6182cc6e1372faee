/* Delete Blob. */
#include "blob.h"

#include "reclaim.h"

/* A directory goes only when nothing is in it. */
eg_err eg_blob_delete(eg_request *rq) {
    eg_target d;
    eg_path_delete del = {0};
    const eg_str snapshots = eg_request_header(rq, "x-ms-delete-snapshots");
    EG_TRY(eg_target_open(rq, &d));
    if (snapshots.len > 0 && !eg_str_is(snapshots, "include") && !eg_str_is(snapshots, "only")) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-delete-snapshots is neither include nor only.");
    }
    if (eg_str_is(snapshots, "only")) {
        return eg_target_not_built(rq, "The deletion of snapshots");
    }
    EG_TRY(eg_target_change(rq, &d, &del.base));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_delete_apply, &del}, 202));
    eg_reclaim_wake(d.store->reclaim);
    EG_TRY(eg_response_header(rq, "x-ms-delete-type-permanent", "true"));
    return eg_respond_empty(rq, 202);
}
