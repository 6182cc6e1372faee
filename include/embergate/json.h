/* JSON from outside, strictly; values are jansson's. */
#ifndef EMBERGATE_JSON_H
#define EMBERGATE_JSON_H

#include <embergate/arena.h>
#include <jansson.h>

/* Exception to "each third-party API is touched by one family": jansson's json_t is our value type everywhere,
 * because a wrapper would only rename it. Parsing goes through eg_json_parse alone. */

/* Strict RFC 8259: duplicate names refused, depth at most 64, at most `max` bytes, invalid UTF-8 and NUL refused,
 * nothing after the value. EG_ERR_BODY_JSON; the problem names line and column. *ret is owned by the caller. */
eg_err eg_json_parse(eg_str text, size_t max, json_t **ret, eg_problem *p) EG_MUST_CHECK;
/* Compact, keys in insertion order; EG_ERR_LIMIT when it doesn't fit ret->max. */
eg_err eg_json_write(const json_t *v, eg_buf *ret);
/* A string member as a view into v (borrowed); {NULL,0} when absent, null or of another type. */
eg_str eg_json_str(const json_t *obj, const char *name);
/* Typed members of an object from outside. Absent or null gives the default; another type is EG_ERR_BODY_FIELD. */
eg_err eg_json_get_str(const json_t *obj, const char *name, const char *dflt, const char **ret, eg_problem *p) EG_MUST_CHECK;
eg_err eg_json_get_int(const json_t *obj, const char *name, int64_t dflt, int64_t min, int64_t max, int64_t *ret, eg_problem *p) EG_MUST_CHECK;
static inline void eg_json_unref(json_t **v) { json_decref(*v); }
#define EG_JSON_AUTO EG_CLEANUP(eg_json_unref) json_t *

#endif
