/* A request on its way through the pipeline, and the steps; for the files of gateway/pipeline alone. */
#ifndef EMBERGATE_PIPELINE_REQUEST_H
#define EMBERGATE_PIPELINE_REQUEST_H

#include "pipeline.h"

#include <stdatomic.h>

struct eg_pipeline {
    eg_pipeline_options o;
    uint64_t seen_policy, seen_mark; /* of eg_pipeline_sweep_due … */
    int64_t seen_ns;                 /* … monotonic */
};

typedef struct eg_pipeline_request {
    atomic_int refs;               /* the door's, and one while a pool thread runs the handler */
    eg_pipeline *pl;
    eg_request *rq;
    eg_policy *policy;             /* the one snapshot that decides all of this request */
    eg_principal *held;            /* our reference to rq->principal */
    size_t step;                   /* the next one */
    unsigned asked;                /* how often the token was asked about again: after keys, and after groups were fetched */
    eg_principal *user;            /* whose token stood beside a signature that is bound to it; NULL = none */
    eg_principal *source;          /* who signed the address of a source; the handler's thread and the committer's */
    eg_basic_ask *basic;           /* a sign-in by password; in the arena; NULL = none */
    bool counted;                  /* the quotas let it in, and hear what it moved */
    bool owes_cluster;             /* the account's network rules deny it, unless it turns out to be a job of a cluster that they name */
    atomic_bool answered;          /* the handler or a step has answered: nothing more is called */
    bool good;                     /* what the handler answered was a success */
    bool closing;                  /* the record failed: what is sent now is the 503 */
    eg_err hidden;                 /* what the record says instead of the answer's error; EG_OK = the same */
    eg_str scope;                  /* of the decision */
    uint64_t mark;                 /* of revocations, from before the token was looked at */
    bool decided;                  /* it may begin: from here on it is asked again when something was revoked or changed */
    eg_way way;                    /* by which it was let in */
    eg_access question;            /* that roles were asked; who NULL = none was */
    eg_err cut;                    /* why it was cut off in flight; EG_OK = it was not */
    eg_buf body;
    size_t received;               /* bytes of the body so far */
    eg_txn_op op;                  /* the record as a step of the handler's transaction */
    int op_status;                 /* the answer that it tells of */
    atomic_bool op_applied;
    int64_t started_ns;            /* monotonic */
} eg_pipeline_request;

/* What a step says: 0 is stop, and then the answer was given. */
typedef enum eg_step_verdict { EG_STEP_STOP = 0, EG_STEP_NEXT, EG_STEP_WAIT } eg_step_verdict;

static inline eg_pipeline_request *eg_pipeline_of(const eg_request *rq) { return rq->pipeline; }

/* Answers with e in the surface's shape; rq->problem explains it when its code is e. */
eg_step_verdict eg_pipeline_refuse(eg_pipeline_request *c, eg_err e);
/* Goes on with the steps from c->step; on the worker. */
void eg_pipeline_run(eg_pipeline_request *c);

/* authenticate.c */
eg_step_verdict eg_pipeline_authenticate(eg_pipeline_request *c);
/* RFC 6750 section 2.1: the token of a Bearer Authorization. EG_ERR_TOKEN_MISSING, EG_ERR_TOKEN_MALFORMED. */
eg_err eg_pipeline_bearer(eg_str authorization, eg_str *ret) EG_MUST_CHECK;
bool eg_pipeline_is_open(const eg_request *rq); /* the route asks for no token of this peer */
/* authenticate_basic.c. EG_ERR_NOT_FOUND: it is no Basic, or nobody takes it; EG_ERR_BUSY: the pool is at it, and the steps go on later. */
eg_err eg_pipeline_basic(eg_pipeline_request *c) EG_MUST_CHECK;
/* authenticate_certificate.c. EG_ERR_NOT_FOUND: there is none, the listener takes none, or the request has an Authorization. */
eg_err eg_pipeline_certificate(eg_pipeline_request *c) EG_MUST_CHECK;
bool eg_pipeline_offers_basic(const eg_pipeline_request *c);
/* EG_ERR_CSRF: a write on the Livy surface that a browser might have been made to send. For whoever came without a bearer token. */
eg_err eg_pipeline_requested_by(eg_pipeline_request *c) EG_MUST_CHECK;
/* network.c */
eg_step_verdict eg_pipeline_network(eg_pipeline_request *c);
eg_step_verdict eg_pipeline_job_network(eg_pipeline_request *c); /* when it is known who asks */
bool eg_pipeline_admits(eg_pipeline *pl, const eg_peer *peer);   /* before the handshake */
void eg_pipeline_keep_decision(eg_request *rq, const eg_decision *d);
/* compliance_step.c */
eg_step_verdict eg_pipeline_comply(eg_pipeline_request *c);
/* quota_step.c */
eg_step_verdict eg_pipeline_quota(eg_pipeline_request *c);
void eg_pipeline_quota_spend(eg_pipeline_request *c);
/* authorize.c */
eg_step_verdict eg_pipeline_authorize(eg_pipeline_request *c);
eg_err eg_pipeline_decide_at(eg_request *rq, const char *action, bool data_action, eg_str scope, eg_str path);
eg_err eg_pipeline_decide_for(eg_request *rq, eg_principal *who, const char *action, eg_str scope, eg_str path);
eg_err eg_pipeline_decide_more(eg_request *rq, const char *action, bool data_action, eg_problem *p);
/* The part of authorize that only computes: EG_OK, or the error for the record with the one to be shown in *ret_shown. */
/* access_attributes.c. The question to the policies, with all that conditions may ask of the request; borrows from it. */
eg_access eg_pipeline_access(eg_request *rq, const char *action, bool data_action, eg_str scope);
eg_err eg_pipeline_judge(const eg_policy *pol, eg_request *rq, eg_str scope, eg_err *ret_shown);
/* acting.c. May those who act for `who` still do so, under this policy? EG_ERR_DENIED_ACTOR. EG_OK when nobody does. */
eg_err eg_pipeline_actors_may(const eg_policy *pol, const eg_pipeline_request *c, const eg_principal *who, int64_t now_ns) EG_MUST_CHECK;
/* Whether an action is closed to whoever acts for somebody. */
bool eg_pipeline_never_acted(const eg_principal *who, const char *action, bool data_action);
/* network.c: of a request in flight, when the policy has changed. EG_ERR_DENIED_NETWORK, EG_ERR_DENIED_ACCOUNT_NETWORK. */
eg_err eg_pipeline_network_again(const eg_policy *pol, const eg_pipeline_request *c) EG_MUST_CHECK;
/* still_allowed.c: eg_door_app.still */
bool eg_pipeline_still(void *app, eg_request *rq);
/* record_request.c */
void eg_pipeline_respond(eg_request *rq);
eg_txn_op eg_pipeline_record_op(eg_request *rq, int status);
eg_txn_op eg_pipeline_record_part(const eg_request *part, int status, eg_err e);
/* A second record and a line of the log for a request that was cut off, or an answer that was recorded as good and whose source failed while it was sent. */
void eg_pipeline_record_broken(const eg_pipeline_request *c);
/* respond_request.c */
void eg_pipeline_finish_headers(eg_pipeline_request *c);
void eg_pipeline_send(eg_pipeline_request *c);
void eg_pipeline_log(const eg_pipeline_request *c, bool sent);
void eg_pipeline_drop_answer(eg_request *rq);

#endif
