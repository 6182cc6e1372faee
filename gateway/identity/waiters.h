/* Requests that wait for what is being fetched: each is called once, when it is worth asking again. */
#ifndef EG_GATEWAY_IDENTITY_WAITERS_H
#define EG_GATEWAY_IDENTITY_WAITERS_H

#include <embergate/err.h>

#include <stddef.h>

#define EG_WAITERS_MAX 4096u

typedef struct eg_waiter eg_waiter;

/* Adds one to the list, under its owner's lock. *count: of all lists that share the bound. later NULL: nobody waits. EG_ERR_UNAVAILABLE: as many wait already. */
eg_err eg_waiters_add(eg_waiter **list, size_t *count, void (*later)(void *), void *ctx) EG_MUST_CHECK;
/* Calls, in the order in which they came, and frees all of a list that was taken from its owner, without the lock. How many there were: the owner takes them off its count. */
size_t eg_waiters_call(eg_waiter *list);

#endif
