/* libmicrohttpd as the writer of answers: one daemon a worker, one lane (a socket pair into it) a connection.
 *
 * The door reads requests itself (http_head.c, http_body.c). For an answer with a body it sends "GET / HTTP/1.1"
 * of its own into the lane and relays what comes out: no byte that a peer chose ever reaches libmicrohttpd's parser. */
#ifndef EMBERGATE_DOOR_HTTP1_MHD_H
#define EMBERGATE_DOOR_HTTP1_MHD_H

#include "body_pull.h"

typedef struct eg_http1 eg_http1;
typedef struct eg_lane eg_lane;

typedef struct eg_lane_answer {
    const eg_response *response; /* stays as it is until `done` */
    eg_pull *pull;               /* the body when not NULL; borrowed until `done` */
    bool close;                  /* say Connection: close */
    /* On the worker, once: whole = all bytes are in the lane; else the answer was cut. */
    void (*done)(void *arg, bool whole);
    void *arg;
} eg_lane_answer;

/* `lanes` bounds the connections of the daemon. */
eg_err eg_http1_new(unsigned lanes, eg_http1 **ret) EG_MUST_CHECK;
void eg_http1_free(eg_http1 *h);           /* after all lanes were closed and done */
int eg_http1_epoll_fd(const eg_http1 *h);  /* readable: call run */
void eg_http1_run(eg_http1 *h);
unsigned eg_http1_lanes(const eg_http1 *h); /* not yet let go by the daemon */

const char *eg_http1_reason(int status);      /* "Not Found" */

eg_err eg_lane_open(eg_http1 *h, eg_lane **ret) EG_MUST_CHECK;
int eg_lane_fd(const eg_lane *l);          /* the door's end: only read it */
/* One answer at a time; then eg_http1_run makes it come out. EG_ERR_IO when the lane is broken: `done` isn't called then. */
eg_err eg_lane_send(eg_lane *l, const eg_lane_answer *a) EG_MUST_CHECK;
void eg_lane_resume(eg_lane *l);           /* the pull has more */
/* Closes the door's end. A running answer's `done` still comes, with whole = false, from a later eg_http1_run. */
void eg_lane_close(eg_lane *l);

#endif
