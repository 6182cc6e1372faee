/* Quotas of requests and bytes: token buckets of each tenant, principal and cluster. */
#ifndef EMBERGATE_QUOTA_H
#define EMBERGATE_QUOTA_H

#include <embergate/clock.h>
#include <embergate/compute.h>

#define EG_QUOTAS_MAX 64
#define EG_QUOTA_ROWS 16384 /* rows of all quotas together; docs/LIMITS.md */

/* 0 = no bound. Text is borrowed for the life of the table. */
typedef struct eg_quota {
    const char *name;
    eg_quota_per per;
    const char *only;          /* "" = each has its own */
    uint32_t requests;         /* a second */
    uint64_t bytes_in, bytes_out;
    uint32_t burst_s;          /* how many seconds' worth may be used at once */
} eg_quota;

typedef struct eg_quotas eg_quotas;

/* NULL: without memory. */
eg_quotas *eg_quotas_new(const eg_quota *quotas, size_t n, const eg_clock *clock);
void eg_quotas_free(eg_quotas *q);

typedef struct eg_quota_use {
    eg_str tenant, principal, cluster;  /* len 0 = none: its quotas don't concern it */
} eg_quota_use;

/* Takes one request. false: a bucket is empty: nothing was taken; which, and when it is worth coming again. Any thread; short locks only. */
bool eg_quotas_take(eg_quotas *q, const eg_quota_use *u, const char **ret_name, bool *ret_bytes, unsigned *ret_retry_s);
/* What a request brought and was answered: taken afterwards, so that a bucket may fall below nothing and later requests pay. */
void eg_quotas_spend(eg_quotas *q, const eg_quota_use *u, uint64_t bytes_in, uint64_t bytes_out);

#endif
