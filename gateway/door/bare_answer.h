/* The heads of the answers that the door writes itself: those without a body, and those whose length is known. */
#ifndef EMBERGATE_DOOR_BARE_ANSWER_H
#define EMBERGATE_DOOR_BARE_ANSWER_H

#include <embergate/http.h>

/* True when nothing may follow the head (RFC 9112 section 6.3). */
bool eg_bare_answer_fits(const eg_response *r, bool to_head);
/* True when the body, if one may follow, has a length that the head can say: bytes, or a source that knows its size. */
bool eg_bare_answer_counted(const eg_response *r);
/* Adds the head to ret; `bare` is what eg_bare_answer_fits said. The header names and values were checked by eg_exchange_prepare. */
eg_err eg_bare_answer(const eg_response *r, bool bare, bool close, eg_buf *ret);

#endif
