/* Finds records by job, actor and time, and opens their sealed halves. */
#ifndef EG_AUDIT_QUERY_H
#define EG_AUDIT_QUERY_H

#include "logs.h"

#define EG_QUERY_LIMIT_MAX 1000u
#define EG_QUERY_EXAMINED_MAX 20000u           /* index rows looked at for one answer */
#define EG_QUERY_ANSWER_MAX ((size_t)8 << 20)

typedef struct eg_query {
    eg_log *log;
    eg_str job;       /* "" = any */
    eg_str actor;
    eg_str acted_by;  /* one of those who acted for the actor */
    eg_str outcome;
    int64_t from_ns;  /* inclusive; 0 = from the beginning */
    int64_t to_ns;    /* exclusive; 0 = to the end */
    eg_str after;     /* "next" of the answer before; "" = from the beginning */
    unsigned limit;
} eg_query;

/* {"records":[…],"next":"…"} into *ret; next is null when that was all. Blocks. EG_ERR_QUERY: `after` is not one of ours. */
eg_err eg_query_run(eg_kv *kv, const eg_query *q, eg_buf *ret) EG_MUST_CHECK;

/* Committed size of a log. */
eg_err eg_query_size(eg_kv *kv, eg_str log, uint64_t *ret) EG_MUST_CHECK;

#endif
