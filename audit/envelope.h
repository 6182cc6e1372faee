/* A finished record on its way to its log: what journal and outbox hold. */
#ifndef EG_AUDIT_ENVELOPE_H
#define EG_AUDIT_ENVELOPE_H

#include <embergate/bytes.h>

#define EG_LOG_ID_MAX 64u
#define EG_AUDIT_JOB_MAX 128u
#define EG_AUDIT_ACTOR_MAX 64u
#define EG_RECORD_MAX 16384u /* bytes of a record's line */
#define EG_ENVELOPE_MAX (EG_RECORD_MAX + 512u)

/* Views into the bytes it was decoded from. */
typedef struct eg_envelope {
    int64_t time_ns;
    eg_str log;      /* log id */
    eg_str job;      /* "" = none; for the index */
    eg_str actor;    /* object id, "" = none; for the index */
    eg_bytes line;   /* the entry of the log: one line of JSON without its newline */
} eg_envelope;

eg_err eg_envelope_write(const eg_envelope *v, eg_buf *ret);
/* EG_ERR_CORRUPT unless the bytes are just one envelope; EG_ERR_FORMAT_VERSION. */
eg_err eg_envelope_read(eg_bytes in, eg_envelope *ret) EG_MUST_CHECK;

/* "server", or a tenant's id: what can safely be a folder's name. */
bool eg_log_id_valid(eg_str id);

#endif
