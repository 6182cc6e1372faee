/* List Blobs, flat and by hierarchy. */
#include "list_blobs.h"

#include "json_text.h"
#include "list_marker.h"

#define BODY_MAX ((size_t)64 << 20)
#define BODY_ENOUGH ((size_t)6 << 20)   /* a page ends early when its text gets this long */
#define LOOK_MAX 100000                 /* and when so many entries were looked at: most of them may not be asked for */

static const struct {
    const char *word;
    unsigned bit;
} includes[] = {
    {"snapshots", EG_LIST_SNAPSHOTS}, {"metadata", EG_LIST_METADATA}, {"uncommittedblobs", EG_LIST_UNCOMMITTED}, {"copy", EG_LIST_COPY},
    {"deleted", EG_LIST_DELETED}, {"tags", EG_LIST_TAGS}, {"versions", EG_LIST_VERSIONS}, {"deletedwithversions", EG_LIST_DELETED_VERSIONS},
    {"immutabilitypolicy", EG_LIST_IMMUTABILITY}, {"legalhold", EG_LIST_LEGAL_HOLD}, {"permissions", EG_LIST_PERMISSIONS},
};
static const struct {
    const char *word;
    unsigned bit;
} shows[] = {{"files", EG_LIST_SHOW_FILES}, {"directories", EG_LIST_SHOW_DIRECTORIES}, {"deleted", EG_LIST_SHOW_DELETED}};

static eg_err bad_query(eg_request *rq, const char *name) {
    return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter %s has a value that is not supported.", name);
}

/* "" when absent. */
static eg_err query_text(eg_request *rq, const char *name, eg_str *ret) {
    const eg_err e = eg_request_query(rq, name, ret);
    if (e == EG_ERR_NOT_FOUND) {
        *ret = EG_LIT("");
        return EG_OK;
    }
    return e == EG_OK ? e : bad_query(rq, name);
}

static eg_err read_include(eg_request *rq, unsigned *ret) {
    eg_str v;
    EG_TRY(query_text(rq, "include", &v));
    for (eg_str rest = v; rest.ptr && v.len > 0;) {
        const eg_str word = eg_str_cut(&rest, ',');
        size_t i = 0;
        while (i < sizeof includes / sizeof includes[0] && !eg_str_ieq(word, eg_str_of(includes[i].word))) {
            i++;
        }
        if (i == sizeof includes / sizeof includes[0]) {
            return bad_query(rq, "include");
        }
        *ret |= includes[i].bit;
    }
    return EG_OK;
}

static eg_err read_show(eg_request *rq, unsigned *ret) {
    eg_str v;
    EG_TRY(query_text(rq, "showonly", &v));
    for (size_t i = 0; i < sizeof shows / sizeof shows[0]; i++) {
        if (eg_str_ieq(v, eg_str_of(shows[i].word))) {
            *ret = shows[i].bit;
            return EG_OK;
        }
    }
    return v.len == 0 ? EG_OK : bad_query(rq, "showonly");
}

static eg_err read_max(eg_request *rq, size_t *ret) {
    eg_str v;
    uint64_t n = EG_LIST_PAGE_MAX;
    EG_TRY(query_text(rq, "maxresults", &v));
    if (v.len > 0 && (eg_str_u64(v, UINT32_MAX, &n) != EG_OK || n == 0)) {
        return eg_fail(&rq->problem, EG_ERR_QUERY_RANGE, "The query parameter maxresults is not a number from 1 to %d.", EG_LIST_PAGE_MAX);
    }
    *ret = n < EG_LIST_PAGE_MAX ? (size_t)n : EG_LIST_PAGE_MAX;
    return EG_OK;
}

static eg_err read_query(eg_list_page *g) {
    eg_request *rq = g->rq;
    eg_str delimiter;
    EG_TRY(query_text(rq, "prefix", &g->walk.prefix));
    EG_TRY(query_text(rq, "delimiter", &delimiter));
    if (delimiter.len > 0 && !eg_str_is(delimiter, "/")) {
        return bad_query(rq, "delimiter"); /* accounts with directories have no other, in Azure too */
    }
    g->walk.shallow = delimiter.len > 0;
    EG_TRY(read_include(rq, &g->include));
    EG_TRY(read_show(rq, &g->show));
    return read_max(rq, &g->max);
}

static bool shown(const eg_list_page *g, const eg_inode *i) {
    return g->show == 0 || g->show == (i->kind == EG_KIND_DIRECTORY ? EG_LIST_SHOW_DIRECTORIES : EG_LIST_SHOW_FILES);
}

static bool page_full(const eg_list_page *g) { return g->given >= g->max || g->body.len > BODY_ENOUGH || g->looked >= LOOK_MAX; }

/* States of the blob first: they are older, and Azure gives the blob itself last. */
static eg_err give_blob(eg_list_page *g, eg_str name, const eg_inode *i) {
    static const eg_list_state itself = {.deleted = false};
    for (size_t k = 0; k < eg_list_source_count; k++) {
        if ((g->include & eg_list_sources[k].include) && eg_list_sources[k].of_blob) {
            EG_TRY(eg_list_sources[k].of_blob(g, name, i));
        }
    }
    return eg_list_blob_xml(g, name, i, &itself);
}

static eg_err give(eg_list_page *g, eg_str name, const eg_entry *e, bool beneath) {
    eg_inode i;
    EG_TRY(eg_ns_inode_get(g->t, g->walk.account, &e->child, &i));
    if (i.kind != e->kind) {
        return eg_record_corrupt();
    }
    g->looked++;
    if (shown(g, &i) && !eg_ns_inode_expired(&i, g->forward_ns)) {
        g->given++;
        EG_TRY(beneath ? eg_list_prefix_xml(g, name, &i) : give_blob(g, name, &i));
    }
    eg_buf_reset(&g->last);
    g->last_beneath = beneath;
    return eg_buf_add(&g->last, name.ptr, name.len);
}

static eg_err each(void *ctx, eg_str name, const eg_entry *e, bool beneath, bool *ret_stop) {
    eg_list_page *g = ctx;
    bool full = false;
    EG_TRY(eg_extra_give_before(g, name, &full));
    if (full || page_full(g)) {
        *ret_stop = g->more = true;
        return EG_OK;
    }
    return give(g, name, e, beneath);
}

/* The directory that all names with this prefix lie beneath. */
static eg_str directory_of(eg_str prefix) {
    size_t n = prefix.len;
    while (n > 0 && prefix.ptr[n - 1] != '/') {
        n--;
    }
    return n > 0 ? (eg_str){prefix.ptr, n - 1} : EG_LIT("");
}

/* One page within one transaction. */
static eg_err run(eg_list_page *g, const eg_target *d) {
    eg_request *rq = g->rq;
    eg_container c;
    eg_str marker;
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(d->store->kv, &t));
    EG_TRY(eg_grant_check_own(t, &d->grant, &(eg_where){d->account, d->container, directory_of(g->walk.prefix)}, &rq->problem));
    const eg_err found = eg_ns_container_get(t, d->account, d->container, &c);
    if (found != EG_OK) {
        return eg_fail(&rq->problem, found, "The specified container does not exist.");
    }
    g->t = t;
    g->walk.root = c.root;
    EG_TRY(query_text(rq, "marker", &marker));
    if (marker.len > 0 && eg_list_marker_read(marker, rq->arena, &g->walk) != EG_OK) {
        return bad_query(rq, "marker");
    }
    if (marker.len == 0) {
        EG_TRY(query_text(rq, "startFrom", &g->walk.after));
        g->walk.inclusive = true;
    }
    if (d->grant.way != EG_WAY_ACL) { /* lists say nothing of names that aren't in the tree */
        EG_TRY(eg_extra_collect(g));
    }
    EG_TRY(eg_name_walk_run(t, &g->walk));
    if (!g->more) {
        EG_TRY(eg_extra_give_before(g, (eg_str){NULL, 0}, &g->more));
    }
    return EG_OK;
}

static void add_text(eg_list_page *g, const char *element, eg_str v) {
    if (v.len > 0) {
        (void)eg_buf_addf(&g->body, "<%s>", element);
        (void)eg_xml_text(&g->body, v);
        (void)eg_buf_addf(&g->body, "</%s>", element);
    }
}

static eg_err make_page(eg_list_page *g, const eg_target *d) {
    eg_str marker;
    eg_buf next;
    EG_TRY(query_text(g->rq, "marker", &marker));
    (void)eg_buf_addf(&g->body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"https://%.*s/\" ContainerName=\"%.*s\">",
        EG_FMT(g->rq->host), EG_FMT(d->container));
    add_text(g, "Prefix", g->walk.prefix);
    add_text(g, "Marker", marker);
    (void)eg_buf_addf(&g->body, "<MaxResults>%zu</MaxResults>%s<Blobs>", g->max, g->walk.shallow ? "<Delimiter>/</Delimiter>" : "");
    EG_TRY(run(g, d));
    eg_buf_init(&next, EG_LIST_MARKER_MAX);
    const eg_err e = g->more ? eg_list_marker(&g->walk, eg_buf_str(&g->last), g->last_beneath, &next) : EG_OK;
    (void)eg_buf_adds(&g->body, "</Blobs>");
    (void)(next.len > 0 ? eg_buf_addf(&g->body, "<NextMarker>%.*s</NextMarker>", EG_FMT(eg_buf_str(&next))) : eg_buf_adds(&g->body, "<NextMarker />"));
    eg_buf_done(&next);
    EG_TRY(e);
    return eg_buf_adds(&g->body, "</EnumerationResults>");
}

eg_err eg_blob_list(eg_request *rq) {
    eg_target d;
    eg_list_page g = {.rq = rq};
    EG_TRY(eg_target_open(rq, &d));
    g.store = d.store;
    g.walk.account = d.account;
    g.walk.grant = &d.grant;
    g.forward_ns = eg_storage_forward_ns(d.store);
    g.walk.each = each;
    g.walk.ctx = &g;
    EG_TRY(read_query(&g));
    eg_buf_init(&g.body, BODY_MAX);
    eg_buf_init(&g.last, EG_PATH_MAX + 1);
    const eg_err e = make_page(&g, &d);
    eg_buf_done(&g.last);
    eg_extra_free(g.extra);
    if (e != EG_OK) {
        eg_buf_done(&g.body);
        return e;
    }
    return eg_respond_owned(rq, 200, "application/xml", &g.body);
}
