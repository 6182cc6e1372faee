/* Put Block and Get Block List. */
#include "blob.h"

#include "block_home.h"
#include "block_list_xml.h"
#include "lifecycle.h"
#include "request_body.h"

#include <embergate/encoding.h>

#define TRIES 4
#define LIST_MAX ((size_t)16 << 20)

static eg_err read_id(eg_request *rq, uint8_t ret[EG_BLOCK_ID_RAW_MAX], size_t *ret_n) {
    eg_str v;
    if (eg_request_query(rq, "blockid", &v) != EG_OK || eg_block_id_parse(v, ret, ret_n) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter blockid is not the base64 of 1 to 64 bytes.");
    }
    return EG_OK;
}

eg_err eg_blob_block_begin(eg_request *rq) {
    uint8_t id[EG_BLOCK_ID_RAW_MAX];
    size_t n;
    EG_TRY(eg_target_refuse_unbuilt(rq));
    EG_TRY(read_id(rq, id, &n));
    if (rq->content_length == 0 && !eg_body_from_source(rq)) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A block without content: Content-Length must not be 0.");
    }
    return eg_body_begin(rq, false);
}

/* Asked again within the transaction. A blob that is leased takes blocks only from who names the lease. */
static eg_err check_lease(eg_kv_txn *t, void *ctx, eg_problem *p) {
    eg_change *c = ctx;
    eg_place place;
    eg_inode i;
    EG_TRY(eg_grant_check(t, c->grant, &(eg_where){c->account, c->container, c->path}, EG_NEED_CREATE, p));
    EG_TRY(eg_path_resolve(t, c, c->path, &place, p));
    if (!place.exists) {
        return eg_change_check(c, NULL, p);
    }
    EG_TRY(eg_ns_inode_get(t, c->account, &place.entry.child, &i));
    return eg_change_check(c, &i, p);
}

static eg_err try_put(eg_request *rq, const eg_target *d, eg_bytes id) {
    EG_CLEANUP(eg_file_key_unref_p) eg_file_key *key = NULL;
    EG_CLEANUP(eg_block_place_done) eg_block_place at = {.exists = false};
    eg_change change;
    EG_TRY(eg_block_place_find(rq, d, EG_NEED_CREATE, &at));
    EG_TRY(eg_block_place_key(rq, d, &at, &key));
    EG_TRY(eg_target_change(rq, d, &change));
    change.conditions = (eg_conditions){0}; /* Put Block has none but the lease */
    eg_block_put put = {.of = at.of, .id = id, .home = at.home, .now_ns = change.now_ns, .boot = d->store->boot};
    EG_TRY(eg_upload_ref(eg_body_upload(rq), eg_file_key_bytes(key), &at.home.id, &put.segment));
    const eg_txn_op ops[2] = {{.apply = check_lease, .ctx = &change, .grows = true}, {.apply = eg_block_put_apply, .ctx = &put}};
    return eg_commit(d->store->committer, ops, 2, &rq->problem);
}

eg_err eg_blob_block_end(eg_request *rq) {
    eg_target d;
    uint8_t id[EG_BLOCK_ID_RAW_MAX];
    size_t id_len = 0;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(read_id(rq, id, &id_len));
    EG_TRY(eg_copy_pull(rq, &d));
    const uint64_t n = eg_body_length(rq);
    if (n == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "A block without content.");
    }
    EG_TRY(eg_body_check(rq));
    EG_TRY(eg_upload_finish(eg_body_upload(rq)));
    /* Several blocks of one blob come at once: the first of them makes the home. */
    eg_err e = EG_ERR_BUSY;
    for (int i = 0; i < TRIES && e == EG_ERR_BUSY; i++) {
        e = try_put(rq, &d, (eg_bytes){id, id_len});
    }
    eg_upload_settle(eg_body_upload(rq), e);
    EG_TRY(e);
    rq->record_bytes = n;
    eg_target_moved(rq, d.store, 0, n);
    EG_TRY(eg_body_answer_sums(rq));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    return eg_respond_empty(rq, 201);
}

static void add_block(eg_buf *b, eg_bytes id, uint64_t size) {
    (void)eg_buf_adds(b, "<Block><Name>");
    (void)eg_base64(id, b);
    (void)eg_buf_addf(b, "</Name><Size>%llu</Size></Block>", (unsigned long long)size);
}

static eg_err add_committed(void *ctx, const eg_listed_block *x) {
    eg_buf *b = ctx;
    add_block(b, x->id, x->size);
    return b->err;
}

static eg_err add_uncommitted(void *ctx, const eg_block *x) {
    eg_buf *b = ctx;
    add_block(b, x->id, x->size);
    return b->err;
}

static eg_err list(eg_request *rq, const eg_target *d, const eg_block_place *at, eg_buf *b) {
    eg_str type;
    const eg_err e = eg_request_query(rq, "blocklisttype", &type);
    type = e == EG_ERR_NOT_FOUND ? EG_LIT("committed") : type;
    const bool all = eg_str_ieq(type, EG_LIT("all"));
    const bool committed = all || eg_str_ieq(type, EG_LIT("committed"));
    const bool uncommitted = all || eg_str_ieq(type, EG_LIT("uncommitted"));
    if ((e != EG_OK && e != EG_ERR_NOT_FOUND) || !(committed || uncommitted)) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter blocklisttype is none of committed, uncommitted and all.");
    }
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    (void)eg_buf_adds(b, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    (void)eg_buf_adds(b, committed ? "<CommittedBlocks>" : "");
    if (committed && at->exists) {
        EG_TRY(eg_block_list_each(t, d->account, &at->current.id, add_committed, b));
    }
    (void)eg_buf_adds(b, committed ? "</CommittedBlocks>" : "");
    (void)eg_buf_adds(b, uncommitted ? "<UncommittedBlocks>" : "");
    if (uncommitted && at->has_home) {
        EG_TRY(eg_blocks_each(t, d->account, &at->home.id, add_uncommitted, b));
    }
    (void)eg_buf_adds(b, uncommitted ? "</UncommittedBlocks>" : "");
    return eg_buf_adds(b, "</BlockList>");
}

eg_err eg_blob_block_list(eg_request *rq) {
    eg_target d;
    eg_block_place at = {.exists = false};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_block_place_find(rq, &d, EG_NEED_READ, &at));
    eg_str snapshot;
    const eg_err of = eg_request_query(rq, "snapshot", &snapshot);
    if (of != EG_ERR_NOT_FOUND && !(of == EG_OK && snapshot.len == 0)) {
        EG_TRY(eg_target_find(rq, &d, &at.current)); /* what waits for a list is of the blob alone */
        at.has_home = false;
    }
    if (!at.exists && !at.has_home) {
        return eg_fail(&rq->problem, EG_ERR_PATH_NOT_FOUND, "The specified blob does not exist.");
    }
    if (at.exists) {
        EG_TRY(eg_target_check_read(rq, &at.current));
        EG_TRY(eg_target_etag(rq, &at.current));
        EG_TRY(eg_response_header(rq, "x-ms-blob-content-length", "%llu", (unsigned long long)at.current.length));
    }
    eg_buf b;
    eg_buf_init(&b, LIST_MAX);
    const eg_err e = list(rq, &d, &at, &b);
    if (e != EG_OK) {
        eg_buf_done(&b);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/xml", &b);
}
