/* Append Block and the sealing of append blobs. */
#include "blob.h"

#include "blocks.h"
#include "encryption.h"
#include "lifecycle.h"
#include "request_body.h"
#include "segment_store.h"

#define TRIES 4

/* One step of a transaction. */
typedef struct append {
    eg_change base;
    eg_id inode;               /* that the segment was sealed for */
    bool has_segment;          /* else: the blob is sealed, nothing is appended */
    eg_segment_ref segment;
    bool has_position;
    uint64_t position;
    bool has_max;
    uint64_t max;
    uint64_t max_file_bytes;
    uint64_t offset;           /* out: where it came to lie */
} append;

static eg_err check(append *a, eg_inode *i, eg_problem *p) {
    if (i->kind != EG_KIND_FILE || eg_blob_kind_of(i) == EG_BLOB_BLOCK) {
        return eg_fail(p, EG_ERR_BLOB_TYPE, "The blob type is invalid for this operation.");
    }
    EG_TRY(eg_change_check(&a->base, i, p));
    if (a->has_position && a->position != i->length) {
        return eg_fail(p, EG_ERR_BLOB_APPEND_POSITION, "The append position condition specified was not met.");
    }
    if (!a->has_segment) {
        return EG_OK;
    }
    if (!eg_id_eq(&i->id, &a->inode)) {
        return EG_ERR_BUSY;
    }
    if (eg_blob_kind_of(i) == EG_BLOB_APPEND_SEALED) {
        return eg_fail(p, EG_ERR_BLOB_SEALED, "The specified blob is sealed and its contents can't be modified unless the blob is re-created after a delete.");
    }
    const uint64_t n = a->segment.size.plain;
    if (a->has_max && (i->length > a->max || n > a->max - i->length)) {
        return eg_fail(p, EG_ERR_BLOB_MAX_SIZE, "The max blob size condition specified was not met.");
    }
    if (n > a->max_file_bytes || i->length > a->max_file_bytes - n) {
        return eg_fail(p, EG_ERR_LIMIT, "The blob would become longer than a file may be.");
    }
    return i->extents < EG_BLOCKS_COMMITTED_MAX ? EG_OK
        : eg_fail(p, EG_ERR_BLOCK_COUNT, "The committed block count cannot exceed the maximum limit of %d blocks.", EG_BLOCKS_COMMITTED_MAX);
}

static eg_err append_apply(eg_kv_txn *t, void *ctx, eg_problem *p) {
    static const uint8_t sealed = EG_BLOB_APPEND_SEALED;
    append *a = ctx;
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_find(t, &a->base, &place, &i, p));
    EG_TRY(check(a, &i, p));
    a->offset = i.length;
    if (a->has_segment) {
        const eg_extent x = {i.length, a->segment.id, 0, a->segment.size.plain};
        EG_TRY(eg_content_segment_add(t, a->base.account, &a->segment));
        EG_TRY(eg_content_extent_add(t, a->base.account, &i, &x));
        /* The writes above may have moved the row that the attributes are borrowed from. */
        eg_inode fresh;
        EG_TRY(eg_ns_inode_get(t, a->base.account, &i.id, &fresh));
        memcpy(i.attr, fresh.attr, sizeof i.attr);
        eg_change_keep_lease(&a->base, &i);
        i.attr[EG_ATTR_CONTENT_MD5] = (eg_bytes){NULL, 0}; /* it was of what is no longer all */
    } else {
        i.attr[EG_ATTR_BLOB_KIND] = (eg_bytes){&sealed, 1};
    }
    i.change++;
    i.modified_ns = a->base.now_ns;
    EG_TRY(eg_ns_inode_put(t, a->base.account, &i));
    a->base.after = i;
    return eg_change_finish(t, &a->base);
}

static eg_err read_number(eg_request *rq, const char *name, bool *ret_has, uint64_t *ret) {
    const eg_str v = eg_request_header(rq, name);
    if (v.len > 0 && eg_str_u64(v, INT64_MAX, ret) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is not a number.", name);
    }
    *ret_has = v.len > 0;
    return EG_OK;
}

static eg_err read_conditions(eg_request *rq, append *a) {
    EG_TRY(read_number(rq, "x-ms-blob-condition-appendpos", &a->has_position, &a->position));
    return read_number(rq, "x-ms-blob-condition-maxsize", &a->has_max, &a->max);
}

eg_err eg_blob_append_begin(eg_request *rq) {
    append a;
    EG_TRY(eg_target_refuse_unbuilt(rq));
    EG_TRY(read_conditions(rq, &a));
    if (rq->content_length == 0 && !eg_body_from_source(rq)) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A block without content: Content-Length must not be 0.");
    }
    return eg_body_begin(rq, false);
}

/* The segment is durable before it is committed: an append is part of the blob at once. */
static eg_err try_append(eg_request *rq, const eg_target *d, append *a, bool *ret_synced) {
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *key = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    eg_inode now;
    EG_TRY(eg_target_find(rq, d, &now));
    if (now.kind != EG_KIND_FILE || eg_blob_kind_of(&now) == EG_BLOB_BLOCK) {
        return eg_fail(&rq->problem, EG_ERR_BLOB_TYPE, "The blob type is invalid for this operation.");
    }
    EG_TRY(eg_encryption_customer_key(rq, &customer));
    EG_TRY(eg_encryption_check(rq, &now, customer));
    EG_TRY(eg_encryption_may_seal(rq, d, &now));
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &now, &key)));
    EG_TRY(eg_target_change(rq, d, &a->base));
    a->inode = now.id;
    EG_TRY(eg_upload_ref(eg_body_upload(rq), eg_file_key_bytes(key), &now.id, &a->segment));
    if (!*ret_synced) {
        const eg_segment_at at = {a->segment.id, a->segment.file};
        EG_TRY(eg_segment_store_sync(d->store->segments, &at, 1));
        *ret_synced = true;
    }
    EG_TRY(eg_target_commit(rq, d, (eg_txn_op){append_apply, a}, 201));
    return eg_encryption_echo(rq, &now);
}

eg_err eg_blob_append_end(eg_request *rq) {
    eg_target d;
    append a = {.has_segment = true};
    bool synced = false;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(read_conditions(rq, &a));
    EG_TRY(eg_copy_pull(rq, &d));
    const uint64_t n = eg_body_length(rq);
    if (n == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A block without content.");
    }
    EG_TRY(eg_body_check(rq));
    EG_TRY(eg_upload_finish(eg_body_upload(rq)));
    a.max_file_bytes = d.store->max_file_bytes;
    rq->record_bytes = n;
    eg_err e = EG_ERR_BUSY;
    for (int i = 0; i < TRIES && e == EG_ERR_BUSY; i++) {
        e = try_append(rq, &d, &a, &synced);
    }
    eg_upload_settle(eg_body_upload(rq), e);
    EG_TRY(e);
    eg_target_moved(rq, d.store, 0, n);
    EG_TRY(eg_target_etag(rq, &a.base.after));
    EG_TRY(eg_body_answer_sums(rq));
    EG_TRY(eg_response_header(rq, "x-ms-blob-append-offset", "%llu", (unsigned long long)a.offset));
    EG_TRY(eg_response_header(rq, "x-ms-blob-committed-block-count", "%llu", (unsigned long long)a.base.after.extents));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    return eg_respond_empty(rq, 201);
}

eg_err eg_blob_seal(eg_request *rq) {
    eg_target d;
    append a = {.has_segment = false};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(read_conditions(rq, &a));
    EG_TRY(eg_target_change(rq, &d, &a.base));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){append_apply, &a}, 200));
    EG_TRY(eg_target_etag(rq, &a.base.after));
    EG_TRY(eg_response_header(rq, "x-ms-blob-sealed", "true"));
    return eg_respond_empty(rq, 200);
}
