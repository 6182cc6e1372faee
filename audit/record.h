/* Records as lines of JSON: made in two halves, the open one at once, the sealed one when the log's key is at hand. */
#ifndef EG_AUDIT_RECORD_H
#define EG_AUDIT_RECORD_H

#include <embergate/audit.h>

#include "envelope.h"

#define EG_RECORD_ID_LEN 27 /* 26 characters of Crockford's base32 and NUL: 48 bits of milliseconds, 80 random bits */

/* What only the log itself says about its records. */
typedef struct eg_audit_extra {
    int64_t first_ns;     /* the span that an aggregate stands for; 0 = none */
    int64_t last_ns;
    bool has_log_size;
    uint64_t log_size;    /* of audit.start and audit.stop */
} eg_audit_extra;

/* A record that still lacks its sealed half. Plain value; eg_audit_draft_done frees it. */
typedef struct eg_audit_draft {
    char id[EG_RECORD_ID_LEN];
    int64_t time_ns;
    char log[EG_LOG_ID_MAX + 1];
    char job[EG_AUDIT_JOB_MAX + 1];
    char actor[EG_AUDIT_ACTOR_MAX + 1];
    eg_buf open;          /* the line up to, not including, the sealed half and the closing brace */
    eg_buf secret;        /* what is to be sealed, JSON; empty = nothing */
} eg_audit_draft;

/* A tenant that can't be a log's id makes it a record of the server's log. extra may be NULL. */
eg_err eg_audit_draft_make(const eg_audit_record *r, const eg_audit_extra *extra, const eg_clock *clock, eg_audit_draft *ret) EG_MUST_CHECK;
void eg_audit_draft_done(eg_audit_draft *d);
/* The envelope of the finished record. key: the log's data key (32 bytes), or an empty view when there is none any more: then
 * the record says that its sealed half was left out. */
eg_err eg_audit_draft_finish(const eg_audit_draft *d, eg_bytes key, eg_buf *ret_envelope) EG_MUST_CHECK;

/* The sealed half of a parsed record, opened: {"name":…,"details":…}, or EG_ERR_NOT_FOUND when it has none. */
eg_err eg_audit_unseal(const json_t *record, eg_str log, eg_bytes key, json_t **ret) EG_MUST_CHECK;

#endif
