/* What is remembered of a cluster (EG_DB_CLUSTER) and the secrets that follow from its key. */
#ifndef EG_COMPUTE_CLUSTER_RECORD_H
#define EG_COMPUTE_CLUSTER_RECORD_H

#include <embergate/compute.h>

/* One start of a cluster is a generation: its own ports and secrets, which a gateway that was restarted finds again. */
typedef struct eg_cluster_record {
    uint64_t generation;             /* 0 = never started */
    uint16_t port, ui_port;
    size_t wrapped_len;
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
} eg_cluster_record;

/* Reads the record and unwraps its key; makes both the first time. Blocks on store and keeper. */
eg_err eg_cluster_record_load(const eg_compute_options *o, const eg_cluster_config *c, eg_cluster_record *ret, eg_secret **ret_key, eg_problem *p) EG_MUST_CHECK;
/* Keeps the wrapped key that is stored: who has loaded the record long ago doesn't undo a rotation. */
eg_err eg_cluster_record_save(const eg_compute_options *o, const eg_cluster_config *c, const eg_cluster_record *r, eg_problem *p) EG_MUST_CHECK;

/* Moves its wrapped key to the newest version; a record that isn't there yet is EG_OK. */
eg_err eg_cluster_record_rewrap(const eg_compute_options *o, const eg_cluster_config *c, const eg_rewrap *what, uint64_t *ret_moved) EG_MUST_CHECK;

#define EG_CLUSTER_SECRET_TEXT 65 /* 256 bits in hex, and NUL */
void eg_cluster_record_rpc_secret(const eg_secret *key, uint64_t generation, char ret[EG_CLUSTER_SECRET_TEXT]);
void eg_cluster_record_ui_key(const eg_secret *key, uint64_t generation, uint8_t ret[EG_KEY_LEN]);
/* name: "{kind}-{id}". */
void eg_cluster_record_log_key(const eg_secret *key, const char *name, uint8_t ret[EG_KEY_LEN]);

#endif
