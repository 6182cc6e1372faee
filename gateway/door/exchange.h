/* One request and its answer, as the app sees it; outlives its connection while the app owes an answer. */
#ifndef EMBERGATE_DOOR_EXCHANGE_H
#define EMBERGATE_DOOR_EXCHANGE_H

#include "body_pull.h"
#include "http_head.h"
#include "worker.h"

typedef struct eg_exchange {
    eg_request rq;
    eg_worker *worker;
    struct eg_conn *conn;        /* NULL once the peer went away */
    eg_str head;                 /* copy in the arena; holds the token, so it is cleansed */
    eg_task proceed, send;
    atomic_bool asked;           /* eg_door_send was called */
    atomic_uint calls;           /* eg_door_on_worker calls that have not run */
    bool proceed_now, send_now;  /* asked for on the worker, while it calls the app */
    bool owed;                   /* the app has to proceed or answer before gone() may come */
    bool taken;                  /* the worker has seen the answer */
    bool over, sent;             /* nothing more will be sent; gone() is due */
    bool replaced;               /* what is sent is not the app's answer */
    eg_pull *pull;
    struct eg_exchange *pull_prev, *pull_next;
} eg_exchange;

/* Reads a whole head. EG_ERR_HTTP_* as eg_http_head_parse, EG_ERR_NO_MEMORY. *ret_head's views live in the arena. */
eg_err eg_exchange_new(struct eg_conn *c, eg_bytes head, eg_http_head *ret_head, eg_exchange **ret, eg_problem *p) EG_MUST_CHECK;
/* After a call of the app: does what it asked for in it. */
void eg_exchange_asked(eg_exchange *ex);
/* The app may still owe: gone() and the freeing come when it doesn't. */
void eg_exchange_finish(eg_exchange *ex, bool sent);
/* Makes rq.response fit to be sent: checked headers with NUL-terminated values; an unfit one becomes a 500. Starts the pull. */
void eg_exchange_prepare(eg_exchange *ex);
/* Replaces an answer of which no byte was sent. */
void eg_exchange_replace(eg_exchange *ex, eg_err why);
/* The pool has room again, perhaps. */
void eg_exchange_retry_pulls(eg_worker *w);
void eg_exchange_forget_spares(eg_worker *w);
bool eg_exchange_is_head(const eg_exchange *ex);

#endif
