/* The operations on the lease of a path or a container. */
#include "lease_index.h"

eg_err eg_path_lease_apply(eg_kv_txn *t, void *lease, eg_problem *p) {
    eg_path_lease *x = lease;
    eg_change *c = &x->base;
    eg_place place;
    eg_inode i;
    EG_TRY(eg_path_find(t, c, &place, &i, p));
    EG_TRY(eg_change_met(c, &i, p));
    eg_lease l;
    uint8_t row[EG_LEASE_ROW_LEN];
    EG_TRY(eg_lease_decode(i.attr[EG_ATTR_LEASE], &l));
    EG_TRY(eg_lease_act(&l, &x->ask, c->forward_ns, &x->remaining_s, p));
    eg_lease_encode(&l, row);
    i.attr[EG_ATTR_LEASE] = (eg_bytes){row, l.held ? sizeof row : 0};
    EG_TRY(eg_ns_inode_put(t, c->account, &i));
    x->lease = l;
    c->after = i;
    if (x->of == EG_LEASE_OF_CONTAINER) {
        return EG_OK; /* deleting a container looks at its own lease alone */
    }
    const eg_lease_spot at = {c->account, place.container.root, c->path};
    return l.held ? eg_lease_index_put(t, &at) : eg_lease_index_del(t, &at);
}
