/* What every change checks before it writes: its conditions, and the lease of what it changes. */
#include "path_change.h"

#include "lease_index.h"

void eg_change_keep_lease(const eg_change *c, eg_inode *i) {
    i->attr[EG_ATTR_LEASE] = (eg_bytes){c->lease_row, c->lease_len};
}

static void set_lease(eg_change *c, eg_inode *i, const eg_lease *l) {
    c->lease_len = l->held ? sizeof c->lease_row : 0;
    eg_lease_encode(l, c->lease_row);
    if (i) {
        eg_change_keep_lease(c, i);
    }
}

/* The part of x-ms-lease-action that comes before the write, and the part that comes after. */
static eg_err act(eg_change *c, eg_lease *l, bool before, eg_problem *p) {
    eg_lease_ask ask = c->lease_ask;
    uint32_t remaining = 0;
    switch (c->lease_ask.action) {
    case EG_LEASE_ACT_ACQUIRE:
    case EG_LEASE_ACT_ACQUIRE_RELEASE:
        ask.action = before ? EG_LEASE_ACT_ACQUIRE : EG_LEASE_ACT_RELEASE;
        ask.id = ask.proposed;
        if (!before && c->lease_ask.action == EG_LEASE_ACT_ACQUIRE) {
            return EG_OK;
        }
        break;
    case EG_LEASE_ACT_RENEW:
    case EG_LEASE_ACT_RELEASE:
        if (before) {
            return EG_OK;
        }
        ask.has_id = true;
        ask.id = c->lease;
        break;
    case EG_LEASE_ACT_NONE:
    case EG_LEASE_ACT_CHANGE:
    case EG_LEASE_ACT_BREAK:
        return EG_OK;
    }
    EG_TRY(eg_lease_act(l, &ask, c->forward_ns, &remaining, p));
    c->lease_moved = true;
    return EG_OK;
}

/* Writing takes a lease away that ran out or was broken. */
static void settle(const eg_change *c, eg_lease *l) {
    if (!eg_lease_locked(l, c->forward_ns)) {
        *l = (eg_lease){0};
    }
}

eg_err eg_change_met(const eg_change *c, const eg_inode *i, eg_problem *p) {
    const eg_err e = eg_conditions_check(&c->conditions, i, p);
    return e != EG_ERR_PATH_EXISTS || c->creates
               ? e
               : eg_fail(p, EG_ERR_CONDITION_NOT_MET, "The condition specified using HTTP conditional header(s) is not met.");
}

eg_err eg_change_check(eg_change *c, eg_inode *i, eg_problem *p) {
    EG_TRY(eg_change_met(c, i, p));
    eg_lease l = {0};
    if (i && c->path.len == 0) {
        /* The root stands for its container, whose lease guards only against deletion. */
        EG_TRY(eg_lease_decode(i->attr[EG_ATTR_LEASE], &l));
        EG_TRY(eg_lease_check_read(&l, c->has_lease ? &c->lease : NULL, c->forward_ns, EG_LEASE_OF_CONTAINER, p));
        set_lease(c, i, &l);
        return EG_OK;
    }
    if (i) {
        EG_TRY(eg_lease_decode(i->attr[EG_ATTR_LEASE], &l));
    }
    EG_TRY(act(c, &l, true, p));
    const bool acquires = c->lease_ask.action == EG_LEASE_ACT_ACQUIRE || c->lease_ask.action == EG_LEASE_ACT_ACQUIRE_RELEASE;
    const eg_id *id = acquires ? &c->lease_ask.proposed : c->has_lease ? &c->lease : NULL;
    EG_TRY(eg_lease_check_write(&l, id, c->forward_ns, EG_LEASE_OF_PATH, p));
    settle(c, &l);
    EG_TRY(act(c, &l, false, p));
    set_lease(c, i, &l);
    return EG_OK;
}

eg_err eg_change_finish(eg_kv_txn *t, const eg_change *c) {
    if (!c->lease_moved || c->lease_len == 0) {
        return EG_OK;
    }
    eg_container found;
    EG_TRY(eg_ns_container_get(t, c->account, c->container, &found));
    const eg_lease_spot at = {c->account, found.root, c->path};
    return eg_lease_index_put(t, &at);
}
