/* Copy Blob and Put Blob From URL within an account: the new blob shares the content, so a copy of any size is done at once. */
#include "blob.h"

#include "copy.h"
#include "encryption.h"
#include "lease_request.h"
#include "lifecycle.h"
#include "metadata.h"
#include "range_header.h"
#include "readers.h"
#include "reclaim.h"
#include "request_body.h"
#include "snapshot.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>
#include <stdlib.h>

/* A copy under way. */
typedef struct copying {
    eg_copy copy;
    eg_inode from;
    eg_grant grant;            /* of the source */
    eg_str query;              /* behind its address; may hold a secret */
    eg_file_key_plan plan;
    eg_file_key *from_key;
    eg_file_key *key;
    eg_secret *customer;
    eg_buf mark;
    char id[EG_UUID_LEN];
} copying;

static eg_err bad_source(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-copy-source is not the address of a blob.");
}

static eg_str without(eg_str s, size_t n) { return (eg_str){s.ptr + n, s.len - n}; }

/* "{account}.blob." and "{account}.dfs." are one account; *ret_host: the account is in the host name. */
static eg_str domain_of(eg_str authority, eg_str account, bool *ret_host) {
    static const char *const surfaces[] = {".blob.", ".dfs."};
    *ret_host = false;
    for (size_t i = 0; i < 2 && authority.len > account.len && eg_str_ieq((eg_str){authority.ptr, account.len}, account); i++) {
        const eg_str rest = without(authority, account.len);
        if (eg_str_starts(rest, surfaces[i])) {
            *ret_host = true;
            return without(rest, strlen(surfaces[i]));
        }
    }
    return authority;
}

/* Whether this request's own path began with the account. */
static bool path_style(eg_request *rq) {
    eg_str decoded;
    return eg_percent_decode(rq->arena, rq->raw_path, false, &decoded) == EG_OK && decoded.len > rq->path.len;
}

/* The address of the source, which must be one of this account as this request addresses it. */
static eg_err read_source(eg_request *rq, const eg_target *d, copying *k, eg_str *ret_address) {
    eg_copy *c = &k->copy;
    eg_str rest = eg_request_header(rq, "x-ms-copy-source");
    const size_t scheme = eg_str_starts(rest, "https://") ? 8 : eg_str_starts(rest, "http://") ? 7 : 0;
    bool theirs = false;
    bool ours = false;
    EG_TRY(scheme == 0 || rest.len > 3 * EG_PATH_MAX ? bad_source(rq) : EG_OK);
    eg_str query = rest;
    const eg_str address = eg_str_cut(&query, '?'); /* what is behind it may be a secret: it is kept nowhere */
    rest = without(address, scheme);
    const eg_str authority = eg_str_cut(&rest, '/');
    const eg_str account = eg_str_of(d->account->name);
    const eg_str own = eg_request_header(rq, "Host");
    if (!eg_str_ieq(domain_of(authority, account, &theirs), domain_of(own, account, &ours)) || theirs != ours) {
        return eg_target_not_built(rq, "A copy from another account or server");
    }
    eg_str path;
    EG_TRY(!rest.ptr || eg_percent_decode(rq->arena, rest, false, &path) != EG_OK ? bad_source(rq) : EG_OK);
    if (!ours && path_style(rq)) {
        const eg_str first = eg_str_cut(&path, '/');
        EG_TRY(eg_str_eq(first, account) ? EG_OK : eg_target_not_built(rq, "A copy from another account or server"));
    }
    c->source.container = eg_str_cut(&path, '/');
    EG_TRY(!path.ptr || path.len == 0 || !eg_ns_container_name_ok(c->source.container) ? bad_source(rq) : EG_OK);
    c->source.path = path;
    EG_TRY(eg_ns_path_check(path, &rq->problem));
    eg_str at;
    EG_TRY(eg_target_refuse_version(rq, query));
    const eg_err e = query.ptr ? eg_query_get(rq->arena, query, "snapshot", &at) : EG_ERR_NOT_FOUND;
    EG_TRY(e != EG_ERR_NOT_FOUND && (e != EG_OK || eg_snapshot_time_parse(at, &c->snapshot_ns) != EG_OK) ? bad_source(rq) : EG_OK);
    k->query = query;
    *ret_address = address;
    return EG_OK;
}

/* Reading the source is a right of its own, asked where the source is. */
static eg_err ask_grant(eg_request *rq, const eg_target *d, copying *k) {
    static const char *const reading[] = {EG_ACTION_BLOB_READ, NULL};
    const eg_source source = {d->account, k->copy.source.container, k->copy.source.path, k->query, reading, EG_NEED_READ};
    EG_TRY(eg_source_grant(rq, &source, &k->grant));
    k->copy.source.grant = &k->grant;
    return EG_OK;
}

static eg_err find_source(eg_request *rq, const eg_target *d, copying *k) {
    EG_TRY(eg_conditions_read_source(rq, &k->copy.source.conditions, &rq->problem));
    EG_TRY(eg_lease_read_id(rq, "x-ms-source-lease-id", &k->copy.source.has_lease, &k->copy.source.lease));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    eg_place place;
    eg_err e = eg_path_find(t, &k->copy.source, &place, &k->from, &rq->problem);
    if (e == EG_OK && k->copy.snapshot_ns != 0) {
        e = eg_snapshot_find(t, d->account, &k->from, k->copy.snapshot_ns, &k->from);
    }
    if (e == EG_ERR_PATH_NOT_FOUND) {
        return eg_fail(&rq->problem, e, "The source of the copy does not exist.");
    }
    EG_TRY(e);
    if (k->from.kind != EG_KIND_FILE) {
        return eg_fail(&rq->problem, EG_ERR_RESOURCE_TYPE_MISMATCH, "The source of the copy is a directory.");
    }
    k->copy.from = &k->from;
    return eg_ns_inode_keep(&k->from, rq->arena);
}

/* The source's properties, unless the request brings others. */
static eg_err fill(eg_request *rq, copying *k, eg_str address) {
    static const eg_attr taken[] = {EG_ATTR_CONTENT_TYPE, EG_ATTR_CONTENT_ENCODING, EG_ATTR_CONTENT_LANGUAGE, EG_ATTR_CONTENT_DISPOSITION,
        EG_ATTR_CACHE_CONTROL, EG_ATTR_CONTENT_MD5, EG_ATTR_PROPERTIES, EG_ATTR_BLOB_KIND};
    eg_inode *made = &k->copy.create.made;
    eg_bytes asked[EG_ATTR_COUNT] = {{NULL, 0}};
    eg_str metadata;
    eg_blob_fill_inode(rq, EG_KIND_FILE, made);
    k->copy.create.parent_mode = 0750;
    EG_TRY(eg_blob_read_content_headers(rq, false, asked));
    EG_TRY(eg_metadata_of_headers(rq, "hdi_isfolder", &metadata));
    asked[EG_ATTR_PROPERTIES] = eg_str_bytes(metadata);
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        made->attr[taken[i]] = asked[taken[i]].len > 0 ? asked[taken[i]] : k->from.attr[taken[i]];
    }
    const eg_copy_mark mark = {eg_id_new(), k->copy.source.now_ns, k->from.length, address};
    EG_TRY(eg_copy_mark_encode(&mark, &k->mark));
    made->attr[EG_ATTR_COPY] = eg_buf_bytes(&k->mark);
    eg_lease_id_text(&mark.id, k->id);
    return EG_OK;
}

static eg_err open_keys(eg_request *rq, const eg_target *d, copying *k) {
    EG_TRY(eg_encryption_make(rq, d, &k->plan, &k->copy.create.made, &k->customer));
    /* A source with a customer's key opens with the one that the copy gets. */
    EG_TRY(eg_encryption_check(rq, &k->from, k->from.attr[EG_ATTR_CUSTOMER_KEY].len > 0 ? k->customer : NULL));
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &k->from, &k->from_key)));
    EG_TRY(eg_encryption_problem(rq, eg_file_key_open(d->store, d->account, &k->copy.create.made, &k->key)));
    k->copy.from_key = eg_file_key_bytes(k->from_key);
    k->copy.key = eg_file_key_bytes(k->key);
    return EG_OK;
}

static eg_err run(eg_request *rq, const eg_target *d, copying *k) {
    eg_copy *c = &k->copy;
    eg_str address = {NULL, 0};
    const bool put = eg_request_header(rq, "x-ms-blob-type").len > 0; /* Put Blob From URL */
    const eg_str theirs = eg_request_header(rq, "x-ms-copy-source-blob-properties");
    const eg_str tags = eg_request_header(rq, "x-ms-copy-source-tag-option");
    if ((theirs.len > 0 && !eg_str_ieq(theirs, EG_LIT("true"))) || (tags.len > 0 && !eg_str_ieq(tags, EG_LIT("REPLACE")))) {
        return eg_target_not_built(rq, "A copy without its source's properties, or with its tags,");
    }
    EG_TRY(eg_target_change(rq, d, &c->create.base));
    c->source = (eg_change){.account = d->account, .now_ns = c->create.base.now_ns, .forward_ns = c->create.base.forward_ns};
    EG_TRY(read_source(rq, d, k, &address));
    rq->record_details = json_pack("{s:s%}", "source", address.ptr, address.len);
    EG_TRY(ask_grant(rq, d, k));
    EG_TRY(find_source(rq, d, k));
    EG_TRY(fill(rq, k, address));
    EG_TRY(open_keys(rq, d, k));
    const eg_err e = eg_target_commit(rq, d, (eg_txn_op){eg_copy_apply, c}, put ? 201 : 202);
    EG_TRY(eg_blob_name_mismatch(rq, &c->create, e));
    eg_reclaim_wake(d->store->reclaim);
    EG_TRY(eg_target_etag(rq, &c->create.base.after));
    EG_TRY(eg_response_header(rq, "x-ms-request-server-encrypted", "true"));
    if (!put) {
        EG_TRY(eg_response_header(rq, "x-ms-copy-id", "%s", k->id));
        EG_TRY(eg_response_header(rq, "x-ms-copy-status", "success"));
    }
    return eg_respond_empty(rq, put ? 201 : 202);
}

eg_err eg_copy_put(eg_request *rq) {
    eg_target d;
    copying k = {.from_key = NULL};
    EG_TRY(eg_target_open(rq, &d));
    eg_buf_init(&k.mark, EG_COPY_MARK_MAX);
    const eg_err e = run(rq, &d, &k);
    eg_buf_done(&k.mark);
    eg_file_key_unref(k.from_key);
    eg_file_key_unref(k.key);
    eg_secret_free(k.customer);
    return e;
}

/* The reader is entered before the source is looked up for good, so that the reclaimer sees it. */
static eg_err hold_source(eg_request *rq, const eg_target *d, copying *k) {
    for (int attempt = 0; attempt < 3; attempt++) {
        EG_TRY(find_source(rq, d, k));
        const eg_id id = k->from.id;
        EG_TRY(eg_readers_enter(d->store->readers, &id));
        const eg_err e = find_source(rq, d, k);
        if (e == EG_OK && eg_id_eq(&id, &k->from.id)) {
            return EG_OK;
        }
        eg_readers_leave(d->store->readers, &id);
        EG_TRY(e);
    }
    return EG_ERR_BUSY;
}

static eg_err check_source(eg_request *rq, copying *k, eg_span *ret) {
    const eg_change *c = &k->copy.source;
    eg_lease l;
    if (eg_conditions_check(&c->conditions, &k->from, &rq->problem) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_SOURCE_CONDITION_NOT_MET, "The source condition specified using HTTP conditional header(s) is not met.");
    }
    EG_TRY(eg_lease_decode(k->from.attr[EG_ATTR_LEASE], &l));
    EG_TRY(eg_lease_check_read(&l, c->has_lease ? &c->lease : NULL, c->forward_ns, EG_LEASE_OF_PATH, &rq->problem));
    EG_TRY(eg_encryption_customer_key(rq, &k->customer));
    EG_TRY(eg_encryption_check(rq, &k->from, k->from.attr[EG_ATTR_CUSTOMER_KEY].len > 0 ? k->customer : NULL));
    const eg_str range = eg_request_header(rq, "x-ms-source-range");
    *ret = (eg_span){0, k->from.length};
    const eg_err e = range.len > 0 ? eg_range_header_parse(range, k->from.length, &ret->from, &ret->to) : EG_OK;
    return e == EG_OK ? e : eg_fail(&rq->problem, e, "The header x-ms-source-range is not a range of the source.");
}

/* The bytes of the source become the request's body: read, verified and sealed anew, for a block is a segment of its own. */
static eg_err take_bytes(eg_request *rq, const eg_target *d, const copying *k, eg_span span) {
    EG_CLEANUP(eg_content_reader_free_p) eg_content_reader *reader = NULL;
    uint8_t *room = malloc(EG_SEGMENT_CHUNK);
    size_t n = 1;
    eg_err e = room ? eg_content_reader_new(d->store, d->account, &k->from, span, &reader) : EG_ERR_NO_MEMORY;
    while (e == EG_OK && n > 0) {
        e = eg_content_reader_read(reader, room, EG_SEGMENT_CHUNK, &n);
        e = e == EG_OK ? eg_body_add(rq, (eg_bytes){room, n}) : e;
    }
    if (room) {
        eg_cleanse(room, EG_SEGMENT_CHUNK);
    }
    free(room);
    return e;
}

static eg_err pull(eg_request *rq, const eg_target *d, copying *k) {
    eg_str address;
    eg_span span;
    eg_change *c = &k->copy.source;
    *c = (eg_change){.account = d->account, .now_ns = eg_wall_ns(d->store->clock), .forward_ns = eg_storage_forward_ns(d->store)};
    EG_TRY(read_source(rq, d, k, &address));
    rq->record_details = json_pack("{s:s%}", "source", address.ptr, address.len);
    EG_TRY(ask_grant(rq, d, k));
    EG_TRY(hold_source(rq, d, k));
    const eg_id held = k->from.id;
    eg_err e = check_source(rq, k, &span);
    e = e == EG_OK ? take_bytes(rq, d, k, span) : e;
    eg_readers_leave(d->store->readers, &held);
    return e;
}

eg_err eg_copy_pull(eg_request *rq, const eg_target *d) {
    if (!eg_body_from_source(rq)) {
        return EG_OK;
    }
    copying k = {.customer = NULL};
    const eg_err e = pull(rq, d, &k);
    eg_secret_free(k.customer);
    return e;
}

/* A copy is done when it is answered, so there is never one to abort. */
eg_err eg_copy_abort(eg_request *rq) {
    eg_target d;
    eg_inode i;
    EG_TRY(eg_target_open(rq, &d));
    if (!eg_str_ieq(eg_request_header(rq, "x-ms-copy-action"), EG_LIT("abort"))) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-copy-action must be abort.");
    }
    EG_TRY(eg_target_find(rq, &d, &i));
    return eg_fail(&rq->problem, EG_ERR_NO_PENDING_COPY, "There is currently no pending copy operation.");
}
