/* Put Blob: a block blob or a directory from one body, or an empty append blob; whole and durable, or not at all. */
#include "blob.h"

#include "blocks.h"
#include "encryption.h"
#include "grant_request.h"
#include "lifecycle.h"
#include "metadata.h"
#include "reclaim.h"
#include "request_body.h"

/* Which type is put, by the header that every Put Blob has. */
static eg_err read_type(eg_request *rq, eg_blob_kind *ret) {
    const eg_str type = eg_request_header(rq, "x-ms-blob-type");
    if (type.len == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER_MISSING, "The header x-ms-blob-type is missing.");
    }
    if (eg_str_ieq(type, EG_LIT("PageBlob"))) {
        return eg_target_not_built(rq, "A page blob");
    }
    if (!eg_str_ieq(type, EG_LIT("BlockBlob")) && !eg_str_ieq(type, EG_LIT("AppendBlob"))) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-blob-type names no type of blob.");
    }
    *ret = eg_str_ieq(type, EG_LIT("AppendBlob")) ? EG_BLOB_APPEND : EG_BLOB_BLOCK;
    if (*ret == EG_BLOB_APPEND && rq->content_length != 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "An append blob is made empty: Content-Length must be 0.");
    }
    return EG_OK;
}

/* Refuses early, before the peer sends megabytes for nothing. Only when the account is at hand: this must not block. */
static eg_err look_ahead(eg_request *rq) {
    eg_where where;
    EG_TRY(eg_target_split(rq, &where.container, &where.path));
    eg_storage *s = rq->room;
    where.account = eg_storage_account_loaded(s, rq->account);
    if (!where.account) {
        return EG_OK;
    }
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->kv, &t));
    const eg_grant grant = eg_grant_of(rq);
    return eg_grant_check(t, &grant, &where, EG_NEED_CREATE, &rq->problem);
}

/* Copy Blob and Put Blob From URL are told from Put Blob by a header. */
static bool copies(const eg_request *rq) { return eg_request_header(rq, "x-ms-copy-source").len > 0; }

eg_err eg_blob_put_begin(eg_request *rq) {
    eg_blob_kind kind;
    EG_TRY(eg_target_refuse_unbuilt(rq));
    if (copies(rq)) {
        return rq->content_length == 0 ? EG_OK : eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A copy has no body: Content-Length must be 0.");
    }
    EG_TRY(read_type(rq, &kind));
    EG_TRY(look_ahead(rq));
    return eg_body_begin(rq, true);
}

/* The MD5 that the blob will have: the one that was sent for it, which must be right, else ours. */
static eg_err settle_md5(eg_request *rq, eg_inode *made) {
    eg_bytes mine;
    EG_TRY(eg_blob_md5_text(rq, eg_body_md5(rq), &mine));
    const eg_bytes sent = made->attr[EG_ATTR_CONTENT_MD5];
    if (sent.len > 0 && !eg_str_eq(eg_bytes_str(sent), eg_bytes_str(mine))) {
        return eg_fail(&rq->problem, EG_ERR_MD5_MISMATCH, "The MD5 value specified in the request did not match with the MD5 value "
            "calculated by the server.");
    }
    made->attr[EG_ATTR_CONTENT_MD5] = mine;
    return EG_OK;
}

/* Hadoop's mark of a directory, which accounts with directories turn into one. */
static bool is_directory(const eg_request *rq) {
    return eg_str_ieq(eg_request_header(rq, "x-ms-meta-hdi_isfolder"), EG_LIT("true")) && eg_body_length(rq) == 0;
}

static eg_err fill(eg_request *rq, eg_path_create *c) {
    static const uint8_t append = EG_BLOB_APPEND;
    eg_blob_kind kind;
    eg_str metadata;
    EG_TRY(read_type(rq, &kind));
    EG_TRY(eg_metadata_of_headers(rq, "hdi_isfolder", &metadata));
    const bool directory = is_directory(rq);
    eg_blob_fill_inode(rq, directory ? EG_KIND_DIRECTORY : EG_KIND_FILE, &c->made);
    c->parent_mode = 0777;
    c->umask = EG_BLOB_UMASK;
    c->made.attr[EG_ATTR_PROPERTIES] = eg_str_bytes(metadata);
    EG_TRY(eg_blob_read_content_headers(rq, true, c->made.attr));
    if (kind == EG_BLOB_APPEND) {
        c->made.attr[EG_ATTR_BLOB_KIND] = (eg_bytes){&append, 1};
        return EG_OK;
    }
    return settle_md5(rq, &c->made);
}

/* A blob that stands there is of another kind than a directory. */
eg_err eg_blob_name_mismatch(eg_request *rq, const eg_path_create *c, eg_err e) {
    if (e == EG_ERR_PATH_EXISTS && c->existing != EG_KIND_NONE && c->existing != c->made.kind) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE_MISMATCH, "The specified resource type does not match the type of the existing resource.");
    }
    return e;
}

/* The blob's key, its content sealed under it, and all of it in place, durably. */
static eg_err put_file(eg_request *rq, const eg_target *d, eg_content_replace *r) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *key = NULL;
    eg_inode *made = &r->create.made;
    eg_file_key_plan plan = {0};
    eg_segment_ref segment;
    eg_txn_op record;
    EG_TRY(eg_encryption_make(rq, d, &plan, made, &customer));
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, made, &key)));
    r->key = eg_file_key_bytes(key);
    eg_upload *upload = eg_body_length(rq) > 0 ? eg_body_upload(rq) : NULL;
    const eg_part part = {.kind = EG_PART_SEGMENT, .segment = &segment};
    if (upload) {
        EG_TRY(eg_upload_finish(upload));
        EG_TRY(eg_upload_ref(upload, r->key, &made->id, &segment));
        r->parts = &part;
        r->count = 1;
    }
    const bool recorded = eg_target_record(rq, 201, &record);
    const eg_err e = eg_content_replace_run(d->store, r, recorded ? &record : NULL, &rq->problem);
    if (upload) {
        eg_upload_settle(upload, e);
    }
    EG_TRY(e);
    return eg_encryption_echo(rq, made);
}

eg_err eg_blob_put_end(eg_request *rq) {
    eg_target d;
    eg_content_replace r = {.count = 0};
    if (copies(rq)) {
        return eg_copy_put(rq);
    }
    const uint64_t n = eg_body_length(rq);
    EG_TRY(eg_target_open(rq, &d));
    if (n > d.store->max_file_bytes) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_BODY_TOO_LARGE, "The blob would become longer than a file may be.");
    }
    EG_TRY(eg_body_check(rq));
    EG_TRY(fill(rq, &r.create));
    EG_TRY(eg_target_change(rq, &d, &r.create.base));
    r.boot = d.store->boot;
    rq->record_bytes = n;
    const eg_err e = r.create.made.kind == EG_KIND_FILE ? put_file(rq, &d, &r)
                                                        : eg_target_commit(rq, &d, (eg_txn_op){eg_path_create_apply, &r.create}, 201);
    EG_TRY(eg_blob_name_mismatch(rq, &r.create, e));
    eg_reclaim_wake(d.store->reclaim);
    eg_target_moved(rq, d.store, 0, n);
    EG_TRY(eg_target_etag(rq, &r.create.base.after));
    EG_TRY(eg_body_answer_sums(rq));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    return eg_respond_empty(rq, 201);
}
