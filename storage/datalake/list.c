/* The paths of a filesystem as JSON. */
#include "datalake.h"

#include "json_text.h"
#include "listing.h"
#include "permissions.h"

#include <embergate/encoding.h>

#define BODY_MAX ((size_t)32 << 20)
/* A page ends early when its text gets this long. */
#define BODY_ENOUGH ((size_t)4 << 20)
/* 100 ns since 1601, as Azure gives times of creation. */
#define FILETIME_OF(ns) ((unsigned long long)((ns) / 100 + 116444736000000000LL))

typedef struct page {
    eg_buf body;
    size_t count;
    eg_listing *listing;
} page;

static eg_err add_path(void *ctx, eg_str path, const eg_inode *i) {
    page *g = ctx;
    char etag[EG_ETAG_LEN];
    char date[EG_HTTP_DATE_LEN];
    char permissions[EG_PERMISSIONS_LEN];
    eg_ns_etag(i, etag);
    eg_time_http_date(i->modified_ns, date);
    eg_permissions_text(i->mode, permissions);
    eg_buf *b = &g->body;
    (void)eg_buf_adds(b, g->count++ ? ",{\"name\":" : "{\"name\":");
    (void)eg_json_text(b, path);
    (void)eg_buf_addf(b, "%s,\"contentLength\":\"%llu\",\"creationTime\":\"%llu\",\"etag\":\"%s\",\"lastModified\":\"%s\",\"owner\":",
        i->kind == EG_KIND_DIRECTORY ? ",\"isDirectory\":\"true\"" : "", (unsigned long long)i->length, FILETIME_OF(i->created_ns), etag, date);
    (void)eg_json_text(b, eg_bytes_str(i->attr[EG_ATTR_OWNER]));
    (void)eg_buf_adds(b, ",\"group\":");
    (void)eg_json_text(b, eg_bytes_str(i->attr[EG_ATTR_GROUP]));
    if (i->kind == EG_KIND_FILE && i->attr[EG_ATTR_ENCRYPTION_SCOPE].len > 0) {
        (void)eg_buf_adds(b, ",\"EncryptionScope\":");
        (void)eg_json_text(b, eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_SCOPE]));
    }
    if (i->attr[EG_ATTR_ENCRYPTION_CONTEXT].len > 0) {
        (void)eg_buf_adds(b, ",\"EncryptionContext\":");
        (void)eg_json_text(b, eg_bytes_str(i->attr[EG_ATTR_ENCRYPTION_CONTEXT]));
    }
    if (i->attr[EG_ATTR_CUSTOMER_KEY].len > 0) {
        (void)eg_buf_adds(b, ",\"CustomerProvidedKeySha256\":\"");
        EG_TRY(eg_base64(i->attr[EG_ATTR_CUSTOMER_KEY], b));
        (void)eg_buf_adds(b, "\"");
    }
    if (b->len > BODY_ENOUGH) {
        g->listing->max = g->count;
    }
    eg_acl acl;
    EG_TRY(eg_acl_of(i->mode, eg_bytes_str(i->attr[EG_ATTR_ACL]), &acl));
    return eg_buf_addf(b, ",\"permissions\":\"%s%s\"}", permissions, eg_acl_extended(&acl) ? "+" : "");
}

static eg_err read_directory(eg_request *rq, eg_target *d) {
    eg_str v;
    const eg_err e = eg_request_query(rq, "directory", &v);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    if (e != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter directory can't be read.");
    }
    while (v.len > 0 && v.ptr[0] == '/') {
        v.ptr++;
        v.len--;
    }
    while (v.len > 0 && v.ptr[v.len - 1] == '/') {
        v.len--;
    }
    d->path = v;
    return eg_ns_path_check(v, &rq->problem);
}

/* The ABFS driver makes a token of its own when it wants a listing to begin at a name: base64 of "{crc} 0 {name}". */
static bool begins_at(eg_str token, eg_arena *arena, eg_listing *l) {
    uint8_t raw[EG_NAME_MAX + 32];
    size_t n = 0;
    if (eg_unbase64(token, raw, sizeof raw, &n) != EG_OK) {
        return false;
    }
    eg_str rest = {(const char *)raw, n};
    const eg_str sum = eg_str_cut(&rest, ' ');
    const eg_str zero = eg_str_cut(&rest, ' ');
    if (!rest.ptr || rest.len == 0 || rest.len > EG_NAME_MAX || sum.len == 0 || !eg_str_is(zero, "0") || memchr(rest.ptr, '/', rest.len)) {
        return false;
    }
    l->after = eg_arena_str(arena, rest);
    l->inclusive = true;
    return l->after.ptr != NULL;
}

static eg_err read_continuation(eg_request *rq, eg_listing *l) {
    eg_str v;
    const eg_err e = eg_request_query(rq, "continuation", &v);
    if (e == EG_ERR_NOT_FOUND || (e == EG_OK && v.len == 0)) {
        return EG_OK;
    }
    if (e != EG_OK || (eg_listing_token_read(l, v, rq->arena, &l->after) != EG_OK && !begins_at(v, rq->arena, l))) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The continuation token is not one of this listing.");
    }
    return EG_OK;
}

/* One page within one transaction. */
static eg_err list(eg_request *rq, const eg_target *d, eg_listing *l, eg_buf *ret_last) {
    eg_change where = {.account = d->account, .grant = &d->grant, .container = d->container, .path = d->path, .forward_ns = l->forward_ns};
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_find(t, &where, &place, &i, &rq->problem));
    if (i.kind == EG_KIND_FILE) {
        return l->each(l->ctx, d->path, &i); /* the listing of a file is that file */
    }
    l->directory = i.id;
    EG_TRY(read_continuation(rq, l));
    EG_TRY(eg_target_etag(rq, &i));
    return eg_listing_run(t, l, ret_last);
}

static eg_err fill(eg_request *rq, const eg_target *d, eg_listing *l, page *g) {
    eg_buf last;
    eg_buf token;
    eg_buf_init(&last, EG_PATH_MAX + 1);
    eg_buf_init(&token, 2 * EG_PATH_MAX);
    (void)eg_buf_adds(&g->body, "{\"paths\":[");
    eg_err e = list(rq, d, l, &last);
    if (e == EG_OK && last.len > 0) {
        e = eg_listing_token(l, eg_buf_str(&last), &token);
    }
    if (e == EG_OK && token.len > 0) {
        e = eg_response_header(rq, "x-ms-continuation", "%.*s", EG_FMT(eg_buf_str(&token)));
    }
    if (e == EG_OK) {
        e = eg_buf_adds(&g->body, "]}");
    }
    eg_buf_done(&last);
    eg_buf_done(&token);
    return e;
}

eg_err eg_dfs_list(eg_request *rq) {
    eg_target d;
    page g = {.count = 0};
    eg_listing l = {.each = add_path, .ctx = &g};
    g.listing = &l;
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(read_directory(rq, &d));
    EG_TRY(eg_target_query_page(rq, "maxResults", EG_LIST_PAGE_MAX, &l.max));
    EG_TRY(eg_target_query_bool(rq, "recursive", false, &l.recursive));
    l.account = d.account;
    l.grant = &d.grant;
    l.prefix = d.path;
    l.forward_ns = eg_storage_forward_ns(d.store);
    eg_buf_init(&g.body, BODY_MAX);
    const eg_err e = fill(rq, &d, &l, &g);
    if (e != EG_OK) {
        eg_buf_done(&g.body);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/json;charset=utf-8", &g.body);
}
