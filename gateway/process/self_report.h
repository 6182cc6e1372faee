/* Tells the operator's log and the server's audit log what befell the server itself. */
#ifndef GATEWAY_PROCESS_SELF_REPORT_H
#define GATEWAY_PROCESS_SELF_REPORT_H

#include <embergate/audit.h>

#define EG_SELF_REPORT_PAUSE_NS (60 * INT64_C(1000000000)) /* between two reports of one kind of want */
#define EG_SELF_REPORT_RETRY_NS INT64_C(1000000000)        /* until the log takes a record */

/* The wall clock was set by so many seconds: event server.clock.jump. */
void eg_self_report_clock(eg_audit *a, int64_t seconds);

/* A database whose rows aren't those that were written last: event server.store.older. A store whose rows were taken as they were, because it had no digest: event
 * server.store.digest_begun, once in its life. */
void eg_self_report_older(eg_audit *a, const char *database);
void eg_self_report_digest_begun(eg_audit *a);

/* What the audit log has recorded when it was opened: a keeper that had forgotten its signatures. */
void eg_self_report_forgotten(const eg_audit *a);

/* A witness that can't be had, or can again: event audit.witness, of `name`. A log of which it was shown `seen` entries (EG_WITNESS_OTHERS: others) and that has `size`
 * here: event audit.witness.conflict. */
#define EG_WITNESS_OTHERS UINT64_MAX
void eg_self_report_witness(eg_audit *a, const char *name, eg_err e, const char *why);
void eg_self_report_witness_conflict(eg_audit *a, const char *name, const char *log, uint64_t seen, uint64_t size);

/* Connections that had to wait because there was no descriptor, added up: event server.descriptors.short, at once and then once a minute at most. */
typedef struct eg_self_report {
    int64_t told;       /* of the metric, when last told */
    int64_t next_ns;    /* monotonic: no line before */
    int64_t owed;       /* told, and not in a record yet */
    int64_t retry_ns;   /* monotonic: no record before */
} eg_self_report;
/* To be called often. */
void eg_self_report_tick(eg_self_report *r, eg_audit *a, int64_t mono_ns);

#endif
