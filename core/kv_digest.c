/* A sum over all rows of a database, under a key: who puts back an older row, takes one away or adds one of its own can't make it fit. */
#include "kv_digest.h"

#include "kv_env.h"

#include <embergate/crypto.h>

#include <stdlib.h>

#define VERSION 2
#define OLD_VERSION 1          /* of a digest that covers the first OLD_COVERED alone */
#define OLD_COVERED 20u
#define SALT_LEN 16
#define ROWS_AT_ONCE 1024u
#define SUMS_LEN (EG_KV_DIGEST_DBS * 16)
#define ROW_LEN (1 + SALT_LEN + EG_SEALED_OVERHEAD + SUMS_LEN)

/* The place in this list is in the format: only ever add at the end, with another version. The audit log proves itself, so it isn't here. */
static const eg_kv_db covered[] = {
    EG_DB_FS_ACCOUNT, EG_DB_FS_ENTRY,    EG_DB_FS_INODE, EG_DB_FS_EXTENT, EG_DB_FS_STAGED, EG_DB_FS_SEGMENT, EG_DB_FS_ORPHAN, EG_DB_FS_PLACE,
    EG_DB_FS_BLOCK,   EG_DB_FS_BLOCK_LIST, EG_DB_FS_SNAPSHOT, EG_DB_FS_DELETED, EG_DB_FS_LEASE, EG_DB_FS_SCOPE, EG_DB_BATCH,  EG_DB_BATCH_NAME,
    EG_DB_CLUSTER,    EG_DB_USAGE,       EG_DB_CREDENTIAL, EG_DB_IDEMPOTENCY, EG_DB_PRINCIPAL, EG_DB_REVOKED, EG_DB_POLICY_DOCUMENT, EG_DB_POLICY_VERSION,
    EG_DB_POLICY_CHANGE, EG_DB_POLICY_PENDING,
};
#define COVERED (sizeof covered / sizeof covered[0])
_Static_assert(COVERED <= EG_KV_DIGEST_DBS, "the row has room for more");

/* Place in the list and 1; 0 = none. */
static const uint8_t place_of[EG_DB_COUNT] = {
    [EG_DB_FS_ACCOUNT] = 1, [EG_DB_FS_ENTRY] = 2,    [EG_DB_FS_INODE] = 3,       [EG_DB_FS_EXTENT] = 4,   [EG_DB_FS_STAGED] = 5,   [EG_DB_FS_SEGMENT] = 6,
    [EG_DB_FS_ORPHAN] = 7,  [EG_DB_FS_PLACE] = 8,    [EG_DB_FS_BLOCK] = 9,       [EG_DB_FS_BLOCK_LIST] = 10, [EG_DB_FS_SNAPSHOT] = 11, [EG_DB_FS_DELETED] = 12,
    [EG_DB_FS_LEASE] = 13,  [EG_DB_FS_SCOPE] = 14,   [EG_DB_BATCH] = 15,         [EG_DB_BATCH_NAME] = 16, [EG_DB_CLUSTER] = 17,    [EG_DB_USAGE] = 18,
    [EG_DB_CREDENTIAL] = 19, [EG_DB_IDEMPOTENCY] = 20, [EG_DB_PRINCIPAL] = 21,   [EG_DB_REVOKED] = 22,    [EG_DB_POLICY_DOCUMENT] = 23, [EG_DB_POLICY_VERSION] = 24,
    [EG_DB_POLICY_CHANGE] = 25, [EG_DB_POLICY_PENDING] = 26,
};

struct eg_kv_digest {
    uint8_t row_key[EG_KEYED_HASH_LEN];
    eg_secret *seal_key;
    eg_kv_sums now, stored;
    bool unsure;               /* a transaction that wrote sums didn't come to its end */
};

static const uint8_t row_name[] = {'d', 'i', 'g', 'e', 's', 't'};
static const eg_bytes row_key = {row_name, sizeof row_name};

bool eg_kv_digest_covers(eg_kv_db db) { return place_of[db] != 0; }

/* SipHash-2-4 with 128 bits over the database's place, the key's length, key and value. */
eg_kv_row_hash eg_kv_digest_hash(const eg_kv_digest *d, eg_kv_db db, eg_bytes key, eg_bytes value) {
    uint8_t head[3] = {place_of[db]};
    uint8_t hash[EG_KEYED_HASH_LEN];
    eg_put_u16(head + 1, (uint16_t)key.len);
    const eg_bytes in[] = {{head, sizeof head}, key, value};
    eg_keyed_hash(d->row_key, in, sizeof in / sizeof in[0], hash);
    return (eg_kv_row_hash){{eg_get_u64(hash), eg_get_u64(hash + 8)}};
}

static void change_sum(eg_kv_sums *sums, eg_kv_db db, eg_kv_row_hash row, uint64_t sign) {
    uint64_t *sum = sums->of[place_of[db] - 1];
    sum[0] += sign * row.half[0];
    sum[1] += sign * row.half[1];
}

void eg_kv_digest_add(eg_kv_digest *d, eg_kv_db db, eg_kv_row_hash row) { change_sum(&d->now, db, row, 1); }
void eg_kv_digest_take(eg_kv_digest *d, eg_kv_db db, eg_kv_row_hash row) { change_sum(&d->now, db, row, UINT64_MAX); }

void eg_kv_digest_get(const eg_kv_digest *d, eg_kv_sums *ret) {
    if (d) {
        *ret = d->now;
    }
}

void eg_kv_digest_set(eg_kv_digest *d, const eg_kv_sums *to) {
    if (d) {
        d->now = *to;
        d->unsure = true;
    }
}

/* Sealed, so that nobody learns from two of them what one row adds. A key of its own for each: random nonces alone would run out. `head` is version and salt; the
 * version is bound, else who writes the disk could have what a newer one covers counted anew. */
static eg_err with_key(const eg_kv_digest *d, const uint8_t head[1 + SALT_LEN], eg_bytes in, eg_buf *ret,
                       eg_err (*use)(eg_bytes key32, eg_bytes ad, eg_bytes in, eg_buf *ret)) {
    uint8_t key[EG_SHA256_LEN];
    const eg_str ad = head[0] == OLD_VERSION ? EG_LIT("embergate store digest v1") : EG_LIT("embergate store digest v2");
    eg_hmac_sha256(eg_secret_bytes(d->seal_key), (eg_bytes){head + 1, SALT_LEN}, key);
    const eg_err e = use((eg_bytes){key, sizeof key}, eg_str_bytes(ad), in, ret);
    eg_cleanse(key, sizeof key);
    return e;
}

static eg_err encode(const eg_kv_digest *d, eg_buf *ret) {
    uint8_t plain[SUMS_LEN], head[1 + SALT_LEN] = {VERSION};
    for (size_t i = 0; i < EG_KV_DIGEST_DBS; i++) {
        eg_put_u64(plain + 16 * i, d->now.of[i][0]);
        eg_put_u64(plain + 16 * i + 8, d->now.of[i][1]);
    }
    eg_random(head + 1, SALT_LEN);
    EG_TRY(eg_buf_add(ret, head, sizeof head));
    return with_key(d, head, (eg_bytes){plain, sizeof plain}, ret, eg_seal);
}

static eg_err decode(const eg_kv_digest *d, eg_bytes row, eg_kv_sums *ret) {
    const bool known = row.len > 0 && (row.ptr[0] == VERSION || row.ptr[0] == OLD_VERSION);
    if (row.len != ROW_LEN || !known) {
        return row.len > 0 && !known ? EG_ERR_FORMAT_VERSION : EG_ERR_CORRUPT;
    }
    EG_CLEANUP(eg_buf_done) eg_buf plain;
    eg_buf_init(&plain, SUMS_LEN);
    EG_TRY(with_key(d, row.ptr, (eg_bytes){row.ptr + 1 + SALT_LEN, row.len - 1 - SALT_LEN}, &plain, eg_open_sealed));
    for (size_t i = 0; i < EG_KV_DIGEST_DBS; i++) {
        ret->of[i][0] = eg_get_u64((const uint8_t *)plain.ptr + 16 * i);
        ret->of[i][1] = eg_get_u64((const uint8_t *)plain.ptr + 16 * i + 8);
    }
    return EG_OK;
}

eg_err eg_kv_digest_write(eg_kv_txn *t) {
    eg_kv_digest *d = t->kv->digest;
    if (!d || (!d->unsure && memcmp(&d->now, &d->stored, sizeof d->now) == 0)) {
        return EG_OK;
    }
    EG_CLEANUP(eg_buf_done) eg_buf row;
    eg_buf_init(&row, ROW_LEN);
    EG_TRY(encode(d, &row));
    EG_TRY(eg_kv_put(t, EG_DB_META, row_key, eg_buf_bytes(&row)));
    d->stored = d->now;
    d->unsure = false;
    return EG_OK;
}

/* ---- the whole store ---- */

static eg_err sum_database(const eg_kv_digest *d, eg_kv_txn *t, eg_kv_db db, const eg_kv_digest_sink *sink, eg_kv_sums *ret) {
    EG_CLEANUP(eg_kv_cursor_close_p) eg_kv_cursor *c = NULL;
    EG_TRY(eg_kv_cursor_open(t, db, (eg_bytes){NULL, 0}, &c));
    eg_err e;
    eg_bytes key, value;
    for (uint64_t n = 1; (e = eg_kv_cursor_next(c, &key, &value)) == EG_OK; n++) {
        change_sum(ret, db, eg_kv_digest_hash(d, db, key, value), 1);
        if (n % ROWS_AT_ONCE == 0 && sink && sink->go_on && !sink->go_on(sink->ctx)) {
            return EG_ERR_CANCELLED;
        }
    }
    return e == EG_ERR_NOT_FOUND ? EG_OK : e;
}

static eg_err sum_from(const eg_kv_digest *d, size_t first, eg_kv_txn *t, const eg_kv_digest_sink *sink, eg_kv_sums *ret) {
    for (size_t i = first; i < COVERED; i++) {
        ret->of[i][0] = ret->of[i][1] = 0;
        EG_TRY(sum_database(d, t, covered[i], sink, ret));
    }
    return EG_OK;
}

eg_err eg_kv_digest_check(eg_kv_txn *t, const eg_kv_digest_sink *sink) {
    const eg_kv_digest *d = t->kv->digest;
    eg_kv_sums promised, found = {0};
    eg_bytes row;
    if (!d) {
        return EG_ERR_INVALID;
    }
    const eg_err e = eg_kv_get(t, EG_DB_META, row_key, &row);
    EG_TRY(e == EG_ERR_NOT_FOUND ? EG_ERR_CORRUPT : e);
    EG_TRY(decode(d, row, &promised));
    EG_TRY(sum_from(d, 0, t, sink, &found));
    for (size_t i = 0; i < COVERED; i++) {
        if (memcmp(promised.of[i], found.of[i], sizeof found.of[i]) != 0) {
            sink->differs(sink->ctx, eg_kv_db_names[covered[i]]);
        }
    }
    return EG_OK;
}

/* ---- its beginning ---- */

void eg_kv_digest_free(eg_kv_digest *d) {
    if (d) {
        eg_secret_free(d->seal_key);
        eg_cleanse(d, sizeof *d);
        free(d);
    }
}

static eg_err new_digest(const eg_secret *key, eg_kv_digest **ret) {
    uint8_t seal[EG_KEY_LEN];
    eg_kv_digest *d = calloc(1, sizeof *d);
    eg_err e = d ? EG_OK : EG_ERR_NO_MEMORY;
    e = e != EG_OK ? e : eg_hkdf_sha256(eg_secret_bytes(key), (eg_bytes){NULL, 0}, eg_str_bytes(EG_LIT("rows")), d->row_key, sizeof d->row_key);
    e = e != EG_OK ? e : eg_hkdf_sha256(eg_secret_bytes(key), (eg_bytes){NULL, 0}, eg_str_bytes(EG_LIT("sums")), seal, sizeof seal);
    if (e == EG_OK) {
        d->seal_key = eg_secret_new(seal, sizeof seal);
        eg_cleanse(seal, sizeof seal);
        e = d->seal_key ? EG_OK : EG_ERR_NO_MEMORY;
    }
    if (e != EG_OK) {
        eg_kv_digest_free(d);
        return e;
    }
    *ret = d;
    return EG_OK;
}

typedef struct beginning {
    eg_kv_digest *digest;
    bool counted;
} beginning;

/* What nobody has summed until now is believed: all rows of a store without a digest, those of the databases that an older version didn't cover. */
static eg_err count(eg_kv_txn *t, beginning *b, size_t first) {
    eg_kv *kv = t->kv;
    EG_TRY(sum_from(b->digest, first, t, NULL, &b->digest->now));
    b->digest->unsure = true; /* also the sums of nothing are written */
    kv->digest = b->digest;
    const eg_err written = eg_kv_digest_write(t);
    kv->digest = NULL;
    b->counted = true;
    return written == EG_OK ? eg_kv_say_digest(t) : written;
}

static eg_err go_on(eg_kv_txn *t, beginning *b, eg_bytes row, eg_problem *p) {
    const bool old = row.len > 0 && row.ptr[0] == OLD_VERSION;
    const eg_err e = decode(b->digest, row, &b->digest->stored);
    if (e != EG_OK) {
        return eg_fail(p, e, "The store's digest doesn't open: it is damaged, or the keeper's master key is another's.");
    }
    b->digest->now = b->digest->stored;
    return old ? count(t, b, OLD_COVERED) : EG_OK;
}

/* In the committer's thread: the sums have to begin between two transactions. */
static eg_err begin(eg_kv_txn *t, void *ctx, eg_problem *p) {
    beginning *b = ctx;
    eg_bytes row;
    const eg_err e = eg_kv_get(t, EG_DB_META, row_key, &row);
    if (e == EG_OK) {
        return go_on(t, b, row, p);
    }
    EG_TRY(e == EG_ERR_NOT_FOUND ? EG_OK : e);
    if (t->kv->has_digest) {
        return eg_fail(p, EG_ERR_CORRUPT, "The store's digest is gone: somebody took it away. Restore a backup.");
    }
    return count(t, b, 0);
}

bool eg_kv_has_digest(const eg_kv *kv) { return kv->has_digest; }

eg_err eg_kv_digest_start(eg_kv *kv, eg_committer *committer, const eg_secret *key, bool *ret_counted, eg_problem *p) {
    beginning b = {0};
    EG_TRY(new_digest(key, &b.digest));
    const eg_txn_op op = {.apply = begin, .ctx = &b};
    const eg_err e = eg_commit(committer, &op, 1, p);
    if (e != EG_OK) {
        eg_kv_digest_free(b.digest);
        return e;
    }
    kv->digest = b.digest;
    *ret_counted = b.counted;
    return EG_OK;
}
