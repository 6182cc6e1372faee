/* Keeps the store's file longer than what is used of it: a commit that need not change the length is durable sooner. */
#include "kv_txn.h"

#include <embergate/durable_file.h>
#include <sys/stat.h>

#define LOW ((uint64_t)256 << 10)
#define STEP ((uint64_t)1 << 20)

/* Behind the last page of the last commit nothing lives, and nobody writes while no transaction is open. */
bool eg_kv_ahead(eg_kv *kv, uint64_t *extended) {
    eg_kv_extent x;
    struct stat st;
    if (eg_kv_extent_get(kv, &x) != EG_OK || x.used + LOW <= *extended) {
        return true;
    }
    if (*extended == 0) {
        *extended = fstat(x.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    }
    const uint64_t from = x.used > *extended ? x.used : *extended;
    const uint64_t to = x.used + STEP < x.most ? x.used + STEP : x.most;
    if (from >= to) {
        return true; /* the map ends there */
    }
    if (eg_write_zeros(x.fd, from, to) != EG_OK) {
        return false;
    }
    *extended = to;
    return true;
}
