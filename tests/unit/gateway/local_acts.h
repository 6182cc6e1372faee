/* What administrators do to local principals, without the record that a request would make of it. */
#ifndef EG_TEST_LOCAL_ACTS_H
#define EG_TEST_LOCAL_ACTS_H

#include "identity_fixture.h"

#include "identity/identity_state.h"
#include "identity/local_admin.h"

static inline eg_err record_nothing(eg_kv_txn *t, void *ctx, eg_problem *p) {
    (void)t;
    (void)ctx;
    (void)p;
    return EG_OK;
}

static inline eg_txn_op no_record(void *ctx, const eg_local_principal *who) {
    (void)ctx;
    (void)who;
    return (eg_txn_op){.apply = record_nothing};
}

/* `a` without tenant and record. */
static inline eg_err local_act(fixture *f, eg_local_ask a, eg_local_principal *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf secret;
    eg_buf_init(&secret, 256);
    a.tenant = EG_LIT(TENANT);
    a.record = no_record;
    return eg_local_admin_change(f->identity, &a, ret, &secret, p);
}

#endif
