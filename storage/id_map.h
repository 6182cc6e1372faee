/* A growing map from ids to numbers, for walks that have to remember what they saw. */
#ifndef EG_STORAGE_ID_MAP_H
#define EG_STORAGE_ID_MAP_H

#include "store.h"

typedef struct eg_id_map eg_id_map;
eg_err eg_id_map_new(eg_id_map **ret) EG_MUST_CHECK;
void eg_id_map_free(eg_id_map *m);
/* The number of an id, 0 when it wasn't there; the place is good until the next call. NULL: no memory. */
uint32_t *eg_id_map_at(eg_id_map *m, const eg_id *id);
/* The same without putting it there. */
uint32_t eg_id_map_get(const eg_id_map *m, const eg_id *id);

#endif
