/* Counts failures by key in a table of fixed size. */
#ifndef EG_GATEWAY_IDENTITY_FAILURE_TABLE_H
#define EG_GATEWAY_IDENTITY_FAILURE_TABLE_H

#include <embergate/crypto.h>

typedef struct eg_failure_table eg_failure_table;

/* Counts start anew `window_s` after the first failure of a key. NULL without memory. */
eg_failure_table *eg_failure_table_new(size_t slots, int64_t window_s);
void eg_failure_table_free(eg_failure_table *t);
/* Failures of key within its window. */
unsigned eg_failure_table_count(eg_failure_table *t, eg_bytes key, int64_t now_s);
/* In a full set the key with the fewest failures makes room, so that a flood of new keys doesn't wash out an old offender. */
void eg_failure_table_add(eg_failure_table *t, eg_bytes key, int64_t now_s);

#endif
