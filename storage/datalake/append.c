/* Append and flush: a body is sealed as it comes, and becomes part of the file when it is flushed. */
#include "datalake.h"

#include "encryption.h"
#include "later.h"
#include "lease_request.h"
#include "md5_stream.h"
#include "readers.h"
#include "reclaim.h"
#include "repeated.h"
#include "request_body.h"

#include <embergate/actions.h>
#include <embergate/pool.h>

#define PIECE ((size_t)65536)

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
static eg_err look_ahead(eg_request *rq, uint64_t position, bool flush) {
    eg_str container;
    eg_target d = {.store = rq->room};
    EG_TRY(eg_target_split(rq, &container, &d.path));
    d.container = container;
    d.account = eg_storage_account_loaded(d.store, rq->account);
    if (!d.account) {
        return EG_OK;
    }
    d.grant = eg_grant_of(rq);
    eg_inode i;
    EG_TRY(eg_target_find(rq, &d, &i));
    EG_TRY(eg_encryption_require(rq, &i));
    if (flush && rq->content_length > 0 && eg_repeated_append(&i, position, (uint64_t)rq->content_length)) {
        return EG_OK; /* the body will tell */
    }
    return check_file(rq, &i, position);
}

eg_err eg_dfs_append_begin(eg_request *rq) {
    uint64_t position = 0;
    EG_TRY(eg_target_refuse_unbuilt(rq));
    EG_TRY(eg_target_query_u64(rq, "position", &position));
    if (rq->content_length == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "An append without content: Content-Length must not be 0.");
    }
    bool flush = false;
    EG_TRY(eg_target_query_bool(rq, "flush", false, &flush)); /* refused before the body comes */
    EG_TRY(look_ahead(rq, position, flush));
    return eg_body_begin(rq, flush); /* by its sum one is known that comes again */
}

eg_err eg_dfs_append_body(eg_request *rq, eg_bytes chunk) { return eg_body_add(rq, chunk); }

/* What a flush takes from the request. */
static eg_err read_flush(eg_request *rq, const eg_target *d, eg_content_flush *f, eg_lease_step step) {
    f->boot = d->store->boot;
    EG_TRY(eg_target_change(rq, d, &f->base));
    EG_TRY(eg_lease_read_action(rq, &f->base, step));
    EG_TRY(eg_target_query_bool(rq, "retainUncommittedData", false, &f->retain));
    EG_TRY(eg_dfs_read_attributes(rq, f->set, f->attr));
    f->set[EG_ATTR_PROPERTIES] = false; /* not of a flush */
    return EG_OK;
}

static eg_err flushed(eg_request *rq, const eg_target *d, const eg_content_flush *f) {
    if (!f->retain) {
        eg_reclaim_wake(d->store->reclaim);
    }
    return eg_target_etag(rq, &f->base.after);
}

static eg_err commit_both(eg_request *rq, const eg_target *d, eg_content_stage *s, eg_content_flush *f) {
    eg_txn_op record;
    const bool recorded = eg_target_record(rq, 202, &record);
    return eg_content_append_flushed(d->store, s, f, recorded ? &record : NULL, &rq->problem);
}

/* Wraps the segment's key for the file and makes the row; with `f` also flushes it, in the same commit. */
static eg_err stage(eg_request *rq, const eg_target *d, uint64_t position, const eg_inode *file, eg_content_flush *f) {
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *key = NULL;
    bool also_flush = false;
    if (eg_body_length(rq) == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "An append without content.");
    }
    EG_TRY(eg_body_check(rq));
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, file, &key)));
    eg_content_stage s = {.inode = file->id, .position = position, .max_file_bytes = d->store->max_file_bytes, .boot = d->store->boot};
    EG_TRY(eg_target_change(rq, d, &s.base));
    EG_TRY(eg_target_query_bool(rq, "flush", false, &also_flush));
    EG_TRY(eg_lease_read_action(rq, &s.base, also_flush ? EG_LEASE_STEP_APPEND_FIRST : EG_LEASE_STEP_APPEND));
    if (f) {
        EG_TRY(read_flush(rq, d, f, EG_LEASE_STEP_FLUSH_SECOND));
    }
    EG_TRY(eg_upload_finish(eg_body_upload(rq)));
    EG_TRY(eg_upload_ref(eg_body_upload(rq), eg_file_key_bytes(key), &file->id, &s.segment));
    const eg_txn_op op = {eg_content_stage_apply, &s, .grows = true};
    const eg_err e = f ? commit_both(rq, d, &s, f) : eg_commit(d->store->committer, &op, 1, &rq->problem);
    eg_upload_settle(eg_body_upload(rq), e);
    return e == EG_OK ? eg_lease_renewed(rq, &s.base) : e;
}

/* Of an append with flush=true that isn't one commit. */
static eg_err flush_second(eg_request *rq, const eg_target *d, eg_content_flush *f) {
    eg_txn_op record;
    EG_TRY(read_flush(rq, d, f, EG_LEASE_STEP_FLUSH_SECOND));
    const bool recorded = eg_target_record(rq, 202, &record);
    EG_TRY(eg_content_flush_run(d->store, f, recorded ? &record : NULL, &rq->problem));
    return flushed(rq, d, f);
}

static eg_err sum_of_file(eg_request *rq, const eg_target *d, const eg_inode *file, eg_span span, uint8_t ret[16]) {
    EG_CLEANUP(eg_content_reader_free_p) eg_content_reader *reader = NULL;
    EG_CLEANUP(eg_md5_stream_free_p) eg_md5_stream *md5 = NULL;
    uint8_t *piece = eg_arena_alloc(rq->arena, PIECE);
    size_t n = 1;
    if (!piece) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_md5_stream_new(&md5));
    EG_TRY(eg_content_reader_new(d->store, d->account, file, span, &reader));
    while (n > 0) {
        EG_TRY(eg_content_reader_read(reader, piece, PIECE, &n));
        EG_TRY(eg_md5_stream_add(md5, (eg_bytes){piece, n}));
    }
    return eg_md5_stream_end(md5, ret);
}

/* "The file ends so already" tells what it ends with: the whole of the last flush may be guessed by anybody who writes, a part of it by those who may read. */
static bool may_compare(eg_request *rq, const eg_target *d, const eg_inode *file, uint64_t position) {
    static const char *const reading[] = {EG_ACTION_BLOB_READ, NULL};
    const eg_where where = {d->account, d->container, d->path};
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    if (eg_repeated_whole(file, position)) {
        return true;
    }
    eg_grant g = eg_grant_at(rq, d->container, d->path, reading);
    g.rule = NULL; /* the record says by what right it was appended */
    return eg_kv_read_begin(d->store->kv, &t) == EG_OK && eg_grant_check(t, &g, &where, EG_NEED_READ, NULL) == EG_OK;
}

/* An append with flush whose answer was lost: the file ends with these bytes already. */
static eg_err done_before(eg_request *rq, const eg_target *d, const eg_inode *file, uint64_t position, bool *ret) {
    uint8_t there[16];
    *ret = false;
    if (!eg_repeated_append(file, position, eg_body_length(rq)) || !may_compare(rq, d, file, position)) {
        return EG_OK;
    }
    EG_TRY(eg_body_check(rq));
    EG_TRY(eg_readers_enter(d->store->readers, &file->id));
    eg_inode again;
    eg_err e = eg_target_find(rq, d, &again); /* with the reader known, the reclaimer leaves it */
    if (e == EG_OK && (!eg_id_eq(&again.id, &file->id) || again.change != file->change)) {
        e = EG_ERR_BUSY;
    }
    if (e == EG_OK) {
        e = sum_of_file(rq, d, file, (eg_span){position, file->length}, there);
    }
    eg_readers_leave(d->store->readers, &file->id);
    EG_TRY(e);
    *ret = eg_body_md5(rq) && memcmp(there, eg_body_md5(rq), sizeof there) == 0;
    return EG_OK;
}

static eg_err answer(eg_request *rq, const eg_inode *file) {
    EG_TRY(eg_body_answer_sums(rq));
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    EG_TRY(eg_encryption_echo(rq, file));
    return eg_respond_empty(rq, 202);
}

eg_err eg_dfs_append_end(eg_request *rq) {
    eg_target d;
    eg_inode file;
    uint64_t position = 0;
    bool also_flush = false;
    bool done = false;
    EG_TRY(eg_target_query_u64(rq, "position", &position));
    EG_TRY(eg_target_query_bool(rq, "flush", false, &also_flush));
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_find(rq, &d, &file));
    EG_CLEANUP(eg_secret_free_p) eg_secret *customer = NULL;
    EG_TRY(eg_encryption_customer_key(rq, &customer));
    EG_TRY(eg_encryption_check(rq, &file, customer));
    if (also_flush) {
        EG_TRY(done_before(rq, &d, &file, position, &done));
    }
    if (done) {
        EG_TRY(eg_target_etag(rq, &file));
        return answer(rq, &file);
    }
    EG_TRY(check_file(rq, &file, position));
    EG_TRY(eg_encryption_may_seal(rq, &d, &file));
    const uint64_t n = eg_body_length(rq);
    rq->record_bytes = n;
    eg_content_flush f = {.position = position + n};
    const bool at_once = also_flush && position == file.length && eg_upload_in_memory(eg_body_upload(rq));
    EG_TRY(stage(rq, &d, position, &file, at_once ? &f : NULL));
    eg_target_moved(rq, d.store, 0, n);
    if (at_once) {
        EG_TRY(flushed(rq, &d, &f));
    } else if (also_flush) {
        EG_TRY(flush_second(rq, &d, &f));
    }
    return answer(rq, &file);
}

/* A flush that the worker hands to the committer, in the request's arena until it is answered. */
typedef struct flushing {
    eg_request *rq;
    eg_target d;
    eg_content_flush f;
    eg_inode file;
    eg_txn_op record;
    eg_later later;
    bool again;
} flushing;

static eg_err answer_flush(flushing *x) {
    eg_request *rq = x->rq;
    EG_TRY(flushed(rq, &x->d, &x->f));
    EG_TRY(eg_lease_renewed(rq, &x->f.base));
    (void)eg_response_header(rq, "x-ms-request-server-encrypted", "true");
    EG_TRY(eg_encryption_echo(rq, &x->file));
    return eg_respond_empty(rq, 200);
}

/* A second plan may find what a worker can't wait for: it is made in the pool, or at once where there is none. */
static void flush_again(void *arg) {
    flushing *x = arg;
    eg_problem p = {0};
    const eg_err e = eg_content_flush_run(x->d.store, &x->f, &x->record, &p);
    eg_later_told(&x->later, e, &p);
}

static eg_err flush_told(void *ctx, eg_err e) {
    flushing *x = ctx;
    eg_content_flush_done(&x->f);
    if (e == EG_ERR_NOT_FOUND && !x->again) {
        x->again = true; /* the segments were moved to another pack between plan and commit */
        if (x->d.store->pool) {
            return eg_pool_submit(x->d.store->pool, flush_again, x);
        }
        flush_again(x);
        return EG_OK;
    }
    EG_TRY(e);
    return answer_flush(x);
}

static eg_err flush_later(flushing *x) {
    eg_request *rq = x->rq;
    if (!rq->ops->on_worker) {
        return EG_ERR_BUSY;
    }
    EG_TRY(read_flush(rq, &x->d, &x->f, EG_LEASE_STEP_FLUSH));
    x->later = (eg_later){.rq = rq, .answer = flush_told, .ctx = x};
    if (!eg_target_record(rq, 200, &x->record)) {
        return EG_ERR_BUSY;
    }
    return eg_content_flush_start(x->d.store, &x->f, &x->record, eg_later_told, &x->later);
}

eg_err eg_dfs_flush(eg_request *rq) {
    flushing *x = eg_arena_alloc(rq->arena, sizeof *x);
    if (!x) {
        return EG_ERR_NO_MEMORY;
    }
    *x = (flushing){.rq = rq};
    EG_TRY(eg_target_query_u64(rq, "position", &x->f.position));
    EG_TRY(eg_target_open(rq, &x->d));
    EG_TRY(eg_target_find(rq, &x->d, &x->file));
    EG_TRY(eg_encryption_require(rq, &x->file));
    if (rq->must_not_wait) {
        return flush_later(x);
    }
    eg_txn_op *record = eg_target_record(rq, 200, &x->record) ? &x->record : NULL;
    EG_TRY(read_flush(rq, &x->d, &x->f, EG_LEASE_STEP_FLUSH));
    EG_TRY(eg_content_flush_run(x->d.store, &x->f, record, &rq->problem));
    return answer_flush(x);
}
