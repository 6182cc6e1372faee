/* The rows of policies in the store: documents, versions, what each version changed. docs/POLICIES.md has the formats. */
#ifndef GATEWAY_POLICY_POLICY_ROWS_H
#define GATEWAY_POLICY_POLICY_ROWS_H

#include <embergate/policy_store.h>

#define EG_POLICY_DOCUMENT_MAX (4u << 20)
#define EG_POLICY_CHANGE_BYTES_MAX (64u << 20)     /* of one change */
#define EG_POLICY_HISTORY_BYTES_MAX (256u << 20)   /* of the content that is kept for history; the oldest goes first */
#define EG_POLICY_HISTORY_VERSIONS_MAX 100000      /* whose row is kept */
#define EG_POLICY_KEY_MAX 96

typedef struct eg_policy_key {
    uint8_t bytes[EG_POLICY_KEY_MAX];
    size_t len;
} eg_policy_key;

/* folder, NUL, SHA-256 of the id in lower case. */
void eg_policy_id_digest(eg_policy_kind kind, eg_str id, uint8_t ret[EG_SHA256_LEN]);
eg_policy_key eg_policy_document_key(eg_policy_kind kind, const uint8_t digest[EG_SHA256_LEN]);
eg_policy_key eg_policy_kind_prefix(eg_policy_kind kind);
static inline eg_bytes eg_policy_key_bytes(const eg_policy_key *k) { return (eg_bytes){k->bytes, k->len}; }

/* The newest version's row, parsed; EG_ERR_NOT_FOUND before the first. `before` 0 = the newest, else the newest below it. */
eg_err eg_policy_version_read(eg_kv_txn *t, uint64_t before, uint64_t *ret_version, json_t **ret) EG_MUST_CHECK;
eg_err eg_policy_version_get(eg_kv_txn *t, uint64_t version, json_t **ret) EG_MUST_CHECK;
eg_err eg_policy_version_put(eg_kv_txn *t, uint64_t version, const json_t *row) EG_MUST_CHECK;
void eg_policy_change_key(uint64_t version, uint32_t index, uint8_t ret[12]);
/* Each change of a version, in order. */
eg_err eg_policy_changes_each(eg_kv_txn *t, uint64_t version, eg_err (*each)(void *ctx, const json_t *change), void *ctx) EG_MUST_CHECK;
eg_err eg_policy_changes_drop(eg_kv_txn *t, uint64_t version) EG_MUST_CHECK;

#endif
