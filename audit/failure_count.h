/* Failures before authentication, added up so that a flood can't fill the disk. */
#ifndef EG_AUDIT_FAILURE_COUNT_H
#define EG_AUDIT_FAILURE_COUNT_H

#include <embergate/audit.h>

#include "record.h"

#define EG_FAILURE_ROWS_MAX 4096u

typedef eg_err (*eg_sum_emit)(void *ctx, const eg_audit_record *r, const eg_audit_extra *extra);

typedef struct eg_failure_count eg_failure_count;

eg_failure_count *eg_failure_count_new(const eg_clock *clock, eg_sum_emit emit, void *ctx); /* NULL without memory */
void eg_failure_count_free(eg_failure_count *f);
/* Any thread; never waits for more than another thread's update. */
/* rule: what denied it; len 0 = none. */
void eg_failure_count_add(eg_failure_count *f, eg_err e, eg_str source_address, eg_str rule);
/* One record for each row; what can't be emitted is added to the next minute. */
void eg_failure_count_flush(eg_failure_count *f);

#endif
