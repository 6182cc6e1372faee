/* The body of a Blob batch: multipart/mixed (RFC 2046 section 5.1) whose parts are requests without bodies. */
#ifndef EG_STORAGE_BATCH_BODY_H
#define EG_STORAGE_BATCH_BODY_H

#include <embergate/http.h>

enum {
    EG_BATCH_PARTS_MAX = 256,
    EG_BATCH_HEADERS_MAX = 32,      /* of one part's request */
};
#define EG_BATCH_BODY_MAX ((size_t)4 << 20)

/* Everything is borrowed from the body. */
typedef struct eg_batch_part {
    eg_str content_id;              /* len 0 = none */
    eg_str method;
    eg_str target;                  /* as sent: "/container/blob?query" */
    size_t header_count;
    eg_header headers[EG_BATCH_HEADERS_MAX];
} eg_batch_part;

typedef struct eg_batch_reader {
    eg_str rest;
    eg_str boundary;
    bool begun;
} eg_batch_reader;

/* The boundary in a Content-Type "multipart/mixed; boundary=…", with or without quotes. EG_ERR_HTTP_HEADER. */
eg_err eg_batch_boundary(eg_str content_type, eg_str *ret) EG_MUST_CHECK;
/* The next part. EG_ERR_NOT_FOUND after the last; EG_ERR_INVALID when the body isn't what it should be. */
eg_err eg_batch_next(eg_batch_reader *r, eg_batch_part *ret) EG_MUST_CHECK;

#endif
