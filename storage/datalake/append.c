/* Append and flush: a body is sealed as it comes, and becomes part of the file when it is flushed. */
#include "datalake.h"

#include "encryption.h"
#include "lease_request.h"
#include "md5_stream.h"
#include "reclaim.h"
#include "upload.h"

#include <embergate/encoding.h>
#include <stdlib.h>

/* Of one append. */
typedef struct append {
    eg_upload *upload;
    eg_md5_stream *md5;
    uint8_t want_md5[16];
    uint64_t position;
    bool flush;
} append;

static void free_append(void *state) {
    append *a = state;
    if (!a) {
        return;
    }
    eg_upload_free(a->upload);
    if (a->md5) {
        eg_md5_stream_free(a->md5);
    }
    free(a);
}

static eg_err read_md5(eg_request *rq, append *a) {
    const eg_str v = eg_request_header(rq, "Content-MD5");
    size_t n = 0;
    if (v.len == 0) {
        return EG_OK;
    }
    if (eg_unbase64(v, a->want_md5, sizeof a->want_md5, &n) != EG_OK || n != sizeof a->want_md5) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header Content-MD5 is not the base64 of an MD5.");
    }
    return eg_md5_stream_new(&a->md5);
}

static eg_err check_file(eg_request *rq, const eg_inode *i, uint64_t position) {
    if (i->kind != EG_KIND_FILE) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE_MISMATCH, "The path is a directory.");
    }
    if (position < i->length) {
        return eg_fail(&rq->problem, EG_ERR_APPEND_POSITION, "The position lies before the end of the file.");
    }
    return EG_OK;
}

/* Refuses early, before the peer sends megabytes for nothing. Only when the account is at hand: this must not block. */
static eg_err look_ahead(eg_request *rq, uint64_t position) {
    eg_str container;
    eg_target d = {.store = rq->room};
    EG_TRY(eg_target_split(rq, &container, &d.path));
    d.container = container;
    d.account = eg_storage_account_loaded(d.store, rq->account);
    if (!d.account) {
        return EG_OK;
    }
    eg_inode i;
    EG_TRY(eg_target_find(rq, &d, &i));
    EG_TRY(eg_encryption_require(rq, &i));
    return check_file(rq, &i, position);
}

eg_err eg_dfs_append_begin(eg_request *rq) {
    uint64_t position = 0;
    EG_TRY(eg_target_refuse_unbuilt(rq));
    EG_TRY(eg_target_query_u64(rq, "position", &position));
    if (rq->content_length == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "An append without content: Content-Length must not be 0.");
    }
    EG_TRY(look_ahead(rq, position));
    append *a = calloc(1, sizeof *a);
    if (!a) {
        return EG_ERR_NO_MEMORY;
    }
    a->position = position;
    rq->state = a;
    rq->free_state = free_append;
    EG_TRY(eg_target_query_bool(rq, "flush", false, &a->flush));
    EG_TRY(read_md5(rq, a));
    return eg_upload_begin(rq->room, rq->tenant, rq->content_length, &a->upload, &rq->problem);
}

eg_err eg_dfs_append_body(eg_request *rq, eg_bytes chunk) {
    append *a = rq->state;
    if (a->md5) {
        EG_TRY(eg_md5_stream_add(a->md5, chunk));
    }
    const eg_err e = eg_upload_add(a->upload, chunk);
    return e == EG_ERR_LIMIT ? eg_fail(&rq->problem, EG_ERR_HTTP_BODY_TOO_LARGE, "An append has at most 4000 MiB.") : e;
}

static eg_err finish_segment(eg_request *rq, append *a) {
    uint8_t md5[16];
    if (eg_upload_plain(a->upload) == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "An append without content.");
    }
    if (a->md5) {
        EG_TRY(eg_md5_stream_end(a->md5, md5));
        if (memcmp(md5, a->want_md5, sizeof md5) != 0) {
            return eg_fail(&rq->problem, EG_ERR_MD5_MISMATCH, "The MD5 value specified in the request did not match with the MD5 value "
                "calculated by the server.");
        }
    }
    return eg_upload_finish(a->upload);
}

/* Wraps the segment's key for the file and makes the row. */
static eg_err stage(eg_request *rq, const eg_target *d, append *a, const eg_inode *file) {
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *key = NULL;
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, file, &key)));
    eg_content_stage s = {.inode = file->id, .position = a->position, .max_file_bytes = d->store->max_file_bytes,
        .boot = d->store->boot};
    EG_TRY(eg_target_change(rq, d, &s.base));
    EG_TRY(eg_lease_read_action(rq, &s.base, a->flush ? EG_LEASE_STEP_APPEND_FIRST : EG_LEASE_STEP_APPEND));
    EG_TRY(finish_segment(rq, a));
    EG_TRY(eg_upload_ref(a->upload, eg_file_key_bytes(key), &file->id, &s.segment));
    const eg_txn_op op = {eg_content_stage_apply, &s};
    const eg_err e = eg_commit(d->store->committer, &op, 1, &rq->problem);
    eg_upload_settle(a->upload, e);
    return e == EG_OK ? eg_lease_renewed(rq, &s.base) : e;
}

static eg_err flush(eg_request *rq, const eg_target *d, eg_content_flush *f, int status) {
    eg_txn_op record;
    f->boot = d->store->boot;
    EG_TRY(eg_target_change(rq, d, &f->base));
    EG_TRY(eg_lease_read_action(rq, &f->base, status == 202 ? EG_LEASE_STEP_FLUSH_SECOND : EG_LEASE_STEP_FLUSH));
    EG_TRY(eg_target_query_bool(rq, "retainUncommittedData", false, &f->retain));
    EG_TRY(eg_dfs_read_attributes(rq, f->set, f->attr));
    f->set[EG_ATTR_PROPERTIES] = false; /* not of a flush */
    const bool recorded = eg_target_record(rq, status, &record);
    EG_TRY(eg_content_flush_run(d->store, f, recorded ? &record : NULL, &rq->problem));
    if (!f->retain) {
        eg_reclaim_wake(d->store->reclaim);
    }
    return eg_target_etag(rq, &f->base.after);
}

eg_err eg_dfs_append_end(eg_request *rq) {
    append *a = rq->state;
    eg_target d;
    eg_inode file;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_find(rq, &d, &file));
    EG_TRY(check_file(rq, &file, a->position));
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    EG_TRY(eg_encryption_customer_key(rq, &customer));
    EG_TRY(eg_encryption_check(rq, &file, customer));
    const uint64_t n = eg_upload_plain(a->upload);
    rq->record_bytes = n;
    EG_TRY(stage(rq, &d, a, &file));
    eg_target_moved(rq, d.store, 0, n);
    if (a->flush) {
        eg_content_flush f = {.position = a->position + n};
        EG_TRY(flush(rq, &d, &f, 202));
    }
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    EG_TRY(eg_encryption_echo(rq, &file));
    return eg_respond_empty(rq, 202);
}

eg_err eg_dfs_flush(eg_request *rq) {
    eg_target d;
    eg_content_flush f = {0};
    EG_TRY(eg_target_query_u64(rq, "position", &f.position));
    eg_inode file;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_find(rq, &d, &file));
    EG_TRY(eg_encryption_require(rq, &file));
    EG_TRY(flush(rq, &d, &f, 200));
    EG_TRY(eg_lease_renewed(rq, &f.base));
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    EG_TRY(eg_encryption_echo(rq, &file));
    return eg_respond_empty(rq, 200);
}
