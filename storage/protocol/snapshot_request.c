/* Snapshot Blob, and the deletion of snapshots. */
#include "lifecycle.h"

#include "encryption.h"
#include "metadata.h"
#include "reclaim.h"
#include "snapshot.h"

eg_err eg_snapshot_read_delete(eg_request *rq, eg_path_delete *d, bool *ret_only) {
    const eg_str v = eg_request_header(rq, "x-ms-delete-snapshots");
    *ret_only = eg_str_ieq(v, EG_LIT("only"));
    d->refuse_snapshots = v.len == 0;
    if (v.len > 0 && !*ret_only && !eg_str_ieq(v, EG_LIT("include"))) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-delete-snapshots is neither include nor only.");
    }
    return EG_OK;
}

eg_err eg_snapshot_delete(eg_request *rq) {
    eg_target d;
    eg_str at;
    eg_snapshot_removal s = {.at_ns = 0};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_where(rq, &d, &s.base));
    const eg_err e = eg_request_query(rq, "snapshot", &at);
    if (e != EG_ERR_NOT_FOUND && (e != EG_OK || eg_snapshot_time_parse(at, &s.at_ns) != EG_OK)) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter snapshot is not the time of a snapshot.");
    }
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_snapshot_remove_apply, &s}, 202));
    eg_reclaim_wake(d.store->reclaim);
    (void)eg_response_header(rq, "x-ms-delete-type-permanent", "true");
    return eg_respond_empty(rq, 202);
}

/* What the snapshot is made of: the file's attributes, or other metadata, and a key of its own. */
typedef struct taking {
    eg_snapshot_make make;
    eg_inode current;
    eg_file_key_plan plan;
    eg_file_key *current_key;
    eg_file_key *key;
} taking;

static eg_err prepare(eg_request *rq, const eg_target *d, taking *k) {
    eg_str metadata;
    EG_TRY(eg_target_find(rq, d, &k->current));
    if (k->current.kind != EG_KIND_FILE) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE_MISMATCH, "A directory has no snapshots.");
    }
    k->make.made = (eg_inode){.id = eg_id_new(), .kind = EG_KIND_FILE, .customer_key = k->current.customer_key};
    memcpy(k->make.made.attr, k->current.attr, sizeof k->make.made.attr);
    k->make.made.attr[EG_ATTR_WRAPPED_KEY] = k->make.made.attr[EG_ATTR_CUSTOMER_KEY] = (eg_bytes){NULL, 0};
    EG_TRY(eg_metadata_of_headers(rq, "hdi_isfolder", &metadata));
    if (metadata.len > 0) {
        k->make.made.attr[EG_ATTR_PROPERTIES] = eg_str_bytes(metadata);
    }
    k->make.current = &k->current;
    return EG_OK;
}

static eg_err open_keys(const eg_target *d, taking *k) {
    EG_TRY(eg_file_key_open(d->store, d->account, &k->current, &k->current_key));
    EG_TRY(eg_file_key_make(d->store, d->account, &k->plan, &k->make.made));
    EG_TRY(eg_file_key_open(d->store, d->account, &k->make.made, &k->key));
    k->make.current_key = eg_file_key_bytes(k->current_key);
    k->make.key = eg_file_key_bytes(k->key);
    return EG_OK;
}

static eg_err run(eg_request *rq, const eg_target *d, taking *k) {
    char name[EG_SNAPSHOT_TIME_LEN];
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    EG_TRY(eg_target_change(rq, d, &k->make.base));
    EG_TRY(eg_encryption_customer_key(rq, &customer));
    EG_TRY(prepare(rq, d, k));
    k->current.customer_key = k->make.made.customer_key = customer;
    EG_TRY(eg_encryption_check(rq, &k->current, customer));
    EG_TRY(eg_encryption_may_seal(rq, d, &k->make.made));
    EG_TRY(eg_encryption_problem(rq, open_keys(d, k)));
    EG_TRY(eg_target_commit(rq, d, (eg_txn_op){eg_snapshot_make_apply, &k->make}, 201));
    eg_snapshot_time_text(k->make.at_ns, name);
    EG_TRY(eg_target_etag(rq, &k->make.base.after));
    EG_TRY(eg_response_header(rq, "x-ms-snapshot", "%s", name));
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    return eg_respond_empty(rq, 201);
}

eg_err eg_snapshot_take(eg_request *rq) {
    eg_target d;
    taking k = {.current_key = NULL};
    EG_TRY(eg_target_open(rq, &d));
    const eg_err e = run(rq, &d, &k);
    eg_file_key_unref(k.current_key);
    eg_file_key_unref(k.key);
    return e;
}
