/* The body of a request on its way into a sealed segment, with the sums that come with it. rq->state is the body from begin() on. */
#ifndef EG_STORAGE_REQUEST_BODY_H
#define EG_STORAGE_REQUEST_BODY_H

#include "target.h"
#include "upload.h"

/* begin(): reads Content-MD5 and x-ms-content-crc64. Never blocks. An empty body is allowed; it has no upload. EG_ERR_DISK_FULL,
 * EG_ERR_HTTP_HEADER. */
eg_err eg_body_begin(eg_request *rq, bool always_md5) EG_MUST_CHECK;
/* body(). EG_ERR_HTTP_BODY_TOO_LARGE. */
eg_err eg_body_add(eg_request *rq, eg_bytes chunk) EG_MUST_CHECK;
/* The body comes from x-ms-copy-source instead, in end(). */
bool eg_body_from_source(const eg_request *rq);
uint64_t eg_body_length(const eg_request *rq);
/* end(), first: EG_ERR_MD5_MISMATCH, EG_ERR_CRC64_MISMATCH. */
eg_err eg_body_check(eg_request *rq) EG_MUST_CHECK;
/* 16 bytes, after the check; NULL when it was neither sent nor always wanted. */
const uint8_t *eg_body_md5(const eg_request *rq);
/* Content-MD5 when it was sent or wanted, x-ms-content-crc64 when it was sent. */
eg_err eg_body_answer_sums(eg_request *rq) EG_MUST_CHECK;
/* Of a body that isn't empty: to be finished, named by a row, and settled. Borrowed. */
eg_upload *eg_body_upload(eg_request *rq);

/* The same sums over a body that was collected into rq->body. */
eg_err eg_body_check_whole(eg_request *rq) EG_MUST_CHECK;

#endif
