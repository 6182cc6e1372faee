/* What a change makes of the documents: each one before and after, and all of them as they would be. */
#ifndef GATEWAY_POLICY_POLICY_SET_H
#define GATEWAY_POLICY_POLICY_SET_H

#include "policy_rows.h"

typedef struct eg_policy_item {
    eg_policy_kind kind;
    char *id;                            /* as written */
    uint8_t digest[EG_SHA256_LEN];       /* of the id: the order of documents within a kind */
    char *after, *before;                /* compact JSON; NULL = there is none */
    size_t after_len, before_len;
} eg_policy_item;

/* Sorted by kind and digest; one item a document. */
typedef struct eg_policy_set {
    eg_policy_item *v;
    size_t n, cap;
    size_t bytes;                        /* of all texts */
    eg_pace *pace;                       /* of all that is done with it; NULL = in one go */
} eg_policy_set;

void eg_policy_set_done(eg_policy_set *s);
/* name may be NULL. The text is validated as JSON and made compact, no more. EG_ERR_POLICY_INVALID, EG_ERR_LIMIT. */
eg_err eg_policy_set_put(eg_policy_set *s, eg_policy_kind kind, const char *name, eg_str text, eg_problem *p) EG_MUST_CHECK;
eg_err eg_policy_set_delete(eg_policy_set *s, eg_policy_kind kind, eg_str id, eg_problem *p) EG_MUST_CHECK;
/* Sorts; of two of one document the first is refused with `strict`, else forgotten. */
eg_err eg_policy_set_sort(eg_policy_set *s, bool strict, eg_problem *p) EG_MUST_CHECK;
/* Fills `before` from the store and drops what changes nothing. A delete of what isn't there: EG_ERR_NOT_FOUND. */
eg_err eg_policy_set_compare(eg_policy_set *s, eg_kv_txn *t, eg_problem *p) EG_MUST_CHECK;
/* Adds a delete of each document of the store that isn't in the sorted set. */
eg_err eg_policy_set_rest(eg_policy_set *s, eg_kv_txn *t, eg_problem *p) EG_MUST_CHECK;
/* The snapshot of the store's documents with the set's changes. s may be empty. */
eg_err eg_policy_set_load(const eg_policy_set *s, eg_kv_txn *t, uint64_t version, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;
/* The same, one version after the snapshot in force, of which what the set doesn't touch is taken over where that can be done. The set is compared. */
eg_err eg_policy_set_load_upon(const eg_policy_set *s, const eg_policy *base, eg_kv_txn *t, eg_policy **ret, eg_problem *p) EG_MUST_CHECK;

#endif
