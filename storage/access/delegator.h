/* What is known of whoever asked for a user delegation key: the groups that its token named then, so that its signatures count them. */
#ifndef EG_STORAGE_DELEGATOR_H
#define EG_STORAGE_DELEGATOR_H

#include "store.h"

#include <embergate/principal.h>

/* A step of a transaction: keeps who's groups (or that they are unknown), and drops what nobody's key needs any more. */
typedef struct eg_delegator_note {
    const eg_account *account;
    const eg_principal *who;
    int64_t now_ns;
} eg_delegator_note;
eg_err eg_delegator_note_apply(eg_kv_txn *t, void *note, eg_problem *p);
/* Whether the very same was kept within the last hour, so that nothing has to be written. */
bool eg_delegator_noted(eg_storage *s, const eg_delegator_note *n);
/* Fills the groups of who (its tenant and object_id are set); unknown when nothing is kept of it. EG_ERR_CORRUPT. Doesn't block. */
eg_err eg_delegator_groups(eg_storage *s, const eg_account *a, eg_principal *who) EG_MUST_CHECK;

#endif
