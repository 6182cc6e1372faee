/* Rename of files and directories, within a filesystem or from another of the account. */
#include "datalake.h"

#include "later.h"
#include "lease_request.h"
#include "reclaim.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>

static eg_err bad_source(eg_request *rq) {
    return eg_fail(&rq->problem, EG_ERR_RENAME_SOURCE_URI, "The source URI is invalid: x-ms-rename-source is not the path of a file or directory.");
}

/* Whether the request's own address has the account before the filesystem. */
static bool path_style(const eg_request *rq) {
    const size_t n = rq->account.len;
    const eg_str raw = rq->raw_path;
    const eg_str path = rq->path;
    const bool named = raw.len > n + 2 && memcmp(raw.ptr + 1, rq->account.ptr, n) == 0 && raw.ptr[n + 1] == '/';
    return named && !(path.len > n + 1 && memcmp(path.ptr + 1, rq->account.ptr, n) == 0 && path.ptr[n + 1] == '/');
}

static bool filesystem_exists(const eg_target *d, eg_str name) {
    eg_container c;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    return eg_kv_read_begin(d->store->kv, &t) == EG_OK && eg_ns_container_get(t, d->account, name, &c) == EG_OK;
}

/* "/{filesystem}/{path}" or, where addresses have it so, "/{account}/{filesystem}/{path}": percent-encoded, perhaps with a query behind it. */
static eg_err read_source(eg_request *rq, const eg_target *d, eg_path_rename *r, eg_str *ret_query) {
    eg_str query = eg_request_header(rq, "x-ms-rename-source");
    const eg_str raw = eg_str_cut(&query, '?');
    *ret_query = query; /* may hold a secret: it is kept nowhere */
    eg_str rest;
    if (raw.len > 3 * EG_PATH_MAX || eg_percent_decode(rq->arena, raw, false, &rest) != EG_OK || rest.len < 2 || rest.ptr[0] != '/') {
        return bad_source(rq);
    }
    rest.ptr++;
    rest.len--;
    eg_str container = eg_str_cut(&rest, '/');
    if (rest.ptr && eg_str_is(container, d->account->name) && (path_style(rq) || !filesystem_exists(d, container))) {
        container = eg_str_cut(&rest, '/');
    }
    if (!rest.ptr || rest.len == 0 || !eg_ns_container_name_ok(container)) {
        return bad_source(rq);
    }
    if (rest.ptr[rest.len - 1] == '/') {
        rest.len--;
    }
    EG_TRY(eg_ns_path_check(rest, &rq->problem));
    r->source_container = container;
    r->source = rest;
    return rest.len > 0 ? EG_OK : bad_source(rq);
}

/* A signature for a snapshot or a version is none for its file, which is what would be moved. */
static eg_err refuse_states(eg_request *rq, eg_str query) {
    eg_str v;
    EG_TRY(eg_target_refuse_version(rq, query));
    return query.ptr && eg_query_get(rq->arena, query, "snapshot", &v) != EG_ERR_NOT_FOUND ? bad_source(rq) : EG_OK;
}

/* Azure's roles for a rename, on either side; what they don't grant is asked of the lists, within the transaction. */
static const char *const leaving[] = {EG_ACTION_BLOB_MOVE, EG_ACTION_BLOB_DELETE, NULL};
static const char *const arriving[] = {EG_ACTION_BLOB_MOVE, EG_ACTION_BLOB_WRITE, NULL};

/* "legacy", the default, moves into a directory that is there; "posix" takes its place when it is empty. */
static eg_err read_mode(eg_request *rq, bool *ret_posix) {
    eg_str v;
    const eg_err e = eg_request_query(rq, "mode", &v);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    if (e != EG_OK || !(eg_str_ieq(v, EG_LIT("legacy")) || eg_str_ieq(v, EG_LIT("posix")))) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter mode is neither legacy nor posix.");
    }
    *ret_posix = eg_str_ieq(v, EG_LIT("posix"));
    return EG_OK;
}

static eg_err write_down(eg_request *rq, const eg_path_rename *r) {
    const eg_str source = eg_arena_printf(rq->arena, "%.*s/%.*s", EG_FMT(r->source_container), EG_FMT(r->source));
    if (!source.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    json_decref(rq->record_details); /* of a first try on the worker */
    rq->record_details = json_pack("{s:s%}", "source", source.ptr, source.len);
    return rq->record_details ? EG_OK : EG_ERR_NO_MEMORY;
}

/* A rename, in the request's arena until it is answered. */
typedef struct renaming {
    eg_request *rq;
    eg_target d;
    eg_path_rename r;
    eg_grant from;
    eg_grant to;
} renaming;

static eg_err renamed(void *ctx, eg_err e) {
    const renaming *x = ctx;
    EG_TRY(e);
    eg_reclaim_wake(x->d.store->reclaim);
    EG_TRY(eg_target_etag(x->rq, &x->r.base.after));
    return eg_respond_empty(x->rq, 201);
}

static eg_err prepare(renaming *x) {
    eg_request *rq = x->rq;
    eg_path_rename *r = &x->r;
    eg_str query;
    EG_TRY(eg_target_open(rq, &x->d));
    EG_TRY(eg_target_change(rq, &x->d, &r->base));
    EG_TRY(eg_conditions_read_source(rq, &r->source_conditions, &rq->problem));
    EG_TRY(eg_lease_read_id(rq, "x-ms-source-lease-id", &r->has_source_lease, &r->source_lease));
    EG_TRY(read_source(rq, &x->d, r, &query));
    EG_TRY(refuse_states(rq, query));
    if (query.len > 0 && rq->must_not_wait) {
        return EG_ERR_BUSY; /* a signed source may want a key of the keeper */
    }
    EG_TRY(read_mode(rq, &r->posix));
    EG_TRY(eg_dfs_read_attributes(rq, r->set, r->attr));
    const eg_source source = {x->d.account, r->source_container, r->source, query, leaving, EG_NEED_MOVE_FROM};
    EG_TRY(eg_source_grant(rq, &source, &x->from));
    x->to = eg_grant_at(rq, x->d.container, EG_LIT(""), arriving);
    r->source_grant = &x->from;
    r->base.grant = &x->to;
    EG_TRY(eg_dfs_transaction_id(rq, &r->transaction_id));
    return write_down(rq, r);
}

eg_err eg_dfs_rename(eg_request *rq) {
    if (eg_request_header(rq, "x-ms-rename-source").len == 0) {
        return eg_target_not_built(rq, "Put Blob");
    }
    renaming *x = eg_arena_alloc(rq->arena, sizeof *x);
    if (!x) {
        return EG_ERR_NO_MEMORY;
    }
    *x = (renaming){.rq = rq};
    EG_TRY(prepare(x));
    return eg_target_commit_then(rq, &x->d, (eg_txn_op){eg_path_rename_apply, &x->r}, 201, renamed, x);
}
