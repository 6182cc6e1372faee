/* Open addressing by the end of the id, which is random. */
#include "id_map.h"

#include <embergate/encoding.h>
#include <stdlib.h>

typedef struct cell {
    eg_id id;
    uint32_t used;
    uint32_t value;
} cell;

struct eg_id_map {
    cell *cells;
    size_t cap;      /* a power of two */
    size_t count;
};

eg_err eg_id_map_new(eg_id_map **ret) {
    eg_id_map *m = calloc(1, sizeof *m);
    if (!m) {
        return EG_ERR_NO_MEMORY;
    }
    m->cap = 1024;
    m->cells = calloc(m->cap, sizeof *m->cells);
    if (!m->cells) {
        free(m);
        return EG_ERR_NO_MEMORY;
    }
    *ret = m;
    return EG_OK;
}

void eg_id_map_free(eg_id_map *m) {
    if (m) {
        free(m->cells);
        free(m);
    }
}

/* Where the id is, or would be: there is always a free cell. */
static cell *find(cell *cells, size_t cap, const eg_id *id) {
    size_t at = (size_t)eg_get_u64(id->b + 8) & (cap - 1);
    while (cells[at].used && !eg_id_eq(&cells[at].id, id)) {
        at = (at + 1) & (cap - 1);
    }
    return &cells[at];
}

static bool grow(eg_id_map *m) {
    cell *cells = calloc(2 * m->cap, sizeof *cells);
    if (!cells) {
        return false;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (m->cells[i].used) {
            *find(cells, 2 * m->cap, &m->cells[i].id) = m->cells[i];
        }
    }
    free(m->cells);
    m->cells = cells;
    m->cap *= 2;
    return true;
}

uint32_t *eg_id_map_at(eg_id_map *m, const eg_id *id) {
    if (m->count * 2 >= m->cap && !grow(m)) {
        return NULL;
    }
    cell *c = find(m->cells, m->cap, id);
    if (!c->used) {
        c->used = 1;
        c->id = *id;
        m->count++;
    }
    return &c->value;
}

uint32_t eg_id_map_get(const eg_id_map *m, const eg_id *id) {
    const cell *c = find(m->cells, m->cap, id);
    return c->used ? c->value : 0;
}
