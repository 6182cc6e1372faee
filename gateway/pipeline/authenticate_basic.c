/* HTTP Basic on the Livy surface, for clusters whose configuration takes it. */
#include "pipeline_request.h"

static const eg_pipeline_cluster *cluster_of(const eg_pipeline_request *c) {
    const eg_pipeline_options *o = &c->pl->o;
    for (size_t i = 0; i < o->cluster_count; i++) {
        if (eg_str_eq(c->rq->cluster, eg_str_of(o->clusters[i].name)) && eg_str_ieq(c->rq->tenant, eg_str_of(o->clusters[i].tenant))) {
            return &o->clusters[i];
        }
    }
    return NULL;
}

bool eg_pipeline_offers_basic(const eg_pipeline_request *c) {
    bool any = false;
    for (size_t i = 0; i < c->pl->o.cluster_count; i++) {
        any = any || c->pl->o.clusters[i].http_basic;
    }
    return any && c->rq->surface == EG_SURFACE_LIVY;
}

static bool is_write(eg_str method) {
    static const char *const reads[] = {"GET", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        if (eg_str_is(method, reads[i])) {
            return false;
        }
    }
    return true;
}

/* A browser adds passwords and certificates by itself to what another site has it send, but no header that isn't a form's. Livy's own rule: any value will do. */
eg_err eg_pipeline_requested_by(eg_pipeline_request *c) {
    const eg_pipeline_cluster *k = cluster_of(c);
    if (c->rq->surface != EG_SURFACE_LIVY || (k && !k->csrf) || !is_write(c->rq->method) || eg_request_header(c->rq, "X-Requested-By").ptr) {
        return EG_OK;
    }
    return eg_fail(&c->rq->problem, EG_ERR_CSRF, "Missing Required Header for CSRF protection.");
}

static void again(void *arg) {
    eg_pipeline_run(arg);
}

/* From a pool thread. The door keeps the request while neither proceed nor answer came. */
static void is_known(void *arg) {
    eg_pipeline_request *c = arg;
    eg_door_on_worker(c->rq, again, c);
}

static eg_err begin(eg_pipeline_request *c) {
    static const char nobody[] = "00000000-0000-0000-0000-000000000000";
    const eg_pipeline_cluster *k = cluster_of(c);
    c->basic = eg_arena_alloc(c->rq->arena, sizeof *c->basic);
    if (!c->basic) {
        return EG_ERR_LIMIT;
    }
    /* A cluster that isn't there, or doesn't take passwords, costs and says the same as a wrong password. */
    *c->basic = (eg_basic_ask){.tenant = eg_str_of(k && k->http_basic ? k->tenant : nobody), .authorization = c->rq->authorization,
                               .address = c->rq->peer.address, .later = is_known, .later_ctx = c};
    return EG_OK;
}

eg_err eg_pipeline_basic(eg_pipeline_request *c) {
    if (!eg_pipeline_offers_basic(c) || !eg_identity_is_basic(c->rq->authorization)) {
        return EG_ERR_NOT_FOUND;
    }
    EG_TRY(c->basic ? EG_OK : begin(c));
    const eg_err e = eg_identity_basic(c->pl->o.identity, c->basic, &c->held);
    if (e == EG_ERR_BUSY) {
        return e; /* what it says is the pool's until it is asked again */
    }
    if (e != EG_OK) {
        c->rq->problem = c->basic->problem;
        return e;
    }
    c->rq->principal = c->held;
    return eg_pipeline_requested_by(c);
}
