/* The automaton of many patterns at once, walked breadth first: each set of patterns that some text matches, with its shortest text. */
#include "text_classes.h"

#include <stdlib.h>

typedef enum step_kind { STEP_BYTE, STEP_ANY, STEP_MANY, STEP_END } step_kind;

/* One position of one pattern. */
typedef struct step {
    step_kind kind;
    char byte;
    bool ignore_case;
} step;

typedef struct machine {
    step *steps;             /* of all patterns, each ended by STEP_END */
    size_t step_count;
    size_t *firsts;          /* of each pattern */
    size_t pattern_count;
    size_t words;            /* of a set of positions */
    char letters[256];       /* one byte of each kind that the patterns treat alike */
    size_t letter_count;
    /* States found so far, in the order in which they were found. */
    uint64_t *sets;
    struct { uint32_t from; char byte; } *ways;
    size_t count, max;
    bool back;               /* a text that isn't empty leads to the first state again: by this way */
    uint32_t back_from;
    char back_byte;
    uint32_t *buckets;       /* hash → 1 + state */
    size_t mask;
} machine;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

static size_t compile(const eg_text_pattern *p, step *out) {
    size_t n = 0;
    const bool wild = p->form == EG_TEXT_LIKE || p->form == EG_TEXT_ACTION;
    const bool fold = p->ignore_case || p->form == EG_TEXT_ACTION;
    for (size_t i = 0; i < p->text.len; i++) {
        char c = p->text.ptr[i];
        if (wild && c == '*') {
            out[n++] = (step){STEP_MANY, 0, false};
        } else if (p->form == EG_TEXT_LIKE && c == '?') {
            out[n++] = (step){STEP_ANY, 0, false};
        } else {
            if (p->form == EG_TEXT_LIKE && c == '\\' && i + 1 < p->text.len) {
                c = p->text.ptr[++i];
            }
            out[n++] = (step){STEP_BYTE, c, fold};
        }
    }
    if (p->form == EG_TEXT_PREFIX) {
        out[n++] = (step){STEP_MANY, 0, false};
    }
    out[n++] = (step){STEP_END, 0, false};
    return n;
}

/* Bytes that no step tells apart stand for each other: the first of each kind is kept. */
static void find_letters(machine *m, const char *alphabet) {
    char all[256];
    size_t n = 0;
    bool other = false;
    for (int c = 0x20; !alphabet && c <= 0x7e; c++) {
        all[n++] = (char)c;
    }
    for (; alphabet && *alphabet; alphabet++) {
        all[n++] = *alphabet;
    }
    for (size_t i = 0; i < n; i++) {
        bool named = false;
        for (size_t k = 0; k < m->step_count && !named; k++) {
            const step *s = &m->steps[k];
            named = s->kind == STEP_BYTE && (s->byte == all[i] || (s->ignore_case && lower(s->byte) == lower(all[i])));
        }
        if (named || !other) {
            m->letters[m->letter_count++] = all[i];
        }
        other = other || !named;
    }
}

static void set_bit(uint64_t *set, size_t i) { set[i / 64] |= (uint64_t)1 << (i % 64); }
static bool has_bit(const uint64_t *set, size_t i) { return (set[i / 64] >> (i % 64)) & 1; }

/* A position, and those behind stars that may stand for nothing. */
static void enter(const machine *m, uint64_t *set, size_t at) {
    set_bit(set, at);
    while (m->steps[at].kind == STEP_MANY) {
        set_bit(set, ++at);
    }
}

static void advance(const machine *m, const uint64_t *from, char c, uint64_t *to) {
    memset(to, 0, m->words * sizeof *to);
    for (size_t w = 0; w < m->words; w++) {
        for (uint64_t bits = from[w]; bits; bits &= bits - 1) {
            const size_t at = w * 64 + (size_t)__builtin_ctzll(bits);
            const step *s = &m->steps[at];
            if (s->kind == STEP_MANY) {
                enter(m, to, at);
            } else if (s->kind == STEP_ANY || (s->kind == STEP_BYTE && (s->byte == c || (s->ignore_case && lower(s->byte) == lower(c))))) {
                enter(m, to, at + 1);
            }
        }
    }
}

static size_t hash_set(const machine *m, const uint64_t *set) {
    uint64_t h = 0;
    for (size_t i = 0; i < m->words; i++) {
        h = (h ^ set[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return (size_t)h;
}

/* false: there are too many. The set must stand at m->sets + m->count * words. */
static bool add_state(machine *m, uint32_t from, char byte) {
    uint64_t *set = m->sets + m->count * m->words;
    size_t at = hash_set(m, set) & m->mask;
    for (; m->buckets[at]; at = (at + 1) & m->mask) {
        if (memcmp(m->sets + (m->buckets[at] - 1) * m->words, set, m->words * sizeof *set) == 0) {
            if (m->buckets[at] == 1 && !m->back) {
                m->back = true;
                m->back_from = from;
                m->back_byte = byte;
            }
            return true;
        }
    }
    if (m->count + 1 >= m->max) {
        return false;
    }
    m->ways[m->count].from = from;
    m->ways[m->count].byte = byte;
    m->buckets[at] = (uint32_t)++m->count;
    return true;
}

/* Which patterns match a text that ends in this state. */
static void matches(const machine *m, size_t state, uint64_t *ret) {
    memset(ret, 0, (m->pattern_count + 63) / 64 * sizeof *ret);
    for (size_t i = 0; i < m->pattern_count; i++) {
        size_t end = m->firsts[i];
        while (m->steps[end].kind != STEP_END) {
            end++;
        }
        if (has_bit(m->sets + state * m->words, end)) {
            set_bit(ret, i);
        }
    }
}

static eg_err text_of(const machine *m, eg_arena *a, size_t state, eg_str *ret) {
    size_t n = state == 0;
    const size_t before = state == 0 ? m->back_from : state; /* the first state by the way back to it */
    for (size_t s = before; s != 0; s = m->ways[s].from) {
        n++;
    }
    char *text = eg_arena_alloc(a, n + 1);
    if (!text) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = (eg_str){text, n};
    if (state == 0) {
        text[--n] = m->back_byte;
    }
    for (size_t s = before; s != 0; s = m->ways[s].from) {
        text[--n] = m->ways[s].byte;
    }
    return EG_OK;
}

static eg_err collect(const machine *m, eg_arena *a, eg_text_classes *ret) {
    const size_t words = (m->pattern_count + 63) / 64 + 1;
    uint64_t *kinds = calloc((m->count + 1) * words, sizeof *kinds);
    size_t mask = 16;
    while (mask < m->count * 2) {
        mask *= 2;
    }
    uint32_t *buckets = calloc(mask, sizeof *buckets);
    eg_text_classes out = {eg_arena_alloc(a, m->count * sizeof *out.v), 0};
    eg_err e = kinds && buckets && out.v ? EG_OK : EG_ERR_NO_MEMORY;
    for (size_t i = 1; e == EG_OK && i < m->count + m->back; i++) {
        const size_t s = i % m->count; /* the first state last: its text isn't among the shortest */
        uint64_t *kind = kinds + out.n * words;
        uint64_t h = 0;
        matches(m, s, kind);
        for (size_t w = 0; w + 1 < words; w++) {
            h = (h ^ kind[w]) * 0x9e3779b97f4a7c15u;
            h ^= h >> 29;
        }
        size_t at = (size_t)h & (mask - 1);
        while (buckets[at] && memcmp(kinds + (buckets[at] - 1) * words, kind, words * sizeof *kind) != 0) {
            at = (at + 1) & (mask - 1);
        }
        if (!buckets[at]) {
            e = text_of(m, a, s, &out.v[out.n]);
            buckets[at] = (uint32_t)++out.n;
        }
    }
    free(kinds);
    free(buckets);
    if (e == EG_OK) {
        *ret = out;
    }
    return e;
}

static eg_err walk(machine *m) {
    for (size_t i = 0; i < m->pattern_count; i++) {
        enter(m, m->sets, m->firsts[i]);
    }
    if (!add_state(m, 0, 0)) {
        return EG_ERR_LIMIT;
    }
    for (size_t s = 0; s < m->count; s++) {
        for (size_t i = 0; i < m->letter_count; i++) {
            advance(m, m->sets + s * m->words, m->letters[i], m->sets + m->count * m->words);
            if (!add_state(m, (uint32_t)s, m->letters[i])) {
                return EG_ERR_LIMIT;
            }
        }
    }
    return EG_OK;
}

static eg_err set_up(machine *m, const eg_text_pattern *patterns, size_t n, const char *alphabet, size_t states_max) {
    size_t steps = 0, buckets = 16;
    for (size_t i = 0; i < n; i++) {
        steps += patterns[i].text.len + 2;
    }
    m->pattern_count = n;
    m->max = states_max + 1;
    while (buckets < m->max * 2) {
        buckets *= 2;
    }
    m->mask = buckets - 1;
    m->steps = calloc(steps + 1, sizeof *m->steps);
    m->firsts = calloc(n + 1, sizeof *m->firsts);
    if (!m->steps || !m->firsts) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        m->firsts[i] = m->step_count;
        m->step_count += compile(&patterns[i], m->steps + m->step_count);
    }
    m->words = m->step_count / 64 + 1;
    m->sets = calloc((m->max + 1) * m->words, sizeof *m->sets);
    m->ways = calloc(m->max + 1, sizeof *m->ways);
    m->buckets = calloc(buckets, sizeof *m->buckets);
    find_letters(m, alphabet);
    return m->sets && m->ways && m->buckets ? EG_OK : EG_ERR_NO_MEMORY;
}

eg_err eg_text_classes_of(eg_arena *a, const eg_text_pattern *patterns, size_t n, const char *alphabet, size_t states_max, eg_text_classes *ret) {
    machine m = {0};
    eg_err e = set_up(&m, patterns, n, alphabet, states_max);
    if (e == EG_OK) {
        e = walk(&m);
    }
    if (e == EG_OK) {
        e = collect(&m, a, ret);
    }
    free(m.steps);
    free(m.firsts);
    free(m.sets);
    free(m.ways);
    free(m.buckets);
    return e;
}
