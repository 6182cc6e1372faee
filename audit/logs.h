/* The logs that there are: folder, data key, origin, and what was committed of each. */
#ifndef EG_AUDIT_LOGS_H
#define EG_AUDIT_LOGS_H

#include <embergate/keys.h>
#include <embergate/kv.h>
#include <stdatomic.h>

#include "checkpoint.h"
#include "envelope.h"
#include "tile_log.h"

#define EG_LOGS_MAX 4096u
#define EG_WRAPPED_FILE "audit-key.wrapped"
#define EG_WRAPPED_FILE_MAX 1024u

typedef struct eg_log {
    struct eg_log *next;          /* never removed, so a pointer to a log stays good */
    char id[EG_LOG_ID_MAX + 1];
    char origin[EG_ORIGIN_MAX];
    atomic_bool key_destroyed;    /* since the log was opened: the key is used no more */
    eg_secret *key;               /* NULL: destroyed or never there, so that nothing more can be sealed or opened */
    uint8_t public_key[32];
    int dir_fd;
    atomic_ullong served;         /* size of the checkpoint file: what readers may ask for */
    /* The sequencer's alone. */
    uint64_t size;                /* committed */
    uint8_t root[EG_SHA256_LEN];
    eg_tile_log *tiles;           /* NULL: to be opened at `size` */
} eg_log;

typedef struct eg_logs eg_logs;

typedef struct eg_logs_options {
    int dir_fd;                   /* borrowed */
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    const char *origin;
} eg_logs_options;

/* Opens every log that the state knows, and "server". Blocks. */
eg_err eg_logs_open(const eg_logs_options *o, eg_logs **ret, eg_problem *p) EG_MUST_CHECK;
void eg_logs_free(eg_logs *l);
/* NULL when it isn't open. Any thread, never waits for the disk or the keeper. */
eg_log *eg_logs_find(eg_logs *l, eg_str id);
/* Makes it when it is new: blocks. */
eg_err eg_logs_get(eg_logs *l, eg_str id, eg_log **ret, eg_problem *p) EG_MUST_CHECK;
/* The log of a record: of a tenant that the keeper has no key for, the server's. Blocks when the log is new. */
eg_err eg_logs_for_record(eg_logs *l, eg_str id, eg_log **ret) EG_MUST_CHECK;
/* All logs in turn: after NULL the first, after the last NULL. */
eg_log *eg_logs_next(eg_logs *l, const eg_log *after);
int eg_log_dup_dir(const eg_log *log);      /* -1 with errno; the caller closes it */
eg_bytes eg_log_key(const eg_log *log); /* empty when destroyed */

/* Rows of EG_DB_AUDIT_STATE. */
size_t eg_state_key(char *out, size_t cap, const char *kind, eg_str id); /* "log/server" */
#define EG_STATE_LOG_LEN (1 + 8 + EG_SHA256_LEN) /* version, size, root */
void eg_state_log_write(uint64_t size, const uint8_t root[EG_SHA256_LEN], uint8_t ret[EG_STATE_LOG_LEN]);

/* The log's data key is neither used nor given any more; it goes on without sealed halves. */
void eg_logs_forget(eg_logs *l, eg_str tenant);
/* Moves the wrapped data key of the tenant's log to the newest version. */
eg_err eg_logs_rewrap(eg_logs *l, const eg_rewrap *what, uint64_t *ret_moved) EG_MUST_CHECK;

#endif
