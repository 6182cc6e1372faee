/* Role assignments in order, and found by principal and by scope through open hash tables. */
#include "policy_model.h"

#include <stdlib.h>

/* Those of one principal, scope and name stand as their documents are read. */
static int document_order(const uint8_t *a, const uint8_t *b) {
    if (!a || !b || a[EG_SHA256_LEN] == b[EG_SHA256_LEN]) {
        return a && b ? memcmp(a, b, EG_SHA256_LEN) : 0;
    }
    return a[EG_SHA256_LEN] < b[EG_SHA256_LEN] ? -1 : 1;
}

int eg_policy_assignment_order(const void *x, const void *y) {
    const eg_policy_assignment *a = x, *b = y;
    int order = eg_policy_guid_order(&a->principal, &b->principal);
    if (order == 0) {
        order = eg_policy_id_order(a->scope, b->scope);
    }
    if (order == 0) {
        order = eg_policy_id_order(a->name, b->name);
    }
    return order ? order : document_order(a->document, b->document);
}

static int scope_order(const void *x, const void *y) {
    const eg_policy_scoped *a = x, *b = y;
    return a->hash != b->hash ? (a->hash < b->hash ? -1 : 1) : a->assignment < b->assignment ? -1 : a->assignment > b->assignment;
}

static eg_policy_scoped scoped(const eg_policy *pol, uint32_t assignment) {
    const eg_policy_assignment *m = &pol->assignments[assignment];
    return (eg_policy_scoped){m->scope_hash, assignment, eg_principal_mark(m->principal.b)};
}

/* The first that doesn't stand before m. */
static size_t place_of(const eg_policy_scoped *v, size_t n, const eg_policy_scoped *m) {
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (scope_order(&v[mid], m) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Those of the older snapshot keep their order among themselves; the new ones are put between them. */
static eg_err merge_scopes(eg_policy *pol, const eg_policy_moves *moves) {
    const size_t n = moves->older->assignment_count, fresh_count = moves->fresh_count;
    eg_policy_scoped *kept = malloc((n + 1) * sizeof *kept), *fresh = malloc((fresh_count + 1) * sizeof *fresh);
    size_t kept_count = 0, at = 0, out = 0;
    for (size_t i = 0; kept && i < n; i++) {
        const eg_policy_scoped *m = &moves->older->by_scope[i];
        if (moves->place[m->assignment] != EG_POLICY_GONE) {
            kept[kept_count++] = (eg_policy_scoped){m->hash, moves->place[m->assignment], m->who};
        }
    }
    for (size_t i = 0; fresh && i < fresh_count; i++) {
        fresh[i] = scoped(pol, moves->fresh[i]);
    }
    if (kept && fresh) {
        qsort(fresh, fresh_count, sizeof *fresh, scope_order);
    }
    for (size_t i = 0; kept && fresh && i <= fresh_count; i++) {
        const size_t until = i < fresh_count ? place_of(kept, kept_count, &fresh[i]) : kept_count;
        memcpy(&pol->by_scope[out], &kept[at], (until - at) * sizeof *kept);
        out += until - at;
        at = until;
        if (i < fresh_count) {
            pol->by_scope[out++] = fresh[i];
        }
    }
    const bool done = kept && fresh;
    free(kept);
    free(fresh);
    return done ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err index_scopes(eg_policy *pol, const eg_policy_moves *moves) {
    const size_t n = pol->assignment_count;
    pol->by_scope = malloc((n + 1) * sizeof *pol->by_scope);
    pol->scope_buckets = calloc(pol->bucket_mask + 1, sizeof *pol->scope_buckets);
    if (!pol->by_scope || !pol->scope_buckets) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; !moves->older && i < n; i++) {
        pol->by_scope[i] = scoped(pol, (uint32_t)i);
    }
    if (moves->older) {
        EG_TRY(merge_scopes(pol, moves));
    } else {
        qsort(pol->by_scope, n, sizeof *pol->by_scope, scope_order);
    }
    for (size_t i = 0; i < n; i++) {
        const uint64_t hash = pol->by_scope[i].hash;
        if (i > 0 && pol->by_scope[i - 1].hash == hash) {
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

eg_err eg_policy_index_assignments(eg_policy *pol, const eg_policy_moves *moves) {
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
    return index_scopes(pol, moves);
}
