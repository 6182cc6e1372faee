/* Delete Blob. */
#include "blob.h"

#include "lifecycle.h"
#include "reclaim.h"

/* A directory goes only when nothing is in it. */
eg_err eg_blob_delete(eg_request *rq) {
    eg_target d;
    eg_path_delete del = {0};
    bool only = false;
    EG_TRY(eg_snapshot_read_delete(rq, &del, &only));
    if (only) {
        return eg_snapshot_delete(rq);
    }
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &del.base));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_delete_apply, &del}, 202));
    eg_reclaim_wake(d.store->reclaim);
    EG_TRY(eg_response_header(rq, "x-ms-delete-type-permanent", "%s", del.deletion == 0 ? "true" : "false"));
    if (del.deletion != 0) {
        EG_TRY(eg_response_header(rq, "x-ms-deletion-id", "%llu", (unsigned long long)del.deletion));
    }
    return eg_respond_empty(rq, 202);
}
