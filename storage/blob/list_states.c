/* What List Blobs gives of other times: a blob's snapshots, and with include=deleted the names that are kept for undelete. */
#include "list_blobs.h"

#include "deleted.h"
#include "snapshot.h"

#define DAY_NS ((int64_t)86400 * 1000000000)

typedef struct giving {
    eg_list_page *page;
    eg_str name;
} giving;

static eg_err give_snapshot(void *ctx, int64_t at_ns, const eg_inode *i) {
    const giving *x = ctx;
    char time[EG_SNAPSHOT_TIME_LEN];
    eg_snapshot_time_text(at_ns, time);
    const eg_list_state state = {.snapshot = eg_str_of(time)};
    x->page->given++;
    return eg_list_blob_xml(x->page, x->name, i, &state);
}

eg_err eg_list_snapshots_of(eg_list_page *g, eg_str name, const eg_inode *i) {
    giving x = {g, name};
    return eg_snapshot_each(g->t, g->walk.account, i, give_snapshot, &x);
}

static eg_err offer(void *ctx, const eg_deleted *d) {
    const giving *x = ctx;
    return eg_extra_offer(x->page, &eg_list_sources[EG_LIST_SOURCE_DELETED], d->name, (int64_t)d->deletion);
}

eg_err eg_list_deleted_names(eg_list_page *g) {
    giving x = {.page = g};
    const eg_deleted_walk w = {.from = {.account = g->walk.account, .root = g->walk.root}, .prefix = g->walk.prefix, .forward_ns = g->forward_ns,
        .each = offer, .ctx = &x};
    return eg_deleted_each(g->t, &w);
}

eg_err eg_list_deleted_xml(eg_list_page *g, eg_str name, int64_t deletion) {
    const eg_deleted_from from = {.account = g->walk.account, .root = g->walk.root};
    char date[EG_HTTP_DATE_LEN];
    eg_deleted d;
    eg_inode i;
    EG_TRY(eg_deleted_get(g->t, &from, name, (uint64_t)deletion, g->forward_ns, &d));
    EG_TRY(eg_ns_inode_get(g->t, g->walk.account, &d.inode, &i));
    eg_time_http_date(d.deleted_ns, date);
    const eg_str xml = eg_arena_printf(g->rq->arena, "<DeletedTime>%s</DeletedTime><RemainingRetentionDays>%d</RemainingRetentionDays>",
        date, (int)((d.until_ns - g->forward_ns + DAY_NS - 1) / DAY_NS));
    const eg_list_state state = {.deleted = true, .deletion = d.deletion, .deleted_xml = xml};
    return xml.ptr ? eg_list_blob_xml(g, name, &i, &state) : EG_ERR_NO_MEMORY;
}
