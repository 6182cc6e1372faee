/* The small answers that the door gives itself. */
#ifndef EMBERGATE_DOOR_REFUSAL_H
#define EMBERGATE_DOOR_REFUSAL_H

#include <embergate/crypto.h>

/* {"error":{"code","message"}}; p may be NULL. */
eg_err eg_refusal_json(eg_err why, const eg_problem *p, eg_buf *ret);
/* A whole HTTP answer that ends the connection, with a request id of its own. */
eg_err eg_refusal_http(eg_err why, const eg_problem *p, eg_buf *ret);

#endif
