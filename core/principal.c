/* Makes, shares and frees principals. */
#include <embergate/encoding.h>
#include <embergate/principal.h>

#include <stdlib.h>

#define FILTER_LOG_LEAST 10
#define FILTER_LOG_MOST 18

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

static int order(const void *a, const void *b) {
    return memcmp(a, b, 16);
}

static bool parse(eg_str text, uint8_t ret[16]) {
    static const struct { uint8_t at, len; } parts[] = {{0, 8}, {9, 4}, {14, 4}, {19, 4}, {24, 12}};
    size_t n = 0;
    if (text.len != EG_UUID_LEN - 1) {
        return false;
    }
    for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
        size_t got = 0;
        if ((k > 0 && text.ptr[parts[k].at - 1] != '-') || eg_unhex((eg_str){text.ptr + parts[k].at, parts[k].len}, ret + n, 16 - n, &got) != EG_OK) {
            return false;
        }
        n += got;
    }
    return true;
}

/* At least sixteen bits a group, so that one in sixteen questions goes on at most. */
static unsigned filter_log(size_t groups) {
    unsigned n = FILTER_LOG_LEAST;
    while (n < FILTER_LOG_MOST && ((size_t)1 << n) < 16 * groups) {
        n++;
    }
    return n;
}

void eg_principal_index_groups(eg_principal *p) {
    const unsigned log = filter_log(p->group_count);
    const size_t ids_size = p->group_count * sizeof *p->group_ids; /* a multiple of 16: the filter is aligned */
    uint8_t (*ids)[16] = p->group_count ? calloc(1, ids_size + ((size_t)1 << log) / 8) : NULL;
    uint64_t *filter = ids ? (uint64_t *)(void *)ids[p->group_count] : NULL;
    for (size_t i = 0; ids && i < p->group_count; i++) {
        if (!parse(eg_str_of(p->groups[i]), ids[i])) {
            free(ids);
            return;
        }
        const uint32_t bit = eg_principal_mark(ids[i]) >> (32 - log);
        filter[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    if (ids) {
        qsort(ids, p->group_count, sizeof *ids, order);
    }
    p->group_ids = ids;
    p->group_filter = filter;
    p->group_filter_log = log;
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
    q->group_filter = holder ? holder->group_filter : NULL;
    q->group_filter_log = holder ? holder->group_filter_log : 0;
    return q;
}

bool eg_principal_in_group(const eg_principal *p, const uint8_t id[16]) {
    return eg_principal_may_be_in(p, eg_principal_mark(id)) && bsearch(id, p->group_ids, p->group_count, sizeof *p->group_ids, order) != NULL;
}

bool eg_principal_in_group_named(const eg_principal *p, eg_str id) {
    uint8_t bytes[16];
    if (p->group_ids) {
        return parse(id, bytes) && eg_principal_in_group(p, bytes);
    }
    for (size_t i = 0; i < p->group_count; i++) {
        if (id.len > 0 && eg_str_ieq(eg_str_of(p->groups[i]), id)) {
            return true;
        }
    }
    return false;
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
