/* The groups that a token leaves out, as the issuer's Graph-shaped endpoint has them: fetched in the pool, kept for a while. */
#ifndef EG_GATEWAY_IDENTITY_GROUP_LOOKUP_H
#define EG_GATEWAY_IDENTITY_GROUP_LOOKUP_H

#include <embergate/identity.h>

#define EG_GROUP_LOOKUP_ENTRIES 4096u        /* principals whose groups are kept */
#define EG_GROUP_LOOKUP_GROUPS 1000000u      /* groups of all of them together */

typedef struct eg_group_lookup eg_group_lookup;

/* Options are borrowed for its life; audit may be NULL. NULL without memory. */
eg_group_lookup *eg_group_lookup_new(const eg_outside_issuer *issuer, eg_pool *pool, const eg_clock *clock, struct eg_audit *audit);
/* Waits for fetches that are under way; calls who still waits. */
void eg_group_lookup_free(eg_group_lookup *l);

/* A principal that has the groups of `object_id` and nothing else: a reference for the caller, the same object as long as they are the same groups. Never blocks:
 * EG_ERR_BUSY means that they are being asked for, and later(ctx), if given, is called once from a pool thread when it is worth asking again.
 * EG_ERR_NOT_FOUND: they are not known, now. */
eg_err eg_group_lookup_find(eg_group_lookup *l, const char *object_id, eg_principal_kind kind, void (*later)(void *), void *later_ctx, eg_principal **ret) EG_MUST_CHECK;

#endif
