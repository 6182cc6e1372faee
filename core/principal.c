/* Makes, shares and frees principals. */
#include <embergate/encoding.h>
#include <embergate/principal.h>

#include <stdlib.h>

eg_principal *eg_principal_new(void) {
    eg_principal *p = calloc(1, sizeof *p);
    if (p) {
        p->refs = 1;
    }
    return p;
}

eg_principal *eg_principal_ref(eg_principal *p) {
    __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    return p;
}

void eg_principal_unref(eg_principal *p) {
    if (p && __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        if (!p->groups_of) {
            free(p->groups);
            free(p->group_ids);
        }
        eg_principal_unref(p->groups_of);
        free(p->acting);
        free(p);
    }
}

/* Ten bits of a GUID; those that say its version are not among them. */
static unsigned filter_bit(const uint8_t id[16]) {
    const uint64_t h = (eg_get_u64(id) ^ eg_get_u64(id + 8)) * 0x9e3779b97f4a7c15u;
    return (unsigned)(h >> 54);
}

static int order(const void *a, const void *b) {
    return memcmp(a, b, 16);
}

void eg_principal_index_groups(eg_principal *p) {
    static const struct { uint8_t at, len; } parts[] = {{0, 8}, {9, 4}, {14, 4}, {19, 4}, {24, 12}};
    uint8_t (*ids)[16] = p->group_count ? calloc(p->group_count, sizeof *ids) : NULL;
    for (size_t i = 0; ids && i < p->group_count; i++) {
        size_t n = 0;
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            size_t got = 0;
            if (strlen(p->groups[i]) != EG_UUID_LEN - 1 ||
                eg_unhex((eg_str){p->groups[i] + parts[k].at, parts[k].len}, ids[i] + n, sizeof ids[i] - n, &got) != EG_OK) {
                free(ids);
                return;
            }
            n += got;
        }
    }
    if (ids) {
        qsort(ids, p->group_count, sizeof *ids, order);
    }
    p->group_ids = ids;
    for (size_t i = 0; ids && i < p->group_count; i++) {
        const unsigned bit = filter_bit(ids[i]);
        p->group_filter[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
}

eg_principal *eg_principal_with_groups(const eg_principal *p, eg_principal *holder) {
    eg_principal *q = malloc(sizeof *q);
    eg_acting *acting = p->acting ? malloc(sizeof *acting) : NULL;
    if (!q || (p->acting && !acting)) {
        free(q);
        free(acting);
        return NULL;
    }
    *q = *p;
    q->refs = 1;
    q->acting = acting;
    if (acting) {
        *acting = *p->acting;
    }
    q->groups_unknown = holder == NULL;
    q->groups_of = holder ? eg_principal_ref(holder) : NULL;
    q->group_count = holder ? holder->group_count : 0;
    q->groups = holder ? holder->groups : NULL;
    q->group_ids = holder ? holder->group_ids : NULL;
    memset(q->group_filter, 0, sizeof q->group_filter);
    if (holder) {
        memcpy(q->group_filter, holder->group_filter, sizeof q->group_filter);
    }
    return q;
}

bool eg_principal_in_group(const eg_principal *p, const uint8_t id[16]) {
    const unsigned bit = filter_bit(id);
    if (!(p->group_filter[bit / 64] & ((uint64_t)1 << (bit % 64)))) {
        return false;
    }
    return bsearch(id, p->group_ids, p->group_count, sizeof *p->group_ids, order) != NULL;
}

const char *eg_principal_kind_name(eg_principal_kind k) {
    static const char *const names[] = {
        [EG_PRINCIPAL_NONE] = "none",
        [EG_PRINCIPAL_USER] = "user",
        [EG_PRINCIPAL_SERVICE] = "service",
        [EG_PRINCIPAL_JOB] = "job",
        [EG_PRINCIPAL_KEY] = "account key",
        [EG_PRINCIPAL_SAS] = "shared access signature",
    };
    return (unsigned)k < sizeof names / sizeof names[0] ? names[k] : names[EG_PRINCIPAL_NONE];
}
