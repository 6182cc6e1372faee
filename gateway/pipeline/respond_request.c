/* What every answer has besides its own: common headers, metrics, the hand-over to the door, a line of the access log. */
#include "pipeline_request.h"

#include <embergate/log.h>
#include <embergate/metrics.h>

#include <stdio.h>

static bool is_storage(eg_surface s) {
    return s == EG_SURFACE_DFS || s == EG_SURFACE_BLOB;
}

static bool is_plain(eg_str s, size_t max) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= 0x20 || s.ptr[i] > 0x7e) {
            return false;
        }
    }
    return s.len > 0 && s.len <= max;
}

static bool has_header(const eg_response *r, const char *name) {
    for (size_t i = 0; i < r->header_count; i++) {
        if (eg_str_ieq(eg_str_of(r->headers[i].name), eg_str_of(name))) {
            return true;
        }
    }
    return false;
}

static eg_str header_value(const eg_response *r, const char *name) {
    for (size_t i = 0; i < r->header_count; i++) {
        if (eg_str_ieq(eg_str_of(r->headers[i].name), eg_str_of(name))) {
            return r->headers[i].value;
        }
    }
    return (eg_str){NULL, 0};
}

/* Azure's storage clients read from a 401 where to sign in, and for what; the parameters join RFC 6750's. */
static void tell_issuer(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    eg_str challenge = header_value(&rq->response, "WWW-Authenticate");
    if (rq->response.status == 401 && is_storage(rq->surface) && challenge.len > 0 && rq->tenant.len > 0 && c->pl->o.public_url) {
        (void)eg_response_header(rq, "WWW-Authenticate", "%.*s, authorization_uri=\"%s/%.*s/oauth2/authorize\", resource_id=\"https://storage.azure.com\"",
                                 EG_FMT(challenge), c->pl->o.public_url, EG_FMT(rq->tenant));
    }
}

/* Clients that sign in by password only when they are asked to; RFC 9110 section 11.6.1: one field may hold several challenges. */
static void tell_basic(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    const eg_str challenge = header_value(&rq->response, "WWW-Authenticate");
    if (rq->response.status == 401 && challenge.len > 0 && eg_pipeline_offers_basic(c)) {
        (void)eg_response_header(rq, "WWW-Authenticate", "Basic realm=\"embergate\", charset=\"UTF-8\", %.*s", EG_FMT(challenge));
    }
}

static void echo(eg_request *rq, const char *name, size_t max) {
    eg_str value = eg_request_header(rq, name);
    if (is_plain(value, max)) {
        (void)eg_response_header(rq, name, "%.*s", EG_FMT(value));
    }
}

/* Resource Manager's: a client's own name for what it is doing, or ours. */
static void tell_correlation(eg_request *rq) {
    const eg_str given = eg_request_header(rq, "x-ms-correlation-request-id");
    const eg_str id = eg_uuid_valid(given) ? given : eg_str_of(rq->request_id);
    (void)eg_response_header(rq, "x-ms-correlation-request-id", "%.*s", EG_FMT(id));
    if (eg_str_ieq(eg_request_header(rq, "x-ms-return-client-request-id"), EG_LIT("true"))) {
        echo(rq, "x-ms-client-request-id", 128);
    }
}

/* RFC 6797 is for names; and a browser would take it for every port of "localhost". */
static bool is_public_name(eg_str host) {
    bool letter = false;
    for (size_t i = 0; i < host.len; i++) {
        letter = letter || (host.ptr[i] >= 'g' && host.ptr[i] <= 'z');
    }
    return letter && memchr(host.ptr, '.', host.len) && !memchr(host.ptr, ':', host.len);
}

/* A header for which there is no room is left out; none of these carries meaning that the body lacks. */
void eg_pipeline_finish_headers(eg_pipeline_request *c) {
    eg_request *rq = c->rq;
    (void)eg_response_header(rq, rq->surface == EG_SURFACE_LIVY ? "request-id" : "x-ms-request-id", "%s", rq->request_id);
    if (is_storage(rq->surface)) {
        echo(rq, "x-ms-version", 10);
        echo(rq, "x-ms-client-request-id", 1024);
    } else if (rq->surface != EG_SURFACE_AUDIT && !has_header(&rq->response, "Cache-Control")) {
        (void)eg_response_header(rq, "Cache-Control", "no-store");
    }
    if (rq->surface == EG_SURFACE_ARM) {
        tell_correlation(rq);
    }
    (void)eg_response_header(rq, "X-Content-Type-Options", "nosniff");
    if (is_public_name(rq->host)) {
        (void)eg_response_header(rq, "Strict-Transport-Security", "max-age=31536000");
    }
    tell_issuer(c);
    tell_basic(c);
}

/* W3C trace context, version 00: goes into the log, never into a decision. */
static eg_str trace_of(const eg_request *rq) {
    eg_str v = eg_request_header(rq, "traceparent");
    bool fine = v.len == 55 && eg_str_starts(v, "00-") && v.ptr[35] == '-' && v.ptr[52] == '-';
    for (size_t i = 3; fine && i < v.len; i++) {
        char ch = v.ptr[i];
        fine = i == 35 || i == 52 || (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'f');
    }
    return fine ? v : (eg_str){"", 0};
}

static const char *const surface_names[EG_SURFACE_COUNT] = {
    [EG_SURFACE_OPS] = "ops", [EG_SURFACE_LIVY] = "livy", [EG_SURFACE_OAUTH] = "oauth", [EG_SURFACE_DFS] = "dfs",
    [EG_SURFACE_BLOB] = "blob", [EG_SURFACE_ARM] = "arm", [EG_SURFACE_AUDIT] = "audit",
};

static void log_line(const eg_pipeline_request *c, bool sent) {
    const eg_request *rq = c->rq;
    char status[8], took[32], method[16], trace[56];
    eg_str traced = trace_of(rq);
    snprintf(status, sizeof status, "%d", rq->response.status);
    snprintf(took, sizeof took, "%lld", (long long)((eg_mono_ns(c->pl->o.clock) - c->started_ns) / 1000));
    snprintf(method, sizeof method, "%.*s", EG_FMT(rq->method));
    snprintf(trace, sizeof trace, "%.*s", EG_FMT(traced));
    eg_log_admitted(EG_LOG_INFO, "request", "method", method, "surface", surface_names[rq->surface], "route", rq->route ? rq->route->pattern : "", "status", status,
           "error", rq->response.error == EG_OK ? "" : eg_err_code(c->hidden != EG_OK ? c->hidden : rq->response.error), "took_us", took, "principal",
           rq->principal ? rq->principal->object_id : "", "request_id", rq->request_id, "source", rq->peer.address, "sent", sent ? "whole" : "cut",
           "trace", trace, NULL);
}

/* One line a request, when it is over: never its query, its token or a path, which may hold names of people; the route's pattern instead. */
void eg_pipeline_log(const eg_pipeline_request *c, bool sent) {
    const eg_request *rq = c->rq;
    bool failed = rq->response.error != EG_OK && eg_err_category(rq->response.error) == EG_CAT_INTERNAL && rq->problem.message[0];
    if (eg_log_admits(EG_LOG_INFO)) {
        log_line(c, sent);
    }
    if (failed) {
        eg_log(EG_LOG_ERROR, "request_failed", "request_id", rq->request_id, "message", rq->problem.message, "where", rq->problem.where, NULL);
    }
}

/* The last touch: the request is the door's afterwards. Often in the journal's thread, which must not wait for a log's reader. */
void eg_pipeline_send(eg_pipeline_request *c) {
    int status = c->rq->response.status;
    eg_metric_add(EG_METRIC_REQUESTS, 1);
    if (status == 401 || status == 403) {
        eg_metric_add(EG_METRIC_REQUESTS_DENIED, 1);
    } else if (status >= 500) {
        eg_metric_add(EG_METRIC_REQUESTS_FAILED, 1);
    }
    eg_door_send(c->rq);
}

void eg_pipeline_drop_answer(eg_request *rq) {
    eg_response *r = &rq->response;
    if (r->has_source && r->source.close) {
        r->source.close(r->source.ctx);
    }
    eg_buf_done(&r->owned);
    *r = (eg_response){.head_length = -1};
}
