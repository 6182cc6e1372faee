/* The strict reader of a request body's framing: counted or chunked (RFC 9112 sections 6 and 7). */
#ifndef EMBERGATE_DOOR_HTTP_BODY_H
#define EMBERGATE_DOOR_HTTP_BODY_H

#include <embergate/bytes.h>

typedef struct eg_http_body {
    uint64_t left;      /* of the counted body or of the chunk */
    bool chunked;
    bool done;
    uint8_t state;      /* of the chunk reader */
    uint8_t digits;
} eg_http_body;

/* content_length as in eg_http_head: -1 = chunked. A body of 0 is done at once. */
void eg_http_body_init(eg_http_body *b, int64_t content_length);
/* Takes framing and at most one run of data from the front of `in`. *ret_used says how much was taken, *ret_data is the
 * data in it (a view into `in`, len 0 when it was only framing). Nothing is taken once done. EG_ERR_HTTP_FRAMING: bad or too
 * long chunk size, chunk extensions, missing CRLF, trailer fields. */
eg_err eg_http_body_feed(eg_http_body *b, eg_bytes in, size_t *ret_used, eg_bytes *ret_data) EG_MUST_CHECK;

#endif
