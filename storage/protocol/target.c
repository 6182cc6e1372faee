/* Reading of requests and common parts of answers. */
#include "target.h"

#include "lease_request.h"
#include "reclaim.h"
#include "service_version.h"
#include "snapshot.h"

#include <embergate/encoding.h>
#include <embergate/metrics.h>
#include <stdio.h>

eg_err eg_target_not_built(eg_request *rq, const char *what) {
    return eg_fail(&rq->problem, EG_ERR_STORAGE_NOT_BUILT, "%s is not supported by this server.", what);
}

static bool starts(eg_str name, eg_str with) { return name.len > with.len && eg_str_ieq((eg_str){name.ptr, with.len}, with); }

/* Fields of which each says something about what is asked for. Metadata has a refusal of its own. */
static bool stands_once(eg_str name) {
    return (starts(name, EG_LIT("x-ms-")) && !starts(name, EG_LIT("x-ms-meta-"))) || starts(name, EG_LIT("If-")) || eg_str_ieq(name, EG_LIT("Range")) ||
        eg_str_ieq(name, EG_LIT("Content-MD5")) || eg_str_ieq(name, EG_LIT("X-HTTP-Method-Override"));
}

/* A handler would take the first, somebody before us perhaps the last: one meaning, or a refusal. */
static eg_err refuse_twice(eg_request *rq) {
    for (size_t i = 1; i < rq->header_count; i++) {
        const eg_str name = rq->headers[i].name;
        for (size_t k = 0; k < i; k++) {
            if (rq->headers[k].name.len == name.len && eg_str_ieq(rq->headers[k].name, name) && stands_once(name)) {
                return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %.*s stands twice.", EG_FMT(name));
            }
        }
    }
    return EG_OK;
}

/* Headers that ask for more than is built: answered with 501, never ignored. */
eg_err eg_target_refuse_unbuilt(eg_request *rq) {
    EG_TRY(refuse_twice(rq));
    static const struct {
        const char *header;
        const char *what;
    } unbuilt[] = {
        {"x-ms-if-tags", "A condition on tags"},
        {"x-ms-source-if-tags", "A condition on tags"},
        {"x-ms-structured-body", "A structured message body"},
        {"x-ms-tags", "A tag"},
        {"x-ms-access-tier", "An access tier"},
        {"x-ms-rehydrate-priority", "An access tier"},
        {"x-ms-immutability-policy-until-date", "An immutability policy"},
        {"x-ms-immutability-policy-mode", "An immutability policy"},
        {"x-ms-legal-hold", "A legal hold"},
        {"x-ms-seal-blob", "A copy that is sealed"},
        {"x-ms-source-content-md5", "A checksum of a copy's source"},
        {"x-ms-source-content-crc64", "A checksum of a copy's source"},
        {"x-ms-source-encryption-key", "A key of a copy's source"},
    };
    for (size_t k = 0; k < rq->header_count; k++) {
        const eg_header *h = &rq->headers[k];
        for (size_t i = 0; h->value.len > 0 && starts(h->name, EG_LIT("x-ms-")) && i < sizeof unbuilt / sizeof unbuilt[0]; i++) {
            if (eg_str_ieq(h->name, eg_str_of(unbuilt[i].header))) {
                return eg_target_not_built(rq, unbuilt[i].what);
            }
        }
    }
    return eg_target_refuse_version(rq, rq->query);
}

eg_err eg_target_refuse_public(eg_request *rq) {
    return eg_request_header(rq, "x-ms-blob-public-access").len == 0 ? EG_OK
        : eg_fail(&rq->problem, EG_ERR_PUBLIC_ACCESS, "Public access is not permitted on this storage account.");
}

eg_err eg_target_refuse_version(eg_request *rq, eg_str query) {
    eg_str v;
    return query.ptr == NULL || eg_query_get(rq->arena, query, "versionid", &v) == EG_ERR_NOT_FOUND ? EG_OK :
        eg_fail(&rq->problem, EG_ERR_HNS_FEATURE, "Versions of blobs are not supported for accounts with a hierarchical namespace.");
}

eg_err eg_target_split(eg_request *rq, eg_str *ret_container, eg_str *ret_path) {
    eg_str rest = rq->path;
    if (rest.len > 0 && rest.ptr[0] == '/') {
        rest.ptr++;
        rest.len--;
    }
    const eg_str container = eg_str_cut(&rest, '/');
    eg_str path = rest.ptr ? rest : EG_LIT("");
    if (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    if (!eg_ns_container_name_ok(container)) {
        return eg_fail(&rq->problem, EG_ERR_PATH_INVALID, "A filesystem's name has 3 to 63 lower-case letters, digits and single hyphens.");
    }
    EG_TRY(eg_ns_path_check(path, &rq->problem));
    *ret_container = container;
    *ret_path = path;
    return EG_OK;
}

eg_err eg_target_container_scope(eg_request *rq, eg_str *ret) {
    eg_str container;
    eg_str path;
    EG_TRY(eg_target_split(rq, &container, &path));
    const eg_str scope = eg_arena_printf(rq->arena, "%.*s/blobServices/default/containers/%.*s", EG_FMT(rq->scope), EG_FMT(container));
    if (!scope.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = scope;
    return EG_OK;
}

/* A longer path is named by its beginning and its digest. */
static void name_resource(eg_request *rq, eg_str container, eg_str path) {
    const size_t cap = sizeof rq->record_resource;
    const int n = snprintf(rq->record_resource, cap, "%.*s%s%.*s", EG_FMT(container), path.len ? "/" : "", EG_FMT(path));
    if (n >= 0 && (size_t)n < cap) {
        return;
    }
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    static const char mark[] = "...sha256:";
    eg_sha256(eg_str_bytes(path), digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    size_t keep = cap - sizeof mark - sizeof hex;
    while (keep > 0 && ((unsigned char)rq->record_resource[keep] & 0xc0) == 0x80) {
        keep--; /* not in the middle of a character */
    }
    snprintf(rq->record_resource + keep, cap - keep, "%s%s", mark, hex);
}

eg_err eg_target_open_account(eg_request *rq, eg_target *ret) {
    eg_target d = {.store = rq->room};
    if (rq->must_not_wait && !eg_storage_account_loaded(d.store, rq->account)) {
        return EG_ERR_BUSY;
    }
    const eg_err version = eg_service_version(rq);
    (void)eg_response_header(rq, "x-ms-request-id", "%s", rq->request_id);
    const eg_str client_id = eg_request_header(rq, "x-ms-client-request-id");
    if (client_id.len > 0 && client_id.len <= 1024) {
        (void)eg_response_header(rq, "x-ms-client-request-id", "%.*s", EG_FMT(client_id));
    }
    EG_TRY(version);
    EG_TRY(eg_target_refuse_unbuilt(rq));
    const eg_err e = eg_storage_account(d.store, rq->account, &d.account);
    if (e == EG_ERR_ACCOUNT_NOT_FOUND || (e == EG_OK && !eg_str_is(rq->tenant, d.account->tenant))) {
        return eg_fail(&rq->problem, EG_ERR_ACCOUNT_NOT_FOUND, "The specified account does not exist.");
    }
    EG_TRY(e);
    d.grant = eg_grant_of(rq);
    *ret = d;
    return EG_OK;
}

eg_err eg_target_open(eg_request *rq, eg_target *ret) {
    eg_str container;
    eg_str path;
    EG_TRY(eg_target_split(rq, &container, &path));
    name_resource(rq, container, path);
    EG_TRY(eg_target_open_account(rq, ret));
    ret->container = container;
    ret->path = path;
    return EG_OK;
}

eg_err eg_target_where(eg_request *rq, const eg_target *d, eg_change *ret) {
    eg_change c = {.account = d->account, .grant = &d->grant, .container = d->container, .path = d->path, .now_ns = eg_wall_ns(d->store->clock),
        .forward_ns = eg_storage_forward_ns(d->store)};
    EG_TRY(eg_conditions_read(rq, &c.conditions, &rq->problem));
    EG_TRY(eg_lease_read_id(rq, "x-ms-lease-id", &c.has_lease, &c.lease));
    *ret = c;
    return EG_OK;
}

eg_err eg_target_change(eg_request *rq, const eg_target *d, eg_change *ret) {
    eg_str v;
    if (eg_request_query(rq, "snapshot", &v) != EG_ERR_NOT_FOUND) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "A snapshot can't be changed.");
    }
    return eg_target_where(rq, d, ret);
}

/* ?snapshot=: the snapshot in place of its file. */
static eg_err pick_snapshot(eg_request *rq, const eg_target *d, eg_kv_txn *t, eg_inode *i) {
    eg_str v;
    int64_t at = 0;
    const eg_err e = eg_request_query(rq, "snapshot", &v);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && v.len == 0)) {
        return EG_OK;
    }
    if (e != EG_OK || eg_snapshot_time_parse(v, &at) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter snapshot is not the time of a snapshot.");
    }
    eg_inode base = *i;
    const eg_err found = eg_snapshot_find(t, d->account, &base, at, i);
    return found == EG_ERR_PATH_NOT_FOUND ? eg_fail(&rq->problem, found, "The specified snapshot does not exist.") : found;
}

bool eg_target_record(eg_request *rq, int status, eg_txn_op *ret) {
    if (!rq->ops->record_op) {
        return false;
    }
    *ret = rq->ops->record_op(rq, status);
    return ret->apply != NULL;
}

eg_err eg_target_commit(eg_request *rq, const eg_target *d, eg_txn_op op, int status) {
    eg_txn_op ops[2] = {op};
    ops[0].grows = !eg_str_is(rq->method, "DELETE");
    const size_t n = eg_target_record(rq, status, &ops[1]) ? 2 : 1;
    return eg_commit(d->store->committer, ops, n, &rq->problem);
}

eg_err eg_target_etag(eg_request *rq, const eg_inode *i) {
    char etag[EG_ETAG_LEN];
    char date[EG_HTTP_DATE_LEN];
    eg_ns_etag(i, etag);
    eg_time_http_date(i->modified_ns, date);
    EG_TRY(eg_response_header(rq, "ETag", "\"%s\"", etag));
    return eg_response_header(rq, "Last-Modified", "%s", date);
}

eg_err eg_target_find(eg_request *rq, const eg_target *d, eg_inode *ret) {
    eg_change where;
    EG_TRY(eg_target_where(rq, d, &where));
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_find(t, &where, &place, &i, &rq->problem));
    EG_TRY(pick_snapshot(rq, d, t, &i));
    EG_TRY(eg_ns_inode_keep(&i, rq->arena));
    *ret = i;
    return EG_OK;
}

static eg_err check_read(eg_request *rq, const eg_inode *i, eg_lease_of of) {
    eg_conditions c;
    eg_lease l;
    bool has = false;
    eg_id id;
    EG_TRY(eg_conditions_read(rq, &c, &rq->problem));
    const eg_err met = eg_conditions_check_read(&c, i, &rq->problem);
    if (met == EG_ERR_NOT_MODIFIED) {
        EG_TRY(eg_target_etag(rq, i)); /* RFC 9110 section 15.4.5 */
    }
    EG_TRY(met);
    EG_TRY(eg_lease_read_id(rq, "x-ms-lease-id", &has, &id));
    EG_TRY(eg_lease_decode(i->attr[EG_ATTR_LEASE], &l));
    return eg_lease_check_read(&l, has ? &id : NULL, eg_storage_forward_ns(rq->room), of, &rq->problem);
}

eg_err eg_target_check_read(eg_request *rq, const eg_inode *i) { return check_read(rq, i, EG_LEASE_OF_PATH); }
eg_err eg_target_check_container(eg_request *rq, const eg_inode *root) { return check_read(rq, root, EG_LEASE_OF_CONTAINER); }

eg_err eg_target_query_bool(eg_request *rq, const char *name, bool dflt, bool *ret) {
    eg_str v;
    const eg_err e = eg_request_query(rq, name, &v);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = dflt;
        return EG_OK;
    }
    if (e != EG_OK || !(eg_str_ieq(v, EG_LIT("true")) || eg_str_ieq(v, EG_LIT("false")))) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s is neither true nor false.", name);
    }
    *ret = eg_str_ieq(v, EG_LIT("true"));
    return EG_OK;
}

eg_err eg_target_query_u64(eg_request *rq, const char *name, uint64_t *ret) {
    eg_str v;
    const eg_err e = eg_request_query(rq, name, &v);
    if (e == EG_ERR_NOT_FOUND) {
        return eg_fail(&rq->problem, EG_ERR_QUERY_MISSING, "A query parameter that's mandatory for this request is not specified: %s.", name);
    }
    return e == EG_OK && eg_str_u64(v, INT64_MAX, ret) == EG_OK ? EG_OK :
        eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s is not a number.", name);
}

eg_err eg_target_query_page(eg_request *rq, const char *name, size_t max, size_t *ret) {
    eg_str v;
    uint64_t n = max;
    const eg_err e = eg_request_query(rq, name, &v);
    const bool negative = e == EG_OK && v.len > 1 && v.ptr[0] == '-';
    if (e == EG_OK && negative) {
        v = (eg_str){v.ptr + 1, v.len - 1};
    }
    if (e != EG_ERR_NOT_FOUND && (e != EG_OK || eg_str_u64(v, INT64_MAX, &n) != EG_OK)) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s is not a number.", name);
    }
    if (negative || n == 0) {
        return eg_fail(&rq->problem, EG_ERR_QUERY_RANGE, "One of the query parameters specified in the request URI is outside the permissible range.");
    }
    *ret = n < max ? (size_t)n : max;
    return EG_OK;
}

void eg_target_moved(const eg_request *rq, eg_storage *s, uint64_t read, uint64_t written) {
    const eg_str job = eg_str_of(rq->principal ? rq->principal->job : "");
    eg_metric_add(EG_METRIC_STORAGE_WRITTEN_BYTES, (int64_t)written);
    if (s->usage.moved && job.len > 0 && read + written > 0) {
        s->usage.moved(s->usage.ctx, job, read, written);
    }
}
