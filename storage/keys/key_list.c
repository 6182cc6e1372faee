/* The keys of a tenant as JSON. Nothing in it needs escaping: names are letters, digits, hyphens and dots. */
#include "key_list.h"

#include <embergate/clock.h>

typedef struct list {
    int dir_fd;
    const eg_secret *master;
    eg_str tenant;
    eg_buf *out;
    size_t count;
} list;

static void add_version(eg_buf *out, const eg_key_version *v, bool first) {
    (void)eg_buf_addf(out, "%s{\"version\":%u,\"created\":", first ? "" : ",", (unsigned)v->number);
    if (v->created_ns == 0) {
        (void)eg_buf_adds(out, "null");
    } else {
        char time[EG_RFC3339_LEN];
        eg_time_rfc3339(v->created_ns, time);
        (void)eg_buf_addf(out, "\"%s\"", time);
    }
    (void)eg_buf_addf(out, ",\"state\":\"%s\"}", v->state == EG_KEY_RETIRED ? "retired" : "inUse");
}

static eg_err add_key(void *ctx, eg_str name) {
    list *l = ctx;
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *r = NULL;
    const eg_err e = eg_key_ring_read(l->dir_fd, l->master, l->tenant, name, &r);
    if (e == EG_ERR_KEY_DESTROYED) {
        return EG_OK;
    }
    EG_TRY(e);
    (void)eg_buf_addf(l->out, "%s{\"name\":\"%s\",\"current\":%u,\"versions\":[", l->count++ ? "," : "", r->name, (unsigned)eg_key_ring_current(r)->number);
    for (size_t i = 0; i < r->count; i++) {
        add_version(l->out, &r->versions[i], i == 0);
    }
    return eg_buf_adds(l->out, "]}");
}

eg_err eg_key_list(int dir_fd, const eg_secret *master, eg_str tenant, eg_buf *ret_json) {
    list l = {dir_fd, master, tenant, ret_json, 0};
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *own = NULL;
    const eg_err e = eg_key_ring_read(dir_fd, master, tenant, EG_LIT(""), &own);
    if (e != EG_OK && e != EG_ERR_KEY_DESTROYED) {
        return e;
    }
    (void)eg_buf_addf(ret_json, "{\"tenant\":\"%.*s\",\"destroyed\":%s,\"keys\":[", EG_FMT(tenant), e == EG_OK ? "false" : "true");
    if (e == EG_OK) {
        EG_TRY(eg_key_ring_each(dir_fd, tenant, add_key, &l));
    }
    return eg_buf_adds(ret_json, "]}");
}
