/* Repeated accesses of one resource by one principal or job, added up into closing records. */
#ifndef EG_AUDIT_ACCESS_SUM_H
#define EG_AUDIT_ACCESS_SUM_H

#include "failure_count.h"

#define EG_ACCESS_ROWS_MAX 65536u
#define EG_ACCESS_BYTES_MAX ((size_t)32 << 20)
#define EG_ACCESS_IDLE_NS INT64_C(60000000000)
#define EG_ACCESS_OPEN_NS INT64_C(600000000000) /* a sum that never rests gets a record after so long */

typedef struct eg_access_sum eg_access_sum;

eg_access_sum *eg_access_sum_new(const eg_clock *clock, eg_sum_emit emit, void *ctx); /* NULL without memory */
void eg_access_sum_free(eg_access_sum *s);
/* True: the caller writes a record. The first access, whatever was not allowed, and everything that can't be added up. */
bool eg_access_sum_add(eg_access_sum *s, const eg_audit_record *r);
/* Closes what was idle for EG_ACCESS_IDLE_NS, or all. What can't be emitted stays. */
void eg_access_sum_flush(eg_access_sum *s, int64_t now_mono_ns, bool all);
void eg_access_sum_close(eg_access_sum *s, eg_str job);

#endif
