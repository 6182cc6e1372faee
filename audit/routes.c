/* Serves the log to auditors: checkpoint, verifier key, tiles, and records by job, actor and time. */
#include <embergate/actions.h>
#include <embergate/durable_file.h>

#include "engine.h"
#include "query.h"
#include "tile_read.h"

#define TRIES 5

/* The router has placed the request in the tenant of the log, and the decision was about that tenant: the name in the path is
 * only looked at to tell the server's log from the tenant's. */
static eg_err asked_log(eg_request *rq, const char *what, eg_log **ret) {
    const eg_audit *a = rq->room;
    eg_str id = eg_str_is(rq->params[0], "server") ? EG_LIT("server") : rq->tenant;
    eg_log *g = eg_log_id_valid(id) && eg_str_ieq(rq->params[0], id) ? eg_logs_find(a->logs, id) : NULL;
    if (!g) {
        return eg_fail(&rq->problem, EG_ERR_NOT_FOUND, "There is no such audit log, or nothing was recorded in it yet.");
    }
    snprintf(rq->record_resource, sizeof rq->record_resource, "/providers/Embergate/auditLogs/%s/%s", g->id, what);
    *ret = g;
    return EG_OK;
}

static eg_err respond_file(eg_request *rq, const eg_log *g, const char *name) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_CHECKPOINT_MAX);
    EG_TRY(eg_file_read(g->dir_fd, name, EG_CHECKPOINT_MAX, &text, &rq->problem));
    rq->record_bytes = text.len;
    EG_TRY(eg_response_header(rq, "Cache-Control", "no-store"));
    return eg_respond_owned(rq, 200, "text/plain; charset=utf-8", &text);
}

static eg_err get_checkpoint(eg_request *rq) {
    eg_log *g = NULL;
    EG_TRY(asked_log(rq, "checkpoint", &g));
    return respond_file(rq, g, EG_CHECKPOINT_FILE);
}

/* The newest one that witnesses have cosigned, with what they said. */
static eg_err get_witnessed(eg_request *rq) {
    eg_log *g = NULL;
    EG_TRY(asked_log(rq, "witnessed", &g));
    EG_CLEANUP(eg_buf_done) eg_buf note;
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    const eg_err e = eg_witnessed_note(g, &note);
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? eg_fail(&rq->problem, e, "No witness has cosigned a checkpoint of this log.") : e;
    }
    rq->record_bytes = note.len;
    EG_TRY(eg_response_header(rq, "Cache-Control", "no-store"));
    return eg_respond_owned(rq, 200, "text/plain; charset=utf-8", &note);
}

static eg_err get_key(eg_request *rq) {
    eg_log *g = NULL;
    EG_TRY(asked_log(rq, "key", &g));
    return respond_file(rq, g, "vkey");
}

static eg_err get_tile(eg_request *rq) {
    eg_log *g = NULL;
    unsigned level = 0;
    unsigned width = 0;
    uint64_t index = 0;
    EG_TRY(asked_log(rq, "tiles", &g));
    eg_err e = eg_audit_tile_parse(rq->params[1], &level, &index, &width);
    EG_CLEANUP(eg_buf_done) eg_buf tile;
    eg_buf_init(&tile, EG_BUNDLE_MAX);
    for (int i = 0; e == EG_OK && i < TRIES; i++) {
        e = eg_tile_read(g->dir_fd, atomic_load(&g->served), level, index, width, &tile);
        if (e != EG_ERR_NOT_FOUND) {
            break;
        }
        e = i + 1 < TRIES ? EG_OK : e; /* outgrown between the two looks */
    }
    if (e != EG_OK) {
        return e == EG_ERR_NOT_FOUND ? eg_fail(&rq->problem, e, "The log has no such tile at the size of its checkpoint.") : e;
    }
    rq->record_bytes = tile.len;
    EG_TRY(eg_response_header(rq, "Cache-Control", "private, max-age=31536000, immutable")); /* a tile never changes */
    return eg_respond_owned(rq, 200, "application/octet-stream", &tile);
}

/* Query parameters. */

static eg_err text_of(eg_request *rq, const char *name, eg_str *ret) {
    eg_str v = {NULL, 0};
    eg_err e = eg_request_query(rq, name, &v);
    if (e == EG_ERR_NOT_FOUND) {
        return EG_OK;
    }
    if (e == EG_OK && v.len == 0) {
        e = EG_ERR_QUERY;
    }
    if (e != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter \"%s\" is empty, stands twice or is malformed.", name);
    }
    *ret = v;
    return EG_OK;
}

static eg_err time_of(eg_request *rq, const char *name, int64_t *ret) {
    eg_str v = {NULL, 0};
    EG_TRY(text_of(rq, name, &v));
    if (v.ptr && eg_time_parse_rfc3339(v, ret) != EG_OK) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter \"%s\" is not a time such as 2026-11-23T02:04:36Z.", name);
    }
    return EG_OK;
}

static eg_err limit_of(eg_request *rq, unsigned *ret) {
    eg_str v = {NULL, 0};
    uint64_t n = 100;
    EG_TRY(text_of(rq, "limit", &v));
    if (v.ptr && (eg_str_u64(v, EG_QUERY_LIMIT_MAX, &n) != EG_OK || n == 0)) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter \"limit\" is a number from 1 to %u.", EG_QUERY_LIMIT_MAX);
    }
    *ret = (unsigned)n;
    return EG_OK;
}

static eg_err outcome_of(eg_request *rq, eg_str *ret) {
    EG_TRY(text_of(rq, "outcome", ret));
    if (ret->ptr && !eg_str_is(*ret, "allowed") && !eg_str_is(*ret, "denied") && !eg_str_is(*ret, "failed")) {
        return eg_fail(&rq->problem, EG_ERR_QUERY, "The query parameter \"outcome\" is \"allowed\", \"denied\" or \"failed\".");
    }
    return EG_OK;
}

static eg_err get_records(eg_request *rq) {
    const eg_audit *a = rq->room;
    eg_query q = {0};
    EG_TRY(asked_log(rq, "records", &q.log));
    EG_TRY(text_of(rq, "job", &q.job));
    EG_TRY(text_of(rq, "actor", &q.actor));
    EG_TRY(text_of(rq, "acted_by", &q.acted_by));
    EG_TRY(text_of(rq, "after", &q.after));
    EG_TRY(outcome_of(rq, &q.outcome));
    EG_TRY(time_of(rq, "from", &q.from_ns));
    EG_TRY(time_of(rq, "to", &q.to_ns));
    EG_TRY(limit_of(rq, &q.limit));
    EG_CLEANUP(eg_buf_done) eg_buf answer;
    eg_buf_init(&answer, EG_QUERY_ANSWER_MAX);
    eg_err e = eg_query_run(a->kv, &q, &answer);
    if (e == EG_ERR_QUERY) {
        return eg_fail(&rq->problem, e, "A query parameter is too long, or \"after\" is not the \"next\" of an answer to this query.");
    }
    EG_TRY(e);
    rq->record_bytes = answer.len;
    EG_TRY(eg_response_header(rq, "Cache-Control", "no-store"));
    return eg_respond_owned(rq, 200, "application/json", &answer);
}

#define LOG_ROUTE(path, how, fn, what)                                                                                          \
    {.surface = EG_SURFACE_AUDIT, .method = "GET", .pattern = path, .action = EG_ACTION_AUDIT_READ, .record = how,              \
     .flags = EG_ROUTE_BLOCKING | EG_ROUTE_DATA_ACTION, .end = fn, .event = what}

/* Paths are those after "/audit". A verifier's walk through tiles is one record and its closing one, not thousands. */
static const eg_route routes[] = {
    LOG_ROUTE("/{log}/checkpoint", EG_RECORD_FIRST, get_checkpoint, "audit.checkpoint.read"),
    LOG_ROUTE("/{log}/witnessed", EG_RECORD_FIRST, get_witnessed, "audit.checkpoint.read"),
    LOG_ROUTE("/{log}/key", EG_RECORD_FIRST, get_key, "audit.key.read"),
    LOG_ROUTE("/{log}/tile/{rest*}", EG_RECORD_FIRST, get_tile, "audit.tile.read"),
    LOG_ROUTE("/{log}/records", EG_RECORD_EACH, get_records, "audit.records.read"),
};

const eg_route *eg_audit_routes(size_t *ret_n) {
    *ret_n = sizeof routes / sizeof routes[0];
    return routes;
}
