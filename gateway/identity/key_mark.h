/* Remembers which token-signing key was the newest, so that an older copy of the keeper's file is noticed: keys that were ended would be in force again. */
#ifndef EG_GATEWAY_IDENTITY_KEY_MARK_H
#define EG_GATEWAY_IDENTITY_KEY_MARK_H

#include <embergate/keys.h>
#include <embergate/kv.h>

struct eg_audit;

typedef struct eg_key_mark {
    eg_kv *kv;
    eg_committer *committer;
    const eg_keys *keys;
    struct eg_audit *audit;    /* may be NULL */
} eg_key_mark;

/* Before tokens are verified. When the newest key is gone and none came after it, the keeper makes a new one and ends all others; the record is identity.keys.older.
 * *ret_ended: so it was. */
eg_err eg_key_mark_check(const eg_key_mark *m, bool *ret_ended, eg_problem *p) EG_MUST_CHECK;
/* After a rotation: `json` as list_token_keys gives it. */
eg_err eg_key_mark_put(const eg_key_mark *m, eg_str json, eg_problem *p) EG_MUST_CHECK;

#endif
