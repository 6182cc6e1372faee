/* Role assignments sorted, and found by principal and by scope through open hash tables. */
#include "policy_model.h"

#include <stdlib.h>

int eg_policy_assignment_order(const void *x, const void *y) {
    const eg_policy_assignment *a = x, *b = y;
    int order = eg_policy_guid_order(&a->principal, &b->principal);
    if (order == 0) {
        order = eg_policy_id_order(a->scope, b->scope);
    }
    return order ? order : eg_policy_id_order(a->name, b->name);
}

static int scope_order(const void *x, const void *y, void *ctx) {
    const eg_policy *pol = ctx;
    const uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    const uint64_t p = pol->assignments[a].scope_hash, q = pol->assignments[b].scope_hash;
    return p != q ? (p < q ? -1 : 1) : a < b ? -1 : a > b;
}

static eg_err index_scopes(eg_policy *pol) {
    const size_t n = pol->assignment_count;
    pol->by_scope = calloc(n + 1, sizeof *pol->by_scope);
    pol->scope_buckets = calloc(pol->bucket_mask + 1, sizeof *pol->scope_buckets);
    if (!pol->by_scope || !pol->scope_buckets) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        pol->by_scope[i] = (uint32_t)i;
    }
    qsort_r(pol->by_scope, n, sizeof *pol->by_scope, scope_order, pol);
    for (size_t i = 0; i < n; i++) {
        const uint64_t hash = pol->assignments[pol->by_scope[i]].scope_hash;
        if (i > 0 && pol->assignments[pol->by_scope[i - 1]].scope_hash == hash) {
            continue;
        }
        size_t at = hash & pol->bucket_mask;
        while (pol->scope_buckets[at] != 0) {
            at = (at + 1) & pol->bucket_mask;
        }
        pol->scope_buckets[at] = (uint32_t)i + 1;
    }
    return EG_OK;
}

eg_err eg_policy_index_assignments(eg_policy *pol) {
    if (pol->assignment_count > 1) {
        qsort(pol->assignments, pol->assignment_count, sizeof *pol->assignments, eg_policy_assignment_order);
    }
    size_t buckets = 16;
    while (buckets < pol->assignment_count * 2) {
        buckets *= 2;
    }
    pol->buckets = calloc(buckets, sizeof *pol->buckets);
    pol->present = calloc(EG_POLICY_PRESENT_BITS / 64, sizeof *pol->present);
    if (!pol->buckets || !pol->present) {
        return EG_ERR_NO_MEMORY;
    }
    pol->bucket_mask = buckets - 1;
    for (size_t i = 0; i < pol->assignment_count; i++) {
        const eg_policy_guid *id = &pol->assignments[i].principal;
        if (i > 0 && eg_policy_guid_order(id, &pol->assignments[i - 1].principal) == 0) {
            continue;
        }
        const size_t hash = eg_policy_guid_hash(id);
        pol->present[(hash >> 6) % (EG_POLICY_PRESENT_BITS / 64)] |= (uint64_t)1 << (hash & 63);
        size_t at = hash & pol->bucket_mask;
        while (pol->buckets[at] != 0) {
            at = (at + 1) & pol->bucket_mask;
        }
        pol->buckets[at] = (uint32_t)i + 1;
    }
    return index_scopes(pol);
}
