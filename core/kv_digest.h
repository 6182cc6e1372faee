/* The digest of the store as its transactions keep it: a sum over the rows of each database that it covers, under a key. docs/STORE-DIGEST.md is the format. */
#ifndef EG_CORE_KV_DIGEST_H
#define EG_CORE_KV_DIGEST_H

#include <embergate/kv.h>

#define EG_KV_DIGEST_DBS 32u

/* One of 128 bits a database, in the order of the format; the halves are summed apart, modulo 2^64. */
typedef struct eg_kv_sums {
    uint64_t of[EG_KV_DIGEST_DBS][2];
} eg_kv_sums;

typedef struct eg_kv_digest eg_kv_digest;
void eg_kv_digest_free(eg_kv_digest *d);

/* Whether the database's rows are summed. */
bool eg_kv_digest_covers(eg_kv_db db);
/* What one row adds to its sum. */
typedef struct eg_kv_row_hash {
    uint64_t half[2];
} eg_kv_row_hash;
/* The database is one that is covered. */
eg_kv_row_hash eg_kv_digest_hash(const eg_kv_digest *d, eg_kv_db db, eg_bytes key, eg_bytes value);
void eg_kv_digest_add(eg_kv_digest *d, eg_kv_db db, eg_kv_row_hash row);
void eg_kv_digest_take(eg_kv_digest *d, eg_kv_db db, eg_kv_row_hash row);
/* The sums of now: kept by who may have to take back what it does. */
void eg_kv_digest_get(const eg_kv_digest *d, eg_kv_sums *ret);
void eg_kv_digest_set(eg_kv_digest *d, const eg_kv_sums *to);
/* Writes them, if they aren't those that the store has: the last thing that a transaction does. */
eg_err eg_kv_digest_write(eg_kv_txn *t) EG_MUST_CHECK;

#endif
