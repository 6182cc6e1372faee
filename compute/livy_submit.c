/* POST /batches: everything is checked first, then one transaction makes the batch, and only then it is answered and started. */
#include "livy.h"

#include "batch_start.h"
#include "job_quota.h"
#include "watcher.h"

#include <embergate/metrics.h>

#include <stdio.h>
#include <stdlib.h>

#define ROUTE "POST /batches"
#define QUOTA_RETRY_S 30 /* batches take about as long to end */

typedef struct submission {
    eg_request *rq;
    eg_compute *c;
    const eg_cluster_config *cluster;
    size_t cluster_index;
    json_t *request;            /* owned */
    eg_str do_as;
    bool has_key;
    eg_idempotency key;
} submission;

/* Livy's parse errors are a bare JSON string, which some of its clients show as it is. */
static eg_err respond_parse_error(eg_request *rq, eg_err e) {
    rq->response.error = e;
    return eg_respond_json(rq, eg_err_http_status(e), json_string(rq->problem.message));
}

static void fill_batch(const submission *s, uint32_t id, eg_batch *b) {
    const eg_principal *who = s->rq->principal;
    snprintf(b->cluster, sizeof b->cluster, "%s", s->cluster->name);
    b->id = id;
    eg_str name = eg_json_str(s->request, "name");
    snprintf(b->name, sizeof b->name, "%.*s", EG_FMT(name));
    snprintf(b->tenant, sizeof b->tenant, "%s", s->cluster->tenant);
    snprintf(b->owner, sizeof b->owner, "%s", who->object_id);
    b->owner_kind = who->kind;
    b->groups_unknown = who->groups_unknown || who->group_count > EG_PRINCIPAL_GROUPS_MAX; /* some of them would be none of the others */
    b->group_count = b->groups_unknown ? 0 : who->group_count;
    b->state = EG_BATCH_STARTING;
    b->created_ns = eg_wall_ns(s->c->o.clock);
    b->shape = eg_batch_start_shape(s->cluster, s->request);
}

static eg_err seal_batch(const submission *s, eg_batch *b) {
    const eg_principal *who = s->rq->principal;
    const eg_keys *keys = s->c->o.keys;
    if (b->group_count) {
        b->groups = calloc(b->group_count, sizeof *b->groups);
        if (!b->groups) {
            return EG_ERR_NO_MEMORY;
        }
        memcpy(b->groups, who->groups, b->group_count * sizeof *b->groups);
    }
    char purpose[128];
    eg_batch_purpose(b, purpose);
    EG_CLEANUP(eg_secret_free_p) eg_secret *key = NULL;
    EG_TRY(keys->new_data_key(keys->ctx, eg_str_of(b->tenant), eg_str_of(purpose), &key, b->wrapped, &b->wrapped_len));
    EG_JSON_AUTO names = json_pack("{s:s,s:O}", "owner", who->name, "proxyUser", json_object_get(s->request, "proxyUser"));
    return names ? eg_batch_seal(b, key, names, s->request) : EG_ERR_NO_MEMORY;
}

/* The commit that makes it: batch, name, id, idempotency, audit record. */
static eg_err commit_batch(submission *s, const eg_batch *b) {
    eg_buf record;
    eg_buf_init(&record, EG_BATCH_RECORD_MAX);
    eg_err e = eg_batch_record_encode(b, &record);
    eg_batch_insert insert = {.batch = b, .record = eg_buf_bytes(&record)};
    eg_txn_op ops[3];
    size_t n = 0;
    ops[n] = eg_batch_store_insert(&insert);
    ops[n++].grows = true;
    if (s->has_key) {
        s->key.id = b->id;
        s->key.time_s = eg_wall_s(s->c->o.clock);
        ops[n++] = eg_idempotency_keep(&s->key);
    }
    ops[n++] = s->rq->ops->record_op(s->rq, 201);
    e = e != EG_OK ? e : eg_commit(s->c->o.committer, ops, n, &s->rq->problem);
    eg_buf_done(&record);
    return e;
}

static eg_err respond_created(submission *s, const eg_batch *b, bool replayed) {
    eg_str proxy = eg_json_str(s->request, "proxyUser");
    EG_TRY(eg_response_header(s->rq, "Location", "/batches/%u", b->id)); /* as HDInsight: without the prefix */
    if (replayed) {
        EG_TRY(eg_response_header(s->rq, "Idempotent-Replayed", "true"));
    }
    return eg_respond_json(s->rq, 201, eg_livy_batch_json(b, s->rq->principal->name, proxy.ptr, NULL, &b->usage));
}

/* The first answer again: the same body by the same person makes the same words. */
static eg_err respond_replay(submission *s) {
    eg_batch b;
    eg_batch_init(&b);
    fill_batch(s, s->key.id, &b);
    b.group_count = 0;
    snprintf(s->rq->record_resource, sizeof s->rq->record_resource, "batches/%u", b.id);
    eg_err e = respond_created(s, &b, true);
    eg_batch_done(&b);
    return e;
}

static eg_err create_within(submission *s) {
    EG_TRY(eg_live_jobs_room(s->c->jobs, eg_str_of(s->cluster->name), &s->rq->problem));
    eg_batch b;
    eg_batch_init(&b);
    fill_batch(s, atomic_fetch_add(&s->c->next_ids[s->cluster_index], 1), &b);
    snprintf(s->rq->record_resource, sizeof s->rq->record_resource, "batches/%u", b.id);
    snprintf(s->rq->record_job, sizeof s->rq->record_job, "%.52s/%u", b.cluster, b.id);
    eg_err e = eg_job_quota_room(s->c, &b, &s->rq->problem);
    if (e == EG_ERR_QUOTA) {
        s->rq->retry_after_s = QUOTA_RETRY_S;
    }
    e = e != EG_OK ? e : seal_batch(s, &b);
    e = e != EG_OK ? e : commit_batch(s, &b);
    if (e == EG_OK) {
        eg_metric_add(EG_METRIC_BATCHES_SUBMITTED, 1);
        /* Should this fail for want of memory, the next start of the gateway takes the batch up: it is durable. */
        (void)!eg_live_jobs_add(s->c->jobs, &b, s->rq->principal->name, NULL);
        e = respond_created(s, &b, false);
        eg_watcher_poke(s->c->watcher);
    }
    eg_batch_done(&b);
    return e;
}

static eg_err create(submission *s) {
    eg_job_quota_enter(s->c);
    const eg_err e = create_within(s);
    eg_job_quota_leave(s->c);
    return e;
}

static eg_err find_replay(submission *s) {
    EG_CLEANUP(eg_kv_read_end_p) eg_kv_txn *t = NULL;
    EG_TRY(eg_kv_read_begin(s->c->o.kv, &t));
    return eg_idempotency_find(t, &s->key, eg_wall_s(s->c->o.clock), &s->rq->problem);
}

static eg_err create_once(submission *s) {
    EG_TRY(eg_idempotency_enter(s->c->busy, &s->key, &s->rq->problem));
    eg_err e = find_replay(s);
    if (e == EG_OK) {
        e = respond_replay(s);
    } else if (e == EG_ERR_NOT_FOUND) {
        e = create(s);
    }
    eg_idempotency_leave(s->c->busy, &s->key);
    return e;
}

/* What the key is bound to is the body and whom it is for. */
static eg_err read_key(submission *s) {
    eg_str key = eg_request_header(s->rq, "Idempotency-Key");
    s->has_key = key.ptr != NULL;
    if (!s->has_key) {
        return EG_OK;
    }
    eg_buf what;
    eg_buf_init(&what, EG_BATCH_BODY_MAX + 4096);
    eg_buf_addf(&what, "%zu:%.*s:", s->do_as.len, EG_FMT(s->do_as));
    eg_buf_add(&what, s->rq->body.ptr, s->rq->body.len);
    eg_err e = what.err;
    eg_idempotency_ask ask = {.who = s->rq->principal, .cluster = s->rq->cluster, .route = ROUTE, .key = key, .body = eg_buf_bytes(&what)};
    e = e != EG_OK ? e : eg_idempotency_of(&ask, &s->key, &s->rq->problem);
    eg_buf_done(&what);
    return e;
}

static eg_err submit(submission *s) {
    eg_request *rq = s->rq;
    EG_TRY(eg_livy_do_as(rq, &s->do_as));
    const eg_batch_limits limits = {
        .places = {.public_url = s->c->o.public_url, .file_roots = s->cluster->file_roots},
        .workers = s->cluster->workers, .worker_cores = s->cluster->worker_cores, .worker_memory_mb = s->cluster->worker_memory_mb,
    };
    eg_err e = eg_batch_body_parse(eg_bytes_str(rq->body), &limits, &s->request, &rq->problem);
    if (e == EG_ERR_BODY_JSON || e == EG_ERR_BODY_FIELD) {
        return respond_parse_error(rq, e);
    }
    EG_TRY(e);
    /* Livy lets doAs beat proxyUser. Here neither may name somebody else: a request that says two things means none of them. */
    EG_TRY(eg_livy_check_proxy_user(rq, eg_json_str(s->request, "proxyUser")));
    EG_TRY(read_key(s));
    return s->has_key ? create_once(s) : create(s);
}

eg_err eg_livy_submit(eg_request *rq) {
    submission s = {.rq = rq, .c = rq->room};
    s.cluster = eg_compute_cluster(s.c, rq->cluster, &s.cluster_index);
    if (!s.cluster) {
        return eg_fail(&rq->problem, EG_ERR_CLUSTER_NOT_FOUND, "there is no cluster named %.*s", EG_FMT(rq->cluster));
    }
    eg_err e = submit(&s);
    json_decref(s.request);
    return e;
}
