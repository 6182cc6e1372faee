/* Put Blob: a block blob or a directory from one body, or an empty append blob; whole and durable, or not at all. */
#include "blob.h"

#include "blocks.h"
#include "encryption.h"
#include "grant_request.h"
#include "later.h"
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

/* A blob on its way in; lies in the request's arena until it is answered. */
typedef struct put {
    eg_request *rq;
    eg_target d;
    eg_content_replace replace;
    eg_file_key_plan plan;
    eg_secret *customer;
    eg_file_key *key;
    eg_upload *upload;         /* NULL: the blob is empty */
    eg_segment_ref segment;
    eg_part part;
    eg_txn_op record;
    bool recorded;
    eg_later later;
} put;

/* The blob's key, and its content sealed under it. Until the record is made nothing was done that can't be done again. */
static eg_err seal(put *u) {
    eg_request *rq = u->rq;
    eg_content_replace *r = &u->replace;
    eg_inode *made = &r->create.made;
    u->plan.must_not_wait = rq->must_not_wait;
    EG_TRY(eg_encryption_make(rq, &u->d, &u->plan, made, &u->customer));
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(u->d.store, u->d.account, made, &u->key)));
    u->recorded = eg_target_record(rq, 201, &u->record);
    if (rq->must_not_wait && !u->recorded) {
        return EG_ERR_BUSY;
    }
    r->key = eg_file_key_bytes(u->key);
    u->upload = eg_body_length(rq) > 0 ? eg_body_upload(rq) : NULL;
    if (u->upload) {
        EG_TRY(eg_upload_finish(u->upload));
        EG_TRY(eg_upload_ref(u->upload, r->key, &made->id, &u->segment));
        u->part = (eg_part){.kind = EG_PART_SEGMENT, .segment = &u->segment};
        r->parts = &u->part;
        r->count = 1;
    }
    return EG_OK;
}

static eg_err prepare(put *u) {
    eg_request *rq = u->rq;
    const uint64_t n = eg_body_length(rq);
    EG_TRY(eg_target_open(rq, &u->d));
    if (n > u->d.store->max_file_bytes) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_BODY_TOO_LARGE, "The blob would become longer than a file may be.");
    }
    EG_TRY(eg_body_check(rq));
    EG_TRY(fill(rq, &u->replace.create));
    EG_TRY(eg_target_change(rq, &u->d, &u->replace.create.base));
    u->replace.boot = u->d.store->boot;
    rq->record_bytes = n;
    return u->replace.create.made.kind == EG_KIND_FILE ? seal(u) : EG_OK;
}

static void let_go(put *u) {
    eg_file_key_unref(u->key);
    eg_secret_free(u->customer);
    u->key = NULL;
    u->customer = NULL;
}

/* Answers what the commit made of it. */
static eg_err answer(put *u, eg_err e) {
    eg_request *rq = u->rq;
    eg_storage *s = u->d.store;
    const eg_path_create *c = &u->replace.create;
    if (u->upload) {
        eg_upload_settle(u->upload, e);
    }
    EG_TRY(eg_blob_name_mismatch(rq, c, e));
    EG_TRY(eg_encryption_echo(rq, &c->made));
    eg_reclaim_wake(s->reclaim);
    eg_target_moved(rq, s, 0, rq->record_bytes);
    EG_TRY(eg_target_etag(rq, &c->base.after));
    EG_TRY(eg_body_answer_sums(rq));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    return eg_respond_empty(rq, 201);
}

static eg_err told(void *ctx, eg_err e) {
    put *u = ctx;
    let_go(u);
    return answer(u, e);
}

/* What can be sealed and handed to the committer by the worker itself: a small blob of an account that is in use. Two threads that wake each other would cost more. */
static bool is_short(eg_request *rq) {
    const eg_upload *upload = eg_body_upload(rq);
    return rq->ops->on_worker && !is_directory(rq) && (!upload || eg_upload_in_memory(upload)) && eg_storage_account_loaded(rq->room, rq->account);
}

eg_err eg_blob_put_end(eg_request *rq) {
    if (rq->must_not_wait && (copies(rq) || !is_short(rq))) {
        return EG_ERR_BUSY;
    }
    if (copies(rq)) {
        return eg_copy_put(rq);
    }
    put *u = eg_arena_alloc(rq->arena, sizeof *u);
    if (!u) {
        return EG_ERR_NO_MEMORY;
    }
    *u = (put){.rq = rq};
    eg_err e = prepare(u);
    if (e == EG_OK && rq->must_not_wait) {
        u->later = (eg_later){.rq = rq, .answer = told, .ctx = u};
        e = eg_content_replace_start(u->d.store, &u->replace, &u->record, eg_later_told, &u->later);
        if (e == EG_OK) {
            return e; /* told goes on */
        }
    } else if (e == EG_OK && u->replace.create.made.kind == EG_KIND_FILE) {
        e = eg_content_replace_run(u->d.store, &u->replace, u->recorded ? &u->record : NULL, &rq->problem);
    } else if (e == EG_OK) {
        e = eg_target_commit(rq, &u->d, (eg_txn_op){eg_path_create_apply, &u->replace.create}, 201);
    } else {
        let_go(u);
        return e;
    }
    let_go(u);
    return answer(u, e);
}
