/* What a Graph-shaped endpoint and its token endpoint answer, read strictly. */
#ifndef EG_GATEWAY_IDENTITY_GRAPH_ANSWER_H
#define EG_GATEWAY_IDENTITY_GRAPH_ANSWER_H

#include <embergate/json.h>
#include <embergate/principal.h>

#define EG_GRAPH_ANSWER_MAX ((size_t)1 << 20)
#define EG_GRAPH_LINK_MAX 2048

/* One page of groups: {"value":[…],"@odata.nextLink":"…"}; what is in value is an id, or an object with one (as transitiveMemberOf has them; those that
 * are no groups are left out). Added to *groups, which has room for `max` in all. ret_next "" = it was the last page.
 * EG_ERR_INVALID for another shape; EG_ERR_LIMIT for more groups than max. */
eg_err eg_graph_groups_read(eg_str text, size_t max, eg_principal *to, char ret_next[EG_GRAPH_LINK_MAX], eg_problem *p) EG_MUST_CHECK;
/* An access token (RFC 6749 section 5.1), added to *ret; for how long it is good. EG_ERR_INVALID. */
eg_err eg_graph_token_read(eg_str text, eg_buf *ret, int64_t *ret_life_s, eg_problem *p) EG_MUST_CHECK;

#endif
