/* The store's write-ahead log: what a commit changed, on the disk before LMDB has it. docs/STORE-LOG-FORMAT.md has the layout and what a crash leaves. */
#ifndef EG_CORE_KV_LOG_H
#define EG_CORE_KV_LOG_H

#include <embergate/bytes.h>

#define EG_KV_META_KEPT 512                      /* bytes of each of LMDB's two meta pages; what it uses of one ends before */
#define EG_KV_RECORD_HEADER 64                   /* that a caller of append leaves free */
#define EG_KV_LOG_FILE_MAX ((uint64_t)16 << 20)  /* each of the two files */

/* A state of LMDB's file that is wholly on the disk: its meta pages, by which it is found again whatever was written since. */
typedef struct eg_kv_base {
    uint64_t generation;   /* 0: none */
    uint64_t txnid;        /* LMDB's, of the last transaction in it */
    uint32_t page_size;
    uint8_t metas[2][EG_KV_META_KEPT];
} eg_kv_base;

typedef struct eg_kv_log eg_kv_log;
/* Makes the files if they are missing. ret_base: the newest state that is known to be whole. EG_ERR_CORRUPT, EG_ERR_FORMAT_VERSION. */
eg_err eg_kv_log_open(int dir_fd, eg_kv_log **ret, eg_kv_base *ret_base, eg_problem *p) EG_MUST_CHECK;
void eg_kv_log_close(eg_kv_log *l);
/* Every record behind the base, in order. EG_ERR_CORRUPT: one is damaged that others were written after. */
typedef eg_err (*eg_kv_record_fn)(void *ctx, uint64_t txnid, eg_bytes changes);
eg_err eg_kv_log_each(eg_kv_log *l, const eg_kv_base *base, eg_kv_record_fn fn, void *ctx) EG_MUST_CHECK;
/* The next base's records go to the other file, from its start; it has no header yet. Returns the generation that they bear. Not while a header is being written. */
uint64_t eg_kv_log_turn(eg_kv_log *l);
/* Makes `base` what the next open begins with: the file that was turned to gets its header. Durable when it returns; from another thread than append's too. */
eg_err eg_kv_log_put_base(eg_kv_log *l, const eg_kv_base *base) EG_MUST_CHECK;
/* record: EG_KV_RECORD_HEADER bytes of room, then the changes; padded here. Durable after EG_OK. EG_ERR_LIMIT: it doesn't fit into what is left of the file.
 * After a failure the next one takes its place. */
eg_err eg_kv_log_append(eg_kv_log *l, uint64_t txnid, eg_buf *record) EG_MUST_CHECK;
/* LMDB refused what was appended last: the record goes again. */
eg_err eg_kv_log_undo(eg_kv_log *l) EG_MUST_CHECK;
/* Held until the log is closed: whoever finds it held knows that the store is open and recovered. */
eg_err eg_kv_log_mark_open(eg_kv_log *l) EG_MUST_CHECK;
#define EG_KV_LOG_FIRST_FILE "log.0"
uint64_t eg_kv_log_used(const eg_kv_log *l);      /* bytes of records in the file that is written */

#endif
