/* Put Block List: a blob from blocks that were put before, and from blocks that it has already. */
#include "blob.h"

#include "block_home.h"
#include "block_list_xml.h"
#include "metadata.h"
#include "reclaim.h"
#include "request_body.h"

#include <stdlib.h>

#define TRIES 4

/* What the list names, and where it was found. */
typedef struct chosen {
    eg_block_where where;
    uint8_t id_len;
    uint8_t id[EG_BLOCK_ID_RAW_MAX];
} chosen;

typedef struct committed {
    uint8_t id_len;
    uint8_t id[EG_BLOCK_ID_RAW_MAX];
    eg_span range;
} committed;

typedef struct work {
    chosen *wanted;
    size_t count;
    size_t cap;
    committed *have;          /* the blob's own blocks, by id */
    size_t have_count;
    size_t have_cap;
    eg_part *parts;
} work;

static void work_done(work *w) {
    free(w->wanted);
    free(w->have);
    free(w->parts);
}

static eg_err grow(void **v, size_t *cap, size_t count, size_t size) {
    if (count < *cap) {
        return EG_OK;
    }
    const size_t more = *cap ? 2 * *cap : 64;
    void *p = realloc(*v, more * size);
    if (!p) {
        return EG_ERR_NO_MEMORY;
    }
    *v = p;
    *cap = more;
    return EG_OK;
}

static eg_err want(void *ctx, eg_block_where where, eg_bytes id) {
    work *w = ctx;
    if (w->count == EG_BLOCKS_COMMITTED_MAX) {
        return EG_ERR_BLOCK_COUNT;
    }
    EG_TRY(grow((void **)&w->wanted, &w->cap, w->count, sizeof *w->wanted));
    chosen *c = &w->wanted[w->count++];
    *c = (chosen){.where = where, .id_len = (uint8_t)id.len};
    memcpy(c->id, id.ptr, id.len);
    return EG_OK;
}

static eg_err read_list(eg_request *rq, work *w) {
    const eg_err e = eg_block_list_parse(eg_bytes_str(rq->body), want, w);
    switch (e) {
    case EG_ERR_BODY_XML:
        return eg_fail(&rq->problem, e, "The body is not a <BlockList> of <Latest>, <Committed> and <Uncommitted>.");
    case EG_ERR_BLOCK_ID:
        return eg_fail(&rq->problem, EG_ERR_BLOCK_LIST, "The specified block list is invalid: an id is not the base64 of 1 to 64 bytes.");
    case EG_ERR_BLOCK_COUNT:
        return eg_fail(&rq->problem, e, "The committed block count cannot exceed the maximum limit of %d blocks.", EG_BLOCKS_COMMITTED_MAX);
    default:
        return e;
    }
}

static int by_id(const void *a, const void *b) {
    const committed *x = a;
    const committed *y = b;
    const int c = memcmp(x->id, y->id, x->id_len < y->id_len ? x->id_len : y->id_len);
    return c != 0 ? c : (x->id_len > y->id_len) - (x->id_len < y->id_len);
}

static eg_err keep_committed(void *ctx, const eg_listed_block *b) {
    work *w = ctx;
    EG_TRY(grow((void **)&w->have, &w->have_cap, w->have_count, sizeof *w->have));
    committed *c = &w->have[w->have_count++];
    *c = (committed){.id_len = (uint8_t)b->id.len, .range = {b->offset, b->offset + b->size}};
    memcpy(c->id, b->id.ptr, b->id.len);
    return EG_OK;
}

/* Finds one block of the list where the list says that it is. */
static eg_err find_part(eg_kv_txn *t, const eg_block_place *at, const work *w, const chosen *c, eg_part *ret) {
    const eg_bytes id = {c->id, c->id_len};
    if (at->has_home && c->where != EG_BLOCK_COMMITTED) {
        eg_block b;
        const eg_err e = eg_block_get(t, at->of.account, &at->home.id, id, &b);
        if (e != EG_ERR_NOT_FOUND) {
            *ret = (eg_part){.kind = EG_PART_BLOCK, .id = id};
            return e;
        }
    }
    committed key = {.id_len = c->id_len};
    memcpy(key.id, c->id, c->id_len);
    const committed *found = c->where != EG_BLOCK_UNCOMMITTED && w->have_count > 0 ? bsearch(&key, w->have, w->have_count, sizeof key, by_id) : NULL;
    if (!found) {
        return EG_ERR_BLOCK_LIST;
    }
    *ret = (eg_part){.kind = EG_PART_RANGE, .id = id, .range = found->range};
    return EG_OK;
}

static eg_err find_parts(eg_request *rq, const eg_target *d, const eg_block_place *at, work *w) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    w->have_count = 0;
    if (at->exists) {
        EG_TRY(eg_block_list_each(t, d->account, &at->current.id, keep_committed, w));
        if (w->have_count > 0) {
            qsort(w->have, w->have_count, sizeof *w->have, by_id);
        }
    }
    free(w->parts);
    w->parts = calloc(w->count ? w->count : 1, sizeof *w->parts);
    if (!w->parts) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < w->count; i++) {
        const eg_err e = find_part(t, at, w, &w->wanted[i], &w->parts[i]);
        EG_TRY(e == EG_ERR_BLOCK_LIST ? eg_fail(&rq->problem, e, "The specified block list is invalid.") : e);
    }
    return EG_OK;
}

static eg_err fill(eg_request *rq, eg_path_create *c) {
    eg_str metadata;
    EG_TRY(eg_metadata_of_headers(rq, "hdi_isfolder", &metadata));
    eg_blob_fill_inode(rq, EG_KIND_FILE, &c->made);
    c->parent_mode = 0777;
    c->umask = EG_BLOB_UMASK;
    c->made.attr[EG_ATTR_PROPERTIES] = eg_str_bytes(metadata);
    return eg_blob_read_content_headers(rq, false, c->made.attr);
}

/* The keys of what the parts come from. */
typedef struct source_keys {
    eg_file_key *made;
    eg_file_key *home;
    eg_file_key *current;
} source_keys;

static void source_keys_done(source_keys *k) {
    eg_file_key_unref(k->made);
    eg_file_key_unref(k->home);
    eg_file_key_unref(k->current);
}

static eg_err open_keys(eg_request *rq, const eg_target *d, eg_block_place *at, eg_content_replace *r, source_keys *k) {
    bool ranges = false;
    for (size_t i = 0; i < r->count; i++) {
        ranges = ranges || r->parts[i].kind == EG_PART_RANGE;
    }
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &r->create.made, &k->made)));
    r->key = eg_file_key_bytes(k->made);
    if (at->has_home) {
        EG_TRY(eg_encryption_check(rq, &at->home, r->create.made.customer_key));
        EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &at->home, &k->home)));
        r->home = at->home.id;
        r->home_key = eg_file_key_bytes(k->home);
    }
    if (ranges) {
        EG_TRY(eg_encryption_check(rq, &at->current, r->create.made.customer_key));
        EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &at->current, &k->current)));
        r->current = &at->current;
        r->current_key = eg_file_key_bytes(k->current);
    }
    return EG_OK;
}

static eg_err try_commit(eg_request *rq, const eg_target *d, work *w, eg_content_replace *r) {
    EG_CLEANUP(eg_block_place_done) eg_block_place at = {.exists = false};
    EG_CLEANUP(source_keys_done) source_keys keys = {NULL, NULL, NULL};
    eg_txn_op record;
    *r = (eg_content_replace){.boot = d->store->boot};
    EG_TRY(eg_block_place_find(rq, d, EG_NEED_CREATE, &at));
    EG_TRY(find_parts(rq, d, &at, w));
    EG_TRY(fill(rq, &r->create));
    EG_TRY(eg_target_change(rq, d, &r->create.base));
    EG_TRY(eg_encryption_make(rq, d, &at.plan, &r->create.made, &at.customer));
    r->parts = w->parts;
    r->count = w->count;
    EG_TRY(open_keys(rq, d, &at, r, &keys));
    const bool recorded = eg_target_record(rq, 201, &record);
    EG_TRY(eg_content_replace_run(d->store, r, recorded ? &record : NULL, &rq->problem));
    return eg_encryption_echo(rq, &r->create.made);
}

eg_err eg_blob_block_list_put(eg_request *rq) {
    eg_target d;
    eg_content_replace r;
    EG_CLEANUP(work_done) work w = {.count = 0};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_body_check_whole(rq));
    EG_TRY(read_list(rq, &w));
    eg_err e = EG_ERR_BUSY;
    for (int i = 0; i < TRIES && e == EG_ERR_BUSY; i++) {
        e = try_commit(rq, &d, &w, &r);
    }
    EG_TRY(eg_blob_name_mismatch(rq, &r.create, e));
    eg_reclaim_wake(d.store->reclaim);
    EG_TRY(eg_target_etag(rq, &r.create.base.after));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    return eg_respond_empty(rq, 201);
}
