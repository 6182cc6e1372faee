/* Asks a configured Graph-shaped endpoint for the groups of one principal, with credentials of the gateway's own. */
#ifndef EG_GATEWAY_IDENTITY_GRAPH_CLIENT_H
#define EG_GATEWAY_IDENTITY_GRAPH_CLIENT_H

#include <embergate/identity.h>

#define EG_GRAPH_GROUPS_MAX 10000u   /* whatever is configured */
#define EG_GRAPH_PAGES_MAX 32u
#define EG_GRAPH_SECONDS_MAX 15      /* for one principal, all pages */

typedef struct eg_graph_client eg_graph_client;

/* Options are borrowed for its life. NULL without memory. */
eg_graph_client *eg_graph_client_new(const eg_outside_issuer *issuer, const eg_clock *clock);
void eg_graph_client_free(eg_graph_client *c);
/* POST {graph_url}/users/{object id}/getMemberObjects (servicePrincipals/… for an application), and its further pages. *ret is a principal that has the groups and nothing
 * else, a reference for the caller. Blocks: pool threads only. EG_ERR_NOT_FOUND: the endpoint knows nobody of that id. EG_ERR_LIMIT: more groups than are taken. Anything else: it
 * could not be asked. */
eg_err eg_graph_client_groups(eg_graph_client *c, const char *object_id, eg_principal_kind kind, eg_principal **ret, eg_problem *p) EG_MUST_CHECK;

#endif
