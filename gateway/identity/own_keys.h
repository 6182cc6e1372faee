/* The keys of the gateway's own issuer, as the keeper has them: read anew when one was made, and every minute. */
#ifndef EG_GATEWAY_IDENTITY_OWN_KEYS_H
#define EG_GATEWAY_IDENTITY_OWN_KEYS_H

#include "jws.h"
#include "key_mark.h"

#include <embergate/clock.h>
#include <embergate/keys.h>
#include <embergate/pool.h>

typedef struct eg_own_keys eg_own_keys;

typedef struct eg_own_keys_options {
    const eg_keys *keys;
    eg_pool *pool;
    const eg_clock *clock;
    const eg_key_mark *mark;   /* asked before each reading; NULL: nobody remembers */
} eg_own_keys_options;
/* Blocks on the keeper. All that the options name is borrowed for its life. */
eg_err eg_own_keys_open(const eg_own_keys_options *from, eg_own_keys **ret, eg_problem *p) EG_MUST_CHECK;
/* Waits for a look that is under way. */
void eg_own_keys_free(eg_own_keys *o);
/* A reference for the caller. */
eg_jwk_set *eg_own_keys_set(eg_own_keys *o);
/* Changes when the keys do: what an older generation verified is to be verified again. */
uint32_t eg_own_keys_generation(eg_own_keys *o);
/* The key set as it is served, added to *ret. */
eg_err eg_own_keys_text(eg_own_keys *o, eg_buf *ret) EG_MUST_CHECK;
/* As the keeper has them now. Blocks; on failure those that are there stay. */
eg_err eg_own_keys_reload(eg_own_keys *o, eg_problem *p) EG_MUST_CHECK;
/* Has the pool reload them when that was not done for a minute: a key's end comes by the clock. Never blocks. */
void eg_own_keys_tick(eg_own_keys *o);

#endif
