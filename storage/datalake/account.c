/* The filesystems of an account: JSON for the Data Lake API, XML for the Blob API. */
#include "datalake.h"

#include "encryption.h"
#include "json_text.h"
#include "lifecycle.h"
#include "metadata.h"

#define BODY_MAX ((size_t)64 << 20)
#define BODY_ENOUGH ((size_t)3 << 20)   /* a page ends early when its text gets this long */

typedef struct page {
    eg_buf body;
    bool xml;
    bool deleted;             /* those that are kept for undelete follow, on the last page */
    bool metadata;
    int64_t forward_ns;       /* of leases */
    size_t count;
    size_t max;
} page;

static void add_container(page *g, eg_str name, const eg_inode *root) {
    eg_lease l = {0};
    (void)!eg_lease_decode(root->attr[EG_ATTR_LEASE], &l);
    const eg_lease_state state = eg_lease_state_at(&l, g->forward_ns);
    char etag[EG_ETAG_LEN];
    char date[EG_HTTP_DATE_LEN];
    eg_ns_etag(root, etag);
    eg_time_http_date(root->modified_ns, date);
    bool deny = false;
    eg_str scope = eg_encryption_default(root, &deny);
    scope = scope.len > 0 ? scope : EG_LIT("$account-encryption-key");
    eg_buf *b = &g->body;
    if (g->xml) {
        (void)eg_buf_adds(b, "<Container><Name>");
        (void)eg_xml_text(b, name);
        (void)eg_buf_addf(b, "</Name><Properties><Last-Modified>%s</Last-Modified><Etag>\"%s\"</Etag>"
            "<LeaseStatus>%s</LeaseStatus><LeaseState>%s</LeaseState>"
            "<DefaultEncryptionScope>%.*s</DefaultEncryptionScope><DenyEncryptionScopeOverride>%s</DenyEncryptionScopeOverride>"
            "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold></Properties>", date, etag,
            eg_lease_status_text(state), eg_lease_state_text(state), EG_FMT(scope), deny ? "true" : "false");
        if (g->metadata) {
            (void)eg_buf_adds(b, "<Metadata>");
            (void)eg_metadata_xml(b, eg_bytes_str(root->attr[EG_ATTR_PROPERTIES]));
            (void)eg_buf_adds(b, "</Metadata>");
        }
        (void)eg_buf_adds(b, "</Container>");
        return;
    }
    (void)eg_buf_adds(b, g->count ? ",{\"name\":" : "{\"name\":");
    (void)eg_json_text(b, name);
    (void)eg_buf_addf(b, ",\"lastModified\":\"%s\",\"etag\":\"%s\",\"DefaultEncryptionScope\":\"%.*s\",\"DenyEncryptionScopeOverride\":\"%s\"}", date, etag,
        EG_FMT(scope), deny ? "true" : "false");
}

/* One page: names after after[1], the marker, that begin with after[0], the prefix. *ret_next: the last name given, when there are more. */
static eg_err list(const eg_target *d, const eg_str after[2], page *g, eg_arena *arena, eg_str *ret_next) {
    const eg_str prefix = after[0];
    const eg_str marker = after[1];
    uint8_t key[EG_CONTAINER_KEY_MAX];
    const size_t all = eg_ns_container_key(d->account, EG_LIT(""), key);
    const size_t from = eg_ns_container_key(d->account, marker.len > 0 ? marker : prefix, key);
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, EG_DB_FS_ACCOUNT, (eg_bytes){key, from}, &c));
    eg_str last = {NULL, 0};
    for (;;) {
        eg_bytes k;
        eg_bytes v;
        const eg_err e = eg_kv_cursor_next(c, &k, &v);
        if (e == EG_ERR_NOT_FOUND || (e == EG_OK && (k.len <= all || memcmp(k.ptr, key, all) != 0))) {
            return g->deleted ? eg_deleted_containers_xml(d, t, prefix, &g->body) : EG_OK;
        }
        EG_TRY(e);
        const eg_str name = {(const char *)k.ptr + all, k.len - all};
        if (eg_str_eq(name, marker)) {
            continue;
        }
        if (name.len < prefix.len || memcmp(name.ptr, prefix.ptr, prefix.len) != 0) {
            return g->deleted ? eg_deleted_containers_xml(d, t, prefix, &g->body) : EG_OK;
        }
        if (g->count == g->max || g->body.len > BODY_ENOUGH) {
            *ret_next = eg_arena_str(arena, last);
            return ret_next->ptr ? EG_OK : EG_ERR_NO_MEMORY;
        }
        eg_container found;
        eg_inode root;
        EG_TRY(eg_ns_container_decode(d->account, k, v, &found));
        EG_TRY(eg_ns_inode_get(t, d->account, &found.root, &root));
        add_container(g, name, &root);
        last = name;
        g->count++;
    }
}

/* A marker is a container's name; anything else begins at the start. */
static eg_err read_name(eg_request *rq, const char *query, eg_str *ret) {
    const eg_err e = eg_request_query(rq, query, ret);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = EG_LIT("");
        return EG_OK;
    }
    return e != EG_OK || ret->len > 63 ? eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s can't be read.", query) : EG_OK;
}

static eg_err run(eg_request *rq, bool xml) {
    eg_target d;
    eg_str after[2]; /* prefix, marker */
    eg_str next = {NULL, 0};
    page g = {.xml = xml};
    EG_TRY(eg_target_open_account(rq, &d));
    g.forward_ns = eg_storage_forward_ns(d.store);
    eg_str include;
    g.deleted = xml && eg_request_query(rq, "include", &include) == EG_OK && memmem(include.ptr, include.len, "deleted", 7);
    g.metadata = xml && eg_request_query(rq, "include", &include) == EG_OK && memmem(include.ptr, include.len, "metadata", 8);
    EG_TRY(read_name(rq, "prefix", &after[0]));
    EG_TRY(read_name(rq, xml ? "marker" : "continuation", &after[1]));
    EG_TRY(eg_target_query_page(rq, xml ? "maxresults" : "maxResults", EG_LIST_PAGE_MAX, &g.max));
    eg_buf_init(&g.body, BODY_MAX);
    (void)eg_buf_adds(&g.body, xml ? "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Containers>" : "{\"filesystems\":[");
    eg_err e = list(&d, after, &g, rq->arena, &next);
    if (e == EG_OK && xml) {
        (void)eg_buf_adds(&g.body, "</Containers><NextMarker>");
        (void)eg_xml_text(&g.body, next.ptr ? next : EG_LIT(""));
        e = eg_buf_adds(&g.body, "</NextMarker></EnumerationResults>");
    } else if (e == EG_OK) {
        if (next.len > 0) {
            (void)eg_response_header(rq, "x-ms-continuation", "%.*s", EG_FMT(next));
        }
        e = eg_buf_adds(&g.body, "]}");
    }
    if (e != EG_OK) {
        eg_buf_done(&g.body);
        return e;
    }
    return eg_respond_owned(rq, 200, xml ? "application/xml" : "application/json;charset=utf-8", &g.body);
}

eg_err eg_dfs_account_list_json(eg_request *rq) { return run(rq, false); }
eg_err eg_dfs_account_list_xml(eg_request *rq) { return run(rq, true); }
