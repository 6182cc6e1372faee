/* The strict reader of an HTTP/1.1 request head (RFC 9112 sections 2 to 6): one meaning or a refusal. */
#ifndef EMBERGATE_DOOR_HTTP_HEAD_H
#define EMBERGATE_DOOR_HTTP_HEAD_H

#include "door_limits.h"

#include <embergate/http.h>

/* Where the search for the end of the head stands; start with {0}. */
typedef struct eg_http_scan {
    size_t at;          /* bytes looked at */
    size_t line_start;  /* of the line being looked at */
    bool first_line_done;
} eg_http_scan;

typedef struct eg_http_head {
    eg_str method;
    eg_str target;
    eg_str path;              /* of target, undecoded */
    eg_str query;             /* without '?' */
    eg_str host;              /* without port, as sent */
    eg_header headers[EG_DOOR_HEADER_COUNT_MAX]; /* without Authorization */
    size_t header_count;
    eg_str authorization;     /* ptr NULL = absent; secret */
    int64_t content_length;   /* -1 = chunked, 0 = none */
    bool expect_continue;
    bool close;               /* the peer asked for the end of the connection */
} eg_http_head;

/* Looks for the empty line that ends the head in all that has come so far; call again with more. *ret_len is 0 while
 * it is not there, else the head's length with that line. Refuses as soon as no more bytes could mend it. p is filled on
 * refusal. EG_ERR_HTTP_FRAMING, EG_ERR_HTTP_URI_TOO_LONG, EG_ERR_HTTP_HEAD_TOO_LARGE. */
eg_err eg_http_head_scan(eg_http_scan *s, const eg_door_limits *limits, eg_bytes in, size_t *ret_len, eg_problem *p) EG_MUST_CHECK;

/* Reads a head that scan found whole. Views in *ret point into `head`; *ret is undefined after a refusal.
 * EG_ERR_HTTP_FRAMING: where the request ends or whom it is for could be read in two ways. EG_ERR_HTTP_TARGET,
 * EG_ERR_HTTP_HEADER, EG_ERR_HTTP_HEAD_TOO_LARGE, EG_ERR_HTTP_URI_TOO_LONG. */
eg_err eg_http_head_parse(const eg_door_limits *limits, eg_str head, eg_http_head *ret, eg_problem *p) EG_MUST_CHECK;

#endif
