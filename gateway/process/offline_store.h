/* The store of a state directory that nobody serves, opened by a command that changes it. */
#ifndef EG_GATEWAY_PROCESS_OFFLINE_STORE_H
#define EG_GATEWAY_PROCESS_OFFLINE_STORE_H

#include <embergate/kv.h>

typedef struct eg_offline_store {
    eg_kv *kv;
    eg_committer *committer;
} eg_offline_store;

/* With its digest, whose key the state directory's keeper gives in this process. store_mib: of the configuration, 0 = as large as may be. EG_ERR_LOCKED: somebody serves it. */
eg_err eg_offline_store_open(const char *state_dir, unsigned store_mib, eg_offline_store *ret, eg_problem *p) EG_MUST_CHECK;
void eg_offline_store_done(eg_offline_store *s);   /* {0} is harmless */

#endif
