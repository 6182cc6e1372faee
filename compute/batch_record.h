/* A batch as it is stored: format version 1 of docs/BATCH-RECORD.md. What people wrote is sealed, what the gateway needs to run is not. */
#ifndef EMBERGATE_COMPUTE_BATCH_RECORD_H
#define EMBERGATE_COMPUTE_BATCH_RECORD_H

#include "batch_body.h"

#include <embergate/compute.h>

typedef enum eg_batch_state {
    EG_BATCH_NONE = 0,
    EG_BATCH_STARTING,     /* accepted; its driver does not run yet */
    EG_BATCH_RUNNING,
    EG_BATCH_SUCCESS,
    EG_BATCH_DEAD,
    EG_BATCH_KILLED,
    EG_BATCH_STATE_COUNT
} eg_batch_state;

const char *eg_batch_state_name(eg_batch_state s);         /* as Livy says it */
static inline bool eg_batch_state_final(eg_batch_state s) { return s >= EG_BATCH_SUCCESS; }

/* What was asked for, for the sums; 0 = the cluster's default. */
typedef struct eg_batch_shape {
    unsigned driver_mib, executors, executor_cores, executor_mib;
} eg_batch_shape;

typedef struct eg_batch_usage {
    uint64_t core_ms;      /* docs/LIVY-API.md defines both sums */
    uint64_t memory_mib_ms;
    uint64_t bytes_read, bytes_written;
} eg_batch_usage;

typedef struct eg_batch {
    char cluster[64];
    uint32_t id;
    char name[EG_BATCH_NAME_MAX + 1];          /* "" = none */
    char tenant[EG_UUID_LEN];
    char owner[EG_UUID_LEN];                   /* object id */
    eg_principal_kind owner_kind;
    bool groups_unknown;                       /* the submitter's token left them out */
    size_t group_count;
    char (*groups)[EG_UUID_LEN];               /* owned */
    eg_batch_state state;
    bool deleted;                              /* nobody sees it any more; it goes when its runner has ended */
    int64_t created_ns, started_ns, ended_ns;  /* wall clock; 0 = not yet */
    char app_id[64];                           /* Spark's, "" = not known */
    char credential[2 * EG_SHA256_LEN + 1];    /* digest of the job's credential in hex; "" = none issued */
    int exit_code, exit_signal;
    uint64_t generation;            /* of its cluster, when its driver was last started; 0 = never, or by an earlier version */
    char why[64];                              /* wire code of what kept it from starting; "" = nothing */
    eg_batch_shape shape;
    eg_batch_usage usage;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];       /* its data key under the tenant's */
    size_t wrapped_len;
    eg_buf who;                                /* sealed: {"owner","proxyUser"} */
    eg_buf request;                            /* sealed: what eg_batch_body_parse made; empty when not asked for */
} eg_batch;

#define EG_BATCH_RECORD_MAX (768u << 10)       /* bytes of one record */

void eg_batch_init(eg_batch *b);
void eg_batch_done(eg_batch *b);

eg_err eg_batch_record_encode(const eg_batch *b, eg_buf *ret) EG_MUST_CHECK;
/* Copies all that it needs. `with_request` false leaves ret->request empty: such a batch can't be encoded again.
 * EG_ERR_FORMAT_VERSION, EG_ERR_CORRUPT. ret was initialised and stays so. */
eg_err eg_batch_record_decode(eg_str cluster, uint32_t id, eg_bytes value, bool with_request, eg_batch *ret) EG_MUST_CHECK;

/* Whether it is deleted, by a look at its head alone: for the many that a list passes over. Errors as above. */
eg_err eg_batch_record_is_deleted(eg_bytes value, bool *ret) EG_MUST_CHECK;

/* "batch:{cluster}/{id}": what the wrapped key is bound to. */
void eg_batch_purpose(const eg_batch *b, char ret[128]);
/* "{cluster}/{id}" */
void eg_batch_job(const eg_batch *b, char ret[80]);

/* Subkeys of the data key. */
eg_err eg_batch_log_key(const eg_secret *data_key, uint8_t ret[EG_KEY_LEN]) EG_MUST_CHECK;
/* Seal and open b->who and b->request; values are JSON. */
eg_err eg_batch_seal(eg_batch *b, const eg_secret *data_key, const json_t *who, const json_t *request) EG_MUST_CHECK;
eg_err eg_batch_open_who(const eg_batch *b, const eg_secret *data_key, json_t **ret) EG_MUST_CHECK;
eg_err eg_batch_open_request(const eg_batch *b, const eg_secret *data_key, json_t **ret) EG_MUST_CHECK;

#endif
