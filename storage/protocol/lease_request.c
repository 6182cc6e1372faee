/* Reading what is asked of a lease, doing it, and saying how it stands. */
#include "lease_request.h"

typedef struct verb {
    const char *word;
    eg_lease_action action;
    int status;               /* of the lease operation; 0 = not one of it */
} verb;

static const verb verbs[] = {
    {"acquire", EG_LEASE_ACT_ACQUIRE, 201},
    {"renew", EG_LEASE_ACT_RENEW, 200},
    {"change", EG_LEASE_ACT_CHANGE, 200},
    {"release", EG_LEASE_ACT_RELEASE, 200},
    {"break", EG_LEASE_ACT_BREAK, 202},
    {"auto-renew", EG_LEASE_ACT_RENEW, 0},
    {"acquire-release", EG_LEASE_ACT_ACQUIRE_RELEASE, 0},
};

static eg_err bad(eg_request *rq, const char *header) {
    return eg_fail(&rq->problem, EG_ERR_HTTP_HEADER, "The header %s is missing or has a value that it can't have.", header);
}

static const verb *find_verb(eg_str word) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (eg_str_ieq(word, eg_str_of(verbs[i].word))) {
            return &verbs[i];
        }
    }
    return NULL;
}

eg_err eg_lease_read_id(eg_request *rq, const char *name, bool *ret_has, eg_id *ret) {
    const eg_str v = eg_request_header(rq, name);
    if (v.len > 0 && eg_lease_id_parse(v, ret) != EG_OK) {
        return bad(rq, name);
    }
    *ret_has = v.len > 0;
    return EG_OK;
}

static eg_err read_duration(eg_request *rq, uint32_t *ret) {
    const eg_str v = eg_request_header(rq, "x-ms-lease-duration");
    uint64_t n = 0;
    if (eg_str_is(v, "-1")) {
        *ret = EG_LEASE_INFINITE;
        return EG_OK;
    }
    if (eg_str_u64(v, EG_LEASE_SECONDS_MAX, &n) != EG_OK || n < EG_LEASE_SECONDS_MIN) {
        return bad(rq, "x-ms-lease-duration");
    }
    *ret = (uint32_t)n;
    return EG_OK;
}

static eg_err read_ask(eg_request *rq, eg_lease_ask *ret, int *ret_status) {
    const verb *v = find_verb(eg_request_header(rq, "x-ms-lease-action"));
    if (!v || v->status == 0) {
        return bad(rq, "x-ms-lease-action");
    }
    eg_lease_ask ask = {.action = v->action};
    bool proposed = false;
    EG_TRY(eg_lease_read_id(rq, "x-ms-lease-id", &ask.has_id, &ask.id));
    EG_TRY(eg_lease_read_id(rq, "x-ms-proposed-lease-id", &proposed, &ask.proposed));
    if (ask.action == EG_LEASE_ACT_ACQUIRE) {
        EG_TRY(read_duration(rq, &ask.duration_s));
        ask.proposed = proposed ? ask.proposed : eg_id_new();
    } else if (ask.action != EG_LEASE_ACT_BREAK && !ask.has_id) {
        return bad(rq, "x-ms-lease-id");
    }
    if (ask.action == EG_LEASE_ACT_CHANGE && !proposed) {
        return bad(rq, "x-ms-proposed-lease-id");
    }
    const eg_str period = eg_request_header(rq, "x-ms-lease-break-period");
    uint64_t n = 0;
    if (period.len > 0 && (eg_str_u64(period, EG_LEASE_SECONDS_MAX, &n) != EG_OK)) {
        return bad(rq, "x-ms-lease-break-period");
    }
    ask.has_break = period.len > 0;
    ask.break_s = (uint32_t)n;
    *ret = ask;
    *ret_status = v->status;
    return EG_OK;
}

static eg_err run(eg_request *rq, eg_lease_of of) {
    eg_target d;
    eg_path_lease x = {.of = of};
    int status = 0;
    char id[EG_UUID_LEN];
    EG_TRY(eg_target_open(rq, &d));
    EG_TRY(read_ask(rq, &x.ask, &status));
    EG_TRY(eg_target_change(rq, &d, &x.base));
    EG_TRY(eg_target_commit(rq, &d, (eg_txn_op){eg_path_lease_apply, &x}, status));
    EG_TRY(eg_target_etag(rq, &x.base.after));
    if (x.ask.action == EG_LEASE_ACT_BREAK) {
        EG_TRY(eg_response_header(rq, "x-ms-lease-time", "%u", (unsigned)x.remaining_s));
    } else if (x.ask.action != EG_LEASE_ACT_RELEASE) {
        eg_lease_id_text(&x.lease.id, id);
        EG_TRY(eg_response_header(rq, "x-ms-lease-id", "%s", id));
    }
    return eg_respond_empty(rq, status);
}

eg_err eg_lease_path(eg_request *rq) { return run(rq, EG_LEASE_OF_PATH); }
eg_err eg_lease_container(eg_request *rq) { return run(rq, EG_LEASE_OF_CONTAINER); }

eg_err eg_lease_headers(eg_request *rq, const eg_inode *i) {
    eg_lease l;
    EG_TRY(eg_lease_decode(i->attr[EG_ATTR_LEASE], &l));
    const eg_lease_state s = eg_lease_state_at(&l, eg_storage_forward_ns(rq->room));
    EG_TRY(eg_response_header(rq, "x-ms-lease-status", "%s", eg_lease_status_text(s)));
    EG_TRY(eg_response_header(rq, "x-ms-lease-state", "%s", eg_lease_state_text(s)));
    const char *duration = eg_lease_duration_text(&l, s);
    return duration ? eg_response_header(rq, "x-ms-lease-duration", "%s", duration) : EG_OK;
}

eg_err eg_lease_read_proposed(eg_request *rq, eg_change *c) {
    bool proposed = false;
    EG_TRY(eg_lease_read_id(rq, "x-ms-proposed-lease-id", &proposed, &c->lease_ask.proposed));
    if (!proposed) {
        return EG_OK;
    }
    c->lease_ask.action = EG_LEASE_ACT_ACQUIRE;
    return read_duration(rq, &c->lease_ask.duration_s);
}

eg_err eg_lease_read_action(eg_request *rq, eg_change *c, eg_lease_step step) {
    const eg_str word = eg_request_header(rq, "x-ms-lease-action");
    if (word.len == 0) {
        return EG_OK;
    }
    const verb *v = find_verb(word);
    if (!v || v->action == EG_LEASE_ACT_BREAK || v->action == EG_LEASE_ACT_CHANGE) {
        return bad(rq, "x-ms-lease-action");
    }
    const bool acquires = v->action == EG_LEASE_ACT_ACQUIRE || v->action == EG_LEASE_ACT_ACQUIRE_RELEASE;
    const bool releases = v->action == EG_LEASE_ACT_RELEASE || v->action == EG_LEASE_ACT_ACQUIRE_RELEASE;
    bool has = false;
    c->lease_ask.action = v->action;
    if (acquires) {
        EG_TRY(eg_lease_read_id(rq, "x-ms-proposed-lease-id", &has, &c->lease_ask.proposed));
        EG_TRY(has ? read_duration(rq, &c->lease_ask.duration_s) : bad(rq, "x-ms-proposed-lease-id"));
    } else if (!c->has_lease) {
        return bad(rq, "x-ms-lease-id");
    }
    if (step == EG_LEASE_STEP_APPEND && releases) {
        return bad(rq, "x-ms-lease-action");
    }
    if (step == EG_LEASE_STEP_APPEND_FIRST && releases) {
        c->lease_ask.action = acquires ? EG_LEASE_ACT_ACQUIRE : EG_LEASE_ACT_NONE;
    }
    if (step == EG_LEASE_STEP_FLUSH_SECOND && acquires) {
        /* The first step of the same request acquired it. */
        c->has_lease = true;
        c->lease = c->lease_ask.proposed;
        c->lease_ask.action = releases ? EG_LEASE_ACT_RELEASE : EG_LEASE_ACT_NONE;
    }
    return EG_OK;
}

eg_err eg_lease_renewed(eg_request *rq, const eg_change *c) {
    const bool renewed = c->lease_moved && c->lease_ask.action == EG_LEASE_ACT_RENEW;
    return renewed ? eg_response_header(rq, "x-ms-lease-renewed", "true") : EG_OK;
}
