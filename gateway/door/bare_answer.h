/* Answers that have no body: to HEAD, and 204 and 304. */
#ifndef EMBERGATE_DOOR_BARE_ANSWER_H
#define EMBERGATE_DOOR_BARE_ANSWER_H

#include <embergate/http.h>

/* True when nothing may follow the head (RFC 9112 section 6.3). */
bool eg_bare_answer_fits(const eg_response *r, bool to_head);
/* Adds the head to ret. The header names and values were checked by eg_exchange_prepare. */
eg_err eg_bare_answer(const eg_response *r, bool close, eg_buf *ret);

#endif
