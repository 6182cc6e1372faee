/* The one way to ask for the time: a seam, so that tests move it. */
#ifndef EMBERGATE_CLOCK_H
#define EMBERGATE_CLOCK_H

#include <embergate/bytes.h>

typedef struct eg_clock {
    int64_t (*wall_ns)(void *ctx);  /* nanoseconds since 1970, UTC; may jump */
    int64_t (*mono_ns)(void *ctx);  /* nanoseconds since some start; never goes back */
    void *ctx;
} eg_clock;

extern const eg_clock eg_clock_system;

static inline int64_t eg_wall_ns(const eg_clock *c) { return c->wall_ns(c->ctx); }
static inline int64_t eg_wall_s(const eg_clock *c) { return c->wall_ns(c->ctx) / 1000000000; }
static inline int64_t eg_mono_ns(const eg_clock *c) { return c->mono_ns(c->ctx); }

#define EG_RFC3339_LEN 28 /* "2026-11-23T02:04:36.123456Z" and NUL */
#define EG_HTTP_DATE_LEN 30 /* "Mon, 23 Nov 2026 02:04:36 GMT" and NUL */
void eg_time_rfc3339(int64_t wall_ns, char ret[EG_RFC3339_LEN]);   /* microseconds, UTC */
void eg_time_http_date(int64_t wall_ns, char ret[EG_HTTP_DATE_LEN]); /* RFC 9110 section 5.6.7 */
/* Times before 1677 and after 2262 don't fit: an HTTP date there (31 December 9999 is what some write for "never") is INT64_MIN or INT64_MAX, so that nothing may be
 * added to it unseen; an RFC 3339 one is EG_ERR_INVALID, and with `_far` as an HTTP date. */
eg_err eg_time_parse_http_date(eg_str s, int64_t *ret_wall_ns) EG_MUST_CHECK;
eg_err eg_time_parse_rfc3339(eg_str s, int64_t *ret_wall_ns) EG_MUST_CHECK;
eg_err eg_time_parse_rfc3339_far(eg_str s, int64_t *ret_wall_ns) EG_MUST_CHECK;

#endif
