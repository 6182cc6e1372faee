/* Restoring paths and filesystems, and saying which there are to restore. */
#include "lifecycle.h"

#include "deleted.h"
#include "json_text.h"

#include <embergate/actions.h>
#include <embergate/encoding.h>

#define BODY_MAX ((size_t)32 << 20)
#define BODY_ENOUGH ((size_t)4 << 20)
#define DAY_NS ((int64_t)86400 * 1000000000)

/* "path?deletionid=123", percent-encoded, perhaps with a slash before it. */
static eg_err read_source(eg_request *rq, eg_path_undelete *u) {
    eg_str raw = eg_request_header(rq, "x-ms-undelete-source");
    if (raw.len == 0) {
        u->source = u->base.path;
        return EG_OK;
    }
    eg_str path = eg_str_cut(&raw, '?');
    eg_str id;
    while (path.len > 0 && path.ptr[0] == '/') {
        path = (eg_str){path.ptr + 1, path.len - 1};
    }
    if (path.len > 3 * EG_PATH_MAX || eg_percent_decode(rq->arena, path, false, &u->source) != EG_OK || !raw.ptr ||
        eg_query_get(rq->arena, raw, "deletionid", &id) != EG_OK || eg_str_u64(id, INT64_MAX, &u->deletion) != EG_OK || u->deletion == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header x-ms-undelete-source is not a path with its deletionid.");
    }
    return eg_ns_path_check(u->source, &rq->problem);
}

eg_err eg_undelete_path(eg_request *rq) {
    static const char *const writing[] = {EG_ACTION_BLOB_WRITE, NULL};
    eg_target d;
    eg_path_undelete u = {.deletion = 0};
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(eg_target_change(rq, &d, &u.base));
    EG_TRY(read_source(rq, &u));
    const eg_grant from = eg_grant_at(rq, d.container, EG_LIT(""), writing);
    u.source_grant = &from;
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_undelete_apply, &u}, 200));
    EG_TRY(eg_target_etag(rq, &u.base.after));
    EG_TRY(eg_response_header(rq, "x-ms-resource-type", "%s", u.base.after.kind == EG_KIND_DIRECTORY ? "directory" : "file"));
    return eg_respond_empty(rq, 200);
}

/* Under another name it is in another role assignment's scope: who restores it there must be let write it where it was. */
static eg_err may_take(eg_request *rq, eg_str source, eg_str to) {
    if (eg_str_eq(source, to) || rq->way != EG_WAY_ROLE) {
        return EG_OK;
    }
    const eg_str scope = eg_grant_scope(rq, source);
    return scope.ptr && rq->ops->decide_at && rq->ops->decide_at(rq, EG_ACTION_CONTAINER_WRITE, false, scope, EG_LIT("")) == EG_OK ? EG_OK
        : eg_fail(&rq->problem, EG_ERR_DENIED_DATA, "This request is not authorized to perform this operation using this permission.");
}

eg_err eg_undelete_container(eg_request *rq) {
    eg_target d;
    eg_container_undelete u = {.deletion = 0};
    EG_TRY(eg_target_open(rq, &d));
    u.base = (eg_container_change){.account = d.account, .container = d.container, .now_ns = eg_wall_ns(d.store->clock),
        .forward_ns = eg_storage_forward_ns(d.store)};
    u.source = eg_request_header(rq, "x-ms-deleted-container-name");
    const eg_str version = eg_request_header(rq, "x-ms-deleted-container-version");
    if (!eg_ns_container_name_ok(u.source) || eg_str_u64(version, INT64_MAX, &u.deletion) != EG_OK || u.deletion == 0) {
        return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "x-ms-deleted-container-name and x-ms-deleted-container-version name no deleted container.");
    }
    EG_TRY(may_take(rq, u.source, d.container));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_container_undelete_apply, &u}, 201));
    EG_TRY(eg_target_etag(rq, &u.base.after));
    return eg_respond_empty(rq, 201);
}

typedef struct page {
    const eg_target *target;
    eg_kv_txn *txn;
    const eg_deleted_walk *walk;
    eg_buf *body;
    size_t max;
    size_t count;
    uint8_t mark[EG_KV_KEY_MAX];   /* of the last one given */
    size_t mark_len;
} page;

/* Whole days that are left; the last one counts. */
static int days_left(const eg_deleted *d, int64_t now_ns) { return (int)((d->until_ns - now_ns + DAY_NS - 1) / DAY_NS); }

static eg_err add_path(void *ctx, const eg_deleted *d) {
    page *g = ctx;
    char etag[EG_ETAG_LEN];
    char created[EG_HTTP_DATE_LEN];
    char modified[EG_HTTP_DATE_LEN];
    char deleted[EG_HTTP_DATE_LEN];
    eg_inode i;
    if (g->count == g->max || g->body->len > BODY_ENOUGH) {
        return EG_ERR_CANCELLED; /* the page is full */
    }
    EG_TRY(eg_ns_inode_get(g->txn, g->target->account, &d->inode, &i));
    eg_ns_etag(&i, etag);
    eg_time_http_date(i.created_ns, created);
    eg_time_http_date(i.modified_ns, modified);
    eg_time_http_date(d->deleted_ns, deleted);
    (void)eg_buf_adds(g->body, "<Blob><Name>");
    (void)eg_xml_text(g->body, d->name);
    (void)eg_buf_addf(g->body, "</Name><Deleted>true</Deleted><DeletionId>%llu</DeletionId><Properties><Creation-Time>%s</Creation-Time>"
        "<Last-Modified>%s</Last-Modified><Etag>%s</Etag><ResourceType>%s</ResourceType><Content-Length>%llu</Content-Length>"
        "<BlobType>BlockBlob</BlobType><ServerEncrypted>true</ServerEncrypted><DeletedTime>%s</DeletedTime>"
        "<RemainingRetentionDays>%d</RemainingRetentionDays></Properties></Blob>", (unsigned long long)d->deletion, created, modified, etag,
        d->kind == EG_KIND_DIRECTORY ? "directory" : "file", (unsigned long long)i.length, deleted, days_left(d, g->walk->forward_ns));
    g->mark_len = eg_deleted_mark(&g->walk->from, d, g->mark);
    g->count++;
    return g->body->err;
}

static eg_err read_text(eg_request *rq, const char *name, size_t max, eg_str *ret) {
    const eg_err e = eg_request_query(rq, name, ret);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = EG_LIT("");
        return EG_OK;
    }
    return e == EG_OK && ret->len <= max ? EG_OK : eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s can't be read.", name);
}

/* The marker is a row's key behind what is fixed: base64url, so that it is a text. It is only a place to go on from. */
static eg_err read_marker(eg_request *rq, const eg_deleted_from *from, uint8_t room[EG_KV_KEY_MAX], eg_bytes *ret) {
    eg_str text;
    size_t n = 0;
    EG_TRY(read_text(rq, "marker", 1024, &text));
    if (text.len == 0) {
        return EG_OK;
    }
    if (eg_unbase64url(text, room, EG_KV_KEY_MAX, &n) != EG_OK || n < 17 + 9 || room[0] != 'p' || memcmp(room + 1, from->root.b, 16) != 0) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter marker is not one of this listing.");
    }
    *ret = (eg_bytes){room, n};
    return EG_OK;
}

static eg_err fill(eg_request *rq, const eg_target *d, eg_buf *body) {
    uint8_t room[EG_KV_KEY_MAX];
    eg_deleted_walk w = {.from.account = d->account, .forward_ns = eg_storage_forward_ns(d->store), .each = add_path};
    page g = {.target = d, .walk = &w, .body = body, .max = EG_LIST_PAGE_MAX};
    eg_str max;
    uint64_t n = EG_LIST_PAGE_MAX;
    eg_change where;
    eg_place place;
    eg_inode root;
    EG_TRY(read_text(rq, "prefix", EG_PATH_MAX, &w.prefix));
    EG_TRY(read_text(rq, "maxresults", 10, &max));
    if (max.len > 0 && (eg_str_u64(max, UINT32_MAX, &n) != EG_OK || n == 0)) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter maxresults is not a positive number.");
    }
    g.max = n < EG_LIST_PAGE_MAX ? (size_t)n : EG_LIST_PAGE_MAX;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    EG_TRY(eg_target_where(rq, d, &where));
    EG_TRY(eg_path_find(t, &where, &place, &root, &rq->problem)); /* who may list the root */
    g.txn = t;
    w.from.root = root.id;
    w.ctx = &g;
    EG_TRY(read_marker(rq, &w.from, room, &w.after));
    (void)eg_buf_addf(body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"%.*s\"><Blobs>", EG_FMT(d->container));
    const eg_err e = eg_deleted_each(t, &w);
    if (e != EG_OK && e != EG_ERR_CANCELLED) {
        return e;
    }
    (void)eg_buf_adds(body, "</Blobs><NextMarker>");
    if (e == EG_ERR_CANCELLED) {
        (void)eg_base64url((eg_bytes){g.mark, g.mark_len}, body);
    }
    return eg_buf_adds(body, "</NextMarker></EnumerationResults>");
}

eg_err eg_deleted_list(eg_request *rq) {
    eg_target d;
    eg_buf body;
    EG_TRY(eg_target_open(rq, &d));
    eg_buf_init(&body, BODY_MAX);
    const eg_err e = fill(rq, &d, &body);
    if (e != EG_OK) {
        eg_buf_done(&body);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/xml", &body);
}

static eg_err add_container(void *ctx, const eg_deleted *d) {
    page *g = ctx;
    char modified[EG_HTTP_DATE_LEN];
    char deleted[EG_HTTP_DATE_LEN];
    if (g->count++ == EG_LIST_PAGE_MAX) {
        return EG_ERR_CANCELLED;
    }
    eg_time_http_date(d->created_ns, modified);
    eg_time_http_date(d->deleted_ns, deleted);
    return eg_buf_addf(g->body, "<Container><Name>%.*s</Name><Deleted>true</Deleted><Version>%llu</Version><Properties><Last-Modified>%s</Last-Modified>"
        "<Etag>\"0x%llX\"</Etag><LeaseStatus>unlocked</LeaseStatus><LeaseState>expired</LeaseState><DeletedTime>%s</DeletedTime>"
        "<RemainingRetentionDays>%d</RemainingRetentionDays></Properties></Container>", EG_FMT(d->name), (unsigned long long)d->deletion, modified,
        (unsigned long long)d->deletion, deleted, days_left(d, g->walk->forward_ns));
}

eg_err eg_deleted_containers_xml(const eg_target *d, eg_kv_txn *t, eg_str prefix, eg_buf *b) {
    eg_deleted_walk w = {.from = {.account = d->account, .containers = true}, .prefix = prefix, .forward_ns = eg_storage_forward_ns(d->store),
        .each = add_container};
    page g = {.target = d, .txn = t, .walk = &w, .body = b};
    w.ctx = &g;
    const eg_err e = eg_deleted_each(t, &w);
    return e == EG_ERR_CANCELLED ? EG_OK : e;
}
